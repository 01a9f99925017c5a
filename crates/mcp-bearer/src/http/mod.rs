//! The HTTP layer: it accepts exactly the requests whose bearer token is good.
//!
//! [`BearerAuthLayer`] wraps any tower service over `http` 1 requests: axum, hyper, rmcp's
//! `StreamableHttpService`. It reads only the `Authorization` header: no path (routers strip it),
//! no query, no body. A good token becomes an [`AccessToken`](crate::AccessToken) in the request's
//! extensions, always set by the layer and never passed through; a bad one gets an answer with a
//! challenge (RFC 6750 section 3), whose [`Rejection`](crate::Rejection) is in the response's
//! extensions.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Empty;
//! use mcp_bearer::http::FromExtensions;
//! use mcp_bearer::{AccessToken, BearerAuthLayer, BearerAuthProvider, RsaKeyPair, TokenRequest};
//! use tower::{ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (issuer, resource) = ("https://idp.example.com/", "https://mcp.example.com/mcp");
//! let keys = RsaKeyPair::generate()?;
//! let provider = BearerAuthProvider::builder()
//!     .public_key(keys.public_key_pem())
//!     .issuer(issuer)
//!     .audience(resource)
//!     .build()?;
//! let auth = BearerAuthLayer::new(provider).resource(resource)?;
//! let hello = auth.layer(service_fn(|request: Request<Empty<Bytes>>| async move {
//!     let access = AccessToken::from_extensions(request.extensions());
//!     let name = access.and_then(AccessToken::subject).unwrap_or("nobody");
//!     Ok::<_, std::convert::Infallible>(Response::new(name.to_owned()))
//! }));
//!
//! let response = hello.clone().oneshot(Request::default()).await?;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//!
//! let wanted = TokenRequest::new().subject("alice").issuer(issuer).audience(resource);
//! let authorization = format!("Bearer {}", keys.create_token(&wanted)?);
//! let request = Request::builder().header("Authorization", authorization).body(Empty::new())?;
//! assert_eq!(hello.oneshot(request).await?.status(), StatusCode::OK);
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! This module needs the feature `http`, which is on by default. The extractors and
//! `metadata_route` need `axum`.
//!
//! # What the peer sees, and what the operator sees
//!
//! The peer sees the status, the challenge and a fixed phrase ([`Challenge`]). The operator sees
//! one [`tracing`] event per denial, with the target `mcp_bearer::http`, at INFO when the caller is
//! at fault and at WARN when the service is ([`Fault`](crate::core::Fault)). Its fields: `reason`
//! (the kind in snake case), `detail` (one sentence), `status`, and, if the unverified token has
//! them, `claimed_issuer` and `kid`, quoted and cut.
//!
//! An outer service may replace the answer; the rejection in its extensions shows what happened.
//!
//! # What happens to the token
//!
//! The `Authorization` header stays in the request, marked as sensitive, so that its `Debug` does
//! not show it. A handler must not pass it on to another service: the MCP specification forbids
//! that.
//!
//! # A CORS preflight
//!
//! A browser sends it without a token (Fetch standard), so it is passed on unauthenticated, without
//! a body and without any header that CORS does not need. Any program can send such a request, so
//! the inner service must only answer CORS. [`Preflight`] has the exact rule and the other choices:
//! the layer answers CORS itself, or refuses.
//!
//! # Single operations
//!
//! [`BearerAuthLayer::operations`] adds rules for single tools, prompts and resources
//! ([`operation`](crate::operation)): a call that needs a further scope is answered with 403 and a
//! challenge, lists show what the caller may use, and sessions are bound to their principal.

mod answer_body;
#[cfg(feature = "axum")]
mod axum;
mod bearer;
mod denial_log;
mod from_extensions;
mod future;
mod guard;
mod layer;
mod metadata_route;
mod operations;
mod preflight;
mod response;
mod response_body;
mod service;
mod session;
mod token_header;

pub use mcp_bearer_core::{
    Challenge, ChallengeContext, MetadataBuilder, ProtectedResourceMetadata,
};

#[cfg(feature = "axum")]
pub use self::axum::{Bearer, ExtractorRejection, RequiredScopes, Scoped};
pub(crate) use self::token_header::Credential;
pub use self::{
    answer_body::AnswerBody,
    bearer::bearer_token,
    from_extensions::FromExtensions,
    future::ResponseFuture,
    guard::Guard,
    layer::{BearerAuthLayer, NoResource, Resource},
    metadata_route::MetadataService,
    operations::{
        JudgedOperations, OperationBody, OperationRefusal, OperationsBody, OperationsFuture,
        OperationsLayer, OperationsService,
    },
    preflight::{Cors, Grant, InvalidOrigin, Preflight, PreflightVerdict},
    response_body::BearerBody,
    service::BearerAuthService,
    session::{SessionKeyError, SessionKeys},
};
