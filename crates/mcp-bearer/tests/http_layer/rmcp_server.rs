//! rmcp's streamable HTTP service behind the layer, in axum's `nest_service`.

use axum::Router;
use axum::body::Body;
use http::Request;
use http::request::Parts;
use mcp_bearer::{AccessToken, BearerAuthLayer, FromExtensions};
use mcp_bearer_testkit::Forge;
use rmcp::handler::server::tool::Extension;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};

use crate::support::{Answer, METADATA_URL, RESOURCE, ask, good, provider};

#[derive(Clone)]
struct Server;

#[tool_router]
impl Server {
    #[tool(description = "Returns the caller")]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> String {
        // A tool that panics would never answer.
        let access = AccessToken::from_extensions(&parts.extensions);
        access
            .map_or("no token", |access| access.subject().unwrap_or("nobody"))
            .to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

fn app() -> Router {
    let auth = BearerAuthLayer::new(provider(&["mcp:read"]))
        .resource(RESOURCE)
        .unwrap();
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(["mcp.example.com"])
        .enforce_origin_validation()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let sessions = std::sync::Arc::<NeverSessionManager>::default();
    let mcp = StreamableHttpService::new(|| Ok(Server), sessions, config);
    Router::new()
        .merge(auth.metadata_route())
        .nest_service("/mcp", auth.layer(mcp))
}

async fn call(path: &str, token: Option<String>, origin: Option<&str>) -> Answer {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}"#;
    let mut request = Request::post(path)
        .header("host", "mcp.example.com")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-06-18");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    ask(app(), request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_tool_learns_who_calls() {
    let answer = call("/mcp", Some(good().token()), None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains(Forge::SUBJECT), "{answer:?}");
    let answer = call("/mcp", Some(good().subject("alice").token()), None).await;
    assert!(answer.body.contains("alice"), "{answer:?}");
}

#[tokio::test]
async fn without_a_good_token_the_server_is_not_reached() {
    let answer = call("/mcp", None, None).await;
    assert_eq!(answer.status, 401);
    let challenge = format!(r#"Bearer scope="mcp:read", resource_metadata="{METADATA_URL}""#);
    assert_eq!(answer.challenge(), Some(challenge.as_str()));
    let answer = call("/mcp", Some(good().expires_in(-3600).token()), None).await;
    assert_eq!(answer.status, 401);
    let answer = call("/mcp", Some(good().scope("x").token()), None).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn unknown_paths_are_not_found_and_foreign_origins_are_refused() {
    for path in ["/", "/other", "/.well-known/oauth-protected-resource"] {
        assert_eq!(call(path, None, None).await.status, 404, "{path}");
    }
    let answer = call("/mcp", Some(good().token()), Some("https://evil.example")).await;
    assert_eq!(answer.status, 403);
    assert!(answer.rejection.is_none(), "rmcp refuses it, not the layer");
}
