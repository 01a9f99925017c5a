//! What happens to a request: the challenge, the refusals, what is passed on.

use http::{Method, Request};
use mcp_bearer::http::{FromExtensions, JudgedOperations};
use mcp_bearer::operation::{OperationRules, RuleDraft};
use mcp_bearer::{AccessToken, Algorithm, BearerAuthLayer, BearerAuthProvider, Rejection};
use mcp_bearer_testkit::{Forge, TestClock};

use crate::support::{
    LIST, NOW, Pieces, Server, ask, auth, call, key, layer, post, rules, token, typed, with,
};

const OK: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;

#[tokio::test]
async fn a_call_that_needs_a_scope_gets_403_and_one_challenge() {
    let server = Server::json(OK);
    let service = layer().layer(server.clone());
    let answer = ask(
        service.clone(),
        post(&token("read files"), call("delete_all")),
    )
    .await;
    assert_eq!(answer.status, 403);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with(
            r#"Bearer error="insufficient_scope", scope="read admin", resource_metadata="https://"#
        ),
        "{challenge}"
    );
    assert_eq!(server.calls(), 0);
    let answer = ask(
        service.clone(),
        post(&token("read admin"), call("delete_all")),
    )
    .await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, OK));
    let answer = ask(service, post(&token("read"), call("add"))).await;
    assert_eq!(answer.text(), OK);
    assert_eq!(server.calls(), 2);
}

#[tokio::test]
async fn a_challenge_names_what_clients_must_request() {
    let provider = BearerAuthProvider::builder()
        .public_key(key().public_pem())
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Es256])
        .required_scopes(["read"])
        .requested_scope_prefix("api://id/")
        .requested_scope("admin", "urn:admin")
        .build()
        .unwrap()
        .with_clock(mcp_bearer::Clock::new(TestClock::new(NOW).as_fn()));
    let auth = BearerAuthLayer::new(provider);
    let drafts = vec![RuleDraft::new("tools/call").scopes(["admin"])];
    let layer = auth
        .resource(Forge::AUDIENCE)
        .unwrap()
        .operations(rules(drafts));
    let answer = ask(
        layer.layer(Server::json(OK)),
        post(&token("read"), call("delete_all")),
    )
    .await;
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.contains(r#"scope="api://id/read urn:admin""#),
        "{challenge}"
    );
}

#[tokio::test]
async fn the_server_gets_the_request_as_it_came_with_the_decision() {
    let server = Server::json(OK);
    let service = layer().layer(server.clone());
    let body = call("add").replace(':', " : ");
    let request = with(post(&token("read"), body.clone()), "x-other", "1");
    ask(service, request).await;
    let got = server.last();
    assert_eq!(got.body, body.as_bytes());
    assert_eq!(got.hint.exact(), u64::try_from(body.len()).ok());
    assert_eq!(got.parts.headers["x-other"], "1");
    assert!(got.parts.headers["authorization"].is_sensitive());
    let access = AccessToken::from_extensions(&got.parts.extensions).unwrap();
    assert_eq!(access.scopes().as_str(), "read");
    let operations = JudgedOperations::from_extensions(&got.parts.extensions).unwrap();
    let operation = operations.iter().next().unwrap();
    assert_eq!(
        (operation.method(), operation.targets()[0].name()),
        ("tools/call", "add")
    );
}

#[tokio::test]
async fn what_no_scope_allows_is_200_with_an_error_and_what_is_hidden_does_not_exist() {
    let service = layer().layer(Server::json(OK));
    let tasks = r#"{"jsonrpc":"2.0","id":1,"method":"tasks/list"}"#;
    for (body, code) in [
        (tasks.to_owned(), -32003),
        (call("secret_x"), -32602),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"x:secret1"}}"#
                .to_owned(),
            -32002,
        ),
    ] {
        let answer = ask(service.clone(), post(&token("read"), body.clone())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (200, code),
            "{body}"
        );
        assert_eq!(answer.json()["id"], 1);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

#[tokio::test]
async fn a_lie_in_a_header_is_400_in_every_version() {
    let server = Server::json(OK);
    let service = layer().layer(server.clone());
    for version in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        let request = with(
            post(&token("read admin"), call("delete_all")),
            "mcp-name",
            "add",
        );
        let request = with(request, "mcp-protocol-version", version);
        let answer = ask(service.clone(), request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, -32020),
            "{version}"
        );
    }
    let twice = with(
        with(post(&token("read"), call("add")), "mcp-name", "add"),
        "mcp-name",
        "add",
    );
    assert_eq!(ask(service, twice).await.code(), -32020);
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn no_byte_of_a_body_is_read_before_a_token_was_accepted() {
    let service = layer().layer(Server::json(OK));
    for bad in ["", "x.y.z", &token(""), &token("other")] {
        let body = Pieces::from(call("add"));
        let polled = std::sync::Arc::clone(&body.polled);
        let mut request = post(bad, body);
        if bad.is_empty() {
            request.headers_mut().remove("authorization");
        }
        let answer = ask(service.clone(), request).await;
        assert!(matches!(answer.status.as_u16(), 401 | 403), "{bad}");
        assert_eq!(*polled.lock().unwrap(), 0, "{bad}");
    }
}

