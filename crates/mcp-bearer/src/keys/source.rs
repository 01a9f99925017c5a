//! [`KeySource`]: what every source of keys offers, and its state for operators.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::snapshot::{Miss, Snapshot};

/// A source of verification keys.
///
/// Dyn-safe. Every request calls [`snapshot`](Self::snapshot) or [`generation`](Self::generation),
/// so they must be cheap.
pub trait KeySource: Send + Sync {
    /// The set to verify with now. Never waits, never does I/O.
    ///
    /// When no usable keys are held the set is
    /// [`KeySet::unavailable`](crate::keys::KeySet::unavailable).
    fn snapshot(&self) -> Snapshot;

    /// The [`generation`](Snapshot::generation) of the snapshot.
    ///
    /// Every request whose token is cached calls it. Override it if it can be answered without
    /// writing to memory that requests share.
    fn generation(&self) -> u64 {
        self.snapshot().generation
    }

    /// Asks for newer keys because of a token that the snapshot could not verify.
    ///
    /// The source takes the request at the call, not at the first poll, and dropping the future
    /// cancels no fetch. The future ends within 5 s, and at once if the source sees no reason or
    /// has no budget for a fetch.
    fn refresh(&self, miss: Miss) -> BoxFuture<'_, Refreshed>;

    /// Starts the first fetch of a source that was never asked, and does not wait for it.
    ///
    /// Called for a well-formed token that newer keys could not help: it still shows that tokens
    /// arrive. However many such tokens arrive, they start only this one fetch. A source that
    /// fetches nothing does nothing. A source that wraps another one passes the call on: otherwise
    /// a server that gets only such tokens never fetches keys.
    fn prefetch(&self) {}

    /// The state of the source, for operators.
    fn status(&self) -> KeyStatus;
}

/// The outcome of [`KeySource::refresh`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refreshed {
    /// The snapshot has changed: verify once more.
    NewKeys,
    /// The snapshot has not changed: the rejection is final.
    Unchanged,
}

/// The state of a source at one moment, for operators.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyStatus {
    /// The address without user, query and fragment, or the file's path.
    pub source: String,
    /// Whether and how the keys are usable.
    pub phase: KeyPhase,
    /// The keys; an unavailable set when none are held.
    pub snapshot: Snapshot,
    /// The time since the source last confirmed the keys. `None` for keys that are fixed or not
    /// held.
    pub age: Option<Duration>,
    /// The time until the source asks for newer keys by itself; zero if that is due. `None` for
    /// keys that are fixed or not held.
    pub next_refresh: Option<Duration>,
    /// Why the last attempt failed; `None` when it succeeded.
    pub last_failure: Option<String>,
    /// Answers with a set, since the source was made.
    pub fetched: u64,
    /// Answers that the set has not changed.
    pub not_modified: u64,
    /// Attempts that failed.
    pub failed: u64,
}

/// Whether and how a source's keys are usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyPhase {
    /// None have been fetched yet.
    Empty,
    /// Within their lifetime, or fixed.
    Fresh,
    /// Past their lifetime, but still used because the issuer cannot be reached.
    Aging,
    /// Past the staleness bound: no longer used.
    Stale,
}
