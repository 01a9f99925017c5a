//! [`OperationsFuture`]: handles one request. Dropping it frees everything at once.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::http::request::Parts;
use ::http::{Method, Request, Response};
use bytes::Bytes;
use http_body::Body;
use mcp_bearer_core::operation::{Answers, Caller, Decision, Operations};
use mcp_bearer_core::{AccessToken, Rejection, RequestedScopes};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::entry::{self, JudgedOperations, Kind, Outline, Stop};
use super::exit::{Exchange, Held, Leaving};
use super::reading::Reading;
use super::refusal::{self, Reason};
use super::request_body::{OperationBody, ReadBody};
use super::response_body::OperationsBody;
use super::settings::Settings;
use crate::http::answer_body::AnswerBody;
use crate::http::future::Verified;
use crate::http::guard::{Guard, Verdict};
use crate::http::preflight::{self, Grant};
use crate::http::response;
use crate::http::session::Principal;

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

pin_project! {
    #[project = StateProj]
    enum State<S, B, R>
    where
        S: Service<Request<OperationBody<B>>>,
    {
        Answered { answer: Option<Response<AnswerBody>> },
        /// The token may need newer keys.
        Waiting { verified: Verified, way: Option<Box<Way<S, B>>> },
        Reading { reading: Reading<B>, way: Option<Box<Way<S, B>>> },
        /// The request was judged; the inner service must become ready.
        Judged { judged: Option<Judged<S, B>> },
        Inner { #[pin] future: S::Future, exchange: Option<Exchange> },
        Held { held: Box<Held<R>> },
        Ended,
    }
}

/// A request that is being judged.
struct Way<S, B> {
    service: S,
    guard: Guard,
    settings: Arc<Settings>,
    parts: Parts,
    /// Taken when it is read or passed on.
    body: Option<B>,
    access: Option<AccessToken>,
    session: Option<String>,
    /// Whether the protocol version of the request has sessions.
    has_sessions: bool,
}

/// A request that is passed on.
struct Judged<S, B> {
    service: S,
    request: Request<OperationBody<B>>,
    exchange: Exchange,
}

/// What happens to a request next.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart at once; a box would cost as much as the rest of a hit without rules"
)]
enum Next<S, B> {
    Answer(Response<AnswerBody>),
    Read(Reading<B>, Box<Way<S, B>>),
    Call(Judged<S, B>),
}

impl<S, B, R> OperationsFuture<S, B, R>
where
    S: Service<Request<OperationBody<B>>>,
    B: Body<Data = Bytes>,
{
    #[inline]
    pub(super) fn begin(
        service: S,
        guard: Guard,
        settings: Arc<Settings>,
        request: Request<B>,
    ) -> Self {
        let (parts, body) = request.into_parts();
        let cors = guard.grant(&parts.headers);
        let ends_connection = response::ends_connection(parts.version, &body);
        Self {
            state: State::begin(service, guard, settings, parts, body),
            cors,
            ends_connection,
        }
    }
}

impl<S, B, R> State<S, B, R>
where
    S: Service<Request<OperationBody<B>>>,
    B: Body<Data = Bytes>,
{
    #[inline]
    fn begin(service: S, guard: Guard, settings: Arc<Settings>, parts: Parts, body: B) -> Self {
        let mut way = Way {
            service,
            guard,
            settings,
            parts,
            body: None,
            access: None,
            session: None,
            has_sessions: false,
        };
        if way.is_anonymous() {
            way.body = Some(body);
            return Self::next(way.enter());
        }
        if way.wants_anonymous_stream() {
            let why = "a session without a token has neither a stream nor an end";
            return Self::next(answer(&entry::stop(Reason::NoStream, 405, why), None));
        }
        let verdict = way
            .guard
            .check(&way.parts.method, &way.parts.headers, &body);
        way.body = Some(body);
        match verdict {
            Verdict::Preflight => Self::next(way.pass_on_unjudged()),
            Verdict::Denied(answer) | Verdict::Answered(answer) => Self::answered(*answer),
            Verdict::Granted(access) => {
                way.access = Some(access);
                Self::next(way.enter())
            }
            Verdict::NeedsKeys { token, needs } => {
                let verified = way.guard.clone().check_with_newer_keys(token, needs);
                Self::Waiting {
                    verified: Box::pin(verified),
                    way: Some(Box::new(way)),
                }
            }
        }
    }
}

