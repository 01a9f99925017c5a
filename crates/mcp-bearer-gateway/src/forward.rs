//! The innermost service: sends a request that every layer accepted to the MCP server.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, LOCATION};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Error as ClientError, ResponseFuture};
use mcp_bearer::http::{FromExtensions as _, JudgedOperations, OperationBody};
use mcp_bearer::{AccessToken, Clock};
use memchr::memmem::Finder;
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tower_service::Service;

use crate::assertion::{Assertions, sha256};
use crate::audit::Recorded;
use crate::config::Settings;
use crate::fields::{self, Origin};
use crate::identity_headers::IDENTITY;
use crate::known_caller::KnownCaller;
use crate::lifetime::{CALL, End, Lived};
use crate::limits::{CallerKey, CallerPermit, RequestLimits, SlotRefusal};
use crate::metrics::Active;
use crate::observe;
use crate::observers::Observers;
use crate::own_answer::{NO_AUDIT_LOG, OwnAnswer, ServerFailed};
use crate::stream_revalidation::Rights;
#[cfg(feature = "otlp")]
use crate::traces::InBody;
use crate::upstream::Upstream;
use crate::without_trailers::WithoutTrailers;

/// The body of an answer: the server's, or our own.
pub(crate) type ServerBody = Either<Lived<Incoming, Permit>, Full<Bytes>>;

/// What is released when an answer ends.
pub(crate) enum Permit {
    Request {
        _permit: CallerPermit,
    },
    Stream {
        _permit: CallerPermit,
        _active: Active,
    },
}

/// What the outer parts know about a request, in its extensions.
#[derive(Clone)]
pub(crate) struct Passage {
    pub(crate) client: IpAddr,
    /// The same for `X-Forwarded-For`.
    pub(crate) client_text: HeaderValue,
    pub(crate) scheme: &'static str,
    pub(crate) began: std::time::Instant,
}

/// Sends requests to the server.
pub(crate) struct Forward<B = OperationBody<Incoming>>(Arc<Inner<B>>);

impl<B> Clone for Forward<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<B> {
    settings: Arc<Settings>,
    own_headers: [HeaderName; 4],
    /// Finds [`LISTEN`] many bytes at a time. Every body is searched.
    listen: Finder<'static>,
    upstream: Upstream<B>,
    rights: Arc<Rights>,
    limits: Arc<RequestLimits>,
    assertions: Option<Arc<Assertions>>,
    observers: Arc<Observers>,
}

impl<B> Forward<B> {
    pub(crate) fn new(
        settings: Arc<Settings>,
        upstream: Upstream<B>,
        rights: Arc<Rights>,
        limits: Arc<RequestLimits>,
        assertions: Option<Arc<Assertions>>,
        observers: Arc<Observers>,
    ) -> Self {
        Self(Arc::new(Inner {
            own_headers: settings.common.identity_headers.all(),
            listen: Finder::new(LISTEN),
            settings,
            upstream,
            rights,
            limits,
            assertions,
            observers,
        }))
    }
}

/// The body of a request that is forwarded.
pub(crate) trait Forwarded:
    Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static
{
    /// All its bytes, if they were read to judge it.
    fn bytes(&self) -> Option<&Bytes>;
}

impl Forwarded for OperationBody<Incoming> {
    fn bytes(&self) -> Option<&Bytes> {
        self.bytes()
    }
}

#[cfg(feature = "bench")]
impl Forwarded for Incoming {
    fn bytes(&self) -> Option<&Bytes> {
        None
    }
}

impl<B: Forwarded> Service<Request<B>> for Forward<B> {
    type Response = Response<ServerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        #[cfg(feature = "otlp")]
        let in_body = {
            let body = request.body().bytes().cloned();
            InBody::look(request.extensions_mut(), body.as_deref())
        };
        let access = request.extensions_mut().remove::<AccessToken>();
        // The request is sent before there is a future, which would hold it and be moved with it.
        let sent = inner.send(request, access.as_ref());
        Box::pin(async move {
            #[cfg_attr(
                not(feature = "otlp"),
                expect(unused_mut, reason = "only a span changes it")
            )]
            let mut answer = match sent {
                Err(own) => own_answer(own, access),
                Ok(sent) => inner.finish(sent, access).await,
            };
            #[cfg(feature = "otlp")]
            if let Some(in_body) = in_body {
                answer.extensions_mut().insert(in_body);
            }
            Ok(answer)
        })
    }
}

/// A request that was sent, and what its answer needs.
struct Sent {
    answer: ResponseFuture,
    operations: Option<JudgedOperations>,
    permit: Permit,
}

/// Our own answer. A reader of it sees who was refused.
fn own_answer(own: OwnAnswer, access: Option<AccessToken>) -> Response<ServerBody> {
    let mut answer = own.respond();
    if let Some(access) = access {
        answer.extensions_mut().insert(access);
    }
    answer.map(Either::Right)
}

const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");

/// The method of a subscription.
const LISTEN: &str = "subscriptions/listen";

