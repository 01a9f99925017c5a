//! [`BearerAuthProvider`]: verifies tokens with the keys and policies of one or several issuers.
//!
//! A token is verified only with the keys of the issuer that it names, and never waits for keys
//! that could not help.

mod builder;
mod issuer;
mod required_scopes;
mod token_faults;

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "http")]
use mcp_bearer_core::ChallengeContext;
use mcp_bearer_core::{
    AccessToken, Limits, Observer, Policy, Rejection, RejectionKind, Scopes, ScopesCheck, Step,
    UnixTime, Unobserved, UnverifiedToken,
};

pub use builder::{Decided, IssuerBuilder, Undecided};
pub(crate) use issuer::Issuer;
use issuer::IssuersByName;

use crate::clock::Clock;
use crate::config::{ConfigError, ServerDraft};
use crate::keys::{KeyStatus, Miss, Refreshed};
use crate::token_cache::{Found, Joined, ProcessCache, TokenCache, TokenCacheSize};

/// Verifies bearer tokens. Cheap to clone; all clones share keys and cache.
///
/// It can be built anywhere, inside or outside an async runtime; nothing is fetched until a token
/// needs it.
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
/// The compiler requires the three decisions:
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
    by_name: Arc<IssuersByName>,
    limits: Limits,
    clock: Clock,
    cache: Option<Arc<ProcessCache>>,
    /// Its required scopes. Others that require the same may have another one.
    scopes_check: ScopesCheck,
}

