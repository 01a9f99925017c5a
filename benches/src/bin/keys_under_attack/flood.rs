//! 20,000 made-up kids in 10 s: how they affect the good tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mcp_bearer::BearerAuthProvider;
use mcp_bearer_bench::{Waiting, watched};
use mcp_bearer_testkit::{Behaviour, JwksServer, SigningKey};

use crate::{Line, attempts, made_up, provider_of, runtime, token};

/// Made-up kids per second.
pub(crate) const RATE: usize = 2000;
/// The limit on how many wait.
const WAITERS: usize = 64;
/// How long a released request may take to run again on a busy machine.
const GRACE: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug)]
enum Endpoint {
    Up,
    Down,
    Hanging,
}

/// One run, with or without the flood.
struct Run {
    /// How long good tokens took, sorted.
    good: Vec<Duration>,
    refused: usize,
    waited: usize,
    junk: usize,
    junk_accepted: usize,
    most_waiting: usize,
    /// Including those that were released already and wait for a processor.
    most_pending: usize,
    attempts: u64,
}

pub(crate) fn all(runs: usize, length: Duration, tell: &mut impl FnMut(Line)) {
    let junk = Arc::new(made_up(RATE * length.as_secs() as usize));
    for endpoint in [Endpoint::Up, Endpoint::Down, Endpoint::Hanging] {
        let (mut calm, mut flooded) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            calm.push(run(endpoint, None, length));
            flooded.push(run(endpoint, Some(Arc::clone(&junk)), length));
        }
        judge(endpoint, length, &calm, &flooded, tell);
    }
}

