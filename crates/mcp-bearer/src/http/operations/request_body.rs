//! [`OperationBody`]: the body that the inner service gets.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::HeaderMap;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::budget::{BodyBudget, Lease};
use super::entry::Stop;

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
        Read { body: ReadBody },
    }
}

/// A body that was read whole.
#[derive(Debug)]
pub(super) struct ReadBody {
    data: Option<Bytes>,
    /// Boxed, because most bodies have nothing of it, and every request would be larger.
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    trailers: Option<HeaderMap>,
    /// Released when the inner service has taken the bytes, or drops them.
    lease: Option<Lease>,
}

impl ReadBody {
    pub(super) fn new(data: Bytes, trailers: Option<HeaderMap>, lease: Option<Lease>) -> Self {
        let has_more = trailers.is_some() || lease.is_some();
        Self {
            data: Some(data),
            more: has_more.then(|| Box::new(More { trailers, lease })),
        }
    }

    /// Counts the bytes, if they were not counted when they were read: their request must wait.
    ///
    /// # Errors
    /// 503 if the budget does not hold them.
    pub(super) fn hold(&mut self, budget: &BodyBudget) -> Result<(), Stop> {
        let length = self.data.as_ref().map_or(0, Bytes::len);
        let is_counted = |more: &More| more.lease.is_some();
        if length == 0 || self.more.as_deref().is_some_and(is_counted) {
            return Ok(());
        }
        let lease = budget.lease_of(length)?;
        self.more.get_or_insert_default().lease = Some(lease);
        Ok(())
    }

    /// The bytes, until they are taken.
    pub(super) fn bytes(&self) -> Option<&Bytes> {
        self.data.as_ref()
    }

    fn next_frame(&mut self) -> Option<Frame<Bytes>> {
        if let Some(data) = self.data.take().filter(|data| !data.is_empty()) {
            return Some(Frame::data(data));
        }
        let more = self.more.take()?;
        more.trailers.map(Frame::trailers)
    }

    fn is_at_end(&self) -> bool {
        let has_trailers = |more: &More| more.trailers.is_some();
        !self.more.as_deref().is_some_and(has_trailers)
            && self.data.as_ref().is_none_or(Bytes::is_empty)
    }
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
            Kind::Read { body } => body.bytes(),
        }
    }

    pub(super) fn read(body: ReadBody) -> Self {
        Self {
            kind: Kind::Read { body },
        }
    }

    /// An empty body, until the one that was read takes its place.
    pub(super) fn nothing() -> Self {
        Self::read(ReadBody {
            data: None,
            more: None,
        })
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
            KindProj::Read { body } => Poll::Ready(body.next_frame().map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Untouched { body } => body.is_end_stream(),
            Kind::Read { body } => body.is_at_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Untouched { body } => body.size_hint(),
            Kind::Read { body } => {
                let length = body.bytes().map_or(0, Bytes::len);
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
