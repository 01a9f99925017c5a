//! [`State`]: how far a request has come.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::exit::{Exchange, Held};
use super::judging::{Judging, Known, Step};
use super::reading::Reading;
use super::refusal;
use super::request_body::OperationBody;
use super::settings::Settings;
use crate::http::answer_body::AnswerBody;
use crate::http::future::Verified;
use crate::http::guard::Guard;
use mcp_bearer_core::AccessToken;

pin_project! {
    /// Whatever is large and not usual is boxed: a hit without rules moves this some times.
    #[project = StateProj]
    pub(super) enum State<S, B, R>
    where
        S: Service<Request<OperationBody<B>>>,
    {
        Answered { answer: Option<Box<Response<AnswerBody>>> },
        /// The token may need newer keys.
        Waiting { waiting: Option<Box<Waiting<S, B>>> },
        Reading { read: Pin<Box<Read<S, B>>> },
        /// The body was judged; the inner service must become ready.
        Judged { judged: Option<Box<Judged<S, B>>> },
        Inner { #[pin] future: S::Future, exchange: Option<Exchange> },
        Held { held: Box<Held<R>> },
        Ended,
    }
}

/// A request whose token may need newer keys.
pub(super) struct Waiting<S, B> {
    pub(super) verified: Verified,
    pub(super) owned: Owned<S>,
    pub(super) request: Request<B>,
}

pin_project! {
    /// A request whose body is being read. What is behind an `Option` is taken when it was.
    pub(super) struct Read<S, B> {
        #[pin]
        reading: Reading<B>,
        owned: Option<Owned<S>>,
        request: Request<()>,
        known: Known,
    }
}

/// What a request that waits keeps.
pub(super) struct Owned<S> {
    pub(super) service: S,
    guard: Guard,
    settings: Arc<Settings>,
}

/// A request that is passed on, after its body was read.
pub(super) struct Judged<S, B> {
    pub(super) service: S,
    pub(super) request: Request<OperationBody<B>>,
    pub(super) exchange: Exchange,
}

impl<S> Owned<S> {
    fn new(judging: Judging<'_>, service: S) -> Self {
        Self {
            service,
            guard: judging.guard.clone(),
            settings: Arc::clone(judging.settings),
        }
    }

    pub(super) fn judging(&self) -> Judging<'_> {
        Judging {
            guard: &self.guard,
            settings: &self.settings,
        }
    }
}

impl<S, B, R> State<S, B, R>
where
    S: Service<Request<OperationBody<B>>>,
    B: Body<Data = Bytes>,
{
    /// Passes a request on whose body nobody has to read. The service must be ready.
    #[inline]
    pub(super) fn inner(service: &mut S, request: Request<B>, exchange: Exchange) -> Self {
        Self::Inner {
            future: service.call(request.map(OperationBody::untouched)),
            exchange: Some(exchange),
        }
    }

    /// What follows from the decision by the headers.
    pub(super) fn after(
        step: Step,
        judging: Judging<'_>,
        mut service: S,
        request: Request<B>,
    ) -> Self {
        match step {
            // A service that waits for no body is ready.
            Step::Pass(exchange) if !judging.settings.reads_bodies() => {
                Self::inner(&mut service, request, exchange)
            }
            Step::Pass(exchange) => {
                Self::judged(service, request.map(OperationBody::untouched), exchange)
            }
            Step::Read(known) => {
                let (parts, body) = request.into_parts();
                let limits = judging.limits(&known);
                Self::Reading {
                    read: Box::pin(Read {
                        reading: Reading::new(body, limits, &judging.settings.budget),
                        owned: Some(Owned::new(judging, service)),
                        request: Request::from_parts(parts, ()),
                        known,
                    }),
                }
            }
            Step::Wait(verified) => {
                let waiting = Waiting {
                    verified,
                    owned: Owned::new(judging, service),
                    request,
                };
                Self::Waiting {
                    waiting: Some(Box::new(waiting)),
                }
            }
            Step::Answer(answer) => Self::answered(answer),
        }
    }

    pub(super) fn judged(
        service: S,
        request: Request<OperationBody<B>>,
        exchange: Exchange,
    ) -> Self {
        let judged = Judged {
            service,
            request,
            exchange,
        };
        Self::Judged {
            judged: Some(Box::new(judged)),
        }
    }

    pub(super) fn answered(answer: Box<Response<AnswerBody>>) -> Self {
        Self::Answered {
            answer: Some(answer),
        }
    }
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<OperationBody<B>>>,
    B: Body<Data = Bytes>,
{
    /// Goes on with a token that was verified with newer keys.
    pub(super) fn enter<R>(self, access: AccessToken) -> State<S, B, R> {
        let Self {
            owned:
                Owned {
                    service,
                    guard,
                    settings,
                },
            mut request,
            ..
        } = self;
        let judging = Judging {
            guard: &guard,
            settings: &settings,
        };
        let step = judging.enter(&mut request, Some(access));
        State::after(step, judging, service, request)
    }
}

impl<S, B> Read<S, B>
where
    S: Service<Request<OperationBody<B>>>,
    B: Body<Data = Bytes>,
{
    /// Reads on, and goes on with the whole body. It must not be polled again after that.
    pub(super) fn poll_whole<R>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        ends_connection: &mut bool,
    ) -> Poll<Result<State<S, B, R>, S::Error>> {
        let this = self.project();
        let body = match ready!(this.reading.poll_read(cx)) {
            Ok(body) => body,
            Err(stop) => {
                let answer = refusal::refuse(stop.reason, &stop.answer, None);
                return Poll::Ready(Ok(State::answered(Box::new(answer))));
            }
        };
        *ends_connection = false;
        let Some(owned) = this.owned.take() else {
            return Poll::Ready(Ok(State::Ended));
        };
        let bytes = body.data.clone().unwrap_or_default();
        let known = mem::take(this.known);
        let exchange = match owned.judging().judge_body(this.request, &bytes, known) {
            Ok(exchange) => exchange,
            Err(answer) => return Poll::Ready(Ok(State::answered(answer))),
        };
        let mut service = owned.service;
        let is_ready = service.poll_ready(cx);
        let request = mem::take(this.request).map(|()| OperationBody::read(body));
        Poll::Ready(match is_ready {
            Poll::Ready(Ok(())) => Ok(State::Inner {
                future: service.call(request),
                exchange: Some(exchange),
            }),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Ok(State::judged(service, request, exchange)),
        })
    }
}