#[tokio::test]
async fn methods_that_nobody_judges_are_not_served() {
    let server = Server::json(OK);
    let service = layer().layer(server.clone());
    for (method, status) in [
        (Method::PUT, 405),
        (Method::PATCH, 405),
        (Method::TRACE, 405),
        (Method::from_bytes(b"post").unwrap(), 405),
        // With a body.
        (Method::GET, 400),
        (Method::DELETE, 400),
        (Method::OPTIONS, 400),
    ] {
        let mut request = post(&token("read admin"), call("delete_all"));
        *request.method_mut() = method.clone();
        assert_eq!(
            ask(service.clone(), request).await.status,
            status,
            "{method}"
        );
    }
    assert_eq!(server.calls(), 0);
    for method in [Method::GET, Method::DELETE] {
        let mut request = post(&token("read"), "");
        *request.method_mut() = method;
        assert_eq!(ask(service.clone(), request).await.status, 200);
    }
}

#[tokio::test]
async fn a_preflight_passes_as_before() {
    let server = Server::json(OK);
    let request = Request::options("/mcp")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .body(Pieces::default())
        .unwrap();
    assert_eq!(
        ask(layer().layer(server.clone()), request).await.status,
        200
    );
    assert!(AccessToken::from_extensions(&server.last().parts.extensions).is_none());
}

