//! The log line of a denial.
//!
//! Of a token's header and claims it contains only what the rejection's own sentence quotes, and
//! the quoted, cut issuer and `kid`: never a token or a signature.

use std::cell::LazyCell;
use std::fmt;

use mcp_bearer_core::{Challenge, Fault, Limits, Rejection, UnverifiedToken};

/// Logs a denial: INFO when the caller is at fault, WARN when the service is.
///
/// The token is parsed again only if the event is enabled.
pub(super) fn log(rejection: &Rejection, token: Option<&str>, limits: &Limits) {
    let kind = rejection.kind();
    let status = Challenge::status_of(kind);
    let claimed = LazyCell::new(|| Claimed::of(token, limits));
    match kind.fault() {
        Fault::Caller => tracing::info!(
            target: "mcp_bearer::http",
            reason = kind.as_str(),
            detail = %rejection,
            status,
            claimed_issuer = claimed.issuer.as_ref().map(tracing::field::display),
            kid = claimed.kid.as_ref().map(tracing::field::display),
            "request denied"
        ),
        Fault::Service => tracing::warn!(
            target: "mcp_bearer::http",
            reason = kind.as_str(),
            detail = %rejection,
            status,
            claimed_issuer = claimed.issuer.as_ref().map(tracing::field::display),
            kid = claimed.kid.as_ref().map(tracing::field::display),
            "request denied"
        ),
    }
}

/// What a token claims, all of it unverified.
#[derive(Default)]
struct Claimed {
    issuer: Option<Shown>,
    kid: Option<Shown>,
}

impl Claimed {
    fn of(token: Option<&str>, limits: &Limits) -> Self {
        let parsed = token.and_then(|token| UnverifiedToken::parse(token, limits).ok());
        parsed.map_or_else(Self::default, |token| Self {
            issuer: token.claimed_issuer().map(|text| Shown::new(&text)),
            kid: token.kid().map(|text| Shown::new(&text)),
        })
    }
}

/// Untrusted text made fit for a log: cut, then quoted and escaped when shown.
struct Shown {
    start: String,
    rest: &'static str,
}

impl Shown {
    fn new(text: &str) -> Self {
        let mut chars = text.chars();
        let start = chars.by_ref().take(Limits::SHOWN_CHARS).collect();
        let rest = if chars.next().is_some() { "..." } else { "" };
        Self { start, rest }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.start, self.rest)
    }
}
