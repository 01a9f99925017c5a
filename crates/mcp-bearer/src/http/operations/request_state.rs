//! [`State`]: how far a request has come.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::entry::Stop;
use super::exit::{Exchange, Held};
use super::judging::{Judging, Known, Step};
use super::reading::Reading;
use super::refusal;
use super::request_body::{OperationBody, ReadBody};
use crate::http::answer_body::AnswerBody;
use crate::http::future::Verified;
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
    pub(super) judging: Arc<Judging>,
}

/// A request that is passed on, after its body was read.
pub(super) struct Judged<S, B> {
    pub(super) service: S,
    pub(super) request: Request<OperationBody<B>>,
    pub(super) exchange: Exchange,
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
        judging: Arc<Judging>,
        service: S,
        request: Request<B>,
    ) -> Self {
        match step {
            Step::Pass(exchange) => {
                Self::judged(service, request.map(OperationBody::untouched), exchange)
            }
            Step::Read(known) => {
                let (parts, body) = request.into_parts();
                let reading = Reading::new(body, judging.limits(&known));
                let request = Request::from_parts(parts, ());
                Self::reading(reading, Owned { service, judging }, request, known)
            }
            Step::Wait(verified) => {
                let waiting = Waiting {
                    verified,
                    owned: Owned { service, judging },
                    request,
                };
                Self::Waiting {
                    waiting: Some(Box::new(waiting)),
                }
            }
            Step::Answer(answer) => Self::answered(answer),
        }
    }

    /// Reads a body, and goes on with it if it has arrived: then it needs no place to wait in.
    #[inline]
    pub(super) fn read(
        owned: Owned<S>,
        request: Request<B>,
        known: Known,
        ends_connection: &mut bool,
    ) -> Self
    where
        S: Service<Request<OperationBody<B>>, Error = Infallible>,
        B: Unpin,
    {
        let (parts, body) = request.into_parts();
        // The body follows: the request is large, and putting it together again would move it.
        let request = Request::from_parts(parts, OperationBody::nothing());
        let mut reading = Reading::new(body, owned.judging.limits(&known)).without_small();
        // Whatever is not ready is asked again when the future is polled.
        let mut cx = Context::from_waker(Waker::noop());
        let budget = &owned.judging.settings.budget;
        match Pin::new(&mut reading).poll_read(&mut cx, budget) {
            Poll::Pending => Self::reading(reading, owned, request.map(drop), known),
            Poll::Ready(Err(stop)) => Self::stopped(&stop),
            Poll::Ready(Ok(body)) => {
                *ends_connection = false;
                match owned.go_on(request, body, known, &mut cx) {
                    Ok(state) => state,
                    Err(never) => match never {},
                }
            }
        }
    }

    fn reading(reading: Reading<B>, owned: Owned<S>, request: Request<()>, known: Known) -> Self {
        let owned = Some(owned);
        Self::Reading {
            read: Box::pin(Read {
                reading,
                owned,
                request,
                known,
            }),
        }
    }

    fn stopped(stop: &Stop) -> Self {
        let answer = refusal::refuse(stop.reason, &stop.answer, None);
        Self::answered(Box::new(answer))
    }

    fn judged(service: S, request: Request<OperationBody<B>>, exchange: Exchange) -> Self {
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
            owned: Owned { service, judging },
            mut request,
            ..
        } = self;
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
        let Some(owned) = this.owned else {
            return Poll::Ready(Ok(State::Ended));
        };
        let budget = &owned.judging.settings.budget;
        let body = match ready!(this.reading.poll_read(cx, budget)) {
            Ok(body) => body,
            Err(stop) => return Poll::Ready(Ok(State::stopped(&stop))),
        };
        *ends_connection = false;
        let Some(owned) = this.owned.take() else {
            return Poll::Ready(Ok(State::Ended));
        };
        let request = mem::take(this.request).map(|()| OperationBody::nothing());
        let known = mem::take(this.known);
        Poll::Ready(owned.go_on(request, body, known, cx))
    }
}

impl<S> Owned<S> {
    /// Judges a body that was read, and puts it into its request: the request is passed on or
    /// answered.
    ///
    /// # Errors
    /// The inner service's, if it fails before it is called.
    #[inline]
    fn go_on<B, R>(
        self,
        mut request: Request<OperationBody<B>>,
        mut body: ReadBody,
        known: Known,
        cx: &mut Context<'_>,
    ) -> Result<State<S, B, R>, S::Error>
    where
        S: Service<Request<OperationBody<B>>>,
        B: Body<Data = Bytes>,
    {
        let Self {
            mut service,
            judging,
        } = self;
        let bytes = body.bytes().map_or(&[][..], |bytes| bytes);
        let exchange = match judging.judge_body(&mut request, bytes, known) {
            Ok(exchange) => exchange,
            Err(answer) => return Ok(State::answered(answer)),
        };
        let is_ready = service.poll_ready(cx)?.is_ready();
        // What waits is counted, if it was not.
        if !is_ready && let Err(stop) = body.hold(&exchange.judging.settings.budget) {
            return Ok(State::stopped(&stop));
        }
        *request.body_mut() = OperationBody::read(body);
        Ok(if is_ready {
            State::Inner {
                future: service.call(request),
                exchange: Some(exchange),
            }
        } else {
            State::judged(service, request, exchange)
        })
    }
}
