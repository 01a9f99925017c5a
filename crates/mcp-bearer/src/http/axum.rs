//! axum: extractors for handlers behind the layer, and the metadata document as a router.
//!
//! Without the layer an extractor answers 500, so no unchecked request passes it.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use ::axum::Router;
use ::axum::extract::{FromRequestParts, OptionalFromRequestParts};
use ::axum::response::{IntoResponse, Response};
use ::http::StatusCode;
use ::http::request::Parts;

use super::from_extensions::FromExtensions;
use super::guard::Guard;
use super::layer::{BearerAuthLayer, Resource};
use mcp_bearer_core::{AccessToken, Rejection, Scopes};

/// The verified token of the request, in a handler's arguments.
///
/// ```
/// use mcp_bearer::http::Bearer;
/// async fn whoami(Bearer(access): Bearer) -> String {
///     access.subject().unwrap_or("nobody").to_owned()
/// }
/// # let _ = axum::Router::<()>::new().route("/whoami", axum::routing::get(whoami));
/// ```
///
/// `Option<Bearer>` is `None` without a layer in front, or for a CORS preflight.
#[derive(Clone, Debug)]
pub struct Bearer(pub AccessToken);

/// The scopes that an operation needs, as a type for [`Scoped`].
pub trait RequiredScopes {
    /// The scopes. A string that is not a scope (RFC 6749 section 3.3) does not compile.
    const SCOPES: &'static [&'static str];
}

/// The verified token of the request, once it has been shown to have the scopes of `T` and the
/// required ones of its issuer.
///
/// A token that lacks one gets a 403 and a challenge that names them all.
///
/// ```
/// use mcp_bearer::http::{RequiredScopes, Scoped};
/// enum Admin {}
/// impl RequiredScopes for Admin {
///     const SCOPES: &'static [&'static str] = &["mcp:admin"];
/// }
/// async fn delete_everything(access: Scoped<Admin>) -> String {
///     format!("{:?} deleted everything", access.subject())
/// }
/// # let everything = axum::routing::delete(delete_everything);
/// # let _ = axum::Router::<()>::new().route("/everything", everything);
/// ```
///
/// ```compile_fail
/// # use mcp_bearer::http::{RequiredScopes, Scoped};
/// enum Two {}
/// impl RequiredScopes for Two {
///     const SCOPES: &'static [&'static str] = &["mcp:read mcp:admin"]; // two in one string
/// }
/// async fn handler(_: Scoped<Two>) {}
/// let _ = axum::Router::<()>::new().route("/", axum::routing::get(handler));
/// ```
pub struct Scoped<T> {
    access: AccessToken,
    scopes: PhantomData<fn() -> T>,
}

/// Why an extractor failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExtractorRejection {
    /// There is no layer in front of the handler: a mistake in the program, answered with 500.
    NoLayer,
    /// The token lacks a scope: answered with 403 and a challenge. Or there is no token, because
    /// the request is a CORS preflight that the layer passed on: 401.
    Rejected(Guard, Rejection),
}

impl BearerAuthLayer<Resource> {
    /// The metadata document as a router with one route, to be merged into the server's.
    ///
    /// axum's `merge` panics if a segment of the resource's path begins with `:` or `*`, unless the
    /// receiving router has [`without_v07_checks`](Router::without_v07_checks).
    #[must_use = "challenges name the document, so it has to be served"]
    pub fn metadata_route<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let service = self.metadata_service();
        let path = literal(service.path());
        // The checks are about captures of axum 0.7, and would panic on such a path.
        Router::new()
            .without_v07_checks()
            .route_service(&path, service)
    }
}

/// Escapes a path so that nothing in it is a capture.
fn literal(path: &str) -> String {
    path.replace('{', "{{").replace('}', "}}")
}

/// What the layer put into the request.
fn proof(parts: &Parts) -> Result<(&AccessToken, &Guard), ExtractorRejection> {
    let guard = Guard::from_extensions(&parts.extensions).ok_or(ExtractorRejection::NoLayer)?;
    match AccessToken::from_extensions(&parts.extensions) {
        Some(access) => Ok((access, guard)),
        None => {
            let missing = Rejection::missing_credential();
            Err(ExtractorRejection::Rejected(guard.clone(), missing))
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Bearer {
    type Rejection = ExtractorRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ExtractorRejection> {
        proof(parts).map(|(access, _)| Self(access.clone()))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Bearer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(AccessToken::from_extensions(&parts.extensions)
            .cloned()
            .map(Self))
    }
}

impl<T> Scoped<T> {
    /// The token.
    #[must_use]
    pub fn into_inner(self) -> AccessToken {
        self.access
    }
}

impl<T> Deref for Scoped<T> {
    type Target = AccessToken;

    fn deref(&self) -> &AccessToken {
        &self.access
    }
}

impl<T> Clone for Scoped<T> {
    fn clone(&self) -> Self {
        Self {
            access: self.access.clone(),
            scopes: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Scoped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scoped").field(&self.access).finish()
    }
}

impl<S: Sync, T: RequiredScopes> FromRequestParts<S> for Scoped<T> {
    type Rejection = ExtractorRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ExtractorRejection> {
        const { assert!(are_scopes(T::SCOPES), "not a scope (RFC 6749 section 3.3)") }
        let (access, guard) = proof(parts)?;
        // The compiler has checked them.
        let needed = Scopes::from_names(T::SCOPES).map_err(|_| ExtractorRejection::NoLayer)?;
        guard
            .require_scopes(access, &needed)
            .map_err(|rejection| ExtractorRejection::Rejected(guard.clone(), rejection))?;
        Ok(Self {
            access: access.clone(),
            scopes: PhantomData,
        })
    }
}

impl fmt::Display for ExtractorRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLayer => f.write_str("there is no bearer layer in front of this handler"),
            Self::Rejected(_, rejection) => rejection.fmt(f),
        }
    }
}

impl std::error::Error for ExtractorRejection {}

impl IntoResponse for ExtractorRejection {
    fn into_response(self) -> Response {
        match self {
            Self::NoLayer => {
                tracing::error!(target: "mcp_bearer::http", "{self}");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
            Self::Rejected(guard, rejection) => guard.challenge(&rejection).into_response(),
        }
    }
}

/// The grammar of [`Scopes`], for the compiler.
const fn are_scopes(mut names: &[&str]) -> bool {
    while let [name, rest @ ..] = names {
        let mut bytes = name.as_bytes();
        if bytes.is_empty() {
            return false;
        }
        while let [byte, others @ ..] = bytes {
            if !matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E) {
                return false;
            }
            bytes = others;
        }
        names = rest;
    }
    true
}
