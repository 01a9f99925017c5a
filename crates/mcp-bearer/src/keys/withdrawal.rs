//! [`Withdrawal`]: when a document without any key for signatures is believed.

use std::time::Duration;

/// How long a source must have no key for signatures before its keys count as withdrawn.
pub(super) const WITHDRAWN_AFTER: Duration = Duration::from_secs(60);
/// Why such a document is not believed at once.
pub(super) const NOT_YET: &str = "the JWK Set has no key for signatures; \
    its keys count as withdrawn if that is still so in 60 s";

/// Documents seen that withdraw every key (see
/// [`KeySet::is_withdrawal`](crate::KeySet::is_withdrawal)), with no other good document between
/// them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Withdrawal {
    first_seen: Option<Duration>,
}

impl Withdrawal {
    /// Such a document was asked for at this time. Whether it is believed.
    pub(super) fn is_confirmed(&mut self, asked_at: Duration) -> bool {
        self.first_seen.get_or_insert(asked_at);
        self.confirmed_from().is_some_and(|from| asked_at >= from)
    }

    /// When another such document is believed; `None` unless one was seen.
    pub(super) fn confirmed_from(&self) -> Option<Duration> {
        self.first_seen
            .map(|first| first.saturating_add(WITHDRAWN_AFTER))
    }
}
