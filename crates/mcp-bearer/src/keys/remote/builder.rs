//! How a remote source is configured.
//! It must never connect to anything, and must report every problem at once.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use super::{
    Inner, RemoteKeys,
    attempt::{Address, Plan},
    task::Facts,
};
use crate::config::{
    problem::{ConfigError, Fact, Problem},
    setting::Setting,
};
use crate::keys::{
    Fetch, MonotonicClock,
    board::{Board, Sheet},
    discovery::check_issuer,
    driver::Mailbox,
    rotation::{
        FRESHNESS_CEILING, FRESHNESS_CEILING_MAX, FRESHNESS_FLOOR, STALENESS_BOUND, Settings,
    },
    transport::{Guard, Plain, Transport, label},
};

/// Longer than any outage, and still an end to the trust in a withdrawn key.
const STALENESS_BOUND_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Makes a [`RemoteKeys`].
#[derive(Clone)]
#[must_use = "nothing is made before `build`"]
pub struct RemoteKeysBuilder {
    address: Given,
    settings: Settings,
    transport: Transport,
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

impl RemoteKeysBuilder {
    pub(super) fn for_jwks_uri(uri: String) -> Self {
        Self::new(Given::JwksUri(uri))
    }

    pub(super) fn for_issuer(issuer: String) -> Self {
        Self::new(Given::Issuer(issuer))
    }

    fn new(address: Given) -> Self {
        Self {
            address,
            settings: Settings {
                max_freshness: FRESHNESS_CEILING,
                staleness_bound: STALENESS_BOUND,
            },
            transport: Transport::default(),
            ca_file: None,
            proxy: None,
            fetch: None,
            clock: MonotonicClock::system(),
        }
    }

    /// The longest lifetime that an issuer may give to its keys: 60 s to 24 h, 1 h unless set. It is also
    /// how long a withdrawn key is accepted while the issuer can be reached.
    pub fn max_freshness(mut self, ceiling: Duration) -> Self {
        self.settings.max_freshness = ceiling;
        self
    }

    /// How long past their lifetime keys are used while the issuer cannot be reached: up to 7 days, 24 h
    /// unless set. After that tokens meet `KeysUnavailable`.
    pub fn staleness_bound(mut self, bound: Duration) -> Self {
        self.settings.staleness_bound = bound;
        self
    }

    /// Trusts the certificates in this PEM file, and no others.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Goes through this proxy for https. Proxies of the environment are not used.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Connects to public unicast addresses only: for issuers that someone else names.
    pub fn ssrf_guard(mut self) -> Self {
        self.transport.guard = Guard::PublicOnly;
        self
    }

    /// Allows http beyond loopback. Whoever stands between can then replace the keys and mint tokens.
    pub fn insecure_allow_http(mut self) -> Self {
        self.transport.plain = Plain::Anywhere;
        self
    }

    /// Fetches by other means than the crate's own HTTP client; `ca_file`, `proxy` and the guard belong to
    /// that client.
    pub fn fetch(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// Measures lifetimes by another clock; for tests.
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
        let Settings {
            max_freshness,
            staleness_bound,
        } = self.settings;
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
            Given::JwksUri(uri) => match self.transport.check(uri) {
                Ok(url) => Some((label(&url), Address::JwksUri(url))),
                Err(reason) => {
                    problems.push(Problem::of(Setting::JwksUri, reason));
                    None
                }
            },
            Given::Issuer(issuer) => match check_issuer(issuer, self.transport) {
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
        let sheet = Sheet::without_keys(
            &format!("no keys have been fetched from {label} yet"),
            Facts::default(),
        );
        Ok(RemoteKeys {
            inner: Arc::new(Inner {
                plan: Arc::new(Plan {
                    address,
                    label,
                    transport: self.transport,
                    settings: self.settings,
                    fetch,
                }),
                board: Arc::new(Board::new(self.clock, sheet)),
                mailbox: Mailbox::new(),
                asked: AtomicBool::new(false),
            }),
        })
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
                self.transport.guard == Guard::PublicOnly,
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
        let mut http = crate::keys::HttpFetch::builder();
        if let Some(path) = self.ca_file.take() {
            http = http.ca_file(path);
        }
        if let Some(url) = self.proxy.take() {
            http = http.proxy(url);
        }
        if self.transport.guard == Guard::PublicOnly {
            http = http.ssrf_guard();
        }
        if self.transport.plain == Plain::Anywhere {
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
