//! External authorization against everything that a client, a proxy or an operator can do wrong:
//! gRPC by a real client, HTTP as bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod bodies;
mod cold;
mod configuration;
mod forward_auth;
mod grpc;
mod service;
mod streams;
mod support;
