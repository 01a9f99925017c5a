//! The order of everything that happens to a request.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, CACHE_CONTROL,
    CONTENT_TYPE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use mcp_bearer::http::{
    AnswerBody, BearerAuthLayer, Cors, FromExtensions as _, MetadataService, OperationRefusal,
    OperationsBody, OperationsService, Preflight, Resource, SessionKeys,
};
use mcp_bearer::{ConfigError, Rejection};
#[cfg(feature = "bench")]
use tower_service::Service as _;

use crate::assertion::Assertions;
use crate::config::{GatewayConfig, Settings};
use crate::fields;
use crate::forward::{Forward, Passage, ServerBody};
use crate::limits::RequestLimits;
use crate::observe::{self, Asked};
use crate::observers::Observers;
use crate::own_answer::{NO_AUDIT_LOG, OwnAnswer, Reason};
use crate::peer::{address_text, client_address, is_trusted};
use crate::request_form::{self, Paths, Place};
use crate::serve::{Connection, Serve};
use crate::stream_revalidation::Rights;
#[cfg(feature = "otlp")]
use crate::traces::Traces;
use crate::upstream::Upstream;

/// The body of every answer.
pub(crate) type Body = Either<Passed, Either<AnswerBody, Full<Bytes>>>;

#[cfg(not(feature = "bench"))]
type Passed = OperationsBody<ServerBody>;

#[cfg(feature = "bench")]
type Passed = Either<OperationsBody<ServerBody>, ServerBody>;

/// Everything that one configuration makes. A reload replaces it whole.
pub(crate) struct Stack {
    settings: Arc<Settings>,
    paths: Paths,
    preflight: Preflight,
    metadata: MetadataService,
    observers: Arc<Observers>,
    /// The header that holds the token.
    credential: HeaderName,
    #[cfg(feature = "otlp")]
    traces: Option<Arc<Traces>>,
    limits: Arc<RequestLimits>,
    upstream: Upstream,
    assertions: Option<Arc<Assertions>>,
    service: OperationsService<Forward>,
    #[cfg(feature = "bench")]
    open: Option<Forward<Incoming>>,
}

/// What outlives a configuration.
pub(crate) struct Kept {
    #[cfg(feature = "otlp")]
    pub(crate) traces: Option<Arc<Traces>>,
    pub(crate) observers: Arc<Observers>,
    pub(crate) rights: Arc<Rights>,
    /// Binds sessions if no keys are configured; `None` without randomness, and no session passes.
    pub(crate) session_keys: Option<SessionKeys>,
}

