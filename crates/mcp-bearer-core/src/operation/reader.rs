//! Reads the bytes of a POST body into the operations that it requests.

use std::borrow::Cow;

use super::client_message::{Field, Id, Message, Presence, Shape};
use super::headers::{Headers, RequestHeaders, decode_name};
use super::rpc::{RequestId, RpcAnswer, code};
use super::target::{self, HeaderName, Target, Targets};
use super::version::ProtocolVersion;
use crate::json::{JsonError, Next, Walker};
use crate::limits::Limits;

/// What kind of JSON-RPC message an operation came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// It has an id and expects an answer.
    Request,
    /// It has no id and expects none.
    Notification,
    /// The client's response to a request of the server (sampling, elicitation, roots).
    Response,
}

/// What one JSON-RPC message asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    pub(super) kind: MessageKind,
    pub(super) id: Option<RequestId>,
    pub(super) method: Cow<'static, str>,
    pub(super) targets: Targets,
    pub(super) about_tasks: bool,
}

impl Operation {
    /// What kind of message it is.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The id of a request.
    #[must_use]
    pub fn id(&self) -> Option<&RequestId> {
        self.id.as_ref()
    }

    /// The method; empty for a response.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What it names, in order. Most methods name one thing or none.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        self.targets.as_slice()
    }

    /// Whether the answer lists tools, prompts, resources or resource templates.
    #[must_use]
    pub fn asks_for_list(&self) -> bool {
        let lists = [
            "tools/list",
            "prompts/list",
            "resources/list",
            "resources/templates/list",
        ];
        lists.contains(&&*self.method)
    }
}

/// The operations of one request: one, or those of a batch.
///
/// ```
/// use mcp_bearer_core::operation::{HeaderField, Operations, RequestHeaders};
/// let body = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"\u0061dd"}}"#;
/// let operations = Operations::read(body, &RequestHeaders::default()).unwrap();
/// assert_eq!(operations.iter().next().unwrap().targets().first().unwrap().name(), "add");
///
/// // A header that says something else.
/// let lie = RequestHeaders {
///     name: HeaderField::Once(b"harmless"),
///     ..RequestHeaders::default()
/// };
/// let refused = Operations::read(body, &lie).unwrap_err();
/// assert_eq!((refused.status(), refused.code()), (400, -32020));
/// assert_eq!(refused.id().unwrap().as_json(), "7");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Operations {
    pub(super) version: ProtocolVersion,
    pub(super) batch: bool,
    pub(super) all: Vec<Operation>,
}

impl Operations {
    /// Reads a complete body. See [`OperationReader`] for one that arrives in pieces.
    ///
    /// # Errors
    /// The answer to a body that is not a JSON-RPC message, may not be sent under this protocol
    /// version, or differs from the headers: 400.
    pub fn read(body: &[u8], headers: &RequestHeaders<'_>) -> Result<Self, RpcAnswer> {
        let invalid = |why: &str| RpcAnswer::bad_request(None, code::PARSE_ERROR, why);
        let text = std::str::from_utf8(body).map_err(|_| invalid("the body is not UTF-8"))?;
        let malformed = |error: JsonError| invalid(&format!("{} at byte {}", error.why, error.at));
        let mut walker = Walker::new(text).map_err(malformed)?;
        let batch = walker.next() == Next::Array;
        let mut messages = Messages::new(headers, batch);
        let read = if batch {
            walker.array(|walker| messages.read_next(walker, text))
        } else {
            messages.read_next(&mut walker, text)
        };
        read.and_then(|()| walker.end()).map_err(malformed)?;
        messages.conclude()
    }

    /// The protocol version that the request names.
    #[must_use]
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Whether it came as an array of messages.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.batch
    }

    /// The operations in order; there is at least one.
    pub fn iter(&self) -> impl Iterator<Item = &Operation> {
        self.all.iter()
    }

    /// Whether the answer lists something that rules may hide.
    #[must_use]
    pub fn asks_for_list(&self) -> bool {
        self.all.iter().any(Operation::asks_for_list)
    }
}