const TOO_BUSY: OwnAnswer = OwnAnswer::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "too_many_requests_at_once",
    "too many requests are in progress",
)
.retry_after(1);

const CALLER_LIMIT: OwnAnswer = OwnAnswer::new(
    StatusCode::TOO_MANY_REQUESTS,
    "caller_limit",
    "too many requests of this caller",
);

const CALLER_REQUESTS: OwnAnswer = OwnAnswer::new(
    StatusCode::TOO_MANY_REQUESTS,
    "caller_requests",
    "this caller has too many requests in progress",
)
.retry_after(1);

const CALLER_STREAMS: OwnAnswer = OwnAnswer::new(
    StatusCode::TOO_MANY_REQUESTS,
    "caller_streams",
    "this caller has too many streams",
)
.retry_after(5);

const ALL_STREAMS: OwnAnswer = OwnAnswer::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "too_many_streams",
    "too many streams are open",
)
.retry_after(5);

const fn failed(reason: &'static str, text: &'static str) -> OwnAnswer {
    OwnAnswer::new(StatusCode::BAD_GATEWAY, reason, text)
}

impl<B: Forwarded> Inner<B> {
    fn send(&self, request: Request<B>, access: Option<&AccessToken>) -> Result<Sent, OwnAnswer> {
        let (mut parts, body) = request.into_parts();
        let operations = JudgedOperations::from_extensions(&parts.extensions).cloned();
        let passage = parts.extensions.remove::<Passage>();
        let Some(passage) = passage else {
            let internal = failed("internal", "the request came another way");
            return Err(internal);
        };
        let known = access.map(KnownCaller::find);
        let caller = self.caller(known.as_deref(), passage.client)?;
        let permit = if self.is_stream(&parts, operations.as_ref(), body.bytes()) {
            let permit = self.limits.begin_stream(caller);
            let _permit = permit.map_err(|refusal| match refusal {
                SlotRefusal::Full => ALL_STREAMS,
                SlotRefusal::CallerFull => CALLER_STREAMS,
            })?;
            let _active = self.observers.metrics.stream();
            Permit::Stream { _permit, _active }
        } else {
            let permit = self.limits.begin_request_of(caller);
            let _permit = permit.map_err(|refusal| match refusal {
                SlotRefusal::Full => TOO_BUSY,
                SlotRefusal::CallerFull => CALLER_REQUESTS,
            })?;
            Permit::Request { _permit }
        };
        let method = parts.method.clone();
        let (client, began) = (passage.client, passage.began);
        self.prepare(&mut parts, passage, known.as_deref())?;
        if let Some(value) = self.assertion(access, operations.as_ref(), &body)? {
            parts.headers.insert(AUTHORIZATION, value);
        }
        // Whatever could refuse it comes before: a request has one decision.
        self.record(client, began, &method, access, operations.as_ref())?;
        let request = Request::from_parts(parts, WithoutTrailers::new(body));
        Ok(Sent {
            answer: self.upstream.send(request),
            operations,
            permit,
        })
    }

    /// Waits for the answer of the server.
    async fn finish(&self, sent: Sent, access: Option<AccessToken>) -> Response<ServerBody> {
        let Sent {
            answer,
            operations,
            permit,
        } = sent;
        let answer = tokio::time::timeout(CALL, answer).await;
        match self.judge_answer(answer) {
            Ok(answer) => self.pass_on(answer, access, operations, permit),
            Err(own) => {
                let mut answer = own_answer(own, access);
                // The decision about the request was recorded when it was passed on.
                answer.extensions_mut().insert(ServerFailed);
                answer
            }
        }
    }

    /// The server's answer, if it may be passed on.
    fn judge_answer(
        &self,
        answer: Result<Result<Response<Incoming>, ClientError>, Elapsed>,
    ) -> Result<Response<Incoming>, OwnAnswer> {
        match answer {
            Ok(Ok(answer)) => self.check_answer(&answer).map(|()| answer),
            Ok(Err(error)) => Err(self.not_reached(&error)),
            Err(_) => {
                let text = "the server did not answer in time";
                let status = StatusCode::GATEWAY_TIMEOUT;
                Err(OwnAnswer::new(status, "server_too_slow", text))
            }
        }
    }

    fn pass_on(
        &self,
        answer: Response<Incoming>,
        access: Option<AccessToken>,
        operations: Option<JudgedOperations>,
        permit: Permit,
    ) -> Response<ServerBody> {
        let (mut parts, body) = answer.into_parts();
        fields::to_client(&mut parts.headers);
        let end = match &permit {
            Permit::Stream { .. } => {
                let rights = Arc::clone(&self.rights);
                End::When(Box::pin(rights.ended(access, operations)))
            }
            Permit::Request { .. } => End::At(Instant::now() + CALL),
        };
        let body = Lived::new(body, end, permit);
        Response::from_parts(parts, Either::Left(body))
    }

