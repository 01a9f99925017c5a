//! The gateway against everything that a client, a server or an operator can do wrong, over real
//! sockets on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod answers;
mod authentication;
mod form;
mod frames;
mod http2;
mod operations;
mod operators;
mod reloads;
mod server;
mod shares;
mod streams;
mod support;
mod upstream_faults;
