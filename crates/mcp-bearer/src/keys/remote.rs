//! Keys from an issuer: what the users of the crate see of them.
//! It must never make a request wait longer than 5 s, nor more than 64 of them, and never decide about a
//! fetch itself: `rotation` decides, `remote/task.rs` carries out.

mod attempt;
mod builder;
mod task;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use futures_util::future::{BoxFuture, FutureExt, ready};
use mcp_bearer_core::KeySet;
use tokio::sync::{mpsc, oneshot};

pub use self::builder::RemoteKeysBuilder;
use self::{attempt::Plan, task::Facts};
use super::{
    KeySource, KeyStatus, Miss, Refreshed, Snapshot,
    board::{Board, Nudge, nanos},
    driver::{Mailbox, Sent},
    rotation::{KeyFacts, KeyIdentity, Question, WAITERS_MAX},
};

/// Keys that an issuer publishes over HTTP.
///
/// Nothing is fetched before the first question or [`Miss::no_keys`]. Clones are handles of one source; the
/// fetching ends with the last of them. No tokio runtime is needed to make or use one, and it may be used
/// from any thread, from several runtimes, and after a `fork`.
///
/// ```
/// use mcp_bearer::keys::{KeySource, RemoteKeys};
/// let keys = RemoteKeys::discover("https://idp.example.com/").build()?;
/// assert_eq!(keys.snapshot().set.len(), 0);
/// # Ok::<(), mcp_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct RemoteKeys {
    inner: Arc<Inner>,
}

struct Inner {
    plan: Arc<Plan>,
    board: Arc<Board<Facts>>,
    mailbox: Mailbox<Letter, Gates>,
    /// Whether anyone has asked for keys: only the first question may come from a token that no key could save.
    asked: AtomicBool,
}

impl RemoteKeys {
    /// Keys from a JWKS at this address.
    pub fn builder(jwks_uri: impl Into<String>) -> RemoteKeysBuilder {
        RemoteKeysBuilder::for_jwks_uri(jwks_uri.into())
    }

    /// Keys from the JWKS that the issuer's metadata names.
    pub fn discover(issuer: impl Into<String>) -> RemoteKeysBuilder {
        RemoteKeysBuilder::for_issuer(issuer.into())
    }

    fn start(
        &self,
    ) -> impl FnOnce(mpsc::Receiver<Letter>, Arc<Gates>) -> BoxFuture<'static, ()> + use<> {
        let (plan, board) = (Arc::clone(&self.inner.plan), Arc::clone(&self.inner.board));
        move |letters, gates| task::run(plan, board, letters, gates).boxed()
    }

    fn ask(&self, miss: Miss) -> Result<oneshot::Receiver<Refreshed>, Refreshed> {
        let (snapshot, _) = self.inner.board.read(Snapshot::clone);
        if snapshot.generation != 0 && snapshot.generation != miss.generation {
            return Err(Refreshed::NewKeys);
        }
        let now = nanos(self.inner.board.clock().now());
        let mut answer = None;
        let sent = self.inner.mailbox.send(self.start(), |gates| {
            let gate = match snapshot.generation {
                0 => &gates.empty,
                _ => &gates.miss,
            };
            if now < gate.load(Ordering::Relaxed) {
                return None;
            }
            let permit = Permit::take(gates)?;
            let (reply, receiver) = oneshot::channel();
            answer = Some(receiver);
            Some(Letter::Ask {
                question: Question {
                    kind: miss.kind,
                    kid: miss.kid,
                    generation: miss.generation,
                },
                reply,
                permit,
            })
        });
        match (sent, answer) {
            (Sent::Yes, Some(answer)) => {
                self.inner.asked.store(true, Ordering::Relaxed);
                Ok(answer)
            }
            _ => Err(Refreshed::Unchanged),
        }
    }
}

impl RemoteKeys {
    fn read<T>(&self, take: impl FnOnce(&Snapshot) -> T) -> T {
        let (taken, nudge) = self.inner.board.read(take);
        if nudge == Nudge::Now {
            self.inner
                .mailbox
                .send(self.start(), |_| Some(Letter::Nudge));
        }
        taken
    }
}

impl KeySource for RemoteKeys {
    fn snapshot(&self) -> Snapshot {
        self.read(Snapshot::clone)
    }

    fn generation(&self) -> u64 {
        self.read(|snapshot| snapshot.generation)
    }

    fn refresh(&self, miss: Miss) -> BoxFuture<'_, Refreshed> {
        match self.ask(miss) {
            // The task is gone only when it has failed; then nothing has changed.
            Ok(answer) => answer
                .map(|told| told.unwrap_or(Refreshed::Unchanged))
                .boxed(),
            Err(told) => ready(told).boxed(),
        }
    }

    fn prefetch(&self) {
        let asked = &self.inner.asked;
        if !asked.load(Ordering::Relaxed) && !asked.swap(true, Ordering::Relaxed) {
            // Nobody waits for the answer, and dropping it stops no fetch.
            let sent = self.ask(Miss::no_keys()).is_ok();
            asked.store(sent, Ordering::Relaxed);
        }
    }

    fn status(&self) -> KeyStatus {
        self.inner.board.status(&self.inner.plan.label)
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("source", &self.inner.plan.label)
            .finish_non_exhaustive()
    }
}

/// What a request tells the task.
enum Letter {
    /// The set is due: look at the schedule.
    Nudge,
    Ask {
        question: Question,
        reply: oneshot::Sender<Refreshed>,
        permit: Permit,
    },
}

/// What spares the task questions that it could only answer "unchanged". Times are nanoseconds of the clock.
#[derive(Debug, Default)]
struct Gates {
    waiting: AtomicUsize,
    miss: AtomicU64,
    empty: AtomicU64,
}

/// The right to wait.
#[derive(Debug)]
struct Permit(Arc<Gates>);

impl Permit {
    fn take(gates: &Arc<Gates>) -> Option<Self> {
        let more = |waiting| (waiting < WAITERS_MAX).then_some(waiting + 1);
        let taken = gates
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Self(Arc::clone(gates)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl KeyFacts for KeySet {
    fn has_kid(&self, kid: &str) -> bool {
        KeySet::has_kid(self, kid)
    }

    fn identities(&self) -> Vec<KeyIdentity> {
        let mut keys: Vec<_> = self
            .keys()
            .map(|key| KeyIdentity {
                kid: key.kid,
                algorithm: key.algorithm,
                fingerprint: key.fingerprint,
            })
            .collect();
        keys.sort();
        keys
    }

    fn skips(&self) -> Vec<(Option<String>, String)> {
        let mut skips: Vec<_> = self
            .skipped()
            .iter()
            .map(|key| (key.kid.clone(), key.reason.clone()))
            .collect();
        skips.sort();
        skips
    }
}
