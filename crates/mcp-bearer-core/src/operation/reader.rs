//! Reads the bytes of a POST body into the operations that it requests.

use std::borrow::Cow;

use self::messages::Messages;
use super::headers::RequestHeaders;
use super::rpc::{RequestId, RpcAnswer, code};
use super::target::{Target, Targets};
use super::version::ProtocolVersion;
use crate::json::{JsonError, Next, Walker};
use crate::limits::Limits;

mod messages;

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

#[cfg(test)]
mod tests;
