//! The HTTP layer from outside: what is accepted, what the peer sees, what the operator sees.
#![cfg(feature = "http")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "test code: a failure here should stop the test"
)]

#[cfg(feature = "axum")]
mod axum_extractors;
#[cfg(feature = "remote")]
mod cold;
mod credentials;
#[cfg(feature = "remote")]
mod issuers;
mod logs;
mod metadata;
mod pass_through;
mod preflight;
mod requested_scopes;
#[cfg(feature = "axum")]
mod rmcp_server;
mod support;
mod token_header;
mod vectors;
mod waiting;
mod wire;
