//! Decides when a remote key set is fetched, who waits for it, and until when it is used.
//!
//! A state machine: time and jitter are arguments, what has to be done comes back as values. It must
//! never do I/O, read a clock, or hold more than a fixed amount of memory per source.

mod budget;
mod facts;
mod freshness;
mod memory;
mod schedule;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use self::{
    budget::Budget,
    memory::Memory,
    schedule::{EMPTY_RETRY, backoff, refresh_ahead},
};
pub(super) use self::{
    facts::{Changed, Held, KeyFacts, KeyIdentity, Notice, Settings, changes},
    freshness::{CacheHeaders, Validators},
    schedule::Jitter,
};
use super::{MissKind, Refreshed};

/// At most so many requests wait for one source.
pub(super) const WAITERS_MAX: usize = 64;
/// A request waits for a fetch so long and no longer.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(5);
/// The ceiling of a set's lifetime unless configured: 1 h.
pub(super) const FRESHNESS_CEILING: Duration = Duration::from_secs(3600);
/// The highest ceiling that can be configured: 24 h.
pub(super) const FRESHNESS_CEILING_MAX: Duration = Duration::from_secs(24 * 3600);
/// The lowest lifetime of a set, whatever the issuer says: 60 s.
pub(super) const FRESHNESS_FLOOR: Duration = Duration::from_secs(60);
/// A set is used for so long past the end of its lifetime, unless configured: 24 h.
pub(super) const STALENESS_BOUND: Duration = Duration::from_secs(24 * 3600);

/// A token that the snapshot could not verify.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) kind: MissKind,
    pub(super) kid: Option<String>,
    /// The generation of the set that failed it.
    pub(super) generation: u64,
}

/// Names a waiting request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct WaiterId(u64);

/// Names a fetch; a later one has a greater number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FetchId(u64);

/// Why a fetch is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The set's time has come, or a retry's.
    Schedule,
    /// A token that the set could not verify; paid from the budget.
    Miss,
    /// No usable set is held, and a request came.
    Empty,
}

/// An order to fetch, to be answered by exactly one [`Rotation::answer`].
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) id: FetchId,
    pub(super) cause: Cause,
    /// What a conditional request may name; empty when no set is held.
    pub(super) validators: Validators,
}

/// What a request is told.
#[derive(Debug)]
pub(super) enum Asked {
    /// At once.
    Answer(Refreshed),
    /// It waits; if there is a [`Start`], for that fetch, else for the one under way.
    Wait(WaiterId, Option<Start>),
}

/// How a fetch ended.
#[derive(Debug)]
pub(super) enum Answer<S> {
    /// 200 with at least one usable key.
    Set {
        set: Arc<S>,
        digest: [u8; 32],
        headers: CacheHeaders,
    },
    /// 304.
    NotModified(CacheHeaders),
    /// Everything else, and why.
    Failed(String),
}

/// What a tick or an answer leads to.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) released: Vec<(WaiterId, Refreshed)>,
    pub(super) start: Option<Start>,
    pub(super) notices: Vec<Notice>,
}

#[derive(Debug)]
struct Flight {
    id: FetchId,
    started_at: Duration,
}

#[derive(Debug)]
struct Waiter {
    id: WaiterId,
    question: Question,
    deadline: Duration,
    /// The first fetch that began after the question.
    covered_by: FetchId,
}

/// The machine for one source.
#[derive(Debug)]
pub(super) struct Rotation<S> {
    settings: Settings,
    held: Option<Held<S>>,
    stale_told: bool,
    flight: Option<Flight>,
    fetches: u64,
    waiters: Vec<Waiter>,
    asked: u64,
    generation: u64,
    budget: Budget,
    memory: Memory,
    /// When the next scheduled fetch is due; `None` while no usable set is held.
    refresh_at: Option<Duration>,
    failures: u32,
    /// While no usable set is held: no fetch before this.
    empty_retry_at: Duration,
    last_failure: Option<String>,
}

