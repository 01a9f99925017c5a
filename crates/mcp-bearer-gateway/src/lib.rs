//! The gateway: bearer authentication in front of any MCP server, in any language.
//!
//! It is the layers of [`mcp_bearer`] around a reverse proxy. It has no verifier, no challenges and
//! no rules of its own.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod assertion;
pub mod config;
mod decision;
mod file;
mod limits;
mod peer;
mod tls;

pub use config::{GatewayConfig, GatewayDraft, GatewaySetting};
