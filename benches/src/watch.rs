//! Watches one verification from outside: how long it took, and whether it had to wait for keys.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use std::time::{Duration, Instant};

use mcp_bearer::{AccessToken, BearerAuthProvider, Rejection};

/// How a verification went.
#[derive(Debug)]
pub struct Watched {
    /// The outcome.
    pub verdict: Result<AccessToken, Rejection>,
    /// From the call to the verdict, in real time.
    pub took: Duration,
    /// Whether the call first returned without a verdict.
    pub waited: bool,
}

/// When verifications waited.
#[derive(Debug, Default)]
pub struct Waiting {
    waits: Mutex<Vec<(Instant, Instant)>>,
}

/// A wait, recorded when it ends, even if it is given up.
struct Wait<'a> {
    waiting: &'a Waiting,
    since: Instant,
}

impl Waiting {
    /// The most that ever waited at once.
    ///
    /// Seen from outside, a wait ends when the request runs again. The time that a released request
    /// waits for a processor is not a wait for keys: `grace` is subtracted from the end of each.
    ///
    /// # Panics
    /// When a watched verification has.
    pub fn most(&self, grace: Duration) -> usize {
        let mut changes: Vec<(Instant, isize)> = Vec::new();
        for (since, until) in self.waits.lock().unwrap().iter() {
            match until.checked_sub(grace) {
                Some(until) if until > *since => changes.extend([(*since, 1), (until, -1)]),
                _ => {}
            }
        }
        changes.sort_unstable();
        let mut now = 0;
        let levels = changes.iter().map(|(_, change)| {
            now += change;
            now
        });
        levels.max().unwrap_or(0).unsigned_abs()
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let wait = (self.since, Instant::now());
        if let Ok(mut waits) = self.waiting.waits.lock() {
            waits.push(wait);
        }
    }
}

/// Verifies a token and counts a wait.
pub async fn watched(provider: &BearerAuthProvider, token: &str, waiting: &Waiting) -> Watched {
    let start = Instant::now();
    let mut verification = pin!(provider.verify_token(token));
    let first = poll_fn(|context| Poll::Ready(verification.as_mut().poll(context))).await;
    let (verdict, waited) = match first {
        Poll::Ready(verdict) => (verdict, false),
        Poll::Pending => {
            let _wait = Wait {
                waiting,
                since: start,
            };
            (verification.await, true)
        }
    };
    Watched {
        verdict,
        took: start.elapsed(),
        waited,
    }
}
