//! Where keys come from, and how they stay current.
//!
//! A [`KeySource`] gives an immutable set at once and never makes a request wait for that. When the set
//! cannot verify a token, the source may be asked for newer keys; it decides whether a fetch is worth it
//! and whether the request may wait. Sources: [`StaticKeys`], [`FileKeys`], [`RemoteKeys`].
//!
//! # Events
//!
//! [`tracing`] events with the target `mcp_bearer::keys` and a field `event`, whose values are stable:
//! `fetched`, `not_modified`, `failed`, `document_failed`, `key_added`, `key_removed`, `key_skipped`, `stale`. Each has the
//! field `source`: the address without user, query and fragment, or the file's path.
//!
//! With the feature `metrics`, counters of the `metrics` facade, all with the label `source`:
//!
//! | name | labels |
//! |---|---|
//! | `mcp_bearer_key_fetches_total` | `result`: `fetched`, `not_modified`, `failed` |
//! | `mcp_bearer_key_changes_total` | `change`: `added`, `removed`, `skipped` |
//! | `mcp_bearer_key_sets_stale_total` | |
//!
//! Nothing here may put a token, a private key or the query of an address into a log.

#[cfg(feature = "remote")]
mod apart;
mod board;
mod discovery;
mod driver;
mod events;
mod fetch;
mod file;
#[cfg(feature = "remote")]
mod http_fetch;
mod monotonic;
mod not_an_issuer;
mod remote;
mod rotation;
mod ssrf;
mod static_keys;
#[cfg(feature = "remote")]
mod tls_error;
mod transport;
mod unusable;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use mcp_bearer_core::{KeySet, RejectionKind};

#[cfg(feature = "remote")]
pub use self::http_fetch::{HttpFetch, HttpFetchBuilder};
pub(crate) use self::unusable::no_usable_key;
pub use self::{
    fetch::{Fetch, FetchError, FetchRequest, FetchResponse},
    file::FileKeys,
    monotonic::{ManualTime, MonotonicClock},
    remote::{RemoteKeys, RemoteKeysBuilder},
    ssrf::is_public_unicast,
    static_keys::StaticKeys,
};

/// A source of verification keys.
///
/// Dyn-safe. Implementations are cheap to ask: [`snapshot`](Self::snapshot) stands on the path of every request.
pub trait KeySource: Send + Sync {
    /// The set to verify with now. Never waits, never does I/O.
    ///
    /// When nothing usable is held the set is [`KeySet::unavailable`].
    fn snapshot(&self) -> Snapshot;

    /// The [`generation`](Snapshot::generation) of the snapshot, for who has verified with it before: every request that
    /// finds its token in the cache asks, so a source should answer without touching what other requests write.
    fn generation(&self) -> u64 {
        self.snapshot().generation
    }

    /// Asks for newer keys because of a token that the snapshot could not verify.
    ///
    /// The question is put at the call, not at the first poll; dropping the future cancels no fetch. The
    /// future ends within 5 s, and at once when the source sees no reason or no budget for a fetch.
    fn refresh(&self, miss: Miss) -> BoxFuture<'_, Refreshed>;

    /// Starts the first fetch of a source that was never asked, and does not wait for it.
    ///
    /// Called for a well-formed token that newer keys could not save: it still shows that tokens come. Whether such a
    /// token comes once or a thousand times, it starts this one fetch and no other. A source that fetches nothing does
    /// nothing.
    fn prefetch(&self) {}

    /// The state of the source, for operators.
    fn status(&self) -> KeyStatus;
}

/// The keys at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// The keys.
    pub set: Arc<KeySet>,
    /// Changes whenever the keys change; 0 while none are held.
    pub generation: u64,
}

impl Snapshot {
    /// A snapshot of a source that is not from this crate.
    #[must_use]
    pub fn new(set: Arc<KeySet>, generation: u64) -> Self {
        Self { set, generation }
    }

    /// A snapshot that can never change: no question for newer keys comes of it.
    #[must_use]
    pub fn fixed(set: Arc<KeySet>) -> Self {
        Self::new(set, u64::MAX)
    }

    /// The question to ask after a token with this `kid` was refused for this reason; `None` when newer
    /// keys could not help.
    #[must_use]
    pub fn miss(&self, reason: RejectionKind, kid: Option<&str>) -> Option<Miss> {
        if self.generation == u64::MAX {
            return None;
        }
        let kind = match reason {
            RejectionKind::UnknownKey => MissKind::UnknownKid,
            RejectionKind::BadSignature => MissKind::BadSignature,
            RejectionKind::KeysUnavailable => MissKind::NoKeys,
            _ => return None,
        };
        Some(Miss {
            kind,
            kid: kid.map(str::to_owned),
            generation: self.generation,
        })
    }
}

/// What was missing from a snapshot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Miss {
    /// Which way it failed.
    pub kind: MissKind,
    /// The token's `kid`, as far as it has one. A stranger's text.
    pub kid: Option<String>,
    /// Of the snapshot that failed; when a newer one is there already, nothing is fetched.
    pub generation: u64,
}

impl Miss {
    /// No usable keys are held.
    ///
    /// Also the way to fetch before the first token comes: `source.refresh(Miss::no_keys())`.
    #[must_use]
    pub fn no_keys() -> Self {
        Self {
            kind: MissKind::NoKeys,
            kid: None,
            generation: 0,
        }
    }
}

/// In which way a snapshot failed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissKind {
    /// No key fits the token's `kid` and algorithm.
    UnknownKid,
    /// A key has that `kid`, but the signature is not its own: issuers do reuse a `kid` for a new key.
    BadSignature,
    /// There is no usable set at all.
    NoKeys,
}

/// What came of a question for newer keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refreshed {
    /// The snapshot has changed: verify once more.
    NewKeys,
    /// The snapshot is as before: the rejection stands.
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
    /// The time since the source last confirmed the keys. `None` for keys that are fixed or not held.
    pub age: Option<Duration>,
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
    /// Past their lifetime and used, because the issuer cannot be reached.
    Aging,
    /// Past the staleness bound: no longer used.
    Stale,
}
