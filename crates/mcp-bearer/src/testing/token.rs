//! [`TestToken`]: a token to be signed, good or with one fault.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_bearer_core::{Algorithm, RejectionKind, UnixTime};
use serde_json::{Map, Value, json};

use super::signing_keys::SigningKeys;
use crate::clock::Clock;

/// What is wrong with a token.
///
/// It is the only fault of its token, so a server that accepts the token does not check for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenFault {
    /// `exp` is an hour in the past.
    Expired,
    /// `nbf` is an hour in the future.
    NotYetValid,
    /// `aud` is another server.
    WrongAudience,
    /// `iss` is another issuer.
    WrongIssuer,
    /// There is no `exp`.
    MissingClaim,
    /// The subject was changed after the token was signed.
    Forged,
    /// `kid` names a key that the issuer does not publish.
    UnknownKey,
    /// An ID token: it has `at_hash` and `nonce` (OpenID Connect Core 1.0 section 2).
    IdToken,
    /// The header says `"alg":"none"`, and there is no signature (RFC 7515 appendix A.5).
    Unsigned,
}

impl TokenFault {
    /// Every fault.
    pub const ALL: [Self; 9] = [
        Self::Expired,
        Self::NotYetValid,
        Self::WrongAudience,
        Self::WrongIssuer,
        Self::MissingClaim,
        Self::Forged,
        Self::UnknownKey,
        Self::IdToken,
        Self::Unsigned,
    ];

    /// Its name in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::MissingClaim => "missing_claim",
            Self::Forged => "forged",
            Self::UnknownKey => "unknown_key",
            Self::IdToken => "id_token",
            Self::Unsigned => "unsigned",
        }
    }

    /// The kind of rejection that a provider returns for the token.
    #[must_use]
    pub const fn rejection_kind(self) -> RejectionKind {
        match self {
            Self::Expired => RejectionKind::Expired,
            Self::NotYetValid => RejectionKind::NotYetValid,
            Self::WrongAudience => RejectionKind::WrongAudience,
            Self::WrongIssuer => RejectionKind::WrongIssuer,
            Self::MissingClaim => RejectionKind::MissingClaim,
            Self::Forged => RejectionKind::BadSignature,
            Self::UnknownKey => RejectionKind::UnknownKey,
            Self::IdToken => RejectionKind::WrongTokenType,
            Self::Unsigned => RejectionKind::Malformed,
        }
    }
}

/// A token of a [`TestIssuer`](super::TestIssuer), good unless a fault is given. Cheap to clone.
///
/// Defaults: subject `test-user`, client `test-client`, no scopes, one hour, RS256. It is signed
/// with the keys that the issuer had when the token was started: one started before
/// [`rotate`](super::TestIssuer::rotate) is a token of the withdrawn key.
///
/// ```
/// # use mcp_bearer::testing::{TestIssuer, TokenFault};
/// # let issuer = TestIssuer::start()?;
/// let good = issuer.token("https://mcp.example.com/mcp").subject("alice").scopes(["mcp:read"]);
/// let expired = good.clone().fault(TokenFault::Expired);
/// assert_ne!(good.sign()?, expired.sign()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct TestToken {
    keys: Arc<SigningKeys>,
    claims: Map<String, Value>,
    removed: Vec<String>,
    algorithm: Algorithm,
    fault: Option<TokenFault>,
    now: Option<UnixTime>,
    lifetime_seconds: i64,
}

impl TestToken {
    pub(super) fn new(keys: Arc<SigningKeys>, issuer: &str, audience: &str) -> Self {
        let mut claims = Map::new();
        for (name, value) in [
            ("iss", issuer),
            ("aud", audience),
            ("sub", "test-user"),
            ("client_id", "test-client"),
        ] {
            claims.insert(name.to_owned(), Value::from(value));
        }
        Self {
            keys,
            claims,
            removed: Vec::new(),
            algorithm: Algorithm::Rs256,
            fault: None,
            now: None,
            lifetime_seconds: 3600,
        }
    }

    /// `sub`.
    pub fn subject(self, subject: impl Into<String>) -> Self {
        self.claim("sub", subject.into())
    }

    /// `scope`, joined by spaces.
    pub fn scopes<T: Into<String>>(self, scopes: impl IntoIterator<Item = T>) -> Self {
        let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        self.claim("scope", scopes.join(" "))
    }

