//! The ASGI app as the service behind the layer: bodies that Python fills, and an answer that
//! Python brings.
//!
//! There are no wakers: the caller that brings something polls next.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use mcp_bearer::http::OperationBody;
use tower_service::Service;

/// A body that comes in pieces from elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Feed(Arc<Mutex<Pieces>>);

#[derive(Debug, Default)]
struct Pieces {
    waiting: VecDeque<Bytes>,
    ended: bool,
    /// Whether more was requested than is available.
    asked: bool,
    /// Its minimum length.
    length: u64,
}

impl Feed {
    /// An empty body.
    pub(super) fn empty() -> Self {
        let feed = Self::default();
        feed.pieces().ended = true;
        feed
    }

    pub(super) fn of_length(length: u64) -> Self {
        let feed = Self::default();
        feed.pieces().length = length;
        feed
    }

    pub(super) fn push(&self, piece: &[u8], more: bool) {
        let mut pieces = self.pieces();
        if !piece.is_empty() && !pieces.ended {
            pieces.waiting.push_back(Bytes::copy_from_slice(piece));
        }
        pieces.ended |= !more;
        pieces.asked = false;
    }

    pub(super) fn is_asked(&self) -> bool {
        self.pieces().asked
    }

    fn pieces(&self) -> MutexGuard<'_, Pieces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut pieces = self.pieces();
        match pieces.waiting.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None if pieces.ended => Poll::Ready(None),
            None => {
                pieces.asked = true;
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let pieces = self.pieces();
        pieces.ended && pieces.waiting.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::default();
        let pieces = self.pieces();
        if !pieces.ended {
            hint.set_lower(pieces.length);
        }
        hint
    }
}

/// A request that was passed on to the app.
pub(super) type Passed = (Parts, OperationBody<Feed>);

/// The app as it serves one request: its input and its answer.
#[derive(Clone, Default)]
pub(super) struct Bridge(Arc<Mutex<Both>>);

#[derive(Default)]
struct Both {
    passed: Option<Passed>,
    answer: Option<Response<Feed>>,
}

impl Bridge {
    pub(super) fn take_passed(&self) -> Option<Passed> {
        self.both().passed.take()
    }

    pub(super) fn has_passed(&self) -> bool {
        self.both().passed.is_some()
    }

    pub(super) fn answer(&self, answer: Response<Feed>) {
        self.both().answer = Some(answer);
    }

    fn both(&self) -> MutexGuard<'_, Both> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service<Request<OperationBody<Feed>>> for Bridge {
    type Response = Response<Feed>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OperationBody<Feed>>) -> Self::Future {
        self.both().passed = Some(request.into_parts());
        Answering(self.clone())
    }
}

/// The app's answer.
pub(super) struct Answering(Bridge);

impl Future for Answering {
    type Output = Result<Response<Feed>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.both().answer.take() {
            Some(answer) => Poll::Ready(Ok(answer)),
            None => Poll::Pending,
        }
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bridge")
    }
}
