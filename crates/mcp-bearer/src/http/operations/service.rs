//! [`OperationsService`]: judges a request, then calls the inner service or answers itself.

use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body::Body;
use tower_service::Service;

use super::future::OperationsFuture;
use super::request_body::OperationBody;
use super::response_body::OperationsBody;
use super::settings::Settings;
use crate::http::guard::Guard;

/// A service behind bearer authentication and rules for operations. Made by
/// [`OperationsLayer::layer`](super::OperationsLayer::layer).
///
/// It is always ready: it waits for the inner service only after judging the request, so that a
/// slow body does not occupy the inner service.
#[derive(Clone, Debug)]
pub struct OperationsService<S> {
    inner: S,
    guard: Guard,
    settings: Arc<Settings>,
}

impl<S> OperationsService<S> {
    pub(super) fn new(inner: S, guard: Guard, settings: Arc<Settings>) -> Self {
        Self {
            inner,
            guard,
            settings,
        }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B, R> Service<Request<B>> for OperationsService<S>
where
    S: Service<Request<OperationBody<B>>, Response = Response<R>> + Clone,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    type Response = Response<OperationsBody<R>>;
    type Error = S::Error;
    type Future = OperationsFuture<S, B, R>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (guard, settings) = (self.guard.clone(), Arc::clone(&self.settings));
        OperationsFuture::begin(self.inner.clone(), guard, settings, request)
    }
}
