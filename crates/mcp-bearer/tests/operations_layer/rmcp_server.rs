//! rmcp's streamable HTTP service with its sessions, behind the layer.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::Request;
use mcp_bearer::operation::RuleDraft;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

use crate::support::{Answer, ask, auth, call, rules, token, token_of};

#[derive(Clone)]
struct Server;

#[tool_router]
impl Server {
    #[tool(description = "Adds nothing")]
    async fn add(&self) -> String {
        "added".to_owned()
    }

    #[tool(description = "Deletes nothing")]
    async fn delete_all(&self) -> String {
        "deleted".to_owned()
    }

    #[tool(description = "Is hidden")]
    async fn secret_tool(
        &self,
        Parameters(_): Parameters<serde_json::Map<String, serde_json::Value>>,
    ) -> String {
        "secret".to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

fn app(with_sessions: bool) -> Router {
    let layer = auth(&["read"]).operations(rules(vec![
        RuleDraft::new("tools/call")
            .name("delete_*")
            .scopes(["admin"]),
        RuleDraft::new("tools/call")
            .name("secret_*")
            .scopes(["admin"])
            .hide(),
    ]));
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(["mcp.example.com"])
        .with_legacy_session_mode(with_sessions);
    let sessions = Arc::<LocalSessionManager>::default();
    let mcp = StreamableHttpService::new(|| Ok(Server), sessions, config);
    Router::new().nest_service("/mcp", layer.layer(mcp))
}

async fn send(
    app: &Router,
    token: &str,
    session: Option<&str>,
    version: &str,
    body: &str,
) -> Answer {
    let mut request = Request::post("/mcp")
        .header("host", "mcp.example.com")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("authorization", format!("Bearer {token}"))
        .header("mcp-protocol-version", version);
    if let Some(session) = session {
        request = request.header("mcp-session-id", session);
    }
    if version == "2026-07-28" {
        let message: serde_json::Value = serde_json::from_str(body).unwrap();
        request = request.header("mcp-method", message["method"].as_str().unwrap());
        if let Some(name) = message["params"]["name"].as_str() {
            request = request.header("mcp-name", name);
        }
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    ask(app.clone(), request).await
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;

#[tokio::test]
async fn a_server_with_sessions_is_guarded() {
    let app = app(true);
    let old = "2025-06-18";
    let (alice, mallory) = (token_of("alice"), token_of("mallory"));
    let answer = send(&app, &alice, None, old, INITIALIZE).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    let session = Some(session.as_str());
    assert_eq!(
        send(&app, &alice, session, old, INITIALIZED).await.status,
        202
    );
    let answer = send(&app, &alice, session, old, &call("add")).await;
    assert!(answer.text().contains("added"), "{answer:?}");
    let answer = send(&app, &alice, session, old, &call("delete_all")).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let answer = send(&app, &alice, session, old, &call("secret_tool")).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (200, -32602));
    let answer = send(&app, &alice, session, old, LIST).await;
    assert!(
        answer.text().contains("delete_all") && !answer.text().contains("secret"),
        "{answer:?}"
    );
    for body in [call("add"), LIST.to_owned(), INITIALIZED.to_owned()] {
        let answer = send(&app, &mallory, session, old, &body).await;
        assert_eq!(answer.status, 404, "{body}");
    }
}

#[tokio::test]
async fn a_server_of_the_newest_version_is_guarded() {
    let app = app(false);
    let new = "2026-07-28";
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
    let call = |name: &str| call(name).replace(r#"{"name""#, &format!(r#"{{{meta},"name""#));
    let read = token("read");
    let answer = send(&app, &read, None, new, &call("add")).await;
    assert!(answer.text().contains("added"), "{answer:?}");
    assert_eq!(
        send(&app, &read, None, new, &call("delete_all"))
            .await
            .status,
        403
    );
    let answer = send(&app, &token("read admin"), None, new, &call("delete_all")).await;
    assert!(answer.text().contains("deleted"), "{answer:?}");
    let list = format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{{{meta}}}}}"#);
    let answer = send(&app, &read, None, new, &list).await;
    assert!(
        answer.text().contains("delete_all") && !answer.text().contains("secret"),
        "{answer:?}"
    );
    let answer = send(&app, &token("read admin"), None, new, &list).await;
    assert!(answer.text().contains("secret_tool"), "{answer:?}");
}
