//! Drives an MCP server with rmcp's client and prints the result of each case, one JSON object per
//! line.
//!
//! It only observes: `clients/drive.py`, which starts it, decides what is right. It never retries
//! and never gets a token by itself.
//!
//! Usage: `rmcp_client CASES.json`
#![allow(
    clippy::print_stdout,
    reason = "its output is for the program that started it"
)]

use std::error::Error;

use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientInitializeError, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Map, Value, json};

/// What `clients/drive.py` writes.
#[derive(serde::Deserialize)]
struct Work {
    url: String,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    token: Option<String>,
    /// If given, the only tool that is called.
    tool: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: rmcp_client CASES.json")?;
    let work: Work = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    for case in &work.cases {
        for (mode, lifecycle) in modes() {
            let mut seen = observe(&work.url, case, lifecycle).await;
            seen.insert("case".to_owned(), json!(case.name));
            seen.insert("mode".to_owned(), json!(mode));
            println!("{}", Value::Object(seen));
        }
    }
    Ok(())
}

/// The handshake of the protocol versions up to 2025-11-25, and the one without a session after it.
fn modes() -> [(&'static str, ClientLifecycleMode); 2] {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    [
        ("initialize", ClientLifecycleMode::Initialize),
        (
            "discover",
            ClientLifecycleMode::Discover { preferred_versions },
        ),
    ]
}

async fn observe(url: &str, case: &Case, lifecycle: ClientLifecycleMode) -> Map<String, Value> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(url);
    if let Some(token) = &case.token {
        config = config.auth_header(token);
    }
    let members = match use_tools(config, lifecycle, case.tool.as_deref()).await {
        Ok(answers) => {
            let answers = answers.into_iter();
            let none = [("refusals", json!([])), ("error_status", Value::Null)];
            none.into_iter()
                .chain(answers.map(|(name, answer)| (name, json!(answer))))
                .collect()
        }
        Err(error) => {
            let refusal = refusal(error.as_ref());
            vec![
                ("refusals", json!(refusal.iter().collect::<Vec<_>>())),
                ("error_status", json!(refusal.map(|(status, _)| status))),
                ("error", json!(format!("{error:?}"))),
            ]
        }
    };
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

async fn use_tools(
    config: StreamableHttpClientTransportConfig,
    lifecycle: ClientLifecycleMode,
    tool: Option<&str>,
) -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    let transport = StreamableHttpClientTransport::from_config(config);
    let client = ().serve_with_lifecycle(transport, lifecycle).await?;
    if let Some(tool) = tool {
        let answer = call(&client, CallToolRequestParams::new(tool.to_owned())).await;
        client.cancel().await?;
        return Ok(vec![("answer", answer?)]);
    }
    let whoami = call(&client, CallToolRequestParams::new("whoami")).await?;
    let mut arguments = Map::new();
    arguments.insert("a".to_owned(), json!(2));
    arguments.insert("b".to_owned(), json!(3));
    let add = CallToolRequestParams::new("add").with_arguments(arguments);
    let sum = call(&client, add).await?;
    client.cancel().await?;
    Ok(vec![("whoami", whoami), ("sum", sum)])
}

async fn call(
    client: &RunningService<RoleClient, ()>,
    request: CallToolRequestParams,
) -> Result<String, Box<dyn Error>> {
    let result = client.call_tool(request).await?;
    let parts = result.content.iter().filter_map(|part| part.as_text());
    Ok(parts.map(|part| part.text.as_str()).collect())
}

/// The status and the challenge, from rmcp's own errors: it has one for 401 and one for 403.
fn refusal<'a>(error: &'a (dyn Error + 'static)) -> Option<(u16, &'a str)> {
    let (challenge, unauthorized) = if let Some(error) = error.downcast_ref::<ServiceError>() {
        (error.auth_challenge(), error.is_authorization_required())
    } else {
        let error = error.downcast_ref::<ClientInitializeError>()?;
        (error.auth_challenge(), error.is_authorization_required())
    };
    Some((if unauthorized { 401 } else { 403 }, challenge?))
}
