//! [`OperationBody`]: the body that the inner service gets.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::HeaderMap;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::budget::Lease;

pin_project! {
    /// The body of a request that passed the layer: untouched, or the bytes that were read to judge
    /// it, with its trailers and an exact size hint.
    pub struct OperationBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Untouched { #[pin] body: B },
        /// Boxed, because every request would be larger.
        Read { body: Box<ReadBody> },
    }
}

/// A body that was read whole.
#[derive(Debug)]
pub(super) struct ReadBody {
    pub(super) data: Option<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
    /// Released when the inner service takes the bytes or drops them.
    pub(super) lease: Option<Lease>,
}

impl<B> OperationBody<B> {
    pub(super) fn untouched(body: B) -> Self {
        Self {
            kind: Kind::Untouched { body },
        }
    }

    /// The whole body, if it was read and no frame of it was taken.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.kind {
            Kind::Untouched { .. } => None,
            Kind::Read { body } => body.data.as_ref(),
        }
    }

    pub(super) fn read(body: ReadBody) -> Self {
        Self {
            kind: Kind::Read {
                body: Box::new(body),
            },
        }
    }
}

impl<B: Body<Data = Bytes>> Body for OperationBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Untouched { body } => body.poll_frame(cx),
            KindProj::Read { body } => {
                let data = body.data.take().filter(|data| !data.is_empty());
                if data.is_none() {
                    body.lease = None;
                }
                let trailers = || body.trailers.take().map(Frame::trailers);
                let frame = data.map(Frame::data).or_else(trailers);
                Poll::Ready(frame.map(Ok))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Untouched { body } => body.is_end_stream(),
            Kind::Read { body } => {
                body.trailers.is_none() && body.data.as_ref().is_none_or(Bytes::is_empty)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Untouched { body } => body.size_hint(),
            Kind::Read { body } => {
                let length = body.data.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
        }
    }
}

impl<B> fmt::Debug for OperationBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Untouched { .. } => "untouched",
            Kind::Read { .. } => "read",
        };
        f.debug_tuple("OperationBody").field(&kind).finish()
    }
}
