//! Keys under attack: what strangers, slow issuers and outages cost the good tokens, each figure
//! beside its limit.
//!
//! `keys_under_attack [RUNS] [SECONDS]` (5 runs of 10 s unless given). Exits with 1 if a limit is
//! exceeded. Runs with and without a flood alternate, so that a busy machine slows both alike; the
//! median of all runs counts.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "development only: a benchmark that cannot run must stop"
)]

mod events;
mod flood;
mod process;

use std::process::ExitCode;
use std::time::Duration;

use mcp_bearer::keys::{RemoteKeys, RemoteKeysBuilder};
use mcp_bearer::{Algorithm, BearerAuthProvider, Clock};
use mcp_bearer_bench::{AUDIENCE, ISSUER};
use mcp_bearer_testkit::{Forge, JwksServer, SigningKey};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == process::SLOW_ISSUER) {
        process::slow_issuer();
        return ExitCode::SUCCESS;
    }
    let mut arguments = std::env::args().skip(1).map(|text| text.parse());
    let runs = arguments.next().map_or(5, |runs| runs.expect("RUNS"));
    let seconds = arguments
        .next()
        .map_or(10, |seconds| seconds.expect("SECONDS"));
    let mut outcome = ExitCode::SUCCESS;
    let mut tell = |line: Line| {
        let mark = if line.holds { "holds" } else { "BROKEN" };
        println!("{mark:<7} {}: {}", line.what, line.figures);
        if !line.holds {
            outcome = ExitCode::FAILURE;
        }
    };
    process::all(&mut tell);
    events::all(&mut tell);
    flood::all(runs as usize, Duration::from_secs(seconds), &mut tell);
    outcome
}

/// One thing that must hold.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) figures: String,
    pub(crate) holds: bool,
}

/// A runtime like a server's.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

pub(crate) fn provider(keys: RemoteKeysBuilder) -> BearerAuthProvider {
    BearerAuthProvider::builder()
        .remote_keys(keys)
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .algorithms([Algorithm::Rs256, Algorithm::EdDsa])
        .build()
        .unwrap()
}

/// A provider that fetches from this issuer.
pub(crate) fn provider_of(server: &JwksServer) -> BearerAuthProvider {
    provider(RemoteKeys::builder(server.url()))
}

/// A good, current token.
pub(crate) fn token(key: &SigningKey) -> Forge {
    let now = Clock::system().now();
    Forge::new(key, now.as_secs())
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .scope("mcp:read mcp:write")
}

/// This many tokens, each with a different kid that no key has.
pub(crate) fn made_up(count: usize) -> Vec<String> {
    let key = SigningKey::shared_rsa_2048();
    let forge = |number| token(&key).kid(&format!("made-up-{number}"));
    (0..count)
        .map(|number| forge(number).raw_signature([7; 256]).token())
        .collect()
}

/// Attempts to fetch, successful or not.
pub(crate) fn attempts(provider: &BearerAuthProvider) -> u64 {
    let status = &provider.key_status()[0];
    status.fetched + status.not_modified + status.failed
}
