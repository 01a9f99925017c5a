//! What the machine knows about key sets, and what operators are told of them.
//! It must never look at a key itself.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::freshness::{Directives, Validators};

/// What the machine must know about a key set; it never looks at a key.
pub(in crate::keys) trait KeyFacts {
    /// Whether a usable key carries this `kid`.
    fn has_kid(&self, kid: &str) -> bool;
    /// Each usable key once.
    fn identities(&self) -> BTreeSet<KeyIdentity>;
}

/// Which key it is: the issuer's name for it, and its parameters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::keys) struct KeyIdentity {
    pub(in crate::keys) kid: Option<String>,
    pub(in crate::keys) fingerprint: [u8; 32],
}

/// The two numbers that an operator may set.
#[derive(Clone, Copy, Debug)]
pub(in crate::keys) struct Settings {
    pub(in crate::keys) max_freshness: Duration,
    pub(in crate::keys) staleness_bound: Duration,
}

/// The set in use, and what is known about the answer that brought it.
#[derive(Debug)]
pub(in crate::keys) struct Held<S> {
    pub(in crate::keys) set: Arc<S>,
    /// Of the body as received: tells a changed set from the same one sent again.
    pub(in crate::keys) digest: [u8; 32],
    /// Counts the changes of the set; 0 is "no set".
    pub(in crate::keys) generation: u64,
    /// When the exchange that last confirmed the set began.
    pub(in crate::keys) confirmed_at: Duration,
    pub(in crate::keys) lifetime: Duration,
    pub(super) directives: Directives,
    pub(super) validators: Validators,
}

impl<S> Clone for Held<S> {
    fn clone(&self) -> Self {
        Self {
            set: Arc::clone(&self.set),
            validators: self.validators.clone(),
            ..*self
        }
    }
}

impl<S> Held<S> {
    /// The end of its lifetime.
    pub(in crate::keys) fn fresh_until(&self) -> Duration {
        self.confirmed_at.saturating_add(self.lifetime)
    }

    /// The end of its use.
    pub(in crate::keys) fn usable_until(&self, settings: &Settings) -> Duration {
        self.fresh_until().saturating_add(settings.staleness_bound)
    }
}

/// What an operator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::keys) enum Notice {
    Fetched {
        changed: bool,
    },
    NotModified,
    Failed(String),
    Added(KeyIdentity),
    Removed(KeyIdentity),
    /// The set is past its staleness bound and no longer used.
    Stale,
}

/// What a new set adds and removes.
pub(in crate::keys) fn changes<S: KeyFacts>(old: Option<&S>, new: &S) -> Vec<Notice> {
    let (old, new) = (
        old.map(KeyFacts::identities).unwrap_or_default(),
        new.identities(),
    );
    let added = new.difference(&old).cloned().map(Notice::Added);
    let removed = old.difference(&new).cloned().map(Notice::Removed);
    added.chain(removed).collect()
}