#[tokio::test]
async fn without_rules_no_body_is_judged() {
    let server = Server::json(OK);
    let layer = auth(&["read"]).operations(rules(Vec::new()));
    let draft = OperationRules::none();
    for layer in [layer, auth(&["read"]).operations(draft)] {
        let service = layer.layer(server.clone());
        let answer = ask(service, post(&token("read"), call("delete_all"))).await;
        assert_eq!(answer.text(), OK);
    }
    let service = auth(&["read"])
        .operations(OperationRules::none())
        .layer(server.clone());
    let answer = ask(service, post(&token("read"), "no JSON")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(server.last().body, "no JSON");
}

#[tokio::test]
async fn one_scope_for_one_tool_in_a_few_lines() {
    let rule = RuleDraft::new("tools/call").name("add").scopes(["add"]);
    let service = auth(&[])
        .operations(rules(vec![rule]))
        .layer(Server::json(OK));
    let answer = ask(service.clone(), post(&token("other"), call("add"))).await;
    assert_eq!(answer.status, 403);
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .contains(r#"scope="add""#)
    );
    assert_eq!(ask(service, post(&token("other"), LIST)).await.status, 200);
}

#[tokio::test]
async fn the_rejection_is_in_the_extensions_of_the_answer() {
    use tower::ServiceExt;
    let service = layer().layer(Server::json(OK));
    let response = service
        .oneshot(post(&token("read"), call("delete_all")))
        .await
        .unwrap();
    let rejection = Rejection::from_extensions(response.extensions()).unwrap();
    assert_eq!(rejection.missing_scopes().unwrap().as_str(), "admin");
}

#[test]
fn the_metadata_document_names_the_scopes_of_the_rules() {
    let document = layer().auth().metadata().to_json();
    assert!(
        document.contains(r#""scopes_supported":["read","admin"]"#),
        "{document}"
    );
    let provider = auth(&["read"]).provider().clone();
    let named = BearerAuthLayer::new(provider)
        .scopes_supported(["read"])
        .resource("https://mcp.example.com/mcp")
        .unwrap();
    let rule = RuleDraft::new("tools/call").scopes(["admin"]);
    let layer = named.operations(rules(vec![rule]));
    let document = layer.auth().metadata().to_json();
    assert!(
        document.contains(r#""scopes_supported":["read"]"#),
        "{document}"
    );
}

#[tokio::test]
async fn an_assertion_of_a_proxy_is_judged_and_no_challenge_follows() {
    let provider = auth(&["read"]).provider().clone();
    let layer = BearerAuthLayer::new(provider)
        .token_header("x-assertion")
        .unwrap()
        .operations(rules(vec![
            RuleDraft::new("tools/list").anonymous(),
            RuleDraft::new("tools/call")
                .name("delete_*")
                .scopes(["admin"]),
        ]));
    let server = Server::json("{}");
    let service = layer.layer(server.clone());
    let asserted = |scopes: &str, body: String| {
        let mut request = with(post("", body), "x-assertion", &token(scopes));
        request.headers_mut().remove("authorization");
        request
    };
    let answer = ask(service.clone(), asserted("read", call("delete_x"))).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("www-authenticate")),
        (403, None)
    );
    let answer = ask(service.clone(), asserted("read admin", call("delete_x"))).await;
    assert_eq!(answer.status, 200);
    assert!(!server.last().parts.headers.contains_key("x-assertion"));
    // Either kind of credential counts, so that nothing is open to it without a token.
    let answer = ask(service.clone(), post(&token("read"), LIST)).await;
    assert_eq!(answer.status, 401);
    let bad = with(asserted("read", LIST.to_owned()), "x-assertion", "x");
    assert_eq!(ask(service, bad).await.status, 400);
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_ends_the_connection() {
    let open = auth(&["read"]).operations(rules(vec![
        RuleDraft::new("tools/call")
            .name("delete_*")
            .scopes(["admin"]),
    ]));
    let service = open.layer(Server::json(OK));
    let good = token("read");
    for (request, closes) in [
        (post("x", LIST), true),
        (with(post(&good, LIST), "content-encoding", "gzip"), true),
        (with(post(&good, LIST), "mcp-session-id", "x"), true),
        (post(&good, "a".repeat(5 * 1024 * 1024)), true),
        (post(&good, call("delete_x")), false),
        (post(&good, LIST), false),
        (post("x", Pieces::default()), false),
    ] {
        let shown = format!("{request:?}");
        let answer = ask(service.clone(), request).await;
        let close = answer.header("connection") == Some("close");
        assert_eq!(close, closes, "{shown:.300}: {}", answer.status);
    }
    let mut second = post("x", LIST);
    *second.version_mut() = http::Version::HTTP_2;
    assert_eq!(ask(service, second).await.header("connection"), None);
}

#[tokio::test]
async fn every_answer_has_what_cors_needs() {
    use mcp_bearer::http::{Cors, Preflight};
    let provider = auth(&["read"]).provider().clone();
    let cors = Cors::origins(["https://app.example.com"]).unwrap();
    let layer = BearerAuthLayer::new(provider)
        .preflight(Preflight::Answer(cors))
        .operations(rules(vec![
            RuleDraft::new("tools/call")
                .name("delete_*")
                .scopes(["admin"]),
        ]));
    let service = layer.layer(Server::json(OK));
    let from = |request| with(request, "origin", "https://app.example.com");
    for (request, status) in [
        (post("x", LIST), 401),
        (post(&token("read"), call("delete_x")), 403),
        (post(&token("read"), LIST), 200),
        (with(post(&token("read"), LIST), "mcp-session-id", "x"), 404),
    ] {
        let answer = ask(service.clone(), from(request)).await;
        assert_eq!(answer.status, status);
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed, Some("https://app.example.com"), "{status}");
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("WWW-Authenticate"), "{exposed}");
    }
    let mut preflight = from(post("", Pieces::default()));
    *preflight.method_mut() = Method::OPTIONS;
    preflight.headers_mut().remove("authorization");
    let preflight = with(preflight, "access-control-request-method", "POST");
    assert_eq!(ask(service, preflight).await.status, 204);
}

/// Each of these answers leaves the layer on a way of its own: unchanged, held until it is known
/// to be a list, filtered as a stream, replaced.
#[tokio::test]
async fn every_answer_of_the_server_has_what_cors_needs() {
    use mcp_bearer::http::{Cors, Preflight};
    const ALL: &str =
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"secret_x"},{"name":"a"}]}}"#;
    const EVENTS: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[]}}\n\n";
    let hiding = || {
        let rule = RuleDraft::new("tools/call").name("secret_*");
        rules(vec![rule.scopes(["admin"]).hide()])
    };
    for (rules, kind, body, status) in [
        (OperationRules::none(), "application/json", ALL, 200),
        (OperationRules::none(), "text/event-stream", EVENTS, 200),
        (hiding(), "application/json", ALL, 200),
        (hiding(), "text/event-stream", EVENTS, 200),
        (hiding(), "text/plain", "a list", 502),
    ] {
        let shown = format!("{rules:?} {kind}");
        let provider = auth(&["read"]).provider().clone();
        let cors = Cors::origins(["https://app.example.com"]).unwrap();
        let layer = BearerAuthLayer::new(provider).preflight(Preflight::Answer(cors));
        let server = Server::new(move |_| typed(kind, body));
        let service = layer.operations(rules).layer(server);
        let request = with(
            post(&token("read"), LIST),
            "origin",
            "https://app.example.com",
        );
        let answer = ask(service, request).await;
        assert_eq!(answer.status, status, "{shown}");
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed, Some("https://app.example.com"), "{shown}");
        let is_hidden = shown.contains("secret_");
        assert!(
            !(is_hidden && answer.text().contains("secret_x")),
            "{shown}"
        );
    }
}
