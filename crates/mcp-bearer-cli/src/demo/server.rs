//! What the demo serves: the MCP server behind the layer, its metadata document, and the two
//! documents of its issuer.
//!
//! The tools know a caller only by the [`AccessToken`] that the layer verified.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::{MethodRouter, get};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use mcp_bearer::http::{FromExtensions, OperationsLayer, Resource};
use mcp_bearer::operation::{OperationRules, RuleDraft, RulesError, Unmatched};
use mcp_bearer::{AccessToken, JwksData};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, Implementation, ServerCapabilities, ServerConfig};
use rmcp::schemars::{self, JsonSchema};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use serde_json::json;

/// The path of the issuer's keys.
pub(super) const JWKS_PATH: &str = "/.well-known/jwks.json";

/// RFC 8414 section 3, for an issuer without a path.
const ISSUER_PATH: &str = "/.well-known/oauth-authorization-server";

/// The two documents that an issuer of this kind needs.
pub(super) struct Issuer {
    metadata: String,
    jwks: String,
}

impl Issuer {
    pub(super) fn new(origin: &str, jwks: &JwksData) -> Self {
        // It issues tokens only on the command line: no endpoint, so no grant and no response type.
        let metadata = json!({
            "issuer": origin,
            "jwks_uri": format!("{origin}{JWKS_PATH}"),
            "response_types_supported": [],
            "grant_types_supported": [],
        });
        // Strings and lists of strings always serialize.
        Self {
            metadata: metadata.to_string(),
            jwks: serde_json::to_string(jwks).unwrap_or_default(),
        }
    }
}

/// The tool with its own scope, and that scope.
pub(super) const ADMIN_TOOL: &str = "delete_all";
pub(super) const ADMIN_SCOPE: &str = "mcp:admin";

/// What single operations need.
pub(super) fn rules() -> Result<OperationRules, RulesError> {
    let admin = RuleDraft::new("tools/call").name(ADMIN_TOOL);
    OperationRules::new(Unmatched::Allow, [admin.scopes([ADMIN_SCOPE])])
}

/// Serves everything at its path; all other paths get 404.
pub(super) fn router(
    layer: &OperationsLayer<Resource>,
    issuer: &Issuer,
    address: SocketAddr,
) -> Router {
    let hosts = [
        format!("{address}"),
        format!("localhost:{}", address.port()),
    ];
    // The layer binds sessions to their users, which rmcp does not; no browser should call it.
    let config = StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_allowed_hosts(hosts)
        .enforce_origin_validation();
    let sessions = std::sync::Arc::new(LocalSessionManager::default());
    let mcp = StreamableHttpService::new(|| Ok(DemoServer::new()), sessions, config);
    Router::new()
        .merge(layer.auth().metadata_route())
        .route_service("/mcp", layer.layer(mcp))
        .route(ISSUER_PATH, document(&issuer.metadata))
        .route(JWKS_PATH, document(&issuer.jwks))
}

fn document(json: &str) -> MethodRouter {
    let json = json.to_owned();
    get(|| async { ([(CONTENT_TYPE, "application/json")], json) })
}

/// The MCP server.
#[derive(Clone, Debug)]
struct DemoServer {
    tool_router: ToolRouter<Self>,
}

/// Two whole numbers.
#[derive(Debug, serde::Deserialize, JsonSchema)]
struct Sum {
    /// The first number.
    a: i64,
    /// The second number.
    b: i64,
}

#[tool_router]
impl DemoServer {
    fn new() -> Self {
        Self {
            tool_router: Self::tool_router(),
        }
    }

    /// Returns what the server knows about its caller.
    #[tool(
        description = "Names the subject, the client and the scopes of the token you called with"
    )]
    async fn whoami(
        &self,
        Extension(parts): Extension<Parts>,
    ) -> Result<CallToolResult, ErrorData> {
        let access = AccessToken::from_extensions(&parts.extensions)
            .ok_or_else(|| ErrorData::internal_error("there is no bearer layer in front", None))?;
        let scopes: Vec<&str> = access.scopes().iter().collect();
        Ok(CallToolResult::structured(json!({
            "subject": access.subject(),
            "client_id": access.client_id(),
            "scopes": scopes,
        })))
    }

    /// Adds.
    #[tool(description = "Adds two whole numbers")]
    async fn add(
        &self,
        Parameters(Sum { a, b }): Parameters<Sum>,
    ) -> Result<CallToolResult, ErrorData> {
        let sum = a
            .checked_add(b)
            .ok_or_else(|| ErrorData::invalid_params("the sum is too large", None))?;
        Ok(CallToolResult::structured(json!({ "sum": sum })))
    }

    /// Does nothing, so that anyone may call it.
    #[tool(description = "Pretends to delete everything. Needs the scope mcp:admin")]
    async fn delete_all(&self) -> Result<CallToolResult, ErrorData> {
        Ok(CallToolResult::structured(json!({ "deleted": 0 })))
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for DemoServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(
                "mcp-bearer-demo",
                env!("CARGO_PKG_VERSION"),
            ))
            .with_instructions("Call whoami to see who the bearer token names")
    }
}
