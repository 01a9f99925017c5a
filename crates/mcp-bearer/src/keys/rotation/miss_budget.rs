//! How many fetches tokens can cause while keys are held: 2 at once, then one per 10 s, and none
//! for 10 s for a miss that a successful answer did not resolve.
//!
//! The first of those intervals is 5 to 10 s long, chosen per process: else all replicas that a
//! flood reaches in the same second would ask the issuer in the same second for as long as it
//! lasts.
//!
//! Anyone can send tokens with made-up `kid`s. A scheduled fetch never spends from this budget.

use std::collections::VecDeque;
use std::time::Duration;

use crate::keys::freshness::Jitter;
use crate::keys::snapshot::{Miss, MissKind, sha256};

/// Attempts that can be made at once.
pub(super) const BURST: u32 = 2;
/// The time after which one more attempt can be made: the cooldown of keys in a flood of misses.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);
/// The number of misses that are remembered; the least recent is dropped first.
pub(super) const ENTRIES: usize = 1024;
/// How long a miss is remembered, from the start of the fetch that did not resolve it.
const LIFETIME: Duration = Duration::from_secs(10);

/// Counts attempts, successful or not; an attempt is never given back.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    /// When one more attempt can be made, while fewer than [`BURST`] are left.
    refill_at: Duration,
    /// Since when all attempts can be made; `None` if none was ever spent.
    full_since: Option<Duration>,
    /// The interval that follows on a quiet time.
    first_interval: Duration,
}

impl Budget {
    pub(super) fn new(jitter: Jitter) -> Self {
        Self {
            left: BURST,
            refill_at: Duration::ZERO,
            full_since: None,
            first_interval: jitter.halve_at_most(INTERVAL),
        }
    }

    /// Spends one attempt, if one is left.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        self.refill(now);
        if self.left == 0 {
            return false;
        }
        if self.left == BURST {
            self.refill_at = now.saturating_add(self.next_interval(now));
        }
        self.left -= 1;
        true
    }

    /// When the next attempt can be made. Zero if one can be made now, because a request may have
    /// read the clock before this.
    pub(super) fn opens_at(&self) -> Duration {
        if self.left > 0 {
            return Duration::ZERO;
        }
        self.refill_at
    }

    /// Short only after a whole interval without a spent attempt, so that nobody gains more than
    /// one attempt per [`INTERVAL`] by sending tokens at the right moments.
    fn next_interval(&self, now: Duration) -> Duration {
        match self.full_since {
            Some(since) if now.saturating_sub(since) < INTERVAL => INTERVAL,
            _ => self.first_interval,
        }
    }

    fn refill(&mut self, now: Duration) {
        while self.left < BURST && now >= self.refill_at {
            self.left += 1;
            self.full_since = Some(self.refill_at);
            self.refill_at = self.refill_at.saturating_add(INTERVAL);
        }
    }
}

/// The misses that a successful answer did not resolve. A failed fetch adds none.
#[derive(Debug, Default)]
pub(super) struct UnhelpedMisses {
    /// Least recent first.
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    miss: MissDigest,
    until: Duration,
}

/// A miss in a fixed size: the `kid` is untrusted text of any length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MissDigest {
    kind: MissKind,
    kid: Option<[u8; 32]>,
    generation: u64,
}

impl UnhelpedMisses {
    /// Whether an answer less than 10 s ago did not resolve this miss. Asking does not extend that
    /// time.
    pub(super) fn contains(&mut self, now: Duration, miss: &Miss) -> bool {
        self.entries.retain(|entry| now < entry.until);
        let miss = MissDigest::of(miss, miss.generation);
        let Some(at) = self.entries.iter().position(|entry| entry.miss == miss) else {
            return false;
        };
        if let Some(entry) = self.entries.remove(at) {
            self.entries.push_back(entry);
        }
        true
    }

    /// An answer to a request made at `asked_at`, after which the keys have this generation, did
    /// not resolve the miss. Once the keys change, the miss may cause a fetch again.
    pub(super) fn insert(
        &mut self,
        now: Duration,
        asked_at: Duration,
        miss: &Miss,
        generation: u64,
    ) {
        let miss = MissDigest::of(miss, generation);
        self.entries.retain(|entry| {
            now < entry.until && entry.miss != miss && entry.miss.generation == generation
        });
        while self.entries.len() >= ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            miss,
            until: asked_at.saturating_add(LIFETIME),
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl MissDigest {
    fn of(miss: &Miss, generation: u64) -> Self {
        Self {
            kind: miss.kind,
            kid: miss.kid.as_deref().map(|kid| sha256(kid.as_bytes())),
            generation,
        }
    }
}
