//! An MCP server that trusts one issuer and holds none of its keys when it starts. Its tool
//! `delete_all` needs its own scope.
//!
//! `clients/sign_in.py` and `clients/step_up.py` start it and describe what clients must see. A
//! server for real users would call `provider.warm_up()` first; this one waits for its first token
//! on purpose.
//!
//! Usage: `one_issuer_server ISSUER [--open-lists]`. With the option anyone may connect and list
//! the tools without a token, and there are sessions. It prints `{"url","metadata_url"}` once it
//! listens, and logs to stderr.
#![allow(
    clippy::print_stdout,
    reason = "its output is for the program that started it"
)]

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use mcp_bearer::keys::RemoteKeys;
use mcp_bearer::operation::{AnonymousSees, OperationRulesDraft, RuleDraft, Unmatched};
use mcp_bearer::{AccessToken, BearerAuthLayer, BearerAuthProvider, FromExtensions};
use rmcp::handler::server::tool::Extension;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::json;
use tokio::net::TcpListener;

/// What needs no token with `--open-lists`.
const OPEN: [&str; 4] = [
    "initialize",
    "notifications/initialized",
    "ping",
    "tools/list",
];

#[derive(Clone)]
struct Server;

#[tool_router]
impl Server {
    #[tool(description = "Names the subject of the token you called with")]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> String {
        let access = AccessToken::from_extensions(&parts.extensions);
        let subject = access.and_then(AccessToken::subject);
        json!({ "subject": subject }).to_string()
    }

    #[tool(description = "Deletes everything, which is nothing. Needs the scope mcp:admin")]
    async fn delete_all(&self) -> String {
        json!({ "deleted": 0 }).to_string()
    }
}

#[tool_handler]
impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

/// Reads a request before it is answered.
///
/// hyper closes a connection without notice if it answers before the request's body has arrived.
/// The Python client would send its next request on that connection, and fail.
async fn read_whole(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match to_bytes(body, 1024 * 1024).await {
        Ok(body) => next.run(Request::from_parts(head, body.into())).await,
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = std::env::args()
        .nth(1)
        .ok_or("usage: one_issuer_server ISSUER [--open-lists]")?;
    let open_lists = std::env::args().nth(2).as_deref() == Some("--open-lists");
    tracing_subscriber::fmt()
        .with_env_filter("trace")
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);

    let provider = BearerAuthProvider::builder()
        .remote_keys(RemoteKeys::discover(&issuer))
        .issuer(&issuer)
        .audience(&url)
        .required_scopes(["mcp:read"])
        .build()?;
    let mut rules = OperationRulesDraft::default();
    rules.unmatched = Some(Unmatched::Allow);
    rules.rules.push(
        RuleDraft::new("tools/call")
            .name("delete_*")
            .scopes(["mcp:admin"]),
    );
    if open_lists {
        let open = OPEN.map(|method| RuleDraft::new(method).anonymous());
        rules.rules.extend(open);
        rules.anonymous_sees = AnonymousSees::All;
    }
    let rules = rules.check()?;
    let auth = BearerAuthLayer::new(provider)
        .resource(&url)?
        .operations(rules);

    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(["127.0.0.1"])
        .enforce_origin_validation()
        .with_legacy_session_mode(open_lists)
        .with_json_response(true);
    let sessions = Arc::<LocalSessionManager>::default();
    let mcp = StreamableHttpService::new(|| Ok(Server), sessions, config);
    let app = Router::new()
        .merge(auth.auth().metadata_route())
        .route_service("/mcp", auth.layer(mcp))
        .layer(middleware::from_fn(read_whole));
    let metadata_url = auth.auth().metadata().url();
    println!("{}", json!({ "url": url, "metadata_url": metadata_url }));
    axum::serve(listener, app).await?;
    Ok(())
}
