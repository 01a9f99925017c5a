//! Answers in JSON-RPC: one error per request, and the HTTP status around it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::json::string_of;

/// The error codes that are used here.
pub(super) mod code {
    /// The body is not valid JSON.
    pub(in crate::operation) const PARSE_ERROR: i32 = -32700;
    /// The message is not a JSON-RPC message, or not one that may be sent.
    pub(in crate::operation) const INVALID_REQUEST: i32 = -32600;
    /// The protocol version has no such method.
    pub(in crate::operation) const METHOD_NOT_FOUND: i32 = -32601;
    /// The parameters are invalid, or name a tool or prompt that does not exist.
    pub(in crate::operation) const INVALID_PARAMS: i32 = -32602;
    /// A header is missing or differs from the body (MCP 2026-07-28).
    pub(in crate::operation) const HEADER_MISMATCH: i32 = -32020;
    /// No scope allows the operation. The range up to -32019 is each implementation's own.
    pub(in crate::operation) const NOT_PERMITTED: i32 = -32003;
    /// The server's answer cannot be passed on.
    pub(in crate::operation) const INTERNAL_ERROR: i32 = -32603;
}

/// The id of a request: a string or a number, as the client wrote it.
///
/// Two ids are equal if they mean the same, whatever their spelling.
#[derive(Clone, Debug)]
pub struct RequestId {
    /// The value as JSON text, to be sent back.
    json: Box<str>,
}

impl RequestId {
    /// From validated JSON text.
    pub(super) fn of_json(text: &str) -> Self {
        Self { json: text.into() }
    }

    /// The id as JSON text.
    ///
    /// ```
    /// use mcp_bearer_core::operation::{Operations, RequestHeaders};
    /// let body = br#"{"jsonrpc":"2.0","id":"a-1","method":"ping"}"#;
    /// let operations = Operations::read(body, &RequestHeaders::default()).unwrap();
    /// assert_eq!(operations.iter().next().unwrap().id().unwrap().as_json(), r#""a-1""#);
    /// ```
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.json
    }
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        if self.json == other.json {
            return true;
        }
        match (self.json.starts_with('"'), other.json.starts_with('"')) {
            (true, true) => string_of(&self.json) == string_of(&other.json),
            (false, false) => {
                let number = |id: &Self| id.json.parse::<f64>().ok().filter(|n| n.is_finite());
                number(self).is_some_and(|one| number(other) == Some(one))
            }
            _ => false,
        }
    }
}

/// One error of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RpcError {
    /// The request it answers; none where no request is known.
    pub(super) id: Option<RequestId>,
    pub(super) code: i32,
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

impl RpcError {
    pub(super) fn new(id: Option<RequestId>, code: i32, message: impl Into<String>) -> Self {
        Self {
            id,
            code,
            message: message.into(),
            data: None,
        }
    }

