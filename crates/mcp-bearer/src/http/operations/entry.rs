//! What the headers of a request decide once its token is known: whether it may have a body, and
//! which session and event it names. Pure functions, which change the headers for the inner
//! service.

use std::ops::Deref;
use std::sync::Arc;

use ::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, IF_NONE_MATCH, RANGE,
};
use ::http::{Extensions, HeaderMap, HeaderValue, Method};
use mcp_bearer_core::operation::{
    HeaderField, Operations, ProtocolVersion, RequestHeaders, RpcAnswer,
};

use super::refusal::Reason;
use super::settings::Settings;
use crate::http::FromExtensions;
use crate::http::session::Principal;

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The operations of a request that the layer let pass, in the request's extensions.
///
/// ```
/// use mcp_bearer::http::{FromExtensions, JudgedOperations};
/// fn method(parts: &http::request::Parts) -> Option<&str> {
///     Some(JudgedOperations::from_extensions(&parts.extensions)?.iter().next()?.method())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct JudgedOperations(pub(super) Arc<Operations>);

impl Deref for JudgedOperations {
    type Target = Operations;

    fn deref(&self) -> &Operations {
        &self.0
    }
}

impl FromExtensions for JudgedOperations {
    fn from_extensions(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }
}

/// Why a request is stopped.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) reason: Reason,
    pub(super) answer: RpcAnswer,
}

pub(super) fn stop(reason: Reason, status: u16, why: &str) -> Stop {
    Stop {
        reason,
        answer: RpcAnswer::of_transport(status, why),
    }
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has a body with operations.
    Post,
    /// It opens a stream or ends a session, and has no body.
    WithoutBody,
}

/// The kind of a method. No MCP server uses any other method; if one did, it would do something
/// that was not judged.
pub(super) fn kind(method: &Method) -> Result<Kind, Stop> {
    match *method {
        Method::POST => Ok(Kind::Post),
        Method::GET | Method::DELETE | Method::HEAD | Method::OPTIONS => Ok(Kind::WithoutBody),
        _ => Err(stop(Reason::BadRequest, 405, "this method is not served")),
    }
}

/// A body is read as UTF-8, so it must not have another encoding.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Stop> {
    let unsupported = |why| Err(stop(Reason::BadRequest, 415, why));
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return unsupported("the body is encoded");
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(one), None) = (types.next(), types.next()) else {
        return unsupported("the request does not have exactly one content type");
    };
    let Ok(text) = one.to_str() else {
        return unsupported("the content type is not text");
    };
    let mut parts = text.split(';').map(str::trim);
    if !parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
    {
        return unsupported("the content type is not application/json");
    }
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        // Other readers also know `charset*` and `charset*0` (RFC 2231).
        let is_charset = name
            .get(.."charset".len())
            .is_some_and(|start| start.eq_ignore_ascii_case("charset"));
        let is_utf_8 = name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8");
        if is_charset && !is_utf_8 {
            return unsupported("the charset is not UTF-8");
        }
    }
    Ok(())
}

/// The headers that repeat parts of the body.
pub(super) fn operation_headers(headers: &HeaderMap) -> RequestHeaders<'_> {
    RequestHeaders {
        protocol_version: HeaderField::of(headers.get_all(PROTOCOL_VERSION)),
        method: HeaderField::of(headers.get_all(MCP_METHOD)),
        name: HeaderField::of(headers.get_all(MCP_NAME)),
    }
}

fn version(headers: &HeaderMap) -> ProtocolVersion {
    version_of(headers.get(PROTOCOL_VERSION))
}

fn version_of(named: Option<&HeaderValue>) -> ProtocolVersion {
    match named.map(HeaderValue::to_str) {
        None => ProtocolVersion::UNNAMED,
        Some(Ok(name)) => ProtocolVersion::of(name.trim_ascii()),
        Some(Err(_)) => ProtocolVersion::of(""),
    }
}

/// What the headers of every request are asked for. One pass over the names costs less than a
/// search for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outline {
    /// Whether the request names a session or an event.
    pub(super) is_bound: bool,
    /// Whether its protocol version has sessions.
    pub(super) has_sessions: bool,
}

impl Outline {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let (mut is_bound, mut named) = (false, None);
        for (name, value) in headers {
            is_bound |= *name == SESSION_ID || *name == LAST_EVENT_ID;
            // Of several values, the first one counts, as with `get`.
            if named.is_none() && *name == PROTOCOL_VERSION {
                named = Some(value);
            }
        }
        Self {
            is_bound,
            has_sessions: version_of(named).has_sessions(),
        }
    }
}

