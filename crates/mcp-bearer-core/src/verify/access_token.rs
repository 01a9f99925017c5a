//! The proof that a token was verified, with the contents of the token.
//!
//! Only `verify.rs` can make one. Neither `Debug` nor an error shows the raw token.

use std::any::Any;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;

use crate::algorithm::Algorithm;
use crate::claims::{self, Claims, Times};
use crate::compact::UnverifiedToken;
use crate::header::Header;
use crate::json::{JsonObject, Text, Value, elements, entries};
use crate::key_set::KeySet;
use crate::limits::Limits;
use crate::policy::{Policy, Rules};
use crate::rejection::Rejection;
use crate::scope::{RequestedScopes, ScopeHierarchy, Scopes};
use crate::thumbprint::Thumbprint;
use crate::time::{NumericDate, UnixTime};

/// A verified access token: holding one is the proof.
///
/// Cheap to clone (one reference count) and `Send + Sync`. Its `Debug` shows who it is about, never
/// the token.
///
/// ```compile_fail
/// // There is no way to make one but verification.
/// let token = mcp_bearer_core::AccessToken::default();
/// ```
#[derive(Clone)]
pub struct AccessToken(Arc<Proven>);

/// What verification found. What a hit of a token cache reads comes first, beside the reference
/// count: with many tokens, each cache line is a wait for memory.
#[repr(C)]
pub(super) struct Proven {
    pub(super) times: Times,
    pub(super) token: Arc<str>,
    pub(super) claims: Arc<JsonObject>,
    pub(super) issuer: Option<Text>,
    pub(super) subject: Option<Text>,
    pub(super) client: Option<Text>,
    pub(super) scopes: Scopes,
    pub(super) algorithm: Algorithm,
    pub(super) thumbprint: Thumbprint,
    pub(super) rules: Arc<Rules>,
    /// Filled later; see [`AccessToken::derived`].
    pub(super) derived: Derived,
    /// The last check that it passed; see [`AccessToken::passed`].
    pub(super) passed: AtomicU64,
}

/// A place for one value of any type.
pub(super) type Derived = OnceLock<Box<dyn Kept>>;

/// Any value that leaves the token what it is for threads and for panics.
pub(super) trait Kept: Any + Send + Sync + UnwindSafe + RefUnwindSafe {
    fn as_any(&self) -> &dyn Any;
}

impl<T: Any + Send + Sync + UnwindSafe + RefUnwindSafe> Kept for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The scopes that somebody requires, as a number that no others of the process have: for
/// [`AccessToken::passed`].
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ScopesCheck(u64);

impl ScopesCheck {
    /// Makes a number for one list of scopes. That list must never change.
    #[expect(clippy::new_without_default, reason = "no two are equal")]
    #[must_use]
    pub fn new() -> Self {
        // Tokens begin with 0. It does not come round: at one per nanosecond that takes 500 years.
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed).saturating_add(1))
    }
}

impl AccessToken {
    pub(super) fn proven(proven: Proven) -> Self {
        Self(Arc::new(proven))
    }

    /// A value that a service makes of this token, kept with it: it is made once per verification,
    /// shared by all clones, and freed with the last of them. `None` if a value of another type was
    /// kept first: then the caller makes its own.
    ///
    /// For `mcp-bearer-gateway`. Every service that gets the token gets the value, so it must
    /// depend on nothing but the token. It must not hold the token, or neither is ever freed.
    /// [`memory_bytes`](Self::memory_bytes) does not count it.
    #[doc(hidden)]
    pub fn derived<T: Any + Send + Sync + UnwindSafe + RefUnwindSafe>(
        &self,
        make: impl FnOnce(&Self) -> T,
    ) -> Option<&T> {
        let value = match self.0.derived.get() {
            Some(value) => value,
            // Made before the place is taken: of two threads at once, one makes it in vain, and
            // none waits.
            None => {
                let made: Box<dyn Kept> = Box::new(make(self));
                self.0.derived.get_or_init(|| made)
            }
        };
        (**value).as_any().downcast_ref()
    }

