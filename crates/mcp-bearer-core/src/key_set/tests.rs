//! Which keys a set uses, and which it skips.

use std::sync::Arc;
use std::time::Duration;

use mcp_bearer_testkit::{SigningKey, weak_keys};
use serde_json::json;

use super::KeySet;
use crate::algorithm::Algorithm;
use crate::jwk::JwksData;
use crate::limits::Limits;
use crate::rejection::RejectionKind;
use crate::signature::VerifyingKey;

fn set(keys: &[serde_json::Value]) -> KeySet {
    KeySet::from_jwks_json(&json!({ "keys": keys }).to_string()).unwrap()
}

#[test]
fn unusable_keys_are_skipped_with_their_place_and_reason() {
    let mut keys = weak_keys::all();
    let weak = keys.len();
    keys.insert(2, SigningKey::ed25519().with_kid("good").jwk());
    keys.push(json!(7));
    keys.push(json!({"kty": "RSA", "kid": "k".repeat(1000)}));
    let set = set(&keys);
    assert_eq!(set.len(), 1);
    assert!(!set.is_empty() && set.has_kid("good"));
    assert_eq!(set.skipped().len(), weak + 2);
    let mut places: Vec<usize> = set.skipped().iter().map(|skipped| skipped.number).collect();
    places.push(3);
    places.sort_unstable();
    assert_eq!(places, (1..=keys.len()).collect::<Vec<_>>());
    for skipped in set.skipped() {
        assert!(!skipped.reason.is_empty());
        let shown = skipped.to_string();
        assert!(
            shown.starts_with(&format!("key number {}", skipped.number)),
            "{shown}"
        );
        assert!(shown.len() < 400, "{shown}");
    }
    let long = set.skipped().last().unwrap();
    assert_eq!(
        long.kid.as_ref().unwrap().chars().count(),
        Limits::SHOWN_CHARS
    );
}

#[test]
fn a_key_whose_alg_contradicts_its_type_is_not_usable() {
    for (key, alg) in [
        (SigningKey::shared_rsa_2048(), "ES256"),
        (SigningKey::shared_rsa_2048(), "HS256"),
        (SigningKey::ec_p256(), "ES384"),
        (SigningKey::ed25519(), "RS256"),
    ] {
        let set = set(&[key.with_kid("k").with_alg(alg).jwk()]);
        assert!(set.is_empty() && !set.has_kid("k"), "{alg}");
        let reason = &set.skipped()[0].reason;
        assert!(
            reason.contains(alg) && reason.contains("its type"),
            "{reason}"
        );
    }
}

