//! A clock that moves only when a test moves it, in either direction. It does not read the
//! machine's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The time since the Unix epoch, to the nanosecond, until the year 2554. Clones share one time.
///
/// ```
/// use mcp_bearer_testkit::TestClock;
/// use std::time::Duration;
///
/// let clock = TestClock::new(1_800_000_000);
/// let now = clock.as_fn::<Duration>();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(now(), Duration::from_secs(1_800_000_060));
/// ```
#[derive(Clone, Debug)]
pub struct TestClock {
    nanoseconds: Arc<AtomicU64>,
}

impl TestClock {
    /// A clock that shows this many seconds since the epoch.
    pub fn new(seconds: u64) -> Self {
        let clock = Self {
            nanoseconds: Arc::default(),
        };
        clock.set(Duration::from_secs(seconds));
        clock
    }

    /// The time since the epoch.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::SeqCst))
    }

    /// The time in whole seconds since the epoch, as the forge takes it.
    pub fn seconds(&self) -> u64 {
        self.now().as_secs()
    }

    /// Moves the time forwards.
    pub fn advance(&self, by: Duration) {
        self.change(|now| now.saturating_add(by));
    }

    /// Moves the time backwards, at most to the epoch: clocks of real machines do that too.
    pub fn go_back(&self, by: Duration) {
        self.change(|now| now.saturating_sub(by));
    }

    /// Sets the time since the epoch, earlier or later.
    pub fn set(&self, to: Duration) {
        self.nanoseconds.store(nanoseconds(to), Ordering::SeqCst);
    }

    /// The clock as a function that returns the time since the epoch in the type that the code
    /// under test takes.
    pub fn as_fn<T: From<Duration>>(&self) -> impl Fn() -> T + Clone + Send + Sync + 'static {
        let clock = self.clone();
        move || clock.now().into()
    }

    fn change(&self, step: impl Fn(Duration) -> Duration) {
        self.nanoseconds
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| {
                Some(nanoseconds(step(Duration::from_nanos(now))))
            })
            .expect("the closure always gives a value");
    }
}

impl Default for TestClock {
    /// A clock at 1,800,000,000 seconds, in January 2027.
    fn default() -> Self {
        Self::new(1_800_000_000)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_still_and_moves_both_ways() {
        let clock = TestClock::new(100);
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.now(), Duration::from_millis(101_500));
        assert_eq!(clock.seconds(), 101);
        clock.go_back(Duration::from_secs(2));
        assert_eq!(clock.now(), Duration::from_millis(99_500));
        clock.set(Duration::from_secs(7));
        assert_eq!(clock.seconds(), 7);
    }

    #[test]
    fn clones_and_functions_share_the_time() {
        let clock = TestClock::default();
        let (other, function) = (clock.clone(), clock.as_fn::<Duration>());
        other.set(Duration::from_secs(5));
        assert_eq!(
            (clock.now(), function()),
            (Duration::from_secs(5), Duration::from_secs(5))
        );
    }

    #[test]
    fn the_ends_of_time_hold() {
        let clock = TestClock::new(5);
        clock.go_back(Duration::MAX);
        assert_eq!(clock.now(), Duration::ZERO);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Duration::from_nanos(u64::MAX));
    }
}