impl<S, B, R> State<S, B, R>
where
    S: Service<Request<OperationBody<B>>>,
{
    fn answered(answer: Response<AnswerBody>) -> Self {
        Self::Answered {
            answer: Some(answer),
        }
    }

    /// Calls the service, which must be ready.
    #[inline]
    fn inner(mut judged: Judged<S, B>) -> Self {
        Self::Inner {
            future: judged.service.call(judged.request),
            exchange: Some(judged.exchange),
        }
    }

    #[inline]
    fn next(next: Next<S, B>) -> Self {
        match next {
            Next::Answer(answer) => Self::answered(answer),
            Next::Read(reading, way) => Self::Reading {
                reading,
                way: Some(way),
            },
            Next::Call(judged) => Self::Judged {
                judged: Some(judged),
            },
        }
    }
}

impl<S, B: Body<Data = Bytes>> Way<S, B> {
    /// Whether the request may be judged without a token: it has no credential at all, and rules
    /// allow something to such requests.
    fn is_anonymous(&self) -> bool {
        self.settings.rules.has_anonymous()
            && self.parts.method == Method::POST
            && !self.guard.has_credential(&self.parts.headers)
    }

    /// Whether it opens the stream of a session that was begun without a token, or ends that
    /// session. A 401 would make clients sign in as soon as they are connected; after a 405 they
    /// continue without.
    fn wants_anonymous_stream(&self) -> bool {
        self.settings.rules.has_anonymous()
            && matches!(self.parts.method, Method::GET | Method::DELETE)
            && !self.guard.has_credential(&self.parts.headers)
            && entry::names_anonymous_session(&self.settings, &self.parts.headers)
    }

    /// Everything that the headers decide after the token.
    #[inline]
    fn enter(mut self) -> Next<S, B> {
        match self.check_headers() {
            Err(stop) => self.refused(refusal::refuse(stop.reason, &stop.answer, None)),
            Ok(Kind::WithoutBody) => match self.check_body_hash(&[]) {
                Ok(()) => self.call(None),
                Err(rejection) => self.refused(self.guard.challenge(&rejection)),
            },
            Ok(Kind::Post) if !self.settings.reads_bodies() => self.call(None),
            Ok(Kind::Post) => {
                let limits = if self.access.is_none() {
                    self.settings.anonymous_body
                } else {
                    self.settings.body
                };
                match self.body.take() {
                    Some(body) => {
                        let reading = Reading::new(body, limits, &self.settings.budget);
                        Next::Read(reading, Box::new(self))
                    }
                    None => answer(&entry::stop(Reason::Body, 400, "the body was taken"), None),
                }
            }
        }
    }

    #[inline]
    fn check_headers(&mut self) -> Result<Kind, Stop> {
        let kind = entry::kind(&self.parts.method)?;
        let has_body = |body: &B| !body.is_end_stream() && body.size_hint().exact() != Some(0);
        if kind == Kind::WithoutBody && self.body.as_ref().is_some_and(has_body) {
            return Err(entry::stop(
                Reason::BadRequest,
                400,
                "this method has no body",
            ));
        }
        if kind == Kind::Post && !self.settings.rules.is_none() {
            entry::check_type(&self.parts.headers)?;
        }
        let headers = &mut self.parts.headers;
        let outline = Outline::of(headers);
        self.has_sessions = outline.has_sessions;
        // The principal is read from the claims, which most requests of 2026-07-28 do not need.
        if !outline.is_bound {
            return Ok(kind);
        }
        let principal = match &self.access {
            Some(access) => Principal::of(access),
            None => Some(Principal::Anonymous),
        };
        self.session = entry::enter_session(&self.settings, principal, headers)?;
        entry::enter_event(&self.settings, principal, self.session.as_deref(), headers)?;
        Ok(kind)
    }

