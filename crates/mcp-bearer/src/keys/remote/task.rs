//! The task of one remote source on the driver thread: carries out what `rotation` decides.
//! It must never decide, and never answer a request before the keys that the answer speaks of hang out.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use mcp_bearer_core::KeySet;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use url::Url;

use super::{
    Gates, Letter, Permit,
    attempt::{Known, Outcome, Plan, Unread, is_old},
};
use crate::keys::{
    Refreshed, Snapshot,
    board::{Board, Sheet, Times, nanos},
    discovery::Document,
    events,
    rotation::{
        Answer, Asked, Effects, FetchId, Held, Jitter, Notice, Question, Rotation, Start, WaiterId,
    },
};

/// A document that could not be read is left alone for so long.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What a new task needs to go on where another one ended: in a forked child, or after a failure.
#[derive(Clone, Default)]
pub(super) struct Facts {
    held: Option<Held<KeySet>>,
    document: Option<Document>,
    keys_from: Option<Url>,
}

/// Runs until the last handle of the source is dropped, and takes a fetch under way with it.
pub(super) async fn run(
    plan: Arc<Plan>,
    board: Arc<Board<Facts>>,
    mut letters: mpsc::Receiver<Letter>,
    gates: Arc<Gates>,
) {
    let mut task = Task::new(plan, board, gates);
    loop {
        task.tick();
        let wake = task.rotation.next_wake().unwrap_or(Duration::MAX);
        let clock = task.board.clock().clone();
        let under_way = task.under_way;
        tokio::select! {
            letter = letters.recv() => match letter {
                Some(letter) => task.open(letter),
                None => return,
            },
            Some(ended) = task.flight.join_next(), if under_way.is_some() => {
                // A fetcher that panics has failed, no more.
                let failed = |_| Outcome::failed("the fetcher failed".to_owned(), None);
                task.land(under_way, ended.unwrap_or_else(failed));
            }
            Some(read) = task.reading.join_next(), if !task.reading.is_empty() => {
                task.document_read(read.unwrap_or_else(|_| Err("the fetcher failed".to_owned())));
            }
            () = clock.sleep_until(wake), if wake < Duration::MAX => {}
        }
    }
}

struct Task {
    plan: Arc<Plan>,
    board: Arc<Board<Facts>>,
    gates: Arc<Gates>,
    rotation: Rotation<KeySet>,
    waiting: HashMap<WaiterId, (oneshot::Sender<Refreshed>, Permit)>,
    /// At most one fetch; dropped with the task.
    flight: JoinSet<Outcome>,
    under_way: Option<FetchId>,
    document: Option<Document>,
    keys_from: Option<Url>,
    /// At most one, beside the fetch: the document of the issuer, when it is old.
    reading: JoinSet<Result<Document, String>>,
    read_again_at: Duration,
    unread: Option<String>,
    /// The document names another address than the fetch under way asks.
    moved: bool,
}

impl Task {
    fn new(plan: Arc<Plan>, board: Arc<Board<Facts>>, gates: Arc<Gates>) -> Self {
        let facts = board.sheet().facts.clone();
        let rotation = match facts.held {
            Some(held) => Rotation::resume(plan.settings, held, jitter()),
            None => Rotation::new(plan.settings),
        };
        Self {
            plan,
            board,
            gates,
            rotation,
            waiting: HashMap::new(),
            flight: JoinSet::new(),
            under_way: None,
            document: facts.document,
            keys_from: facts.keys_from,
            reading: JoinSet::new(),
            read_again_at: Duration::ZERO,
            unread: None,
            moved: false,
        }
    }

    fn tick(&mut self) {
        let effects = self.rotation.tick(self.board.clock().now());
        if effects.notices.contains(&Notice::Stale) {
            self.post();
        }
        self.carry_out(effects);
    }

    fn open(&mut self, letter: Letter) {
        let Letter::Ask {
            question,
            reply,
            permit,
        } = letter
        else {
            return;
        };
        self.ask(question, reply, permit);
        self.set_gates();
    }

    fn ask(&mut self, question: Question, reply: oneshot::Sender<Refreshed>, permit: Permit) {
        match self.rotation.ask(self.board.clock().now(), question) {
            Asked::Answer(told) => {
                drop(permit);
                // Whoever asked may have gone: then nobody needs the answer.
                let _ = reply.send(told);
            }
            Asked::Wait(id, start) => {
                self.waiting.insert(id, (reply, permit));
                if let Some(start) = start {
                    self.take_off(start);
                }
            }
        }
    }

