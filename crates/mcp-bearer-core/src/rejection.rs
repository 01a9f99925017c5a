//! Why a request is refused: the kind, and the facts an operator needs.
//!
//! A rejection never holds a token, a signature or a key. Text from a token is quoted and cut
//! before it gets in here ([`Shown`]). `challenge.rs` decides what the peer sees.

use std::fmt;
use std::time::Duration;

use crate::limits::Limits;
use crate::scope::Scopes;
use crate::time::{NumericDate, UnixTime};

/// A refusal: its [`kind`](Self::kind), and the facts behind it in the [`Display`](fmt::Display)
/// text.
///
/// The text is one lower-case sentence for logs and operators. It is not for the peer.
///
/// ```
/// use mcp_bearer_core::{Rejection, RejectionKind};
/// let rejection = Rejection::missing_credential();
/// assert_eq!(rejection.kind(), RejectionKind::MissingCredential);
/// assert_eq!(rejection.kind().as_str(), "missing_credential");
/// ```
#[derive(Clone, PartialEq)]
pub struct Rejection {
    kind: RejectionKind,
    facts: Facts,
}

/// The kinds of refusal. Their names in snake case ([`as_str`](Self::as_str)) are stable: logs,
/// metrics and the program's JSON use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RejectionKind {
    /// More keys than are tried could have signed a token that names no key.
    AmbiguousKey,
    /// `alg` is missing, unknown, or not in the policy's list.
    AlgorithmNotAllowed,
    /// The request has more than one credential (RFC 6750 section 2).
    BadCredential,
    /// No candidate key verifies the signature, or the signature has a length that the algorithm
    /// cannot produce.
    BadSignature,
    /// A claim has a value the policy does not allow.
    ClaimNotAllowed,
    /// The system clock has not been set, so no token's times can be judged; the token may be good.
    ClockUnset,
    /// `exp` has passed.
    Expired,
    /// The token lacks a scope that the operation needs (RFC 6750 section 3.1).
    InsufficientScope,
    /// A claim has the wrong type or an impossible value.
    InvalidClaim,
    /// There are no usable keys at the moment; the token may be good.
    KeysUnavailable,
    /// Not a well-formed JWS compact token with JSON header and claims.
    Malformed,
    /// A claim that the policy needs is absent.
    MissingClaim,
    /// No `Authorization` header, one with another scheme, or one with nothing after its scheme.
    MissingCredential,
    /// `nbf` or `iat` is in the future.
    NotYetValid,
    /// `cnf` binds the token to a key, so it is not a bearer token (RFC 7800, RFC 9449, RFC 8705).
    SenderConstrained,
    /// Longer than the limit.
    TokenTooLarge,
    /// `iat` is longer ago than the policy's maximum age.
    TooOld,
    /// No usable key has the token's `kid`.
    UnknownKey,
    /// A header parameter that must be understood is not (RFC 7515 section 4.1.11).
    UnsupportedHeader,
    /// `aud` names none of the expected audiences.
    WrongAudience,
    /// `iss` is none of the expected issuers.
    WrongIssuer,
    /// Not an access token.
    WrongTokenType,
}

/// The party at fault for a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The request: another token would be accepted.
    Caller,
    /// The operator or the issuer: the same request may be accepted later.
    Service,
}

impl RejectionKind {
    /// Every kind.
    pub const ALL: [Self; 22] = [
        Self::AmbiguousKey,
        Self::AlgorithmNotAllowed,
        Self::BadCredential,
        Self::BadSignature,
        Self::ClaimNotAllowed,
        Self::ClockUnset,
        Self::Expired,
        Self::InsufficientScope,
        Self::InvalidClaim,
        Self::KeysUnavailable,
        Self::Malformed,
        Self::MissingClaim,
        Self::MissingCredential,
        Self::NotYetValid,
        Self::SenderConstrained,
        Self::TokenTooLarge,
        Self::TooOld,
        Self::UnknownKey,
        Self::UnsupportedHeader,
        Self::WrongAudience,
        Self::WrongIssuer,
        Self::WrongTokenType,
    ];

    /// The stable name in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AmbiguousKey => "ambiguous_key",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::BadCredential => "bad_credential",
            Self::BadSignature => "bad_signature",
            Self::ClaimNotAllowed => "claim_not_allowed",
            Self::ClockUnset => "clock_unset",
            Self::Expired => "expired",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidClaim => "invalid_claim",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Malformed => "malformed",
            Self::MissingClaim => "missing_claim",
            Self::MissingCredential => "missing_credential",
            Self::NotYetValid => "not_yet_valid",
            Self::SenderConstrained => "sender_constrained",
            Self::TokenTooLarge => "token_too_large",
            Self::TooOld => "too_old",
            Self::UnknownKey => "unknown_key",
            Self::UnsupportedHeader => "unsupported_header",
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongTokenType => "wrong_token_type",
        }
    }

    /// The party at fault; the service's own faults are logged at a higher level.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::ClockUnset | Self::KeysUnavailable => Fault::Service,
            _ => Fault::Caller,
        }
    }
}

