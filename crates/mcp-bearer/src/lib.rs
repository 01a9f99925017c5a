//! Bearer-token authentication for hosted [MCP](https://modelcontextprotocol.io) servers.
//!
//! An identity provider signs JWT access tokens; [`BearerAuthProvider`] verifies which of them
//! were signed for this server, and [`BearerAuthLayer`] accepts exactly those requests.
//!
//! # In front of a server
//!
//! An rmcp service behind axum. Any other tower service works the same way: see [`http`].
//!
//! ```no_run
//! use axum::Router;
//! use http::request::Parts;
//! use mcp_bearer::operation::{OperationRules, RuleDraft, Unmatched};
//! use mcp_bearer::{AccessToken, BearerAuthLayer, BearerAuthProvider, FromExtensions};
//! use rmcp::handler::server::tool::Extension;
//! # use rmcp::model::{ServerCapabilities, ServerConfig};
//! use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
//! use rmcp::transport::streamable_http_server::{
//!     StreamableHttpServerConfig, StreamableHttpService,
//! };
//! use rmcp::{ServerHandler, tool, tool_handler, tool_router};
//!
//! #[derive(Clone)]
//! struct Server;
//!
//! #[tool_router]
//! impl Server {
//!     #[tool(description = "Returns the caller")]
//!     async fn whoami(&self, Extension(parts): Extension<Parts>) -> String {
//!         let caller = AccessToken::from_extensions(&parts.extensions);
//!         caller.map_or("nobody", AccessToken::client_id_or_subject).to_owned()
//!     }
//! }
//! #
//! # #[tool_handler]
//! # impl ServerHandler for Server {
//! #     fn get_info(&self) -> ServerConfig {
//! #         ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
//! #     }
//! # }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let resource = "https://mcp.example.com/mcp"; // this server's URL, as clients know it
//!     let provider = BearerAuthProvider::builder()
//!         .jwks_uri("https://idp.example.com/jwks.json")
//!         .issuer("https://idp.example.com/")
//!         .audience(resource)
//!         .required_scopes(["mcp:read"])
//!         .build()?;
//!     provider.warm_up().await; // fetches the keys now, not with the first token
//!     let rules = OperationRules::new(
//!         Unmatched::Allow, // any good token may do what no rule covers
//!         [RuleDraft::new("tools/call").name("delete_*").scopes(["mcp:admin"])],
//!     )?;
//!     let auth = BearerAuthLayer::new(provider).resource(resource)?.operations(rules);
//!
//!     let config = StreamableHttpServerConfig::default()
//!         .with_allowed_hosts(["mcp.example.com"])
//!         .enforce_origin_validation();
//!     let sessions = std::sync::Arc::<LocalSessionManager>::default();
//!     let mcp = StreamableHttpService::new(|| Ok(Server), sessions, config);
//!     let app = Router::new()
//!         .merge(auth.auth().metadata_route()) // RFC 9728: where clients get a token
//!         .nest_service("/mcp", auth.layer(mcp)); // 401, 403 and 503, with the right challenges
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//!     Ok(axum::serve(listener, app).await?)
//! }
//! ```
//!
//! # One token
//!
//! ```
//! use mcp_bearer::{BearerAuthProvider, RsaKeyPair, TokenRequest};
//!
//! let keys = RsaKeyPair::generate()?;
//! let provider = BearerAuthProvider::builder()
//!     .public_key(keys.public_key_pem())
//!     .issuer("https://idp.example.com/")
//!     .audience("https://mcp.example.com/mcp")
//!     .build()?;
//!
//! let token = keys.create_token(
//!     &TokenRequest::new()
//!         .subject("alice")
//!         .issuer("https://idp.example.com/")
//!         .audience("https://mcp.example.com/mcp")
//!         .scopes(["mcp:read"]),
//! )?;
//! let access = provider.try_verify_token(&token).into_result()?;
//! assert_eq!(access.subject(), Some("alice"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `http` | yes | [`http`]: the tower layer and service, the RFC 9728 document |
//! | `remote` | yes | JWK Sets over HTTPS, issuer discovery: [`keys::HttpFetch`] |
//! | `axum` | no | [`http::Bearer`], [`http::Scoped`], the metadata document as a `Router` |
//! | `metrics` | no | counters of key fetches ([`keys`]) through the `metrics` facade |
//! | `rsa-kernel` | yes | RSA signatures by AVX-512 IFMA where the processor has it, AWS-LC elsewhere |
//! | `testing` | no | [`testing`]: an issuer on loopback and tokens of every kind, for tests |
//! | `toml` | no | settings from a TOML file: [`config::ServerDraft`] |
//!
//! # Modules
//!
//! The root has the names that a server and its tests need. The rest:
//!
//! | module | what for |
//! |---|---|
//! | [`config`] | settings in Rust, from variables, from TOML; their problems |
//! | [`keys`] | where keys come from, what is held, and how they are fetched |
//! | [`http`] | the layer, its parts, challenges and the RFC 9728 document |
//! | [`operation`] | rules for single tools, prompts and resources |
//! | [`explain`] | a verification step by step |
//! | [`signing`] | keys that sign tokens, for development and tests |
//! | [`core`] | the verifier itself, without I/O: policies, scopes, claims |
//!
//! # Pages
//!
//! - [Coming from FastMCP](guide::from_fastmcp): each part of its API, side by side
//! - [Test your server](guide::testing)
//! - [Identity providers](guide::identity_providers): settings, and what goes wrong
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod clock;
mod of_process;
mod provider;
mod token_cache;

pub mod config;
pub mod explain;
#[cfg(feature = "http")]
pub mod http;
pub mod keys;
pub mod signing;
#[cfg(feature = "testing")]
pub mod testing;

pub use mcp_bearer_core as core;
pub use mcp_bearer_core::operation;

// The names that a server and its tests need. All others are in the modules above.
pub use clock::Clock;
pub use config::{ConfigError, from_environment};
#[cfg(feature = "http")]
pub use http::{BearerAuthLayer, FromExtensions};
pub use mcp_bearer_core::{
    AccessToken, Algorithm, ClaimPath, JwkData, JwksData, Rejection, RejectionKind, TokenType,
    UnixTime,
};
pub use provider::{BearerAuthProvider, TryVerify};
pub use signing::{RsaKeyPair, SigningKey, TokenRequest};
pub use token_cache::TokenCacheSize;

/// Pages of the project's `docs/`. Their code is compiled and run by the tests.
#[cfg(any(doc, doctest))]
pub mod guide {
    #[doc = include_str!("../docs/from-fastmcp.md")]
    pub mod from_fastmcp {}
    #[doc = include_str!("../docs/identity-providers.md")]
    pub mod identity_providers {}
    #[doc = include_str!("../docs/operations.md")]
    pub mod operations {}
    #[doc = include_str!("../docs/testing.md")]
    pub mod testing {}
}

#[doc = include_str!("../../../README.md")]
#[cfg(doctest)]
struct Readme;
