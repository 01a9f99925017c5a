//! Puts load on a provider while its issuer rotates every few seconds, goes down, hangs, talks
//! nonsense and comes back, and while strangers send made-up keys all the time.
//!
//! `soak [SECONDS]` (60 unless given). Prints what happened and exits with 1 if one of the first
//! three does not hold:
//!
//! - **good tokens refused: 0.** A token is good when the provider must know its key: the key is
//!   published, and the issuer has since answered well without a break for [`BOUND`] (one cooldown
//!   of 10 s and one exchange of 5 s); or it was in the first set. It stays good, whatever the
//!   issuer does (the sets held here are hours from their staleness bound), until the key is
//!   withdrawn. Tokens of keys that are newer, or were withdrawn more recently, may be accepted or
//!   not: they are sent as well, but not judged.
//! - **bad tokens accepted: 0.** A token is bad when no published key signed it: changed
//!   signatures, keys never published under the `kid` of one that is, made-up kids, `none`; when it
//!   is expired or for someone else; and when its key has been withdrawn and the issuer has since
//!   answered well for [`BOUND`].
//! - **fetches within the budget:** attempts, successful or not, are at most 2, one more after 5 s
//!   and then one per 10 s, plus those of the schedule: one per 48 s (the earliest refresh of a set
//!   that lives 60 s) and four per outage.
//! - the longest time that a good token took, and how many good tokens had to wait for keys at all.
//!
//! Only what the issuer published, and when, decides.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "development only: a soak that cannot run must stop"
)]

mod issuer;
mod load;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_bearer::{Algorithm, BearerAuthProvider};
use mcp_bearer_bench::{AUDIENCE, ISSUER};

use crate::issuer::Issuer;
use crate::load::Load;

/// One cooldown and one exchange: a healthy issuer's new keys must be known within this time.
const BOUND: Duration = Duration::from_secs(10 + 5);

fn main() -> ExitCode {
    let seconds = std::env::args().nth(1);
    let seconds: u64 = seconds.map_or(60, |text| text.parse().expect("soak [SECONDS]"));
    let mut issuer = Issuer::start();
    let provider = BearerAuthProvider::builder()
        .jwks_uri(issuer.url())
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .algorithms([Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa])
        .build()
        .expect("a good configuration");
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .expect("a runtime")
    };
    // The first set is there before the load; from here on another runtime has the provider.
    runtime().block_on(provider.warm_up());
    issuer.first_set_is_known();

    let load = Arc::new(Load::new(provider.clone(), issuer.keys()));
    let serving = runtime();
    let start = Instant::now();
    load.start(&serving);
    let stop_at = start + Duration::from_secs(seconds);
    while Instant::now() < stop_at {
        issuer.tick();
        std::thread::sleep(Duration::from_millis(20));
    }
    load.stop();
    serving.shutdown_timeout(Duration::from_secs(10));
    let took = start.elapsed();

    let status = &provider.key_status()[0];
    let attempts = status.fetched + status.not_modified + status.failed;
    // The fetch of the first set was not caused by strangers.
    let strangers = 2 + (took.as_secs() + 5) / 10;
    let schedule = took.as_secs() / 48 + 4 * issuer.outages();
    let budget = 1 + strangers + schedule;
    let seen = load.seen();
    println!(
        "seconds                         {:>10.1}",
        took.as_secs_f64()
    );
    println!("rotations                       {:>10}", issuer.rotations());
    println!(
        "outages                         {:>10}  ({})",
        issuer.outages(),
        issuer.story()
    );
    println!("good tokens                     {:>10}", seen.good);
    println!(
        "good tokens refused             {:>10}  (must be 0)",
        seen.good_refused
    );
    println!("bad tokens                      {:>10}", seen.bad);
    println!(
        "bad tokens accepted             {:>10}  (must be 0)",
        seen.bad_accepted
    );
    println!("of withdrawn keys among the bad {:>10}", seen.gone);
    println!("made-up kids among the bad      {:>10}", seen.made_up);
    println!("tokens not judged               {:>10}", seen.unjudged);
    println!(
        "fetches made                    {attempts:>10}  (at most {budget}: the first, {strangers} for strangers, {schedule} for the schedule; {} failed)",
        status.failed
    );
    println!(
        "requests that waited at once    {:>10}  (at most 64)",
        seen.most_waiting
    );
    println!("good tokens that waited for keys{:>10}", seen.good_waited);
    println!(
        "worst time of a good token      {:>7.1} ms",
        seen.worst_good.as_secs_f64() * 1000.0
    );
    for example in &seen.examples {
        println!("  {example}");
    }
    // A soak in which nothing happened shows nothing; a short one cannot wait for a withdrawn key.
    let eventful = issuer.rotations() > 0 && issuer.outages() > 0 && seen.made_up > 1000;
    let enough = seen.good > 0 && seen.bad > 0 && (seconds < 60 || (eventful && seen.gone > 0));
    if !enough {
        println!("too little happened for this to mean anything");
    }
    let right = seen.good_refused == 0 && seen.bad_accepted == 0 && attempts <= budget;
    if enough && right && seen.most_waiting <= 64 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
