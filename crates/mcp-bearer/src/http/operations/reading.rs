//! Reads a whole body within its limits. Dropping it releases everything.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use ::http::HeaderMap;
use bytes::Bytes;
use http_body::Body;
use mcp_bearer_core::operation::RpcAnswer;
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::budget::{BodyBudget, Lease};
use super::entry::{Stop, stop};
use super::refusal::Reason;
use super::request_body::ReadBody;
use super::settings::BodyLimits;

pin_project! {
    pub(super) struct Reading<B> {
        #[pin]
        body: B,
        read: Progress,
    }
}

/// What was read, and what may be.
struct Progress {
    limits: BodyLimits,
    counts_small: bool,
    /// `None` until it is needed, and once the body has it.
    lease: Option<Lease>,
    wait: Wait,
    data: Data,
    length: usize,
    trailers: Option<HeaderMap>,
}

/// See [`Reading::without_small`].
const SMALL: usize = 8 * 1024;

/// The time that a body takes. It begins when there is something to wait for.
enum Wait {
    /// Nothing had to be waited for. A timer for each body would cost as much as reading it.
    NotYet,
    /// Without a tokio runtime, the time is checked whenever bytes come.
    Until(Instant),
    Timer(Pin<Box<Sleep>>),
    /// The limit is further away than the clock can tell.
    Forever,
}

/// The bytes read so far. Most bodies come in one piece, which is not copied. Pieces are joined:
/// many small ones would take many times their length.
enum Data {
    Nothing,
    One(Bytes),
    Joined(Vec<u8>),
}

impl<B: Body<Data = Bytes>> Reading<B> {
    pub(super) fn new(body: B, limits: BodyLimits) -> Self {
        let read = Progress {
            limits,
            counts_small: true,
            lease: None,
            wait: Wait::NotYet,
            data: Data::Nothing,
            length: 0,
            trailers: None,
        };
        Self { body, read }
    }

    /// A body of at most 8 KiB that comes whole in one piece takes nothing of the budget: it is
    /// passed on at once.
    pub(super) fn without_small(mut self) -> Self {
        self.read.counts_small = false;
        self
    }

    /// The body, or why it was not read to its end. It must not be polled again after that.
    pub(super) fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        budget: &BodyBudget,
    ) -> Poll<Result<ReadBody, Stop>> {
        let this = self.project();
        let (mut body, read) = (this.body, this.read);
        let limit = u64::try_from(read.limits.bytes).unwrap_or(u64::MAX);
        if read.length == 0 && body.size_hint().lower() > limit {
            return Poll::Ready(Err(too_large()));
        }
        loop {
            let frame = match body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(_))) => {
                    let why = "the body could not be read";
                    return Poll::Ready(Err(stop(Reason::Body, 400, why)));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(read.whole())),
                Poll::Pending => return read.poll_deadline(cx).map(Err),
            };
            match frame.into_data() {
                Ok(data) => {
                    // hyper knows that from the length of a body, and would report the end only
                    // when the connection is polled again.
                    let is_last = body.is_end_stream();
                    if let Err(stop) = read.add(data, is_last, budget) {
                        return Poll::Ready(Err(stop));
                    }
                    if is_last {
                        return Poll::Ready(Ok(read.whole()));
                    }
                }
                Err(frame) => read.trailers = frame.into_trailers().ok(),
            }
        }
    }
}

impl Progress {
    fn add(&mut self, data: Bytes, is_last: bool, budget: &BodyBudget) -> Result<(), Stop> {
        if data.is_empty() {
            return Ok(());
        }
        if data.len() > self.limits.bytes.saturating_sub(self.length) {
            return Err(too_large());
        }
        let is_small = is_last && self.length == 0 && data.len() <= SMALL;
        if self.counts_small || !is_small {
            let lease = self.lease.get_or_insert_with(|| budget.lease());
            lease.extend(data.len())?;
        }
        self.length += data.len();
        self.data = match std::mem::replace(&mut self.data, Data::Nothing) {
            Data::Nothing => Data::One(data),
            Data::One(first) => {
                let mut joined = Vec::with_capacity(2 * (first.len() + data.len()));
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&data);
                Data::Joined(joined)
            }
            Data::Joined(mut joined) => {
                joined.extend_from_slice(&data);
                Data::Joined(joined)
            }
        };
        Ok(())
    }

    fn whole(&mut self) -> ReadBody {
        let data = match std::mem::replace(&mut self.data, Data::Nothing) {
            Data::Nothing => Bytes::new(),
            Data::One(data) => data,
            Data::Joined(joined) => joined.into(),
        };
        ReadBody::new(data, self.trailers.take(), self.lease.take())
    }

    /// Waits no longer than the limit.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        if let Wait::NotYet = self.wait {
            self.wait = match Instant::now().checked_add(self.limits.time) {
                None => Wait::Forever,
                Some(deadline) if Handle::try_current().is_ok() => {
                    Wait::Timer(Box::pin(tokio::time::sleep_until(deadline.into())))
                }
                Some(deadline) => Wait::Until(deadline),
            };
        }
        let is_over = match &mut self.wait {
            Wait::Timer(timer) => timer.as_mut().poll(cx).is_ready(),
            Wait::Until(deadline) => Instant::now() >= *deadline,
            Wait::NotYet | Wait::Forever => false,
        };
        if is_over {
            let why = "the body did not arrive in time";
            return Poll::Ready(stop(Reason::Body, 408, why));
        }
        Poll::Pending
    }
}

fn too_large() -> Stop {
    Stop {
        reason: Reason::Body,
        answer: RpcAnswer::too_large(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Nothing ever comes.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }

    /// As the Python middleware asks, which waits by itself in between.
    #[test]
    fn without_a_runtime_the_time_begins_at_the_first_question() {
        let time = Duration::from_millis(50);
        let limits = BodyLimits { bytes: 10, time };
        let mut reading = Box::pin(Reading::new(Silent, limits));
        let budget = BodyBudget::new(100);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(reading.as_mut().poll_read(&mut cx, &budget).is_pending());
        std::thread::sleep(time);
        match reading.as_mut().poll_read(&mut cx, &budget) {
            Poll::Ready(Err(stop)) => assert_eq!(stop.answer.status(), 408),
            Poll::Ready(Ok(_)) => panic!("a body"),
            Poll::Pending => panic!("it waits longer"),
        }
    }
}
