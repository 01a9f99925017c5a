//! Bounded work on a small stack: nesting, dots and length are refused before they cost anything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::thread;

use mcp_bearer_core::{
    Algorithm, Expected, JwkData, KeySet, Limits, Policy, Rejection, RejectionKind, UnixTime,
    UnverifiedToken, VerifyingKey,
};
use mcp_bearer_testkit::{Forge, SigningKey};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;

/// Runs on a thread with a stack of 128 KiB.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(run)
        .unwrap();
    thread.join().unwrap();
}

fn limits() -> Limits {
    Limits::default().with_token_bytes(16 * 1024 * 1024)
}

fn verify(key: &SigningKey, token: &str) -> Result<mcp_bearer_core::AccessToken, Rejection> {
    let policy = Policy::builder(Forge::ISSUER, Forge::AUDIENCE)
        .algorithms([Algorithm::EdDsa])
        .build()
        .unwrap();
    let keys = KeySet::single(VerifyingKey::from_pem(&key.public_pem()).unwrap());
    UnverifiedToken::parse(token, &limits())?.verify(&keys, &policy, UnixTime::from_secs(NOW))
}

fn nested(levels: usize, objects: bool) -> String {
    let (open, close) = if objects {
        (r#"{"a":"#, "}")
    } else {
        ("[", "]")
    };
    let inner = levels - 1;
    format!(r#"{{"x":{}1{}}}"#, open.repeat(inner), close.repeat(inner))
}

#[test]
fn a_hundred_thousand_levels_are_refused() {
    on_a_small_stack(|| {
        let key = SigningKey::ed25519();
        for objects in [false, true] {
            let deep = nested(100_000, objects);
            let in_header = Forge::new(&key, NOW).raw_header(deep.clone()).token();
            let refused = verify(&key, &in_header).unwrap_err();
            assert_eq!(
                refused.to_string().split(" at byte").next(),
                Some("header: nested deeper than 127 levels")
            );
            let in_claims = Forge::new(&key, NOW).raw_claims(deep.clone()).token();
            let refused = verify(&key, &in_claims).unwrap_err();
            assert_eq!(
                refused.to_string().split(" at byte").next(),
                Some("claims: nested deeper than 127 levels")
            );
            // A form that never closes.
            let open = Forge::new(&key, NOW)
                .raw_claims(deep[..deep.len() / 2].to_owned())
                .token();
            assert_eq!(
                verify(&key, &open).unwrap_err().kind(),
                RejectionKind::Malformed
            );
            assert!(JwkData::from_json(&deep).is_err());
            assert!(KeySet::from_jwks_json(&deep).is_err());
        }
    });
}

#[test]
fn a_hundred_thousand_dots_are_refused() {
    on_a_small_stack(|| {
        for token in [
            ".".repeat(100_000),
            "a.".repeat(100_000),
            format!("{}a", ".".repeat(16_000_000)),
        ] {
            let refused = UnverifiedToken::parse(&token, &limits()).unwrap_err();
            assert_eq!(refused.kind(), RejectionKind::Malformed);
            assert!(
                refused
                    .to_string()
                    .contains("segments where a signed token has three")
            );
            let refused = UnverifiedToken::parse(&token, &Limits::default()).unwrap_err();
            assert_eq!(refused.kind(), RejectionKind::TokenTooLarge);
        }
    });
}

#[test]
fn a_megabyte_is_refused_by_its_length() {
    on_a_small_stack(|| {
        let key = SigningKey::ed25519();
        let token = Forge::new(&key, NOW).at_least_bytes(1_000_000).token();
        let refused = UnverifiedToken::parse(&token, &Limits::default()).unwrap_err();
        assert_eq!(refused.kind(), RejectionKind::TokenTooLarge);
        assert!(
            verify(&key, &token).is_ok(),
            "and is let in where the limit is higher"
        );
    });
}

fn deepest(objects: bool) -> (String, String) {
    let deep = nested(127, objects);
    let members = deep[1..deep.len() - 1].to_owned();
    (deep, members)
}

/// The deepest token that is accepted is verified on a small stack, even if a policy looks into the
/// deep claim.
#[test]
fn the_deepest_good_token_is_verified() {
    on_a_small_stack(|| {
        let key = SigningKey::ed25519();
        for objects in [false, true] {
            let (_, members) = deepest(objects);
            let text = Forge::new(&key, NOW)
                .claims_prefix(&format!("{members},"))
                .header_prefix(&format!("{members},"))
                .token();
            let token = verify(&key, &text).unwrap();
            assert_eq!(token.subject(), Some(Forge::SUBJECT));
            assert!(token.claims_json().contains(&members));
            let policy = Policy::builder(Expected::Any, Expected::Any)
                .algorithms([Algorithm::EdDsa])
                .required_claim(
                    "x",
                    [json!(1), json!([]), json!({"a": {"a": [1]}}), json!([[[]]])],
                )
                .build()
                .unwrap();
            let keys = KeySet::single(VerifyingKey::from_pem(&key.public_pem()).unwrap());
            let unverified = UnverifiedToken::parse(&text, &limits()).unwrap();
            let refused = unverified
                .verify(&keys, &policy, UnixTime::from_secs(NOW))
                .unwrap_err();
            assert_eq!(refused.kind(), RejectionKind::ClaimNotAllowed);
        }
    });
}

/// Making a tree of values recurses as deep as the claims do: 127 levels need under 256 KiB without
/// optimization.
#[test]
fn the_deepest_claims_become_values() {
    let run = || {
        let key = SigningKey::ed25519();
        for objects in [false, true] {
            let (deep, members) = deepest(objects);
            let text = Forge::new(&key, NOW)
                .claims_prefix(&format!("{members},"))
                .token();
            let token = verify(&key, &text).unwrap();
            let text = serde_json::to_string(&token.claims()["x"]).unwrap();
            assert!(deep.contains(&text));
            assert!(token.claim::<Value>("x").unwrap().is_some());
        }
    };
    let thread = thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(run)
        .unwrap();
    thread.join().unwrap();
}

/// Wide, not deep: many members, many elements, long names with escapes. Linear work, so this ends
/// at once.
#[test]
fn wide_claims_are_read_in_linear_time() {
    let key = SigningKey::ed25519();
    let list = |count: usize, item: &dyn Fn(usize) -> String| {
        (0..count).map(item).collect::<Vec<_>>().join(",")
    };
    let wide = [
        format!("\"x\":[{}],", list(60_000, &|n| n.to_string())),
        format!("{},", list(30_000, &|n| format!("\"n{n}\":{n}"))),
        format!("{},", list(30_000, &|n| format!("\"\\u006e{n}\":\"\\n\""))),
        format!(
            "\"x\":{{{}}},",
            list(30_000, &|n| format!("\"\\u006e{n}\":{n}"))
        ),
        format!(
            "\"x\":[{}],",
            list(15_000, &|n| format!("{{\"a\":{n},\"b\":[{{}}]}}"))
        ),
        format!(
            "\"x\":[{}],",
            list(100, &|_| format!(
                "{{{}}}",
                list(24, &|n| format!("\"{}{n}\\u0061\":0", "y".repeat(500)))
            ))
        ),
        format!("\"{}\":1,", "\\u0061".repeat(60_000)),
        format!("\"x\":{},", "9".repeat(300)),
        format!("\"x\":0.{},", "9".repeat(1_000_000)),
    ];
    for members in wide {
        let token = Forge::new(&key, NOW).claims_prefix(&members).token();
        let token =
            verify(&key, &token).unwrap_or_else(|refused| panic!("{}: {refused}", &members[..20]));
        assert_eq!(token.subject(), Some(Forge::SUBJECT));
    }
}

#[test]
fn a_set_of_a_hundred_large_keys_is_read() {
    let key = SigningKey::shared_rsa_2048();
    let mut jwk = key.jwk();
    jwk["x5c"] = serde_json::json!(["A".repeat(4000)]);
    let text = serde_json::json!({ "keys": vec![jwk; 100] }).to_string();
    assert_eq!(KeySet::from_jwks_json(&text).unwrap().len(), 100);
    let too_long = format!("{text}{}", " ".repeat(Limits::JWKS_BYTES));
    assert!(
        KeySet::from_jwks_json(&too_long)
            .unwrap_err()
            .to_string()
            .contains("bytes")
    );
}
