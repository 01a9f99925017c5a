//! What happened to a request, according to its answer.
//!
//! The layers of the library leave their reasons in the extensions of their answers, and the parts
//! of the gateway theirs. An answer without one is the server's.

use std::net::IpAddr;

use http::{Extensions, HeaderValue, Method, Response};
use mcp_bearer::core::{Fault, Limits, TokenParts};
use mcp_bearer::http::{FromExtensions as _, JudgedOperations, OperationRefusal};
use mcp_bearer::{AccessToken, Rejection};

use crate::decision::{Caller, Decision, Outcome, now};
use crate::own_answer::{Reason, ServerFailed};

/// The reason of a grant with a token, and of one that rules allow without.
const ACCEPTED: &str = "accepted";
const ANONYMOUS: &str = "anonymous";

/// The library's reason for an answer of the server that it does not pass on. All its other reasons
/// are about requests.
const SERVER_ANSWER: &str = "server_answer";

/// What is kept of a request until it is answered.
pub(crate) struct Asked {
    pub(crate) client: IpAddr,
    pub(crate) method: Method,
    pub(crate) credential: Option<HeaderValue>,
}

/// Why a client does not get an answer of the server; `None` if it does.
pub(crate) fn refusal<B>(asked: &Asked, answer: &Response<B>) -> Option<Decision> {
    let extensions = answer.extensions();
    let status = answer.status().as_u16();
    let refusal = OperationRefusal::from_extensions(extensions);
    let (reason, detail, failed) = if let Some(rejection) = Rejection::from_extensions(extensions) {
        let kind = rejection.kind();
        let failed = kind.fault() == Fault::Service;
        (kind.as_str(), rejection.to_string(), failed)
    } else if let Some(refusal) = refusal {
        let failed = status >= 500;
        (refusal.reason(), refusal.detail().to_owned(), failed)
    } else {
        let Reason(reason, text) = extensions.get::<Reason>()?;
        (*reason, (*text).to_owned(), status >= 500)
    };
    let operations = JudgedOperations::from_extensions(extensions);
    let (method, name) = named(operations);
    let was_granted = reason == SERVER_ANSWER || extensions.get::<ServerFailed>().is_some();
    Some(Decision {
        at: now(),
        outcome: if was_granted {
            Outcome::Unanswered
        } else if failed {
            Outcome::Failed
        } else {
            Outcome::Denied
        },
        reason,
        detail,
        status,
        caller: caller(extensions, asked.credential.as_ref()),
        http_method: asked.method.to_string(),
        method: method.or_else(|| refusal?.method().map(unquoted)),
        name: name.or_else(|| refusal?.name().map(unquoted)),
        peer: asked.client,
    })
}

/// A request that was passed on, for a trace: it names no caller.
#[cfg(feature = "otlp")]
pub(crate) fn passed(asked: &Asked, status: u16) -> Decision {
    Decision {
        status,
        reason: ACCEPTED,
        ..grant(asked.client, &asked.method, None, None)
    }
}

/// A request that is about to be passed on.
pub(crate) fn grant(
    client: IpAddr,
    http_method: &Method,
    access: Option<&AccessToken>,
    operations: Option<&JudgedOperations>,
) -> Decision {
    let (method, name) = named(operations);
    Decision {
        at: now(),
        outcome: Outcome::Granted,
        reason: if access.is_some() {
            ACCEPTED
        } else {
            ANONYMOUS
        },
        detail: String::new(),
        // The server has not answered yet.
        status: 0,
        caller: access.map(proven).unwrap_or_default(),
        http_method: http_method.to_string(),
        method,
        name,
        peer: client,
    }
}

/// What the first message asks for.
fn named(operations: Option<&JudgedOperations>) -> (Option<String>, Option<String>) {
    let Some(first) = operations.and_then(|operations| operations.iter().next()) else {
        return (None, None);
    };
    let target = first.targets().first();
    (
        Some(first.method().to_owned()),
        target.map(|target| target.name().to_owned()),
    )
}

/// The library quotes and cuts; our own logs do that once more.
fn unquoted(text: &str) -> String {
    serde_json::from_str(text).unwrap_or_else(|_| text.trim_matches('"').to_owned())
}

fn caller(extensions: &Extensions, credential: Option<&HeaderValue>) -> Caller {
    match AccessToken::from_extensions(extensions) {
        Some(access) => proven(access),
        None => credential.map(claimed).unwrap_or_default(),
    }
}

fn proven(access: &AccessToken) -> Caller {
    let text = |text: Option<&str>| text.map(str::to_owned);
    Caller {
        proven: true,
        issuer: text(access.issuer()),
        subject: text(access.subject()),
        client_id: text(access.client_id()),
        key_id: Some(access.key_thumbprint().to_string()),
    }
}

/// What a token says that nobody has verified.
fn claimed(credential: &HeaderValue) -> Caller {
    let text = credential.to_str().unwrap_or_default();
    let token = text.rsplit(' ').next().unwrap_or_default();
    let Ok(parts) = TokenParts::read(token, &Limits::default()) else {
        return Caller::default();
    };
    let mut caller = Caller::default();
    for (name, json) in parts.claims().into_iter().flatten() {
        let place = match &*name {
            "iss" => &mut caller.issuer,
            "sub" => &mut caller.subject,
            "client_id" | "azp" => &mut caller.client_id,
            _ => continue,
        };
        *place = serde_json::from_str(json).ok();
    }
    for (name, json) in parts.header().into_iter().flatten() {
        if name == "kid" {
            caller.key_id = serde_json::from_str(json).ok();
        }
    }
    caller
}
