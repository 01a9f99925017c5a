//! What two threads do beside one: `cargo bench -p mcp-bearer-bench --bench threads`.
//!
//! Turns of one and of two threads follow each other, each some milliseconds long, and the median of the pairs' ratios is
//! told: a machine that slows down meanwhile slows both. It needs two processors that have nothing else to do.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
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
    let (input, signature) = subject.parts();
    let bare = subject.bare();
    // What the machine itself makes of two threads: often less than twice one.
    report("bare signature checks", f64::NAN, |_, _| {
        black_box(bare.verify_sig(&input, &signature).is_ok());
    });
    let verify = |provider: &BearerAuthProvider, tokens: &[String], thread: usize, turn: usize| {
        let token = &tokens[(turn + thread * tokens.len() / 2) % tokens.len()];
        black_box(provider.try_verify_token(token));
    };
    report("first sights", 1.8, |thread, turn| {
        verify(&plain, &tokens, thread, turn);
    });
    report("hits, 10,000 tokens", 1.5, |thread, turn| {
        verify(&cached, &tokens, thread, turn);
    });
    report("hits, one token", 1.0, |thread, turn| {
        verify(&cached, one, thread, turn);
    });
}

fn report(name: &str, bar: f64, once: impl Fn(usize, usize) + Sync) {
    let mut pairs: Vec<(f64, f64)> = (0..PAIRS)
        .map(|_| (rate(1, &once), rate(2, &once)))
        .collect();
    pairs.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
    let (single, double) = pairs[PAIRS / 2];
    println!(
        "{name:<28} {:>10.1} {:>12.1} {:>8.2} {bar:>8.1}",
        1e9 / single,
        2e9 / double,
        double / single
    );
}

/// Calls a second of all threads together, each counted in its own time.
fn rate(threads: usize, once: &(impl Fn(usize, usize) + Sync)) -> f64 {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let start = Instant::now();
                    let mut done = 0_u32;
                    while start.elapsed() < TURN {
                        for turn in 0..64 {
                            once(thread, done as usize + turn);
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
