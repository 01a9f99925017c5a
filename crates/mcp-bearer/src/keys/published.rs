//! The keys that a source has published: every request reads them without a lock.
//!
//! A request never waits here, and never reads a set past the end of its use, whether or not the
//! source's task still runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use mcp_bearer_core::KeySet;

use super::events::{self, KeyEvent};
use super::monotonic::MonotonicClock;
use super::snapshot::{HeldKeys, Snapshot};
use super::source::{KeyPhase, KeyStatus};

/// A request that finds the set overdue wakes the task, but not more often than this.
const WAKE_EVERY: Duration = Duration::from_secs(1);
/// While no keys are held, requests cause the attempts, at most 1 s apart: that is when to retry.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What requests and the task of one source share. `R` is what a new task resumes from.
pub(super) struct PublishedKeys<R> {
    source: String,
    clock: MonotonicClock,
    state: ArcSwap<State<R>>,
    woken_at: AtomicU64,
    fetched: AtomicU64,
    not_modified: AtomicU64,
    failed: AtomicU64,
}

/// Everything about the keys at one moment. Times are in nanoseconds of the clock.
struct State<R> {
    held: Option<HeldKeys>,
    /// What requests get while no usable set is held.
    unavailable: Snapshot,
    /// The earlier of the two times below: until then a request makes one comparison.
    attention_at: u64,
    /// When the task should have renewed the set: a later request wakes the task.
    due_at: u64,
    usable_until: u64,
    last_failure: Option<String>,
    resume: R,
}

/// Whether a request found the set overdue, so that it must wake the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    Overdue,
    NotDue,
}

impl<R: Clone> PublishedKeys<R> {
    /// A source without keys; operators see it under this name.
    pub(super) fn new(source: String, clock: MonotonicClock, resume: R) -> Self {
        let why = format!("no keys have been fetched from {source} yet");
        let state = State::new(None, &why, Duration::MAX, None, resume);
        Self {
            source,
            clock,
            state: ArcSwap::from_pointee(state),
            woken_at: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
            not_modified: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// The name by which operators know the source.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn clock(&self) -> &MonotonicClock {
        &self.clock
    }

    /// Replaces the state. `why` (there are no keys) goes into the rejections of tokens, `due_at`
    /// is when the task renews the set, and `last_failure` is for operators.
    pub(super) fn publish(
        &self,
        held: Option<HeldKeys>,
        why: &str,
        due_at: Duration,
        last_failure: Option<&str>,
        resume: R,
    ) {
        let last_failure = last_failure.map(str::to_owned);
        let state = State::new(held, why, due_at, last_failure, resume);
        self.state.store(Arc::new(state));
    }

    /// What a new task needs to continue from another: in a forked child, or after a panic.
    pub(super) fn resume(&self) -> (Option<HeldKeys>, R) {
        let state = self.state.load();
        (state.held.clone(), state.resume.clone())
    }

    /// Returns what `take` needs of the snapshot that may be used now.
    ///
    /// Every request calls it. The snapshot is borrowed, because a clone would write to a reference
    /// count that all requests share.
    pub(super) fn read<T>(&self, take: impl FnOnce(&Snapshot) -> T) -> (T, Renewal) {
        let now = nanos(self.clock.now());
        let state = self.state.load();
        if now < state.attention_at {
            return (take(state.snapshot()), Renewal::NotDue);
        }
        let renewal = if now >= state.due_at {
            self.overdue(now)
        } else {
            Renewal::NotDue
        };
        (take(state.usable(now)), renewal)
    }

    /// Logs and counts an event.
    pub(super) fn report(&self, event: &KeyEvent) {
        let counter = match event {
            KeyEvent::Fetched { .. } => Some(&self.fetched),
            KeyEvent::NotModified => Some(&self.not_modified),
            KeyEvent::Failed(_) => Some(&self.failed),
            _ => None,
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let state = self.state.load();
        let set = state.held.as_ref().map(|held| &*held.snapshot.set);
        events::report(&self.source, set, event);
    }

    pub(super) fn status(&self) -> KeyStatus {
        let now = self.clock.now();
        let state = self.state.load();
        let phase = match &state.held {
            None => KeyPhase::Empty,
            Some(held) if now >= held.usable_until => KeyPhase::Stale,
            Some(held) if now >= held.fresh_until => KeyPhase::Aging,
            Some(_) => KeyPhase::Fresh,
        };
        let held = state.held.as_ref();
        KeyStatus {
            source: self.source.clone(),
            phase,
            snapshot: state.usable(nanos(now)).clone(),
            age: held.map(|held| now.saturating_sub(held.confirmed_at)),
            next_refresh: (state.due_at != u64::MAX)
                .then(|| Duration::from_nanos(state.due_at.saturating_sub(nanos(now)))),
            last_failure: state.last_failure.clone(),
            fetched: self.fetched.load(Ordering::Relaxed),
            not_modified: self.not_modified.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    /// If several requests find the set overdue within a second, one wakes the task.
    fn overdue(&self, now: u64) -> Renewal {
        let last = self.woken_at.load(Ordering::Relaxed);
        let recently = last != 0 && now < last.saturating_add(nanos(WAKE_EVERY));
        let first = !recently
            && self
                .woken_at
                .compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if first {
            Renewal::Overdue
        } else {
            Renewal::NotDue
        }
    }
}

impl<R> State<R> {
    fn new(
        held: Option<HeldKeys>,
        why: &str,
        due_at: Duration,
        last_failure: Option<String>,
        resume: R,
    ) -> Self {
        let unavailable = Arc::new(KeySet::unavailable(why, RETRY_AFTER));
        let unavailable = Snapshot::new(unavailable, 0);
        let ends = |held: &HeldKeys| (nanos(due_at), nanos(held.usable_until));
        // Without a set nothing is due: requests cause fetches by asking for keys.
        let (due_at, usable_until) = held.as_ref().map_or((u64::MAX, u64::MAX), ends);
        Self {
            held,
            unavailable,
            attention_at: due_at.min(usable_until),
            due_at,
            usable_until,
            last_failure,
            resume,
        }
    }

    fn snapshot(&self) -> &Snapshot {
        match &self.held {
            Some(held) => &held.snapshot,
            None => &self.unavailable,
        }
    }

    fn usable(&self, now: u64) -> &Snapshot {
        if now < self.usable_until {
            self.snapshot()
        } else {
            &self.unavailable
        }
    }
}

/// The largest number means "never": it is 584 years away.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
