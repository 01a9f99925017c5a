//! [`OperationsFuture`]: handles one request. Dropping it frees everything at once.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::exit::Leaving;
use super::judging::{Judging, Step};
use super::request_body::OperationBody;
use super::request_state::{Owned, State, StateProj};
use super::response_body::OperationsBody;
use crate::http::preflight::Grant;
use crate::http::response;

pin_project! {
    /// The future of [`OperationsService`](super::OperationsService).
    ///
    /// It must not be polled again once it is ready: it would never finish.
    pub struct OperationsFuture<S, B, R>
    where
        S: Service<Request<OperationBody<B>>>,
    {
        #[pin]
        state: State<S, B, R>,
        cors: Option<Grant>,
        // Whether our answer, if it comes before the body was read, ends the connection.
        ends_connection: bool,
    }
}

impl<S, B, R> OperationsFuture<S, B, R>
where
    S: Service<Request<OperationBody<B>>>,
    B: Body<Data = Bytes>,
{
    #[inline]
    pub(super) fn begin(judging: &Arc<Judging>, service: &mut S, mut request: Request<B>) -> Self
    where
        S: Clone,
    {
        let Outset {
            cors,
            ends_connection,
            step,
        } = Outset::of(judging, &mut request);
        let state = match step {
            // It waits for nothing, so that the service is used where it is.
            Step::Pass(exchange) if !judging.settings.reads_bodies() => {
                State::inner(service, request, exchange)
            }
            step => {
                // The clone may not be ready; the service that was polled is the one to call.
                let clone = service.clone();
                let service = mem::replace(service, clone);
                State::after(step, Arc::clone(judging), service, request)
            }
        };
        Self {
            state,
            cors,
            ends_connection,
        }
    }

    /// The same for a service that is used once: it need not be ready, and nothing is cloned.
    #[inline]
    pub(super) fn begin_once(judging: Arc<Judging>, service: S, mut request: Request<B>) -> Self
    where
        S: Service<Request<OperationBody<B>>, Error = Infallible>,
        B: Unpin,
    {
        let Outset {
            cors,
            mut ends_connection,
            step,
        } = Outset::of(&judging, &mut request);
        let state = match step {
            Step::Read(known) => {
                let owned = Owned { service, judging };
                State::read(owned, request, known, &mut ends_connection)
            }
            step => State::after(step, judging, service, request),
        };
        Self {
            state,
            cors,
            ends_connection,
        }
    }
}

/// What is known of a request before it waits for anything.
struct Outset {
    cors: Option<Grant>,
    ends_connection: bool,
    step: Step,
}

impl Outset {
    #[inline]
    fn of<B: Body>(judging: &Arc<Judging>, request: &mut Request<B>) -> Self {
        Self {
            cors: judging.guard.grant(request.headers()),
            ends_connection: response::ends_connection(request.version(), request.body()),
            step: judging.begin(request),
        }
    }
}

impl<S, B, R> Future for OperationsFuture<S, B, R>
where
    S: Service<Request<OperationBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<OperationsBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.state
            .poll_response(cx, this.cors.as_ref(), this.ends_connection)
    }
}

impl<S, B, R> State<S, B, R>
where
    S: Service<Request<OperationBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    fn poll_response(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        cors: Option<&Grant>,
        ends_connection: &mut bool,
    ) -> Poll<Result<Response<OperationsBody<R>>, S::Error>> {
        let mut state = self;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Answered { answer } => match answer.take() {
                    Some(mut answer) => {
                        if *ends_connection {
                            response::close(&mut answer);
                        }
                        let answer = granted(*answer, cors);
                        return Poll::Ready(Ok(answer.map(OperationsBody::answer)));
                    }
                    None => return Poll::Pending,
                },
                StateProj::Waiting { waiting } => {
                    let Some(pending) = waiting else {
                        return Poll::Pending;
                    };
                    let verified = ready!(pending.verified.as_mut().poll(cx));
                    match (verified, waiting.take()) {
                        (Ok(access), Some(waited)) => (*waited).enter(access),
                        (Err(answer), _) => State::answered(answer),
                        (_, None) => State::Ended,
                    }
                }
                StateProj::Reading { read } => {
                    match ready!(read.as_mut().poll_whole(cx, ends_connection)) {
                        Ok(next) => next,
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                StateProj::Judged { judged } => {
                    let Some(waiting) = judged else {
                        return Poll::Pending;
                    };
                    let ready = ready!(waiting.service.poll_ready(cx));
                    let Some(judged) = judged.take() else {
                        return Poll::Pending;
                    };
                    if let Err(error) = ready {
                        return Poll::Ready(Err(error));
                    }
                    let mut judged = *judged;
                    State::Inner {
                        future: judged.service.call(judged.request),
                        exchange: Some(judged.exchange),
                    }
                }
                StateProj::Inner { future, exchange } => {
                    // Changed in place: an answer is large, and most pass as they are.
                    let mut polled = future.poll(cx);
                    let change = match &mut polled {
                        Poll::Ready(Ok(response)) => {
                            let Some(known) = exchange else {
                                return Poll::Pending;
                            };
                            let change = known.look(response.headers_mut());
                            if change.is_none() {
                                grant(response, cors);
                            }
                            change
                        }
                        _ => None,
                    };
                    let Some(change) = change else {
                        return polled.map_ok(|response| response.map(OperationsBody::inner));
                    };
                    let Poll::Ready(Ok(response)) = polled else {
                        return Poll::Pending;
                    };
                    let Some(exchange) = exchange.take() else {
                        return Poll::Pending;
                    };
                    match exchange.change(change, response) {
                        Leaving::Done(response) => {
                            return Poll::Ready(Ok(granted(response, cors)));
                        }
                        Leaving::Held(held) => State::Held { held },
                    }
                }
                StateProj::Held { held } => {
                    let response = ready!(held.poll_answer(cx));
                    state.set(State::Ended);
                    return Poll::Ready(Ok(granted(response, cors)));
                }
                StateProj::Ended => return Poll::Pending,
            };
            state.set(next);
        }
    }
}

/// Adds CORS headers, if the layer answers CORS.
#[inline]
fn grant<R>(response: &mut Response<R>, cors: Option<&Grant>) {
    if let Some(cors) = cors {
        cors.apply(response.headers_mut());
    }
}

fn granted<R>(mut response: Response<R>, cors: Option<&Grant>) -> Response<R> {
    grant(&mut response, cors);
    response
}

impl<S, B, R> fmt::Debug for OperationsFuture<S, B, R>
where
    S: Service<Request<OperationBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Answered { .. } => "answered",
            State::Waiting { .. } => "waiting",
            State::Reading { .. } => "reading",
            State::Judged { .. } => "judged",
            State::Inner { .. } => "inner",
            State::Held { .. } => "held",
            State::Ended => "ended",
        };
        f.debug_tuple("OperationsFuture").field(&state).finish()
    }
}
