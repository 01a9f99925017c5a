//! The task of one remote source on the driver thread: carries out what `rotation` decides.
//!
//! It decides nothing, and answers no request before it has published the keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::attempt::{Location, Origin, Outcome, Unread};
use super::discovery::Document;
use crate::keys::events::{self, KeyEvent};
use crate::keys::freshness::Jitter;
use crate::keys::published::{PublishedKeys, nanos};
use crate::keys::rejected_body::RefusedAnswer;
use crate::keys::rotation::{Asked, Effects, FetchId, FetchOrder, Rotation, WAITERS_MAX, WaiterId};
use crate::keys::snapshot::Miss;
use crate::keys::source::Refreshed;

/// The wait before a document that could not be read is tried again.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What a request sends to the task.
pub(super) enum Command {
    /// The set is overdue: check the schedule.
    CheckSchedule,
    /// Fetch for the first time. No request waits for it.
    Prefetch,
    Refresh {
        miss: Miss,
        reply: oneshot::Sender<Refreshed>,
        permit: WaitPermit,
    },
}

/// Keeps requests from the task if it could only answer them with "unchanged". Times are in
/// nanoseconds of the clock.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Whether any request has reached this task, or was admitted.
    asked: AtomicBool,
    waiting: AtomicUsize,
    misses_from: AtomicU64,
    retries_from: AtomicU64,
}

/// The right of one request to wait.
#[derive(Debug)]
pub(super) struct WaitPermit(Arc<Admission>);

impl Admission {
    /// The right to wait for newer keys than those of this generation; `None` if there is no chance
    /// of a fetch now, or too many requests wait.
    pub(super) fn admit(self: &Arc<Self>, now: Duration, generation: u64) -> Option<WaitPermit> {
        let from = match generation {
            0 => &self.retries_from,
            _ => &self.misses_from,
        };
        if nanos(now) < from.load(Ordering::Relaxed) {
            return None;
        }
        self.asked.store(true, Ordering::Relaxed);
        let more = |waiting| (waiting < WAITERS_MAX).then_some(waiting + 1);
        self.waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()
            .map(|_| WaitPermit(Arc::clone(self)))
    }
}

impl Admission {
    /// Whether this is the first request to this task. Only the first caller gets `true`.
    pub(super) fn is_first(&self) -> bool {
        !self.asked.load(Ordering::Relaxed) && !self.asked.swap(true, Ordering::Relaxed)
    }
}

impl Drop for WaitPermit {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs until the last handle of the source is dropped, and then drops any running fetch.
pub(super) async fn run(
    origin: Arc<Origin>,
    published: Arc<PublishedKeys<Location>>,
    mut commands: mpsc::Receiver<Command>,
    admission: Arc<Admission>,
) {
    let mut task = Task::new(origin, published, admission);
    let clock = task.origin.exchanger.clock.clone();
    loop {
        task.tick();
        let wake = task.rotation.next_wake().unwrap_or(Duration::MAX);
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Refresh { miss, reply, permit }) => task.ask(miss, reply, permit),
                Some(Command::CheckSchedule) => {}
                Some(Command::Prefetch) => task.prefetch(),
                None => return,
            },
            Some(ended) = task.fetch.join_next(), if !task.fetch.is_empty() => {
                // A panic of a fetcher counts as a failed fetch.
                let failed = |_| Outcome::failed("the fetcher failed".to_owned());
                task.finish_fetch(ended.unwrap_or_else(failed));
            }
            Some(read) = task.reading.join_next(), if !task.reading.is_empty() => {
                task.finish_reading(read.unwrap_or_else(|_| Err("the fetcher failed".to_owned())));
            }
            () = clock.sleep_until(wake), if wake < Duration::MAX => {}
        }
    }
}

struct Task {
    origin: Arc<Origin>,
    published: Arc<PublishedKeys<Location>>,
    admission: Arc<Admission>,
    rotation: Rotation,
    waiting: HashMap<WaiterId, (oneshot::Sender<Refreshed>, WaitPermit)>,
    /// At most one fetch; dropped with the task.
    fetch: JoinSet<Outcome>,
    in_flight: Option<FetchId>,
    location: Location,
    /// The latest answer that was not taken, since the held set was confirmed.
    refused: Option<Arc<RefusedAnswer>>,
    /// At most one reading of the issuer's document, beside the fetch.
    reading: JoinSet<Result<Document, String>>,
    read_again_at: Duration,
    unread: Option<String>,
    /// The document names an address other than the one that the running fetch uses.
    moved: bool,
}

impl Task {
    fn new(
        origin: Arc<Origin>,
        published: Arc<PublishedKeys<Location>>,
        admission: Arc<Admission>,
    ) -> Self {
        let (held, location) = published.resume();
        let refused = held.as_ref().and_then(|held| held.snapshot.refused.clone());
        Self {
            refused,
            rotation: Rotation::new(origin.lifetimes, held, jitter()),
            origin,
            published,
            admission,
            waiting: HashMap::new(),
            fetch: JoinSet::new(),
            in_flight: None,
            location,
            reading: JoinSet::new(),
            read_again_at: Duration::ZERO,
            unread: None,
            moved: false,
        }
    }

