//! [`Guard`]: the decision of the layer, as plain functions of headers and tokens.
//!
//! Only the wait for newer keys is asynchronous. Nothing passes by default: [`Guard::check`]
//! returns an access token, a denial, or a wait that ends in one of them.

use std::fmt;
use std::sync::Arc;

use ::http::{Extensions, HeaderMap, Method, Request, Response};
use http_body::Body;

use super::answer_body::AnswerBody;
use super::bearer::token68;
use super::preflight::{Grant, Preflight, PreflightVerdict};
use super::token_header::Credential;
use super::{denial_log, response};
use crate::BearerAuthProvider;
use crate::provider::{NeedsKeys, TryVerify};
use mcp_bearer_core::{
    AccessToken, Challenge, ChallengeContext, Rejection, RequestedScopes, Scopes,
};

/// What a layer knows, for handlers behind it: the provider, and how to answer a refusal.
///
/// Cheap to clone. It is in the extensions of every request that was passed on, and proves nothing:
/// only an [`AccessToken`] does, which a CORS preflight lacks.
///
/// ```
/// use mcp_bearer::http::{AnswerBody, FromExtensions, Guard};
/// use mcp_bearer::core::Scopes;
/// use mcp_bearer::AccessToken;
///
/// fn delete(parts: &http::request::Parts) -> Option<Result<(), http::Response<AnswerBody>>> {
///     let guard = Guard::from_extensions(&parts.extensions)?;
///     let access = AccessToken::from_extensions(&parts.extensions)?;
///     let needed: Scopes = "mcp:admin".parse().ok()?;
///     Some(guard.require_scopes(access, &needed).map_err(|rejection| guard.challenge(&rejection)))
/// }
/// ```
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    provider: BearerAuthProvider,
    /// The address of the RFC 9728 document.
    metadata_url: Option<String>,
    preflight: Preflight,
    credential: Credential,
}

/// The answer to a refused request. Boxed, because it is large, and rare on the fast path.
pub(super) type Denial = Box<Response<AnswerBody>>;

/// What can be decided about a request without waiting.
pub(super) enum Verdict {
    /// A CORS preflight for the service.
    Preflight,
    /// A CORS preflight that the layer answers.
    Answered(Box<Response<AnswerBody>>),
    Granted(AccessToken),
    Denied(Denial),
    NeedsKeys {
        token: String,
        needs: NeedsKeys,
    },
}

impl Guard {
    pub(super) fn new(provider: BearerAuthProvider) -> Self {
        Self(Arc::new(Inner {
            provider,
            metadata_url: None,
            preflight: Preflight::default(),
            credential: Credential::default(),
        }))
    }

    pub(super) fn with_metadata_url(self, url: String) -> Self {
        self.with(|inner| inner.metadata_url = Some(url))
    }

    pub(super) fn with_preflight(self, preflight: Preflight) -> Self {
        self.with(|inner| inner.preflight = preflight)
    }

