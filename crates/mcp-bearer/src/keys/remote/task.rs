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
    attempt::{Known, Outcome, Plan},
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
        let (plan, clock) = (Arc::clone(&self.plan), self.board.clock().clone());
        let known = Known {
            document: self.document.clone(),
            keys_from: self.keys_from.clone(),
        };
        self.flight
            .spawn(async move { plan.attempt(&clock, start, known).await });
    }

    fn land(&mut self, id: Option<FetchId>, outcome: Outcome) {
        self.under_way = None;
        let Some(id) = id else {
            return;
        };
        if outcome.document.is_some() {
            self.document = outcome.document;
        }
        if !matches!(outcome.answer, Answer::Failed(_)) {
            self.keys_from = outcome.keys_from;
        }
        let now = self.board.clock().now();
        let effects = self.rotation.answer(now, id, outcome.answer, jitter());
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
        self.board.post(sheet.with_failure(failure));
    }

    fn set_gates(&self) {
        let now = self.board.clock().now();
        let gates = &self.gates;
        let (miss, empty) = (self.rotation.miss_gate(now), self.rotation.empty_gate());
        gates.miss.store(nanos(miss), Ordering::Relaxed);
        gates.empty.store(nanos(empty), Ordering::Relaxed);
    }
}

/// Nothing secret depends on it.
fn jitter() -> Jitter {
    Jitter::new(fastrand::u32(0..=1000))
}
