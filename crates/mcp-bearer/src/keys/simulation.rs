//! One replica's decisions about fetches, without I/O and without a clock: for the simulation of
//! many replicas in the benches.

use std::io;
use std::time::Duration;

use mcp_bearer_core::{Algorithm, KeySet};

use super::freshness::{CacheHeaders, FRESHNESS_CEILING, Jitter, Lifetimes, STALENESS_BOUND};
use super::rotation::{Asked, FetchOrder, FetchResult, Rotation};
use super::snapshot::{Miss, MissKind};
use super::source::Refreshed;
use crate::testing::signing_keys::SigningKeys;

/// The sets that an issuer publishes one after another. Each has the keys of the one before, too.
#[derive(Clone, Debug)]
pub struct Issuer {
    sets: Vec<(KeySet, String)>,
}

impl Issuer {
    /// # Errors
    /// When no key can be made.
    pub fn new(versions: usize) -> io::Result<Self> {
        let mut sets = Vec::new();
        let mut before = Vec::new();
        for _ in 0..versions {
            let keys = SigningKeys::generate()?;
            let kid = keys.kid(Algorithm::Rs256).unwrap_or_default().to_owned();
            let own = keys.jwks().keys;
            let both = own.iter().chain(&before).cloned().collect();
            let json = serde_json::to_string(&mcp_bearer_core::JwksData::new(both));
            let set = KeySet::from_jwks_json(&json.map_err(io::Error::other)?);
            sets.push((set.map_err(io::Error::other)?, kid));
            before = own;
        }
        Ok(Self { sets })
    }

    /// The `kid` of the newest key of a set.
    #[must_use]
    pub fn kid(&self, version: usize) -> &str {
        self.sets.get(version).map_or("", |(_, kid)| kid)
    }
}

/// What happens to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its key is held.
    Verified,
    /// It waits for a fetch.
    Waits,
    /// Its key is not held, and no fetch is made for it now.
    Refused,
}

/// One replica.
#[derive(Debug)]
pub struct Replica {
    rotation: Rotation,
    random: fastrand::Rng,
    order: Option<FetchOrder>,
    held: Option<usize>,
}

impl Replica {
    /// A replica without keys. `seed` is for its jitter.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let lifetimes = Lifetimes {
            max_freshness: FRESHNESS_CEILING,
            staleness_bound: STALENESS_BOUND,
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let rotation = Rotation::new(lifetimes, None, jitter(&mut random));
        Self {
            rotation,
            random,
            order: None,
            held: None,
        }
    }

    /// A token that names this key arrives. [`fetches`](Self::fetches) is true if a fetch begins.
    pub fn token(&mut self, now: Duration, kid: &str) -> Found {
        let miss = match self.rotation.usable(now) {
            Some(held) if held.snapshot.set.has_kid(kid) => return Found::Verified,
            Some(held) => Miss {
                kind: MissKind::UnknownKid,
                kid: Some(kid.to_owned()),
                generation: held.snapshot.generation,
            },
            None => Miss::no_keys(),
        };
        match self.rotation.ask(now, miss) {
            Asked::Wait(_, order) => {
                self.order = order.or(self.order.take());
                Found::Waits
            }
            Asked::Answer(Refreshed::NewKeys) => Found::Verified,
            Asked::Answer(_) => Found::Refused,
        }
    }

    /// Whether a fetch has begun that [`answer`](Self::answer) has not ended.
    #[must_use]
    pub fn fetches(&self) -> bool {
        self.order.is_some()
    }

    /// When [`tick`](Self::tick) has something to do.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        self.rotation.next_wake()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        let effects = self.rotation.tick(now);
        self.order = effects.fetch.or(self.order.take());
    }

    /// The fetch ends: with this set, or `None` because the issuer is down.
    pub fn answer(&mut self, now: Duration, issuer: &Issuer, version: Option<usize>) {
        let Some(order) = self.order.take() else {
            return;
        };
        let set = version.and_then(|version| Some((version, issuer.sets.get(version)?)));
        let result = match set {
            None => FetchResult::Failed("down".to_owned()),
            Some((version, _)) if self.held == Some(version) => {
                FetchResult::NotModified(headers(version))
            }
            Some((version, (set, _))) => FetchResult::Set {
                set: set.clone(),
                digest: [u8::try_from(version).unwrap_or(u8::MAX); 32],
                headers: headers(version),
            },
        };
        self.held = version.or(self.held);
        let jitter = jitter(&mut self.random);
        let effects = self.rotation.finish_fetch(now, order.id, result, jitter);
        self.order = effects.fetch;
    }
}

fn jitter(random: &mut fastrand::Rng) -> Jitter {
    Jitter::new(random.u32(0..=1000))
}

fn headers(version: usize) -> CacheHeaders {
    CacheHeaders {
        cache_control: Some("max-age=3600".to_owned()),
        etag: Some(format!("\"{version}\"")),
        ..CacheHeaders::default()
    }
}
