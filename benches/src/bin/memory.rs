//! What a kept token and an idle provider cost in memory:
//! `cargo run --release -p mcp-bearer-bench --bin memory`.
//!
//! It measures the resident memory of this process before and after, so the allocator's own needs
//! are included. Linux only. A flood of distinct good tokens must not take more than the cache is
//! allowed: exits with 1 if it does.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    reason = "a benchmark"
)]

use std::process::ExitCode;

use mcp_bearer::{Algorithm, BearerAuthProvider, Clock, TokenCacheSize, UnixTime};
use mcp_bearer_bench::{AUDIENCE, ISSUER, NOW};
use mcp_bearer_testkit::{Forge, SigningKey};

const TOKENS: usize = 20_000;
const FLOOD: usize = 100_000;
const PROVIDERS: usize = 1_000;

fn main() -> ExitCode {
    let key = SigningKey::ec_p256();
    let provider = || {
        BearerAuthProvider::builder()
            .jwks_json(key.jwks().to_string())
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .algorithms([Algorithm::Es256])
            .build()
            .unwrap()
            .with_clock(Clock::new(|| UnixTime::from_secs(NOW)))
    };
    let keep = |provider: &BearerAuthProvider, number: usize| {
        let token = token(&key, number);
        provider.try_verify_token(&token).into_result().unwrap();
        token.len()
    };
    // In this order, because freed memory hides what comes after.
    let before = resident();
    let fixed: Vec<_> = (0..PROVIDERS).map(|_| provider()).collect();
    println!(
        "an idle provider of one key: {} bytes",
        (resident() - before) / PROVIDERS
    );
    let before = resident();
    let cached: Vec<_> = (0..PROVIDERS)
        .map(|_| provider().with_token_cache(TokenCacheSize::default()))
        .collect();
    println!(
        "the same with an empty cache: {} bytes",
        (resident() - before) / PROVIDERS
    );
    let before = resident();
    let remote: Vec<_> = (0..PROVIDERS)
        .map(|_| {
            BearerAuthProvider::builder()
                .jwks_uri("https://idp.example.com/jwks.json")
                .issuer(ISSUER)
                .audience(AUDIENCE)
                .build()
                .unwrap()
        })
        .collect();
    println!(
        "an idle provider of an address: {} bytes",
        (resident() - before) / PROVIDERS
    );

    let bound = TokenCacheSize::default()
        .with_entries(5_000)
        .with_bytes(8 << 20);
    let narrow = provider().with_token_cache(bound);
    let before = resident();
    for number in 0..FLOOD {
        keep(&narrow, number);
    }
    let grown = resident().saturating_sub(before);
    let kept = narrow.cached_tokens().unwrap_or_default();
    println!(
        "a flood of {FLOOD} into a cache for 5,000 tokens and 8 MiB: {kept} kept, {} KiB more",
        grown >> 10
    );

    let size = TokenCacheSize::default()
        .with_entries(2 * TOKENS)
        .with_bytes(1 << 30);
    let roomy = provider().with_token_cache(size);
    (0..100).for_each(|number| {
        keep(&roomy, FLOOD + number);
    });
    let before = resident();
    let bytes: usize = (0..TOKENS).map(|number| keep(&roomy, number)).sum();
    let each = (resident() - before) / TOKENS;
    println!("a kept token of {} bytes: {each} bytes", bytes / TOKENS);
    assert_eq!(roomy.cached_tokens(), Some(TOKENS + 100));
    drop((fixed, cached, remote));
    // What the allocator keeps for later does not belong to the cache.
    ExitCode::from(u8::from(kept > 5_000 || grown > 12 << 20))
}

fn token(key: &SigningKey, number: usize) -> String {
    Forge::new(key, NOW)
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .subject("8b6e0f0c-5d1b-4a1e-8f6b-1c2d3e4f5a6b")
        .claim("jti", format!("{number:036}"))
        .claim("azp", "claude-connector")
        .claim("preferred_username", "alice")
        .claim("email", "a".repeat(190))
        .scope("mcp:read mcp:write")
        .token()
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