    /// Decides about a request whose body was read.
    fn judge(self, body: ReadBody) -> Next<S, B> {
        let bytes = body.data.clone().unwrap_or_default();
        if let Err(rejection) = self.check_body_hash(&bytes) {
            return Next::Answer(self.guard.challenge(&rejection));
        }
        if self.settings.rules.is_none() {
            return self.call(Some((None, body)));
        }
        let headers = entry::operation_headers(&self.parts.headers);
        let operations = match Operations::read(&bytes, &headers) {
            Ok(operations) => operations,
            Err(refused) => {
                return self.refused(refusal::refuse(Reason::BadRequest, &refused, None));
            }
        };
        match self.decide(&operations) {
            Decision::Allowed => self.call(Some((Some(operations), body))),
            Decision::NeedsToken(scopes) => {
                let answer = self.guard.ask_for_token(|requested| {
                    scopes.to_request(|scope| to_request(scope, requested))
                });
                self.refused_operations(answer, operations)
            }
            Decision::NeedsScopes(scopes) => {
                let requested = self.access.as_ref().map(AccessToken::requested_scopes);
                let rejection = scopes.rejection(|scope| to_request(scope, requested));
                self.refused_operations(self.guard.challenge(&rejection), operations)
            }
            Decision::Refused(answer) => {
                self.refused(refusal::refuse(Reason::Refused, &answer, Some(&operations)))
            }
            Decision::Hidden(answer) => {
                self.refused(refusal::refuse(Reason::Hidden, &answer, Some(&operations)))
            }
            Decision::BadRequest(answer) => self.refused(refusal::refuse(
                Reason::BadRequest,
                &answer,
                Some(&operations),
            )),
        }
    }

    /// Like [`refused`](Self::refused), for operations that were read: services in front see which.
    fn refused_operations(
        &self,
        mut answer: Response<AnswerBody>,
        operations: Operations,
    ) -> Next<S, B> {
        let operations = JudgedOperations(Arc::new(operations));
        answer.extensions_mut().insert(operations);
        self.refused(answer)
    }

    /// An answer that names its caller to services in front.
    fn refused(&self, mut answer: Response<AnswerBody>) -> Next<S, B> {
        if let Some(access) = &self.access {
            answer.extensions_mut().insert(access.clone());
        }
        Next::Answer(answer)
    }

    /// The token of a caller must be for this body, if the layer requires that.
    fn check_body_hash(&self, body: &[u8]) -> Result<(), Rejection> {
        match &self.access {
            Some(access) if self.settings.needs_body_hash => access.require_body_hash(body),
            _ => Ok(()),
        }
    }

    fn decide(&self, operations: &Operations) -> Decision {
        self.with_caller(|caller| self.settings.rules.judge(operations, &caller))
    }