/// Reads a body that arrives in pieces. It does no I/O: the caller brings the bytes.
///
/// ```
/// use mcp_bearer_core::operation::{OperationReader, RequestHeaders};
/// let mut reader = OperationReader::new();
/// for piece in [r#"{"jsonrpc":"2.0","#, r#""id":1,"method":"ping"}"#] {
///     reader.push(piece.as_bytes())?;
/// }
/// let operations = reader.finish(&RequestHeaders::default())?;
/// assert_eq!(operations.iter().next().unwrap().method(), "ping");
/// # Ok::<(), mcp_bearer_core::operation::RpcAnswer>(())
/// ```
#[derive(Debug)]
pub struct OperationReader {
    body: Vec<u8>,
    limit: usize,
}

impl OperationReader {
    /// A reader of bodies up to [`Limits::OPERATION_BODY_BYTES`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(Limits::OPERATION_BODY_BYTES)
    }

    /// A reader of bodies up to a number of bytes.
    #[must_use]
    pub fn with_limit(bytes: usize) -> Self {
        Self {
            body: Vec::new(),
            limit: bytes,
        }
    }

    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// The answer to a body that is too large: 413.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), RpcAnswer> {
        if bytes.len() > self.limit.saturating_sub(self.body.len()) {
            return Err(RpcAnswer::too_large());
        }
        self.body.extend_from_slice(bytes);
        Ok(())
    }

    /// Reads the operations of the whole body.
    ///
    /// # Errors
    /// As [`Operations::read`].
    pub fn finish(self, headers: &RequestHeaders<'_>) -> Result<Operations, RpcAnswer> {
        Operations::read(&self.body, headers)
    }
}

impl Default for OperationReader {
    fn default() -> Self {
        Self::new()
    }
}

/// The messages of a body, each judged when it has been read.
struct Messages<'h> {
    context: Context<'h>,
    /// Why the headers are wrong, whatever the messages are.
    bad_headers: Option<&'static str>,
    taken: Vec<Operation>,
    /// Of the first message that has one.
    fault: Option<Fault>,
    count: usize,
    other_than_object: bool,
}

/// What the messages are compared with.
struct Context<'h> {
    headers: Headers<'h>,
    /// The name of the version in the header.
    named: Option<&'h str>,
    version: ProtocolVersion,
    batch: bool,
}

impl<'h> Messages<'h> {
    fn new(headers: &RequestHeaders<'h>, batch: bool) -> Self {
        let headers = headers.once();
        let mut bad_headers = headers.err();
        let headers = headers.unwrap_or_default();
        let named = headers.version.map(std::str::from_utf8).transpose();
        if named.is_err() {
            bad_headers = Some("MCP-Protocol-Version is not text");
        }
        let named = named.unwrap_or_default();
        Self {
            context: Context {
                headers,
                named,
                version: named.map_or(ProtocolVersion::UNNAMED, ProtocolVersion::of),
                batch,
            },
            bad_headers,
            taken: Vec::with_capacity(1),
            fault: None,
            count: 0,
            other_than_object: false,
        }
    }

