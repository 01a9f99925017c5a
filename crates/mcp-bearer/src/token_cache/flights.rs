//! First sights under way: a hundred requests with one new token make one verification, not a hundred.
//!
//! A request waits for another's verification at most once; if that one failed it verifies for itself, so that a bad
//! token cannot make requests queue behind each other.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Which tokens are being verified, by a randomly seeded hash: two tokens with one hash cost a needless wait, no more.
#[derive(Default)]
pub(crate) struct Flights {
    hasher: RandomState,
    under_way: [Mutex<HashMap<u64, Arc<OnceLock<()>>>>; 16],
}

/// The outcome of joining.
pub(crate) enum Flight<'a> {
    /// This request verifies; others wait until it is dropped.
    First(#[expect(dead_code, reason = "its drop ends the flight")] Landing<'a>),
    /// Another request has verified it meanwhile, or failed to.
    Waited,
}

/// Ends a flight when dropped, also when the verification panics.
pub(crate) struct Landing<'a> {
    flights: &'a Flights,
    hash: u64,
    done: Arc<OnceLock<()>>,
}

impl Flights {
    pub(crate) fn join(&self, token: &str) -> Flight<'_> {
        let hash = self.hasher.hash_one(super::ending(token));
        let mut under_way = self.shard(hash);
        let done = match under_way.entry(hash) {
            Entry::Occupied(flight) => flight.get().clone(),
            Entry::Vacant(place) => {
                let done = Arc::new(OnceLock::new());
                place.insert(done.clone());
                return Flight::First(Landing {
                    flights: self,
                    hash,
                    done,
                });
            }
        };
        drop(under_way);
        done.wait();
        Flight::Waited
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, HashMap<u64, Arc<OnceLock<()>>>> {
        let [first, ..] = &self.under_way;
        let index = usize::try_from(hash % 16).unwrap_or_default();
        let shard = self.under_way.get(index).unwrap_or(first);
        // The map is whole at every moment a panic could strike.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.flights.shard(self.hash).remove(&self.hash);
        let _ = self.done.set(());
    }
}
