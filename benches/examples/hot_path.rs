//! One path of a token in a loop, for a profiler and for the count of instructions
//! (`scripts/check instructions`):
//!
//! ```sh
//! valgrind --tool=callgrind --toggle-collect='hot_path::*_once' \
//!     target/release/examples/hot_path verify 200
//! ```
#![allow(clippy::unwrap_used, missing_docs, reason = "a tool for development")]

use std::hint::black_box;

use aws_lc_rs::signature::ParsedPublicKey;
use mcp_bearer::config::Limits;
use mcp_bearer::core::{Policy, UnverifiedToken};
use mcp_bearer::keys::KeySet;
use mcp_bearer::{BearerAuthProvider, TokenCacheSize, UnixTime};
use mcp_bearer_bench::{AUDIENCE, ISSUER, NOW, Subject};
use mcp_bearer_testkit::Forge;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_default();
    let rounds: u32 = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200);
    let subject = Subject::rs256();
    let (keys, policy) = (subject.key_set(), subject.policy());
    let (bare, (input, signature)) = (subject.bare(), subject.parts());
    let cached = subject
        .provider()
        .with_token_cache(TokenCacheSize::default());
    let bad = Forge::new(&subject.key, NOW)
        .issuer(ISSUER)
        .audience(AUDIENCE);
    let unknown = bad.alg_name("XS256").token();
    cached
        .try_verify_token(&subject.token)
        .into_result()
        .unwrap();
    for _ in 0..rounds {
        match path.as_str() {
            "bare" => bare_once(&bare, &input, &signature),
            "parse" => parse_once(&subject.token),
            "verify" => verify_once(&subject.token, &keys, &policy),
            "hit" => provider_once(&cached, &subject.token),
            "segments" => provider_once(&cached, "a.b"),
            "algorithm" => provider_once(&cached, &unknown),
            other => unknown_path(other),
        }
    }
}

/// What every first sight costs at least, to be subtracted from a profile of `verify`.
#[inline(never)]
fn bare_once(bare: &ParsedPublicKey, input: &[u8], signature: &[u8]) {
    black_box(bare.verify_sig(input, signature).is_ok());
}

#[inline(never)]
fn parse_once(token: &str) {
    black_box(UnverifiedToken::parse(black_box(token), &Limits::default()).unwrap());
}

#[inline(never)]
fn verify_once(token: &str, keys: &KeySet, policy: &Policy) {
    let unverified = UnverifiedToken::parse(black_box(token), &Limits::default()).unwrap();
    black_box(
        unverified
            .verify(keys, policy, UnixTime::from_secs(NOW))
            .unwrap(),
    );
}

#[inline(never)]
fn provider_once(provider: &BearerAuthProvider, token: &str) {
    black_box(provider.try_verify_token(black_box(token)));
}

#[expect(clippy::panic, reason = "a tool for development")]
fn unknown_path(path: &str) {
    panic!("no path {path:?}: bare, parse, verify, hit, segments or algorithm");
}
