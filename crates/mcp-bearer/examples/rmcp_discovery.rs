//! An MCP server (rmcp, streamable HTTP) that trusts an issuer it knows by name only: the issuer's metadata lead to
//! its keys, and a rotation is followed while the server runs.
//!
//! ```sh
//! cargo run -p mcp-bearer --features axum --example rmcp_discovery -- ISSUER [PORT]
//! ```
//!
//! It listens on loopback, on a free port unless one is given, and prints one line, `{"url","metadata_url"}`, once it
//! accepts connections. Tokens are for `url`, hold the scope `mcp:read`, and may be signed with RS256, ES256 or Ed25519.
#![allow(clippy::print_stdout, reason = "the line is its interface")]

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use http::request::Parts;
use mcp_bearer::keys::RemoteKeys;
use mcp_bearer::{AccessToken, Algorithm, BearerAuthLayer, BearerAuthProvider, FromExtensions};
use rmcp::handler::server::tool::Extension;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::json;
use tokio::net::TcpListener;

#[derive(Clone)]
struct Server;

#[tool_router]
impl Server {
    #[tool(description = "Says who calls, as the verified token tells it")]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> String {
        let access = AccessToken::from_extensions(&parts.extensions);
        json!({
            "subject": access.and_then(AccessToken::subject),
            "client_id": access.and_then(AccessToken::client_id),
            "issuer": access.and_then(AccessToken::issuer),
        })
        .to_string()
    }
}

#[tool_handler]
impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let issuer = arguments
        .next()
        .ok_or("usage: rmcp_discovery ISSUER [PORT]")?;
    let port: u16 = arguments.next().as_deref().unwrap_or("0").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);

    let provider = BearerAuthProvider::builder()
        .remote_keys(RemoteKeys::discover(&issuer))
        .issuer(&issuer)
        .audience(&resource)
        .algorithms([Algorithm::Rs256, Algorithm::Es256, Algorithm::Ed25519])
        .required_scopes(["mcp:read"])
        .build()?;
    let auth = BearerAuthLayer::new(provider).resource(&resource)?;

    // rmcp binds no session to its user, so this server keeps none.
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(["127.0.0.1"])
        .enforce_origin_validation()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let sessions = Arc::<NeverSessionManager>::default();
    let mcp = StreamableHttpService::new(|| Ok(Server), sessions, config);
    let app = Router::new()
        .merge(auth.metadata_route())
        .nest_service("/mcp", auth.layer(mcp));

    let line = json!({ "url": resource, "metadata_url": auth.metadata().url() });
    println!("{line}");
    axum::serve(listener, app).await?;
    Ok(())
}
