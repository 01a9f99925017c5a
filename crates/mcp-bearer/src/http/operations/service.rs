//! [`OperationsService`]: judges a request, then calls the inner service or answers itself.

use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body::Body;
use tower_service::Service;

use super::future::OperationsFuture;
use super::judging::Judging;
use super::request_body::OperationBody;
use super::response_body::OperationsBody;
use super::settings::Settings;
use crate::http::guard::Guard;

/// A service behind bearer authentication and rules for operations. Made by
/// [`OperationsLayer::layer`](super::OperationsLayer::layer).
///
/// If it reads bodies, for rules or by a choice of the layer, it is always ready: it waits for the
/// inner service only after judging the request, so that a slow body does not occupy the inner
/// service. If it reads none, it is ready when the inner service is.
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

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.settings.reads_bodies() {
            Poll::Ready(Ok(()))
        } else {
            self.inner.poll_ready(cx)
        }
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let judging = Judging {
            guard: &self.guard,
            settings: &self.settings,
        };
        OperationsFuture::begin(judging, &mut self.inner, request)
    }
}
