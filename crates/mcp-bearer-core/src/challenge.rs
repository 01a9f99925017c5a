//! What the peer sees: the one table from [`RejectionKind`] to status, challenge and body (RFC 6750
//! section 3).
//!
//! An answer contains nothing from a token and does not say which check failed.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use crate::rejection::{Fault, Rejection, RejectionKind};
use crate::scope::{RequestedScopes, Scopes};

/// An answer to a refused request, without the types of any HTTP library.
///
/// ```
/// use mcp_bearer_core::{Challenge, ChallengeContext, Rejection};
/// let challenge = Challenge::new(&Rejection::missing_credential(), &ChallengeContext::default());
/// assert_eq!(challenge.status, 401);
/// assert_eq!(challenge.www_authenticate.as_deref(), Some(r#"Bearer realm="mcp""#));
/// assert!(challenge.body.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// The HTTP status.
    pub status: u16,
    /// The value of `WWW-Authenticate`, when there is a challenge.
    pub www_authenticate: Option<String>,
    /// The value of `Retry-After` in seconds, when waiting may help.
    pub retry_after: Option<u64>,
    /// The body: JSON, or empty.
    pub body: String,
}

/// What a challenge may say about the resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChallengeContext<'a> {
    /// The scopes that this operation needs.
    pub scopes: Option<&'a Scopes>,
    /// What a client must request to get a scope, where that differs from what tokens hold.
    pub requested: Option<&'a RequestedScopes>,
    /// The absolute URL of the RFC 9728 document, set only when a route serves it.
    pub resource_metadata: Option<&'a str>,
}

/// One row of the table.
struct Row {
    status: u16,
    error: Option<&'static str>,
    description: &'static str,
}

const fn row(kind: RejectionKind) -> Row {
    use RejectionKind as Kind;
    let (status, error, description) = match kind {
        Kind::MissingCredential => (401, None, ""),
        Kind::BadCredential => (400, Some("invalid_request"), "The credential is malformed"),
        Kind::TokenTooLarge => (400, Some("invalid_request"), "The credential is too large"),
        Kind::InsufficientScope => (
            403,
            Some("insufficient_scope"),
            "The token lacks a required permission",
        ),
        Kind::ClockUnset | Kind::KeysUnavailable => (
            503,
            Some("temporarily_unavailable"),
            "The token cannot be checked at the moment",
        ),
        Kind::AmbiguousKey
        | Kind::AlgorithmNotAllowed
        | Kind::BadSignature
        | Kind::ClaimNotAllowed
        | Kind::Expired
        | Kind::InvalidClaim
        | Kind::Malformed
        | Kind::MissingClaim
        | Kind::NotYetValid
        | Kind::SenderConstrained
        | Kind::TooOld
        | Kind::UnknownKey
        | Kind::UnsupportedHeader
        | Kind::WrongAudience
        | Kind::WrongIssuer
        | Kind::WrongTokenType => (401, Some("invalid_token"), "The token is not valid here"),
    };
    Row {
        status,
        error,
        description,
    }
}

impl Challenge {
    /// The answer to a rejection.
    #[must_use]
    pub fn new(rejection: &Rejection, context: &ChallengeContext<'_>) -> Self {
        let row = row(rejection.kind());
        if rejection.kind().fault() == Fault::Service {
            let seconds = rejection.retry_after().map_or(1, whole_seconds);
            return Self {
                status: row.status,
                www_authenticate: None,
                retry_after: Some(seconds),
                body: r#"{"error":"temporarily_unavailable"}"#.to_owned(),
            };
        }
        // The rejection's own scopes are more exact than the context's.
        let needed = rejection.required_scopes().or(context.scopes);
        let scopes = match (rejection.requested_scopes(), context.requested) {
            (Some(requested), _) => Some(Cow::Borrowed(requested)),
            (None, Some(requested)) => needed.map(|scopes| Cow::Owned(requested.of_all(scopes))),
            (None, None) => needed.map(Cow::Borrowed),
        };
        Self {
            status: row.status,
            www_authenticate: Some(header(&row, scopes.as_deref(), context.resource_metadata)),
            retry_after: None,
            body: body(&row),
        }
    }

    /// The status that answers a rejection of this kind.
    #[must_use]
    pub const fn status_of(kind: RejectionKind) -> u16 {
        row(kind).status
    }
}

/// Rounds up: a client that comes back too early only has to wait again.
fn whole_seconds(wait: Duration) -> u64 {
    let begun = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(begun).max(1)
}

/// Machine parameters first, then the description: clients match with regular expressions.
fn header(row: &Row, scopes: Option<&Scopes>, metadata: Option<&str>) -> String {
    let scopes = scopes.map(|scopes| scopes.without("offline_access"));
    let mut parameters: Vec<(&str, &str)> = Vec::new();
    if let Some(error) = row.error {
        parameters.push(("error", error));
    }
    if let Some(scopes) = scopes.as_ref().filter(|scopes| !scopes.is_empty()) {
        parameters.push(("scope", scopes.as_str()));
    }
    if let Some(url) = metadata.filter(|url| is_quotable(url)) {
        parameters.push(("resource_metadata", url));
    }
    if row.error.is_some() {
        parameters.push(("error_description", row.description));
    }
    if parameters.is_empty() {
        parameters.push(("realm", "mcp"));
    }
    let mut header = String::from("Bearer");
    for (index, (name, value)) in parameters.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(header, "{comma} {name}=\"{value}\"");
    }
    header
}

fn body(row: &Row) -> String {
    row.error.map_or_else(String::new, |error| {
        format!(
            r#"{{"error":"{error}","error_description":"{}"}}"#,
            row.description
        )
    })
}

/// Whether a value can go into a quoted string unchanged.
fn is_quotable(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

#[cfg(test)]
mod tests;