    fn tick(&mut self) {
        let effects = self.rotation.tick(self.origin.exchanger.clock.now());
        if effects.events.contains(&KeyEvent::Stale) {
            self.publish();
        }
        self.carry_out(effects);
    }

    fn ask(&mut self, miss: Miss, reply: oneshot::Sender<Refreshed>, permit: WaitPermit) {
        match self.rotation.ask(self.origin.exchanger.clock.now(), miss) {
            Asked::Answer(refreshed) => answer(refreshed, reply, permit),
            Asked::Wait(id, order) => {
                self.waiting.insert(id, (reply, permit));
                if let Some(order) = order {
                    self.start_fetch(order);
                }
            }
        }
        self.update_admission();
    }

    fn prefetch(&mut self) {
        if let Some(order) = self.rotation.prefetch(self.origin.exchanger.clock.now()) {
            self.start_fetch(order);
        }
        self.update_admission();
    }

    fn start_fetch(&mut self, order: FetchOrder) {
        self.in_flight = Some(order.id);
        events::fetch_started(self.published.source(), order.cause);
        let (origin, known) = (Arc::clone(&self.origin), self.location.clone());
        self.fetch
            .spawn(async move { origin.attempt(order.validators, known).await });
        self.moved = false;
        let now = self.origin.exchanger.clock.now();
        let document = self.location.document.as_ref();
        if document.is_some_and(|document| document.is_old(now)) {
            self.start_reading();
        }
    }

    fn finish_fetch(&mut self, outcome: Outcome) {
        let Some(id) = self.in_flight.take() else {
            return;
        };
        let known = &mut self.location;
        if let Some(document) = outcome.location.document {
            let older = |known: &Document| known.read_at <= document.read_at;
            if known.document.as_ref().is_none_or(older) {
                known.document = Some(document);
            }
        }
        match outcome.unread {
            Some(Unread::Failed(reason)) => self.report_unread(reason),
            Some(Unread::TooLong) => self.start_reading(),
            None => {}
        }
        let now = self.origin.exchanger.clock.now();
        let effects = self
            .rotation
            .finish_fetch(now, id, outcome.result, jitter());
        if self.rotation.last_failure().is_none() {
            self.location.keys_from = outcome.location.keys_from;
            self.refused = None;
        } else if let Some(text) = outcome.text {
            text.replace(&mut self.refused);
        }
        if self.moved {
            self.rotation.refresh_now(now);
        }
        self.publish();
        self.carry_out(effects);
    }

    /// Reads the document in parallel with the fetches, so that one that cannot be read delays no
    /// keys.
    fn start_reading(&mut self) {
        if self.reading.is_empty() && self.origin.exchanger.clock.now() >= self.read_again_at {
            let origin = Arc::clone(&self.origin);
            self.reading
                .spawn(async move { origin.read_document().await });
        }
    }

    fn finish_reading(&mut self, read: Result<Document, String>) {
        let now = self.origin.exchanger.clock.now();
        match read {
            Ok(found) => {
                let known = self.location.document.as_ref();
                self.moved = known.map(|known| &known.jwks_uri) != Some(&found.jwks_uri);
                self.location.document = Some(found);
                self.unread = None;
                if self.moved && self.in_flight.is_none() {
                    self.rotation.refresh_now(now);
                }
            }
            Err(reason) => {
                self.read_again_at = now.saturating_add(READ_AGAIN_AFTER);
                self.report_unread(reason);
            }
        }
        self.publish();
    }

    fn report_unread(&mut self, reason: String) {
        events::document_failed(self.published.source(), &reason);
        self.unread = Some(reason);
    }

    fn carry_out(&mut self, effects: Effects) {
        for event in &effects.events {
            self.published.report(event);
        }
        if let Some(order) = effects.fetch {
            self.start_fetch(order);
        }
        self.update_admission();
        for (id, refreshed) in effects.answers {
            if let Some((reply, permit)) = self.waiting.remove(&id) {
                answer(refreshed, reply, permit);
            }
        }
    }

    fn publish(&self) {
        let source = self.published.source();
        let failure = self.rotation.last_failure();
        let why = failure.unwrap_or("none was asked for");
        let mut held = self.rotation.held().cloned();
        if let Some(held) = &mut held {
            held.snapshot.refused.clone_from(&self.refused);
        }
        let why = match held {
            None => format!("no keys from {source}: {why}"),
            Some(_) => format!("the keys from {source} are too old to be used: {why}"),
        };
        self.published.publish(
            held,
            &why,
            self.rotation.refresh_at().unwrap_or(Duration::MAX),
            failure.or(self.unread.as_deref()),
            self.location.clone(),
        );
    }

    fn update_admission(&self) {
        let (misses, retries) = (self.rotation.misses_from(), self.rotation.retries_from());
        let admission = &self.admission;
        admission
            .misses_from
            .store(nanos(misses), Ordering::Relaxed);
        admission
            .retries_from
            .store(nanos(retries), Ordering::Relaxed);
    }
}

fn answer(refreshed: Refreshed, reply: oneshot::Sender<Refreshed>, permit: WaitPermit) {
    drop(permit);
    // It fails only if the request is gone.
    let _ = reply.send(refreshed);
}

/// Nothing secret depends on it.
fn jitter() -> Jitter {
    Jitter::new(fastrand::u32(0..=1000))
}
