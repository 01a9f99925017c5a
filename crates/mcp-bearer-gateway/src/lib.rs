//! The gateway: bearer authentication in front of any MCP server, in any language. With the feature
//! `authz`, also its decision alone, for other proxies (`Authz`).
//!
//! It consists of the layers of [`mcp_bearer`] around a reverse proxy. It has no verifier, no
//! challenges and no rules of its own.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use mcp_bearer_gateway::{Gateway, GatewayDraft};
//! let config = GatewayDraft::read_toml("gateway.toml".as_ref())?.check()?;
//! let gateway = Gateway::bind(config).await?;
//! gateway.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await;
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod admin;
mod assertion;
mod audit;
#[cfg(feature = "authz")]
mod authz;
pub mod config;
mod connect_timeout;
mod decision;
mod error;
mod fields;
mod forward;
mod gateway;
mod gathered_writes;
mod health;
mod history;
mod identity_headers;
mod idle_timeout;
mod known_caller;
mod lifecycle;
mod lifetime;
mod limits;
mod metrics;
mod observe;
mod observers;
mod own_answer;
mod own_server;
mod own_servers;
mod peer;
mod query;
mod read_file;
mod request_form;
mod serve;
mod shown;
mod stack;
mod stream_revalidation;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
#[cfg(feature = "otlp")]
mod traces;
mod upstream;
mod without_trailers;

#[cfg(feature = "authz")]
pub use authz::{Authz, AuthzReloader};
#[cfg(feature = "authz")]
pub use config::{AuthzConfig, AuthzSettings};
pub use config::{ConfigKind, GatewayConfig, GatewayDraft, GatewaySetting};
pub use error::GatewayError;
pub use gateway::{Gateway, Reloader};
