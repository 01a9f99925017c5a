//! What two threads do beside one: `cargo bench -p mcp-bearer-bench --bench threads`.
//!
//! Turns of one and of two threads follow each other, each some milliseconds long, and the median of the pairs' ratios is
//! told: a machine that slows down meanwhile slows both. It needs two processors that have nothing else to do.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use mcp_bearer::{BearerAuthProvider, TokenCacheSize};
use mcp_bearer_bench::Subject;

const TURN: Duration = Duration::from_millis(20);
const PAIRS: usize = 101;

fn main() {
    let subject = Subject::rs256();
    let size = TokenCacheSize::default().with_entries(20_000);
    let tokens: Vec<String> = (0..10_000)
        .map(|n| subject.another(&format!("{n:036}")))
        .collect();
    let plain = subject.provider();
    let cached = subject.provider().with_token_cache(size);
    for token in &tokens {
        cached.try_verify_token(token).into_result().unwrap();
    }
    let one = tokens.get(..1).unwrap();
    println!(
        "{:<28} {:>10} {:>12} {:>8} {:>8}",
        "", "one, ns", "two, ns each", "ratio", "bar"
    );
    for (name, provider, tokens, bar) in [
        ("first sights", &plain, &*tokens, 1.8),
        ("hits, 10,000 tokens", &cached, &tokens, 1.5),
        ("hits, one token", &cached, one, 1.0),
    ] {
        let mut pairs: Vec<(f64, f64)> = (0..PAIRS)
            .map(|_| (rate(provider, tokens, 1), rate(provider, tokens, 2)))
            .collect();
        pairs.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let (single, double) = pairs.get(PAIRS / 2).copied().unwrap();
        println!(
            "{name:<28} {:>10.1} {:>12.1} {:>8.2} {bar:>8.1}",
            1e9 / single,
            2e9 / double,
            double / single
        );
    }
}

/// Verifications a second of all threads together, each counted in its own time.
fn rate(provider: &BearerAuthProvider, tokens: &[String], threads: usize) -> f64 {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let offset = thread * tokens.len() / threads;
                    let mut turn = tokens.iter().cycle().skip(offset);
                    barrier.wait();
                    let start = Instant::now();
                    let mut done = 0_u32;
                    while start.elapsed() < TURN {
                        for _ in 0..64 {
                            black_box(provider.try_verify_token(turn.next().unwrap()));
                        }
                        done += 64;
                    }
                    f64::from(done) / start.elapsed().as_secs_f64()
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}