    fn read_next<'a>(&mut self, walker: &mut Walker<'a>, text: &'a str) -> Result<(), JsonError> {
        if walker.next() != Next::Object {
            self.other_than_object = true;
            return walker.value().map(drop);
        }
        let mut message = Message::default();
        message.read(walker, text)?;
        self.count += 1;
        if self.count > Limits::BATCH_MESSAGES || self.fault.is_some() {
            return Ok(());
        }
        match take(&mut message, &self.context) {
            Ok(operation) => self.taken.push(operation),
            Err(fault) => self.fault = Some(fault),
        }
        Ok(())
    }

    fn conclude(self) -> Result<Operations, RpcAnswer> {
        let invalid = |why: &str| RpcAnswer::bad_request(None, code::INVALID_REQUEST, why);
        if self.other_than_object {
            return Err(invalid("a JSON-RPC message is an object"));
        }
        if self.count > Limits::BATCH_MESSAGES {
            return Err(RpcAnswer::too_large());
        }
        let Context { version, batch, .. } = self.context;
        if let Some(why) = self.bad_headers {
            let id = self.into_only_id();
            return Err(RpcAnswer::bad_request(id, code::HEADER_MISMATCH, why));
        }
        if batch && !version.has_batches() {
            return Err(invalid("only protocol version 2025-03-26 has batches"));
        }
        if let Some(fault) = self.fault {
            return Err(fault.into_answer());
        }
        let all = self.taken;
        if all.is_empty() {
            return Err(invalid("a batch without a message"));
        }
        let response = |operation: &Operation| operation.kind == MessageKind::Response;
        if batch && all.iter().any(response) && !all.iter().all(response) {
            return Err(invalid("a batch of requests and responses"));
        }
        Ok(Operations {
            version,
            batch,
            all,
        })
    }

    /// The id of the one message; an error about a whole batch answers none of its messages.
    fn into_only_id(self) -> Option<RequestId> {
        if self.context.batch {
            return None;
        }
        let of_operation = self.taken.into_iter().next().and_then(|taken| taken.id);
        of_operation.or_else(|| self.fault?.id)
    }
}

/// Why a message is refused, and the id of the request that it is.
struct Fault {
    id: Option<RequestId>,
    why: Why,
}

#[derive(Clone, Copy)]
struct Why {
    code: i32,
    why: &'static str,
}

/// A request without what its method needs, in a version that no longer has the method: the answer
/// must be the one for an unknown method.
const REMOVED: Why = Why {
    code: code::METHOD_NOT_FOUND,
    why: "this protocol version has no such method",
};

impl Fault {
    fn into_answer(self) -> RpcAnswer {
        let Why { code, why } = self.why;
        if code == code::METHOD_NOT_FOUND {
            return RpcAnswer::unknown_method(self.id, why);
        }
        RpcAnswer::bad_request(self.id, code, why)
    }
}

/// Takes from a message what is left of it when nothing has to be borrowed any more.
fn take(message: &mut Message<'_>, context: &Context<'_>) -> Result<Operation, Fault> {
    let judged = operation(message).and_then(|operation| {
        judge_headers(&operation, message, context)?;
        Ok(operation)
    });
    let was_removed = || message.method.as_str().is_some_and(target::was_removed);
    // The id of a response is that of the server's own request, which none of our answers is for.
    let id = match (std::mem::take(&mut message.id), &message.method) {
        (Id::Known(id), Field::Text(_)) => Some(id),
        _ => None,
    };
    match judged {
        Ok(operation) => Ok(Operation { id, ..operation }),
        Err(why)
            if why.code == code::INVALID_PARAMS
                && context.version.requires_headers()
                && was_removed() =>
        {
            Err(Fault { id, why: REMOVED })
        }
        Err(why) => Err(Fault { id, why }),
    }
}

