//! When the next fetch of the schedule is due, with jitter so that replicas do not ask in step.
//! It must never make a retry later than its table says.

use std::time::Duration;

/// The longest time between two attempts while no usable set is held.
pub(super) const EMPTY_RETRY: Duration = Duration::from_secs(1);
/// The longest time between two attempts while one is.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// A fraction from 0 to 1, in thousandths.
#[derive(Clone, Copy, Debug)]
pub(in crate::keys) struct Jitter(u32);

impl Jitter {
    /// `thousandths` above 1,000 count as 1,000.
    pub(in crate::keys) fn new(thousandths: u32) -> Self {
        Self(thousandths.min(1000))
    }

    /// Between three quarters of `time` and all of it.
    pub(super) fn shorten(self, time: Duration) -> Duration {
        time.saturating_mul(750 + self.0 / 4) / 1000
    }
}

/// The refresh in the background begins after 80 to 90 per cent of the lifetime.
pub(super) fn refresh_ahead(
    confirmed_at: Duration,
    lifetime: Duration,
    jitter: Jitter,
) -> Duration {
    confirmed_at.saturating_add(lifetime.saturating_mul(800 + jitter.0 / 10) / 1000)
}

/// The wait after the given number of failures in a row: 1, 2, 4 .. 60 s.
pub(super) fn backoff(failures: u32, jitter: Jitter) -> Duration {
    let doublings = failures.saturating_sub(1).min(6);
    let wait = Duration::from_secs(1 << doublings).min(BACKOFF_MAX);
    jitter.shorten(wait)
}