#[test]
fn a_fault_in_one_key_spoils_no_other() {
    let good = SigningKey::ec_p256().with_kid("good").jwk();
    for bad in [
        r#"{"kty":"EC","kty":"EC"}"#,
        r#"{"kty":"EC","a":{"b":1,"\u0062":2}}"#,
        r#"{"kty":"EC","a":1e999}"#,
    ] {
        let text = format!("\u{feff}{{\"keys\":[{bad},{good}],\"x\":{{\"y\":1,\"y\":2}}}}");
        let set = KeySet::from_jwks_json(&text).unwrap();
        assert!(set.len() == 1 && set.has_kid("good"), "{bad}");
        assert_eq!(set.skipped().len(), 1);
    }
    let twice = format!(r#"{{"keys":[{good}],"keys":[]}}"#);
    assert!(KeySet::from_jwks_json(&twice).is_err());
}

#[test]
fn a_shared_secret_is_skipped_as_such() {
    let set = set(&[weak_keys::oct(), json!({"kty": "oct", "kid": "no-k"})]);
    for skipped in set.skipped() {
        assert!(skipped.reason.contains("shared secret"), "{skipped}");
    }
    assert_eq!(set.skipped().len(), 2);
}

#[test]
fn a_set_without_usable_keys_is_a_set() {
    assert!(set(&[]).is_empty());
    assert_eq!(set(&weak_keys::all()).len(), 0);
    assert!(KeySet::from_jwks_json("{}").is_err());
    assert!(KeySet::from_jwks_json("").is_err());
}

#[test]
fn a_set_from_data_is_the_set_from_text() {
    let keys = [
        SigningKey::ed25519().jwk(),
        SigningKey::shared_rsa_2048().jwk(),
    ];
    let text = json!({ "keys": keys }).to_string();
    let data = JwksData::from_json(&text).unwrap();
    let (one, other) = (
        KeySet::from_jwks_json(&text).unwrap(),
        KeySet::from_jwks(&data),
    );
    assert_eq!(
        one.keys().collect::<Vec<_>>(),
        other.keys().collect::<Vec<_>>()
    );
}

#[test]
fn at_most_four_keys_are_candidates() {
    let keys: Vec<_> = (0..7)
        .map(|_| SigningKey::ed25519().with_kid("same").jwk())
        .collect();
    let set = set(&keys);
    assert_eq!(set.len(), 7);
    let lent = set.candidates(Algorithm::EdDsa, Some("same")).unwrap();
    assert_eq!((lent.iter().count(), Limits::KEY_CANDIDATES), (4, 4));
    let kind = |kid| {
        set.candidates(Algorithm::EdDsa, kid)
            .map(|_| ())
            .unwrap_err()
            .kind()
    };
    assert_eq!(kind(None), RejectionKind::AmbiguousKey);
    assert_eq!(kind(Some("other")), RejectionKind::UnknownKey);
    assert_eq!(kind(Some("")), RejectionKind::UnknownKey);
}

#[test]
fn copies_of_a_key_do_not_hide_another() {
    let (one, other) = (
        SigningKey::ed25519().with_kid("k").jwk(),
        SigningKey::ed25519().with_kid("k").jwk(),
    );
    let mut keys = vec![one; 20];
    keys.push(other);
    let set = set(&keys);
    assert_eq!(
        set.candidates(Algorithm::EdDsa, Some("k"))
            .unwrap()
            .iter()
            .count(),
        2
    );
    let without_kid = set.candidates(Algorithm::EdDsa, None).unwrap();
    assert_eq!(without_kid.iter().count(), 2);
}

#[test]
fn a_token_that_names_no_key_is_tried_with_up_to_four() {
    let keys = |count: usize| -> KeySet {
        let key = |index: usize| SigningKey::ed25519().with_kid(format!("k{index}")).jwk();
        set(&(0..count).map(key).collect::<Vec<_>>())
    };
    for count in 1..=4 {
        let set = keys(count);
        let found = set.candidates(Algorithm::EdDsa, None).unwrap();
        assert_eq!(found.iter().count(), count);
    }
    let refused = keys(5)
        .candidates(Algorithm::EdDsa, None)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(refused.kind(), RejectionKind::AmbiguousKey);
    // Keys of other types do not count.
    let mut many: Vec<_> = (0..6).map(|_| SigningKey::ec_p256().jwk()).collect();
    many.push(SigningKey::ed25519().jwk());
    let found = set(&many);
    let found = found.candidates(Algorithm::EdDsa, None).unwrap();
    assert_eq!(found.iter().count(), 1);
}

#[test]
fn a_single_key_serves_any_kid_but_only_its_type() {
    let key = VerifyingKey::from_pem(&SigningKey::ec_p256().public_pem()).unwrap();
    let set = KeySet::single(key.clone());
    for kid in [None, Some(""), Some("x")] {
        assert_eq!(
            set.candidates(Algorithm::Es256, kid)
                .unwrap()
                .iter()
                .count(),
            1
        );
        for algorithm in Algorithm::ALL
            .into_iter()
            .filter(|other| *other != Algorithm::Es256)
        {
            assert!(set.candidates(algorithm, kid).is_err(), "{algorithm}");
        }
    }
    assert!(!set.has_kid(""));
    assert_eq!(set.len(), 1);
    let other = VerifyingKey::from_pem(&SigningKey::ec_p256().public_pem()).unwrap();
    assert!(set.has_thumbprint(key.thumbprint()) && !set.has_thumbprint(other.thumbprint()));
    assert_eq!(set.keys().next().unwrap().thumbprint, key.thumbprint());
    assert_eq!(set.verifying_keys().count(), 1);
}

#[test]
fn an_unavailable_set_says_why_and_when() {
    let set = KeySet::unavailable("connection refused", Duration::from_secs(9));
    let rejection = set
        .candidates(Algorithm::Rs256, None)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::KeysUnavailable);
    assert_eq!(rejection.retry_after(), Some(Duration::from_secs(9)));
    assert!(rejection.to_string().contains("connection refused"));
    assert!(set.is_empty() && set.keys().next().is_none() && set.skipped().is_empty());
}

#[test]
fn both_names_of_ed25519_serve_a_key_bound_to_either() {
    for bound in ["EdDSA", "Ed25519"] {
        let set = set(&[SigningKey::ed25519().with_kid("k").with_alg(bound).jwk()]);
        for algorithm in [Algorithm::EdDsa, Algorithm::Ed25519] {
            assert!(
                set.candidates(algorithm, Some("k")).is_ok(),
                "{bound} {algorithm}"
            );
        }
    }
}

