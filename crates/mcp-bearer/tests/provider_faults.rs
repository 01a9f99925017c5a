//! `BearerAuthProvider::faults`: each issuer by its own rules, and no fetch.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use mcp_bearer::{BearerAuthProvider, Clock, RejectionKind, UnixTime};
use mcp_bearer_testkit::{Forge, JwksServer, SigningKey};

const NOW: u64 = 1_800_000_000;
const A: &str = "https://a.example.com/";
const B: &str = "https://b.example.com/";

fn kinds(provider: &BearerAuthProvider, forge: &Forge) -> Vec<RejectionKind> {
    let faults = provider.faults(&forge.token());
    faults.iter().map(mcp_bearer::Rejection::kind).collect()
}

#[test]
fn a_token_is_judged_by_the_rules_of_its_issuer_alone() {
    let (one, other) = (
        SigningKey::shared_rsa_2048(),
        SigningKey::shared_rsa_2048_b(),
    );
    let entry = |key: &SigningKey, name: &str| {
        BearerAuthProvider::builder()
            .jwks_json(key.jwks().to_string())
            .issuer(name)
            .audience(Forge::AUDIENCE)
    };
    let provider = BearerAuthProvider::for_issuers([
        entry(&one, A).required_scopes(["a:read"]),
        entry(&other, B).required_scopes(["b:read"]),
    ]);
    let provider = provider
        .unwrap()
        .with_clock(Clock::new(|| UnixTime::from_secs(NOW)));
    let forge = Forge::new(&other, NOW).scope("a:read").expires_in(-3600);
    assert_eq!(
        kinds(&provider, &forge.clone().issuer(B)),
        [RejectionKind::Expired, RejectionKind::InsufficientScope]
    );
    assert_eq!(
        kinds(&provider, &forge.clone().issuer(A)),
        [RejectionKind::UnknownKey, RejectionKind::Expired]
    );
    let unknown = forge.issuer("https://c.example.com/");
    assert_eq!(kinds(&provider, &unknown), [RejectionKind::WrongIssuer]);
    let good = Forge::new(&other, NOW).issuer(B).scope("b:read");
    assert_eq!(kinds(&provider, &good), []);
    assert_eq!(provider.now(), UnixTime::from_secs(NOW));
}

#[test]
fn a_text_that_is_not_a_token_has_only_that_fault() {
    let key = SigningKey::shared_rsa_2048();
    let provider = BearerAuthProvider::builder()
        .public_key(key.public_pem())
        .any_issuer()
        .any_audience()
        .build()
        .unwrap();
    let two_parts = Forge::new(&key, NOW).keep_segments(2);
    assert_eq!(kinds(&provider, &two_parts), [RejectionKind::Malformed]);
}

#[test]
fn no_key_is_fetched() {
    let (server, key) = (JwksServer::start(), SigningKey::shared_rsa_2048());
    server.set_keys(vec![key.jwk()]);
    let provider = BearerAuthProvider::builder()
        .jwks_uri(server.url())
        .issuer(A)
        .any_audience()
        .build()
        .unwrap();
    assert_eq!(
        kinds(&provider, &Forge::new(&key, 1000).issuer(B)),
        [RejectionKind::Expired, RejectionKind::WrongIssuer]
    );
    assert_eq!(server.total_hits(), 0);
}
