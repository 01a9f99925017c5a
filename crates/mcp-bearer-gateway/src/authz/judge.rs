//! [`Judge`]: decides about the request that a proxy reports.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full};
use mcp_bearer::http::{Guard, MetadataService, OperationsService, Preflight};
use mcp_bearer::{ConfigError, Rejection};
use tower_service::Service as _;

use super::allow::{Allow, Allowed, Passage};
use super::original::Original;
use crate::config::{AuthzConfig, AuthzSettings};
use crate::fields;
use crate::limits::RequestLimits;
use crate::observe::{self, Asked};
use crate::observers::Observers;
use crate::own_answer::{NO_AUDIT_LOG, OwnAnswer};
use crate::request_form::{UNKNOWN_PATH, check_origin};
use crate::stack::Kept;

/// After how long a client that waited for keys in vain asks again.
const RETRY: Duration = Duration::from_secs(1);

/// Everything that one configuration makes. A reload replaces it whole.
pub(super) struct Judge {
    settings: AuthzSettings,
    observers: Arc<Observers>,
    limits: Arc<RequestLimits>,
    metadata: MetadataService,
    guard: Guard,
    has_rules: bool,
    /// The header that holds the token.
    credential: HeaderName,
    identity: [HeaderName; 4],
    service: OperationsService<Allow>,
}

/// What a proxy must do.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Forward the request with these identity headers.
    Allowed(HeaderMap),
    /// Give this answer to the client, whatever its status is.
    Denied(Response<Full<Bytes>>),
}

impl Judge {
    /// # Errors
    /// Every problem at once.
    pub(super) fn new(
        config: AuthzConfig,
        kept: &Kept,
        before: Option<&Self>,
    ) -> Result<Self, ConfigError> {
        let AuthzConfig { server, settings } = config;
        let common = &settings.common;
        let limits = match before {
            Some(before) if before.settings.common.limits == common.limits => {
                Arc::clone(&before.limits)
            }
            _ => Arc::new(RequestLimits::new(&common.limits)),
        };
        let observers = Arc::clone(&kept.observers);
        let credential = server.token_header.as_deref().unwrap_or("authorization");
        let credential = HeaderName::try_from(credential).unwrap_or(AUTHORIZATION);
        let has_rules = !server.rules.is_none();
        let preflight = if settings.pass_preflights {
            Preflight::PassOn
        } else {
            Preflight::Refuse
        };
        let layer = server.layer_with_preflight(preflight)?;
        let allow = Allow {
            names: Arc::new(common.identity_headers.clone()),
            observers: Arc::clone(&observers),
        };
        Ok(Self {
            metadata: layer.auth().metadata_service(),
            guard: layer.auth().guard().clone(),
            service: layer.layer(allow),
            identity: common.identity_headers.all(),
            settings,
            observers,
            limits,
            has_rules,
            credential,
        })
    }

    pub(super) fn settings(&self) -> &AuthzSettings {
        &self.settings
    }

    /// The header that holds the token.
    pub(super) fn credential(&self) -> &HeaderName {
        &self.credential
    }

    /// The headers that only we may set.
    pub(super) fn identity(&self) -> &[HeaderName] {
        &self.identity
    }

    /// The RFC 9728 document, which is for everybody, if this is its path.
    pub(super) fn metadata(&self, method: &Method, path: &str) -> Option<Response<Bytes>> {
        if path != self.metadata.path() {
            return None;
        }
        let (parts, body) = self.metadata.respond(method).into_parts();
        let body = futures_util::FutureExt::now_or_never(body.collect());
        let body = body.and_then(Result::ok).map(Collected::to_bytes);
        Some(Response::from_parts(parts, body.unwrap_or_default()))
    }

    /// Decides, and records the decision.
    pub(super) async fn judge(&self, original: Original) -> Verdict {
        let asked = Asked {
            client: original.client,
            method: original.method.clone(),
            credential: original.headers.get(&self.credential).cloned(),
        };
        let answer = match self.ask(original).await {
            Ok(answer) => answer,
            Err(own) => own.respond(),
        };
        // A request that is allowed was counted then.
        if let Some(refusal) = observe::refusal(&asked, &answer) {
            let _ = self.observers.record(&refusal);
        }
        let (mut parts, body) = answer.into_parts();
        match parts.extensions.remove::<Allowed>() {
            Some(Allowed(identity)) => Verdict::Allowed(identity),
            None => Verdict::Denied(Response::from_parts(parts, body)),
        }
    }

    /// Records a request that the proxy describes too badly to be judged.
    pub(super) fn refuse(&self, asked: &Asked, why: OwnAnswer) -> Verdict {
        let answer = why.respond();
        if let Some(refusal) = observe::refusal(asked, &answer) {
            let _ = self.observers.record(&refusal);
        }
        Verdict::Denied(answer)
    }

    async fn ask(&self, original: Original) -> Result<Response<Full<Bytes>>, OwnAnswer> {
        let began = Instant::now();
        if !self.observers.may_serve() {
            return Err(NO_AUDIT_LOG);
        }
        let _permit = self.limits.begin_request().ok_or(TOO_BUSY)?;
        let Original {
            client,
            method,
            path,
            mut headers,
            body,
        } = original;
        // Compared byte for byte: `//`, `%2f` and `..` are other paths.
        if path.path() != self.settings.common.resource.path() {
            return Err(UNKNOWN_PATH);
        }
        check_origin(&headers, &self.settings.common.allowed_origins)?;
        let checks = self.settings.upstream_checks_headers;
        let body = body.judged(&method, &mut headers, self.has_rules, checks)?;
        fields::enter(&mut headers);
        // Without the server's answers we bind no session, so we judge none.
        headers.remove("mcp-session-id");
        headers.remove("last-event-id");
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.into();
        *request.headers_mut() = headers;
        request.extensions_mut().insert(Passage { client, began });
        Ok(self.call(request).await)
    }

    /// Asks the layer. A wait for keys ends before the proxy's patience does.
    async fn call(&self, request: Request<Full<Bytes>>) -> Response<Full<Bytes>> {
        let called = self.service.clone().call(request);
        match tokio::time::timeout(self.settings.key_wait, called).await {
            Ok(answer) => {
                let answer: Result<_, Infallible> = answer;
                let answer = match answer {
                    Ok(answer) => answer,
                    Err(never) => match never {},
                };
                whole(answer).await
            }
            Err(_) => {
                let why = "no keys came while the proxy could wait (authz.proxy_timeout)";
                let rejection = Rejection::keys_unavailable(why, RETRY);
                whole(self.guard.challenge(&rejection)).await
            }
        }
    }
}

/// Our own answers are at hand, so this waits for nothing.
async fn whole<B: http_body::Body<Data = Bytes>>(answer: Response<B>) -> Response<Full<Bytes>> {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map(Collected::to_bytes);
    Response::from_parts(parts, Full::new(body.unwrap_or_default()))
}

const TOO_BUSY: OwnAnswer = OwnAnswer::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "too_many_requests_at_once",
    "too many requests are in progress",
)
.retry_after(1);
