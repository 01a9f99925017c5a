//! Where a request carries its token: `Authorization`, or the header in which a proxy in front puts
//! a signed assertion. It is one of them, never both.

use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, HeaderName};
use mcp_bearer_core::Expected;

use super::bearer::{bearer_credential, raw_credential};
use crate::config::{Problem, Setting};
use crate::{BearerAuthProvider, ConfigError};
use mcp_bearer_core::{Limits, Rejection};

/// The header that holds the token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Credential {
    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    #[default]
    Authorization,
    /// A header with nothing but the token, which a proxy in front sets.
    Assertion(HeaderName),
}

/// Hop-by-hop headers (RFC 9110 section 7.6.1), and those that have another meaning for this layer
/// or a server.
const TAKEN: [&str; 25] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

impl Credential {
    /// # Errors
    /// Every problem at once; see [`problems`](Self::problems).
    pub(super) fn assertion(
        name: &str,
        provider: &BearerAuthProvider,
    ) -> Result<Self, ConfigError> {
        let mut policies = provider.policies();
        let any_issuer = policies.any(|policy| *policy.issuers() == Expected::Any);
        let mut policies = provider.policies();
        let any_audience = policies.any(|policy| *policy.audiences() == Expected::Any);
        let problems = Self::problems(name, any_issuer, any_audience);
        match HeaderName::try_from(name) {
            Ok(header) if problems.is_empty() => Ok(Self::Assertion(header)),
            _ => Err(ConfigError::new(problems)),
        }
    }

    /// What is wrong with a header for assertions: its name is not a header name or is taken, or
    /// any issuer or any audience is accepted. A proxy signs such assertions for all servers behind
    /// it.
    pub(crate) fn problems(name: &str, any_issuer: bool, any_audience: bool) -> Vec<Problem> {
        let mut facts = Vec::new();
        match HeaderName::try_from(name) {
            Err(_) => facts.push(format!("{name:?} is not the name of a header")),
            Ok(header) if TAKEN.contains(&header.as_str()) => {
                facts.push(format!("{header} has another meaning"));
            }
            Ok(_) => {}
        }
        if any_issuer {
            facts.push("tokens of any issuer are accepted; name the proxy's".to_owned());
        }
        if any_audience {
            let why = "tokens for any server are accepted, and the proxy signs for several";
            facts.push(why.to_owned());
        }
        let problem = |fact| Problem::of(Setting::TokenHeader, fact);
        facts.into_iter().map(problem).collect()
    }

    /// The one credential of a request, whose characters are not yet checked
    /// ([`token68`](super::bearer::token68)).
    pub(super) fn of<'h>(
        &self,
        headers: &'h HeaderMap,
        limits: &Limits,
    ) -> Result<&'h [u8], Rejection> {
        match self {
            Self::Authorization => bearer_credential(headers, limits),
            Self::Assertion(name) => raw_credential(headers, name, limits),
        }
    }

    /// Whether a request has a credential of any kind.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let assertion = match self {
            Self::Authorization => false,
            Self::Assertion(name) => headers.contains_key(name),
        };
        assertion || headers.contains_key(AUTHORIZATION)
    }

    /// Whether a challenge can lead a client to a token: an assertion is not the client's.
    pub(super) fn is_the_clients(&self) -> bool {
        *self == Self::Authorization
    }

    /// Removes the credentials that the handler must not get: an assertion is for this layer alone,
    /// and `Authorization` beside it is unchecked.
    pub(super) fn hide(&self, headers: &mut HeaderMap) {
        match self {
            Self::Authorization => {
                // Two of them were refused.
                if let Some(value) = headers.get_mut(AUTHORIZATION) {
                    value.set_sensitive(true);
                }
            }
            Self::Assertion(name) => {
                headers.remove(name);
                headers.remove(AUTHORIZATION);
            }
        }
    }
}
