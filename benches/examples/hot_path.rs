//! The hot path in a loop, for a profiler: `valgrind --tool=callgrind target/release/examples/hot_path verify 200`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a tool for development")]

use std::time::Duration;

use mcp_bearer::{Limits, UnverifiedToken};
use mcp_bearer_bench::{NOW, Subject};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let rounds: u32 = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200);
    let subject = Subject::rs256();
    let (keys, policy, limits) = (subject.key_set(), subject.policy(), Limits::default());
    for _ in 0..rounds {
        let unverified = UnverifiedToken::parse(&subject.token, &limits).unwrap();
        if what == "verify" {
            std::hint::black_box(
                unverified
                    .verify(&keys, &policy, Duration::from_secs(NOW))
                    .unwrap(),
            );
        }
        std::hint::black_box(&unverified);
    }
}
