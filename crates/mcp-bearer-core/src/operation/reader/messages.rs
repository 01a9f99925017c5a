//! Judges each message of a body when it has been read: whether it is one, and whether it agrees
//! with the headers.

use std::borrow::Cow;

use super::{MessageKind, Operation, Operations};
use crate::json::{JsonError, Next, Walker};
use crate::limits::Limits;
use crate::operation::client_message::{Field, Id, Message, Presence, Shape};
use crate::operation::headers::{Headers, RequestHeaders, decode_name};
use crate::operation::rpc::{RequestId, RpcAnswer, code};
use crate::operation::target::{self, HeaderName, Targets};
use crate::operation::version::ProtocolVersion;

/// The messages of a body, each judged when it has been read.
pub(super) struct Messages<'h> {
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
    pub(super) fn new(headers: &RequestHeaders<'h>, batch: bool) -> Self {
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

    pub(super) fn read_next<'a>(
        &mut self,
        walker: &mut Walker<'a>,
        text: &'a str,
    ) -> Result<(), JsonError> {
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

    pub(super) fn conclude(self) -> Result<Operations, RpcAnswer> {
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