    fn with_caller<T>(&self, ask: impl FnOnce(Caller<'_>) -> T) -> T {
        let Some(access) = &self.access else {
            return ask(Caller::anonymous());
        };
        let provider = self.guard.provider();
        let required = provider.required_scopes_for(access);
        let caller = Caller::with_token(access, &required);
        ask(if self.session.is_some() {
            caller.in_bound_session()
        } else {
            caller
        })
    }

    /// Passes on a CORS preflight, which has no token and nothing to judge.
    fn pass_on_unjudged(mut self) -> Next<S, B> {
        preflight::strip(&mut self.parts.headers);
        self.has_sessions = Outline::of(&self.parts.headers).has_sessions;
        self.call(None)
    }

    /// Makes the request for the inner service.
    #[inline]
    fn call(mut self, read: Option<(Option<Operations>, ReadBody)>) -> Next<S, B> {
        let mut view = None;
        if !self.settings.rules.is_none() {
            view = self.with_caller(|caller| self.settings.rules.list_view(&caller));
        }
        if view.is_some() {
            entry::ask_for_plain_answer(&mut self.parts.headers);
        }
        let Way {
            service,
            guard,
            settings,
            parts,
            body,
            access,
            session,
            has_sessions,
        } = self;
        let (body, answers, operations) = match (read, body) {
            (Some((operations, body)), _) => {
                let answers = operations
                    .as_ref()
                    .map_or_else(Answers::to_unknown, Answers::to);
                (OperationBody::read(body), answers, operations)
            }
            (None, Some(body)) => (OperationBody::untouched(body), Answers::to_unknown(), None),
            (None, None) => {
                return answer(&entry::stop(Reason::Body, 400, "the body was taken"), None);
            }
        };
        let mut request = Request::from_parts(parts, body);
        guard.prepare(&mut request, access.clone());
        request.extensions_mut().remove::<JudgedOperations>();
        if let Some(operations) = operations {
            let operations = JudgedOperations(Arc::new(operations));
            request.extensions_mut().insert(operations);
        }
        Next::Call(Judged {
            service,
            request,
            exchange: Exchange {
                settings,
                access,
                session,
                has_sessions,
                view: view.map(Box::new),
                answers,
            },
        })
    }
}

fn answer<S, B>(stop: &Stop, operations: Option<&Operations>) -> Next<S, B> {
    Next::Answer(refusal::refuse(stop.reason, &stop.answer, operations))
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
        let response = ready!(this.state.poll_response(cx, this.ends_connection));
        Poll::Ready(response.map(|mut response| {
            if let Some(cors) = this.cors {
                cors.apply(response.headers_mut());
            }
            response
        }))
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
                        return Poll::Ready(Ok(answer.map(OperationsBody::answer)));
                    }
                    None => return Poll::Pending,
                },
                StateProj::Waiting { verified, way } => {
                    let verified = ready!(verified.as_mut().poll(cx));
                    match (verified, way.take()) {
                        (Ok(access), Some(mut way)) => {
                            way.access = Some(access);
                            State::next((*way).enter())
                        }
                        (Err(answer), _) => State::answered(*answer),
                        (_, None) => State::Ended,
                    }
                }
                StateProj::Reading { reading, way } => {
                    let read = ready!(reading.poll_read(cx));
                    match (read, way.take()) {
                        (Ok(body), Some(way)) => {
                            *ends_connection = false;
                            match way.judge(body) {
                                // Nearly every service is ready; to store the request until it
                                // is asked would move it twice.
                                Next::Call(mut judged) => match judged.service.poll_ready(cx) {
                                    Poll::Ready(Ok(())) => State::inner(judged),
                                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                                    Poll::Pending => State::next(Next::Call(judged)),
                                },
                                next => State::next(next),
                            }
                        }
                        (Err(stop), _) => State::next(answer(&stop, None)),
                        (_, None) => State::Ended,
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
                    State::inner(judged)
                }
                StateProj::Inner { future, exchange } => {
                    let response = match ready!(future.poll(cx)) {
                        Ok(response) => response,
                        Err(error) => return Poll::Ready(Err(error)),
                    };
                    let Some(exchange) = exchange.take() else {
                        return Poll::Pending;
                    };
                    match exchange.leave(response) {
                        Leaving::Done(response) => return Poll::Ready(Ok(response)),
                        Leaving::Held(held) => State::Held { held },
                    }
                }
                StateProj::Held { held } => {
                    let response = ready!(held.poll_answer(cx));
                    state.set(State::Ended);
                    return Poll::Ready(Ok(response));
                }
                StateProj::Ended => return Poll::Pending,
            };
            state.set(next);
        }
    }
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

/// What clients must request for a scope, by an issuer's map.
fn to_request<'s>(scope: &'s str, requested: Option<&RequestedScopes>) -> Cow<'s, str> {
    match requested {
        Some(map) => map.of(scope).into_owned().into(),
        None => scope.into(),
    }
}
