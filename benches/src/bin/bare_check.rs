//! The time of one bare RS256 check by AWS-LC, to which `scripts/bench-gateway authz` scales its
//! bars: `cargo run --profile bench -p mcp-bearer-bench --bin bare_check`.
//!
//! It prints nanoseconds of CPU: the median of batches of about a millisecond.
#![allow(clippy::print_stdout, reason = "a benchmark")]

use mcp_bearer_bench::{Contender, Subject, interleaved};

const BATCHES: usize = 101;
const NAME: &str = "bare signature check";

fn main() {
    let subject = Subject::rs256();
    let (input, signature) = subject.parts();
    let bare = subject.bare();
    let check = || bare.verify_sig(&input, &signature).is_ok();
    assert!(check(), "the token is good");
    let report = interleaved(&mut [Contender::new(NAME, check)], BATCHES);
    println!("{:.0}", report.nanos(NAME));
}
