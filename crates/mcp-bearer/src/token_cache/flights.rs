//! First sights under way: a hundred requests with one new token make one verification, not a hundred.
//!
//! A request waits for another's verification at most once; if that one failed it verifies for itself, so that a bad
//! token cannot make requests queue behind each other.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Which tokens are being verified, by a randomly seeded hash: two tokens with one hash cost a needless wait, no more.
pub(crate) struct Flights {
    /// The process in which they are under way: a child of `fork` has none of the threads that would end them.
    process: u32,
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

impl Default for Flights {
    fn default() -> Self {
        Self {
            process: std::process::id(),
            hasher: RandomState::default(),
            under_way: Default::default(),
        }
    }
}

impl Flights {
    /// How many bytes of a token's end name it: more than enough to tell signatures apart.
    const NAMED_BY: usize = 32;

    pub(crate) fn join(&self, token: &str) -> Flight<'_> {
        // The end of a signature is as good a name as the whole token.
        let end = token.len().saturating_sub(Self::NAMED_BY);
        let hash = self.hasher.hash_one(token.as_bytes().get(end..));
        // Held for a moment only; but in a child of `fork` perhaps for ever.
        let Ok(mut under_way) = self.shard(hash).try_lock() else {
            return Flight::Waited; // for nobody: this one verifies for itself
        };
        let done = match under_way.entry(hash) {
            Entry::Occupied(_) if std::process::id() != self.process => return Flight::Waited,
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

    fn shard(&self, hash: u64) -> &Mutex<HashMap<u64, Arc<OnceLock<()>>>> {
        let [first, ..] = &self.under_way;
        let index = usize::try_from(hash % 16).unwrap_or_default();
        self.under_way.get(index).unwrap_or(first)
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        // The map is whole at every moment a panic could strike.
        let shard = self.flights.shard(self.hash).lock();
        let mut under_way = shard.unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&self.hash);
        drop(under_way);
        let _ = self.done.set(());
    }
}
