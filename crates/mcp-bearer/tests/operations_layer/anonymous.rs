//! Operations without a token.

use std::collections::VecDeque;
use std::time::Duration;

use http::{Method, Request};
use mcp_bearer::AccessToken;
use mcp_bearer::http::{FromExtensions, OperationsLayer, Resource};
use mcp_bearer::operation::RuleDraft;

use crate::support::{
    LIST, Piece, Pieces, Server, ask, auth, auth_with_prefix, call, layer, post, rules, token,
    typed, with,
};

const ALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"public_x"},{"name":"delete_x"}]}}"#;
const OPEN: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"public_x"}]}}"#;

fn open_layer() -> OperationsLayer<Resource> {
    open_layer_with_prefix(None)
}

fn open_layer_with_prefix(prefix: Option<&str>) -> OperationsLayer<Resource> {
    auth_with_prefix(&["read"], prefix).operations(rules(vec![
        RuleDraft::new("initialize").anonymous(),
        RuleDraft::new("tools/list").anonymous(),
        RuleDraft::new("tools/call").name("public_*").anonymous(),
        RuleDraft::new("tools/call")
            .name("delete_*")
            .scopes(["admin"]),
    ]))
}

fn stranger(body: impl Into<Pieces>) -> Request<Pieces> {
    let mut request = post("", body);
    request.headers_mut().remove("authorization");
    request
}

#[tokio::test]
async fn an_anonymous_operation_needs_no_token_and_any_other_does() {
    let server = Server::json(ALL);
    let service = open_layer().layer(server.clone());
    let answer = ask(service.clone(), stranger(LIST)).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, OPEN));
    assert!(AccessToken::from_extensions(&server.last().parts.extensions).is_none());
    assert_eq!(
        ask(service.clone(), stranger(call("public_x")))
            .await
            .status,
        200
    );
    server.last();
    for body in [
        call("delete_x"),
        call("other"),
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned(),
        format!("[{LIST},{}]", call("other")),
    ] {
        let answer = ask(service.clone(), stranger(body.clone())).await;
        assert_eq!(answer.status, 401, "{body}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(!challenge.contains("error="), "{challenge}");
        assert!(challenge.contains("resource_metadata="), "{challenge}");
    }
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_credential_that_is_sent_is_checked() {
    let server = Server::json(ALL);
    let service = open_layer().layer(server.clone());
    for value in ["Bearer x.y.z", "Bearer", "Basic YTpi", ""] {
        let request = with(stranger(LIST), "authorization", value);
        let answer = ask(service.clone(), request).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 401),
            "{value}: {}",
            answer.status
        );
    }
    let two = with(
        with(stranger(LIST), "authorization", "Bearer a"),
        "authorization",
        "Bearer b",
    );
    assert_eq!(ask(service.clone(), two).await.status, 400);
    assert_eq!(server.calls(), 0);
    let answer = ask(service, post(&token("read"), LIST)).await;
    assert_eq!(answer.text(), ALL);
}

#[tokio::test]
async fn streams_and_deletes_need_a_token() {
    let service = open_layer().layer(Server::json(ALL));
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let mut request = stranger("");
        *request.body_mut() = Pieces::default();
        *request.method_mut() = method.clone();
        assert_eq!(ask(service.clone(), request).await.status, 401, "{method}");
    }
}

