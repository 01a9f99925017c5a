//! [`OperationsService`]: judges a request, then calls the inner service or answers itself.

use std::convert::Infallible;
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

/// A service behind bearer authentication and rules for operations. Made by
/// [`OperationsLayer::layer`](super::OperationsLayer::layer).
///
/// If it reads bodies, for rules or by a choice of the layer, it is always ready: it waits for the
/// inner service only after judging the request, so that a slow body does not occupy the inner
/// service. If it reads none, it is ready when the inner service is.
#[derive(Clone, Debug)]
pub struct OperationsService<S> {
    inner: S,
    judging: Arc<Judging>,
}

impl<S> OperationsService<S> {
    pub(super) fn new(inner: S, judging: Judging) -> Self {
        Self {
            inner,
            judging: Arc::new(judging),
        }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Handles one request, for which the service was cloned: it is not cloned again. It need not
    /// be ready; the request waits until the inner service is. Poll the future: until then nothing
    /// wakes it.
    ///
    /// For an inner service that is ready at once: a body of at most 8 KiB that has arrived whole
    /// is not counted among the bodies that are held, unless its request must wait.
    #[doc(hidden)]
    #[inline]
    pub fn call_once<B, R>(self, request: Request<B>) -> OperationsFuture<S, B, R>
    where
        S: Service<Request<OperationBody<B>>, Response = Response<R>, Error = Infallible>,
        B: Body<Data = Bytes> + Unpin,
    {
        OperationsFuture::begin_once(self.judging, self.inner, request)
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
        if self.judging.settings.reads_bodies() {
            Poll::Ready(Ok(()))
        } else {
            self.inner.poll_ready(cx)
        }
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        OperationsFuture::begin(&self.judging, &mut self.inner, request)
    }
}