    /// Whether this token has the scopes that a check stands for, which is asked once per token and
    /// check. One check is remembered, of those that the token passed.
    ///
    /// For `mcp-bearer`.
    #[doc(hidden)]
    pub fn passed<E>(
        &self,
        check: ScopesCheck,
        ask: impl FnOnce(&Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.0.passed.load(Ordering::Relaxed) != check.0 {
            ask(self)?;
            self.0.passed.store(check.0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The token as it was received. A secret: do not log it, and do not pass it on (the MCP
    /// specification forbids it).
    #[must_use]
    pub fn token(&self) -> &str {
        &self.0.token
    }

    /// The same, shared with this token: a key for caches.
    #[must_use]
    pub fn shared_token(&self) -> Arc<str> {
        self.0.token.clone()
    }

    /// The client: `client_id`, `azp`, `cid` or `appid`, the first one present.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.kept(&self.0.client)
    }

    /// The client as FastMCP reports it: [`client_id`](Self::client_id), else `sub`, else
    /// `unknown`.
    #[must_use]
    pub fn client_id_or_subject(&self) -> &str {
        self.client_id()
            .or_else(|| self.subject())
            .unwrap_or("unknown")
    }

    /// `sub`: who the token is about (RFC 7519 section 4.1.2).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.kept(&self.0.subject)
    }

    /// `iss`: who issued it (RFC 7519 section 4.1.1).
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.kept(&self.0.issuer)
    }

    fn kept<'a>(&'a self, text: &'a Option<Text>) -> Option<&'a str> {
        text.as_ref().map(|text| text.of(self.0.claims.text()))
    }

    /// `aud`: whom it is for (RFC 7519 section 4.1.3).
    #[must_use]
    pub fn audiences(&self) -> Vec<String> {
        let aud = Claims::read(&self.0.claims).aud;
        let audience = claims::audience(aud.as_ref()).ok().flatten();
        audience.map(claims::Audience::to_vec).unwrap_or_default()
    }

    /// The granted scopes.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// `exp` (RFC 7519 section 4.1.4).
    #[must_use]
    pub fn expires_at(&self) -> Option<NumericDate> {
        self.0.times.expires_at
    }

    /// The algorithm it was signed with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// Which key verified it.
    #[must_use]
    pub fn key_thumbprint(&self) -> Thumbprint {
        self.0.thumbprint
    }

    /// The claims as they were signed: validated JSON text.
    #[must_use]
    pub fn claims_json(&self) -> &str {
        self.0.claims.text()
    }

    /// All claims as values.
    #[must_use]
    pub fn claims(&self) -> serde_json::Map<String, serde_json::Value> {
        self.0.claims.to_map()
    }

    /// One claim as a type of your own; `None` if it is absent.
    ///
    /// # Errors
    /// When the value does not fit the type, or holds a member name that JSON libraries treat
    /// specially.
    pub fn claim<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ClaimError> {
        let Some(value) = self.0.claims.get(name) else {
            return Ok(None);
        };
        if holds_reserved_name(&value) {
            return Err(ClaimError {
                kind: ClaimErrorKind::ReservedName,
                why: "holds a reserved member name".into(),
            });
        }
        let value = serde_json::from_value(value.to_tree());
        value.map(Some).map_err(|error| ClaimError::of(&error))
    }

    /// Which scope includes which others, according to the policy of its issuer.
    #[must_use]
    pub fn scope_hierarchy(&self) -> &ScopeHierarchy {
        &self.0.rules.hierarchy
    }

    /// What clients must request for a scope, according to the policy of its issuer.
    #[must_use]
    pub fn requested_scopes(&self) -> &RequestedScopes {
        &self.0.rules.requested_scopes
    }

    /// Whether a scope is held, or implied by one that is.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.rules.hierarchy.satisfies(&self.0.scopes, scope)
    }

    /// Requires all the scopes that an operation needs.
    ///
    /// # Errors
    /// [`InsufficientScope`](crate::RejectionKind::InsufficientScope), with all that is required
    /// and all that is missing.
    pub fn require_scopes(&self, required: &Scopes) -> Result<(), Rejection> {
        require_scopes(required, &self.0.scopes, &self.0.claims, &self.0.rules)
    }

    /// Repeats steps 11 and 12, for a token that is kept.
    ///
    /// # Errors
    /// [`Expired`](crate::RejectionKind::Expired),
    /// [`NotYetValid`](crate::RejectionKind::NotYetValid),
    /// [`TooOld`](crate::RejectionKind::TooOld),
    /// [`MissingClaim`](crate::RejectionKind::MissingClaim).
    pub fn recheck_time(&self, policy: &Policy, now: UnixTime) -> Result<(), Rejection> {
        let rules = &policy.rules.times;
        self.0.times.check_expiry(rules, now)?;
        self.0.times.check_start(rules, now)
    }

    /// Whether the key that verified it would still be chosen for it from this set: step 9 without
    /// the signature, for a token that is kept while keys change.
    #[must_use]
    pub fn recheck_key(&self, keys: &KeySet) -> bool {
        let kid = kid_of(&self.0.token);
        let Ok(kid) = kid else {
            return false;
        };
        let candidates = keys.candidates(self.0.algorithm, kid.as_deref());
        candidates.is_ok_and(|keys| keys.iter().any(|key| key.thumbprint() == self.0.thumbprint))
    }

    /// How many bytes of memory it holds, for a cache that is bounded by them.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Proven>()
            + self.0.token.len()
            + self.0.claims.memory_bytes()
            + self.0.scopes.as_str().len()
            + [&self.0.issuer, &self.0.subject, &self.0.client]
                .into_iter()
                .map(|text| match text {
                    Some(Text::Own(text)) => text.len(),
                    Some(Text::At(_)) | None => 0,
                })
                .sum::<usize>()
    }

