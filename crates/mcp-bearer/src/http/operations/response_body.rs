//! [`OperationsBody`]: the inner service's body, filtered where necessary, or our short answer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::http::HeaderMap;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use mcp_bearer_core::operation::{ListFault, ListFilter};
use pin_project_lite::pin_project;

use super::refusal;
use crate::http::answer_body::AnswerBody;

pin_project! {
    /// The body of a response that passed the layer.
    ///
    /// It holds at most one event of a stream, and requests the next one when that was taken.
    pub struct OperationsBody<R> {
        #[pin]
        kind: Kind<R>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<R> {
        /// It passes unchanged.
        Inner { #[pin] body: R },
        /// Boxed, because it is large and most bodies are not filtered.
        Filtered { filtered: Box<Filtered<R>> },
        /// It was read whole.
        Whole { data: Option<Bytes>, trailers: Option<Box<HeaderMap>> },
        Answer { #[pin] body: AnswerBody },
    }
}

struct Filtered<R> {
    body: Pin<Box<R>>,
    filter: ListFilter,
    out: Vec<u8>,
    trailers: Option<HeaderMap>,
    ended: bool,
    fault: Option<ListFault>,
}

impl<R> OperationsBody<R> {
    pub(super) fn inner(body: R) -> Self {
        Self::of(Kind::Inner { body })
    }

    /// `out` is what the filter has already returned.
    pub(super) fn filtered(filter: ListFilter, out: Vec<u8>, body: Pin<Box<R>>) -> Self {
        Self::of(Kind::Filtered {
            filtered: Box::new(Filtered {
                body,
                filter,
                out,
                trailers: None,
                ended: false,
                fault: None,
            }),
        })
    }

    pub(super) fn whole(data: Vec<u8>, trailers: Option<HeaderMap>) -> Self {
        Self::of(Kind::Whole {
            data: (!data.is_empty()).then(|| data.into()),
            trailers: trailers.map(Box::new),
        })
    }

    pub(super) fn answer(body: AnswerBody) -> Self {
        Self::of(Kind::Answer { body })
    }

    fn of(kind: Kind<R>) -> Self {
        Self { kind }
    }

    /// Why a part of an event stream was replaced by an error so far; the last reason if there are
    /// several. It is logged once per stream, for callers that use `tracing`.
    pub fn fault(&self) -> Option<&ListFault> {
        match &self.kind {
            Kind::Filtered { filtered } => filtered.fault.as_ref(),
            Kind::Inner { .. } | Kind::Whole { .. } | Kind::Answer { .. } => None,
        }
    }
}

impl<R: Body<Data = Bytes>> Filtered<R> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        loop {
            if !self.out.is_empty() {
                let data = std::mem::take(&mut self.out);
                return Poll::Ready(Some(Ok(Frame::data(data.into()))));
            }
            if self.ended {
                let trailers = self.trailers.take().map(Frame::trailers);
                return Poll::Ready(trailers.map(Ok));
            }
            let filtered = match ready!(self.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.filter.push(&data, &mut self.out),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        continue;
                    }
                },
                // What was held is not complete, and is not passed on.
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.ended = true;
                    self.filter.finish(&mut self.out)
                }
            };
            if let Err(fault) = filtered {
                self.ended = true;
                self.trailers = None;
                self.note(fault);
            } else if let Some(fault) = self.filter.fault().cloned() {
                self.note(fault);
            }
        }
    }

    /// Logs once per stream, however many of its events are replaced.
    fn note(&mut self, fault: ListFault) {
        if self.fault.is_none() {
            refusal::log_bad_answer(&fault);
        }
        self.fault = Some(fault);
    }
}

impl<R: Body<Data = Bytes>> Body for OperationsBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match self.project().kind.project() {
            KindProj::Inner { body } => body.poll_frame(cx),
            KindProj::Filtered { filtered } => filtered.poll_frame(cx),
            KindProj::Whole { data, trailers } => {
                let data = data.take().map(Frame::data);
                let trailers = || trailers.take().map(|trailers| Frame::trailers(*trailers));
                let frame = data.or_else(trailers);
                Poll::Ready(frame.map(Ok))
            }
            KindProj::Answer { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|result| result.map_err(|never| match never {}))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Filtered { filtered } => {
                filtered.ended && filtered.out.is_empty() && filtered.trailers.is_none()
            }
            Kind::Whole { data, trailers } => data.is_none() && trailers.is_none(),
            Kind::Answer { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Filtered { .. } => SizeHint::default(),
            Kind::Whole { data, .. } => SizeHint::with_exact(length_of(data.as_ref())),
            Kind::Answer { body } => body.size_hint(),
        }
    }
}

fn length_of(data: Option<&Bytes>) -> u64 {
    let length = data.map_or(0, Bytes::len);
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl<R> fmt::Debug for OperationsBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Inner { .. } => "inner",
            Kind::Filtered { .. } => "filtered",
            Kind::Whole { .. } => "whole",
            Kind::Answer { .. } => "answer",
        };
        f.debug_tuple("OperationsBody").field(&kind).finish()
    }
}