impl Stack {
    /// Makes everything; nothing is served yet. What the one before it can pass on is kept:
    /// connections to the server, and what addresses have used of their limits.
    pub(crate) fn new(
        config: GatewayConfig,
        kept: &Kept,
        before: Option<&Self>,
    ) -> Result<Self, Error> {
        let GatewayConfig {
            mut server,
            settings,
        } = config;
        let settings = Arc::new(settings);
        let upstream = match before {
            Some(before) if before.has_same_upstream(&settings) => before.upstream.clone(),
            _ => {
                let ca_file = settings.upstream_ca_file.as_deref();
                Upstream::new(&settings.upstream, ca_file).map_err(Error::Other)?
            }
        };
        let limits = match before {
            Some(before) if before.settings.common.limits == settings.common.limits => {
                Arc::clone(&before.limits)
            }
            _ => Arc::new(RequestLimits::new(&settings.common.limits)),
        };
        if server.session_keys.is_none() {
            server.session_keys.clone_from(&kept.session_keys);
        }
        let credential = server.token_header.as_deref().unwrap_or("authorization");
        let credential = HeaderName::try_from(credential).unwrap_or(AUTHORIZATION);
        let preflight = preflight(&settings);
        let mut layer = server.layer_with_preflight(preflight.clone())?;
        let assertions = settings.assertion.as_ref().map(Assertions::load);
        let assertions = assertions.transpose().map_err(Error::Other)?.map(Arc::new);
        // Within its limits of size and time. A body that is still being sent while the server
        // answers could begin the next request of another caller.
        layer = layer.read_bodies_whole().before_proxy();
        let auth: &BearerAuthLayer<Resource> = layer.auth();
        let metadata = auth.metadata_service();
        let paths = Paths {
            endpoint: settings.common.resource.path().to_owned(),
            metadata: metadata.path().to_owned(),
        };
        let rights = Arc::clone(&kept.rights);
        let forward = Forward::new(
            Arc::clone(&settings),
            upstream.clone(),
            rights,
            Arc::clone(&limits),
            assertions.clone(),
            Arc::clone(&kept.observers),
        );
        Ok(Self {
            service: layer.layer(forward),
            #[cfg(feature = "bench")]
            open: None,
            settings,
            paths,
            preflight,
            metadata,
            observers: Arc::clone(&kept.observers),
            #[cfg(feature = "otlp")]
            traces: kept.traces.clone(),
            credential,
            limits,
            upstream,
            assertions,
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether connections to the server can be kept. A CA file may have another content.
    fn has_same_upstream(&self, settings: &Settings) -> bool {
        let own = &self.settings;
        own.upstream == settings.upstream
            && own.upstream_ca_file.is_none()
            && settings.upstream_ca_file.is_none()
    }

    /// The same without authentication and operations, to measure what they cost.
    #[cfg(feature = "bench")]
    pub(crate) fn without_authentication(mut self, kept: &Kept) -> Result<Self, Error> {
        let settings = Arc::clone(&self.settings);
        let upstream = Upstream::new(&settings.upstream, settings.upstream_ca_file.as_deref());
        let upstream = upstream.map_err(Error::Other)?;
        self.open = Some(Forward::new(
            settings,
            upstream,
            Arc::clone(&kept.rights),
            Arc::clone(&self.limits),
            None,
            Arc::clone(&kept.observers),
        ));
        Ok(self)
    }

    /// Everything that is decided before the token is read: our own answer, if that is all.
    ///
    /// No future, because each future that awaits another one moves it and the request in it.
    fn answer_before_authentication(
        &self,
        client: IpAddr,
        request: &mut Request<Incoming>,
    ) -> Option<Response<Body>> {
        if let Err(wait) = self.limits.check_peer(client) {
            let answer = TOO_MANY.retry_after(wait.seconds());
            return Some(self.turn_away(&answer, request));
        }
        if !self.observers.may_serve() {
            return Some(self.turn_away(&NO_AUDIT_LOG, request));
        }
        let place = request_form::check(request, &self.settings, &self.paths);
        // What was judged must be what the server gets.
        fields::enter(request.headers_mut());
        let refusal = match place {
            Ok(Place::Endpoint) => return None,
            Ok(Place::Metadata) => {
                let answer = self.metadata.respond(request.method());
                return Some(answer.map(|body| Either::Right(Either::Left(body))));
            }
            Ok(Place::AssertionKeys) if *request.method() == Method::GET => {
                return Some(self.assertion_keys());
            }
            Ok(Place::AssertionKeys) => request_form::METHOD,
            Err(refusal) => refusal,
        };
        Some(self.turn_away(&refusal, request))
    }

    /// An answer of ours to a request that nothing else has looked at. A page that may call can
    /// read it.
    fn turn_away(&self, answer: &OwnAnswer, request: &Request<Incoming>) -> Response<Body> {
        let mut answer = answer.respond();
        if let Some(grant) = self.preflight.grant(request.headers()) {
            grant.apply(answer.headers_mut());
        }
        own(answer)
    }

    /// The public keys that verify our assertions. They are for everybody.
    fn assertion_keys(&self) -> Response<Body> {
        let Some(assertions) = &self.assertions else {
            return own(request_form::UNKNOWN_PATH.respond());
        };
        let mut answer = Response::new(Full::from(assertions.jwks_json()));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=300"),
        );
        own(answer)
    }

    /// Counts an answer that denies something. Too many of them take the place of their reasons.
    fn count(&self, client: IpAddr, answer: Response<Body>) -> Response<Body> {
        if is_denial(&answer)
            && let Err(wait) = self.limits.count_denial(client)
        {
            let mut later = TOO_MANY_DENIALS.retry_after(wait.seconds()).respond();
            copy_cors(answer.headers(), later.headers_mut());
            return own(later);
        }
        answer
    }
}

impl Serve for Stack {
    type Body = Body;

    const HTTP2_STREAMS: u32 = 128;

    fn connection_age(&self) -> Option<Duration> {
        None
    }

    fn connections_of(&self, peer: IpAddr) -> Option<usize> {
        let most = self.settings.common.limits.connections_per_peer;
        let is_proxy = is_trusted(peer.to_canonical(), &self.settings.common.trusted_proxies);
        (!is_proxy).then_some(most)
    }

    async fn answer(
        &self,
        connection: Connection,
        mut request: Request<Incoming>,
    ) -> Response<Body> {
        let peer = connection.peer.ip();
        let client = client_address(
            peer,
            request.headers(),
            &self.settings.common.trusted_proxies,
        );
        let client_text = if client == peer.to_canonical() {
            connection.peer_text
        } else {
            address_text(client)
        };
        let asked = Asked {
            client,
            method: request.method().clone(),
            credential: request.headers().get(&self.credential).cloned(),
        };
        #[cfg(feature = "otlp")]
        let span = self.traces.as_ref().map(|traces| {
            let span = traces.begin(request.headers());
            span.propagate(request.headers_mut());
            span.ask_body(request.extensions_mut());
            span
        });
        let answer = if let Some(answer) = self.answer_before_authentication(client, &mut request) {
            answer
        } else {
            request.extensions_mut().insert(Passage {
                client,
                client_text,
                scheme: connection.scheme,
                began: std::time::Instant::now(),
            });
            // Authentication, operations, and the server.
            #[cfg(not(feature = "bench"))]
            let answer = self.service.clone().call_once(request).await;
            #[cfg(feature = "bench")]
            let answer = match self.open.clone() {
                Some(mut open) => open
                    .call(request)
                    .await
                    .map(|answer| answer.map(Either::Right)),
                None => {
                    let answer = self.service.clone().call_once(request).await;
                    answer.map(|answer| answer.map(Either::Left))
                }
            };
            let answer: Result<_, Infallible> = answer;
            match answer {
                Ok(answer) => answer.map(Either::Left),
                Err(never) => match never {},
            }
        };
        let answer = self.count(client, answer);
        // A request that was passed on was counted then.
        let refusal = observe::refusal(&asked, &answer);
        match &refusal {
            Some(refusal) if COUNTED_ONLY.contains(&refusal.reason) => {
                self.observers.count(refusal);
            }
            Some(refusal) => drop(self.observers.record(refusal)),
            None => {}
        }
        #[cfg(feature = "otlp")]
        if let Some(mut span) = span {
            span.link_body(answer.extensions());
            let status = answer.status().as_u16();
            span.end(&refusal.unwrap_or_else(|| observe::passed(&asked, status)));
        }
        answer
    }
}

/// Reasons of refusals that are counted and not written: anyone can cause them as fast as they
/// like.
const COUNTED_ONLY: [&str; 3] = [
    TOO_MANY.reason,
    TOO_MANY_DENIALS.reason,
    NO_AUDIT_LOG.reason,
];

const TOO_MANY_DENIALS: OwnAnswer = OwnAnswer::new(
    StatusCode::TOO_MANY_REQUESTS,
    "denial_limit",
    "too many refused requests from this address",
);

const TOO_MANY: OwnAnswer = OwnAnswer::new(
    StatusCode::TOO_MANY_REQUESTS,
    "peer_limit",
    "too many requests from this address",
);

/// Another answer takes the place of this one, for the same page.
fn copy_cors(from: &HeaderMap, to: &mut HeaderMap) {
    for name in [
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        VARY,
    ] {
        for value in from.get_all(&name) {
            to.append(&name, value.clone());
        }
    }
}

fn own(answer: Response<Full<Bytes>>) -> Response<Body> {
    answer.map(|body| Either::Right(Either::Right(body)))
}

/// Whether we refused a request for what its sender did. What the server answers is its own affair.
fn is_denial(answer: &Response<Body>) -> bool {
    let extensions = answer.extensions();
    let ours = Rejection::from_extensions(extensions).is_some()
        || OperationRefusal::from_extensions(extensions).is_some()
        || extensions.get::<Reason>().is_some();
    let status = answer.status();
    ours && status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS
}

/// The gateway answers CORS itself; without a page that may call, preflights are refused.
fn preflight(settings: &Settings) -> Preflight {
    let origins = settings.common.allowed_origins.iter().cloned();
    Cors::origins(origins).map_or(Preflight::Refuse, Preflight::Answer)
}

/// Why a configuration cannot be served.
#[derive(Debug)]
pub(crate) enum Error {
    Config(ConfigError),
    Other(String),
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
