//! What a verified token contains, and what is checked again when it is kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use mcp_bearer_core::{
    AccessToken, Algorithm, ClaimErrorKind, KeySet, Limits, NumericDate, Policy, RejectionKind,
    Scopes, UnixTime, UnverifiedToken, VerifyingKey,
};
use mcp_bearer_testkit::{Forge, SigningKey};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;

fn key() -> SigningKey {
    use std::sync::OnceLock;
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(SigningKey::ed25519).clone()
}

fn forge() -> Forge {
    Forge::new(&key(), NOW)
}

fn policy() -> Policy {
    builder().build().unwrap()
}

fn builder() -> mcp_bearer_core::PolicyBuilder {
    Policy::builder(Forge::ISSUER, Forge::AUDIENCE).algorithms([Algorithm::EdDsa])
}

fn keys() -> KeySet {
    KeySet::single(VerifyingKey::from_pem(&key().public_pem()).unwrap())
}

fn verified(forge: &Forge) -> AccessToken {
    let token = forge.token();
    let unverified = UnverifiedToken::parse(&token, &Limits::default()).unwrap();
    unverified
        .verify(&keys(), &policy(), UnixTime::from_secs(NOW))
        .unwrap()
}

#[test]
fn it_says_what_the_token_says() {
    let forge = forge()
        .audience(json!(["x", Forge::AUDIENCE]))
        .claim("azp", "app")
        .claim("exp", 1_800_000_100.5)
        .scope("a b");
    let token = verified(&forge);
    assert_eq!(token.token(), forge.token());
    assert_eq!(token.issuer(), Some(Forge::ISSUER));
    assert_eq!(token.subject(), Some(Forge::SUBJECT));
    assert_eq!(token.client_id(), Some("app"));
    assert_eq!(token.client_id_or_subject(), "app");
    assert_eq!(token.audiences(), ["x", Forge::AUDIENCE]);
    assert_eq!(token.scopes().as_str(), "a b");
    let expires_at = NumericDate::from_secs_f64(1_800_000_100.5);
    assert_eq!(token.expires_at(), Some(expires_at));
    assert_eq!(token.algorithm(), Algorithm::EdDsa);
    let own = VerifyingKey::from_pem(&key().public_pem()).unwrap();
    assert_eq!(token.key_thumbprint(), own.thumbprint());
    assert_eq!(token.claims_json().as_bytes(), forge.claims_bytes());
    assert_eq!(
        Value::Object(token.claims()),
        serde_json::from_slice::<Value>(&forge.claims_bytes()).unwrap()
    );
    assert!(token.memory_bytes() > token.token().len() + token.claims_json().len());
    assert!(token.is_same(&token.clone()) && !token.is_same(&verified(&forge)));
}