impl<S: KeyFacts> Rotation<S> {
    /// A source that has not been asked yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            held: None,
            stale_told: false,
            flight: None,
            fetches: 0,
            waiters: Vec::new(),
            asked: 0,
            generation: 0,
            budget: Budget::default(),
            memory: Memory::default(),
            refresh_at: None,
            failures: 0,
            empty_retry_at: Duration::ZERO,
            last_failure: None,
        }
    }

    /// Goes on with a set that another process or task held; its age counts on.
    pub(super) fn resume(settings: Settings, held: Held<S>, jitter: Jitter) -> Self {
        Self {
            generation: held.generation,
            refresh_at: Some(refresh_ahead(held.confirmed_at, held.lifetime, jitter)),
            held: Some(held),
            ..Self::new(settings)
        }
    }

    /// The set that may be used at `now`.
    pub(super) fn usable(&self, now: Duration) -> Option<&Held<S>> {
        self.held
            .as_ref()
            .filter(|held| now < held.usable_until(&self.settings))
    }

    /// The set, usable or not.
    pub(super) fn held(&self) -> Option<&Held<S>> {
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
    pub(super) fn ask(&mut self, now: Duration, question: Question) -> Asked {
        let Some(held) = self.usable(now) else {
            return self.ask_without_keys(now, question);
        };
        if question.generation != held.generation {
            return Asked::Answer(Refreshed::NewKeys);
        }
        if self.memory.recalls(now, &question) {
            return Asked::Answer(Refreshed::Unchanged);
        }
        if self.flight.is_some() {
            return self.join(now, question);
        }
        if self.budget.take(now) {
            return self.start_for(now, question, Cause::Miss);
        }
        Asked::Answer(Refreshed::Unchanged)
    }

    /// Time has passed: a scheduled fetch may be due, a wait over, the set too old.
    pub(super) fn tick(&mut self, now: Duration) -> Effects {
        let mut effects = Effects::default();
        self.waiters.retain(|waiter| {
            let over = waiter.deadline <= now;
            if over {
                effects.released.push((waiter.id, Refreshed::Unchanged));
            }
            !over
        });
        if self.held.is_some() && self.usable(now).is_none() {
            self.refresh_at = None;
            if !self.stale_told {
                self.stale_told = true;
                effects.notices.push(Notice::Stale);
            }
        }
        if self.flight.is_none() && self.refresh_at.is_some_and(|at| at <= now) {
            effects.start = Some(self.start(now, Cause::Schedule));
        }
        effects
    }

    /// The keys are somewhere else by now: the held ones are to be renewed with the next tick.
    pub(super) fn hurry(&mut self, now: Duration) {
        if self.held.is_some() {
            self.refresh_at = Some(now);
        }
    }

    /// The fetch `id` has ended. Only the one under way counts: an older answer never replaces a newer.
    pub(super) fn answer(
        &mut self,
        now: Duration,
        id: FetchId,
        answer: Answer<S>,
        jitter: Jitter,
    ) -> Effects {
        let Some(flight) = self.flight.take_if(|flight| flight.id == id) else {
            return Effects::default();
        };
        let mut effects = Effects::default();
        match answer {
            Answer::Set {
                set,
                digest,
                headers,
            } => {
                let changed = self.replace(&flight, set, digest, &headers, &mut effects.notices);
                self.succeed(now, &flight, changed, jitter, &mut effects);
            }
            Answer::NotModified(headers) => match self.confirm(&flight, &headers) {
                Ok(()) => {
                    effects.notices.push(Notice::NotModified);
                    self.succeed(now, &flight, Changed::No, jitter, &mut effects);
                }
                Err(reason) => self.fail(now, reason.to_owned(), jitter, &mut effects),
            },
            Answer::Failed(reason) => self.fail(now, reason, jitter, &mut effects),
        }
        effects
    }

    /// When [`Rotation::tick`] has something to do next.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        let waits = self.waiters.iter().map(|waiter| waiter.deadline).min();
        let refresh = self.refresh_at.filter(|_| self.flight.is_none());
        let stale = self
            .held
            .as_ref()
            .filter(|_| !self.stale_told)
            .map(|held| held.usable_until(&self.settings));
        [waits, refresh, stale].into_iter().flatten().min()
    }

    /// Before this time a question about a token is answered "unchanged" without being asked.
    pub(super) fn miss_gate(&self) -> Duration {
        if self.flight.is_some() {
            return Duration::ZERO;
        }
        self.budget.opens_at()
    }

    /// Before this time a question without keys is answered "unchanged" without being asked.
    pub(super) fn empty_gate(&self) -> Duration {
        if self.flight.is_some() {
            return Duration::ZERO;
        }
        self.empty_retry_at
    }

    fn ask_without_keys(&mut self, now: Duration, question: Question) -> Asked {
        if self.flight.is_some() {
            return self.join(now, question);
        }
        if now >= self.empty_retry_at {
            return self.start_for(now, question, Cause::Empty);
        }
        Asked::Answer(Refreshed::Unchanged)
    }

    fn join(&mut self, now: Duration, question: Question) -> Asked {
        if self.waiters.len() >= WAITERS_MAX {
            return Asked::Answer(Refreshed::Unchanged);
        }
        let covered_by = FetchId(self.fetches + 1);
        Asked::Wait(self.wait(now, question, covered_by), None)
    }

    fn start_for(&mut self, now: Duration, question: Question, cause: Cause) -> Asked {
        let start = self.start(now, cause);
        Asked::Wait(self.wait(now, question, start.id), Some(start))
    }

    fn wait(&mut self, now: Duration, question: Question, covered_by: FetchId) -> WaiterId {
        self.asked += 1;
        let id = WaiterId(self.asked);
        self.waiters.push(Waiter {
            id,
            question,
            deadline: now.saturating_add(WAIT_MAX),
            covered_by,
        });
        id
    }

    fn start(&mut self, now: Duration, cause: Cause) -> Start {
        self.fetches += 1;
        let id = FetchId(self.fetches);
        self.flight = Some(Flight {
            id,
            started_at: now,
        });
        let validators = self
            .held
            .as_ref()
            .map(|held| held.validators.clone())
            .unwrap_or_default();
        Start {
            id,
            cause,
            validators,
        }
    }

    fn replace(
        &mut self,
        flight: &Flight,
        set: Arc<S>,
        digest: [u8; 32],
        headers: &CacheHeaders,
        notices: &mut Vec<Notice>,
    ) -> Changed {
        let (changed, set) = match self.held.take() {
            // The same body again: the set that is held keeps its parsed keys.
            Some(held) if held.digest == digest => {
                notices.push(Notice::Fetched { changed: false });
                (Changed::No, held.set)
            }
            before => {
                let before = before.as_ref().map(|held| &*held.set);
                let (changed, told) = changes(before, &*set);
                notices.extend(told);
                (changed, set)
            }
        };
        if changed == Changed::Yes {
            self.generation += 1;
            self.memory.forget();
        }
        let directives = headers.directives().unwrap_or_default();
        self.held = Some(Held {
            set,
            digest,
            generation: self.generation,
            confirmed_at: flight.started_at,
            lifetime: directives.lifetime(headers.age(), self.settings.max_freshness),
            directives,
            validators: headers.validators(),
        });
        changed
    }

    /// A 304 renews the lifetime, with the headers that it repeats (RFC 9111 section 4.3.4).
    fn confirm(&mut self, flight: &Flight, headers: &CacheHeaders) -> Result<(), &'static str> {
        let Some(held) = self
            .held
            .as_mut()
            .filter(|held| !held.validators.is_empty())
        else {
            return Err("the issuer answered 304 though no set was named");
        };
        if !held.validators.agree_with(headers) {
            // It speaks of a set that is not held: the next request asks for the set itself.
            held.validators = Validators::default();
            return Err(
                "the issuer answered 304 with another ETag or Last-Modified than the one asked with",
            );
        }
        if let Some(directives) = headers.directives() {
            held.directives = directives;
        }
        held.validators.update(headers.validators());
        held.confirmed_at = flight.started_at;
        held.lifetime = held
            .directives
            .lifetime(headers.age(), self.settings.max_freshness);
        Ok(())
    }

    fn succeed(
        &mut self,
        now: Duration,
        flight: &Flight,
        changed: Changed,
        jitter: Jitter,
        effects: &mut Effects,
    ) {
        self.failures = 0;
        self.last_failure = None;
        self.stale_told = false;
        self.empty_retry_at = now;
        self.refresh_at = self
            .held
            .as_ref()
            .map(|held| refresh_ahead(held.confirmed_at, held.lifetime, jitter));
        let mut late = Vec::new();
        for waiter in std::mem::take(&mut self.waiters) {
            let lacking = self.lacks(&waiter.question, changed, &effects.notices);
            if lacking && waiter.covered_by > flight.id {
                late.push(waiter);
                continue;
            }
            if lacking {
                self.memory
                    .remember(now, flight.started_at, &waiter.question);
            }
            effects.released.push((waiter.id, self.verdict(&waiter)));
        }
        if late.is_empty() {
            return;
        }
        // They asked after the fetch began, so its answer may be older than their question.
        if self.budget.take(now) {
            effects.start = Some(self.start(now, Cause::Miss));
            self.waiters = late;
            return;
        }
        for waiter in late {
            self.memory
                .remember(now, flight.started_at, &waiter.question);
            effects.released.push((waiter.id, self.verdict(&waiter)));
        }
    }

    /// Whether the answer that was just taken over leaves the question as it was.
    fn lacks(&self, question: &Question, changed: Changed, notices: &[Notice]) -> bool {
        let touches = |kid: &str| {
            notices.iter().any(|notice| match notice {
                Notice::Added(key) | Notice::Removed(key) => key.kid.as_deref() == Some(kid),
                _ => false,
            })
        };
        match (question.kind, &question.kid, changed) {
            (MissKind::NoKeys, _, _) => false,
            (_, _, Changed::No) => true,
            (MissKind::UnknownKid, Some(kid), Changed::Yes) => {
                !self.held.as_ref().is_some_and(|held| held.set.has_kid(kid))
            }
            // An issuer may use a `kid` again: what happened to the other keys is no answer.
            (MissKind::BadSignature, Some(kid), Changed::Yes) => !touches(kid),
            (_, _, Changed::Yes) => false,
        }
    }

    fn verdict(&self, waiter: &Waiter) -> Refreshed {
        match &self.held {
            Some(held) if held.generation != waiter.question.generation => Refreshed::NewKeys,
            Some(_) if waiter.question.kind == MissKind::NoKeys => Refreshed::NewKeys,
            _ => Refreshed::Unchanged,
        }
    }

    fn fail(&mut self, now: Duration, reason: String, jitter: Jitter, effects: &mut Effects) {
        if self.usable(now).is_none() {
            self.refresh_at = None;
            self.empty_retry_at = now.saturating_add(jitter.shorten(EMPTY_RETRY));
        } else if self.refresh_at.is_some_and(|at| at <= now) {
            self.failures = self.failures.saturating_add(1);
            self.refresh_at = Some(now.saturating_add(backoff(self.failures, jitter)));
        }
        // A failure teaches nothing about any kid: nothing is remembered.
        let waiters = std::mem::take(&mut self.waiters);
        effects.released.extend(
            waiters
                .iter()
                .map(|waiter| (waiter.id, Refreshed::Unchanged)),
        );
        self.last_failure = Some(reason.clone());
        effects.notices.push(Notice::Failed(reason));
    }
}
