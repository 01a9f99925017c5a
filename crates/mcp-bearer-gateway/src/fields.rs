//! Which header fields pass, in either direction.
//!
//! Fields of one connection are removed first, also those that `Connection` names, and ours are set
//! last: a client can neither add one of ours nor have one removed.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALT_SVC,
    CONNECTION, COOKIE, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Fields of one connection (RFC 9110 section 7.6.1).
static OF_CONNECTION: [HeaderName; 9] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
];

/// What only the gateway says to the server, or nobody: where a request came from, credentials, and
/// what the server would add to its traces as ours.
const OURS: [&str; 6] = [
    "authorization",
    "baggage",
    "expect",
    "forwarded",
    "origin",
    "content-length",
];

/// What only the gateway says to clients: CORS, challenges, and other addresses of this host.
static FOR_CLIENTS: [HeaderName; 8] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
    ALT_SVC,
    WWW_AUTHENTICATE,
];

/// Where a request came from, for the server.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) client: HeaderValue,
    pub(crate) scheme: &'static str,
    pub(crate) host: Option<HeaderValue>,
}

/// Removes the fields of one connection, and those that a server could take for others. It comes
/// before every decision about a request, so that what was judged is what the server gets.
pub(crate) fn enter(headers: &mut HeaderMap) {
    remove_named_by_connection(headers);
    remove_where(headers, |name| {
        OF_CONNECTION.contains(name) || misleads(name)
    });
}

/// One walk over the names costs less than a search for each that is unwanted: a request has about
/// ten fields.
fn remove_where(headers: &mut HeaderMap, is_unwanted: impl Fn(&HeaderName) -> bool) {
    let mut found: Vec<HeaderName> = Vec::new();
    // A loop, because the compiler does not always inline the same as an iterator.
    for name in headers.keys() {
        if is_unwanted(name) {
            found.push(name.clone());
        }
    }
    for name in found {
        headers.remove(name);
    }
}

/// CGI and WSGI servers read `_` as `-`, and some read every other mark so: `mcp_session_id` would
/// be a session that nobody judged. The rest makes some servers read another method, path or proxy.
fn misleads(name: &HeaderName) -> bool {
    const OTHERS: [&str; 6] = [
        "proxy",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
    ];
    let name = name.as_str();
    let plain = |byte: u8| byte == b'-' || byte.is_ascii_alphanumeric();
    !name.bytes().all(plain) || OTHERS.contains(&name)
}

/// Prepares the fields of a request for the server. `host` is the server's, and `own` are the
/// identity headers.
pub(crate) fn to_server(
    headers: &mut HeaderMap,
    host: HeaderValue,
    origin: Origin,
    own: &[HeaderName],
) {
    remove_all_spellings(headers, own);
    join_cookies(headers);
    headers.insert(HOST, host);
    headers.insert(X_FORWARDED_FOR, origin.client);
    let scheme = HeaderValue::from_static(origin.scheme);
    headers.insert(X_FORWARDED_PROTO, scheme);
    if let Some(host) = origin.host {
        headers.insert(X_FORWARDED_HOST, host);
    }
}

/// Prepares the fields of an answer for a client.
pub(crate) fn to_client(headers: &mut HeaderMap) {
    remove_named_by_connection(headers);
    remove_where(headers, |name| {
        OF_CONNECTION.contains(name) || FOR_CLIENTS.contains(name)
    });
}

fn remove_named_by_connection(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
}

/// Removes what only we say, the identity headers and every `X-Forwarded-*`, also spelt with `_`,
/// which CGI and WSGI servers read as `-`.
fn remove_all_spellings(headers: &mut HeaderMap, own: &[HeaderName]) {
    remove_where(headers, |name| {
        let name = name.as_str();
        is_spelt_like_origin(name, own) || OURS.iter().any(|own| is_like(name, own))
    });
}

/// Whether a name says who calls or where a request came from, in any spelling.
fn is_spelt_like_origin(name: &str, own: &[HeaderName]) -> bool {
    starts_like(name, "x-forwarded-")
        || is_like(name, "x-real-ip")
        || own.iter().any(|own| is_like(name, own.as_str()))
}

/// The same, for proxies that keep such headers: also `X-Original-*`, which some set.
#[cfg(feature = "authz")]
pub(crate) fn is_spelt_like_ours(name: &HeaderName, own: &[HeaderName]) -> bool {
    let name = name.as_str();
    starts_like(name, "x-original-") || is_spelt_like_origin(name, own)
}

fn is_like(name: &str, ours: &str) -> bool {
    name.len() == ours.len() && starts_like(name, ours)
}

/// Whether a name starts with ours if `_` is read as `-`. Both are in lower case.
fn starts_like(name: &str, ours: &str) -> bool {
    let mut pairs = name.bytes().zip(ours.bytes());
    name.len() >= ours.len() && pairs.all(|(a, b)| a == b || (a == b'_' && b == b'-'))
}

/// HTTP/2 splits cookies; HTTP/1.1 has one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests;
