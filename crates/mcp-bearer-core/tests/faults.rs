//! `faults`: the first is the verdict, and the others are not lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::time::Duration;

use common::{Ready, limits, ready, run};
use mcp_bearer_core::{Expected, KeySet, Policy, RejectionKind, Scopes, UnixTime, UnverifiedToken};
use mcp_bearer_testkit::vectors;
use mcp_bearer_testkit::{Forge, SigningKey};

const NOW: u64 = 1_800_000_000;

#[test]
fn the_first_fault_of_every_vector_is_its_rejection() {
    let mut compared = 0;
    for file in vectors::all() {
        let ready: Vec<Ready> = file.settings.iter().map(ready).collect();
        for case in &file.cases {
            let Ok(token) = UnverifiedToken::parse(&case.token, &limits(&file)) else {
                continue;
            };
            let chosen = match ready.as_slice() {
                [only] => only,
                several => {
                    let named = several.iter().map(|one| (one.issuer.as_str(), one));
                    let Ok(chosen) = token.choose_issuer(named) else {
                        continue;
                    };
                    chosen
                }
            };
            let now = UnixTime::from_secs(file.now);
            let faults = token.faults(&chosen.keys, &chosen.policy, &chosen.scopes, now);
            let verdict = run(&file, &ready, &case.token).err();
            assert_eq!(faults.first(), verdict.as_ref(), "{}", file.label(case));
            compared += 1;
        }
    }
    assert!(compared > 300, "only {compared} cases");
}

fn kinds(
    forge: &Forge,
    keys: &KeySet,
    policy: &Policy,
    scopes: &[&str],
) -> Vec<(RejectionKind, String)> {
    let token = forge.token();
    let token = UnverifiedToken::parse(&token, &mcp_bearer_core::Limits::default()).unwrap();
    let scopes = Scopes::from_names(scopes).unwrap();
    let faults = token.faults(keys, policy, &scopes, UnixTime::from_secs(NOW));
    let shown = faults.iter().map(|fault| (fault.kind(), fault.to_string()));
    shown.collect()
}

fn only_kinds(found: &[(RejectionKind, String)]) -> Vec<RejectionKind> {
    found.iter().map(|(kind, _)| *kind).collect()
}

fn policy() -> Policy {
    Policy::builder(Forge::ISSUER, Forge::AUDIENCE)
        .required_claim("tenant", ["blue"])
        .required_claim("level", [3])
        .allowed_client_ids(["app"])
        .build()
        .unwrap()
}

/// A token in which everything is wrong.
fn hopeless(key: &SigningKey) -> Forge {
    Forge::new(key, NOW)
        .typ("logout+jwt")
        .header("crit", serde_json::json!(["x"]))
        .expires_in(-3600)
        .not_before_in(3600)
        .issuer("https://other.example.com/")
        .audience("https://other.example.com/mcp")
        .claim("jti", 7)
        .claim("cnf", serde_json::json!({"jkt": "x"}))
        .claim("token_use", "id")
        .claim("tenant", "red")
        .claim("scope", "mcp:read")
}

#[test]
fn every_fault_is_found_in_the_order_of_the_steps() {
    use RejectionKind as K;
    let key = SigningKey::shared_rsa_2048();
    let keys = KeySet::from_jwks_json(&key.jwks().to_string()).unwrap();
    let found = kinds(
        &hopeless(&key).flip_signature_bit(3),
        &keys,
        &policy(),
        &["mcp:read", "mcp:write"],
    );
    assert_eq!(
        only_kinds(&found),
        [
            K::UnsupportedHeader,
            K::WrongTokenType,
            K::BadSignature,
            K::Expired,
            K::NotYetValid,
            K::WrongIssuer,
            K::WrongAudience,
            K::InvalidClaim,
            K::SenderConstrained,
            K::WrongTokenType,
            K::ClaimNotAllowed,
            K::MissingClaim,
            K::InsufficientScope,
        ]
    );
    assert!(found[11].1.contains("\"level\""), "{found:?}");
    assert!(found[12].1.contains("lacks \"mcp:write\""), "{found:?}");

    // Without the claim of a wrong type, the client is checked too.
    let found = kinds(&hopeless(&key).claim("jti", "7"), &keys, &policy(), &[]);
    let rest = &only_kinds(&found)[8..];
    assert_eq!(rest, [K::ClaimNotAllowed, K::MissingClaim, K::MissingClaim]);
    // A good token has none.
    let good = Forge::new(&key, NOW)
        .claim("tenant", "blue")
        .claim("level", 3)
        .claim("client_id", "app")
        .scope("mcp:read");
    assert_eq!(kinds(&good, &keys, &policy(), &["mcp:read"]), []);
}