fn judge(
    endpoint: Endpoint,
    length: Duration,
    calm: &[Run],
    flooded: &[Run],
    tell: &mut impl FnMut(Line),
) {
    let what = |part: &str| format!("flood, endpoint {endpoint:?}: {part}");
    let median = |runs: &[Run], share: f64| {
        let mut values: Vec<f64> = runs.iter().map(|run| run.quantile(share)).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (calm_p50, calm_p99) = (median(calm, 0.5), median(calm, 0.99));
    let (p50, p99) = (median(flooded, 0.5), median(flooded, 0.99));
    tell(Line {
        what: what("p50 of good tokens, at most 1.2 times"),
        figures: format!(
            "{calm_p50:.1} us without, {p50:.1} us with, {:.2} times",
            p50 / calm_p50
        ),
        holds: p50 <= calm_p50 * 1.2,
    });
    tell(Line {
        what: what("p99, at most 1.5 times or 500 us more"),
        figures: format!(
            "{calm_p99:.1} us without, {p99:.1} us with, {:.2} times",
            p99 / calm_p99
        ),
        holds: p99 <= (calm_p99 * 1.5).max(calm_p99 + 500.0),
    });
    // The first fetch, 2 at once, one after 5 to 10 s, and then one per 10 s.
    let budget = 3 + (length.as_secs() + 5) / 10;
    let most = flooded.iter().map(|run| run.attempts).max().unwrap_or(0);
    let junk = flooded.iter().map(|run| run.junk).min().unwrap_or(0);
    tell(Line {
        what: what("fetches within the budget"),
        figures: format!("at most {most} in a run (budget {budget}) for {junk} made-up kids"),
        holds: most <= budget,
    });
    let pending = flooded
        .iter()
        .map(|run| run.most_pending)
        .max()
        .unwrap_or(0);
    let waiting = flooded
        .iter()
        .map(|run| run.most_waiting)
        .max()
        .unwrap_or(0);
    tell(Line {
        what: what("at most 64 wait"),
        figures: format!("{waiting} at the most ({pending} with those already let go)"),
        holds: waiting <= WAITERS,
    });
    let runs = || calm.iter().chain(flooded);
    let good: usize = runs().map(|run| run.good.len()).sum();
    let refused: usize = runs().map(|run| run.refused).sum();
    let waited: usize = runs().map(|run| run.waited).sum();
    let accepted: usize = runs().map(|run| run.junk_accepted).sum();
    tell(Line {
        what: what("no good token is refused or waits, no made-up one accepted"),
        figures: format!("{refused} refused and {waited} waited of {good}; {accepted} accepted"),
        holds: refused + waited + accepted == 0,
    });
}

impl Run {
    /// Microseconds.
    fn quantile(&self, share: f64) -> f64 {
        let at = (self.good.len() as f64 * share) as usize;
        self.good[at.min(self.good.len() - 1)].as_secs_f64() * 1e6
    }
}

/// The provider holds the keys; then the endpoint changes to `endpoint`, and the clients arrive.
fn run(endpoint: Endpoint, junk: Option<Arc<Vec<String>>>, length: Duration) -> Run {
    let server = JwksServer::start();
    let key = SigningKey::shared_rsa_2048().with_kid("good");
    server.set_keys(vec![key.jwk()]);
    let provider = provider_of(&server);
    let runtime = runtime();
    runtime.block_on(provider.warm_up());
    let server = match endpoint {
        Endpoint::Up => Some(server),
        Endpoint::Down => None,
        Endpoint::Hanging => {
            server.set_behaviour(Behaviour::HangBeforeHeaders);
            Some(server)
        }
    };
    let waiting = Arc::new(Waiting::default());
    let flood = junk.map(|junk| Flood::start(&runtime, &provider, junk, &waiting));
    let good = {
        let (provider, token) = (provider.clone(), token(&key).token());
        runtime.spawn(async move { good_client(&provider, &token, length).await })
    };
    let (mut times, refused, waited) = runtime.block_on(good).unwrap();
    times.sort();
    let (junk, junk_accepted) = flood.map_or((0, 0), Flood::stop);
    // Those in progress count as well.
    let asked = server.as_ref().map_or(0, JwksServer::total_hits);
    let attempts = attempts(&provider).max(asked as u64);
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(server);
    Run {
        good: times,
        refused,
        waited,
        junk,
        junk_accepted,
        most_waiting: waiting.most(GRACE),
        most_pending: waiting.most(Duration::ZERO),
        attempts,
    }
}

/// One good token after another.
async fn good_client(
    provider: &BearerAuthProvider,
    token: &str,
    length: Duration,
) -> (Vec<Duration>, usize, usize) {
    let own = Waiting::default();
    let (mut times, mut refused, mut waited) = (Vec::new(), 0, 0);
    let start = Instant::now();
    while start.elapsed() < length {
        let watched = watched(provider, token, &own).await;
        times.push(watched.took);
        refused += usize::from(watched.verdict.is_err());
        waited += usize::from(watched.waited);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (times, refused, waited)
}

/// Strangers who do not wait for each other.
pub(crate) struct Flood {
    stopping: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
}

impl Flood {
    pub(crate) fn start(
        runtime: &tokio::runtime::Runtime,
        provider: &BearerAuthProvider,
        junk: Arc<Vec<String>>,
        waiting: &Arc<Waiting>,
    ) -> Self {
        let flood = Self {
            stopping: Arc::default(),
            sent: Arc::default(),
            accepted: Arc::default(),
        };
        let (provider, waiting) = (provider.clone(), Arc::clone(waiting));
        let stopping = Arc::clone(&flood.stopping);
        let (sent, accepted) = (Arc::clone(&flood.sent), Arc::clone(&flood.accepted));
        runtime.spawn(async move {
            let start = Instant::now();
            while !stopping.load(Ordering::Relaxed) {
                let due = (start.elapsed().as_secs_f64() * RATE as f64) as usize;
                for at in sent.load(Ordering::Relaxed)..due {
                    sent.store(at + 1, Ordering::Relaxed);
                    let (junk, provider) = (Arc::clone(&junk), provider.clone());
                    let (waiting, accepted) = (Arc::clone(&waiting), Arc::clone(&accepted));
                    tokio::spawn(async move {
                        let watched = watched(&provider, &junk[at % junk.len()], &waiting).await;
                        accepted.fetch_add(usize::from(watched.verdict.is_ok()), Ordering::Relaxed);
                    });
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        flood
    }

    /// How many were sent and how many accepted.
    pub(crate) fn stop(self) -> (usize, usize) {
        self.stopping.store(true, Ordering::Relaxed);
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (read(&self.sent), read(&self.accepted))
    }
}
