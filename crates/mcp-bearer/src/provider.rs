//! [`BearerAuthProvider`]: tokens in, access tokens or rejections out, with the keys and policy of one or of several
//! issuers.
//!
//! It joins what core decides with keys that change. It must never verify with the keys of an issuer other than the one
//! the token names, and never wait for keys that could not help.

mod builder;
mod issuer;
mod secret_file;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use mcp_bearer_core::{
    AccessToken, ConfigError, Decided, Limits, Observer, Policy, Rejection, RejectionKind, Scopes,
    Step, UnixTime, Unobserved, UnverifiedToken,
};

pub use builder::IssuerBuilder;
use issuer::Issuer;

use crate::clock::Clock;
use crate::keys::{KeyStatus, Miss, Refreshed};
use crate::token_cache::{Flight, Found, ProcessCache, TokenCache, TokenCacheSize};

/// Verifies bearer tokens. Cheap to clone; all clones share keys and cache.
///
/// It can be built anywhere, inside or outside an async runtime; nothing is fetched until a token needs it.
///
/// ```
/// use mcp_bearer::{BearerAuthProvider, RejectionKind};
/// let provider = BearerAuthProvider::builder()
///     .jwks_uri("https://idp.example.com/jwks.json")
///     .issuer("https://idp.example.com/")
///     .audience("https://mcp.example.com/mcp")
///     .required_scopes(["mcp:read"])
///     .build()?;
/// let rejection = provider.try_verify_token("nonsense").into_result().unwrap_err();
/// assert_eq!(rejection.kind(), RejectionKind::Malformed);
/// # Ok::<(), mcp_bearer::ConfigError>(())
/// ```
///
/// The three decisions are demanded by the compiler:
///
/// ```compile_fail
/// // No keys, no audience.
/// mcp_bearer::BearerAuthProvider::builder().issuer("https://idp.example.com/").build();
/// ```
#[derive(Clone)]
pub struct BearerAuthProvider {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    issuers: Vec<Issuer>,
    limits: Limits,
    clock: Clock,
    cache: Option<Arc<ProcessCache>>,
}

/// What can be said of a token without waiting.
#[derive(Clone, Debug)]
pub enum TryVerify {
    /// It is good.
    Accepted(AccessToken),
    /// It is refused, and other keys would not change that.
    Rejected(Rejection),
    /// It is refused with the keys at hand, and newer ones could change that.
    NeedsKeys(NeedsKeys),
}

/// A token that newer keys might verify.
#[derive(Clone)]
pub struct NeedsKeys {
    rejection: Rejection,
    issuer: usize,
    miss: Miss,
}

impl BearerAuthProvider {
    /// Begins a provider for one issuer. Keys, issuer and audience must be decided.
    pub fn builder() -> IssuerBuilder<
        mcp_bearer_core::Undecided,
        mcp_bearer_core::Undecided,
        mcp_bearer_core::Undecided,
    > {
        IssuerBuilder::new()
    }

    /// A provider for several issuers, each with its own keys, algorithms, audiences, required scopes and leeway. A
    /// token's `iss` chooses among them before any key is looked at.
    ///
    /// ```
    /// use mcp_bearer::BearerAuthProvider;
    /// let issuer = |name: &str| {
    ///     BearerAuthProvider::builder()
    ///         .jwks_uri(format!("{name}jwks.json"))
    ///         .issuer(name)
    ///         .audience("https://mcp.example.com/mcp")
    /// };
    /// let provider = BearerAuthProvider::for_issuers([
    ///     issuer("https://staff.example.com/").required_scopes(["mcp:admin"]),
    ///     issuer("https://customers.example.com/"),
    /// ])?;
    /// # Ok::<(), mcp_bearer::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Every problem of every issuer at once; an issuer of any name, a name twice, no issuer at all.
    pub fn for_issuers(
        issuers: impl IntoIterator<Item = IssuerBuilder<Decided, Decided, Decided>>,
    ) -> Result<Self, ConfigError> {
        let issuers = issuer::build_all(issuers)?;
        let (limits, clock) = (Limits::default(), Clock::system());
        Ok(Self {
            inner: Arc::new(Inner {
                issuers,
                limits,
                clock,
                cache: None,
            }),
        })
    }

