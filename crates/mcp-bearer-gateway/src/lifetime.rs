//! [`Lived`]: the body of an answer, with a time limit.
//!
//! The answer to a call continues after its token has expired, but not forever: closing it would
//! cancel the call, and clients would repeat it. A long stream ends when its token is no longer
//! valid.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

/// How long an answer to a call may run on.
pub(crate) const CALL: Duration = Duration::from_secs(600);

/// What ends a body.
pub(crate) enum End {
    /// This moment. The timer is made when the body first has to wait.
    At(Instant),
    /// The same with its timer.
    Timer(Pin<Box<Sleep>>),
    /// When this is done.
    When(Pin<Box<dyn Future<Output = ()> + Send>>),
}

pin_project! {
    /// A body that ends by itself, and what is released with it.
    pub(crate) struct Lived<B, P> {
        #[pin]
        body: B,
        end: End,
        ended: bool,
        permit: P,
    }
}

impl<B, P> Lived<B, P> {
    pub(crate) fn new(body: B, end: End, permit: P) -> Self {
        Self {
            body,
            end,
            ended: false,
            permit,
        }
    }
}

impl End {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::At(moment) = self {
            *self = Self::Timer(Box::pin(tokio::time::sleep_until(*moment)));
        }
        match self {
            Self::Timer(sleep) => sleep.as_mut().poll(cx),
            Self::When(future) => future.as_mut().poll(cx),
            Self::At(_) => Poll::Pending,
        }
    }

    /// Whether it may be over, so that it must be asked before the body is.
    fn is_near(&self) -> bool {
        match self {
            Self::When(_) => true,
            Self::Timer(sleep) => sleep.is_elapsed(),
            Self::At(moment) => *moment <= Instant::now(),
        }
    }

    /// How the body ends: a long stream as any stream does, a call with an error, because a part of
    /// an answer must not look like the whole.
    fn last<T>(&self) -> Option<Result<T, BoxError>> {
        match self {
            Self::When(_) => None,
            Self::At(_) | Self::Timer(_) => Some(Err("the call took too long".into())),
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<B, P> Body for Lived<B, P>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        // A busy body must end too.
        if this.end.is_near() && this.end.poll(cx).is_ready() {
            *this.ended = true;
            return Poll::Ready(this.end.last());
        }
        match this.body.poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Pending if this.end.poll(cx).is_ready() => {
                *this.ended = true;
                Poll::Ready(this.end.last())
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Empty, StreamBody};

    use super::*;

    fn silent() -> impl Body<Data = Bytes, Error = std::convert::Infallible> {
        StreamBody::new(futures_util::stream::pending())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_after_its_time() {
        let end = End::At(Instant::now() + CALL);
        let started = Instant::now();
        let ended = Lived::new(silent(), end, ()).collect().await;
        assert!(ended.is_err(), "a part of an answer is not the whole");
        assert_eq!(started.elapsed(), CALL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_stream_ends_when_it_is_revoked() {
        let frames = futures_util::stream::repeat_with(|| {
            Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(b"x")))
        });
        let end = End::When(Box::pin(async {}));
        let body = Lived::new(StreamBody::new(frames), end, ());
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
        let end = End::When(Box::pin(std::future::pending()));
        let body = Lived::new(Empty::<Bytes>::new(), end, ());
        assert!(body.is_end_stream());
    }
}