    fn take_off(&mut self, start: Start) {
        self.under_way = Some(start.id);
        events::begun(&self.plan.label, start.cause);
        let (plan, clock) = (Arc::clone(&self.plan), self.board.clock().clone());
        let known = Known {
            document: self.document.clone(),
            keys_from: self.keys_from.clone(),
        };
        self.flight
            .spawn(async move { plan.attempt(&clock, start, known).await });
        self.moved = false;
        self.read_if_old();
    }

    fn read_if_old(&mut self) {
        let now = self.board.clock().now();
        let known = self.document.as_ref();
        if known.is_some_and(|known| is_old(known, now)) {
            self.read_beside();
        }
    }

    /// Beside the fetches, so that a document that cannot be had delays no keys.
    fn read_beside(&mut self) {
        let clock = self.board.clock().clone();
        if self.reading.is_empty() && clock.now() >= self.read_again_at {
            let plan = Arc::clone(&self.plan);
            self.reading
                .spawn(async move { plan.read_document(&clock).await });
        }
    }

    fn document_read(&mut self, read: Result<Document, String>) {
        let now = self.board.clock().now();
        match read {
            Ok(found) => {
                let known = self.document.as_ref().map(|known| &known.jwks_uri);
                self.moved = known != Some(&found.jwks_uri);
                self.document = Some(found);
                self.unread = None;
                if self.moved && self.under_way.is_none() {
                    self.rotation.hurry(now);
                }
            }
            Err(reason) => {
                self.read_again_at = now.saturating_add(READ_AGAIN_AFTER);
                self.tell_unread(reason);
            }
        }
        self.post();
    }

    fn tell_unread(&mut self, reason: String) {
        events::document_failed(&self.plan.label, &reason);
        self.unread = Some(reason);
    }

    fn land(&mut self, id: Option<FetchId>, outcome: Outcome) {
        self.under_way = None;
        let Some(id) = id else {
            return;
        };
        if let Some(document) = outcome.document
            && self
                .document
                .as_ref()
                .is_none_or(|known| known.read_at <= document.read_at)
        {
            self.document = Some(document);
        }
        match outcome.unread {
            Some(Unread::Failed(reason)) => self.tell_unread(reason),
            Some(Unread::TooLong) => self.read_beside(),
            None => {}
        }
        if !matches!(outcome.answer, Answer::Failed(_)) {
            self.keys_from = outcome.keys_from;
        }
        let now = self.board.clock().now();
        let effects = self.rotation.answer(now, id, outcome.answer, jitter());
        if self.moved {
            self.rotation.hurry(now);
        }
        self.post();
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Effects) {
        let set = self
            .board
            .sheet()
            .facts
            .held
            .as_ref()
            .map(|held| Arc::clone(&held.set));
        for notice in &effects.notices {
            events::tell(&self.plan.label, &self.board.tally, set.as_deref(), notice);
        }
        if let Some(start) = effects.start {
            self.take_off(start);
        }
        self.set_gates();
        for (id, told) in effects.released {
            if let Some((reply, permit)) = self.waiting.remove(&id) {
                drop(permit);
                // Whoever asked may have gone: then nobody needs the answer.
                let _ = reply.send(told);
            }
        }
    }

    /// Hangs out the keys, before anyone is told of them.
    fn post(&self) {
        let label = &self.plan.label;
        let failure = self.rotation.last_failure();
        let why = failure.unwrap_or("none was asked for");
        let facts = Facts {
            held: self.rotation.held().cloned(),
            document: self.document.clone(),
            keys_from: self.keys_from.clone(),
        };
        let sheet = match self.rotation.held() {
            None => Sheet::without_keys(&format!("no keys from {label}: {why}"), facts),
            Some(held) => {
                let times = Times {
                    due_at: self.rotation.refresh_at().unwrap_or(Duration::MAX),
                    fresh_until: held.fresh_until(),
                    usable_until: held.usable_until(&self.plan.settings),
                    confirmed_at: held.confirmed_at,
                };
                let snapshot = Snapshot::new(Arc::clone(&held.set), held.generation);
                let reason = format!("the keys from {label} are too old to be used: {why}");
                Sheet::with_keys(snapshot, &reason, times, facts)
            }
        };
        self.board
            .post(sheet.with_failure(failure.or(self.unread.as_deref())));
    }

    fn set_gates(&self) {
        let gates = &self.gates;
        let (miss, empty) = (self.rotation.miss_gate(), self.rotation.empty_gate());
        gates.miss.store(nanos(miss), Ordering::Relaxed);
        gates.empty.store(nanos(empty), Ordering::Relaxed);
    }
}

/// Nothing secret depends on it.
fn jitter() -> Jitter {
    Jitter::new(fastrand::u32(0..=1000))
}
