//! The one place that reads the wall clock. Everything else takes the time as an argument.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Gives the time since the Unix epoch. A test hands in its own.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(system_now)
}

/// A clock before 1970 gives zero: then no token is valid yet.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that everything else is given"
)]
pub(crate) fn system_now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