impl fmt::Display for RejectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Rejection {
    /// The kind, to branch on.
    #[must_use]
    pub const fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// Whether the token's claims were judged without checking its signature, because no keys were
    /// held.
    ///
    /// No key could save such a token, so the answer to its sender is the one for its own fault.
    /// What the claims say is not proven: a stranger may have written them.
    #[must_use]
    pub const fn is_unverified(&self) -> bool {
        matches!(self.facts, Facts::NotVerified(_))
    }

    /// For [`RejectionKind::KeysUnavailable`]: why there are no keys.
    pub(crate) fn unavailable_because(&self) -> Option<&str> {
        match &self.facts {
            Facts::Keys { why, .. } => Some(why),
            _ => None,
        }
    }

    /// For [`RejectionKind::KeysUnavailable`]: after this time, at least a second, a request can
    /// start another attempt to get keys. For [`RejectionKind::ClockUnset`]: when the clock may
    /// have been set.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match &self.facts {
            Facts::Keys { retry_after, .. } => Some(*retry_after),
            Facts::Clock { .. } => Some(Limits::CLOCK_RETRY),
            _ => None,
        }
    }

    /// For [`RejectionKind::InsufficientScope`]: all the scopes that the operation needs.
    #[must_use]
    pub fn required_scopes(&self) -> Option<&Scopes> {
        match &self.facts {
            Facts::Scopes(facts) => Some(&facts.required),
            _ => None,
        }
    }

    /// For [`RejectionKind::InsufficientScope`]: the needed scopes that the token lacks.
    #[must_use]
    pub fn missing_scopes(&self) -> Option<&Scopes> {
        match &self.facts {
            Facts::Scopes(facts) => Some(&facts.missing),
            _ => None,
        }
    }

    /// For [`RejectionKind::InsufficientScope`]: the scopes that a client must request, if the code
    /// that compared the scopes knows that they differ from those that tokens hold.
    #[must_use]
    pub fn requested_scopes(&self) -> Option<&Scopes> {
        match &self.facts {
            Facts::Scopes(facts) => facts.requested.as_ref(),
            _ => None,
        }
    }

    /// The request carries no Bearer credential.
    #[must_use]
    pub const fn missing_credential() -> Self {
        Self::with(
            RejectionKind::MissingCredential,
            "no bearer token in the request",
        )
    }

    /// The request does not carry one credential; `why` is a fixed sentence without any of its
    /// text.
    #[must_use]
    pub const fn bad_credential(why: &'static str) -> Self {
        Self::with(RejectionKind::BadCredential, why)
    }

    /// The credential is a Bearer token that cannot be read as one; `why` is a fixed sentence
    /// without any of its text.
    #[must_use]
    pub const fn malformed_credential(why: &'static str) -> Self {
        Self::with(RejectionKind::Malformed, why)
    }

    /// The credential is `got` bytes long where `limit` are allowed.
    #[must_use]
    pub const fn token_too_large(got: usize, limit: usize) -> Self {
        Self::new(RejectionKind::TokenTooLarge, Facts::Length { got, limit })
    }

    /// There are no keys to verify with; `why` is the operator's text, never a token's.
    #[must_use]
    pub fn keys_unavailable(why: impl Into<String>, retry_after: Duration) -> Self {
        let retry_after = retry_after.max(Duration::from_secs(1));
        let facts = Facts::Keys {
            why: why.into().into(),
            retry_after,
        };
        Self::new(RejectionKind::KeysUnavailable, facts)
    }

    /// The system's clock says `now`, which is before [`Limits::CLOCK_SET_FROM`].
    ///
    /// For code that reads the system clock; a time that was given on purpose is never too early.
    #[must_use]
    pub const fn clock_unset(now: UnixTime) -> Self {
        Self::new(RejectionKind::ClockUnset, Facts::Clock { now })
    }

    /// The token lacks the scopes `missing` of those that the operation needs. For callers that
    /// compare scopes themselves; otherwise
    /// [`AccessToken::require_scopes`](crate::AccessToken::require_scopes) reports this.
    #[must_use]
    pub fn insufficient_scope(required: Scopes, missing: Scopes) -> Self {
        let facts = Facts::Scopes(Box::new(ScopeFacts {
            required,
            missing,
            requested: None,
            read: None,
        }));
        Self::new(RejectionKind::InsufficientScope, facts)
    }

    /// The same, where a client must request these scopes to get those that the operation needs.
    /// Only [`insufficient_scope`](Self::insufficient_scope) names scopes; any other rejection
    /// stays as it is.
    #[must_use]
    pub fn requesting(mut self, scopes: Scopes) -> Self {
        if let Facts::Scopes(facts) = &mut self.facts {
            facts.requested = Some(scopes);
        }
        self
    }

    /// The same, with the contents of the claims that scopes were read from.
    pub(crate) fn with_claims_read(mut self, read: &dyn fmt::Display) -> Self {
        if let Facts::Scopes(facts) = &mut self.facts {
            facts.read = Some(read.to_string().into());
        }
        self
    }

    /// The same refusal for a token whose signature nobody could check, for the reason `why`.
    pub(crate) fn not_verified(self, why: Box<str>) -> Self {
        let facts = self.facts;
        Self {
            facts: Facts::NotVerified(Box::new(NotVerified { facts, why })),
            ..self
        }
    }

    pub(crate) const fn with(kind: RejectionKind, why: &'static str) -> Self {
        Self::new(kind, Facts::Why(why))
    }

    pub(crate) fn because(kind: RejectionKind, why: impl Into<Box<str>>) -> Self {
        Self::new(kind, Facts::Text(why.into()))
    }

    pub(crate) const fn at(why: &'static str, part: &'static str, at: usize) -> Self {
        Self::new(RejectionKind::Malformed, Facts::At { part, why, at })
    }

    pub(crate) const fn segments(count: usize) -> Self {
        Self::new(RejectionKind::Malformed, Facts::Segments { count })
    }

    pub(crate) const fn claim(kind: RejectionKind, name: &'static str, why: &'static str) -> Self {
        Self::new(kind, Facts::Claim { name, why })
    }

    pub(crate) const fn time(
        kind: RejectionKind,
        name: &'static str,
        got: NumericDate,
        now: UnixTime,
    ) -> Self {
        Self::new(kind, Facts::Time { name, got, now })
    }

    const fn new(kind: RejectionKind, facts: Facts) -> Self {
        Self { kind, facts }
    }
}

