//! Verifications in progress: a hundred requests with the same new token cause one verification,
//! not a hundred.
//!
//! A request waits for another's verification at most once; if that one fails, it verifies for
//! itself, so that a bad token cannot make requests queue.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The tokens that are being verified, by a randomly seeded hash. A collision costs a needless
/// wait, no more.
#[derive(Default)]
pub(crate) struct InFlight {
    hasher: RandomState,
    shards: [Mutex<Shard>; 16],
}

/// Set when the verification ends.
type Done = Arc<OnceLock<()>>;
type Shard = HashMap<u64, Done>;

/// The outcome of [`InFlight::join`].
pub(crate) enum Joined<'a> {
    /// This request verifies; others wait until the value is dropped.
    First(#[expect(dead_code, reason = "others wait for its drop")] Verification<'a>),
    /// Another request has meanwhile verified the token, or failed to.
    Waited,
}

/// Ends when dropped, even if the verification panics.
pub(crate) struct Verification<'a> {
    in_flight: &'a InFlight,
    hash: u64,
    done: Done,
}

impl InFlight {
    pub(crate) fn join(&self, token: &str) -> Joined<'_> {
        let hash = self.hasher.hash_one(super::ending(token.as_bytes()));
        let mut shard = self.shard(hash);
        let done = match shard.entry(hash) {
            Entry::Occupied(other) => other.get().clone(),
            Entry::Vacant(place) => {
                let done = Done::default();
                place.insert(done.clone());
                return Joined::First(Verification {
                    in_flight: self,
                    hash,
                    done,
                });
            }
        };
        drop(shard);
        done.wait();
        Joined::Waited
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        let [first, ..] = &self.shards;
        let index = usize::try_from(hash % 16).unwrap_or_default();
        let shard = self.shards.get(index).unwrap_or(first);
        // No panic can leave the map half changed.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Verification<'_> {
    fn drop(&mut self) {
        self.in_flight.shard(self.hash).remove(&self.hash);
        let _ = self.done.set(());
    }
}