    fn write(&self, json: &mut String) {
        json.push_str(r#"{"jsonrpc":"2.0","#);
        // An unknown id is left out, as MCP requires since 2025-11-25.
        if let Some(id) = &self.id {
            json.push_str(r#""id":"#);
            json.push_str(&id.json);
            json.push(',');
        }
        // Writing to a string cannot fail.
        let message = Value::from(self.message.as_str());
        let _ = write!(
            json,
            r#""error":{{"code":{},"message":{message}"#,
            self.code
        );
        if let Some(data) = &self.data {
            let _ = write!(json, r#","data":{data}"#);
        }
        json.push_str("}}");
    }
}

/// An answer to a request that is not passed on, without the types of any HTTP library.
///
/// ```
/// use mcp_bearer_core::operation::{Operations, RequestHeaders};
/// let refused = Operations::read(b"{}", &RequestHeaders::default()).unwrap_err();
/// assert_eq!(refused.status(), 400);
/// assert!(refused.body().starts_with(r#"{"jsonrpc":"2.0","error":{"code":-32600,"#));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RpcAnswer {
    status: u16,
    errors: Vec<RpcError>,
    batch: bool,
}

impl RpcAnswer {
    /// A request that cannot be read or may not be sent.
    pub(super) fn bad_request(id: Option<RequestId>, code: i32, why: &str) -> Self {
        Self::one(400, RpcError::new(id, code, why))
    }

    /// A request whose method the protocol version does not have: 404, as 2026-07-28 requires.
    pub(super) fn unknown_method(id: Option<RequestId>, why: &str) -> Self {
        Self::one(404, RpcError::new(id, code::METHOD_NOT_FOUND, why))
    }

    /// The answer to a body that is longer than the limit: 413.
    #[must_use]
    pub fn too_large() -> Self {
        Self::one(
            413,
            RpcError::new(None, code::INVALID_REQUEST, "the body is too large"),
        )
    }

    /// The answer to a request that cannot be passed on for a reason of the transport, before or
    /// without reading operations: another content type, somebody else's session, a body that does
    /// not arrive.
    #[must_use]
    pub fn of_transport(status: u16, why: &str) -> Self {
        Self::one(status, RpcError::new(None, code::INVALID_REQUEST, why))
    }

    pub(super) fn one(status: u16, error: RpcError) -> Self {
        Self {
            status,
            errors: vec![error],
            batch: false,
        }
    }

    /// Errors for messages that were understood: HTTP 200, but 400 if no message expects an answer,
    /// because a notification that is not accepted must be answered with an error status.
    pub(super) fn errors(errors: Vec<RpcError>, batch: bool) -> Self {
        let awaited = errors.iter().any(|error| error.id.is_some());
        Self {
            status: if awaited { 200 } else { 400 },
            batch: batch && awaited,
            errors,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The code of the first error.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.errors
            .first()
            .map_or(code::INTERNAL_ERROR, |error| error.code)
    }

    /// The request that the first error answers, if it is known.
    #[must_use]
    pub fn id(&self) -> Option<&RequestId> {
        self.errors.first().and_then(|error| error.id.as_ref())
    }

    /// What is wrong, in the words of the first error. It may quote a name that the client sent.
    #[must_use]
    pub fn message(&self) -> &str {
        self.errors
            .first()
            .map_or("", |error| error.message.as_str())
    }

    /// The body: `application/json`, one JSON-RPC error or, for a batch, an array of them.
    #[must_use]
    pub fn body(&self) -> String {
        let mut json = String::with_capacity(128);
        if !self.batch {
            if let Some(error) = self.errors.first() {
                error.write(&mut json);
            }
            return json;
        }
        json.push('[');
        for error in self.errors.iter().filter(|error| error.id.is_some()) {
            if json.len() > 1 {
                json.push(',');
            }
            error.write(&mut json);
        }
        json.push(']');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(json: &str) -> Option<RequestId> {
        Some(RequestId::of_json(json))
    }

    #[test]
    fn ids_are_equal_when_they_mean_the_same() {
        for (one, other) in [
            ("1", "1"),
            ("1", "1.0"),
            ("10", "1e1"),
            (r#""a""#, r#""\u0061""#),
        ] {
            assert_eq!(id(one), id(other), "{one} {other}");
        }
        for (one, other) in [
            ("1", "2"),
            ("1", r#""1""#),
            (r#""a""#, r#""A""#),
            ("1e999", "2e999"),
        ] {
            assert_ne!(id(one), id(other), "{one} {other}");
        }
    }

    #[test]
    fn an_answer_is_json_rpc_whatever_it_quotes() {
        let mut error = RpcError::new(id(r#""a\"b""#), -32602, "unknown tool: \"\n\u{7}\"");
        error.data = Some(serde_json::json!({"uri": "x:\"y"}));
        let answer = RpcAnswer::errors(vec![error], false);
        let body: Value = serde_json::from_str(&answer.body()).unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(
            body,
            serde_json::json!({
                "jsonrpc": "2.0", "id": "a\"b",
                "error": {"code": -32602, "message": "unknown tool: \"\n\u{7}\"", "data": {"uri": "x:\"y"}}
            })
        );
    }

    #[test]
    fn a_batch_is_answered_by_an_array_without_those_that_await_nothing() {
        let errors = vec![
            RpcError::new(id("1"), -32003, "a"),
            RpcError::new(None, -32003, "b"),
            RpcError::new(id("2"), -32600, "c"),
        ];
        let answer = RpcAnswer::errors(errors, true);
        let body: Value = serde_json::from_str(&answer.body()).unwrap();
        assert_eq!(body.as_array().unwrap().len(), 2);
        assert_eq!(body[1]["id"], 2);
        assert_eq!(answer.code(), -32003);
        let nobody = RpcAnswer::errors(vec![RpcError::new(None, -32003, "b")], true);
        assert_eq!(nobody.status(), 400);
        let body: Value = serde_json::from_str(&nobody.body()).unwrap();
        assert_eq!(body["error"]["code"], -32003);
        assert!(body.get("id").is_none());
    }
}
