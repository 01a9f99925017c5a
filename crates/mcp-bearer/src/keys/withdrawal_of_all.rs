//! [`Withdrawal`]: when a document without any key for signatures is trusted.

use std::time::Duration;

use mcp_bearer_core::KeySet;

use super::no_usable_key::no_usable_key;

/// How long a source must have no key for signatures before its keys count as withdrawn.
pub(super) const WITHDRAWN_AFTER: Duration = Duration::from_secs(60);

/// Documents that withdraw every key (see
/// [`KeySet::is_withdrawal`](crate::keys::KeySet::is_withdrawal)), with no other good document
/// between them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Withdrawal {
    first_seen: Option<Duration>,
}

impl Withdrawal {
    /// Such a document was requested at this time; returns whether it is trusted.
    pub(super) fn is_confirmed(&mut self, asked_at: Duration) -> bool {
        self.first_seen.get_or_insert(asked_at);
        self.confirmed_from().is_some_and(|from| asked_at >= from)
    }

    /// When another such document is trusted; `None` unless one was seen.
    pub(super) fn confirmed_from(&self) -> Option<Duration> {
        self.first_seen
            .map(|first| first.saturating_add(WITHDRAWN_AFTER))
    }
}

/// Why a set without a usable key is not used.
pub(super) fn not_taken(set: &KeySet) -> String {
    let why = no_usable_key(set);
    if set.is_withdrawal() {
        format!("{why}; if that is still so in 60 s, every key counts as withdrawn")
    } else {
        why
    }
}
