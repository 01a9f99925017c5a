//! Limits how many run at the same time; a place is given back when its permit is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::keys::CallerKey;
use super::shares::{Share, Shares};

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

/// Places of callers: so many in all, and so many of one caller.
pub(super) struct CallerSlots {
    all: Slots,
    shares: Shares<CallerKey>,
    per_caller: usize,
}

/// One place of a caller. Dropping it gives the place back.
#[must_use]
pub(crate) struct CallerPermit {
    _slot: Slot,
    _share: Share<CallerKey>,
}

/// Why a caller gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotRefusal {
    /// All places are taken: 503.
    Full,
    /// This caller has its share: 429.
    CallerFull,
}

impl CallerSlots {
    pub(super) fn new(all: usize, per_caller: usize) -> Self {
        Self {
            all: Slots::new(all),
            shares: Shares::default(),
            per_caller,
        }
    }

    pub(super) fn take(&self, caller: CallerKey) -> Result<CallerPermit, SlotRefusal> {
        let share = self.shares.take(caller, self.per_caller);
        let _share = share.ok_or(SlotRefusal::CallerFull)?;
        let _slot = self.all.take().ok_or(SlotRefusal::Full)?;
        Ok(CallerPermit { _slot, _share })
    }

    /// A place of nobody.
    #[cfg(any(feature = "authz", test))]
    pub(super) fn take_for_nobody(&self) -> Option<Slot> {
        self.all.take()
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.all.taken()
    }

    #[cfg(test)]
    pub(super) fn callers(&self) -> usize {
        self.shares.keys()
    }
}
