//! Rotations, outages and cold starts, each once, in real time.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use mcp_bearer::http::{Challenge, ChallengeContext};
use mcp_bearer::keys::{MonotonicClock, RemoteKeys};
use mcp_bearer::{BearerAuthProvider, RejectionKind};
use mcp_bearer_bench::{Waiting, watched};
use mcp_bearer_testkit::{Behaviour, JwksServer, SigningKey};

use crate::flood::{Flood, RATE};
use crate::{Line, attempts, made_up, provider, provider_of, runtime, token};

/// One cooldown and one exchange.
const COOLDOWN_AND_EXCHANGE: Duration = Duration::from_secs(10 + 5);
/// How soon a returned issuer is noticed, plus one exchange.
const RETURN_AND_EXCHANGE: Duration = Duration::from_secs(2 + 5);

pub(crate) fn all(tell: &mut impl FnMut(Line)) {
    tell(fifty_at_once());
    tell(a_slow_issuer());
    tell(a_rotation());
    tell(a_rotation_in_a_flood());
    tell(a_dropped_request());
    tell(down_at_the_start());
    tell(two_runtimes_and_four_threads());
    tell(a_probed_kid());
}

fn key(kid: &str) -> SigningKey {
    SigningKey::ed25519().with_kid(kid)
}

fn issuer(keys: &[&SigningKey]) -> JwksServer {
    let server = JwksServer::start();
    server.set_keys(keys.iter().map(|key| key.jwk()).collect());
    server
}

fn line(what: &str, figures: String, holds: bool) -> Line {
    Line {
        what: what.to_owned(),
        figures,
        holds,
    }
}

fn fifty_at_once() -> Line {
    let a = key("a");
    let server = issuer(&[&a]);
    server.set_behaviour(Behaviour::ok().after(Duration::from_millis(300)));
    let (provider, token) = (provider_of(&server), token(&a).token());
    let runtime = runtime();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (provider, token) = (provider.clone(), token.clone());
            runtime.spawn(async move { provider.verify_token(&token).await.is_ok() })
        })
        .collect();
    let good = tasks
        .into_iter()
        .map(|task| runtime.block_on(task).unwrap());
    let good = good.filter(|good| *good).count();
    let fetches = server.total_hits();
    let figures = format!("{fetches} fetch, {good} of 50 accepted");
    line(
        "50 at once on a cold cache: 1 fetch",
        figures,
        (fetches, good) == (1, 50),
    )
}

fn a_slow_issuer() -> Line {
    let a = key("a");
    let server = issuer(&[&a]);
    let (clock, time) = MonotonicClock::manual();
    let provider = provider(RemoteKeys::builder(server.url()).clock(clock));
    let token = token(&a).token();
    let runtime = runtime();
    runtime.block_on(provider.warm_up());
    server.set_behaviour(Behaviour::ok().after(Duration::from_secs(3)));
    // Past the lifetime of an hour, far inside the staleness bound.
    time.advance(Duration::from_secs(3700));
    let (waiting, start) = (Waiting::default(), Instant::now());
    let (mut requests, mut waited, mut refused) = (0, 0, 0);
    while attempts(&provider) < 2 && start.elapsed() < Duration::from_secs(10) {
        let watched = runtime.block_on(watched(&provider, &token, &waiting));
        requests += 1;
        waited += usize::from(watched.waited);
        refused += usize::from(watched.verdict.is_err());
    }
    let took = start.elapsed().as_secs_f64();
    let fetches = server.total_hits();
    line(
        "a 3 s endpoint past freshness: no good request waits",
        format!(
            "{waited} waited, {refused} refused of {requests} in {took:.1} s; {fetches} fetches"
        ),
        (waited, refused, fetches) == (0, 0, 2) && took >= 2.9,
    )
}

fn a_rotation() -> Line {
    let (a, b) = (key("a"), key("b"));
    let server = issuer(&[&a]);
    let provider = provider_of(&server);
    let runtime = runtime();
    runtime.block_on(provider.warm_up());
    server.set_keys(vec![a.jwk(), b.jwk()]);
    let first = runtime.block_on(watched(&provider, &token(&b).token(), &Waiting::default()));
    line(
        "a rotation without a flood: the very first token is accepted",
        format!(
            "accepted: {}, after {:.1} ms",
            first.verdict.is_ok(),
            first.took.as_secs_f64() * 1e3
        ),
        first.verdict.is_ok(),
    )
}

fn a_rotation_in_a_flood() -> Line {
    let (a, b) = (key("a"), key("b"));
    let server = issuer(&[&a]);
    let provider = provider_of(&server);
    let runtime = runtime();
    runtime.block_on(provider.warm_up());
    let junk = Arc::new(made_up(RATE));
    let flood = Flood::start(&runtime, &provider, junk, &Arc::default());
    std::thread::sleep(Duration::from_secs(2));
    server.set_keys(vec![a.jwk(), b.jwk()]);
    let took = until_accepted(
        &runtime,
        &provider,
        &token(&b).token(),
        Duration::from_millis(20),
    );
    flood.stop();
    line(
        "a rotation in a flood: within a cooldown of 10 s and one exchange",
        format!("{:.1} s", took.as_secs_f64()),
        took <= COOLDOWN_AND_EXCHANGE,
    )
}

