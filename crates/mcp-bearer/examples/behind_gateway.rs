//! An MCP server (rmcp, streamable HTTP) behind `mcp-bearer gateway`, which verifies the gateway's
//! assertion about each caller:
//!
//! ```sh
//! cargo run -p mcp-bearer --example behind_gateway -- \
//!     https://mcp.example.com/.well-known/mcp-bearer/jwks.json \
//!     https://mcp.example.com http://127.0.0.1:9000/mcp
//! ```
//!
//! The arguments are the address of the gateway's JWK Set, and `assertion.issuer` and
//! `assertion.audience` of its configuration; the server listens on port 9000 of 127.0.0.1. A
//! copied assertion works for a minute, and only with the body that it was signed for.
#![allow(clippy::print_stdout, reason = "it prints where it listens")]

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use http::request::Parts;
use mcp_bearer::core::TokenType;
use mcp_bearer::operation::OperationRules;
use mcp_bearer::{
    AccessToken, Algorithm, BearerAuthLayer, BearerAuthProvider, ConfigError, FromExtensions,
};
use rmcp::handler::server::tool::Extension;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use tokio::net::TcpListener;

#[derive(Clone)]
struct Server;

#[tool_router]
impl Server {
    #[tool(description = "Returns the caller, as the gateway names it")]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> String {
        // `sub` is unambiguous among all issuers of the gateway. `sub_id` has the issuer's name.
        AccessToken::from_extensions(&parts.extensions)
            .and_then(AccessToken::subject)
            .unwrap_or("nobody")
            .to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

/// Verifies the gateway's assertions, as any access token of RFC 9068.
pub(crate) fn provider(
    jwks_uri: &str,
    issuer: &str,
    audience: &str,
) -> Result<BearerAuthProvider, ConfigError> {
    BearerAuthProvider::builder()
        .jwks_uri(jwks_uri)
        .issuer(issuer)
        .audience(audience)
        .algorithms([Algorithm::Es256, Algorithm::EdDsa])
        .token_type(TokenType::Rfc9068)
        .build()
}

/// The server at `/mcp`.
pub(crate) fn app(provider: BearerAuthProvider) -> Router {
    // The gateway has applied the rules already. Without this line an assertion could be sent again
    // with another body.
    let auth = BearerAuthLayer::new(provider)
        .operations(OperationRules::none())
        .require_body_hash();
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(["127.0.0.1"])
        .enforce_origin_validation()
        .with_json_response(true);
    let sessions = Arc::<LocalSessionManager>::default();
    let mcp = StreamableHttpService::new(|| Ok(Server), sessions, config);
    Router::new().nest_service("/mcp", auth.layer(mcp))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [jwks_uri, issuer, audience] = arguments.as_slice() else {
        return Err("usage: behind_gateway JWKS_URI ISSUER AUDIENCE".into());
    };
    let provider = provider(jwks_uri, issuer, audience)?;
    provider.warm_up().await;
    let listener = TcpListener::bind("127.0.0.1:9000").await?;
    println!("http://{}/mcp", listener.local_addr()?);
    axum::serve(listener, app(provider)).await?;
    Ok(())
}
