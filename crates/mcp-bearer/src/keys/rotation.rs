//! Decides when a remote key set is fetched, which requests wait for it, and until when it is used.
//!
//! A state machine: time and jitter are arguments, and actions are returned as values. It does no
//! I/O, reads no clock, and holds a bounded amount of memory per source.

mod miss_budget;
#[cfg(test)]
mod tests;

use std::time::Duration;

use mcp_bearer_core::KeySet;

use self::miss_budget::{Budget, UnhelpedMisses};
use super::events::KeyEvent;
use super::freshness::{CacheHeaders, EMPTY_RETRY, Jitter, Lifetimes, Validators, backoff};
use super::snapshot::{HeldKeys, Miss, MissKind, next_snapshot};
use super::source::Refreshed;
use super::withdrawal_of_all::{Withdrawal, not_taken};

/// The greatest number of requests that wait for one source at the same time.
pub(super) const WAITERS_MAX: usize = 64;
/// The longest time that a request waits for a fetch.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(5);

/// Names a waiting request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct WaiterId(u64);

/// Names a fetch; a later one has a greater number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FetchId(u64);

/// Why a fetch is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The refresh of the held set, or its retry, is due.
    Schedule,
    /// A token that the held set could not verify; spends from the budget.
    Miss,
    /// No usable set is held, and a request came.
    Empty,
}

/// An order to fetch, to be followed by exactly one [`Rotation::finish_fetch`].
#[derive(Clone, Debug)]
pub(super) struct FetchOrder {
    pub(super) id: FetchId,
    pub(super) cause: Cause,
    /// For a conditional request; empty when no set is held.
    pub(super) validators: Validators,
}

/// The reply to a request for newer keys.
#[derive(Debug)]
pub(super) enum Asked {
    Answer(Refreshed),
    /// It waits for the ordered fetch, or without an order for the running one.
    Wait(WaiterId, Option<FetchOrder>),
}

/// How a fetch ended.
#[derive(Debug)]
pub(super) enum FetchResult {
    /// 200 with at least one usable key, or with a set that withdraws every key.
    Set {
        set: KeySet,
        digest: [u8; 32],
        headers: CacheHeaders,
    },
    /// 304.
    NotModified(CacheHeaders),
    /// Everything else, and why.
    Failed(String),
}

/// What must be done after a tick or a fetch.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) answers: Vec<(WaiterId, Refreshed)>,
    pub(super) fetch: Option<FetchOrder>,
    pub(super) events: Vec<KeyEvent>,
}

#[derive(Debug)]
struct InFlight {
    id: FetchId,
    started_at: Duration,
}

#[derive(Debug)]
struct Waiter {
    id: WaiterId,
    miss: Miss,
    deadline: Duration,
    /// The first fetch that began after the request came.
    covered_by: FetchId,
}

/// The state machine of one source.
#[derive(Debug)]
pub(super) struct Rotation {
    lifetimes: Lifetimes,
    held: Option<HeldKeys>,
    stale_reported: bool,
    in_flight: Option<InFlight>,
    fetches: u64,
    waiters: Vec<Waiter>,
    asked: u64,
    budget: Budget,
    unhelped: UnhelpedMisses,
    withdrawal: Withdrawal,
    /// When the next scheduled fetch is due; `None` while no usable set is held.
    refresh_at: Option<Duration>,
    failures: u32,
    /// While no usable set is held: no fetch before this.
    empty_retry_at: Duration,
    last_failure: Option<String>,
}

impl Rotation {
    /// Continues with the set that another process or task held, if any; its age is kept.
    pub(super) fn new(lifetimes: Lifetimes, held: Option<HeldKeys>, jitter: Jitter) -> Self {
        Self {
            lifetimes,
            refresh_at: held.as_ref().map(|held| held.refresh_at(jitter)),
            held,
            stale_reported: false,
            in_flight: None,
            fetches: 0,
            waiters: Vec::new(),
            asked: 0,
            budget: Budget::new(jitter),
            unhelped: UnhelpedMisses::default(),
            withdrawal: Withdrawal::default(),
            failures: 0,
            empty_retry_at: Duration::ZERO,
            last_failure: None,
        }
    }