    pub(super) fn with_credential(self, credential: Credential) -> Self {
        self.with(|inner| inner.credential = credential)
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The provider.
    #[must_use]
    pub fn provider(&self) -> &BearerAuthProvider {
        &self.0.provider
    }

    /// Checks that a token has the scopes of one operation and the required scopes of its issuer.
    ///
    /// The rejection, and so the challenge, names both: some clients request a new token with
    /// exactly the scopes of the last challenge, and would lose the required ones otherwise.
    ///
    /// # Errors
    /// [`InsufficientScope`](crate::RejectionKind::InsufficientScope).
    pub fn require_scopes(&self, access: &AccessToken, scopes: &Scopes) -> Result<(), Rejection> {
        let required = self.provider().required_scopes_for(access);
        if required.is_empty() {
            access.require_scopes(scopes)
        } else {
            access.require_scopes(&union(&required, scopes))
        }
    }

    /// Answers a rejection and logs it: call it once per denied request.
    ///
    /// A handler that requires more than the layer does returns this. The rejection is in the
    /// extensions of the response. A challenge without scopes of its own names the required scopes
    /// if all issuers agree on them.
    #[must_use]
    pub fn challenge(&self, rejection: &Rejection) -> Response<AnswerBody> {
        *self.deny(rejection.clone(), None)
    }

    /// The synchronous part: everything except the wait for newer keys.
    pub(super) fn check<B: Body>(&self, method: &Method, headers: &HeaderMap, body: &B) -> Verdict {
        // Only OPTIONS can be a preflight; other methods need no search for a credential.
        if *method == Method::OPTIONS && !self.0.credential.is_in(headers) {
            let has_no_body = body.is_end_stream();
            match self.0.preflight.judge(method, headers, has_no_body) {
                PreflightVerdict::PassOn(_) => return Verdict::Preflight,
                PreflightVerdict::Answer(answer) => return Verdict::Answered(answer),
                PreflightVerdict::AsAny => {}
            }
        }
        let limits = self.provider().limits();
        let credential = self.0.credential.of(headers, limits);
        let tried = credential.and_then(|credential| {
            let tried = self.provider().try_verify_bytes(credential, token68)?;
            Ok((credential, tried))
        });
        let (credential, tried) = match tried {
            Ok(tried) => tried,
            Err(rejection) => return Verdict::Denied(self.deny(rejection, None)),
        };
        let verified = match tried {
            TryVerify::Accepted(access) => Ok(access),
            TryVerify::Rejected(rejection) => Err(rejection),
            TryVerify::NeedsKeys(needs) => {
                return Verdict::NeedsKeys {
                    token: String::from_utf8_lossy(credential).into_owned(),
                    needs,
                };
            }
        };
        match self.conclude(credential, verified) {
            Ok(access) => Verdict::Granted(access),
            Err(response) => Verdict::Denied(response),
        }
    }

    /// The CORS headers for the answer to a request, if this layer answers CORS.
    pub(super) fn grant(&self, headers: &HeaderMap) -> Option<Grant> {
        self.0.preflight.grant(headers)
    }

    /// Whether a request has a credential of any kind, good or bad.
    pub(super) fn has_credential(&self, headers: &HeaderMap) -> bool {
        self.0.credential.is_in(headers)
    }

    /// The rest: waits for newer keys and decides again.
    pub(super) async fn check_with_newer_keys(
        self,
        token: String,
        needs: NeedsKeys,
    ) -> Result<AccessToken, Denial> {
        let verified = self.provider().verify_with_newer_keys(&token, needs).await;
        self.conclude(token.as_bytes(), verified)
    }

    /// Checks the required scopes, and makes the answer to a failure.
    fn conclude(
        &self,
        token: &[u8],
        verified: Result<AccessToken, Rejection>,
    ) -> Result<AccessToken, Denial> {
        verified
            .and_then(|access| {
                self.provider()
                    .check_required_scopes(&access)
                    .map(|()| access)
            })
            .map_err(|rejection| self.deny(rejection, Some(&String::from_utf8_lossy(token))))
    }

    /// Asks a caller without a token for one that allows an operation. `to_request` returns the
    /// scopes to request for it, by the issuer's map.
    pub(super) fn ask_for_token(
        &self,
        to_request: impl FnOnce(Option<&RequestedScopes>) -> Scopes,
    ) -> Response<AnswerBody> {
        let agreed = self.provider().challenge_context(None);
        // If issuers differ, no single list is right.
        let scopes = agreed.scopes.map(|required| match agreed.requested {
            Some(map) => union(&map.of_all(required), &to_request(Some(map))),
            None => union(required, &to_request(None)),
        });
        let context = ChallengeContext {
            scopes: scopes.as_ref(),
            ..ChallengeContext::default()
        };
        *self.deny_with(Rejection::missing_credential(), None, context)
    }

    fn deny(&self, rejection: Rejection, token: Option<&str>) -> Denial {
        self.deny_with(rejection, token, self.provider().challenge_context(token))
    }

    /// The only place that denies: logs once, answers once. The challenge has the context's scopes,
    /// unless the rejection has its own.
    fn deny_with(
        &self,
        rejection: Rejection,
        token: Option<&str>,
        context: ChallengeContext<'_>,
    ) -> Denial {
        denial_log::log(&rejection, token, self.provider().limits());
        let context = ChallengeContext {
            resource_metadata: self.0.metadata_url.as_deref(),
            ..context
        };
        let mut challenge = Challenge::new(&rejection, &context);
        if !self.0.credential.is_the_clients() {
            // A client would sign in, return with a token that is never read, and sign in again.
            challenge.www_authenticate = None;
        }
        Box::new(response::respond(challenge, rejection))
    }

    /// Prepares a request to be passed on: removes from its extensions what the peer or an outer
    /// layer put there, and hides the credential from `Debug`.
    pub(super) fn prepare<B>(&self, request: &mut Request<B>, access: Option<AccessToken>) {
        request.extensions_mut().insert(self.clone());
        set_access(request.extensions_mut(), access);
        self.0.credential.hide(request.headers_mut());
    }

    /// Prepares a request for a proxy, which asks no guard and removes the `Authorization` header
    /// itself. Only an assertion, which no proxy knows of, is removed here.
    pub(super) fn prepare_for_proxy<B>(
        &self,
        request: &mut Request<B>,
        access: Option<AccessToken>,
    ) {
        set_access(request.extensions_mut(), access);
        if !self.0.credential.is_the_clients() {
            self.0.credential.hide(request.headers_mut());
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("provider", &self.0.provider)
            .field("metadata_url", &self.0.metadata_url)
            .finish()
    }
}

fn set_access(extensions: &mut Extensions, access: Option<AccessToken>) {
    match access {
        Some(access) => drop(extensions.insert(access)),
        None => drop(extensions.remove::<AccessToken>()),
    }
}

fn union(first: &Scopes, second: &Scopes) -> Scopes {
    let new = second.iter().filter(|scope| !first.contains(scope));
    // Both hold scopes only, so joining them cannot fail; the layer has already checked the first.
    Scopes::from_names(first.iter().chain(new)).unwrap_or_else(|_| second.clone())
}
