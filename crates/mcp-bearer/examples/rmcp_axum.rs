//! An MCP server (rmcp, streamable HTTP) behind bearer authentication, in axum:
//!
//! ```sh
//! cargo run -p mcp-bearer --features axum --example rmcp_axum
//! ```
//!
//! It prints a token and `curl` commands that call its tools. `delete_notes` needs its own scope,
//! which the token lacks: that call is answered with 403 and the scopes to request. The key pair,
//! in memory, replaces an identity provider; a real server has `.jwks_uri(...)` instead of
//! `.public_key(...)`.
#![allow(clippy::print_stdout, reason = "it prints what to paste")]

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use http::request::Parts;
use mcp_bearer::operation::{OperationRules, RuleDraft, Unmatched};
use mcp_bearer::{
    AccessToken, BearerAuthLayer, BearerAuthProvider, FromExtensions, RsaKeyPair, TokenRequest,
};
use rmcp::handler::server::tool::Extension;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use tokio::net::TcpListener;

const ISSUER: &str = "https://idp.example.com/";

#[derive(Clone)]
struct Server;

#[tool_router]
impl Server {
    #[tool(description = "Returns the caller that the verified token names")]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> String {
        match AccessToken::from_extensions(&parts.extensions) {
            Some(access) => format!(
                "{} with {:?}",
                access.subject().unwrap_or("?"),
                access.scopes()
            ),
            None => "nobody: the server is not behind the layer".to_owned(),
        }
    }

    #[tool(description = "Deletes all notes. Needs the scope notes:delete")]
    async fn delete_notes(&self) -> String {
        "there were none".to_owned()
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
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);

    let keys = RsaKeyPair::generate()?;
    let provider = BearerAuthProvider::builder()
        .public_key(keys.public_key_pem())
        .issuer(ISSUER)
        .audience(&resource)
        .required_scopes(["mcp:read"])
        .build()?;
    // If the keys come from an address, this fetches them now, so that the first request does not
    // wait.
    provider.warm_up().await;
    // The scopes that single tools need in addition.
    let rules = OperationRules::new(
        Unmatched::Allow,
        [RuleDraft::new("tools/call")
            .name("delete_*")
            .scopes(["notes:delete"])],
    )?;
    let auth = BearerAuthLayer::new(provider)
        .resource(&resource)?
        .operations(rules);

    // rmcp does not bind sessions to their users; the layer does.
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(["127.0.0.1"])
        .enforce_origin_validation()
        .with_json_response(true);
    let sessions = Arc::<LocalSessionManager>::default();
    let mcp = StreamableHttpService::new(|| Ok(Server), sessions, config);
    // The layer wraps only the MCP service, so that unknown paths get 404, not 401.
    let app = Router::new()
        .merge(auth.auth().metadata_route())
        .nest_service("/mcp", auth.layer(mcp));

    let request = TokenRequest::new()
        .subject("alice")
        .issuer(ISSUER)
        .audience(&resource);
    let token = keys.create_token(&request.scopes(["mcp:read"]))?;
    println!("TOKEN={token}\n");
    for tool in ["whoami", "delete_notes"] {
        println!(
            r#"curl -si {resource} -H "Authorization: Bearer $TOKEN" \
  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
  -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: {tool}' \
  -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","_meta":{{
    "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}'
"#
        );
    }
    println!("# Without a token, the challenge and the document it points to:\n");
    println!("curl -si -X POST {resource}");
    println!("curl -si {}", auth.auth().metadata().url());
    axum::serve(listener, app).await?;
    Ok(())
}