    /// The set that may be used at `now`.
    pub(super) fn usable(&self, now: Duration) -> Option<&HeldKeys> {
        self.held.as_ref().filter(|held| now < held.usable_until)
    }

    /// The set, usable or not.
    pub(super) fn held(&self) -> Option<&HeldKeys> {
        self.held.as_ref()
    }

    /// When the next scheduled fetch is due.
    pub(super) fn refresh_at(&self) -> Option<Duration> {
        self.refresh_at
    }

    /// Why the last fetch failed, if it did.
    pub(super) fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }

    /// A request asks for newer keys.
    pub(super) fn ask(&mut self, now: Duration, miss: Miss) -> Asked {
        let Some(held) = self.usable(now) else {
            return self.ask_without_keys(now, miss);
        };
        if miss.generation != held.snapshot.generation {
            return Asked::Answer(Refreshed::NewKeys);
        }
        if self.unhelped.contains(now, &miss) {
            return Asked::Answer(Refreshed::Unchanged);
        }
        if self.in_flight.is_some() {
            return self.join(now, miss);
        }
        if self.budget.take(now) {
            return self.fetch_for(now, miss, Cause::Miss);
        }
        Asked::Answer(Refreshed::Unchanged)
    }

    /// The first fetch, for which no request waits; `None` if a fetch was made before, or keys are
    /// held.
    pub(super) fn prefetch(&mut self, now: Duration) -> Option<FetchOrder> {
        let first = self.fetches == 0 && self.held.is_none();
        first.then(|| self.start_fetch(now, Cause::Empty))
    }

    /// Time has passed: a scheduled fetch may be due, a wait over, the set too old.
    pub(super) fn tick(&mut self, now: Duration) -> Effects {
        let mut effects = Effects::default();
        self.waiters.retain(|waiter| {
            let over = waiter.deadline <= now;
            if over {
                effects.answers.push((waiter.id, Refreshed::Unchanged));
            }
            !over
        });
        if self.held.is_some() && self.usable(now).is_none() {
            self.refresh_at = None;
            if !self.stale_reported {
                self.stale_reported = true;
                effects.events.push(KeyEvent::Stale);
            }
        }
        if self.in_flight.is_none() && self.refresh_at.is_some_and(|at| at <= now) {
            effects.fetch = Some(self.start_fetch(now, Cause::Schedule));
        }
        effects
    }

    /// The keys are now at another address: the held ones are renewed with the next tick.
    pub(super) fn refresh_now(&mut self, now: Duration) {
        if self.held.is_some() {
            self.refresh_at = Some(now);
        }
    }

    /// The fetch `id` has ended. Only the running one counts: an older answer never replaces a
    /// newer.
    pub(super) fn finish_fetch(
        &mut self,
        now: Duration,
        id: FetchId,
        result: FetchResult,
        jitter: Jitter,
    ) -> Effects {
        let Some(fetch) = self.in_flight.take_if(|fetch| fetch.id == id) else {
            return Effects::default();
        };
        let mut effects = Effects::default();
        match result {
            FetchResult::Set { set, .. } if set.is_empty() && !self.withdraws(&fetch) => {
                self.fail(now, not_taken(&set), jitter, &mut effects);
                if self.refresh_at.is_some() {
                    // The exchange itself worked, so nothing is delayed beyond this.
                    self.refresh_at = self.withdrawal.confirmed_from();
                    self.failures = 0;
                }
            }
            FetchResult::Set {
                set,
                digest,
                headers,
            } => {
                let before = self.generation();
                let (snapshot, events) = next_snapshot(self.held.as_ref(), set, digest);
                effects.events = events;
                self.held = Some(HeldKeys::from_answer(
                    snapshot,
                    digest,
                    fetch.started_at,
                    &headers,
                    self.lifetimes,
                ));
                self.succeed(now, &fetch, before, jitter, &mut effects);
            }
            FetchResult::NotModified(headers) => match self.confirm(&fetch, &headers) {
                Ok(()) => {
                    effects.events.push(KeyEvent::NotModified);
                    self.succeed(now, &fetch, self.generation(), jitter, &mut effects);
                }
                Err(reason) => self.fail(now, reason.to_owned(), jitter, &mut effects),
            },
            FetchResult::Failed(reason) => self.fail(now, reason, jitter, &mut effects),
        }
        effects
    }

    /// When [`Rotation::tick`] has something to do next.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        let waits = self.waiters.iter().map(|waiter| waiter.deadline).min();
        let refresh = self.refresh_at.filter(|_| self.in_flight.is_none());
        let stale = self.held.as_ref().filter(|_| !self.stale_reported);
        let stale = stale.map(|held| held.usable_until);
        [waits, refresh, stale].into_iter().flatten().min()
    }

    /// Before this time a miss with keys held gets "unchanged" without being examined.
    pub(super) fn misses_from(&self) -> Duration {
        if self.in_flight.is_some() {
            return Duration::ZERO;
        }
        self.budget.opens_at()
    }

    /// Before this time a request without keys gets "unchanged" without being examined.
    pub(super) fn retries_from(&self) -> Duration {
        if self.in_flight.is_some() {
            return Duration::ZERO;
        }
        self.empty_retry_at
    }

    fn ask_without_keys(&mut self, now: Duration, miss: Miss) -> Asked {
        if self.in_flight.is_some() {
            return self.join(now, miss);
        }
        if now >= self.empty_retry_at {
            return self.fetch_for(now, miss, Cause::Empty);
        }
        Asked::Answer(Refreshed::Unchanged)
    }

    fn join(&mut self, now: Duration, miss: Miss) -> Asked {
        if self.waiters.len() >= WAITERS_MAX {
            return Asked::Answer(Refreshed::Unchanged);
        }
        let covered_by = FetchId(self.fetches + 1);
        Asked::Wait(self.wait(now, miss, covered_by), None)
    }

    fn fetch_for(&mut self, now: Duration, miss: Miss, cause: Cause) -> Asked {
        let order = self.start_fetch(now, cause);
        Asked::Wait(self.wait(now, miss, order.id), Some(order))
    }

    fn wait(&mut self, now: Duration, miss: Miss, covered_by: FetchId) -> WaiterId {
        self.asked += 1;
        let id = WaiterId(self.asked);
        self.waiters.push(Waiter {
            id,
            miss,
            deadline: now.saturating_add(WAIT_MAX),
            covered_by,
        });
        id
    }

    fn start_fetch(&mut self, now: Duration, cause: Cause) -> FetchOrder {
        self.fetches += 1;
        let id = FetchId(self.fetches);
        self.in_flight = Some(InFlight {
            id,
            started_at: now,
        });
        let validators = self.held.as_ref().map(|held| held.validators.clone());
        FetchOrder {
            id,
            cause,
            validators: validators.unwrap_or_default(),
        }
    }

    fn confirm(&mut self, fetch: &InFlight, headers: &CacheHeaders) -> Result<(), &'static str> {
        let held = self.held.as_mut();
        let held = held.ok_or("the issuer answered 304 to an unconditional request")?;
        held.confirm(fetch.started_at, headers, self.lifetimes)
    }

    /// Whether the answer, a set without a key for signatures, counts as a withdrawal of every key.
    fn withdraws(&mut self, fetch: &InFlight) -> bool {
        let held = self.held.as_ref();
        let withdrawn = held.is_some_and(|held| held.snapshot.set.is_empty());
        withdrawn || self.withdrawal.is_confirmed(fetch.started_at)
    }

    /// The generation of the held set; 0 without one.
    fn generation(&self) -> u64 {
        self.held
            .as_ref()
            .map_or(0, |held| held.snapshot.generation)
    }

    /// `before` is the generation that the answer found.
    fn succeed(
        &mut self,
        now: Duration,
        fetch: &InFlight,
        before: u64,
        jitter: Jitter,
        effects: &mut Effects,
    ) {
        self.failures = 0;
        self.withdrawal = Withdrawal::default();
        self.last_failure = None;
        self.stale_reported = false;
        self.empty_retry_at = now;
        let held = self.held.as_ref();
        self.refresh_at = held.map(|held| held.refresh_at(jitter));
        let changed = self.generation() != before;
        let mut late = Vec::new();
        for waiter in std::mem::take(&mut self.waiters) {
            let unhelped = !self.helps(&waiter.miss, changed, &effects.events);
            if unhelped && waiter.covered_by > fetch.id {
                late.push(waiter);
            } else {
                effects
                    .answers
                    .push(self.answer(now, fetch, &waiter, unhelped));
            }
        }
        if late.is_empty() {
            return;
        }
        // They asked after the fetch began, so its answer may be older than their token's key.
        if self.budget.take(now) {
            effects.fetch = Some(self.start_fetch(now, Cause::Miss));
            self.waiters = late;
            return;
        }
        for waiter in late {
            effects.answers.push(self.answer(now, fetch, &waiter, true));
        }
    }

    /// Whether the answer just received could verify what was missed.
    fn helps(&self, miss: &Miss, changed: bool, events: &[KeyEvent]) -> bool {
        let touches = |kid: &str| {
            events.iter().any(|event| match event {
                KeyEvent::Added(key) | KeyEvent::Removed(key) => key.kid.as_deref() == Some(kid),
                _ => false,
            })
        };
        match (miss.kind, &miss.kid) {
            (MissKind::NoKeys, _) => true,
            _ if !changed => false,
            (MissKind::UnknownKid, Some(kid)) => self
                .held
                .as_ref()
                .is_some_and(|held| held.snapshot.set.has_kid(kid)),
            // An issuer may reuse a `kid`: changes of other keys do not help.
            (MissKind::BadSignature, Some(kid)) => touches(kid),
            (_, None) => true,
        }
    }

    /// The answer to one waiter, after a fetch that succeeded. A miss that it did not resolve is
    /// remembered.
    fn answer(
        &mut self,
        now: Duration,
        fetch: &InFlight,
        waiter: &Waiter,
        unhelped: bool,
    ) -> (WaiterId, Refreshed) {
        let generation = self.generation();
        if unhelped {
            self.unhelped
                .insert(now, fetch.started_at, &waiter.miss, generation);
        }
        let refreshed = if self.held.is_none() {
            Refreshed::Unchanged
        } else if generation != waiter.miss.generation || waiter.miss.kind == MissKind::NoKeys {
            Refreshed::NewKeys
        } else {
            Refreshed::Unchanged
        };
        (waiter.id, refreshed)
    }

    fn fail(&mut self, now: Duration, reason: String, jitter: Jitter, effects: &mut Effects) {
        if self.usable(now).is_none() {
            self.refresh_at = None;
            self.empty_retry_at = now.saturating_add(jitter.shorten(EMPTY_RETRY));
        } else if self.refresh_at.is_some_and(|at| at <= now) {
            self.failures = self.failures.saturating_add(1);
            self.refresh_at = Some(now.saturating_add(backoff(self.failures, jitter)));
        }
        // A failure shows nothing about any `kid`, so no miss is remembered.
        for waiter in std::mem::take(&mut self.waiters) {
            effects.answers.push((waiter.id, Refreshed::Unchanged));
        }
        self.last_failure = Some(reason.clone());
        effects.events.push(KeyEvent::Failed(reason));
    }
}
