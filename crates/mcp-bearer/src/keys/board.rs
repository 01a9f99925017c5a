//! Where a source's task hangs out its keys, and every request reads them without a lock.
//! A request must never wait here, and must never read a set past the end of its use, whether or not the
//! task is still alive.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use mcp_bearer_core::KeySet;

use super::{KeyPhase, KeyStatus, MonotonicClock, Snapshot};

/// A request that finds the set due for renewal wakes the task, but not more often than this.
const NUDGE_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Board<F> {
    clock: MonotonicClock,
    sheet: ArcSwap<Sheet<F>>,
    nudged_at: AtomicU64,
    pub(super) tally: Tally,
}

/// What is known of the keys at one moment. Times are nanoseconds of the clock.
pub(super) struct Sheet<F> {
    snapshot: Snapshot,
    unusable: Snapshot,
    /// The earliest of the times below: before it a request has one comparison to make.
    attention_at: u64,
    due_at: u64,
    fresh_until: u64,
    usable_until: u64,
    confirmed_at: Option<Duration>,
    last_failure: Option<String>,
    /// What a new task needs to go on.
    pub(super) facts: F,
}

/// Attempts by result.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) fetched: AtomicU64,
    pub(super) not_modified: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// The times of a set in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// When the task should have renewed it: a request later than this wakes the task.
    pub(super) due_at: Duration,
    pub(super) fresh_until: Duration,
    pub(super) usable_until: Duration,
    pub(super) confirmed_at: Duration,
}

/// Whether the task should be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nudge {
    Now,
    NotNow,
}

impl<F> Board<F> {
    pub(super) fn new(clock: MonotonicClock, sheet: Sheet<F>) -> Self {
        Self {
            clock,
            sheet: ArcSwap::from_pointee(sheet),
            nudged_at: AtomicU64::new(0),
            tally: Tally::default(),
        }
    }

    pub(super) fn clock(&self) -> &MonotonicClock {
        &self.clock
    }

    pub(super) fn post(&self, sheet: Sheet<F>) {
        self.sheet.store(Arc::new(sheet));
    }

    pub(super) fn sheet(&self) -> Arc<Sheet<F>> {
        self.sheet.load_full()
    }

    /// The hot path of every request: what `take` wants of the snapshot that may be used now. It is lent, because a clone
    /// would write to a count that all requests share.
    pub(super) fn read<T>(&self, take: impl FnOnce(&Snapshot) -> T) -> (T, Nudge) {
        let now = nanos(self.clock.now());
        let sheet = self.sheet.load();
        if now < sheet.attention_at {
            return (take(&sheet.snapshot), Nudge::NotNow);
        }
        let nudge = if now >= sheet.due_at {
            self.nudge(now)
        } else {
            Nudge::NotNow
        };
        (take(sheet.at(now)), nudge)
    }

    pub(super) fn status(&self, source: &str) -> KeyStatus {
        let now = self.clock.now();
        let sheet = self.sheet.load();
        let phase = match nanos(now) {
            _ if sheet.snapshot.generation == 0 => KeyPhase::Empty,
            now if now >= sheet.usable_until => KeyPhase::Stale,
            now if now >= sheet.fresh_until => KeyPhase::Aging,
            _ => KeyPhase::Fresh,
        };
        KeyStatus {
            source: source.to_owned(),
            phase,
            snapshot: sheet.at(nanos(now)).clone(),
            age: sheet.confirmed_at.map(|at| now.saturating_sub(at)),
            last_failure: sheet.last_failure.clone(),
            fetched: self.tally.fetched.load(Ordering::Relaxed),
            not_modified: self.tally.not_modified.load(Ordering::Relaxed),
            failed: self.tally.failed.load(Ordering::Relaxed),
        }
    }

    fn nudge(&self, now: u64) -> Nudge {
        let last = self.nudged_at.load(Ordering::Relaxed);
        let early = last != 0 && now < last.saturating_add(nanos(NUDGE_EVERY));
        let claimed = !early
            && self
                .nudged_at
                .compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if claimed { Nudge::Now } else { Nudge::NotNow }
    }
}

impl<F> Sheet<F> {
    /// No set: requests drive the fetching by asking.
    pub(super) fn without_keys(reason: &str, facts: F) -> Self {
        let unusable = unavailable(reason);
        Self {
            snapshot: unusable.clone(),
            unusable,
            attention_at: u64::MAX,
            due_at: u64::MAX,
            fresh_until: 0,
            usable_until: 0,
            confirmed_at: None,
            last_failure: None,
            facts,
        }
    }

    /// A set and its times; `reason` is what tokens are told when its use has ended.
    pub(super) fn with_keys(snapshot: Snapshot, reason: &str, times: Times, facts: F) -> Self {
        let (due_at, usable_until) = (nanos(times.due_at), nanos(times.usable_until));
        Self {
            snapshot,
            unusable: unavailable(reason),
            attention_at: due_at.min(usable_until),
            due_at,
            fresh_until: nanos(times.fresh_until),
            usable_until,
            confirmed_at: Some(times.confirmed_at),
            last_failure: None,
            facts,
        }
    }

    pub(super) fn with_failure(mut self, reason: Option<&str>) -> Self {
        self.last_failure = reason.map(str::to_owned);
        self
    }

    fn at(&self, now: u64) -> &Snapshot {
        if now < self.usable_until {
            &self.snapshot
        } else {
            &self.unusable
        }
    }
}

/// Requests drive the attempts while no keys are held, at most 1 s apart: that is when to come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

fn unavailable(reason: &str) -> Snapshot {
    Snapshot::new(Arc::new(KeySet::unavailable(reason, RETRY_AFTER)), 0)
}

/// The greatest number stands for "never": it is 584 years away.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