#[test]
fn a_shown_kid_is_quoted() {
    let set = set(&[json!({"kty": "X", "kid": "a\r\nb\u{202e}"})]);
    assert!(
        set.skipped()[0]
            .to_string()
            .starts_with(r#"key number 1 ("a\r\nb\u{202e}"): "#)
    );
    let rejection = set
        .candidates(Algorithm::Rs256, Some("x\ny"))
        .map(|_| ())
        .unwrap_err();
    assert!(rejection.to_string().contains(r#""x\ny""#));
}

/// 31 bytes of x where the field has 32: the key of the whole coordinate, with a note.
#[test]
fn a_coordinate_without_its_leading_zeros_is_padded_and_noted() {
    let whole = json!({"kty": "EC", "crv": "P-256", "kid": "k",
        "x": "APHN0bXznReAkzNcqQdrkNqwMWoR6300CrLOneLvpfM",
        "y": "dQz9poyACU8bDixlSEv4XTLy5v59wh91d_BkhWKinlo"});
    let mut short = whole.clone();
    short["x"] = json!("8c3RtfOdF4CTM1ypB2uQ2rAxahHrfTQKss6d4u-l8w");
    let (whole, short) = (set(&[whole]), set(&[short]));
    let (whole, short) = (whole.keys().next().unwrap(), short.keys().next().unwrap());
    assert_eq!(short.thumbprint, whole.thumbprint);
    assert_eq!(whole.note, None);
    assert!(short.note.is_some_and(|note| note.contains("padded")));
}

/// To find out whether a set was withdrawn on purpose, a caller must be able to distinguish a sound
/// key for another purpose from a broken one.
#[test]
fn a_skipped_key_reports_the_kind_of_its_fault() {
    use crate::signature::KeyErrorKind as Kind;
    let rsa = || SigningKey::shared_rsa_2048();
    let with = |name: &str, value: serde_json::Value| {
        let mut jwk = rsa().jwk();
        jwk[name] = value;
        jwk
    };
    let mut broken_encryption_key = rsa().with_use("enc").jwk();
    broken_encryption_key["n"] = json!("AQAB=");
    for (jwk, kind) in [
        (rsa().with_use("enc").jwk(), Kind::WrongPurpose),
        (rsa().with_alg("RSA-OAEP").jwk(), Kind::WrongPurpose),
        (with("key_ops", json!(["encrypt"])), Kind::WrongPurpose),
        (json!({"kty": "AKP"}), Kind::Unsupported),
        (json!({"kty": "EC", "crv": "secp256k1"}), Kind::Unsupported),
        (json!({"kty": "OKP", "crv": "X25519"}), Kind::Unsupported),
        (weak_keys::oct(), Kind::Private),
        (with("d", json!("AQAB")), Kind::Private),
        (with("n", json!("AQAB")), Kind::Weak),
        (with("n", json!("AQAB=")), Kind::Malformed),
        (with("n", json!(7)), Kind::Malformed),
        (with("alg", json!("ES256")), Kind::Malformed),
        (with("kid", json!(7)), Kind::Malformed),
        (json!({"kty": "EC"}), Kind::Malformed),
        (json!({"use": "enc"}), Kind::Malformed),
        (json!(7), Kind::Malformed),
        (broken_encryption_key, Kind::Malformed),
    ] {
        let set = set(std::slice::from_ref(&jwk));
        assert_eq!(set.skipped()[0].kind, kind, "{jwk}: {}", set.skipped()[0]);
    }
}

#[test]
fn a_set_withdraws_every_key_when_each_is_well_formed_and_for_something_else() {
    let rsa = || SigningKey::shared_rsa_2048().with_kid("rsa");
    let mut encrypt_only = rsa().jwk();
    encrypt_only["key_ops"] = json!(["encrypt", "wrapKey"]);
    let something_else = [
        rsa().with_use("enc").jwk(),
        rsa().with_alg("RSA-OAEP").jwk(),
        encrypt_only,
        SigningKey::ec_p256().with_use("enc").jwk(),
        SigningKey::ed25519().with_alg("ECDH-ES").jwk(),
        weak_keys::x25519(),
        weak_keys::akp(),
        weak_keys::oct(),
        weak_keys::secp256k1(),
        weak_keys::ed448(),
        weak_keys::unknown_kty(),
    ];
    assert!(set(&[]).is_withdrawal());
    for jwk in &something_else {
        assert!(set(std::slice::from_ref(jwk)).is_withdrawal(), "{jwk}");
    }
    assert!(set(&something_else).is_withdrawal());

    let mut broken_and_for_encryption = weak_keys::rsa_bad_base64();
    broken_and_for_encryption["use"] = json!("enc");
    let mut private = rsa().with_use("enc").jwk();
    private["d"] = json!("AQAB");
    for jwk in [
        rsa().jwk(),
        rsa().with_alg("ES256").jwk(),
        rsa().with_use("sig").jwk(),
        broken_and_for_encryption,
        private,
        weak_keys::rsa_1024(),
        weak_keys::rsa_without_modulus(),
        weak_keys::p256_off_curve(),
        weak_keys::ed25519_short(),
        weak_keys::without_kty(),
        weak_keys::kty_not_a_string(),
        json!({ "kty": "" }),
        json!({ "kty": "EC", "use": "enc" }),
        json!({ "kty": "RSA", "use": ["enc"] }),
        json!("a key"),
    ] {
        assert!(!set(std::slice::from_ref(&jwk)).is_withdrawal(), "{jwk}");
        let among_others = [something_else.to_vec(), vec![jwk]].concat();
        assert!(!set(&among_others).is_withdrawal());
    }
    assert!(!KeySet::unavailable("down", Duration::ZERO).is_withdrawal());
}

#[test]
fn an_unknown_key_is_refused_with_the_kids_that_are_held() {
    let key = |kid: &str| SigningKey::ed25519().with_kid(kid).jwk();
    let why = |keys: &[serde_json::Value], algorithm: Algorithm, kid: Option<&str>| {
        set(keys)
            .candidates(algorithm, kid)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let some = [key("a"), SigningKey::ed25519().without_kid().jwk()];
    let many: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(key).into();
    let weak = [key("a"), weak_keys::rsa_1024()];
    let weak_kid = weak[1]["kid"].as_str().unwrap();
    let eddsa = Algorithm::EdDsa;
    for (text, expected) in [
        (why(&[], eddsa, Some("x")), r#"no key "x" for EdDSA among the 0 held"#.to_owned()),
        (
            why(&some, eddsa, Some("x")),
            r#"no key "x" for EdDSA among the 2 held: "a", one without kid"#.to_owned(),
        ),
        (
            why(&many, eddsa, Some("x\n")),
            r#"no key "x\n" for EdDSA among the 6 held: "a", "b", "c", "d" and 2 more"#.to_owned(),
        ),
        (
            why(&some, Algorithm::Rs256, None),
            r#"no key for RS256 among the 2 held: "a", one without kid"#.to_owned(),
        ),
        (
            why(&some, Algorithm::Rs256, Some("a")),
            r#"no key "a" for RS256 among the 2 held: "a", one without kid; key number 1 has this kid and is OKP Ed25519"#
                .to_owned(),
        ),
        (
            why(&weak, Algorithm::Rs256, Some(weak_kid)),
            format!(
                r#"no key {weak_kid:?} for RS256 among the 1 held: "a"; key number 2 ({weak_kid:?}): the RSA modulus has 1024 bits, at least 2048 are needed (RFC 7518 section 3.3)"#
            ),
        ),
    ] {
        assert_eq!(text, expected);
    }
    let long = vec![key(&"k".repeat(10_000)); 5];
    let text = why(&long, Algorithm::Rs256, Some(&"x".repeat(10_000)));
    assert!(text.len() < 500, "{} bytes", text.len());
    let pem = VerifyingKey::from_pem(&SigningKey::ed25519().public_pem()).unwrap();
    let single = KeySet::single(pem);
    let refused = single.candidates(Algorithm::Rs256, Some("x"));
    let text = refused.map(|_| ()).unwrap_err().to_string();
    assert_eq!(text, r#"no key "x" for RS256 among the 1 held"#);
}

#[test]
fn numbers_distinguish_two_keys_with_one_kid() {
    let keys = [
        weak_keys::oct(),
        SigningKey::ed25519().with_kid("same").jwk(),
        SigningKey::ec_p256().with_kid("same").jwk(),
    ];
    let set = set(&keys);
    let numbers: Vec<_> = set.keys().map(|info| (info.number, info.kid)).collect();
    let same = || Some("same".to_owned());
    assert_eq!(numbers, [(Some(2), same()), (Some(3), same())]);
    assert_eq!(set.skipped()[0].number, 1);
}

#[test]
fn debug_shows_no_secret_and_no_private_key() {
    let (k, d) = (
        "c2VjcmV0LXNlY3JldC1zZWNyZXQ",
        "cHJpdmF0ZS1wcml2YXRlLXByaXZhdGU",
    );
    let set = set(&[
        json!({ "kty": "oct", "kid": "a", "k": k }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": SigningKey::ed25519().jwk()["x"], "d": d }),
        SigningKey::ed25519().with_kid("good").jwk(),
    ]);
    let secret = VerifyingKey::shared_secret(b"correct-horse-battery-staple-1234567890").unwrap();
    let both = KeySet::with_shared_secret(&Arc::new(set.clone()), &secret).unwrap();
    for shown in [format!("{set:?}"), format!("{both:#?}")] {
        // It is hidden by this crate, and not by a dependency that may change.
        assert!(shown.contains("PublishedText("), "{shown}");
        for hidden in [k, d, "correct-horse"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