    /// Any claim, replacing one with the same name.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let name = name.into();
        self.removed.retain(|removed| *removed != name);
        self.claims.insert(name, value.into());
        self
    }

    /// Leaves out a claim, including `exp` and `iat`.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.removed.push(name.to_owned());
        self
    }

    /// The lifetime in seconds; negative for a token that has already expired.
    pub fn expires_in_seconds(mut self, seconds: i64) -> Self {
        self.lifetime_seconds = seconds;
        self
    }

    /// The time of issue; by default the system's time when it is signed.
    pub fn issued_at(mut self, now: UnixTime) -> Self {
        self.now = Some(now);
        self
    }

    /// The algorithm that it is signed with: RS256 to RS512, PS256 to PS512, ES256, EdDSA or
    /// Ed25519.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Gives the token this fault, and no other.
    pub fn fault(mut self, fault: TokenFault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// The token.
    ///
    /// # Errors
    /// When the issuer has no key for the algorithm, or the system has no randomness.
    pub fn sign(&self) -> io::Result<String> {
        let unsigned = self.fault == Some(TokenFault::Unsigned);
        let algorithm = if unsigned {
            "none"
        } else {
            self.algorithm.name()
        };
        let mut header = json!({"alg": algorithm, "typ": "at+jwt"});
        let kid = match self.fault {
            Some(TokenFault::UnknownKey) => Some("not-published"),
            _ => self.keys.kid(self.algorithm),
        };
        if let (Some(kid), Some(members)) = (kid, header.as_object_mut()) {
            members.insert("kid".to_owned(), Value::from(kid));
        }
        if self.fault == Some(TokenFault::IdToken)
            && let Some(members) = header.as_object_mut()
        {
            members.insert("typ".to_owned(), Value::from("JWT"));
        }
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let claims = self.claims_now();
        let signed = format!("{header}.{}", encoded(&claims));
        if unsigned {
            return Ok(format!("{signed}."));
        }
        let signature = URL_SAFE_NO_PAD.encode(self.keys.sign(self.algorithm, signed.as_bytes())?);
        if self.fault != Some(TokenFault::Forged) {
            return Ok(format!("{signed}.{signature}"));
        }
        let mut changed = claims;
        changed.insert("sub".to_owned(), Value::from("somebody-else"));
        Ok(format!("{header}.{}.{signature}", encoded(&changed)))
    }

    fn claims_now(&self) -> Map<String, Value> {
        let now = self.now.unwrap_or_else(|| Clock::system().now()).as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let mut claims = self.claims.clone();
        let set = |claims: &mut Map<String, Value>, name: &str, value: Value| {
            claims.insert(name.to_owned(), value);
        };
        for (name, value) in [
            ("iat", now),
            ("exp", now.saturating_add(self.lifetime_seconds)),
        ] {
            claims
                .entry(name.to_owned())
                .or_insert_with(|| Value::from(value));
        }
        let hour = 3600;
        match self.fault {
            Some(TokenFault::Expired) => {
                set(
                    &mut claims,
                    "iat",
                    Value::from(now.saturating_sub(2 * hour)),
                );
                set(&mut claims, "exp", Value::from(now.saturating_sub(hour)));
            }
            Some(TokenFault::NotYetValid) => {
                set(&mut claims, "nbf", Value::from(now.saturating_add(hour)));
                set(
                    &mut claims,
                    "exp",
                    Value::from(now.saturating_add(2 * hour)),
                );
            }
            Some(TokenFault::WrongAudience) => {
                set(
                    &mut claims,
                    "aud",
                    Value::from("https://another-server.example.com/mcp"),
                );
            }
            Some(TokenFault::WrongIssuer) => {
                set(
                    &mut claims,
                    "iss",
                    Value::from("https://another-issuer.example.com/"),
                );
            }
            Some(TokenFault::MissingClaim) => {
                claims.remove("exp");
            }
            Some(TokenFault::IdToken) => {
                set(
                    &mut claims,
                    "at_hash",
                    Value::from("MTIzNDU2Nzg5MDEyMzQ1Ng"),
                );
                set(&mut claims, "nonce", Value::from("n-0S6_WzA2Mj"));
            }
            Some(TokenFault::Forged | TokenFault::UnknownKey | TokenFault::Unsigned) | None => {}
        }
        claims.retain(|name, _| !self.removed.contains(name));
        claims
    }
}

impl std::fmt::Debug for TestToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestToken")
            .field("claims", &self.claims)
            .field("algorithm", &self.algorithm)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

fn encoded(claims: &Map<String, Value>) -> String {
    let text = serde_json::to_string(claims).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(text)
}
