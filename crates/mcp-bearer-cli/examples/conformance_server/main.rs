//! The server of the conformance suite (`clients/conformance.py`): the same handlers twice, open to
//! anyone and behind a layer with rules and bound sessions.
//!
//! It prints `{"open","guarded","token"}` once it listens: two addresses, and a token for the
//! second one. It logs to stderr. The token has what the rules need, but not what they hide.
#![allow(
    clippy::print_stdout,
    reason = "its output is for the program that started it"
)]
#![allow(
    deprecated,
    reason = "protocol 2025-11-25 has logging, sampling and subscriptions"
)]

mod fixture;

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use mcp_bearer::operation::{OperationRules, OperationRulesDraft, RuleDraft, Tasks, Unmatched};
use mcp_bearer::{BearerAuthLayer, BearerAuthProvider, RsaKeyPair, TokenRequest};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;
use tokio::net::TcpListener;

use fixture::Fixture;

const ISSUER: &str = "https://idp.example.com/";

type Service = StreamableHttpService<Fixture, LocalSessionManager>;

/// Each of its operations needs a scope, and one item of each list is hidden.
fn rules() -> Result<OperationRules, Box<dyn Error>> {
    let needs = |method, scope| RuleDraft::new(method).scopes([scope]);
    let hides = |method, name| needs(method, "nobody").name(name).hide();
    let mut draft = OperationRulesDraft::default();
    draft.unmatched = Some(Unmatched::Allow);
    // The server has no tasks, and scenarios compare its own answers about them.
    draft.tasks = Tasks::BoundByServer;
    draft.rules = vec![
        needs("tools/call", "tools"),
        needs("resources/*", "resources"),
        needs("prompts/get", "prompts"),
        hides("tools/call", "hidden_*"),
        hides("resources/read", "hidden:*"),
        hides("prompts/get", "hidden_*"),
    ];
    Ok(draft.check()?)
}

fn service() -> Result<Service, Box<dyn Error>> {
    let fixture = Fixture::new()?;
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(["127.0.0.1", "localhost"])
        .with_allowed_origins(["http://127.0.0.1:*", "http://localhost:*"]);
    let sessions = Arc::<LocalSessionManager>::default();
    let make = move || Ok(fixture.clone());
    Ok(StreamableHttpService::new(make, sessions, config))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let (open, guarded) = (
        TcpListener::bind("127.0.0.1:0").await?,
        TcpListener::bind("127.0.0.1:0").await?,
    );
    let address = |listener: &TcpListener| {
        let address = listener.local_addr()?;
        std::io::Result::Ok(format!("http://{address}/mcp"))
    };
    let (open_url, url) = (address(&open)?, address(&guarded)?);

    let keys = RsaKeyPair::generate()?;
    let provider = BearerAuthProvider::builder()
        .public_key(keys.public_key_pem())
        .issuer(ISSUER)
        .audience(&url)
        .required_scopes(["mcp"])
        .build()?;
    let auth = BearerAuthLayer::new(provider)
        .resource(&url)?
        .operations(rules()?);
    let request = TokenRequest::new()
        .subject("conformance")
        .issuer(ISSUER)
        .audience(&url)
        .scopes(["mcp", "tools", "resources", "prompts"]);
    let token = keys.create_token(&request)?;

    let without = Router::new().nest_service("/mcp", service()?);
    let with = Router::new()
        .merge(auth.auth().metadata_route())
        .nest_service("/mcp", auth.layer(service()?));
    let line = json!({ "open": open_url, "guarded": url, "token": token });
    println!("{line}");
    tokio::try_join!(
        axum::serve(open, without).into_future(),
        axum::serve(guarded, with).into_future(),
    )?;
    Ok(())
}