/// Whether the message may be sent as it is, and the headers agree with it.
fn judge_headers(
    operation: &Operation,
    message: &Message<'_>,
    context: &Context<'_>,
) -> Result<(), Why> {
    let Context {
        headers,
        named,
        version,
        batch,
    } = *context;
    let mismatch = |why| Why {
        code: code::HEADER_MISMATCH,
        why,
    };
    let invalid = |why| Why {
        code: code::INVALID_REQUEST,
        why,
    };
    let in_body = message.params.version.as_str();
    if in_body.is_some() && in_body != named {
        return Err(mismatch("MCP-Protocol-Version differs from the body"));
    }
    if operation.kind == MessageKind::Response {
        if !version.has_sessions() {
            return Err(invalid(
                "a client sends no responses in this protocol version",
            ));
        }
        if headers.method.is_some() || headers.name.is_some() {
            return Err(mismatch("Mcp-Method or Mcp-Name for a response"));
        }
        return Ok(());
    }
    let method = &*operation.method;
    let initialize = method == "initialize";
    if initialize && batch {
        return Err(invalid("initialize in a batch"));
    }
    let proposed = message.params.proposed_version.as_str();
    if initialize && version.requires_headers() && proposed != named {
        return Err(match proposed {
            None => REMOVED,
            Some(_) => mismatch("MCP-Protocol-Version differs from the body"),
        });
    }
    // `initialize` comes before any version is agreed on, and the specification requires no headers
    // for notifications: the TypeScript client sends none.
    let required =
        version.requires_headers() && operation.kind == MessageKind::Request && !initialize;
    match headers.method {
        None if required => return Err(mismatch("Mcp-Method is missing")),
        Some(value) if value != method.as_bytes() => {
            return Err(mismatch("Mcp-Method differs from the body"));
        }
        _ => {}
    }
    let name = target::name_of(method, operation.targets());
    match (headers.name, name) {
        (None, Some(_)) if required && target::header_name(method) == HeaderName::Required => {
            return Err(mismatch("Mcp-Name is missing"));
        }
        (None, _) => {}
        (Some(_), None) => return Err(mismatch("Mcp-Name for a message without a name")),
        (Some(value), Some(name)) => match decode_name(value) {
            None => return Err(mismatch("Mcp-Name is not valid base64 of UTF-8")),
            Some(value) if *value != *name => {
                return Err(mismatch("Mcp-Name differs from the body"));
            }
            Some(_) => {}
        },
    }
    Ok(())
}

/// What a message asks for; its id is left to the caller.
fn operation(message: &Message<'_>) -> Result<Operation, Why> {
    let invalid = |why| {
        Err(Why {
            code: code::INVALID_REQUEST,
            why,
        })
    };
    let bad_params = |why| Why {
        code: code::INVALID_PARAMS,
        why,
    };
    if message.jsonrpc.as_str() != Some("2.0") {
        return invalid("jsonrpc is not \"2.0\"");
    }
    if message.look_alike {
        return invalid("a member whose name differs from a known one only by case");
    }
    let answers = (message.result, message.error);
    let Field::Text(method) = &message.method else {
        if matches!(message.method, Field::Other) {
            return invalid("method is not a string");
        }
        return response(message);
    };
    if answers != (Presence::Absent, Presence::Absent) {
        return invalid("a message with a method and a result or an error");
    }
    let kind = match &message.id {
        Id::Absent => MessageKind::Notification,
        Id::Known(_) => MessageKind::Request,
        Id::Invalid => return invalid("id is neither a string nor a number"),
    };
    let params = &message.params;
    if params.shape == Shape::Other {
        return Err(bad_params("params is not an object"));
    }
    if params.bad_meta || matches!(params.version, Field::Other) {
        return Err(bad_params("params._meta is malformed"));
    }
    let targets = target::of(method, message).map_err(bad_params)?;
    if params.look_alike && target::reads_params(method) {
        return Err(bad_params(
            "a member of params whose name differs from a known one only by case",
        ));
    }
    Ok(Operation {
        kind,
        id: None,
        about_tasks: target::touches_tasks(method, message),
        method: target::shared(method),
        targets,
    })
}

fn response(message: &Message<'_>) -> Result<Operation, Why> {
    let invalid = |why| {
        Err(Why {
            code: code::INVALID_REQUEST,
            why,
        })
    };
    // A result may be `null`; an error that is `null` does not count, as in JSON-RPC 1.0.
    match (message.result, message.error) {
        (Presence::Absent, Presence::Absent) => {
            return invalid("neither a request, nor a notification, nor a response");
        }
        (Presence::Empty | Presence::Present, Presence::Present) => {
            return invalid("a response with a result and an error");
        }
        _ => {}
    }
    if message.params.shape != Shape::Absent {
        return invalid("a response with params");
    }
    if matches!(message.id, Id::Absent) && message.error != Presence::Present {
        return invalid("a result without an id");
    }
    Ok(Operation {
        kind: MessageKind::Response,
        id: None,
        method: Cow::Borrowed(""),
        targets: Targets::NONE,
        about_tasks: false,
    })
}

#[cfg(test)]
mod tests;
