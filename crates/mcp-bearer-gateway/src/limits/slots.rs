//! Limits how many run at the same time; a place is given back when its permit is dropped.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::keys::CallerKey;

/// A fixed number of places. Nobody waits for one, so a counter is enough.
pub(super) struct Slots {
    taken: Arc<AtomicUsize>,
    limit: usize,
}

pub(super) struct Slot(Arc<AtomicUsize>);

impl Slots {
    pub(super) fn new(limit: usize) -> Self {
        let taken = Arc::default();
        Self { taken, limit }
    }

    pub(super) fn take(&self) -> Option<Slot> {
        let one_more = |taken: usize| (taken < self.limit).then(|| taken + 1);
        let ordering = Ordering::Relaxed;
        self.taken.fetch_update(ordering, ordering, one_more).ok()?;
        Some(Slot(Arc::clone(&self.taken)))
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Places for long streams: so many in all, and so many of one caller.
pub(super) struct StreamSlots {
    all: Slots,
    /// Only callers with a stream are in it, so it is bounded by `all`.
    by_caller: Arc<Mutex<HashMap<CallerKey, usize>>>,
    per_caller: usize,
}

/// One long stream. Dropping it gives its place back.
#[must_use]
pub(crate) struct StreamPermit {
    _slot: Slot,
    caller: CallerKey,
    by_caller: Arc<Mutex<HashMap<CallerKey, usize>>>,
}

/// Why a long stream is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamRefusal {
    /// All places are taken: 503.
    Full,
    /// This caller has its share: 429.
    CallerFull,
}

impl StreamSlots {
    pub(super) fn new(all: usize, per_caller: usize) -> Self {
        Self {
            all: Slots::new(all),
            by_caller: Arc::default(),
            per_caller,
        }
    }

    pub(super) fn take(&self, caller: CallerKey) -> Result<StreamPermit, StreamRefusal> {
        let mut by_caller = locked(&self.by_caller);
        let taken = by_caller.get(&caller).copied().unwrap_or(0);
        if taken >= self.per_caller {
            return Err(StreamRefusal::CallerFull);
        }
        let _slot = self.all.take().ok_or(StreamRefusal::Full)?;
        by_caller.insert(caller, taken + 1);
        drop(by_caller);
        Ok(StreamPermit {
            _slot,
            caller,
            by_caller: Arc::clone(&self.by_caller),
        })
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.all.taken()
    }

    #[cfg(test)]
    pub(super) fn callers(&self) -> usize {
        locked(&self.by_caller).len()
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = locked(&self.by_caller).entry(self.caller) {
            match entry.get().saturating_sub(1) {
                0 => drop(entry.remove()),
                left => drop(entry.insert(left)),
            }
        }
    }
}

/// A panic with the lock held leaves no change half done: each change is one call.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
