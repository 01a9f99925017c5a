//! A hit of the token cache allocates nothing, whatever the source of the keys.
#![allow(clippy::unwrap_used, reason = "a test")]

use mcp_bearer::{BearerAuthProvider, Clock, TokenCacheSize, UnixTime};
use mcp_bearer_testkit::{Forge, JwksServer, SigningKey};

const NOW: u64 = 1_800_000_000;

fn allocations(provider: &BearerAuthProvider, token: &str) -> u64 {
    let hit = || provider.try_verify_token(token).into_result().unwrap();
    hit();
    let mut kept = None;
    let counted = allocation_counter::measure(|| kept = Some(hit()));
    assert_eq!(kept.unwrap().token(), token);
    counted.count_total
}

fn prepared(provider: BearerAuthProvider) -> BearerAuthProvider {
    let provider = provider.with_clock(Clock::new(|| UnixTime::from_secs(NOW)));
    provider.with_token_cache(TokenCacheSize::default())
}

#[test]
fn a_hit_with_a_static_key_allocates_nothing() {
    let key = SigningKey::shared_rsa_2048();
    let builder = BearerAuthProvider::builder().public_key(key.public_pem());
    let provider = prepared(builder.any_issuer().any_audience().build().unwrap());
    assert_eq!(allocations(&provider, &Forge::new(&key, NOW).token()), 0);
    let plain = provider.without_token_cache();
    assert!(
        allocations(&plain, &Forge::new(&key, NOW).token()) > 0,
        "the counter counts"
    );
}

#[tokio::test]
async fn a_hit_with_fetched_keys_and_several_issuers_allocates_nothing() {
    let key = SigningKey::shared_rsa_2048();
    let server = JwksServer::start();
    server.set_keys(vec![key.jwk()]);
    let issuer = |name: &str| {
        let builder = BearerAuthProvider::builder().jwks_uri(server.url());
        builder.issuer(name).any_audience()
    };
    let issuers = [issuer(Forge::ISSUER), issuer("https://other.example.com/")];
    let provider = prepared(BearerAuthProvider::for_issuers(issuers).unwrap());
    provider.warm_up().await;
    assert_eq!(allocations(&provider, &Forge::new(&key, NOW).token()), 0);
}
