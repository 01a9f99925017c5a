//! The gateway: bearer authentication in front of any MCP server, in any language.
//!
//! It is the layers of [`mcp_bearer`] around a reverse proxy. It has no verifier, no challenges and
//! no rules of its own.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[allow(dead_code, reason = "until the stack uses it")]
mod admin;
#[allow(dead_code, reason = "until the stack uses it")]
mod audit;
pub mod config;
#[allow(dead_code, reason = "until the stack uses it")]
mod decision;
#[allow(dead_code, reason = "until the stack uses it")]
mod health;
#[allow(dead_code, reason = "until the stack uses it")]
mod history;
#[allow(dead_code, reason = "until the stack uses it")]
mod metrics;
#[allow(dead_code, reason = "until the stack uses it")]
mod observers;
#[allow(dead_code, reason = "until the stack uses it")]
mod own_server;
#[allow(dead_code, reason = "until the stack uses it")]
mod shown;
#[cfg(feature = "testing")]
pub mod testing;
#[allow(dead_code, reason = "until the stack uses it")]
#[cfg(feature = "otlp")]
mod traces;

pub use config::{GatewayConfig, GatewayDraft, GatewaySetting};