fn a_dropped_request() -> Line {
    let (a, b) = (key("a"), key("b"));
    let server = issuer(&[&a]);
    let provider = provider_of(&server);
    let runtime = runtime();
    runtime.block_on(provider.warm_up());
    server.set_keys(vec![a.jwk(), b.jwk()]);
    server.set_behaviour(Behaviour::ok().held());
    let token = token(&b).token();
    runtime.block_on(async {
        let mut dropped = Box::pin(provider.verify_token(&token));
        let first = poll_fn(|context| Poll::Ready(dropped.as_mut().poll(context))).await;
        assert!(first.is_pending());
    });
    assert!(server.wait_for_hits(JwksServer::JWKS_PATH, 2, Duration::from_secs(5)));
    let next = runtime.spawn({
        let (provider, token) = (provider.clone(), token.clone());
        async move { provider.verify_token(&token).await.is_ok() }
    });
    std::thread::sleep(Duration::from_millis(100));
    server.release();
    let accepted = runtime.block_on(next).unwrap();
    let fetches = server.total_hits();
    line(
        "a request dropped in the middle of a fetch: the next succeeds, nothing is spent",
        format!("accepted: {accepted}, {fetches} fetches with the first"),
        accepted && fetches == 2,
    )
}

fn down_at_the_start() -> Line {
    let a = key("a");
    let server = issuer(&[&a]);
    let address = server.address();
    let (provider, token) = (provider_of(&server), token(&a).token());
    drop(server);
    let runtime = runtime();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let rejection = runtime.block_on(provider.verify_token(&token)).unwrap_err();
        assert_eq!(rejection.kind(), RejectionKind::KeysUnavailable);
        statuses.push(Challenge::new(&rejection, &ChallengeContext::default()).status);
        std::thread::sleep(Duration::from_secs(1));
    }
    let server = JwksServer::start_at(address);
    server.set_keys(vec![a.jwk()]);
    let took = until_accepted(&runtime, &provider, &token, Duration::from_secs(1));
    line(
        "down at the start: 503, then served within 2 s and one exchange of the return, asked each second",
        format!(
            "{statuses:?}, served {:.1} s after the return",
            took.as_secs_f64()
        ),
        statuses == [503; 3] && took <= RETURN_AND_EXCHANGE,
    )
}

fn two_runtimes_and_four_threads() -> Line {
    let (a, b) = (key("a"), key("b"));
    let server = issuer(&[&a]);
    // Outside any runtime.
    let provider = provider_of(&server);
    let first = runtime();
    let mut good = usize::from(
        first
            .block_on(provider.verify_token(&token(&a).token()))
            .is_ok(),
    );
    drop(first);
    server.set_keys(vec![a.jwk(), b.jwk()]);
    let second = runtime();
    good += usize::from(
        second
            .block_on(provider.verify_token(&token(&b).token()))
            .is_ok(),
    );
    let token = token(&a).token();
    good += std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| runtime().block_on(provider.verify_token(&token)).is_ok()))
            .collect();
        let good = threads.into_iter().map(|thread| thread.join().unwrap());
        good.filter(|good| *good).count()
    });
    line(
        "two runtimes one after the other, four threads",
        format!("{good} of 6 accepted, {} fetches", server.total_hits()),
        good == 6,
    )
}

fn a_probed_kid() -> Line {
    let (a, b) = (key("a"), key("b"));
    let server = issuer(&[&a]);
    let provider = provider_of(&server);
    let runtime = runtime();
    runtime.block_on(provider.warm_up());
    let stranger = token(&key("x")).kid("b").token();
    for _ in 0..3 {
        assert!(runtime.block_on(provider.verify_token(&stranger)).is_err());
    }
    server.set_keys(vec![a.jwk(), b.jwk()]);
    let took = until_accepted(
        &runtime,
        &provider,
        &token(&b).token(),
        Duration::from_millis(20),
    );
    line(
        "a kid probed before its publication: works within 10 s and one exchange",
        format!("{:.1} s", took.as_secs_f64()),
        took <= COOLDOWN_AND_EXCHANGE,
    )
}

/// Asks repeatedly; returns how long it took, at most 30 s.
fn until_accepted(
    runtime: &tokio::runtime::Runtime,
    provider: &BearerAuthProvider,
    token: &str,
    pause: Duration,
) -> Duration {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        if runtime.block_on(provider.verify_token(token)).is_ok() {
            break;
        }
        std::thread::sleep(pause);
    }
    start.elapsed()
}
