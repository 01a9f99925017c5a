//! Drives an MCP server with rmcp's client and prints one JSON object per case.
//!
//! It only observes: `clients/gateway.py`, which starts it, decides what is right.
//!
//! Usage: `gateway_client CASES.json`
#![allow(
    clippy::print_stdout,
    reason = "its output is for the program that started it"
)]
#![allow(deprecated, reason = "protocol 2025-11-25 has logging")]

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, ContentBlock, GetPromptRequestParams, LoggingMessageNotificationParam,
    ProgressNotificationParam, ProtocolVersion, ReadResourceRequestParams, ResourceContents,
    SubscriptionFilter,
};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio::time::timeout;

const TRIES: usize = 10;
const WAIT: Duration = Duration::from_secs(1);
const CHANGED: &str = "notifications/tools/list_changed";
const LOGGED: &str = "notifications/message";

/// What `clients/gateway.py` writes.
#[derive(serde::Deserialize)]
struct Case {
    name: String,
    mode: String,
    url: String,
    token: Option<String>,
    tool: Call,
    slow: Call,
    resource: String,
    prompt: Call,
    announcer: Call,
    announcement: Option<String>,
    subscribes: bool,
}

type Call = (String, Map<String, Value>);

/// How much is done, and of how much.
type Progress = (f64, Option<f64>);

type Client = RunningService<RoleClient, Handler>;

/// Records what the server sends unprompted.
#[derive(Clone, Default)]
struct Handler {
    progress: Arc<Mutex<Vec<Progress>>>,
    heard: Arc<Mutex<Vec<&'static str>>>,
    news: Arc<Notify>,
}

impl Handler {
    fn hear(&self, method: &'static str) {
        locked(&self.heard).push(method);
        self.news.notify_one();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientHandler for Handler {
    async fn on_progress(
        &self,
        about: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        locked(&self.progress).push((about.progress, about.total));
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.hear(CHANGED);
    }

    async fn on_logging_message(
        &self,
        _: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.hear(LOGGED);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: gateway_client CASES.json")?;
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    for case in &cases {
        let mut seen = json!({ "case": case.name, "mode": case.mode });
        match observe(case).await {
            Ok(Value::Object(found)) => merge(&mut seen, found),
            Ok(_) => {}
            Err(error) => merge(&mut seen, one("error", json!(format!("{error:?}")))),
        }
        println!("{seen}");
    }
    Ok(())
}

fn one(name: &str, value: Value) -> Map<String, Value> {
    std::iter::once((name.to_owned(), value)).collect()
}

fn merge(into: &mut Value, found: Map<String, Value>) {
    if let Some(members) = into.as_object_mut() {
        members.extend(found);
    }
}

async fn observe(case: &Case) -> Result<Value, Box<dyn Error>> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(case.url.as_str());
    if let Some(token) = &case.token {
        config = config.auth_header(token);
    }
    let lifecycle = if case.mode == "discover" {
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        ClientLifecycleMode::Discover { preferred_versions }
    } else {
        ClientLifecycleMode::Initialize
    };
    let handler = Handler::default();
    let transport = StreamableHttpClientTransport::from_config(config);
    let client = handler
        .clone()
        .serve_with_lifecycle(transport, lifecycle)
        .await?;

    let tools = client.list_all_tools().await?;
    let resources = client.list_all_resources().await?;
    let prompts = client.list_all_prompts().await?;
    let answer = call(&client, &case.tool).await?;
    call(&client, &case.slow).await?;
    let read = ReadResourceRequestParams::new(case.resource.as_str());
    let resource = client.read_resource(read).await?;
    let texts = resource.contents.iter().map(|part| match part {
        ResourceContents::TextResourceContents { text, .. } => json!(text),
        _ => Value::Null,
    });
    let (name, arguments) = case.prompt.clone();
    let prompt = GetPromptRequestParams::new(name).with_arguments(arguments);
    let messages = client.get_prompt(prompt).await?.messages;
    let messages = messages.iter().map(|message| {
        let text = message.content.as_text();
        json!(text.map(|text| text.text.as_str()))
    });
    let mut seen = json!({
        "tools": sorted(tools.iter().map(|tool| tool.name.to_string())),
        "resources": sorted(resources.iter().map(|resource| resource.uri.clone())),
        "prompts": sorted(prompts.iter().map(|prompt| prompt.name.clone())),
        "answer": answer,
        "resource": texts.collect::<Vec<_>>(),
        "prompt": messages.collect::<Vec<_>>(),
    });
    if let Some(announcement) = &case.announcement {
        let heard = hear(&client, &handler, case, announcement).await?;
        merge(&mut seen, one("heard", json!(heard)));
    }
    // The handler runs beside the calls, so it may be behind.
    let mut progress = locked(&handler.progress).clone();
    progress.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    merge(&mut seen, one("progress", json!(progress)));
    client.cancel().await?;
    Ok(seen)
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// By the session's own stream, or since 2026-07-28 by a subscription. The stream may open after
/// the first announcement.
async fn hear(
    client: &Client,
    handler: &Handler,
    case: &Case,
    announcement: &str,
) -> Result<String, Box<dyn Error>> {
    let mut subscription = None;
    if case.subscribes {
        let filter = SubscriptionFilter::builder().tools_list_changed().build();
        subscription = Some(client.listen(filter).await?);
    }
    for _ in 0..TRIES {
        call(client, &case.announcer).await?;
        if let Some(subscription) = &mut subscription {
            if matches!(timeout(WAIT, subscription.next()).await, Ok(Ok(Some(_)))) {
                return Ok(CHANGED.to_owned());
            }
        } else {
            let _ = timeout(WAIT, handler.news.notified()).await;
            if locked(&handler.heard).contains(&announcement) {
                return Ok(announcement.to_owned());
            }
        }
    }
    Ok("nothing".to_owned())
}

async fn call(client: &Client, (name, arguments): &Call) -> Result<String, Box<dyn Error>> {
    let request = CallToolRequestParams::new(name.clone()).with_arguments(arguments.clone());
    let result = client.call_tool(request).await?;
    let texts = result.content.iter().filter_map(ContentBlock::as_text);
    Ok(texts.map(|part| part.text.as_str()).collect())
}
