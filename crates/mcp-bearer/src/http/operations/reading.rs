//! Reads a whole body within its limits. Dropping it releases everything.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use ::http::HeaderMap;
use bytes::Bytes;
use http_body::Body;
use mcp_bearer_core::operation::RpcAnswer;
use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::budget::{BodyBudget, Lease};
use super::entry::{Stop, stop};
use super::refusal::Reason;
use super::request_body::ReadBody;
use super::settings::BodyLimits;

pub(super) struct Reading<B> {
    body: Pin<Box<B>>,
    limits: BodyLimits,
    lease: Lease,
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    data: Data,
    length: usize,
    trailers: Option<HeaderMap>,
}

/// The bytes read so far. Most bodies come in one piece, which is not copied. Pieces are joined:
/// many small ones would take many times their length.
enum Data {
    Nothing,
    One(Bytes),
    Joined(Vec<u8>),
}

impl<B: Body<Data = Bytes>> Reading<B> {
    pub(super) fn new(body: B, limits: BodyLimits, budget: &BodyBudget) -> Self {
        Self {
            body: Box::pin(body),
            limits,
            lease: budget.lease(),
            deadline: Instant::now().checked_add(limits.time),
            timer: None,
            data: Data::Nothing,
            length: 0,
            trailers: None,
        }
    }

    /// The body, or why it was not read to its end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<ReadBody, Stop>> {
        let limit = u64::try_from(self.limits.bytes).unwrap_or(u64::MAX);
        if self.length == 0 && self.body.size_hint().lower() > limit {
            return Poll::Ready(Err(too_large()));
        }
        loop {
            let frame = match self.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(_))) => {
                    let why = "the body could not be read";
                    return Poll::Ready(Err(stop(Reason::Body, 400, why)));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(self.whole())),
                Poll::Pending => return self.poll_deadline(cx).map(Err),
            };
            match frame.into_data() {
                Ok(data) => {
                    if let Err(stop) = self.add(data) {
                        return Poll::Ready(Err(stop));
                    }
                }
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
    }

    fn add(&mut self, data: Bytes) -> Result<(), Stop> {
        if data.is_empty() {
            return Ok(());
        }
        if data.len() > self.limits.bytes.saturating_sub(self.length) {
            return Err(too_large());
        }
        if !self.lease.extend(data.len()) {
            return Err(stop(Reason::Body, 503, "too many bodies are being read"));
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
        let unused = self.lease.split();
        ReadBody {
            data: Some(data),
            trailers: self.trailers.take(),
            lease: Some(std::mem::replace(&mut self.lease, unused)),
        }
    }

    /// Waits no longer than the limit. The timer is made when there is something to wait for;
    /// without a tokio runtime, the time is checked whenever bytes come.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let is_over = match (&mut self.timer, Handle::try_current()) {
            (Some(timer), _) => timer.as_mut().poll(cx).is_ready(),
            (timer @ None, Ok(_)) => {
                let new = tokio::time::sleep_until(deadline.into());
                timer.insert(Box::pin(new)).as_mut().poll(cx).is_ready()
            }
            (None, Err(_)) => Instant::now() >= deadline,
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