/// The session of a request: the server's own id replaces the one that the client knows.
///
/// # Errors
/// 400 for two ids, 404 for one that was not given to this principal: the client then starts again.
pub(super) fn enter_session(
    settings: &Settings,
    principal: Option<Principal<'_>>,
    headers: &mut HeaderMap,
) -> Result<Option<String>, Stop> {
    if !version(headers).has_sessions() {
        headers.remove(SESSION_ID);
        return Ok(None);
    }
    let mut ids = headers.get_all(SESSION_ID).iter();
    let id = match (ids.next(), ids.next()) {
        (None, _) => return Ok(None),
        (Some(id), None) => id,
        (Some(_), Some(_)) => {
            return Err(stop(
                Reason::BadRequest,
                400,
                "Mcp-Session-Id more than once",
            ));
        }
    };
    let foreign = || stop(Reason::ForeignSession, 404, "Session not found");
    let opened = principal.and_then(|principal| open_session(settings, principal, id));
    let own = opened.map(ToOwned::to_owned).ok_or_else(foreign)?;
    let value = HeaderValue::try_from(&own).map_err(|_| foreign())?;
    headers.insert(SESSION_ID, value);
    Ok(Some(own))
}

fn open_session<'h>(
    settings: &Settings,
    principal: Principal<'_>,
    id: &'h HeaderValue,
) -> Option<&'h str> {
    let binding = settings.binding.as_ref()?;
    binding.open_session(principal, id.to_str().ok()?)
}

/// Whether a request is in a session that was started without a token.
pub(super) fn names_anonymous_session(settings: &Settings, headers: &HeaderMap) -> bool {
    let mut ids = headers.get_all(SESSION_ID).iter();
    let (Some(id), None) = (ids.next(), ids.next()) else {
        return false;
    };
    let is_open = open_session(settings, Principal::Anonymous, id).is_some();
    version(headers).has_sessions() && is_open
}

/// The event after which a stream resumes, in the same way.
///
/// # Errors
/// As [`enter_session`].
pub(super) fn enter_event(
    settings: &Settings,
    principal: Option<Principal<'_>>,
    session: Option<&str>,
    headers: &mut HeaderMap,
) -> Result<(), Stop> {
    let mut ids = headers.get_all(LAST_EVENT_ID).iter();
    let id = match (ids.next(), ids.next()) {
        (None, _) => return Ok(()),
        (Some(id), None) => id,
        (Some(_), Some(_)) => {
            return Err(stop(
                Reason::BadRequest,
                400,
                "Last-Event-ID more than once",
            ));
        }
    };
    let foreign = || stop(Reason::ForeignSession, 404, "Event not found");
    let opened = settings
        .binding
        .as_ref()
        .zip(principal)
        .zip(std::str::from_utf8(id.as_bytes()).ok())
        .and_then(|((binding, principal), id)| binding.open_event(principal, session, id));
    let own = opened.map(ToOwned::to_owned).ok_or_else(foreign)?;
    let value = HeaderValue::try_from(own).map_err(|_| foreign())?;
    headers.insert(LAST_EVENT_ID, value);
    Ok(())
}

/// An answer that may be filtered must come whole and unencoded.
pub(super) fn ask_for_plain_answer(headers: &mut HeaderMap) {
    for name in [ACCEPT_ENCODING, RANGE, IF_NONE_MATCH] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_body_is_json_in_utf_8_and_not_encoded() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; x=y",
        ] {
            assert!(
                check_type(&headers(&[(CONTENT_TYPE, good)])).is_ok(),
                "{good}"
            );
        }
        for bad in [
            "text/plain",
            "application/json-seq",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-7",
            "application/json; charset*=us-ascii''utf-7",
            "application/json; charset=utf-8; Charset*0=utf; charset*1=-7",
            "application/json, text/plain",
            "",
        ] {
            let stopped = check_type(&headers(&[(CONTENT_TYPE, bad)])).unwrap_err();
            assert_eq!(stopped.answer.status(), 415, "{bad}");
        }
        assert!(check_type(&HeaderMap::new()).is_err());
        let twice = [
            (CONTENT_TYPE, "application/json"),
            (CONTENT_TYPE, "application/json"),
        ];
        assert!(check_type(&headers(&twice)).is_err());
        for (encoding, good) in [
            ("identity", true),
            ("gzip", false),
            ("", false),
            ("gzip, identity", false),
        ] {
            let both = [
                (CONTENT_TYPE, "application/json"),
                (CONTENT_ENCODING, encoding),
            ];
            assert_eq!(check_type(&headers(&both)).is_ok(), good, "{encoding}");
        }
    }

    #[test]
    fn a_method_that_no_server_knows_is_not_served() {
        assert_eq!(kind(&Method::POST).unwrap(), Kind::Post);
        assert_eq!(kind(&Method::DELETE).unwrap(), Kind::WithoutBody);
        for other in [Method::PUT, Method::PATCH, Method::TRACE, Method::CONNECT] {
            assert_eq!(kind(&other).unwrap_err().answer.status(), 405);
        }
        let lower = Method::from_bytes(b"post").unwrap();
        assert!(kind(&lower).is_err());
    }
}
