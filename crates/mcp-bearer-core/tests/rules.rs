//! Rules of a policy that cannot work, and texts that name what was wrong with a token.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use mcp_bearer_core::{
    Algorithm, Expected, KeySet, Limits, Policy, PolicyBuilder, TokenType, UnixTime,
    UnverifiedToken,
};
use mcp_bearer_testkit::{Forge, SigningKey};
use serde_json::json;

const NOW: u64 = 1_800_000_000;

fn builder() -> PolicyBuilder {
    Policy::builder(Expected::Any, Expected::Any)
}

fn problems(builder: PolicyBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn types_of_other_tokens_cannot_be_named() {
    for typ in [
        "dpop+jwt",
        "Application/Logout+JWT",
        "secevent+jwt",
        "oauth-id-jag+jwt",
    ] {
        let why = problems(builder().also_accept_type(typ));
        assert!(why.contains("is the type of"), "{why}");
    }
    assert!(problems(builder().also_accept_type("")).contains("without a name"));
    let both = builder()
        .also_accept_type("vendor+jwt")
        .token_type(TokenType::Rfc9068);
    assert!(problems(both).contains("only at+jwt"));
    assert!(builder().also_accept_type("vendor+jwt").build().is_ok());
}

/// Graph is named only for tokens that look like its own, and never for one that verifies.
#[test]
fn a_bad_signature_is_explained_by_graph_only_where_it_can_be() {
    let key = SigningKey::ed25519();
    let keys = KeySet::from_jwks_json(&key.jwks().to_string()).unwrap();
    let policy = builder().algorithms([Algorithm::EdDsa]).build().unwrap();
    let microsoft = "https://sts.windows.net/tenant/";
    for (issuer, nonce, explained) in [
        (microsoft, true, true),
        ("https://login.microsoftonline.com/tenant/v2.0", true, true),
        (microsoft, false, false),
        ("https://sts.windows.net.evil.example/", true, false),
        ("https://evil.example/https://sts.windows.net/", true, false),
        ("http://sts.windows.net/", true, false),
    ] {
        let mut forge = Forge::new(&key, NOW).issuer(issuer);
        if nonce {
            forge = forge.header("nonce", "x");
        }
        let refused = |forge: Forge| {
            let text = forge.token();
            let token = UnverifiedToken::parse(&text, &Limits::default()).unwrap();
            token
                .verify(&keys, &policy, UnixTime::from_secs(NOW))
                .map_err(|refused| refused.to_string())
        };
        assert!(refused(forge.clone()).is_ok(), "{issuer}");
        let why = refused(forge.flip_signature_bit(7)).unwrap_err();
        assert_eq!(
            why.contains("Microsoft Graph"),
            explained,
            "{issuer}: {why}"
        );
    }
}

/// Tokens that no key could save: whatever their `kid`, a stranger must not trigger fetches with
/// them.
#[test]
fn a_token_that_is_refused_anyway_is_not_worth_a_fetch() {
    let key = SigningKey::shared_rsa_2048();
    let policy = builder().build().unwrap();
    let worth = |forge: &Forge| {
        let text = forge.token();
        let token = UnverifiedToken::parse(&text, &Limits::default()).unwrap();
        token.worth_a_fetch(&policy, UnixTime::from_secs(NOW))
    };
    let good = Forge::new(&key, NOW).kid("made-up");
    assert!(worth(&good));
    for (name, forge) in [
        ("cnf", good.clone().claim("cnf", json!({"jkt": "x"}))),
        ("a signature of one byte", good.clone().raw_signature([1])),
        (
            "a signature of 255 bytes",
            good.clone().raw_signature([1; 255]),
        ),
        ("at_hash", good.clone().claim("at_hash", "x")),
        ("s_hash", good.clone().claim("s_hash", "x")),
        ("events", good.clone().claim("events", json!({}))),
        ("a sub of a wrong type", good.clone().claim("sub", 7)),
        ("expired", good.clone().expires_in(-3600)),
        ("issued in the future", good.clone().issued_in(3600)),
        ("a typ claim of ID", good.clone().claim("typ", "ID")),
        (
            "claims that are not an object",
            good.clone().raw_claims("[]"),
        ),
        ("a duplicate", good.clone().raw_claims(r#"{"a":1,"a":1}"#)),
        ("another type", good.clone().typ("dpop+jwt")),
        ("crit", good.clone().header("crit", json!(["x"]))),
    ] {
        assert!(!worth(&forge), "{name}");
    }
}
