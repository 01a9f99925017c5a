//! Reads the request that Envoy reports.

use std::net::IpAddr;

use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::{Address, CheckRequest};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ipnet::IpNet;

use crate::authz::original::Original;
use crate::authz::sent_body::Sent;
use crate::own_answer::OwnAnswer;
use crate::peer::client_address;

/// By this header Envoy says whether it sent only the beginning of the body. It replaces one of the
/// client's.
pub(in crate::authz) const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";

const UNREADABLE: OwnAnswer = OwnAnswer::new(
    StatusCode::BAD_REQUEST,
    "unreadable_request",
    "the proxy's description of the request cannot be read",
);

/// # Errors
/// What cannot be read is refused, because the server might read it.
pub(super) fn read(
    request: CheckRequest,
    proxy: IpAddr,
    trusted: &[IpNet],
) -> Result<Original, (Method, OwnAnswer)> {
    let unreadable = |method: &Method| (method.clone(), UNREADABLE);
    let attributes = request.attributes.unwrap_or_default();
    let http = attributes.request.and_then(|request| request.http);
    let http = http.ok_or_else(|| unreadable(&Method::GET))?;
    let method = Method::from_bytes(http.method.as_bytes());
    let method = method.map_err(|_| unreadable(&Method::GET))?;
    let path = http.path.parse().map_err(|_| unreadable(&method))?;
    let headers = headers(&http).ok_or_else(|| unreadable(&method))?;
    let peer = attributes.source.as_ref().and_then(address);
    let client = client_address(peer.unwrap_or(proxy), &headers, trusted);
    let body = body(http, &headers);
    Ok(Original {
        client,
        method,
        path,
        headers,
        body,
    })
}

/// The fields, from either form in which Envoy sends them; `None` if one is not a field of HTTP.
fn headers(http: &HttpRequest) -> Option<HeaderMap> {
    let raw = http.header_map.as_ref().map_or(&[][..], |map| &map.headers);
    let mut headers = HeaderMap::with_capacity(http.headers.len() + raw.len());
    let mut add = |name: &str, value: &[u8]| {
        if name.starts_with(':') {
            return Some(());
        }
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(value).ok()?);
        Some(())
    };
    for (name, value) in &http.headers {
        add(name, value.as_bytes())?;
    }
    for field in raw {
        let value = if field.raw_value.is_empty() {
            field.value.as_bytes()
        } else {
            &field.raw_value
        };
        add(&field.key, value)?;
    }
    Some(headers)
}

fn address(peer: &Peer) -> Option<IpAddr> {
    match peer.address.as_ref()?.address.as_ref()? {
        Address::SocketAddress(socket) => socket.address.parse().ok(),
        _ => None,
    }
}

fn body(http: HttpRequest, headers: &HeaderMap) -> Sent {
    let HttpRequest {
        size,
        body,
        raw_body,
        ..
    } = http;
    let bytes = match (body.is_empty(), raw_body.is_empty()) {
        (true, true) => return Sent::Nothing,
        (false, true) => Bytes::from(body),
        (_, false) if body.is_empty() || body.as_bytes() == raw_body => Bytes::from(raw_body),
        // Two bodies: either could be the one that the server reads.
        _ => return Sent::Part,
    };
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    // The size is 0 or -1 if Envoy does not know it.
    let is_cut = size > 0 && size != length;
    if is_cut || is_partial(headers) {
        Sent::Part
    } else {
        Sent::Whole(bytes)
    }
}

/// Whether the proxy marked the body as cut.
pub(in crate::authz) fn is_partial(headers: &HeaderMap) -> bool {
    let mut marks = headers.get_all(PARTIAL_BODY).iter();
    marks.any(|mark| !mark.as_bytes().eq_ignore_ascii_case(b"false"))
}
