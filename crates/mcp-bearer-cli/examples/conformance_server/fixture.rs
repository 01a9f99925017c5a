//! The server that the conformance suite expects. What it answers is in `fixture.json`, in the
//! names of the protocol: every tool, resource and prompt that a scenario asks for, and a few that
//! the rules hide.
//!
//! In `fixture.json`, `rounds` are the inputs that a tool or prompt needs from the client, one map
//! per request; `elicitations` are the schemas of tools that ask within a session.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities,
    CompleteRequestParams, CompleteResult, ContentBlock, CreateMessageRequestParams,
    ElicitRequestParams, GetPromptRequestParams, GetPromptResponse, GetPromptResult,
    Implementation, InputRequest, InputRequests, InputRequiredResult, InputResponses, JsonObject,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams,
    ProgressNotificationParam, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
    SamplingMessage, ServerCapabilities, ServerConfig, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::broadcast;

const PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone)]
pub(crate) struct Fixture {
    answers: Arc<Value>,
    changes: broadcast::Sender<Change>,
    /// Which round each handed out `requestState` leads to.
    states: Arc<Mutex<HashMap<String, usize>>>,
}

#[derive(Clone, Copy)]
enum Change {
    Tools,
    Prompts,
}

impl Fixture {
    pub(crate) fn new() -> Result<Self, serde_json::Error> {
        Ok(Self {
            answers: Arc::new(serde_json::from_str(include_str!("fixture.json"))?),
            changes: broadcast::channel(16).0,
            states: Arc::default(),
        })
    }

    fn states(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list<T: DeserializeOwned>(&self, member: &str) -> Result<T, ErrorData> {
        let items = self.answers.get(member).cloned().unwrap_or_default();
        typed(json!({ member: items, "ttlMs": 1000, "cacheScope": "public" }))
    }

    fn answer(&self, group: &str, name: &str) -> Option<Value> {
        self.answers.get(group)?.get(name).cloned()
    }

    /// What the client must provide before the answer, or nothing if it provided everything.
    fn needs(
        &self,
        name: &str,
        responses: Option<&InputResponses>,
        state: Option<&str>,
        able: Option<&ClientCapabilities>,
    ) -> Result<Option<InputRequiredResult>, ErrorData> {
        let Some(rounds) = self.answer("rounds", name) else {
            return Ok(None);
        };
        let rounds: Vec<InputRequests> = typed_as_is(rounds)?;
        let round = match state {
            None => 0,
            Some(state) => {
                let known = self.states().get(state).copied();
                known.ok_or_else(|| ErrorData::invalid_params("unknown requestState", None))?
            }
        };
        let asked = rounds.get(round).ok_or_else(|| internal("no such round"))?;
        let given = |key: &String| responses.is_some_and(|given| given.contains_key(key));
        let malformed = |given: &InputResponses| !given.values().all(Value::is_object);
        if responses.is_some_and(malformed) {
            return Err(ErrorData::invalid_params("an input is not an object", None));
        }
        let next = round + usize::from(asked.keys().all(given));
        let Some(needed) = rounds.get(next) else {
            return Ok(None);
        };
        let needed = match name {
            "test_input_required_result_capabilities" => needed
                .iter()
                .filter(|(_, request)| can(able, request))
                .map(|(key, request)| (key.clone(), request.clone()))
                .collect(),
            _ => needed.clone(),
        };
        let mut states = self.states();
        let handle = format!("{name}/{}", states.len());
        states.insert(handle.clone(), next);
        Ok(Some(InputRequiredResult::new(Some(needed), Some(handle))))
    }

    /// A tool that asks the user within its session.
    async fn elicit(
        &self,
        schema: Value,
        arguments: &JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let message = arguments.get("message").and_then(Value::as_str);
        let request = ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: message.unwrap_or("Please choose").to_owned(),
            requested_schema: typed_as_is(schema)?,
        };
        let result = context.peer.create_elicitation(request).await;
        let result = result.map_err(internal)?;
        let action = json!(result.action);
        let content = json!(result.content);
        Ok(said(format!(
            "Elicitation completed: action={}, content={content}",
            action.as_str().unwrap_or_default()
        )))
    }
}

/// Whether the client declared what a request needs.
fn can(able: Option<&ClientCapabilities>, request: &InputRequest) -> bool {
    able.is_some_and(|able| match request {
        InputRequest::CreateMessage(_) => able.sampling.is_some(),
        InputRequest::Elicitation(_) => able.elicitation.is_some(),
        _ => able.roots.is_some(),
    })
}

fn typed<T: DeserializeOwned>(mut result: Value) -> Result<T, ErrorData> {
    if let Some(members) = result.as_object_mut() {
        members.insert("resultType".to_owned(), json!("complete"));
    }
    typed_as_is(result)
}

fn typed_as_is<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(internal)
}

fn internal(error: impl Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

fn said(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text.into())])
}

