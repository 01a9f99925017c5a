//! What the machine knows about key sets, and what operators are told of them.
//! It must never look at a key itself.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use mcp_bearer_core::Algorithm;

use super::freshness::{Directives, Validators};

/// What the machine must know about a key set; it never looks at a key.
pub(in crate::keys) trait KeyFacts {
    /// Whether a usable key carries this `kid`.
    fn has_kid(&self, kid: &str) -> bool;
    /// The usable keys, sorted; a key that is there twice is there twice, because a token without `kid` finds two.
    fn identities(&self) -> Vec<KeyIdentity>;
    /// The `kid` and the reason of each key that is skipped, sorted.
    fn skips(&self) -> Vec<(Option<String>, String)>;
}

/// Which key it is: the issuer's name for it, what it is bound to, and its parameters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::keys) struct KeyIdentity {
    pub(in crate::keys) kid: Option<String>,
    pub(in crate::keys) algorithm: Option<Algorithm>,
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
    /// Of the body as received: the same one again need not be compared.
    pub(in crate::keys) digest: [u8; 32],
    /// Counts the changes of the usable keys; 0 is "no set".
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
    /// Other keys are skipped than before.
    Skipped,
    Added(KeyIdentity),
    Removed(KeyIdentity),
    /// The set is past its staleness bound and no longer used.
    Stale,
}

/// Whether the usable keys differ from those of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::keys) enum Changed {
    Yes,
    No,
}

/// What a new set changes, and what operators are told of it.
pub(in crate::keys) fn changes<S: KeyFacts>(old: Option<&S>, new: &S) -> (Changed, Vec<Notice>) {
    let was = old.map(KeyFacts::identities).unwrap_or_default();
    let is = new.identities();
    let changed = match old {
        Some(_) if was == is => Changed::No,
        _ => Changed::Yes,
    };
    let mut notices = vec![Notice::Fetched {
        changed: changed == Changed::Yes,
    }];
    let skips = new.skips();
    if !skips.is_empty() && old.map(KeyFacts::skips) != Some(skips) {
        notices.push(Notice::Skipped);
    }
    let (was, is): (BTreeSet<_>, BTreeSet<_>) =
        (was.into_iter().collect(), is.into_iter().collect());
    notices.extend(is.difference(&was).cloned().map(Notice::Added));
    notices.extend(was.difference(&is).cloned().map(Notice::Removed));
    (changed, notices)
}
