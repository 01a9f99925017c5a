//! Watches one verification from outside: how long it took, and whether it had to wait for keys.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use mcp_bearer::{AccessToken, BearerAuthProvider, Rejection};

/// How a verification went.
#[derive(Debug)]
pub struct Watched {
    /// What came of it.
    pub verdict: Result<AccessToken, Rejection>,
    /// From the call to the verdict, by the clock on the wall.
    pub took: Duration,
    /// Whether the call came back without a verdict at first.
    pub waited: bool,
}

/// How many verifications wait now, and how many ever did at the same time.
#[derive(Debug, Default)]
pub struct Waiting {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Waiting {
    /// The most that ever waited at the same time.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    fn begin(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
    }

    fn end(&self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Verifies a token; a wait is counted.
pub async fn watched(provider: &BearerAuthProvider, token: &str, waiting: &Waiting) -> Watched {
    let start = Instant::now();
    let mut verification = pin!(provider.verify_token(token));
    let first = poll_fn(|context| Poll::Ready(verification.as_mut().poll(context))).await;
    let (verdict, waited) = match first {
        Poll::Ready(verdict) => (verdict, false),
        Poll::Pending => {
            waiting.begin();
            let verdict = verification.await;
            waiting.end();
            (verdict, true)
        }
    };
    Watched {
        verdict,
        took: start.elapsed(),
        waited,
    }
}