/// The result of verifying a token without waiting.
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
    /// Starts building a provider for one issuer. Keys, issuer and audience must be decided.
    pub fn builder() -> IssuerBuilder<Undecided, Undecided, Undecided> {
        IssuerBuilder::new()
    }

    /// A provider for several issuers, each with its own keys, algorithms, audiences, required
    /// scopes and leeway. A token's `iss` selects the issuer before any key is used.
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
    /// Every problem of every issuer at once. Accepting any issuer, a name that occurs twice and an
    /// empty list are problems too.
    pub fn for_issuers(
        issuers: impl IntoIterator<Item = IssuerBuilder<Decided, Decided, Decided>>,
    ) -> Result<Self, ConfigError> {
        let mut server = ServerDraft::default();
        server.issuers = issuers.into_iter().map(|issuer| issuer.draft).collect();
        server.check()
    }

    pub(crate) fn of_issuers(issuers: Vec<Issuer>, cache: Option<TokenCacheSize>) -> Self {
        let inner = Inner {
            by_name: Arc::new(IssuersByName::of(&issuers)),
            issuers,
            limits: Limits::default(),
            clock: Clock::system(),
            cache: cache.map(|size| Arc::new(ProcessCache::new(size))),
            scopes_check: ScopesCheck::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Each issuer alone, as a provider that shares its keys with this one.
    pub fn issuers(&self) -> impl Iterator<Item = Self> {
        let one = |issuer: &Issuer| Self::of_issuers(vec![issuer.clone()], None);
        self.inner.issuers.iter().map(one)
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

    /// The same provider with a cache of verified tokens, for clients that send the same token with
    /// every request. Off by default.
    ///
    /// A hit is as good as a verification: times are checked again, and a token is dropped when its
    /// key is removed or replaced. A token that is revoked in any other way stays good until it
    /// expires, with or without the cache.
    #[must_use]
    pub fn with_token_cache(self, size: TokenCacheSize) -> Self {
        self.changed(|inner| inner.cache = Some(Arc::new(ProcessCache::new(size))))
    }

    /// The same provider without a cache of verified tokens.
    #[must_use]
    pub fn without_token_cache(self) -> Self {
        self.changed(|inner| inner.cache = None)
    }

    /// A provider must never see what another one cached, so a changed provider starts with an
    /// empty cache.
    fn changed(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        let inner = Arc::make_mut(&mut self.inner);
        inner.cache = inner
            .cache
            .as_ref()
            .map(|old| Arc::new(ProcessCache::new(old.size())));
        change(inner);
        self
    }

    /// The number of cached tokens; `None` without a cache.
    #[must_use]
    pub fn cached_tokens(&self) -> Option<usize> {
        let caches = self.inner.cache.as_ref();
        caches.map(|caches| caches.with(TokenCache::len))
    }

    /// Verifies a token with the keys at hand, without waiting.
    ///
    /// Required scopes are not checked here: see
    /// [`check_required_scopes`](Self::check_required_scopes).
    #[must_use]
    pub fn try_verify_token(&self, token: &str) -> TryVerify {
        self.try_verify_bytes(token.as_bytes(), |_| Ok(token))
            .unwrap_or_else(TryVerify::Rejected)
    }

    /// The same for bytes that `check` may refuse. It is not called for cached bytes: they are
    /// those of a token that passed every check.
    ///
    /// # Errors
    /// When `check` refuses.
    #[inline]
    pub(crate) fn try_verify_bytes<'t>(
        &self,
        bytes: &'t [u8],
        check: impl FnOnce(&'t [u8]) -> Result<&'t str, Rejection>,
    ) -> Result<TryVerify, Rejection> {
        let now = match self.inner.clock.time_of_judgement() {
            Ok(now) => now,
            Err(unset) => return check(bytes).map(|_| TryVerify::Rejected(unset)),
        };
        // What is too long is refused by its length alone.
        let is_short = bytes.len() <= self.inner.limits.token_bytes;
        let Some(caches) = self.inner.cache.as_deref().filter(|_| is_short) else {
            let token = check(bytes)?;
            return Ok(self.verify_uncached(token, now, &mut Unobserved));
        };
        caches.with(|cache| {
            if let Some(access) = self.find_cached(cache, bytes, now) {
                return Ok(TryVerify::Accepted(access));
            }
            let token = check(bytes)?;
            Ok(self.verify_first_seen(cache, token, now))
        })
    }

    /// Verifies a token that is not cached, and caches it.
    fn verify_first_seen(&self, cache: &TokenCache, token: &str, now: UnixTime) -> TryVerify {
        let parsed = match self.parse(token, &mut Unobserved) {
            Ok(parsed) => parsed,
            Err(rejection) => return TryVerify::Rejected(rejection),
        };
        // A token that no key could verify never waits.
        let algorithm = parsed.unverified.algorithm();
        let joined = algorithm.map(|_| cache.join_verification(token));
        if matches!(joined, Some(Joined::Waited))
            && let Some(access) = self.find_cached(cache, token.as_bytes(), now)
        {
            return TryVerify::Accepted(access);
        }
        let (outcome, generation) = parsed.verify(now, &mut Unobserved);
        if let TryVerify::Accepted(access) = &outcome {
            cache.keep(access, parsed.index, generation, now);
        }
        outcome
    }

    fn find_cached(&self, cache: &TokenCache, token: &[u8], now: UnixTime) -> Option<AccessToken> {
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

    /// Verifies a token. If newer keys could help, waits for them for at most 5 s, and tries once
    /// more.
    ///
    /// Required scopes are not checked here: see
    /// [`check_required_scopes`](Self::check_required_scopes).
    ///
    /// ```
    /// # use mcp_bearer::{BearerAuthProvider, Rejection};
    /// # async fn doc(provider: BearerAuthProvider) -> Result<(), Rejection> {
    /// let access = provider.verify_token("eyJhbGciOi...").await?;
    /// println!("{:?} calls through {}", access.subject(), access.client_id_or_subject());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The first step that fails.
    /// [`KeysUnavailable`](mcp_bearer_core::RejectionKind::KeysUnavailable) is not the token's
    /// fault.
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
        // The keys are new, or still missing, perhaps for another reason.
        self.try_verify_token(token).into_result()
    }

    /// Like [`verify_token`](Self::verify_token), but reports every step to an observer, after any
    /// wait for newer keys.
    ///
    /// # Errors
    /// The first step that fails.
    pub async fn verify_token_observed(
        &self,
        token: &str,
        observer: &mut impl Observer,
    ) -> Result<AccessToken, Rejection> {
        if let TryVerify::NeedsKeys(needs) = self.try_verify_token(token) {
            let _ = self.verify_with_newer_keys(token, needs).await;
        }
        let now = self.inner.clock.time_of_judgement()?;
        self.verify_uncached(token, now, observer).into_result()
    }

    /// The verification itself, without the cache.
    fn verify_uncached(
        &self,
        token: &str,
        now: UnixTime,
        observer: &mut impl Observer,
    ) -> TryVerify {
        match self.parse(token, observer) {
            Ok(parsed) => parsed.verify(now, observer).0,
            Err(rejection) => TryVerify::Rejected(rejection),
        }
    }

    /// Steps 1 to 4a.
    fn parse<'t>(
        &self,
        token: &'t str,
        observer: &mut impl Observer,
    ) -> Result<TokenOfIssuer<'t, '_>, Rejection> {
        let unverified = UnverifiedToken::parse_observed(token, &self.inner.limits, observer)?;
        let (index, issuer) = self.choose_issuer(&unverified, observer)?;
        Ok(TokenOfIssuer {
            unverified,
            index,
            issuer,
        })
    }

    /// Step 4a.
    fn choose_issuer(
        &self,
        token: &UnverifiedToken<'_>,
        observer: &mut impl Observer,
    ) -> Result<(usize, &Issuer), Rejection> {
        let issuers = &self.inner.issuers;
        if let [only] = issuers.as_slice() {
            observer.skipped(Step::ChooseIssuer, "one issuer is configured");
            return Ok((0, only));
        }
        let claimed = token.claimed_issuer();
        let candidates = self.inner.by_name.candidates(claimed.as_deref());
        let named = issuers
            .iter()
            .enumerate()
            .skip(candidates.start)
            .take(candidates.len())
            .flat_map(|(index, issuer)| issuer.names().map(move |name| (name, (index, issuer))));
        token.choose_issuer_observed(named, observer)
    }

    /// The scopes for the challenge to a refused token: those that all issuers agree on, or else
    /// those of the issuer that the token names.
    #[cfg(feature = "http")]
    pub(crate) fn challenge_context(&self, token: Option<&str>) -> ChallengeContext<'_> {
        let agreed = || {
            let (first, rest) = self.inner.issuers.split_first()?;
            let mut rest = rest.iter();
            rest.all(|issuer| issuer.asks_for_the_same_as(first))
                .then_some(first)
        };
        let named = || {
            let unverified = UnverifiedToken::parse(token?, &self.inner.limits).ok()?;
            let (_, issuer) = self.choose_issuer(&unverified, &mut Unobserved).ok()?;
            Some(issuer)
        };
        let issuer = agreed().or_else(named);
        issuer.map_or_else(ChallengeContext::default, Issuer::challenge_context)
    }

    /// What clients must request for these scopes, by each issuer's map, without repetitions.
    #[cfg(feature = "http")]
    pub(crate) fn scopes_to_request(&self, scopes: &Scopes) -> Scopes {
        let issuers = self.inner.issuers.iter();
        each_once(issuers.map(|issuer| issuer.policy.requested_scopes().of_all(scopes)))
    }

    /// What clients must request for all required scopes of every issuer, without repetitions.
    #[cfg(feature = "http")]
    pub(crate) fn required_scopes_to_request(&self) -> Scopes {
        let issuers = self.inner.issuers.iter();
        each_once(issuers.map(Issuer::scopes_to_request))
    }

    /// Every required scope of every issuer, for the `scopes_supported` of RFC 9728.
    #[must_use]
    pub fn required_scopes(&self) -> Scopes {
        let issuers = self.inner.issuers.iter();
        each_once(issuers.map(|issuer| issuer.required_scopes.clone()))
    }

    /// The names of the configured issuers; none if any issuer is accepted.
    pub fn issuer_names(&self) -> impl Iterator<Item = &str> {
        self.inner.issuers.iter().flat_map(Issuer::names)
    }

    /// The policies, one per issuer.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.inner.issuers.iter().map(|issuer| &issuer.policy)
    }

    /// The state of the keys, one entry per issuer.
    #[must_use]
    pub fn key_status(&self) -> Vec<KeyStatus> {
        self.inner
            .issuers
            .iter()
            .map(|issuer| issuer.keys.status())
            .collect()
    }

    /// Fetches the keys of every issuer that has none yet, all at once and for at most 5 s. Call it
    /// at startup so that the first token need not wait.
    ///
    /// It does not fail when an issuer is down: it logs that, and later requests try again.
    ///
    /// ```
    /// # async fn doc(provider: mcp_bearer::BearerAuthProvider) {
    /// provider.warm_up().await;
    /// # }
    /// ```
    pub async fn warm_up(&self) {
        let empty = |issuer: &&Issuer| issuer.keys.snapshot().set.is_empty();
        // A source starts when `refresh` is called, so all of them fetch at the same time.
        let asked = self.inner.issuers.iter().filter(empty);
        let asked: Vec<_> = asked
            .map(|issuer| issuer.keys.refresh(Miss::no_keys()))
            .collect();
        for refreshed in asked {
            let _ = refreshed.await;
        }
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }
}

