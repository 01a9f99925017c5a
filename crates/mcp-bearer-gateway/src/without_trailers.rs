//! [`WithoutTrailers`]: the body of a request without its trailers, which the server could take for
//! headers that were not judged.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A body without trailers.
    #[derive(Debug)]
    pub(crate) struct WithoutTrailers<B> {
        #[pin]
        body: B,
    }
}

impl<B> WithoutTrailers<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body }
    }
}

impl<B: Body<Data = Bytes>> Body for WithoutTrailers<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut body = self.project().body;
        loop {
            match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_trailers() => {}
                other => return Poll::Ready(other),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
