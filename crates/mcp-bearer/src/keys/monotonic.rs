//! The clock of key rotation: the time since it was made, which no operator can set back.
//!
//! It is not for claims, which use the time of day. On Linux it stops while the machine sleeps, so
//! a laptop may use a key set for that much longer.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// A clock that only goes forward, and that tests can move.
#[derive(Clone)]
pub struct MonotonicClock(Source);

#[derive(Clone)]
enum Source {
    System(Instant),
    Manual(Arc<watch::Sender<Duration>>),
}

/// Moves a manual clock.
#[derive(Clone)]
pub struct ManualTime(Arc<watch::Sender<Duration>>);

impl MonotonicClock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System(Instant::now()))
    }

    /// A clock that moves only when a test moves it.
    #[must_use]
    pub fn manual() -> (Self, ManualTime) {
        let time = Arc::new(watch::Sender::new(Duration::ZERO));
        (Self(Source::Manual(Arc::clone(&time))), ManualTime(time))
    }

    /// The time since the clock was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Source::System(origin) => origin.elapsed(),
            Source::Manual(time) => *time.borrow(),
        }
    }

    /// Ends when the clock shows `time` or later. The machine's clock needs a tokio runtime with a
    /// timer.
    pub(super) async fn sleep_until(&self, time: Duration) {
        match &self.0 {
            Source::System(_) => tokio::time::sleep(time.saturating_sub(self.now())).await,
            Source::Manual(manual) => {
                // It fails only when all senders are dropped, and the clock itself holds one.
                let _ = manual.subscribe().wait_for(|now| *now >= time).await;
            }
        }
    }
}

impl fmt::Debug for MonotonicClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MonotonicClock").field(&self.now()).finish()
    }
}

impl ManualTime {
    /// Moves the clock forward by `time`.
    pub fn advance(&self, time: Duration) {
        self.0.send_modify(|now| *now = now.saturating_add(time));
    }
}

impl fmt::Debug for ManualTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualTime")
            .field(&*self.0.borrow())
            .finish()
    }
}
