//! Sessions and events are bound to the principal that they were given to.

use http::{Method, Request};
use mcp_bearer::http::SessionKeys;
use mcp_bearer_testkit::Forge;

use crate::support::{
    LIST, NOW, Piece, Pieces, Server, ask, auth, call, key, layer, post, rules, token_of, typed,
    with,
};

const OK: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
const RESPONSE: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"action":"accept"}}"#;

/// Gives everyone the same session, and accepts it from everyone.
fn server() -> Server {
    Server::new(|_| {
        let mut response = typed("application/json", OK);
        response
            .headers_mut()
            .insert("mcp-session-id", "session-1".parse().unwrap());
        response
    })
}

fn request(method: Method, token: &str, session: &str, body: &str) -> Request<Pieces> {
    let mut request = with(post(token, body), "mcp-session-id", session);
    if method != Method::POST {
        *request.body_mut() = Pieces::default();
    }
    *request.method_mut() = method;
    request
}

#[tokio::test]
async fn a_session_serves_its_principal_and_nobody_else() {
    let server = server();
    let service = layer().layer(server.clone());
    let (alice, mallory) = (token_of("alice"), token_of("mallory"));
    let answer = ask(service.clone(), post(&alice, INITIALIZE)).await;
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    assert!(session.starts_with("session-1."), "{session}");
    server.last();

    for method in [Method::POST, Method::GET, Method::DELETE] {
        let answer = ask(
            service.clone(),
            request(method.clone(), &alice, &session, &call("a")),
        )
        .await;
        assert_eq!(answer.status, 200, "{method}");
        assert_eq!(server.last().parts.headers["mcp-session-id"], "session-1");
        assert_eq!(answer.header("mcp-session-id"), Some(session.as_str()));
        let foreign = [
            session.clone(),
            "session-1".to_owned(),
            "session-2".to_owned(),
            session.replace("-1", "-2"),
        ];
        for (token, id) in foreign
            .iter()
            .map(|id| (&mallory, id))
            .chain([(&alice, &foreign[1]), (&alice, &foreign[3])])
        {
            let answer = ask(
                service.clone(),
                request(method.clone(), token, id, &call("a")),
            )
            .await;
            assert_eq!(answer.status, 404, "{method} {id}");
            assert_eq!(answer.json()["error"]["message"], "Session not found");
        }
    }
    assert_eq!(server.calls(), 0);
    // A refreshed token has another text and the same principal.
    let refreshed = Forge::new(&key(), NOW)
        .scope("read")
        .subject("alice")
        .claim("x", 1)
        .token();
    assert_ne!(refreshed, alice);
    let answer = ask(
        service,
        request(Method::POST, &refreshed, &session, &call("a")),
    )
    .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_response_needs_a_session_of_the_caller() {
    let server = server();
    let service = layer().layer(server.clone());
    let (alice, mallory) = (token_of("alice"), token_of("mallory"));
    let answer = ask(service.clone(), post(&alice, INITIALIZE)).await;
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    server.last();
    let answer = ask(
        service.clone(),
        request(Method::POST, &mallory, &session, RESPONSE),
    )
    .await;
    assert_eq!(answer.status, 404);
    let answer = ask(service.clone(), post(&alice, RESPONSE)).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (400, -32600));
    assert_eq!(server.calls(), 0);
    let answer = ask(service, request(Method::POST, &alice, &session, RESPONSE)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn two_ids_are_400_and_the_newest_version_has_none() {
    let server = server();
    let service = layer().layer(server.clone());
    let alice = token_of("alice");
    let answer = ask(service.clone(), post(&alice, INITIALIZE)).await;
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    let twice = with(
        request(Method::POST, &alice, &session, &call("a")),
        "mcp-session-id",
        &session,
    );
    assert_eq!(ask(service.clone(), twice).await.status, 400);

    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let newest = with(
        request(Method::POST, &alice, "anything", body),
        "mcp-protocol-version",
        "2026-07-28",
    );
    let answer = ask(service, with(newest, "mcp-method", "tools/list")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("mcp-session-id"), None);
    assert!(server.last().parts.headers.get("mcp-session-id").is_none());
}

#[tokio::test]
async fn a_token_of_nobody_gets_no_session() {
    let service = layer().layer(server());
    let nobody = Forge::new(&key(), NOW)
        .scope("read")
        .without_claim("sub")
        .token();
    let answer = ask(service.clone(), post(&nobody, INITIALIZE)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("mcp-session-id")),
        (200, None)
    );
    let client = Forge::new(&key(), NOW)
        .scope("read")
        .without_claim("sub")
        .claim("client_id", "app");
    let answer = ask(service, post(&client.token(), INITIALIZE)).await;
    assert!(answer.header("mcp-session-id").is_some());
}

#[tokio::test]
async fn replicas_share_sessions_if_they_share_keys() {
    let alice = token_of("alice");
    let replica = |keys: &[u8]| {
        let keys = SessionKeys::new(keys.iter().map(|key| [*key; 32])).unwrap();
        layer().session_keys(keys).layer(server())
    };
    let answer = ask(replica(&[1]), post(&alice, INITIALIZE)).await;
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    let of = |service| ask(service, request(Method::POST, &alice, &session, &call("a")));
    assert_eq!(of(replica(&[1])).await.status, 200);
    assert_eq!(of(replica(&[2, 1])).await.status, 200);
    assert_eq!(of(replica(&[2])).await.status, 404);
    assert_eq!(of(layer().layer(server())).await.status, 404);
}

#[tokio::test]
async fn an_event_is_resumed_by_its_principal_in_its_session_only() {
    let server = Server::new(|_| {
        let stream = format!("id: 1\ndata: {OK}\n\nid: 2\n\n");
        let mut response = typed("text/event-stream", stream);
        response
            .headers_mut()
            .insert("mcp-session-id", "session-1".parse().unwrap());
        response
    });
    // Ids are bound even if nothing else is to be done.
    let no_rules = auth(&["read"]).operations(rules(Vec::new()));
    for layer in [layer(), no_rules] {
        let service = layer.layer(server.clone());
        let (alice, mallory) = (token_of("alice"), token_of("mallory"));
        let mut opened = Vec::new();
        for token in [&alice, &mallory] {
            let answer = ask(service.clone(), post(token, INITIALIZE)).await;
            let session = answer.header("mcp-session-id").unwrap().to_owned();
            let ids: Vec<String> = answer
                .text()
                .lines()
                .filter_map(|line| line.strip_prefix("id: ").map(ToOwned::to_owned))
                .collect();
            assert!(
                ids[0].starts_with("1.") && ids[1].starts_with("2."),
                "{ids:?}"
            );
            opened.push((token, session, ids));
        }
        server.got.lock().unwrap().clear();
        for (token, session, _) in &opened {
            for (other, _, ids) in &opened {
                let get = with(
                    request(Method::GET, token, session, ""),
                    "last-event-id",
                    &ids[1],
                );
                let answer = ask(service.clone(), get).await;
                if token == other {
                    assert_eq!(answer.status, 200);
                    assert_eq!(server.last().parts.headers["last-event-id"], "2");
                } else {
                    assert_eq!(answer.status, 404);
                    assert_eq!(answer.json()["error"]["message"], "Event not found");
                }
            }
            for forged in ["2", "", "2.AAAAAAAAAAAAAAAAAAAAAA"] {
                let get = with(
                    request(Method::GET, token, session, ""),
                    "last-event-id",
                    forged,
                );
                assert_eq!(ask(service.clone(), get).await.status, 404, "{forged}");
            }
        }
        // Outside the session it belongs to nobody.
        let (token, _, ids) = &opened[0];
        let mut get = with(post(token, ""), "last-event-id", &ids[0]);
        *get.method_mut() = Method::GET;
        *get.body_mut() = Pieces::default();
        assert_eq!(ask(service.clone(), get).await.status, 404);
        assert_eq!(server.calls(), 0);
    }
}

#[tokio::test]
async fn a_list_that_was_cut_is_filtered_when_it_is_resumed() {
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"secret_x"},{"name":"a"}]}}"#;
    let stream = format!("id: 0\ndata:\n\nid: 1\ndata: {list}\n\n");
    // The connection breaks inside of the list; the server sends the event again when asked.
    let server = Server::new(move |got| {
        let resumed = got.parts.headers.get("last-event-id").is_some();
        let mut body = Pieces::cut(stream.as_bytes(), 7);
        if resumed {
            body = Pieces::from(stream.split_once("\n\n").unwrap().1);
        } else {
            body.pieces.truncate(8);
            body.pieces.push_back(Piece::Error);
        }
        let mut response = typed("text/event-stream", body);
        let id = "session-1".parse().unwrap();
        response.headers_mut().insert("mcp-session-id", id);
        response
    });
    let service = layer().layer(server);
    let alice = token_of("alice");
    let answer = ask(service.clone(), post(&alice, LIST)).await;
    assert!(answer.broken);
    let text = answer.text();
    assert!(
        text.starts_with("id: 0.") && !text.contains("name"),
        "{text}"
    );
    let id = text.lines().next().unwrap().strip_prefix("id: ").unwrap();
    let session = answer.header("mcp-session-id").unwrap();
    let get = request(Method::GET, &alice, session, "");
    let answer = ask(service, with(get, "last-event-id", id)).await;
    let shown = r#"data: {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]}}"#;
    assert!(answer.text().contains(shown), "{answer:?}");
    assert!(!answer.text().contains("secret"), "{answer:?}");
}
