//! [`MetadataService`]: the RFC 9728 document, for anyone.
//!
//! It is public: it requires no token, and its answers do not depend on the client.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE,
};
use ::http::{HeaderValue, Method, Request, Response, StatusCode};
use bytes::Bytes;
use tower_service::Service;

use super::answer_body::AnswerBody;
use mcp_bearer_core::ProtectedResourceMetadata;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Answers `GET`, `HEAD` and `OPTIONS` with the metadata document of a resource (RFC 9728 section
/// 3), from any origin.
///
/// It does not read the path: route [`path`](Self::path) to it, and no other.
#[derive(Clone, Debug)]
pub struct MetadataService {
    path: Arc<str>,
    document: Bytes,
}

impl MetadataService {
    pub(super) fn new(metadata: &ProtectedResourceMetadata) -> Self {
        let path = metadata.well_known_path().into();
        Self {
            path,
            document: metadata.to_json().into(),
        }
    }

    /// The path it belongs at: `/.well-known/oauth-protected-resource` and the resource's path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The answer to a request with this method.
    #[must_use]
    pub fn respond(&self, method: &Method) -> Response<AnswerBody> {
        let mut response = match *method {
            Method::GET => self.document(AnswerBody::new(self.document.clone())),
            Method::HEAD => self.document(AnswerBody::default()),
            Method::OPTIONS => preflight(),
            _ => method_not_allowed(),
        };
        // Nothing in the document depends on the client.
        let any = HeaderValue::from_static("*");
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, any);
        response
    }

    fn document(&self, body: AnswerBody) -> Response<AnswerBody> {
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(self.document.len()));
        headers.insert(
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=3600"),
        );
        response
    }
}

/// Clients send `MCP-Protocol-Version`, and some send their token; `*` covers every header but that
/// one (Fetch standard).
fn preflight() -> Response<AnswerBody> {
    let mut response = with_status(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("*, Authorization"),
    );
    response
}

fn method_not_allowed() -> Response<AnswerBody> {
    let mut response = with_status(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, METHODS);
    response
}

fn with_status(status: StatusCode) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::default());
    *response.status_mut() = status;
    response
}

impl<B> Service<Request<B>> for MetadataService {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.respond(request.method())))
    }
}
