//! Our own answers, with one log line each.
//!
//! Text from a client is quoted, escaped and cut in logs.

use ::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use ::http::{Extensions, HeaderValue, Response, StatusCode};
use mcp_bearer_core::operation::{ListFault, Operations, RpcAnswer};

use crate::http::answer_body::AnswerBody;
use crate::http::from_extensions::FromExtensions;
use mcp_bearer_core::Limits;

/// Why a request was refused, other than for its token: in the extensions of the answer, for
/// services in front that keep a log.
///
/// ```
/// use mcp_bearer::http::{FromExtensions, OperationRefusal};
/// fn reason<B>(response: &http::Response<B>) -> Option<&'static str> {
///     Some(OperationRefusal::from_extensions(response.extensions())?.reason())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct OperationRefusal {
    reason: Reason,
    detail: String,
    method: Option<String>,
    name: Option<String>,
}

impl OperationRefusal {
    /// The stable name of the reason in snake case.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason.as_str()
    }

    /// One sentence, for operators.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The method of the first message, quoted and cut.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// What that message names, quoted and cut.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl FromExtensions for OperationRefusal {
    fn from_extensions(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }
}

/// Why a request is refused, other than for its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It cannot be judged, or is not allowed.
    BadRequest,
    /// It opens the stream of a session that was started without a token, or ends that session.
    NoStream,
    /// It names a session or an event of another principal, or one that does not exist.
    ForeignSession,
    /// No scope allows it.
    Refused,
    /// It asks for something hidden.
    Hidden,
    /// Its body is too large or too slow, or the memory for bodies is used up.
    Body,
    /// The server's answer cannot be filtered.
    Answer,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::NoStream => "no_stream",
            Self::ForeignSession => "foreign_session",
            Self::Refused => "operation_refused",
            Self::Hidden => "operation_hidden",
            Self::Body => "request_body",
            Self::Answer => "server_answer",
        }
    }
}

/// Logs and answers a refusal.
pub(super) fn refuse(
    reason: Reason,
    answer: &RpcAnswer,
    operations: Option<&Operations>,
) -> Response<AnswerBody> {
    let first = operations.and_then(|operations| operations.iter().next());
    let method = first.map(|operation| shown(operation.method()));
    let name = first
        .and_then(|operation| operation.targets().first())
        .map(|target| shown(target.name()));
    tracing::info!(
        target: "mcp_bearer::http",
        reason = reason.as_str(),
        detail = %shown(answer.message()),
        status = answer.status(),
        code = answer.code(),
        method = method.as_deref(),
        name = name.as_deref(),
        "request refused"
    );
    let mut response = respond(answer);
    if answer.status() == 405 {
        let methods = match reason {
            Reason::NoStream => "POST",
            _ => "GET, HEAD, POST, DELETE, OPTIONS",
        };
        let allowed = HeaderValue::from_static(methods);
        response.headers_mut().insert(ALLOW, allowed);
    }
    response.extensions_mut().insert(OperationRefusal {
        reason,
        detail: answer.message().to_owned(),
        method,
        name,
    });
    response
}

/// The answer to a list that cannot be passed on.
pub(super) fn bad_answer(fault: &ListFault) -> Response<AnswerBody> {
    log_bad_answer(fault);
    let mut response = respond(&fault.answer());
    response.extensions_mut().insert(OperationRefusal {
        reason: Reason::Answer,
        detail: fault.to_string(),
        method: None,
        name: None,
    });
    response
}

pub(super) fn log_bad_answer(fault: &ListFault) {
    tracing::warn!(
        target: "mcp_bearer::http",
        reason = Reason::Answer.as_str(),
        detail = %fault,
        "the server's answer was not passed on"
    );
}

fn respond(answer: &RpcAnswer) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::new(answer.body()));
    // We choose the statuses, so each is valid.
    *response.status_mut() =
        StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if answer.status() == 503 {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(Limits::SHOWN_CHARS).collect();
    let rest = if chars.next().is_some() { "..." } else { "" };
    format!("{start:?}{rest}")
}
