//! [`Judging`]: decides about one request, by its headers and then by its body.

use std::borrow::Cow;
use std::sync::Arc;

use ::http::{Method, Request, Response};
use http_body::Body;
use mcp_bearer_core::operation::{
    Answers, Caller, Decision, Operations, RequestHeaders, RpcAnswer,
};
use mcp_bearer_core::{AccessToken, Rejection, RequestedScopes};

use super::entry::{self, JudgedOperations, Kind, Outline, Stop};
use super::exit::{Asked, Exchange};
use super::refusal::{self, Reason};
use super::settings::{BodyLimits, Settings};
use crate::http::answer_body::AnswerBody;
use crate::http::future::Verified;
use crate::http::guard::{Denial, Guard, Verdict};
use crate::http::preflight;
use crate::http::session::Principal;

/// What the layer decides by. Its services and requests share it.
#[derive(Debug)]
pub(super) struct Judging {
    pub(super) guard: Guard,
    pub(super) settings: Settings,
}

/// What happens to a request next. It is a value of its own, so that the request, which is large,
/// is moved only once.
pub(super) enum Step {
    /// It is passed on. It was prepared for that.
    Pass(Exchange),
    /// Its body must be read.
    Read(Known),
    /// Its token may need newer keys.
    Wait(Verified),
    Answer(Denial),
}

/// What is known of a request.
#[derive(Default)]
pub(super) struct Known {
    /// `None` if the caller has no token.
    access: Option<AccessToken>,
    /// The server's id of the session that the request names.
    session: Option<String>,
    /// Whether the protocol version of the request has sessions.
    has_sessions: bool,
}

impl Judging {
    /// Decides by the headers, as far as that needs no waiting.
    #[inline]
    pub(super) fn begin<B: Body>(self: &Arc<Self>, request: &mut Request<B>) -> Step {
        if self.settings.rules.has_anonymous() && !self.guard.has_credential(request.headers()) {
            if request.method() == Method::POST {
                return self.enter(request, None);
            }
            if self.wants_anonymous_stream(request) {
                let why = "a session without a token has neither a stream nor an end";
                let answer = RpcAnswer::of_transport(405, why);
                let answer = refusal::refuse(Reason::NoStream, &answer, None);
                return Step::Answer(Box::new(answer));
            }
        }
        let (method, headers, body) = (request.method(), request.headers(), request.body());
        match self.guard.check(method, headers, body) {
            Verdict::Granted(access) => self.enter(request, Some(access)),
            // It has no token and nothing to judge.
            Verdict::Preflight => {
                preflight::strip(request.headers_mut());
                let has_sessions = Outline::of(request.headers()).has_sessions;
                let known = Known {
                    has_sessions,
                    ..Known::default()
                };
                Step::Pass(Arc::clone(self).pass(request, known, None))
            }
            Verdict::Denied(answer) | Verdict::Answered(answer) => Step::Answer(answer),
            Verdict::NeedsKeys { token, needs } => {
                let verified = self.guard.clone().check_with_newer_keys(token, needs);
                Step::Wait(Box::pin(verified))
            }
        }
    }

    /// Whether a request opens the stream of a session that was started without a token, or ends
    /// that session. A 401 would make clients sign in as soon as they are connected; after a 405
    /// they continue without.
    fn wants_anonymous_stream<B>(&self, request: &Request<B>) -> bool {
        matches!(*request.method(), Method::GET | Method::DELETE)
            && entry::names_anonymous_session(&self.settings, request.headers())
    }

    /// Everything that the headers decide after the token.
    #[inline]
    pub(super) fn enter<B: Body>(
        self: &Arc<Self>,
        request: &mut Request<B>,
        access: Option<AccessToken>,
    ) -> Step {
        let mut known = Known {
            access,
            ..Known::default()
        };
        match self.check_headers(request, &mut known) {
            Err(stop) => {
                let answer = refusal::refuse(stop.reason, &stop.answer, None);
                Step::Answer(refused(Box::new(answer), known.access.as_ref()))
            }
            Ok(Kind::WithoutBody) => match self.check_body_hash(known.access.as_ref(), &[]) {
                Ok(()) => Step::Pass(Arc::clone(self).pass(request, known, None)),
                Err(rejection) => {
                    let answer = self.guard.challenge(&rejection);
                    Step::Answer(refused(Box::new(answer), known.access.as_ref()))
                }
            },
            Ok(Kind::Post) if self.settings.reads_bodies() => Step::Read(known),
            Ok(Kind::Post) => Step::Pass(Arc::clone(self).pass(request, known, None)),
        }
    }

    /// Decides about a request whose body was read: it is passed on or answered.
    pub(super) fn judge_body<B>(
        self: Arc<Self>,
        request: &mut Request<B>,
        body: &[u8],
        known: Known,
    ) -> Result<Exchange, Denial> {
        let access = known.access.as_ref();
        if let Err(rejection) = self.check_body_hash(access, body) {
            return Err(refused(Box::new(self.guard.challenge(&rejection)), access));
        }
        if self.settings.rules.is_none() {
            return Ok(self.pass(request, known, None));
        }
        let headers = entry::operation_headers(request.headers());
        match self.judge(body, &headers, &known) {
            Ok(operations) => Ok(self.pass(request, known, Some(operations))),
            Err(answer) => Err(refused(answer, access)),
        }
    }

    /// How much of a body is read, and for how long.
    pub(super) fn limits(&self, known: &Known) -> BodyLimits {
        if known.access.is_none() {
            self.settings.anonymous_body
        } else {
            self.settings.body
        }
    }