    /// Whether two handles share one verification.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .field("client_id", &self.client_id())
            .field("scopes", self.scopes())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

/// A claim that cannot be read as the wanted type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimError {
    kind: ClaimErrorKind,
    why: Box<str>,
}

/// The kinds of [`ClaimError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClaimErrorKind {
    /// The value does not fit the type.
    WrongType,
    /// The value holds a member name that JSON libraries treat specially.
    ReservedName,
}

impl ClaimError {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ClaimErrorKind {
        self.kind
    }

    /// The library's text quotes the whole value.
    fn of(error: &serde_json::Error) -> Self {
        const SHOWN_CHARS: usize = 2 * Limits::SHOWN_CHARS;
        let text = error.to_string();
        let why = match text.char_indices().nth(SHOWN_CHARS) {
            None => text.into(),
            Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()).into(),
        };
        Self {
            kind: ClaimErrorKind::WrongType,
            why,
        }
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for ClaimError {}

/// Checks that the scopes a token holds, according to its claims, cover all of `required`.
pub(super) fn require_scopes(
    required: &Scopes,
    held: &Scopes,
    claims: &JsonObject,
    rules: &Rules,
) -> Result<(), Rejection> {
    if required.is_empty() || required == held {
        return Ok(());
    }
    let lacking = |scope: &&str| !rules.hierarchy.satisfies(held, scope);
    if !required.iter().any(|scope| lacking(&scope)) {
        return Ok(());
    }
    let missing = Scopes::from_names(required.iter().filter(lacking)).unwrap_or_default();
    let read = rules.scope_claims.show(claims);
    let rejection =
        Rejection::insufficient_scope(required.clone(), missing).with_claims_read(&read);
    Err(match &rules.requested_scopes {
        same if same.is_empty() => rejection,
        requested => rejection.requesting(requested.of_all(required)),
    })
}

/// The `kid` of a token that has already been verified.
fn kid_of(token: &str) -> Result<Option<String>, Rejection> {
    let unverified =
        UnverifiedToken::parse(token, &Limits::default().with_token_bytes(usize::MAX))?;
    let header = Header::read(&unverified.header);
    Ok(header.key_id()?.map(|kid| kid.clone().into_owned()))
}

/// `serde_json` gives objects with such a member another meaning when certain features are on; a
/// token must not be able to use that. The depth of validated text bounds the recursion.
fn holds_reserved_name(value: &Value<'_>) -> bool {
    match value {
        Value::Object(text) => entries(text)
            .any(|(name, value)| name.starts_with("$serde_json::") || holds_reserved_name(&value)),
        Value::Array(text) => elements(text).any(|value| holds_reserved_name(&value)),
        _ => false,
    }
}
