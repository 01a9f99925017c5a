//! Turns a [`Challenge`] into an HTTP response.
//!
//! It adds the headers that every denial has, decides nothing, and adds no text of its own.

use ::http::header::{
    ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use ::http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body;

use super::answer_body::AnswerBody;
use mcp_bearer_core::{Challenge, Rejection};

/// The answer to a request whose body is never read.
pub(super) fn closing<B: Body>(
    mut response: Response<AnswerBody>,
    request: &Request<B>,
) -> Response<AnswerBody> {
    if ends_connection(request.version(), request.body()) {
        close(&mut response);
    }
    response
}

/// Whether an answer before the body was read ends the connection, as over HTTP/1.
pub(super) fn ends_connection<B: Body>(version: Version, body: &B) -> bool {
    version <= Version::HTTP_11 && !body.is_end_stream()
}

/// Announces that the connection ends: otherwise the client would send its next request on it.
pub(super) fn close(response: &mut Response<AnswerBody>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
}

/// The answer to a refused request; the rejection is in its extensions.
pub(super) fn respond(challenge: Challenge, rejection: Rejection) -> Response<AnswerBody> {
    let has_body = !challenge.body.is_empty();
    let mut response = Response::new(AnswerBody::new(challenge.body));
    // The table has only valid statuses; even if it had not, the request would be refused.
    *response.status_mut() =
        StatusCode::from_u16(challenge.status).unwrap_or(StatusCode::UNAUTHORIZED);
    let headers = response.headers_mut();
    if let Some(challenge) = challenge.www_authenticate {
        // A challenge is printable ASCII; the shortest one would do otherwise.
        let value = HeaderValue::try_from(challenge)
            .unwrap_or_else(|_| HeaderValue::from_static(r#"Bearer realm="mcp""#));
        headers.insert(WWW_AUTHENTICATE, value);
    }
    if let Some(seconds) = challenge.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if has_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Browsers otherwise hide the challenge from scripts.
    let exposed = HeaderValue::from_static("WWW-Authenticate");
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response.extensions_mut().insert(rejection);
    response
}
