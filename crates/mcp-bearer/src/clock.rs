//! The one place that reads the wall clock. Everything else takes the time as an argument.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use mcp_bearer_core::UnixTime;

/// What time it is: the system's clock, or a function that a test hands in. Cheap to clone.
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
    /// The system's clock. One that stands before 1970 gives the epoch: then no token is valid yet.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that asks a function each time.
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
