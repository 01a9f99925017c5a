//! [`ResponseFuture`]: the inner service's future, a denial, or a wait for keys before either.
//!
//! The first two need no allocation. Dropping it cancels the request but no key fetch.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::http::{Request, Response};
use futures_util::future::BoxFuture;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::guard::{Denial, Guard};
use super::preflight::Grant;
use super::response::closing;
use super::response_body::BearerBody;
use crate::AccessToken;

pin_project! {
    /// The future of [`BearerAuthService`](super::BearerAuthService).
    ///
    /// `Send` when the inner service, its future and the request body are. It must not be polled
    /// again once it is ready: it would never finish.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
        cors: Option<Grant>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        Inner { #[pin] future: S::Future },
        Denied { response: Option<Denial> },
        Waiting { waiting: Option<Box<Waiting<S, B>>> },
    }
}

/// A request whose token may need newer keys, and the ready service that will handle it.
struct Waiting<S, B> {
    verified: Verified,
    service: S,
    request: Request<B>,
    guard: Guard,
}

pub(super) type Verified = BoxFuture<'static, Result<AccessToken, Denial>>;

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn inner(future: S::Future) -> Self {
        Self::of(State::Inner { future })
    }

    pub(super) fn denied(response: Denial) -> Self {
        Self::of(State::Denied {
            response: Some(response),
        })
    }

    pub(super) fn waiting(
        verified: Verified,
        service: S,
        request: Request<B>,
        guard: Guard,
    ) -> Self {
        let waiting = Box::new(Waiting {
            verified,
            service,
            request,
            guard,
        });
        Self::of(State::Waiting {
            waiting: Some(waiting),
        })
    }

    fn of(state: State<S, B>) -> Self {
        Self { state, cors: None }
    }

    /// Puts CORS headers on the answer, whatever it is.
    pub(super) fn with_cors(self, cors: Option<Grant>) -> Self {
        Self { cors, ..self }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Body,
{
    type Output = Result<Response<BearerBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let cors = this.cors;
        let mut state = this.state;
        let answer = loop {
            let (access, waiting) = match state.as_mut().project() {
                StateProj::Inner { future } => {
                    let response = ready!(future.poll(cx));
                    break response.map(|response| response.map(BearerBody::inner));
                }
                StateProj::Denied { response } => match response.take() {
                    Some(response) => break Ok(response.map(BearerBody::answer)),
                    None => return Poll::Pending,
                },
                StateProj::Waiting { waiting } => {
                    let Some(mut pending) = waiting.take() else {
                        return Poll::Pending;
                    };
                    match pending.verified.as_mut().poll(cx) {
                        Poll::Ready(Ok(access)) => (access, pending),
                        Poll::Ready(Err(denial)) => {
                            let response = closing(*denial, &pending.request);
                            break Ok(response.map(BearerBody::answer));
                        }
                        Poll::Pending => {
                            *waiting = Some(pending);
                            return Poll::Pending;
                        }
                    }
                }
            };
            let Waiting {
                mut service,
                mut request,
                guard,
                ..
            } = *waiting;
            guard.prepare(&mut request, Some(access));
            state.set(State::Inner {
                future: service.call(request),
            });
        };
        Poll::Ready(answer.map(|mut response| {
            if let Some(cors) = cors {
                cors.apply(response.headers_mut());
            }
            response
        }))
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Inner { .. } => "inner",
            State::Denied { .. } => "denied",
            State::Waiting { .. } => "waiting",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
