//! How a request must be written, which is checked before authentication. A request that another
//! server could read differently is refused.

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, ORIGIN, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};

use crate::config::Settings;
use crate::own_answer::OwnAnswer;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The MCP endpoint.
    Endpoint,
    /// The RFC 9728 document.
    Metadata,
    /// The public keys of our assertions.
    AssertionKeys,
}

/// Where the public keys of our assertions are.
pub(crate) const ASSERTION_KEYS_PATH: &str = "/.well-known/mcp-bearer/jwks.json";

/// The paths that are served, compared byte for byte: `//`, `%2f` and `..` are other paths.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(crate) endpoint: String,
    pub(crate) metadata: String,
}

const fn bad(reason: &'static str, text: &'static str) -> OwnAnswer {
    OwnAnswer::new(StatusCode::BAD_REQUEST, reason, text).closing()
}

/// Checks the form of a request, and finds its place.
pub(crate) fn check<B>(
    request: &Request<B>,
    settings: &Settings,
    paths: &Paths,
) -> Result<Place, OwnAnswer> {
    check_method(request.method())?;
    check_fields(request.version(), request.headers())?;
    check_host(request, &settings.allowed_hosts)?;
    let path = request.uri().path();
    if path == paths.endpoint {
        check_origin(request.headers(), &settings.common.allowed_origins)?;
        check_transport(request.uri().query().unwrap_or_default())?;
        return Ok(Place::Endpoint);
    }
    if path == paths.metadata {
        return Ok(Place::Metadata);
    }
    if path == ASSERTION_KEYS_PATH && settings.assertion.is_some() {
        return Ok(Place::AssertionKeys);
    }
    Err(UNKNOWN_PATH)
}

/// The answer for a path that is not served.
pub(crate) const UNKNOWN_PATH: OwnAnswer = OwnAnswer::new(
    StatusCode::NOT_FOUND,
    "unknown_path",
    "there is nothing at this path",
);

/// The answer for a method that is not served.
pub(crate) const METHOD: OwnAnswer = OwnAnswer::new(
    StatusCode::METHOD_NOT_ALLOWED,
    "method",
    "this method is not served",
)
.closing();

fn check_method(method: &Method) -> Result<(), OwnAnswer> {
    match *method {
        Method::GET | Method::POST | Method::DELETE | Method::OPTIONS | Method::HEAD => Ok(()),
        _ => Err(METHOD),
    }
}

fn check_fields(version: Version, headers: &HeaderMap) -> Result<(), OwnAnswer> {
    if headers.contains_key(UPGRADE) || headers.contains_key("http2-settings") {
        return Err(bad("upgrade", "the connection is not upgraded"));
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        if version != Version::HTTP_11 || headers.contains_key(CONTENT_LENGTH) {
            return Err(bad("framing", "the length of the body is ambiguous"));
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = codings
            .next()
            .is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !chunked || codings.next().is_some() {
            return Err(bad("framing", "the transfer coding is not chunked"));
        }
    }
    let mut expectations = headers.get_all(EXPECT).iter();
    if !expectations.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        let text = "the expectation is unknown";
        let status = StatusCode::EXPECTATION_FAILED;
        return Err(OwnAnswer::new(status, "expectation", text).closing());
    }
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if !encodings.all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let text = "the body is encoded";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(OwnAnswer::new(status, "content_encoding", text).closing());
    }
    Ok(())
}

/// One host, the same in `Host` and in `:authority`, and one that is served.
fn check_host<B>(request: &Request<B>, allowed: &[String]) -> Result<(), OwnAnswer> {
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    let mut hosts = request
        .headers()
        .get_all(HOST)
        .iter()
        .map(HeaderValue::as_bytes);
    let named = hosts.next();
    if hosts.next().is_some() {
        return Err(bad("host", "the request names two hosts"));
    }
    let host = match (authority, named) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            return Err(bad("host", "the request names two hosts"));
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(bad("host", "the request names no host")),
    };
    if allowed
        .iter()
        .any(|own| own.as_bytes().eq_ignore_ascii_case(host))
    {
        return Ok(());
    }
    let text = "this host is not served here";
    Err(OwnAnswer::new(
        StatusCode::MISDIRECTED_REQUEST,
        "host",
        text,
    ))
}

/// The transport of 2024-11-05 names its session in the query, where it can be bound to nobody.
fn check_transport(query: &str) -> Result<(), OwnAnswer> {
    let mut names = url::form_urlencoded::parse(query.as_bytes());
    let old = |name: &str| matches!(name, "sessionId" | "session_id");
    if names.any(|(name, _)| old(&name)) {
        let text = "the transport of 2024-11-05 is not served";
        return Err(bad("old_transport", text));
    }
    Ok(())
}

/// A request of a web page that may not call, also of one without an origin (`null`).
pub(crate) fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), OwnAnswer> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let is_allowed = |origin: &[u8]| allowed.iter().any(|own| own.as_bytes() == origin);
    match (origins.next(), origins.next()) {
        (None, _) => Ok(()),
        (Some(origin), None) if is_allowed(origin.as_bytes()) => Ok(()),
        _ => {
            let text = "this origin may not call";
            Err(OwnAnswer::new(StatusCode::FORBIDDEN, "origin", text))
        }
    }
}

#[cfg(test)]
mod tests;