    /// The same provider with another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        self.changed(|inner| inner.clock = clock)
    }

    /// The same provider with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        self.changed(|inner| inner.limits = limits)
    }

    /// The same provider with a cache of verified tokens, for clients that send one token with every request. Off unless
    /// called.
    ///
    /// A hit is worth what a verification would be worth: times are checked again, and a token is forgotten when its key
    /// is removed or replaced. A token that was revoked without that stays good until it expires, with and without.
    #[must_use]
    pub fn with_token_cache(self, size: TokenCacheSize) -> Self {
        self.changed(|inner| inner.cache = Some(Arc::new(ProcessCache::new(size))))
    }

    /// The same provider without a cache of verified tokens.
    #[must_use]
    pub fn without_token_cache(self) -> Self {
        self.changed(|inner| inner.cache = None)
    }

    /// What one provider kept must never be seen by another, so a changed provider begins with an empty cache.
    fn changed(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        let inner = Arc::make_mut(&mut self.inner);
        inner.cache = inner
            .cache
            .as_ref()
            .map(|old| Arc::new(ProcessCache::new(old.size())));
        change(inner);
        self
    }

    /// How many verified tokens are kept; `None` without a cache.
    #[must_use]
    pub fn cached_tokens(&self) -> Option<usize> {
        let caches = self.inner.cache.as_ref();
        caches.map(|caches| caches.with(TokenCache::len))
    }

    /// Verifies a token with the keys at hand, without waiting.
    ///
    /// Required scopes are not looked at here: see [`check_required_scopes`](Self::check_required_scopes).
    #[must_use]
    pub fn try_verify_token(&self, token: &str) -> TryVerify {
        let now = match self.inner.clock.time_of_judgement() {
            Ok(now) => now,
            Err(rejection) => return TryVerify::Rejected(rejection),
        };
        let Some(caches) = self.inner.cache.as_deref() else {
            return self.attempt(token, now, &mut Unobserved);
        };
        if token.len() > self.inner.limits.token_bytes {
            return self.attempt(token, now, &mut Unobserved); // refused by its length alone
        }
        caches.with(|cache| self.attempt_with(cache, token, now))
    }

    /// The verification, or what the cache has kept of one.
    fn attempt_with(&self, cache: &TokenCache, token: &str, now: UnixTime) -> TryVerify {
        if let Some(access) = self.cached(cache, token, now) {
            return TryVerify::Accepted(access);
        }
        let parsed = match self.read(token, &mut Unobserved) {
            Ok(parsed) => parsed,
            Err(rejection) => return TryVerify::Rejected(rejection),
        };
        // What no key could verify is not worth anybody's wait.
        let flight = parsed.unverified.algorithm().map(|_| cache.fly(token));
        if matches!(flight, Some(Flight::Waited))
            && let Some(access) = self.cached(cache, token, now)
        {
            return TryVerify::Accepted(access);
        }
        let (outcome, generation) = parsed.verify(now, &mut Unobserved);
        if let TryVerify::Accepted(access) = &outcome {
            cache.keep(access, parsed.index, generation, now);
        }
        outcome
    }

    fn cached(&self, cache: &TokenCache, token: &str, now: UnixTime) -> Option<AccessToken> {
        let issuer = |index: u32| {
            let issuer = self.inner.issuers.get(usize::try_from(index).ok()?)?;
            Some((&issuer.policy, &*issuer.keys))
        };
        match cache.look(token, now, issuer) {
            Found::Fresh(access) => Some(access),
            Found::Older(older) => Some(older.renew()),
            Found::Nothing => None,
        }
    }

    /// Verifies a token; when newer keys could help, waits for them, at most 5 s, and tries once more.
    ///
    /// Required scopes are not looked at here: see [`check_required_scopes`](Self::check_required_scopes).
    ///
    /// ```
    /// # async fn doc(provider: mcp_bearer::BearerAuthProvider) -> Result<(), mcp_bearer::Rejection> {
    /// let access = provider.verify_token("eyJhbGciOi...").await?;
    /// println!("{:?} calls through {}", access.subject(), access.client_id_or_subject());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The first step that fails. [`KeysUnavailable`](mcp_bearer_core::RejectionKind::KeysUnavailable) is not the
    /// token's fault.
    pub async fn verify_token(&self, token: &str) -> Result<AccessToken, Rejection> {
        match self.try_verify_token(token) {
            TryVerify::Accepted(access) => Ok(access),
            TryVerify::Rejected(rejection) => Err(rejection),
            TryVerify::NeedsKeys(needs) => self.verify_with_newer_keys(token, needs).await,
        }
    }

    /// What [`verify_token`](Self::verify_token) does after [`TryVerify::NeedsKeys`].
    ///
    /// # Errors
    /// The first step that fails.
    pub async fn verify_with_newer_keys(
        &self,
        token: &str,
        needs: NeedsKeys,
    ) -> Result<AccessToken, Rejection> {
        let Some(issuer) = self.inner.issuers.get(needs.issuer) else {
            return Err(needs.rejection);
        };
        let refreshed = issuer.keys.refresh(needs.miss).await;
        let outage = needs.rejection.kind() == RejectionKind::KeysUnavailable;
        if refreshed == Refreshed::Unchanged && !outage {
            return Err(needs.rejection);
        }
        // New keys; or none still, and then the time until the next attempt has moved.
        self.try_verify_token(token).into_result()
    }

    /// [`verify_token`](Self::verify_token), with every step reported to an observer once the keys are as good as they
    /// get.
    ///
    /// The first fetch is waited for even when the token's own claims condemn it, so that every step is reached.
    ///
    /// # Errors
    /// The first step that fails.
    pub async fn verify_token_observed(
        &self,
        token: &str,
        observer: &mut impl Observer,
    ) -> Result<AccessToken, Rejection> {
        match self.try_verify_token(token) {
            TryVerify::NeedsKeys(needs) => {
                let _ = self.verify_with_newer_keys(token, needs).await;
            }
            TryVerify::Rejected(rejection) if rejection.is_unverified() => {
                self.first_fetch(token).await;
            }
            TryVerify::Accepted(_) | TryVerify::Rejected(_) => {}
        }
        let now = self.inner.clock.time_of_judgement()?;
        self.attempt(token, now, observer).into_result()
    }

    /// Waits for the first fetch of the token's issuer, at most 5 s; returns at once when one has ended.
    async fn first_fetch(&self, token: &str) {
        let Ok(parsed) = self.read(token, &mut Unobserved) else {
            return;
        };
        let keys = &parsed.issuer.keys;
        let status = keys.status();
        if status.fetched + status.not_modified + status.failed == 0 {
            let _ = keys.refresh(Miss::no_keys()).await;
        }
    }

    /// The verification itself.
    fn attempt(&self, token: &str, now: UnixTime, observer: &mut impl Observer) -> TryVerify {
        match self.read(token, observer) {
            Ok(parsed) => parsed.verify(now, observer).0,
            Err(rejection) => TryVerify::Rejected(rejection),
        }
    }

    /// Steps 1 to 4a.
    fn read<'t>(
        &self,
        token: &'t str,
        observer: &mut impl Observer,
    ) -> Result<Parsed<'t, '_>, Rejection> {
        let unverified = UnverifiedToken::parse_observed(token, &self.inner.limits, observer)?;
        let (index, issuer) = self.choose(&unverified, observer)?;
        Ok(Parsed {
            unverified,
            index,
            issuer,
        })
    }

    /// Step 4a.
    fn choose(
        &self,
        token: &UnverifiedToken<'_>,
        observer: &mut impl Observer,
    ) -> Result<(usize, &Issuer), Rejection> {
        let issuers = &self.inner.issuers;
        if let [only] = issuers.as_slice() {
            observer.skipped(Step::ChooseIssuer, "one issuer is configured");
            return Ok((0, only));
        }
        let named = issuers
            .iter()
            .enumerate()
            .flat_map(|(index, issuer)| issuer.names().map(move |name| (name, (index, issuer))));
        token.choose_issuer_observed(named, observer)
    }

    /// Asks a verified token for the required scopes of its issuer.
    ///
    /// # Errors
    /// [`InsufficientScope`](mcp_bearer_core::RejectionKind::InsufficientScope).
    pub fn check_required_scopes(&self, access: &AccessToken) -> Result<(), Rejection> {
        access.require_scopes(&self.required_scopes_of(access))
    }

    /// What is asked of a verified token. Of one of another provider, nothing less than all that is asked of anyone.
    pub(crate) fn required_scopes_of(&self, access: &AccessToken) -> Cow<'_, Scopes> {
        match self.required_scopes_for(access) {
            Some(required) => Cow::Borrowed(required),
            None => Cow::Owned(self.all_required_scopes()),
        }
    }

    /// What the challenge to a refused token may ask for: the scopes of the issuer that it names, or those that all
    /// issuers agree on.
    #[cfg(feature = "http")]
    pub(crate) fn challenge_scopes(&self, token: Option<&str>) -> Option<&Scopes> {
        self.agreed_scopes().or_else(|| {
            let unverified = UnverifiedToken::parse(token?, &self.inner.limits).ok()?;
            let (_, issuer) = self.choose(&unverified, &mut Unobserved).ok()?;
            Some(&issuer.required_scopes)
        })
    }

    /// The required scopes of the issuer of a verified token.
    #[must_use]
    pub fn required_scopes_for(&self, access: &AccessToken) -> Option<&Scopes> {
        self.issuer_of(access).map(|issuer| &issuer.required_scopes)
    }

    fn issuer_of(&self, access: &AccessToken) -> Option<&Issuer> {
        match self.inner.issuers.as_slice() {
            [only] => Some(only),
            several => {
                let name = access.issuer()?;
                several
                    .iter()
                    .find(|issuer| issuer.names().any(|own| own == name))
            }
        }
    }

    /// The required scopes, where all issuers agree on them: what a challenge may say before a token is seen.
    #[must_use]
    pub fn agreed_scopes(&self) -> Option<&Scopes> {
        let (first, rest) = self.inner.issuers.split_first()?;
        rest.iter()
            .all(|issuer| issuer.required_scopes == first.required_scopes)
            .then_some(&first.required_scopes)
    }

    /// Every required scope of every issuer, for the `scopes_supported` of RFC 9728.
    #[must_use]
    pub fn all_required_scopes(&self) -> Scopes {
        let mut names: Vec<&str> = Vec::new();
        for scope in self
            .inner
            .issuers
            .iter()
            .flat_map(|issuer| issuer.required_scopes.iter())
        {
            if !names.contains(&scope) {
                names.push(scope);
            }
        }
        Scopes::from_names(names).unwrap_or_default()
    }

    /// The names of the configured issuers; none for "any issuer".
    pub fn issuer_names(&self) -> impl Iterator<Item = &str> {
        self.inner.issuers.iter().flat_map(Issuer::names)
    }

    /// The policies, one an issuer.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.inner.issuers.iter().map(|issuer| &issuer.policy)
    }

    /// The state of the keys, one an issuer.
    #[must_use]
    pub fn key_status(&self) -> Vec<KeyStatus> {
        self.inner
            .issuers
            .iter()
            .map(|issuer| issuer.keys.status())
            .collect()
    }

    /// Fetches the keys of every issuer that has none yet, so that the first token need not wait.
    pub async fn warm_up(&self) {
        for issuer in &self.inner.issuers {
            if issuer.keys.snapshot().set.is_empty() {
                let _ = issuer.keys.refresh(Miss::no_keys()).await;
            }
        }
    }

    /// The limits it works under.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }
}

