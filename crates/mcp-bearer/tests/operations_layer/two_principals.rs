//! Two principals at one real server (rmcp): no byte of an answer to one reaches the other,
//! whatever the other knows about the session of the first one.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::request::Parts;
use http::{Method, Request};
use mcp_bearer::operation::RuleDraft;
use mcp_bearer::{AccessToken, FromExtensions};
use rmcp::handler::server::tool::Extension;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

use crate::support::{Answer, ask, auth, rules, token_of};

#[derive(Clone)]
struct Diary;

#[tool_router]
impl Diary {
    #[tool(description = "Reads the caller's diary")]
    async fn read_diary(&self, Extension(parts): Extension<Parts>) -> String {
        // So that answers to concurrent requests cross each other.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..5))).await;
        let access = AccessToken::from_extensions(&parts.extensions).unwrap();
        diary_of(access.subject().unwrap())
    }
}

#[tool_handler]
impl ServerHandler for Diary {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

fn diary_of(subject: &str) -> String {
    format!("the diary of {subject}")
}

fn app() -> Router {
    let layer = auth(&["read"]).operations(rules(vec![
        RuleDraft::new("tools/call")
            .name("secret_*")
            .scopes(["x"])
            .hide(),
    ]));
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(["mcp.example.com"])
        .with_sse_retry(Some(Duration::from_millis(100)));
    let sessions = Arc::<LocalSessionManager>::default();
    let mcp = StreamableHttpService::new(|| Ok(Diary), sessions, config);
    Router::new().nest_service("/mcp", layer.layer(mcp))
}

struct Client {
    subject: &'static str,
    app: Router,
    token: String,
    session: String,
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_diary"}}"#;
const RESPONSE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}"#;
const NEW: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_diary","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;

impl Client {
    async fn start(subject: &'static str, app: &Router) -> Self {
        let (app, token) = (app.clone(), token_of(subject));
        let session = String::new();
        let mut client = Self {
            subject,
            app,
            token,
            session,
        };
        let begun = client.send(Method::POST, INITIALIZE, &[]).await;
        client.session = begun.header("mcp-session-id").unwrap().to_owned();
        let session = [("mcp-session-id", client.session.as_str())];
        let noted = client.send(Method::POST, INITIALIZED, &session).await;
        assert_eq!(noted.status, 202);
        client
    }

    async fn send(&self, method: Method, body: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header("host", "mcp.example.com")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = ask(self.app.clone(), request);
        let answer = tokio::time::timeout(Duration::from_secs(20), answer).await;
        answer.expect("an answer that ends")
    }

    async fn call(&self, id: u32) -> Answer {
        let headers = [
            ("mcp-session-id", self.session.as_str()),
            ("mcp-protocol-version", "2025-06-18"),
        ];
        let body = CALL.replace(r#""id":1"#, &format!(r#""id":{id}"#));
        self.send(Method::POST, &body, &headers).await
    }

    async fn call_without_session(&self) -> Answer {
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "read_diary"),
        ];
        self.send(Method::POST, NEW, &headers).await
    }
}

fn event_ids(answer: &Answer) -> Vec<&str> {
    let lines = answer.text().lines();
    lines.filter_map(|line| line.strip_prefix("id: ")).collect()
}

#[tokio::test]
async fn no_byte_of_an_answer_to_one_principal_reaches_the_other() {
    let app = app();
    let (alice, mallory) =
        tokio::join!(Client::start("alice", &app), Client::start("mallory", &app));
    let (alice, mallory) = (Arc::new(alice), Arc::new(mallory));
    // Both at once, each with ids that the other uses too.
    let mut calls = tokio::task::JoinSet::new();
    for id in 10..60 {
        for (client, other) in [(&alice, "mallory"), (&mallory, "alice")] {
            let client = Arc::clone(client);
            calls.spawn(async move {
                for answer in [client.call(id).await, client.call_without_session().await] {
                    let text = answer.text();
                    assert!(text.contains(&diary_of(client.subject)), "{text}");
                    assert!(!text.contains(other), "{text}");
                }
            });
        }
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }

    // Mallory knows everything that alice was given.
    let answer = alice.call(2).await;
    let ids = event_ids(&answer);
    assert!(!ids.is_empty(), "{answer:?}");
    let untagged = |id: &str| id.split('.').next().unwrap().to_owned();
    let mut sessions = vec![alice.session.clone(), untagged(&alice.session)];
    sessions.push(format!(
        "{}.{}",
        untagged(&alice.session),
        mallory.session.split_once('.').unwrap().1
    ));
    for session in &sessions {
        let session = ("mcp-session-id", session.as_str());
        let version = ("mcp-protocol-version", "2025-06-18");
        for (method, body) in [
            (Method::POST, CALL),
            (Method::POST, RESPONSE),
            (Method::GET, ""),
            (Method::DELETE, ""),
        ] {
            let answer = mallory
                .send(method.clone(), body, &[session, version])
                .await;
            assert_eq!(answer.status, 404, "{method} {session:?}");
            assert!(!answer.text().contains("alice"), "{answer:?}");
        }
    }
    for id in &ids {
        for session in [&alice.session, &mallory.session] {
            for id in [*id, &untagged(id)] {
                let headers = [
                    ("mcp-session-id", session.as_str()),
                    ("mcp-protocol-version", "2025-06-18"),
                    ("last-event-id", id),
                ];
                let answer = mallory.send(Method::GET, "", &headers).await;
                assert_eq!(answer.status, 404, "{id} in {session}");
                assert!(!answer.text().contains("alice"), "{answer:?}");
            }
        }
    }
    // Nothing of this ended or changed alice's session.
    let answer = alice.call(3).await;
    assert!(answer.text().contains(&diary_of("alice")), "{answer:?}");
}
