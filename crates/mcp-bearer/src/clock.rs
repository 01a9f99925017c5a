//! The one place that reads the wall clock. Everything else takes the time as an argument.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use mcp_bearer_core::{Limits, Rejection, UnixTime};

/// The time source: the system's clock, or a function that a test supplies. Cheap to clone.
///
/// ```
/// use mcp_bearer::{Clock, UnixTime};
/// let clock = Clock::new(|| UnixTime::from_secs(1_800_000_000));
/// assert_eq!(clock.now().as_secs(), 1_800_000_000);
/// assert!(Clock::system().now() > UnixTime::from_secs(1_700_000_000));
/// ```
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Given(Arc<dyn Fn() -> UnixTime + Send + Sync>),
}

impl Clock {
    /// The system's clock. If it shows a time before 2020, it has not been set, and every token is
    /// refused with [`ClockUnset`](mcp_bearer_core::RejectionKind::ClockUnset): an expired one
    /// would pass.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that calls a function each time and trusts its result.
    #[must_use]
    pub fn new(now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        Self(Source::Given(Arc::new(now)))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        match &self.0 {
            Source::System => system_now(),
            Source::Given(now) => now(),
        }
    }
}

impl Clock {
    /// The time at which tokens are judged.
    #[inline]
    pub(crate) fn time_of_judgement(&self) -> Result<UnixTime, Rejection> {
        let now = self.now();
        match &self.0 {
            Source::Given(_) => Ok(now),
            Source::System => if_set(now),
        }
    }
}

/// The time of a system clock, if the clock has been set.
fn if_set(now: UnixTime) -> Result<UnixTime, Rejection> {
    /// Each request is refused and logged; the message to the operator is logged once.
    static REPORTED: AtomicBool = AtomicBool::new(false);
    if now >= UnixTime::from(Limits::CLOCK_SET_FROM) {
        return Ok(now);
    }
    let rejection = Rejection::clock_unset(now);
    if !REPORTED.swap(true, Ordering::Relaxed) {
        tracing::error!(target: "mcp_bearer::clock", detail = %rejection, "every token is refused");
    }
    Err(rejection)
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System => "Clock(system)",
            Source::Given(_) => "Clock(given)",
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that everything else is given"
)]
fn system_now() -> UnixTime {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mcp_bearer_core::{RejectionKind, UnixTime};

    use super::{Clock, if_set};

    #[test]
    fn a_system_clock_before_2020_has_not_been_set() {
        for (seconds, set) in [
            (0, false),
            (1_577_836_799, false),
            (1_577_836_800, true),
            (1_800_000_000, true),
        ] {
            let read = if_set(UnixTime::from_secs(seconds));
            assert_eq!(read.is_ok(), set, "{seconds}");
            if let Err(rejection) = read {
                assert_eq!(rejection.kind(), RejectionKind::ClockUnset);
                assert_eq!(rejection.retry_after(), Some(Duration::from_secs(60)));
            }
        }
    }

    #[test]
    fn a_time_that_was_given_is_trusted() {
        let clock = Clock::new(|| UnixTime::EPOCH);
        assert_eq!(clock.time_of_judgement(), Ok(UnixTime::EPOCH));
        assert!(Clock::system().time_of_judgement().is_ok());
    }
}
