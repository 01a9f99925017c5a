//! What two and four threads do compared with one: `cargo bench -p mcp-bearer-bench --bench
//! threads`.
//!
//! Turns of one, two and four threads alternate, each some milliseconds long, and the medians of
//! the ratios are printed: a machine that slows down meanwhile slows both. It needs two otherwise
//! idle processors. `-- --raw FILE` also writes the rate of every turn, as CSV.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mcp_bearer::{BearerAuthProvider, TokenCacheSize};
use mcp_bearer_bench::{Subject, raw_file};

/// Until each thread has a processor of its own.
const SETTLING: Duration = Duration::from_millis(20);
const TURN: Duration = Duration::from_millis(40);
const TURNS: usize = 51;

fn main() {
    let mut raw = Raw::default();
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
        "{:<28} {:>10} {:>10} {:>6} {:>10}",
        "", "one, ns", "two", "bar", "four"
    );
    let (input, signature) = subject.parts();
    let bare = subject.bare();
    // What the machine itself gains from two threads: often less than twice one.
    let bare = raw.report("bare signature checks", f64::NAN, |_, _| {
        black_box(bare.verify_sig(&input, &signature).is_ok());
    });
    let verify = |provider: &BearerAuthProvider, tokens: &[String], thread: usize, turn: usize| {
        let token = &tokens[(turn + thread * tokens.len() / 2) % tokens.len()];
        black_box(provider.try_verify_token(token));
    };
    raw.report("first sights", 1.8, |thread, turn| {
        verify(&plain, &tokens, thread, turn);
    });
    let shared = raw.report("hits, 10,000 tokens", 1.8, |thread, turn| {
        verify(&cached, &tokens, thread, turn);
    });
    // What memory allows: the same number of tokens for two threads, and nothing that both use.
    let own: Vec<_> = [0, 1, 0, 1]
        .map(|half| {
            let tokens = tokens[half * 5_000..][..5_000].to_vec();
            let provider = subject.provider().with_token_cache(size);
            for token in &tokens {
                provider.try_verify_token(token).into_result().unwrap();
            }
            (provider, tokens)
        })
        .into();
    let own = raw.report("hits, 5,000 of its own each", f64::NAN, |thread, turn| {
        let (provider, tokens) = &own[thread];
        verify(provider, tokens, 0, turn);
    });
    println!(
        "two threads with 10,000 tokens, to two with 5,000 of their own: {:.2}",
        own.two_nanos() / shared.two_nanos()
    );
    let one = raw.report("hits, one token", f64::NAN, |thread, turn| {
        verify(&cached, one, thread, turn);
    });
    // Before a hit knew its process without a system call, two threads made 127 of them per check.
    println!(
        "hits of two threads on one token per bare check of one: {:.0}, at least 190",
        bare.one_nanos / one.two_nanos()
    );
    if let Some(file) = raw_file() {
        std::fs::write(file, format!("{RAW_HEAD}{}", raw.0)).unwrap();
    }
}

/// The medians of one row.
struct Row {
    one_nanos: f64,
    two: f64,
}

impl Row {
    /// The time per call of two threads together.
    fn two_nanos(&self) -> f64 {
        self.one_nanos / self.two
    }
}

const RAW_HEAD: &str = "# cargo bench -p mcp-bearer-bench --bench threads -- --raw FILE\n\
    # Calls per second of all threads together, per turn; one round per line.\n\
    what,one thread,two,four\n";

/// The rates of every turn, as lines of CSV.
#[derive(Default)]
struct Raw(String);

impl Raw {
    fn report(&mut self, name: &str, bar: f64, once: impl Fn(usize, usize) + Sync) -> Row {
        let turns: Vec<[f64; 3]> = (0..TURNS)
            .map(|_| [1, 2, 4].map(|threads| rate(threads, &once)))
            .collect();
        for [one, two, four] in &turns {
            writeln!(self.0, "{name:?},{one:.0},{two:.0},{four:.0}").unwrap();
        }
        print(name, bar, &turns)
    }
}

fn print(name: &str, bar: f64, turns: &[[f64; 3]]) -> Row {
    let median = |of: &dyn Fn(&[f64; 3]) -> f64| {
        let mut values: Vec<f64> = turns.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let row = Row {
        one_nanos: median(&|turn| 1e9 / turn[0]),
        two: median(&|turn| turn[1] / turn[0]),
    };
    println!(
        "{name:<28} {:>10.1} {:>10.2} {bar:>6.1} {:>10.2}",
        row.one_nanos,
        row.two,
        median(&|turn| turn[2] / turn[0]),
    );
    row
}

/// Calls per second of all threads together.
fn rate(threads: usize, once: &(impl Fn(usize, usize) + Sync)) -> f64 {
    let (barrier, ended) = (Barrier::new(threads), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let (barrier, ended) = (&barrier, &ended);
                scope.spawn(move || {
                    barrier.wait();
                    let end = End(ended);
                    calls(SETTLING, thread, once);
                    let rate = calls(TURN, thread, once);
                    drop(end);
                    // A thread that finishes first must not leave the others alone.
                    while ended.load(Ordering::Relaxed) < threads {
                        once(thread, 0);
                    }
                    rate
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}

/// Counts a thread that has ended, including by a panic, so that the others do not wait for it.
struct End<'a>(&'a AtomicUsize);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Calls per second of one thread.
fn calls(time: Duration, thread: usize, once: &impl Fn(usize, usize)) -> f64 {
    let start = Instant::now();
    let mut done = 0_u32;
    while start.elapsed() < time {
        for turn in 0..64 {
            once(thread, done as usize + turn);
        }
        done += 64;
    }
    f64::from(done) / start.elapsed().as_secs_f64()
}
