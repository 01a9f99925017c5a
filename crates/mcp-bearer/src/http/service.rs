//! [`BearerAuthService`]: asks the guard, then calls the inner service or answers itself.
//!
//! It calls the inner service only with a request that passed the guard, and only the clone that
//! was polled ready.

use std::mem;
use std::task::{Context, Poll};

use ::http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::future::ResponseFuture;
use super::guard::{Guard, Verdict};
use super::response_body::BearerBody;
use super::{preflight, response};

/// A service behind bearer authentication. Made by
/// [`BearerAuthLayer::layer`](super::BearerAuthLayer::layer).
///
/// `Clone` and `Send` if the inner service is, over any request body. Its error is the inner
/// service's: a denial is a response.
#[derive(Clone, Debug)]
pub struct BearerAuthService<S> {
    inner: S,
    guard: Guard,
}

impl<S> BearerAuthService<S> {
    pub(super) fn new(inner: S, guard: Guard) -> Self {
        Self { inner, guard }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B, R> Service<Request<B>> for BearerAuthService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    B: Body,
{
    type Response = Response<BearerBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let grant = self.guard.grant(request.headers());
        let future = match self
            .guard
            .check(request.method(), request.headers(), request.body())
        {
            Verdict::Granted(access) => {
                self.guard.prepare(&mut request, Some(access));
                ResponseFuture::inner(self.inner.call(request))
            }
            Verdict::Preflight => {
                preflight::strip(request.headers_mut());
                self.guard.prepare(&mut request, None);
                ResponseFuture::inner(self.inner.call(request))
            }
            Verdict::Denied(denial) => {
                ResponseFuture::denied(Box::new(response::closing(*denial, &request)))
            }
            Verdict::Answered(answer) => return ResponseFuture::denied(answer),
            Verdict::NeedsKeys { token, needs } => {
                let verified = self.guard.clone().check_with_newer_keys(token, needs);
                // The clone may not be ready; the service that was polled is the one to call.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                ResponseFuture::waiting(Box::pin(verified), ready, request, self.guard.clone())
            }
        };
        future.with_cors(grant)
    }
}
