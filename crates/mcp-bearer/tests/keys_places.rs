//! What all sources of a process do at the same time. A separate test program: its sources take the
//! places that the sources of other tests would wait for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a failure here should stop the test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt, pending, ready};
use mcp_bearer::RejectionKind;
use mcp_bearer::keys::{
    Fetch, FetchError, FetchRequest, FetchResponse, KeySource, ManualTime, Miss, MonotonicClock,
    Refreshed, RemoteKeys,
};
use mcp_bearer_testkit::SigningKey;

const EXCHANGE: Duration = Duration::from_secs(5);

/// The exchanges of slow issuers.
#[derive(Default)]
struct Exchanges {
    started: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

/// An issuer that never answers.
struct Slow(Arc<Exchanges>);

struct Running(Arc<Exchanges>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Fetch for Slow {
    fn fetch(&self, _: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>> {
        let exchanges = Arc::clone(&self.0);
        exchanges.started.fetch_add(1, Ordering::SeqCst);
        let running = exchanges.running.fetch_add(1, Ordering::SeqCst) + 1;
        exchanges.most.fetch_max(running, Ordering::SeqCst);
        let running = Running(exchanges);
        async move {
            let _running = running;
            pending().await
        }
        .boxed()
    }
}

/// An issuer that answers at once, each time with a new key.
struct Well;

impl Fetch for Well {
    fn fetch(&self, _: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let kid = NUMBER.fetch_add(1, Ordering::SeqCst).to_string();
        let jwks = SigningKey::ed25519().with_kid(kid).jwks().to_string();
        ready(Ok(FetchResponse::new(200, jwks.into_bytes()))).boxed()
    }
}

fn source(fetch: impl Fetch + 'static, clock: &MonotonicClock) -> RemoteKeys {
    RemoteKeys::builder("https://idp.example.com/jwks")
        .fetch(Arc::new(fetch))
        .clock(clock.clone())
        .build()
        .unwrap()
}

/// A machine under load may be slow; what never happens does not happen in this time either,
/// because the clock of the sources does not move.
const PATIENCE: Duration = Duration::from_secs(30);

async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A thousand slow sources, asked at once.
struct Flood {
    exchanges: Arc<Exchanges>,
    _sources: Vec<RemoteKeys>,
}

impl Flood {
    async fn start(clock: &MonotonicClock) -> Self {
        let exchanges = Arc::<Exchanges>::default();
        let slow = || source(Slow(Arc::clone(&exchanges)), clock);
        let sources: Vec<RemoteKeys> = (0..1000).map(|_| slow()).collect();
        for keys in &sources {
            drop(keys.refresh(Miss::no_keys()));
        }
        eventually("the places are taken", || {
            exchanges.running.load(Ordering::SeqCst) >= 48
        })
        .await;
        Self {
            exchanges,
            _sources: sources,
        }
    }
}

/// Asks an issuer that has answered before, which must be quick.
async fn asked_again(keys: &RemoteKeys) -> Refreshed {
    let miss = keys
        .snapshot()
        .miss(RejectionKind::UnknownKey, Some("new"))
        .unwrap();
    let asked = keys.refresh(miss);
    let quick = tokio::time::timeout(PATIENCE, asked).await;
    quick.expect("a source that answers waits for slow ones")
}

/// Each rule in turn, since all of them are about one process.
#[tokio::test]
async fn slow_sources_take_three_quarters_of_the_places_and_delay_no_working_one() {
    let (clock, time): (_, ManualTime) = MonotonicClock::manual();
    let (well, unseen) = (source(Well, &clock), source(Well, &clock));
    assert_eq!(well.refresh(Miss::no_keys()).await, Refreshed::NewKeys);
    let flood = Flood::start(&clock).await;
    let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);

    // An issuer that answered before is asked at once.
    assert_eq!(asked_again(&well).await, Refreshed::NewKeys);

    // One that has never answered waits, but its request no longer than any other.
    let mut asked = unseen.refresh(Miss::no_keys());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!((&mut asked).now_or_never().is_none());
    let mut started = count(&flood.exchanges.started);
    time.advance(EXCHANGE);
    assert_eq!(asked.await, Refreshed::Unchanged);

    // Each gets its turn, in the order of the requests, and at most 48 at a time.
    let mut rounds = 1;
    while unseen.status().fetched == 0 {
        eventually("a round begins", || {
            unseen.status().fetched > 0 || count(&flood.exchanges.started) > started
        })
        .await;
        // The whole round, or all that is left: a later start would miss the next advance.
        eventually("a round is whole", || {
            let all_started = count(&flood.exchanges.started) >= 1000;
            all_started || count(&flood.exchanges.running) == 48
        })
        .await;
        started = count(&flood.exchanges.started);
        time.advance(EXCHANGE);
        rounds += 1;
        assert!(rounds <= 1001_usize.div_ceil(48) + 5, "{rounds} rounds");
    }
    assert!(count(&flood.exchanges.started) >= 1000);
    assert_eq!(count(&flood.exchanges.most), 48);
    // It answers, so from now on it is asked at once.
    assert_eq!(asked_again(&unseen).await, Refreshed::NewKeys);
}
