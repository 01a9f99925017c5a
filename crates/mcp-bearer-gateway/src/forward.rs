//! The innermost service: sends a request that every layer accepted to the MCP server.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HOST, LOCATION};
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use mcp_bearer::AccessToken;
use mcp_bearer::http::{FromExtensions as _, JudgedOperations, OperationBody};
use tokio::time::Instant;
use tower_service::Service;

use crate::config::Settings;
use crate::fields::{self, Origin};
use crate::lifetime::{CALL, End, Lived};
use crate::own_answer::OwnAnswer;
use crate::rights::Rights;
use crate::upstream::Upstream;
use crate::without_trailers::WithoutTrailers;

/// The body of an answer: the server's, or our own.
pub(crate) type ServerBody = Either<Lived<Incoming, Permit>, Full<Bytes>>;

/// What is released when an answer ends.
pub(crate) type Permit = Option<Arc<dyn Send + Sync>>;

/// What the outer parts know about a request, in its extensions.
#[derive(Clone)]
pub(crate) struct Passage {
    pub(crate) client: IpAddr,
    pub(crate) scheme: &'static str,
    pub(crate) permit: Permit,
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
    upstream: Upstream<B>,
    rights: Arc<Rights>,
}

impl<B> Forward<B> {
    pub(crate) fn new(settings: Arc<Settings>, upstream: Upstream<B>, rights: Arc<Rights>) -> Self {
        Self(Arc::new(Inner {
            own_headers: settings.identity_headers.all(),
            settings,
            upstream,
            rights,
        }))
    }
}

impl<B> Service<Request<B>> for Forward<B>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static,
{
    type Response = Response<ServerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let answer = inner.forward(request).await;
            Ok(answer.unwrap_or_else(|own| own.respond().map(Either::Right)))
        })
    }
}

const fn failed(reason: &'static str, text: &'static str) -> OwnAnswer {
    OwnAnswer::new(StatusCode::BAD_GATEWAY, reason, text)
}

impl<B> Inner<B>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static,
{
    async fn forward(&self, request: Request<B>) -> Result<Response<ServerBody>, OwnAnswer> {
        let (mut parts, body) = request.into_parts();
        let access = AccessToken::from_extensions(&parts.extensions).cloned();
        let operations = JudgedOperations::from_extensions(&parts.extensions).cloned();
        let passage = parts.extensions.remove::<Passage>();
        let Some(passage) = passage else {
            return Err(failed("internal", "the request came another way"));
        };
        let is_stream = is_stream(&parts, operations.as_ref());
        self.prepare(&mut parts, &passage, access.as_ref())?;
        let request = Request::from_parts(parts, WithoutTrailers::new(body));
        let answer = tokio::time::timeout(CALL, self.upstream.send(request)).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.not_reached(&error)),
            Err(_) => {
                let text = "the server did not answer in time";
                let status = StatusCode::GATEWAY_TIMEOUT;
                return Err(OwnAnswer::new(status, "server_too_slow", text));
            }
        };
        let (mut parts, body) = answer.into_parts();
        self.check_answer(&parts)?;
        fields::to_client(&mut parts.headers);
        let end = if is_stream {
            let rights = Arc::clone(&self.rights);
            End::When(Box::pin(rights.ended(access, operations)))
        } else {
            End::At(Instant::now() + CALL)
        };
        let body = Lived::new(body, end, passage.permit);
        Ok(Response::from_parts(parts, Either::Left(body)))
    }

    /// Makes the request one of ours.
    fn prepare(
        &self,
        parts: &mut Parts,
        passage: &Passage,
        access: Option<&AccessToken>,
    ) -> Result<(), OwnAnswer> {
        let authority = parts
            .uri
            .authority()
            .map(|authority| authority.as_str().as_bytes());
        let host = parts
            .headers
            .get(HOST)
            .map(|host| host.as_bytes())
            .or(authority);
        let host = host.map(<[u8]>::to_vec);
        let origin = Origin {
            client: passage.client,
            scheme: passage.scheme,
            host: host.as_deref(),
        };
        fields::to_server(&mut parts.headers, &origin, &self.own_headers);
        self.settings
            .identity_headers
            .set(&mut parts.headers, access);
        parts.extensions.clear();
        parts.version = Version::HTTP_11;
        let uri = self.upstream.uri(parts.uri.query());
        parts.uri = uri.map_err(|_| {
            let text = "the query cannot be forwarded";
            OwnAnswer::new(StatusCode::BAD_REQUEST, "query", text)
        })?;
        Ok(())
    }

    fn not_reached(&self, error: &hyper_util::client::legacy::Error) -> OwnAnswer {
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
    fn check_answer(&self, parts: &http::response::Parts) -> Result<(), OwnAnswer> {
        let (reason, text) = match parts.status {
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
        let location = parts
            .headers
            .get(LOCATION)
            .map(|value| format!("{value:?}"));
        tracing::warn!(
            target: "mcp_bearer::gateway",
            status = parts.status.as_u16(),
            location = location.as_deref(),
            "{text}; clients get 502. If it redirects, set `upstream` to that address"
        );
        Err(failed(reason, text))
    }
}

/// Whether the answer is a long stream: a GET, or a subscription (since protocol 2026-07-28, which
/// demands the header).
fn is_stream(parts: &Parts, operations: Option<&JudgedOperations>) -> bool {
    const LISTEN: &str = "subscriptions/listen";
    let named = || {
        let named = parts.headers.get("mcp-method");
        named.is_some_and(|method| method.as_bytes().trim_ascii() == LISTEN.as_bytes())
    };
    parts.method == Method::GET
        || match operations {
            Some(operations) => operations.iter().any(|one| one.method() == LISTEN),
            None => named(),
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
