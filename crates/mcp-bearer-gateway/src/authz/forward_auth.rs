//! Forward authentication: a proxy asks with a separate request, and forwards the client's request
//! if the answer is 200.

mod preset;

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use mcp_bearer::core::Limits;

use self::preset::Preset;
use super::grpc::is_partial;
use super::judge::{Judge, Verdict};
use super::original::Original;
use super::sent_body::Sent;
use crate::observe::Asked;
use crate::own_answer::OwnAnswer;
use crate::peer::client_address;
use crate::request_form::UNKNOWN_PATH;

const UNNAMED: OwnAnswer = OwnAnswer::new(
    StatusCode::FORBIDDEN,
    "unnamed_request",
    "the proxy does not name the method and the path of the request",
);

/// Answers a proxy.
pub(super) async fn answer(
    judge: &Judge,
    proxy: IpAddr,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    if let Some(document) = judge.metadata(request.method(), request.uri().path()) {
        return document.map(Full::new);
    }
    let Some(preset) = Preset::of(request.uri().path()) else {
        return UNKNOWN_PATH.respond();
    };
    let (parts, body) = request.into_parts();
    let client = client_address(
        proxy,
        &parts.headers,
        &judge.settings().common.trusted_proxies,
    );
    let Some((method, path)) = preset.named(&parts) else {
        let asked = Asked {
            client,
            method: Method::GET,
            credential: None,
        };
        return respond(preset, judge.refuse(&asked, UNNAMED));
    };
    // Also without rules: a connection with an unread body cannot be used again.
    let body = match preset.sends_bodies() && method == Method::POST {
        true => read(judge, &parts.headers, body).await,
        false => Sent::Nothing,
    };
    let mut headers = parts.headers;
    if preset.asks_without_body() {
        // They are about the proxy's own request, which has no body.
        headers.remove(http::header::CONTENT_LENGTH);
        headers.remove(http::header::TRANSFER_ENCODING);
    }
    let original = Original {
        client,
        method,
        path,
        headers,
        body,
    };
    respond(preset, judge.judge(original).await)
}

/// The body, if the proxy sends all of it in time.
async fn read(judge: &Judge, headers: &HeaderMap, body: Incoming) -> Sent {
    let whole = Limited::new(body, Limits::OPERATION_BODY_BYTES).collect();
    match tokio::time::timeout(judge.settings().key_wait, whole).await {
        Ok(Ok(_)) if is_partial(headers) => Sent::Part,
        Ok(Ok(body)) => Sent::Whole(body.to_bytes()),
        Ok(Err(_)) | Err(_) => Sent::Part,
    }
}

fn respond(preset: Preset, verdict: Verdict) -> Response<Full<Bytes>> {
    match verdict {
        Verdict::Allowed(identity) => {
            let mut answer = Response::new(Full::default());
            *answer.headers_mut() = identity;
            answer
        }
        Verdict::Denied(mut answer) => {
            *answer.status_mut() = preset.denial(answer.status());
            answer
        }
    }
}

/// The one value of a header.
fn once<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}
