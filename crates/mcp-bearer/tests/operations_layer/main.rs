//! The layer that judges operations, filters lists and binds sessions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod anonymous;
mod bodies;
mod body_hash;
mod lists;
mod logs;
mod once;
mod requests;
mod rmcp_server;
mod sessions;
mod support;
mod two_principals;
mod vectors;