#[tokio::test]
async fn a_strangers_body_has_64_kib() {
    let service = open_layer().layer(Server::json(ALL));
    let long = |length: usize| format!("{LIST}{}", " ".repeat(length - LIST.len()));
    assert_eq!(
        ask(service.clone(), stranger(long(64 * 1024))).await.status,
        200
    );
    assert_eq!(
        ask(service.clone(), stranger(long(64 * 1024 + 1)))
            .await
            .status,
        413
    );
    assert_eq!(
        ask(service, post(&token("read"), long(64 * 1024 + 1)))
            .await
            .status,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn a_strangers_body_has_5_seconds() {
    let service = open_layer().layer(Server::json(ALL));
    let body = Pieces {
        pieces: VecDeque::from([Piece::Never]),
        ..Pieces::default()
    };
    let started = tokio::time::Instant::now();
    assert_eq!(ask(service, stranger(body)).await.status, 408);
    let waited = started.elapsed();
    assert!(
        waited > Duration::from_secs(4) && waited < Duration::from_secs(7),
        "{waited:?}"
    );
}

#[tokio::test]
async fn a_session_started_without_a_token_stays_without_one() {
    let server = Server::new(|_| {
        let mut response = typed("application/json", ALL);
        response
            .headers_mut()
            .insert("mcp-session-id", "s".parse().unwrap());
        response
    });
    let service = open_layer().layer(server);
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
    let answer = ask(service.clone(), stranger(initialize)).await;
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    let again = with(stranger(call("public_x")), "mcp-session-id", &session);
    assert_eq!(ask(service.clone(), again).await.status, 200);
    let more = with(stranger(call("delete_x")), "mcp-session-id", &session);
    assert_eq!(ask(service.clone(), more).await.status, 401);
    let with_token = with(
        post(&token("read admin"), call("delete_x")),
        "mcp-session-id",
        &session,
    );
    assert_eq!(ask(service.clone(), with_token).await.status, 404);

    // It has no stream: after a 401 clients would sign in as soon as they are connected.
    for method in [Method::GET, Method::DELETE] {
        let of_session = |id: &str| {
            let mut request = with(stranger(Pieces::default()), "mcp-session-id", id);
            *request.method_mut() = method.clone();
            request
        };
        let answer = ask(service.clone(), of_session(&session)).await;
        let seen = (answer.status.as_u16(), answer.header("allow"));
        assert_eq!(seen, (405, Some("POST")), "{method}");
        let challenged = ask(service.clone(), of_session("s")).await;
        assert_eq!(challenged.status, 401, "{method}");
        let credential = with(of_session(&session), "authorization", "Bearer");
        assert_eq!(
            ask(service.clone(), credential).await.status,
            401,
            "{method}"
        );
        let twice = with(of_session(&session), "mcp-session-id", &session);
        assert_eq!(ask(service.clone(), twice).await.status, 401, "{method}");
    }
}

#[tokio::test]
async fn without_anonymous_rules_a_stranger_gets_401_before_the_body() {
    let body = Pieces::from(LIST);
    let polled = std::sync::Arc::clone(&body.polled);
    let answer = ask(layer().layer(Server::json(ALL)), stranger(body)).await;
    assert_eq!(answer.status, 401);
    assert_eq!(*polled.lock().unwrap(), 0);
}

#[tokio::test]
async fn the_challenge_names_what_the_operation_needs() {
    for prefix in [None, Some("api://id/")] {
        let layer = open_layer_with_prefix(prefix);
        let service = layer.layer(Server::json(ALL));
        for (body, scopes) in [
            (call("delete_x"), vec!["read", "admin"]),
            (call("other"), vec!["read"]),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned(),
                vec!["read"],
            ),
        ] {
            let answer = ask(service.clone(), stranger(body.clone())).await;
            let challenge = answer.header("www-authenticate").unwrap();
            let named: Vec<String> = scopes
                .into_iter()
                .map(|scope| format!("{}{scope}", prefix.unwrap_or_default()))
                .collect();
            let scope = format!("scope=\"{}\"", named.join(" "));
            assert!(challenge.contains(&scope), "{body}: {challenge}");
        }
        let document = layer.auth().metadata().to_json();
        let published = format!("\"{}admin\"", prefix.unwrap_or_default());
        assert!(document.contains(&published), "{document}");
    }
}

#[tokio::test]
async fn the_challenge_does_not_name_what_only_hidden_operations_need() {
    let layer = auth(&["read"]).operations(rules(vec![
        RuleDraft::new("tools/list").anonymous(),
        RuleDraft::new("tools/call")
            .name("secret_*")
            .scopes(["secret"])
            .hide(),
    ]));
    let service = layer.layer(Server::json(ALL));
    let answer = ask(service, stranger(call("secret_x"))).await;
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains("scope=\"read\""), "{challenge}");
    let document = layer.auth().metadata().to_json();
    assert!(
        document.contains(r#""scopes_supported":["read"]"#),
        "{document}"
    );
}