    #[inline]
    fn check_headers<B: Body>(
        &self,
        request: &mut Request<B>,
        known: &mut Known,
    ) -> Result<Kind, Stop> {
        let kind = entry::kind(request.method())?;
        let has_body = |body: &B| !body.is_end_stream() && body.size_hint().exact() != Some(0);
        if kind == Kind::WithoutBody && has_body(request.body()) {
            let why = "this method has no body";
            return Err(entry::stop(Reason::BadRequest, 400, why));
        }
        let headers = request.headers_mut();
        if kind == Kind::Post && !self.settings.rules.is_none() {
            entry::check_type(headers)?;
        }
        let outline = Outline::of(headers);
        known.has_sessions = outline.has_sessions;
        // The principal is read from the claims, which most requests of 2026-07-28 do not need.
        if !outline.is_bound {
            return Ok(kind);
        }
        let principal = match &known.access {
            Some(access) => Principal::of(access),
            None => Some(Principal::Anonymous),
        };
        known.session = entry::enter_session(&self.settings, principal, headers)?;
        entry::enter_event(&self.settings, principal, known.session.as_deref(), headers)?;
        Ok(kind)
    }

    /// The token of a caller must be for this body, if the layer requires that.
    fn check_body_hash(&self, access: Option<&AccessToken>, body: &[u8]) -> Result<(), Rejection> {
        match access {
            Some(access) if self.settings.needs_body_hash => access.require_body_hash(body),
            _ => Ok(()),
        }
    }

    fn with_caller<T>(&self, known: &Known, ask: impl FnOnce(Caller<'_>) -> T) -> T {
        let Some(access) = &known.access else {
            return ask(Caller::anonymous());
        };
        let required = self.guard.provider().required_scopes_for(access);
        let caller = Caller::with_token(access, &required);
        ask(if known.session.is_some() {
            caller.in_bound_session()
        } else {
            caller
        })
    }

    /// The operations of a body, if the rules allow them all; else our answer.
    fn judge(
        &self,
        body: &[u8],
        headers: &RequestHeaders<'_>,
        known: &Known,
    ) -> Result<Operations, Denial> {
        let operations = match Operations::read(body, headers) {
            Ok(operations) => operations,
            Err(answer) => {
                let answer = refusal::refuse(Reason::BadRequest, &answer, None);
                return Err(Box::new(answer));
            }
        };
        let decision = self.with_caller(known, |caller| {
            self.settings.rules.judge(&operations, &caller)
        });
        let (reason, answer) = match decision {
            Decision::Allowed => return Ok(operations),
            Decision::NeedsToken(scopes) => {
                let answer = self.guard.ask_for_token(|requested| {
                    scopes.to_request(|scope| to_request(scope, requested))
                });
                return Err(Box::new(with_operations(answer, operations)));
            }
            Decision::NeedsScopes(scopes) => {
                let requested = known.access.as_ref().map(AccessToken::requested_scopes);
                let rejection = scopes.rejection(|scope| to_request(scope, requested));
                let answer = self.guard.challenge(&rejection);
                return Err(Box::new(with_operations(answer, operations)));
            }
            Decision::Refused(answer) => (Reason::Refused, answer),
            Decision::Hidden(answer) => (Reason::Hidden, answer),
            Decision::BadRequest(answer) => (Reason::BadRequest, answer),
        };
        let answer = refusal::refuse(reason, &answer, Some(&operations));
        Err(Box::new(answer))
    }

    /// Prepares a request for the inner service.
    #[inline]
    fn pass<B>(
        self: Arc<Self>,
        request: &mut Request<B>,
        mut known: Known,
        operations: Option<Operations>,
    ) -> Exchange {
        if !request.extensions().is_empty() {
            request.extensions_mut().remove::<JudgedOperations>();
        }
        let access = known.access.clone();
        if self.settings.is_before_proxy {
            self.guard.prepare_for_proxy(request, access);
        } else {
            self.guard.prepare(request, access);
        }
        let asked = if known.session.is_none() && self.settings.rules.is_none() {
            None
        } else {
            Some(self.asked(request, &mut known, operations))
        };
        Exchange {
            judging: self,
            access: known.access,
            has_sessions: known.has_sessions,
            asked,
        }
    }

    /// What must be known of a request if there are rules or it names a session.
    fn asked<B>(
        &self,
        request: &mut Request<B>,
        known: &mut Known,
        operations: Option<Operations>,
    ) -> Box<Asked> {
        let view = self.with_caller(known, |caller| self.settings.rules.list_view(&caller));
        if view.is_some() {
            entry::ask_for_plain_answer(request.headers_mut());
        }
        let answers = operations.as_ref();
        let answers = answers.map_or_else(Answers::to_unknown, Answers::to);
        if let Some(operations) = operations {
            let operations = JudgedOperations(Arc::new(operations));
            request.extensions_mut().insert(operations);
        }
        Box::new(Asked {
            session: known.session.take(),
            view,
            answers,
        })
    }
}

/// Our answer to a request that is not passed on. It names its caller to services in front.
fn refused(mut answer: Denial, access: Option<&AccessToken>) -> Denial {
    if let Some(access) = access {
        answer.extensions_mut().insert(access.clone());
    }
    answer
}

/// A challenge with the operations that were read: services in front see which.
fn with_operations(
    mut answer: Response<AnswerBody>,
    operations: Operations,
) -> Response<AnswerBody> {
    let operations = JudgedOperations(Arc::new(operations));
    answer.extensions_mut().insert(operations);
    answer
}

/// What clients must request for a scope, by an issuer's map.
fn to_request<'s>(scope: &'s str, requested: Option<&RequestedScopes>) -> Cow<'s, str> {
    match requested {
        Some(map) => map.of(scope).into_owned().into(),
        None => scope.into(),
    }
}
