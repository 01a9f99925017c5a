//! Keys that are configured once and never change.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};
use mcp_bearer_core::KeySet;

use super::snapshot::{Miss, Snapshot};
use super::source::{KeyPhase, KeySource, KeyStatus, Refreshed};

/// Keys that are configured in place: one PEM key, a JWK Set, a shared secret.
#[derive(Clone, Debug)]
pub struct StaticKeys {
    snapshot: Snapshot,
}

impl StaticKeys {
    /// A source of these keys.
    #[must_use]
    pub fn new(set: KeySet) -> Self {
        Self {
            snapshot: Snapshot::fixed(Arc::new(set)),
        }
    }
}

impl From<KeySet> for StaticKeys {
    fn from(set: KeySet) -> Self {
        Self::new(set)
    }
}

impl KeySource for StaticKeys {
    fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    fn generation(&self) -> u64 {
        self.snapshot.generation
    }

    fn refresh(&self, _: Miss) -> BoxFuture<'_, Refreshed> {
        ready(Refreshed::Unchanged).boxed()
    }

    fn status(&self) -> KeyStatus {
        KeyStatus {
            source: "static".to_owned(),
            phase: KeyPhase::Fresh,
            snapshot: self.snapshot.clone(),
            age: None,
            next_refresh: None,
            last_failure: None,
            fetched: 0,
            not_modified: 0,
            failed: 0,
        }
    }
}