#[test]
fn escaped_identities_are_what_they_mean() {
    let token = verified(
        &forge()
            .without_claim("sub")
            .without_claim("iss")
            .claims_prefix(r#""sub":"\u0061\/b\ud83d\ude00","iss":"https:\/\/idp.example.com\/","client_id":"\u0063","#),
    );
    assert_eq!(token.subject(), Some("a/b😀"));
    assert_eq!(token.issuer(), Some(Forge::ISSUER));
    assert_eq!(token.client_id(), Some("c"));
}

#[test]
fn the_client_falls_back_to_the_subject_and_to_unknown() {
    assert_eq!(verified(&forge()).client_id_or_subject(), Forge::SUBJECT);
    assert_eq!(
        verified(&forge().without_claim("sub")).client_id_or_subject(),
        "unknown"
    );
}

#[test]
fn a_claim_is_read_into_the_callers_type() {
    let token = verified(
        &forge()
            .claim("n", 7)
            .claim("f", 1.5)
            .claim("list", json!(["a", "b"]))
            .claim("map", json!({"a": 1, "b": 2}))
            .claim("none", Value::Null)
            .claim("long", "x".repeat(1000)),
    );
    assert_eq!(token.claim::<u8>("n").unwrap(), Some(7));
    assert_eq!(token.claim::<f64>("f").unwrap(), Some(1.5));
    assert_eq!(
        token.claim::<Vec<String>>("list").unwrap(),
        Some(vec!["a".into(), "b".into()])
    );
    assert_eq!(
        token
            .claim::<BTreeMap<String, i64>>("map")
            .unwrap()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(token.claim::<Option<u8>>("none").unwrap(), Some(None));
    assert_eq!(token.claim::<u8>("missing").unwrap(), None);
    let error = token.claim::<u8>("list").unwrap_err();
    assert_eq!(error.kind(), ClaimErrorKind::WrongType);
    assert!(token.claim::<u8>("none").is_err());
    let error = token.claim::<u8>("long").unwrap_err().to_string();
    assert!(error.len() < 200 && error.ends_with("..."), "{error}");
    assert_eq!(
        token.claim::<String>("sub").unwrap().as_deref(),
        Some(Forge::SUBJECT)
    );
}

#[test]
fn names_that_a_json_library_reserves_are_never_given_a_meaning() {
    for name in [
        "$serde_json::private::Number",
        "$serde_json::private::RawValue",
    ] {
        for value in [
            json!({name: "1"}),
            json!([{"a": {name: "[1]"}}]),
            json!({"a": [{name: 1}]}),
        ] {
            let token = verified(&forge().claim("x", value.clone()));
            assert!(token.claim::<Value>("x").is_err());
            let text = serde_json::to_string(&token.claims()["x"]).unwrap();
            assert_eq!(text, value.to_string(), "the map holds what was signed");
        }
        let escaped = format!(r#""x":{{"\u0024{}":"1"}},"#, &name[1..]);
        let token = verified(&forge().claims_prefix(&escaped));
        let error = token.claim::<Value>("x").unwrap_err();
        assert_eq!(error.kind(), ClaimErrorKind::ReservedName);
        // They do not count as a date, a string or a scope either.
        for claim in ["exp", "iat", "sub", "iss", "aud", "client_id"] {
            let text = forge().claim(claim, json!({name: "1800003600"})).token();
            let unverified = UnverifiedToken::parse(&text, &Limits::default()).unwrap();
            let refused = unverified
                .verify(&keys(), &policy(), UnixTime::from_secs(NOW))
                .unwrap_err();
            assert_eq!(refused.kind(), RejectionKind::InvalidClaim, "{claim}");
        }
        let token = verified(&forge().claim("scope", json!({name: "\"read\""})));
        assert!(token.scopes().is_empty());
    }
}

#[test]
fn a_refusal_for_scopes_shows_what_the_token_holds() {
    let token = verified(&forge().without_claim("scope").claim("scp", json!(["a b"])));
    let refused = token.require_scopes(&"a".parse().unwrap()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        r#"the operation needs the scopes "a", the token lacks "a": claim "scope" is absent, claim "scp" holds ["a b"]"#
    );
}

#[test]
fn scopes_are_required_with_their_implications() {
    let text = forge().scope("admin x").token();
    let policy = builder()
        .scope_implies("admin", ["write"])
        .scope_implies("write", ["read"])
        .build()
        .unwrap();
    let unverified = UnverifiedToken::parse(&text, &Limits::default()).unwrap();
    let token = unverified
        .verify(&keys(), &policy, UnixTime::from_secs(NOW))
        .unwrap();
    let ask = |text: &str| token.require_scopes(&text.parse::<Scopes>().unwrap());
    assert!(ask("").is_ok() && ask("x").is_ok() && ask("read write admin").is_ok());
    let refused = ask("read y z").unwrap_err();
    assert_eq!(refused.kind(), RejectionKind::InsufficientScope);
    assert_eq!(refused.required_scopes().unwrap().as_str(), "read y z");
    assert_eq!(refused.missing_scopes().unwrap().as_str(), "y z");
    assert!(token.has_scope("read") && !token.has_scope("rea") && !token.has_scope(""));
}

#[test]
fn a_kept_token_is_checked_for_its_times_again() {
    let at = |token: &AccessToken, policy: &Policy, seconds: i64| {
        let now = UnixTime::from_secs(NOW.checked_add_signed(seconds).unwrap());
        token
            .recheck_time(policy, now)
            .map_err(|refused| refused.kind())
    };
    let (plain, issued_now) = (policy(), verified(&forge()));
    assert_eq!(at(&issued_now, &plain, 0), Ok(()));
    assert_eq!(at(&issued_now, &plain, 3659), Ok(()));
    assert_eq!(at(&issued_now, &plain, 3660), Err(RejectionKind::Expired));
    assert_eq!(at(&issued_now, &plain, -60), Ok(()));
    let refused = Err(RejectionKind::NotYetValid);
    assert_eq!(at(&issued_now, &plain, -61), refused, "a clock set back");
    let early = builder().accept_tokens_issued_in_the_future();
    assert_eq!(at(&issued_now, &early.build().unwrap(), -61), Ok(()));
    let begun = verified(&forge().issued_in(-1000).not_before_in(-10));
    assert_eq!(at(&begun, &plain, -70), Ok(()));
    assert_eq!(at(&begun, &plain, -71), refused);
    let aged = builder().max_age(Duration::from_secs(100)).build().unwrap();
    assert_eq!(at(&issued_now, &aged, 160), Ok(()));
    assert_eq!(at(&issued_now, &aged, 161), Err(RejectionKind::TooOld));
}

#[test]
fn a_kept_token_is_checked_for_its_key_again() {
    let named = forge().kid("k");
    let token = verified(&named);
    let set =
        |keys: &[Value]| KeySet::from_jwks_json(&json!({ "keys": keys }).to_string()).unwrap();
    let own = key().with_kid("k");
    let other = SigningKey::ed25519().with_kid("k");
    assert!(token.recheck_key(&keys()), "a single key ignores kid");
    assert!(token.recheck_key(&set(&[own.jwk()])));
    assert!(token.recheck_key(&set(&[other.jwk(), own.jwk()])));
    for (why, keys) in [
        ("removed", set(&[])),
        ("another key under its kid", set(&[other.jwk()])),
        ("under another kid", set(&[own.clone().with_kid("x").jwk()])),
        (
            "no longer for signatures",
            set(&[own.clone().with_use("enc").jwk()]),
        ),
        (
            "no longer for this algorithm",
            set(&[own.clone().with_alg("RS256").jwk()]),
        ),
        (
            "unavailable",
            KeySet::unavailable("x", Duration::from_secs(1)),
        ),
    ] {
        assert!(!token.recheck_key(&keys), "{why}");
    }
    let nameless = verified(&forge().without_header("kid"));
    assert!(nameless.recheck_key(&set(&[own.jwk()])));
    assert!(nameless.recheck_key(&set(&[other.jwk(), own.jwk()])));
    assert!(!nameless.recheck_key(&set(&[other.jwk()])), "removed");
    let strangers: Vec<Value> = (0..4).map(|_| SigningKey::ed25519().jwk()).collect();
    let five = [&strangers[..], &[own.jwk()]].concat();
    assert!(!nameless.recheck_key(&set(&five)), "more than are tried");
}

#[test]
fn debug_and_errors_hold_no_token() {
    let forge = forge().claim("x", "y");
    let token = verified(&forge);
    let text = forge.token();
    let shown = format!("{token:?}");
    for segment in text.split('.') {
        assert!(!shown.contains(segment), "{shown}");
    }
    let unverified = UnverifiedToken::parse(&text, &Limits::default()).unwrap();
    let shown = format!("{unverified:?}");
    assert_eq!(
        shown,
        format!(
            "UnverifiedToken {{ algorithm: Some(EdDsa), bytes: {}, .. }}",
            text.len()
        )
    );
}

#[test]
fn what_may_be_looked_at_before_trust() {
    let text = forge().kid("k\u{e9}").token();
    let unverified = UnverifiedToken::parse(&text, &Limits::default()).unwrap();
    assert_eq!(unverified.algorithm(), Some(Algorithm::EdDsa));
    assert_eq!(unverified.kid().as_deref(), Some("k\u{e9}"));
    assert_eq!(unverified.claimed_issuer().as_deref(), Some(Forge::ISSUER));
    let text = forge()
        .header("kid", 1)
        .header("alg", "none")
        .claim("iss", 7)
        .token();
    let unverified = UnverifiedToken::parse(&text, &Limits::default()).unwrap();
    assert_eq!(unverified.algorithm(), None);
    assert_eq!(unverified.kid(), None);
    assert_eq!(unverified.claimed_issuer(), None);
    let text = forge().without_header("kid").raw_claims("[]").token();
    let unverified = UnverifiedToken::parse(&text, &Limits::default()).unwrap();
    assert_eq!(
        (unverified.kid(), unverified.claimed_issuer()),
        (None, None)
    );
}

#[test]
fn a_parsed_token_can_be_tried_again_with_other_keys() {
    let text = forge().token();
    let unverified = UnverifiedToken::parse(&text, &Limits::default()).unwrap();
    let now = UnixTime::from_secs(NOW);
    let none = KeySet::from_jwks_json(r#"{"keys":[]}"#).unwrap();
    assert_eq!(
        unverified.verify(&none, &policy(), now).unwrap_err().kind(),
        RejectionKind::UnknownKey
    );
    assert!(unverified.verify(&keys(), &policy(), now).is_ok());
}

#[test]
fn times_at_the_ends_of_what_now_can_be() {
    let text = forge().without_claim("iat").token();
    let unverified = UnverifiedToken::parse(&text, &Limits::default()).unwrap();
    let at = |now| {
        unverified
            .verify(&keys(), &policy(), now)
            .map(|_| ())
            .map_err(|refused| refused.kind())
    };
    assert_eq!(
        at(UnixTime::from(Duration::MAX)),
        Err(RejectionKind::Expired)
    );
    assert_eq!(
        at(UnixTime::EPOCH),
        Ok(()),
        "neither nbf nor iat, so the past is no reason to refuse"
    );
    for forge in [forge(), forge().without_claim("iat").not_before_in(0)] {
        let text = forge.token();
        let unverified = UnverifiedToken::parse(&text, &Limits::default()).unwrap();
        let refused = unverified
            .verify(&keys(), &policy(), UnixTime::EPOCH)
            .unwrap_err();
        assert_eq!(refused.kind(), RejectionKind::NotYetValid);
    }
}

#[test]
fn a_token_is_send_and_sync() {
    fn travels<T: Send + Sync + Clone + 'static>() {}
    travels::<AccessToken>();
    travels::<KeySet>();
    travels::<Policy>();
}

#[test]
fn a_token_can_be_bound_to_one_body() {
    // The SHA-256 of "{}" and of nothing.
    let (braces, nothing) = (
        "RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o",
        "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
    );
    let check = |forge: Forge, body: &str| {
        let checked = verified(&forge).require_body_hash(body.as_bytes());
        checked.map_err(|rejection| rejection.kind())
    };
    let bound = |hash: &str| forge().claim(AccessToken::BODY_HASH_CLAIM, hash);
    assert_eq!(check(bound(braces), "{}"), Ok(()));
    assert_eq!(check(bound(nothing), ""), Ok(()));
    let (missing, other) = (RejectionKind::MissingClaim, RejectionKind::ClaimNotAllowed);
    for body in ["", "{} ", "[]", "{}\n"] {
        assert_eq!(check(bound(braces), body), Err(other), "{body:?}");
    }
    assert_eq!(check(forge(), "{}"), Err(missing));
    assert_eq!(check(forge(), ""), Ok(()), "there is nothing to bind");
    let null = || forge().claim(AccessToken::BODY_HASH_CLAIM, Value::Null);
    assert_eq!(
        (check(null(), "{}"), check(null(), "")),
        (Err(missing), Ok(()))
    );
    // Other spellings of the same hash: padded, base64, hexadecimal, with trailing bits.
    for spelling in [
        format!("{braces}="),
        braces.replace('-', "+").replace('_', "/"),
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a".to_owned(),
        braces.replace("_4o", "_4p"),
        format!(" {braces}"),
        String::new(),
    ] {
        assert_eq!(check(bound(&spelling), "{}"), Err(other), "{spelling}");
    }
    for wrong in [
        json!([braces]),
        json!(1),
        json!(true),
        json!({"$serde_json::x": 1}),
    ] {
        let forge = forge().claim(AccessToken::BODY_HASH_CLAIM, wrong);
        assert_eq!(check(forge.clone(), "{}"), Err(RejectionKind::InvalidClaim));
        assert_eq!(check(forge, ""), Err(RejectionKind::InvalidClaim));
    }
}

#[test]
fn a_derived_value_is_made_once_per_verification_and_freed_with_it() {
    use std::sync::Arc;
    let token = verified(&forge());
    let shown = token.derived(|token| token.subject().map(str::to_owned));
    assert_eq!(shown, Some(&Some(Forge::SUBJECT.to_owned())));
    let again = token.clone();
    let again = again.derived(|_| -> Option<String> { panic!("made twice") });
    assert_eq!(again, shown);
    assert_eq!(token.derived(|_| 7_u8), None, "another type");
    let other = verified(&forge());
    let value = Arc::new(());
    assert!(other.derived(|_| Arc::clone(&value)).is_some());
    let clone = other.clone();
    drop(other);
    assert_eq!(Arc::strong_count(&value), 2);
    drop(clone);
    assert_eq!(Arc::strong_count(&value), 1);
}

/// A handler may be called inside `catch_unwind` with the token.
#[test]
fn a_token_may_cross_threads_and_panics() {
    fn is_safe<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static>() {}
    is_safe::<AccessToken>();
}