/// A token, and the issuer whose keys and policy it has to meet.
struct Parsed<'t, 'p> {
    unverified: UnverifiedToken<'t>,
    index: usize,
    issuer: &'p Issuer,
}

impl Parsed<'_, '_> {
    /// Steps 5 to 19, and the generation of the keys.
    fn verify(&self, now: UnixTime, observer: &mut impl Observer) -> (TryVerify, u64) {
        let snapshot = self.issuer.keys.snapshot();
        let (unverified, policy) = (&self.unverified, &self.issuer.policy);
        let rejection = match unverified.verify_observed(&snapshot.set, policy, now, observer) {
            Ok(access) => return (TryVerify::Accepted(access), snapshot.generation),
            Err(rejection) => rejection,
        };
        let outcome = match snapshot.miss(rejection.kind(), unverified.kid().as_deref()) {
            Some(miss) if unverified.worth_a_fetch(policy, now) => {
                TryVerify::NeedsKeys(NeedsKeys {
                    rejection,
                    issuer: self.index,
                    miss,
                })
            }
            _ => {
                if snapshot.generation == 0 && unverified.is_plausible(policy) {
                    self.issuer.keys.prefetch();
                }
                TryVerify::Rejected(rejection)
            }
        };
        (outcome, snapshot.generation)
    }
}

impl fmt::Debug for BearerAuthProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerAuthProvider")
            .field("issuers", &self.inner.issuers)
            .finish_non_exhaustive()
    }
}

impl TryVerify {
    /// The answer with the keys at hand.
    ///
    /// # Errors
    /// When the token is refused, or would need newer keys.
    pub fn into_result(self) -> Result<AccessToken, Rejection> {
        match self {
            Self::Accepted(access) => Ok(access),
            Self::Rejected(rejection) => Err(rejection),
            Self::NeedsKeys(needs) => Err(needs.rejection),
        }
    }
}

impl NeedsKeys {
    /// The rejection with the keys at hand.
    #[must_use]
    pub fn rejection(&self) -> &Rejection {
        &self.rejection
    }
}

impl fmt::Debug for NeedsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NeedsKeys").field(&self.rejection).finish()
    }
}
