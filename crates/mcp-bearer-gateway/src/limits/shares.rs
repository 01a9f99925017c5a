//! [`Shares`]: how many places each of many keys has at one time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Only keys with a place are in the table, so it is bounded by the number of places.
pub(super) struct Shares<K>(Arc<Mutex<HashMap<K, usize>>>);

/// One place of a key. Dropping it gives the place back.
pub(super) struct Share<K: Copy + Eq + Hash> {
    key: K,
    all: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Copy + Eq + Hash> Shares<K> {
    /// One more place for the key; `None` if it has `most` already.
    pub(super) fn take(&self, key: K, most: usize) -> Option<Share<K>> {
        match locked(&self.0).entry(key) {
            Entry::Occupied(taken) if *taken.get() >= most => return None,
            Entry::Occupied(mut taken) => *taken.get_mut() += 1,
            Entry::Vacant(none) => drop(none.insert(1)),
        }
        let all = Arc::clone(&self.0);
        Some(Share { key, all })
    }

    /// The keys that have places.
    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        locked(&self.0).len()
    }
}

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Copy + Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut taken) = locked(&self.all).entry(self.key) {
            match taken.get().saturating_sub(1) {
                0 => drop(taken.remove()),
                left => drop(taken.insert(left)),
            }
        }
    }
}

/// A panic with the lock held leaves no change half done: each change is one call.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
