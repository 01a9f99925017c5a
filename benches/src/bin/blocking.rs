//! Whether a long verification belongs on the runtime's blocking pool:
//! `cargo run --release -p mcp-bearer-bench --bin blocking`.
//!
//! Eight connections verify first sights as fast as they are answered, on two workers; meanwhile
//! one task wants to run every millisecond. It prints verifications per second and how late that
//! task is, inline and in `spawn_blocking`, in turns.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mcp_bearer::{Algorithm, BearerAuthProvider, Clock, UnixTime};
use mcp_bearer_bench::{AUDIENCE, ISSUER, NOW};
use mcp_bearer_testkit::{Forge, SigningKey};

const TURN: Duration = Duration::from_secs(2);
const TURNS: u32 = 3;
const CONNECTIONS: usize = 8;

#[derive(Clone, Copy, PartialEq)]
enum Where {
    Inline,
    Pool,
}

fn main() {
    println!(
        "{:<12} {:<8} {:>10} {:>12} {:>12}",
        "", "where", "a second", "late p50 us", "late p99 us"
    );
    for (name, key, algorithm) in [
        (
            "RS256 2048",
            SigningKey::shared_rsa_2048(),
            Algorithm::Rs256,
        ),
        (
            "RS256 4096",
            SigningKey::shared_rsa_4096(),
            Algorithm::Rs256,
        ),
        ("ES384", SigningKey::ec_p384(), Algorithm::Es384),
        ("ES512", SigningKey::ec_p521(), Algorithm::Es512),
    ] {
        let provider = BearerAuthProvider::builder()
            .jwks_json(key.jwks().to_string())
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .algorithms([algorithm])
            .build()
            .unwrap()
            .with_clock(Clock::new(|| UnixTime::from_secs(NOW)));
        let forge = Forge::new(&key, NOW).issuer(ISSUER).audience(AUDIENCE);
        let token: Arc<str> = forge.alg(algorithm.name()).token().into();
        let mut seen = [(Where::Inline, Vec::new(), 0), (Where::Pool, Vec::new(), 0)];
        for _ in 0..TURNS {
            for (place, late, done) in &mut seen {
                let (lateness, count) = turn(&provider, &token, *place);
                late.extend(lateness);
                *done += count;
            }
        }
        for (place, mut late, done) in seen {
            late.sort_unstable();
            let at = |part: usize| {
                late.get(late.len() * part / 100)
                    .copied()
                    .unwrap_or_default()
            };
            let place = if place == Where::Inline {
                "inline"
            } else {
                "pool"
            };
            let rate = f64::from(done) / (TURN * TURNS).as_secs_f64();
            println!(
                "{name:<12} {place:<8} {rate:>10.0} {:>12} {:>12}",
                at(50),
                at(99)
            );
        }
    }
}

/// Microseconds of lateness, and how many verifications were made.
fn turn(provider: &BearerAuthProvider, token: &Arc<str>, place: Where) -> (Vec<u128>, u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let (stop, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    for _ in 0..CONNECTIONS {
        let (provider, token, stop, done) =
            (provider.clone(), token.clone(), stop.clone(), done.clone());
        runtime.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let (provider, token) = (provider.clone(), token.clone());
                let verify = move || provider.try_verify_token(&token).into_result().is_ok();
                let good = match place {
                    Where::Inline => verify(),
                    Where::Pool => tokio::task::spawn_blocking(verify).await.unwrap(),
                };
                assert!(good);
                done.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await; // as a connection waits for its next request
            }
        });
    }
    let late = runtime.block_on(runtime.spawn(async move {
        let start = Instant::now();
        let mut late = Vec::new();
        while start.elapsed() < TURN {
            let due = Instant::now() + Duration::from_millis(1);
            tokio::time::sleep_until(due.into()).await;
            late.push(due.elapsed().as_micros());
        }
        late
    }));
    stop.store(true, Ordering::Relaxed);
    runtime.shutdown_timeout(Duration::from_secs(1));
    (late.unwrap(), done.load(Ordering::Relaxed))
}