fn each_once(lists: impl Iterator<Item = Scopes>) -> Scopes {
    let lists: Vec<Scopes> = lists.collect();
    let mut names: Vec<&str> = Vec::new();
    for scope in lists.iter().flat_map(Scopes::iter) {
        if !names.contains(&scope) {
            names.push(scope);
        }
    }
    Scopes::from_names(names).unwrap_or_default()
}

/// A token, and the issuer whose keys and policy it must satisfy.
struct TokenOfIssuer<'t, 'p> {
    unverified: UnverifiedToken<'t>,
    index: usize,
    issuer: &'p Issuer,
}

impl TokenOfIssuer<'_, '_> {
    /// Steps 5 to 19; also returns the generation of the keys.
    fn verify(&self, now: UnixTime, observer: &mut impl Observer) -> (TryVerify, u64) {
        let snapshot = self.issuer.keys.snapshot();
        let (unverified, policy) = (&self.unverified, &self.issuer.policy);
        let outcome = unverified.verify_observed(&snapshot.set, policy, now, observer);
        report_kernel_failure();
        let rejection = match outcome {
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

/// Logs once that the RSA kernel has contradicted itself, which only a faulty processor or a bug
/// can cause. AWS-LC verifies from then on. Called after each check of a signature.
#[cfg(feature = "rsa-kernel")]
fn report_kernel_failure() {
    if mcp_bearer_rsa::has_failed() && mcp_bearer_rsa::take_failure() {
        tracing::error!(
            target: "mcp_bearer::provider",
            "the RSA kernel computed a wrong product: AWS-LC verifies all signatures from now on; check this processor"
        );
    }
}

#[cfg(not(feature = "rsa-kernel"))]
const fn report_kernel_failure() {}

impl fmt::Debug for BearerAuthProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerAuthProvider")
            .field("issuers", &self.inner.issuers)
            .finish_non_exhaustive()
    }
}

impl TryVerify {
    /// The result with the keys at hand.
    ///
    /// # Errors
    /// When the token is refused, or newer keys would be needed.
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