    /// Whether the answer is a long stream: a GET, or a subscription (since protocol 2026-07-28).
    /// Without rules the body was read and not parsed, so any mention in it counts.
    fn is_stream(
        &self,
        parts: &Parts,
        operations: Option<&JudgedOperations>,
        body: Option<&Bytes>,
    ) -> bool {
        let named = || {
            let named = parts.headers.get(MCP_METHOD);
            named.is_some_and(|method| method.as_bytes().trim_ascii() == LISTEN.as_bytes())
        };
        let mentioned = || body.is_some_and(|body| self.listen.find(body).is_some());
        parts.method == Method::GET
            || match operations {
                Some(operations) => operations.iter().any(|one| one.method() == LISTEN),
                None => named() || mentioned(),
            }
    }

    /// Records the request before it is passed on. What cannot be recorded is not passed on, if the
    /// operator wants that.
    fn record(
        &self,
        client: IpAddr,
        began: std::time::Instant,
        method: &Method,
        access: Option<&AccessToken>,
        operations: Option<&JudgedOperations>,
    ) -> Result<(), OwnAnswer> {
        self.observers.metrics.decided_in(began.elapsed());
        if access.is_some() && !self.observers.wants_grants() {
            self.observers.record_grant_cheaply();
            return Ok(());
        }
        let grant = observe::grant(client, method, access, operations);
        match self.observers.record(&grant) {
            Recorded::Done | Recorded::Dropped => Ok(()),
            Recorded::Refused => Err(NO_AUDIT_LOG),
        }
    }

    /// The caller, within the rate of one caller.
    fn caller(&self, known: Option<&KnownCaller>, client: IpAddr) -> Result<CallerKey, OwnAnswer> {
        let Some(known) = known else {
            return Ok(CallerKey::anonymous(client));
        };
        let caller = known.key;
        let checked = self.limits.check_caller(caller);
        checked.map_err(|wait| CALLER_LIMIT.retry_after(wait.seconds()))?;
        Ok(caller)
    }

    /// Makes the request one of ours.
    fn prepare(
        &self,
        parts: &mut Parts,
        passage: Passage,
        known: Option<&KnownCaller>,
    ) -> Result<(), OwnAnswer> {
        let host = parts.headers.get(HOST).cloned();
        let authority = || HeaderValue::try_from(parts.uri.authority()?.as_str()).ok();
        let origin = Origin {
            client: passage.client_text,
            scheme: passage.scheme,
            host: host.or_else(authority),
        };
        let server = self.upstream.host();
        fields::to_server(&mut parts.headers, server, origin, &self.own_headers);
        let named = self
            .settings
            .common
            .identity_headers
            .set(&mut parts.headers, known);
        // An assertion names every caller.
        if named.is_err() && self.assertions.is_none() {
            return Err(IDENTITY);
        }
        parts.extensions.clear();
        parts.version = Version::HTTP_11;
        let uri = self.upstream.uri(parts.uri.query());
        parts.uri = uri.map_err(|_| {
            let text = "the query cannot be forwarded";
            OwnAnswer::new(StatusCode::BAD_REQUEST, "query", text)
        })?;
        Ok(())
    }

    /// What we say about the caller to the server. A caller without a token gets none.
    fn assertion(
        &self,
        access: Option<&AccessToken>,
        operations: Option<&JudgedOperations>,
        body: &B,
    ) -> Result<Option<HeaderValue>, OwnAnswer> {
        let (Some(assertions), Some(access)) = (&self.assertions, access) else {
            return Ok(None);
        };
        let hash = body.bytes().map(|bytes| sha256(bytes));
        let now = Clock::system().now();
        let signed = assertions.sign(access, operations.map(|judged| &**judged), hash, now);
        signed.map(Some).map_err(|why| {
            tracing::error!(target: "mcp_bearer::gateway", %why, "no assertion can be signed");
            failed("assertion", "the gateway cannot sign for the server")
        })
    }

    fn not_reached(&self, error: &ClientError) -> OwnAnswer {
        let why = error_chain(error);
        tracing::warn!(
            target: "mcp_bearer::gateway",
            upstream = %self.settings.upstream,
            error = %why,
            "the server cannot be reached"
        );
        if error.is_connect() {
            failed("server_unreachable", "the server cannot be reached").retry_after(1)
        } else {
            failed("server_broke_off", "the server broke off")
        }
    }

    /// Refuses answers that would mislead a client.
    fn check_answer(&self, answer: &Response<Incoming>) -> Result<(), OwnAnswer> {
        let (reason, text) = match answer.status() {
            // Its challenge is for our request, not for the client's.
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => (
                "server_wants_credentials",
                "the server asks the gateway for credentials",
            ),
            StatusCode::SWITCHING_PROTOCOLS => {
                ("server_switches_protocols", "the server switches protocols")
            }
            status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
                ("server_redirects", "the server redirects")
            }
            _ => return Ok(()),
        };
        let location = answer.headers().get(LOCATION);
        let location = location.map(|value| format!("{value:?}"));
        tracing::warn!(
            target: "mcp_bearer::gateway",
            status = answer.status().as_u16(),
            location = location.as_deref(),
            "{text}; clients get 502. If it redirects, set `upstream` to that address"
        );
        Err(failed(reason, text))
    }
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
