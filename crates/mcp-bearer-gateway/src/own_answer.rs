//! The gateway's own answers: everything that the layers of the library do not answer.
//!
//! Each has a reason from a closed set, for metrics and the audit log.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use mcp_bearer::operation::RpcAnswer;

/// Why the gateway itself answered, by name and as a sentence. It is in the extensions of the
/// answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) &'static str, pub(crate) &'static str);

/// In the extensions of an answer: the request was granted, and then the server failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerFailed;

/// An answer with a JSON-RPC error, which MCP clients can read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnAnswer {
    pub(crate) status: StatusCode,
    pub(crate) reason: &'static str,
    /// For the client. It quotes nothing.
    pub(crate) text: &'static str,
    pub(crate) retry_after: Option<u64>,
    /// Whether the connection ends: the rest of what it carries may be misread.
    pub(crate) close: bool,
}

impl OwnAnswer {
    pub(crate) const fn new(status: StatusCode, reason: &'static str, text: &'static str) -> Self {
        Self {
            status,
            reason,
            text,
            retry_after: None,
            close: false,
        }
    }

    pub(crate) const fn closing(self) -> Self {
        Self {
            close: true,
            ..self
        }
    }

    pub(crate) const fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }

    pub(crate) fn respond(self) -> Response<Full<Bytes>> {
        let answer = RpcAnswer::of_transport(self.status.as_u16(), self.text);
        let mut response = Response::new(Full::from(answer.body()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
            .extensions_mut()
            .insert(Reason(self.reason, self.text));
        response
    }
}

/// While the audit log cannot be written, if nothing may be unrecorded.
pub(crate) const NO_AUDIT_LOG: OwnAnswer = OwnAnswer::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "audit_log",
    "requests cannot be recorded now",
)
.retry_after(5);