#[test]
fn an_algorithm_that_is_not_allowed_is_no_reason_to_check_a_signature() {
    let key = SigningKey::shared_rsa_2048();
    let keys = KeySet::from_jwks_json(&key.jwks().to_string()).unwrap();
    let policy = Policy::builder(Expected::Any, "A").build().unwrap();
    let forge = Forge::new(&key, NOW).alg("PS256").flip_signature_bit(1);
    let found = kinds(&forge, &keys, &policy, &[]);
    let expected = [
        RejectionKind::AlgorithmNotAllowed,
        RejectionKind::WrongAudience,
    ];
    assert_eq!(only_kinds(&found), expected);
}

#[test]
fn without_keys_each_fault_says_so_and_an_outage_alone_is_one() {
    let key = SigningKey::shared_rsa_2048();
    let none = KeySet::unavailable("the issuer is down", Duration::from_secs(9));
    let policy = Policy::builder(Expected::Any, "A").build().unwrap();
    let expired = Forge::new(&key, NOW).expires_in(-3600);
    let found = kinds(&expired, &none, &policy, &["mcp:read"]);
    assert_eq!(
        only_kinds(&found),
        [
            RejectionKind::Expired,
            RejectionKind::WrongAudience,
            RejectionKind::InsufficientScope
        ]
    );
    for (_, text) in &found {
        assert!(
            text.contains("(not verified: the issuer is down)"),
            "{text}"
        );
    }
    let good = Forge::new(&key, NOW).audience("A");
    let found = kinds(&good, &none, &policy, &[]);
    assert_eq!(only_kinds(&found), [RejectionKind::KeysUnavailable]);
}

#[test]
fn claims_that_are_no_object_end_the_list() {
    let key = SigningKey::shared_rsa_2048();
    let keys = KeySet::from_jwks_json(&key.jwks().to_string()).unwrap();
    let forge = Forge::new(&key, NOW)
        .raw_claims("[1]")
        .flip_signature_bit(0);
    let found = kinds(&forge, &keys, &policy(), &["mcp:read"]);
    assert_eq!(
        only_kinds(&found),
        [RejectionKind::BadSignature, RejectionKind::Malformed]
    );
}

/// Each byte of a good token replaced: the first fault is the rejection, and a good token has none.
#[test]
fn the_first_fault_of_a_changed_token_is_its_rejection() {
    let key = SigningKey::ed25519();
    let keys = KeySet::from_jwks_json(&key.jwks().to_string()).unwrap();
    let policy = Policy::builder(Forge::ISSUER, Forge::AUDIENCE)
        .algorithms([mcp_bearer_core::Algorithm::EdDsa])
        .build()
        .unwrap();
    let good = Forge::new(&key, NOW).token();
    let (now, none) = (UnixTime::from_secs(NOW), Scopes::none());
    let mut compared = 0;
    for at in 0..good.len() {
        for with in ["A", "z", "0", "-"] {
            let mut text = good.clone();
            text.replace_range(at..=at, with);
            let limits = mcp_bearer_core::Limits::default();
            let Ok(token) = UnverifiedToken::parse(&text, &limits) else {
                continue;
            };
            let verdict = token.verify(&keys, &policy, now).err();
            let faults = token.faults(&keys, &policy, &none, now);
            assert_eq!(faults.first(), verdict.as_ref(), "byte {at} {with}");
            compared += 1;
        }
    }
    assert!(compared > 500, "only {compared}");
}