async fn log_thrice(context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    for text in ["started", "processing data", "completed"] {
        let about = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(text));
        let logged = context.peer.notify_logging_message(about).await;
        logged.map_err(internal)?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn progress_thrice(context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let token = context.meta.get_progress_token();
    for progress in [0.0, 50.0, 100.0] {
        if let Some(token) = token.clone() {
            let about = ProgressNotificationParam::new(token, progress).with_total(100.0);
            let reported = context.peer.notify_progress(about).await;
            reported.map_err(internal)?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_logging()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("mcp-bearer-conformance", "1.0.0"))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let list: ListToolsResult = self.list("tools").ok()?;
        list.tools.into_iter().find(|tool| tool.name == name)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.list("tools")
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.list("resources")
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.list("resourceTemplates")
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.list("prompts")
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.as_ref();
        let able = context.client_capabilities();
        let responses = request.input_responses.as_ref();
        let state = request.request_state.as_deref();
        if let Some(needed) = self.needs(name, responses, state, able.as_ref())? {
            return Ok(needed.into());
        }
        if let Some(answer) = self.answer("calls", name) {
            return typed::<CallToolResult>(answer).map(Into::into);
        }
        let arguments = request.arguments.unwrap_or_default();
        if let Some(schema) = self.answer("elicitations", name) {
            return Ok(self.elicit(schema, &arguments, &context).await?.into());
        }
        match name {
            "test_tool_with_logging" => log_thrice(&context).await?,
            "test_logging_tool" if context.meta.log_level().is_some() => {
                log_thrice(&context).await?;
            }
            "test_tool_with_progress" => progress_thrice(&context).await?,
            "test_reconnection" => tokio::time::sleep(PAUSE).await,
            "test_trigger_tool_change" => drop(self.changes.send(Change::Tools)),
            "test_trigger_prompt_change" => drop(self.changes.send(Change::Prompts)),
            "test_missing_capability" if able.is_none_or(|able| able.sampling.is_none()) => {
                let needed = ClientCapabilities::builder().enable_sampling().build();
                return Err(ErrorData::missing_required_client_capability(needed));
            }
            "test_sampling" => {
                let prompt = arguments.get("prompt").and_then(Value::as_str);
                let prompt = SamplingMessage::user_text(prompt.unwrap_or("Hello"));
                let request = CreateMessageRequestParams::new(vec![prompt], 100);
                let result = context.peer.create_message(request).await;
                let result = json!(result.map_err(internal)?.message.content);
                return Ok(said(format!("LLM response: {result}")).into());
            }
            _ if self.get_tool(name).is_none() => {
                return Err(ErrorData::invalid_params("unknown tool", None));
            }
            _ => {}
        }
        Ok(said(format!("{name}: state-ok")).into())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri.as_str();
        let id = uri.strip_prefix("test://template/");
        let of_template = id.and_then(|rest| rest.strip_suffix("/data")).map(|id| {
            let text =
                json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            json!({ "mimeType": "application/json", "text": text.to_string() })
        });
        let Some(mut content) = self.answer("reads", uri).or(of_template) else {
            let data = json!({ "uri": uri });
            return Err(ErrorData::resource_not_found(
                "Resource not found",
                Some(data),
            ));
        };
        if let Some(members) = content.as_object_mut() {
            members.insert("uri".to_owned(), json!(uri));
        }
        let result = json!({ "contents": [content], "ttlMs": 1000, "cacheScope": "public" });
        typed::<ReadResourceResult>(result).map(Into::into)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let name = request.name.as_str();
        let able = context.client_capabilities();
        let responses = request.input_responses.as_ref();
        let state = request.request_state.as_deref();
        if let Some(needed) = self.needs(name, responses, state, able.as_ref())? {
            return Ok(needed.into());
        }
        let answer = if self.answer("rounds", name).is_some() {
            json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": "done" } }] })
        } else {
            let unknown = || ErrorData::invalid_params("unknown prompt", None);
            self.answer("gets", name).ok_or_else(unknown)?
        };
        let mut text = answer.to_string();
        for (argument, value) in request.arguments.unwrap_or_default() {
            let value = value.as_str().unwrap_or_default();
            text = text.replace(&format!("{{{argument}}}"), value);
        }
        let answer = serde_json::from_str(&text).map_err(internal)?;
        typed::<GetPromptResult>(answer).map(Into::into)
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        typed(json!({ "completion": { "values": ["test"], "total": 1, "hasMore": false } }))
    }

    async fn set_level(
        &self,
        _: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(
        &self,
        _: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.subscribe();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                change = changes.recv() => {
                    // The sink refuses what the client did not subscribe to.
                    let _ = match change.map_err(internal)? {
                        Change::Tools => context.sink().notify_tool_list_changed().await,
                        Change::Prompts => context.sink().notify_prompt_list_changed().await,
                    };
                }
            }
        }
    }
}
