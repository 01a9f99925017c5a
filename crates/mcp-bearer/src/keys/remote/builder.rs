//! [`RemoteKeysBuilder`]: the options of a remote source. It connects to nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::RemoteKeys;
use super::attempt::{Address, Origin};
use super::discovery::check_issuer;
use crate::config::problem::{ConfigError, Fact, Problem};
use crate::config::setting::Setting;
use crate::keys::fetch::address::{AddressRules, PlainHttp, SsrfGuard, label};
use crate::keys::fetch::{Exchanger, Fetch};
use crate::keys::freshness::{
    FRESHNESS_CEILING, FRESHNESS_CEILING_MAX, FRESHNESS_FLOOR, Lifetimes, STALENESS_BOUND,
};
use crate::keys::monotonic::MonotonicClock;

/// Longer than any outage, but still a limit to the trust in a key that was withdrawn meanwhile.
const STALENESS_BOUND_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Makes a [`RemoteKeys`].
#[derive(Clone)]
#[must_use = "nothing is made before `build`"]
pub struct RemoteKeysBuilder {
    address: Given,
    lifetimes: Lifetimes,
    rules: AddressRules,
    ca_file: Option<PathBuf>,
    proxy: Option<String>,
    fetch: Option<Arc<dyn Fetch>>,
    clock: MonotonicClock,
}

#[derive(Clone)]
enum Given {
    JwksUri(String),
    Issuer(String),
}

impl RemoteKeys {
    /// Keys from the JWKS at this address.
    pub fn builder(jwks_uri: impl Into<String>) -> RemoteKeysBuilder {
        RemoteKeysBuilder::new(Given::JwksUri(jwks_uri.into()))
    }

    /// Keys from the JWKS that the issuer's metadata names.
    pub fn discover(issuer: impl Into<String>) -> RemoteKeysBuilder {
        RemoteKeysBuilder::new(Given::Issuer(issuer.into()))
    }
}

impl RemoteKeysBuilder {
    fn new(address: Given) -> Self {
        Self {
            address,
            lifetimes: Lifetimes {
                max_freshness: FRESHNESS_CEILING,
                staleness_bound: STALENESS_BOUND,
            },
            rules: AddressRules::default(),
            ca_file: None,
            proxy: None,
            fetch: None,
            clock: MonotonicClock::system(),
        }
    }

    /// The longest lifetime that an issuer may give to its keys: 60 s to 24 h, by default 1 h. It
    /// is also how long a withdrawn key is accepted while the issuer can be reached.
    pub fn max_freshness(mut self, ceiling: Duration) -> Self {
        self.lifetimes.max_freshness = ceiling;
        self
    }

    /// How long past their lifetime keys are used while the issuer cannot be reached: up to 7 days,
    /// by default 24 h. After that tokens are refused with `KeysUnavailable`.
    pub fn staleness_bound(mut self, bound: Duration) -> Self {
        self.lifetimes.staleness_bound = bound;
        self
    }

    /// Trusts only the certificates in this PEM file.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Uses this proxy for https. Proxies of the environment are not used.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Connects to public unicast addresses only: for issuers that users choose.
    pub fn ssrf_guard(mut self) -> Self {
        self.rules.guard = SsrfGuard::PublicOnly;
        self
    }

    /// Allows http beyond loopback. Anyone on the path can then replace the keys and mint tokens.
    pub fn insecure_allow_http(mut self) -> Self {
        self.rules.plain_http = PlainHttp::Anywhere;
        self
    }

    /// Uses this instead of the crate's own HTTP client. `ca_file`, `proxy` and the guard are
    /// options of that client.
    pub fn fetch(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// Measures lifetimes with another clock; for tests.
    pub fn clock(mut self, clock: MonotonicClock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes the source. Fetches nothing, so it does not fail when the issuer is down.
    ///
    /// # Errors
    /// Every problem with the configuration at once.
    pub fn build(mut self) -> Result<RemoteKeys, ConfigError> {
        let mut problems = Vec::new();
        let Lifetimes {
            max_freshness,
            staleness_bound,
        } = self.lifetimes;
        if !(FRESHNESS_FLOOR..=FRESHNESS_CEILING_MAX).contains(&max_freshness) {
            problems.push(Problem::of(
                Setting::MaxFreshness,
                "must be from 60 s to 24 h",
            ));
        }
        if staleness_bound > STALENESS_BOUND_MAX {
            problems.push(Problem::of(
                Setting::StalenessBound,
                "must be at most 7 days",
            ));
        }
        let address = match &self.address {
            Given::JwksUri(uri) => match self.rules.check(uri) {
                Ok(url) => Some((label(&url), Address::JwksUri(url))),
                Err(reason) => {
                    problems.push(Problem::of(Setting::JwksUri, reason));
                    None
                }
            },
            Given::Issuer(issuer) => match check_issuer(issuer, self.rules) {
                Ok(url) => Some((label(&url), Address::Issuer(issuer.clone()))),
                Err(reason) => {
                    problems.push(Problem::of(Setting::Discover, reason));
                    None
                }
            },
        };
        let fetch = self.fetcher(&mut problems);
        let (Some((label, address)), Some(fetch), true) = (address, fetch, problems.is_empty())
        else {
            return Err(ConfigError::new(problems));
        };
        let origin = Origin {
            address,
            rules: self.rules,
            lifetimes: self.lifetimes,
            exchanger: Exchanger::new(fetch, self.clock),
        };
        Ok(RemoteKeys::new(label, origin))
    }

    fn fetcher(&mut self, problems: &mut Vec<Problem>) -> Option<Arc<dyn Fetch>> {
        let Some(fetch) = self.fetch.take() else {
            return self.http(problems);
        };
        for (option, given) in [
            (Setting::CaFile, self.ca_file.is_some()),
            (Setting::Proxy, self.proxy.is_some()),
            (
                Setting::SsrfGuard,
                self.rules.guard == SsrfGuard::PublicOnly,
            ),
        ] {
            if given {
                let fact = Fact::default().name(option).text(" has no effect beside ");
                let fact = fact
                    .name(Setting::Fetch)
                    .text(": it belongs to the built-in HTTP client");
                problems.push(Problem::new([option, Setting::Fetch], fact));
            }
        }
        Some(fetch)
    }

    #[cfg(feature = "remote")]
    fn http(&mut self, problems: &mut Vec<Problem>) -> Option<Arc<dyn Fetch>> {
        let mut http = crate::keys::fetch::http::HttpFetch::builder();
        if let Some(path) = self.ca_file.take() {
            http = http.ca_file(path);
        }
        if let Some(url) = self.proxy.take() {
            http = http.proxy(url);
        }
        if self.rules.guard == SsrfGuard::PublicOnly {
            http = http.ssrf_guard();
        }
        if self.rules.plain_http == PlainHttp::Anywhere {
            http = http.insecure_allow_http();
        }
        match http.build() {
            Ok(http) => Some(Arc::new(http)),
            Err(found) => {
                problems.extend(found.into_problems());
                None
            }
        }
    }

    #[cfg(not(feature = "remote"))]
    fn http(&mut self, problems: &mut Vec<Problem>) -> Option<Arc<dyn Fetch>> {
        let fact = "this build has no HTTP client (feature `remote`); give one";
        problems.push(Problem::of(Setting::Fetch, fact));
        None
    }
}

impl std::fmt::Debug for RemoteKeysBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteKeysBuilder").finish_non_exhaustive()
    }
}
