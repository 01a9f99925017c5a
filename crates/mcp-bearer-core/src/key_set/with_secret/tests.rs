//! Which key verifies which algorithm, and when HMAC is off.

use std::time::Duration;

use mcp_bearer_testkit::SigningKey;
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "correct-horse-battery-staple-1234567890";

fn secret() -> VerifyingKey {
    VerifyingKey::shared_secret(SECRET.as_bytes()).unwrap()
}

fn beside(public: KeySet) -> KeySet {
    KeySet::with_shared_secret(&Arc::new(public), &secret()).unwrap()
}

fn published(keys: &[Value]) -> KeySet {
    KeySet::from_jwks_json(&json!({ "keys": keys }).to_string()).unwrap()
}

fn chosen(set: &KeySet, algorithm: Algorithm, kid: Option<&str>) -> Vec<bool> {
    let candidates = set.candidates(algorithm, kid).unwrap();
    candidates.iter().map(VerifyingKey::is_secret).collect()
}

#[test]
fn each_algorithm_belongs_to_one_kind() {
    let key = SigningKey::ec_p256().with_kid("a");
    let set = beside(published(&[key.jwk()]));
    assert_eq!(set.len(), 2);
    assert_eq!(set.keys().count(), 2);
    assert_eq!(set.verifying_keys().count(), 2);
    assert!(set.has_kid("a") && !set.is_withdrawal() && !set.publishes_the_secret());
    for kid in [None, Some("a"), Some("b")] {
        assert_eq!(chosen(&set, Algorithm::Hs256, kid), [true]);
    }
    assert_eq!(chosen(&set, Algorithm::Es256, Some("a")), [false]);
    // 39 bytes are too few for HS512.
    for (algorithm, kid) in [
        (Algorithm::Hs512, None),
        (Algorithm::Es256, Some("b")),
        (Algorithm::Rs256, None),
    ] {
        let kind = set.candidates(algorithm, kid).unwrap_err().kind();
        assert_eq!(kind, RejectionKind::UnknownKey);
    }
}

#[test]
fn a_secret_of_the_set_itself_never_serves() {
    let other =
        VerifyingKey::shared_secret(b"another secret that is long enough for HS256").unwrap();
    let set = beside(KeySet::single(other.clone()));
    let candidates = set.candidates(Algorithm::Hs256, None).unwrap();
    let thumbprints: Vec<_> = candidates.iter().map(VerifyingKey::thumbprint).collect();
    assert_eq!(thumbprints, [secret().thumbprint()]);
    // A second one does not join the first either.
    let again = KeySet::with_shared_secret(&Arc::new(set), &other).unwrap();
    let candidates = again.candidates(Algorithm::Hs256, None).unwrap();
    assert_eq!(candidates.count(), 1);
    assert_eq!(candidates.iter().next(), Some(&other));
}

#[test]
fn a_set_that_holds_the_secret_switches_hmac_off_and_nothing_else() {
    let key = SigningKey::ec_p256();
    let leaks = [
        SigningKey::hmac(SECRET).jwk(),
        json!({ "kty": "oct", "k": SECRET }),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "note": SECRET }),
        json!("a string where a key should be: correct-horse-battery-staple-1234567890"),
    ];
    for leak in leaks {
        let set = beside(published(&[key.jwk(), leak]));
        assert!(set.publishes_the_secret());
        assert_eq!(set.len(), 1);
        let refused = set.candidates(Algorithm::Hs256, None).unwrap_err();
        assert_eq!(refused.kind(), RejectionKind::UnknownKey);
        let text = refused.to_string();
        assert!(
            text.contains("switched off") && !text.contains("correct"),
            "{text}"
        );
        assert_eq!(chosen(&set, Algorithm::Es256, None), [false]);
        assert!(!format!("{set:?}").contains("battery"), "{set:?}");
    }
    let apart = r#"{"keys":[],"x":"correct-horse-battery-staple-1234567890"}"#;
    assert!(beside(KeySet::from_jwks_json(apart).unwrap()).publishes_the_secret());
    let jwks = crate::JwksData::from_json(
        &json!({ "keys": [SigningKey::hmac(SECRET).jwk()] }).to_string(),
    );
    assert!(beside(KeySet::from_jwks(&jwks.unwrap())).publishes_the_secret());
}

/// Bytes that look random, although they are public.
#[test]
fn the_contents_of_a_public_key_are_no_secret_beside_it() {
    let rsa = SigningKey::shared_rsa_2048();
    let ed = SigningKey::ed25519();
    let text = |key: &SigningKey, name: &str| key.jwk()[name].as_str().unwrap().as_bytes().to_vec();
    let secrets = [
        (&rsa, text(&rsa, "n")),
        (
            &rsa,
            crate::base64url::decode(std::str::from_utf8(&text(&rsa, "n")).unwrap()).unwrap(),
        ),
        (&rsa, rsa.thumbprint().into_bytes()),
        (&ed, text(&ed, "x")),
        (&ed, ed.public_bytes()),
    ];
    for (key, public) in secrets {
        let secret = VerifyingKey::shared_secret(&public).unwrap();
        let pem = KeySet::single(VerifyingKey::from_pem(&key.public_pem()).unwrap());
        for set in [published(&[key.jwk()]), pem] {
            let set = KeySet::with_shared_secret(&Arc::new(set), &secret).unwrap();
            assert!(set.publishes_the_secret(), "{public:?}");
        }
    }
}

#[test]
fn without_a_set_both_kinds_are_unavailable() {
    let set = beside(KeySet::unavailable("down", Duration::from_secs(1)));
    assert!(set.is_empty());
    for algorithm in [Algorithm::Hs256, Algorithm::Es256] {
        let kind = set.candidates(algorithm, None).unwrap_err().kind();
        assert_eq!(kind, RejectionKind::KeysUnavailable);
    }
    // A set without keys counts as known.
    let empty = beside(published(&[]));
    assert_eq!((empty.len(), empty.is_withdrawal()), (1, true));
    assert_eq!(chosen(&empty, Algorithm::Hs256, None), [true]);
}

#[test]
fn a_public_key_is_no_secret() {
    let key = VerifyingKey::from_pem(&SigningKey::ec_p256().public_pem()).unwrap();
    let error = KeySet::with_shared_secret(&Arc::new(published(&[])), &key).unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::NotASecret);
}