/// The parts of a sentence. Small and mostly static, so that an early refusal costs next to
/// nothing.
#[derive(Clone, PartialEq)]
enum Facts {
    Why(&'static str),
    Text(Box<str>),
    At {
        part: &'static str,
        why: &'static str,
        at: usize,
    },
    Segments {
        count: usize,
    },
    Claim {
        name: &'static str,
        why: &'static str,
    },
    Length {
        got: usize,
        limit: usize,
    },
    Time {
        name: &'static str,
        got: NumericDate,
        now: UnixTime,
    },
    Keys {
        why: Box<str>,
        retry_after: Duration,
    },
    Clock {
        now: UnixTime,
    },
    Scopes(Box<ScopeFacts>),
    NotVerified(Box<NotVerified>),
}

#[derive(Clone, PartialEq)]
struct ScopeFacts {
    required: Scopes,
    missing: Scopes,
    /// What a client must request for the required ones, where that is known to differ.
    requested: Option<Scopes>,
    /// The contents of the claims that scopes were read from.
    read: Option<Box<str>>,
}

/// The reason for refusing a token while no signature could be checked.
#[derive(Clone, PartialEq)]
struct NotVerified {
    facts: Facts,
    why: Box<str>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.write(self.kind, f)
    }
}

impl Facts {
    fn write(&self, kind: RejectionKind, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Why(why) => f.write_str(why),
            Self::Text(text) => f.write_str(text),
            Self::At { part, why, at } => write!(f, "{part}: {why} at byte {at}"),
            Self::Segments { count } => {
                write!(f, "{count} segments where a signed token has three")
            }
            Self::Claim { name, why } => write!(f, "claim {name:?} {why}"),
            Self::Length { got, limit } => {
                write!(
                    f,
                    "the token is {got} bytes long where at most {limit} are allowed"
                )
            }
            Self::Time { name, got, now } => write_time(f, kind, name, *got, *now),
            Self::NotVerified(inner) => {
                inner.facts.write(kind, f)?;
                write!(f, " (not verified: {})", inner.why)
            }
            Self::Keys { why, .. } => write!(f, "no keys to verify with: {why}"),
            Self::Clock { now } => write!(
                f,
                "the system's clock shows {} s since 1970, before 2020, so no token's times can be judged; set it",
                now.as_secs()
            ),
            Self::Scopes(facts) => {
                let (required, missing) = (facts.required.as_str(), facts.missing.as_str());
                write!(
                    f,
                    "the operation needs the scopes {required:?}, the token lacks {missing:?}"
                )?;
                match &facts.read {
                    Some(read) => write!(f, ": {read}"),
                    None => Ok(()),
                }
            }
        }
    }
}

fn write_time(
    f: &mut fmt::Formatter<'_>,
    kind: RejectionKind,
    name: &str,
    got: NumericDate,
    now: UnixTime,
) -> fmt::Result {
    let now = now.as_secs_f64();
    let ahead = got.as_secs_f64() - now;
    let ago = -ahead;
    match kind {
        RejectionKind::Expired => {
            write!(f, "expired {ago:.0} s ago: {name} {got}, now {now:.0}")
        }
        RejectionKind::TooOld => write!(
            f,
            "issued {ago:.0} s ago, which is too long: {name} {got}, now {now:.0}"
        ),
        _ if name == "iat" => write!(
            f,
            "issued {ahead:.0} s in the future: iat {got}, now {now:.0}"
        ),
        _ => write!(
            f,
            "not valid for another {ahead:.0} s: {name} {got}, now {now:.0}"
        ),
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rejection({}: {self})", self.kind)
    }
}

impl std::error::Error for Rejection {}

/// Attacker text made safe to show: quoted, escaped, cut to [`Limits::SHOWN_CHARS`].
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(Limits::SHOWN_CHARS) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => write!(f, "{:?}...", self.0.get(..end).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests;
