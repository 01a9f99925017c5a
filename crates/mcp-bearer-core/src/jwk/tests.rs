//! JWKs on the wire (RFC 7517): what is read, what is kept, what becomes a key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_bearer_testkit::{SigningKey, weak_keys};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{JwkData, JwksData};
use crate::limits::Limits;
use crate::signature::VerifyingKey;

fn read(text: &str) -> JwkData {
    JwkData::from_json(text).unwrap()
}

fn print(jwk: &JwkData) -> Value {
    serde_json::from_str(&serde_json::to_string(jwk).unwrap()).unwrap()
}

/// RFC 7517 appendix A.1.
const APPENDIX_A1: &str = r#"{"keys":[
  {"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
   "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},
  {"kty":"RSA",
   "n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
   "e":"AQAB","alg":"RS256","kid":"2011-04-29"}]}"#;

#[test]
fn rfc_7517_appendix_a1() {
    let jwks = JwksData::from_json(APPENDIX_A1).unwrap();
    assert_eq!(jwks.keys.len(), 2);
    assert_eq!(jwks.keys[0].use_.as_deref(), Some("enc"));
    assert_eq!(
        VerifyingKey::from_jwk(&jwks.keys[0]).unwrap().describe(),
        "EC P-256"
    );
    let rsa = VerifyingKey::from_jwk(&jwks.keys[1]).unwrap();
    assert_eq!(rsa.describe(), "RSA 2048 bits");
    let printed: Value = serde_json::from_str(&serde_json::to_string(&jwks).unwrap()).unwrap();
    assert_eq!(printed, serde_json::from_str::<Value>(APPENDIX_A1).unwrap());
    // The set of section A.1 has one usable key: the other is for encryption.
    let set = crate::key_set::KeySet::from_jwks_json(APPENDIX_A1).unwrap();
    assert_eq!((set.len(), set.skipped().len()), (1, 1));
    assert!(set.has_kid("2011-04-29") && !set.has_kid("1"));
}

/// RFC 7517 appendix A.2 has private keys, A.3 shared secrets: read, and never made into a
/// verifying key.
#[test]
fn rfc_7517_appendix_a2_and_a3() {
    for text in [
        r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","use":"enc","kid":"1"}"#,
        r#"{"kty":"oct","alg":"A128KW","k":"GawgguFyGrWKav7AX4VKUg"}"#,
        r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow","kid":"HMAC key used in JWS spec Appendix A.1 example"}"#,
    ] {
        let jwk = read(text);
        assert!(jwk.is_private());
        let why = VerifyingKey::from_jwk(&jwk).unwrap_err().to_string();
        for secret in ["870MB6gf", "GawgguFy", "AyM1Sys"] {
            assert!(!why.contains(secret) && !format!("{jwk:?}").contains(secret));
        }
    }
}

#[test]
fn every_private_member_is_noticed() {
    let public = SigningKey::shared_rsa_2048().jwk();
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        for value in [json!("AQAB"), json!(" "), json!(0), json!([1]), json!({})] {
            let mut jwk = public.clone();
            jwk[name] = value;
            let jwk = read(&jwk.to_string());
            assert!(
                jwk.is_private() && VerifyingKey::from_jwk(&jwk).is_err(),
                "{name}"
            );
        }
    }
    assert!(!read(&public.to_string()).is_private());
    // As written by programs that write every member that they know.
    let mut padded = public;
    for name in ["d", "p", "q", "oth", "k", "x5c", "x5t", "crv", "x", "y"] {
        padded[name] = Value::Null;
    }
    let jwk = read(&padded.to_string());
    assert!(!jwk.is_private() && VerifyingKey::from_jwk(&jwk).is_ok());
    assert_eq!(print(&jwk), padded);
}

#[test]
fn a_member_that_a_key_does_not_need_cannot_spoil_it() {
    let public = SigningKey::ec_p256().jwk();
    for (name, value) in [
        ("x5c", json!("MIIB")),
        ("x5c", json!([1])),
        ("x5t", json!(1)),
        ("n", json!({})),
        ("e", json!(65537)),
    ] {
        let mut jwk = public.clone();
        jwk[name] = value;
        let read = read(&jwk.to_string());
        assert!(VerifyingKey::from_jwk(&read).is_ok(), "{name}");
        assert_eq!(print(&read), jwk);
    }
    for name in ["x", "y", "crv"] {
        let mut jwk = public.clone();
        jwk[name] = json!(1);
        let why = VerifyingKey::from_jwk(&read(&jwk.to_string())).unwrap_err();
        let why = why.to_string();
        assert!(
            why.contains(&format!("{name:?} is missing or not a string")),
            "{why}"
        );
    }
}

#[test]
fn every_member_is_kept() {
    let text = r#"{"kty":"X","kid":"k","use":"u","key_ops":["a","b"],"alg":"A","n":"1","e":"2","crv":"c","x":"3","y":"4","x5c":["5"],"x5t":"6","x5t#S256":"7","zzz":{"a":[1,null,{"b":1.5}]},"nbf":1,"":true}"#;
    assert_eq!(
        print(&read(text)),
        serde_json::from_str::<Value>(text).unwrap()
    );
    assert_eq!(print(&read(r#"{"kty":""}"#)), json!({"kty": ""}));
}

#[test]
fn members_of_a_wrong_type_are_refused() {
    for name in ["kty", "kid", "use", "alg"] {
        for value in ["1", "false", "true", "[]", "{}", r#"["x"]"#] {
            let text = if name == "kty" {
                format!("{{\"kty\":{value}}}")
            } else {
                format!("{{\"kty\":\"RSA\",\"{name}\":{value}}}")
            };
            let why = JwkData::from_json(&text).unwrap_err().to_string();
            assert!(
                why.contains(&format!("{name:?} is not a string")),
                "{text}: {why}"
            );
        }
    }
    {
        let name = "key_ops";
        for value in ["1", "false", r#""x""#, "{}", "[1]", "[null]", r#"["x",[]]"#] {
            let why = JwkData::from_json(&format!("{{\"kty\":\"RSA\",\"{name}\":{value}}}"))
                .unwrap_err()
                .to_string();
            assert!(why.contains("array of strings"), "{value}: {why}");
        }
    }
    for text in [
        "",
        "[]",
        "null",
        "{}",
        r#"{"kty":"RSA"}x"#,
        r#"{"kty":"RSA","kty":"EC"}"#,
        r#"{"kty":"RSA","\u006b\u0069d":"a","kid":"b"}"#,
        r#"{"kty":"\ud800"}"#,
        r#"{"kty":"RSA","x":1e999}"#,
    ] {
        assert!(JwkData::from_json(text).is_err(), "{text}");
    }
}

/// As .NET writes them.
#[test]
fn empty_private_members_do_not_count_and_others_do() {
    let public = SigningKey::shared_rsa_2048().jwk();
    for (name, value, private) in [
        ("d", json!(""), false),
        ("oth", json!([]), false),
        ("d", json!([]), true),
        ("oth", json!(""), true),
        ("oth", json!({}), true),
        ("p", json!(""), true),
        ("k", json!(""), true),
        ("priv", json!(""), true),
    ] {
        let mut jwk = public.clone();
        jwk[name] = value.clone();
        let jwk = read(&jwk.to_string());
        assert_eq!(jwk.is_private(), private, "{name} {value}");
        assert_eq!(VerifyingKey::from_jwk(&jwk).is_err(), private);
        assert_eq!(print(&jwk)[name], value, "what was read is printed");
    }
}

#[test]
fn null_counts_as_absent_except_in_what_makes_the_key() {
    let good = SigningKey::ec_p256().without_kid().jwk();
    let with_null = |name: &str| {
        let mut jwk = good.clone();
        jwk[name] = Value::Null;
        jwk.to_string()
    };
    for name in [
        "use", "key_ops", "alg", "kid", "x5c", "x5t", "d", "oth", "priv", "exp",
    ] {
        let jwk = read(&with_null(name));
        assert!(VerifyingKey::from_jwk(&jwk).is_ok(), "{name}");
        assert_eq!(print(&jwk)[name], Value::Null, "{name} is kept as it was");
        let set = json!({"keys": [serde_json::from_str::<Value>(&with_null(name)).unwrap()]});
        let set = crate::key_set::KeySet::from_jwks_json(&set.to_string()).unwrap();
        assert_eq!(set.len(), 1, "{name}");
        assert_eq!(set.keys().next().unwrap().kid, None, "{name}");
    }
    for name in ["x", "y", "crv"] {
        let jwk = read(&with_null(name));
        assert!(VerifyingKey::from_jwk(&jwk).is_err(), "{name}");
    }
    assert!(JwkData::from_json(&with_null("kty")).is_err());
}

#[test]
fn weak_and_unknown_keys_are_refused_each_with_a_reason() {
    for weak in weak_keys::all() {
        let error = JwkData::from_json(&weak.to_string())
            .and_then(|jwk| VerifyingKey::from_jwk(&jwk))
            .unwrap_err();
        let why = error.to_string();
        assert!(
            !why.is_empty() && !why.ends_with('.') && why.len() < 200,
            "{weak}: {why}"
        );
    }
    let long = "x".repeat(10_000);
    for text in [
        format!(r#"{{"kty":"{long}"}}"#),
        format!(r#"{{"kty":"EC","crv":"{long}"}}"#),
    ] {
        let why = VerifyingKey::from_jwk(&read(&text))
            .unwrap_err()
            .to_string();
        assert!(why.len() < 200, "{} bytes", why.len());
    }
}

#[test]
fn parameters_are_strict_base64url() {
    let good = SigningKey::ed25519().jwk();
    let x = good["x"].as_str().unwrap().to_owned();
    for bad in [
        format!("{x}="),
        format!(" {x}"),
        format!("{x}\n"),
        x.replace(|_| true, "+"),
        String::new(),
        format!("{x}A"),
        "é".into(),
    ] {
        let mut jwk = good.clone();
        jwk["x"] = json!(bad);
        assert!(
            VerifyingKey::from_jwk(&read(&jwk.to_string())).is_err(),
            "{bad:?}"
        );
    }
    let mut jwk = good;
    jwk.as_object_mut().unwrap().remove("x");
    assert!(
        VerifyingKey::from_jwk(&read(&jwk.to_string()))
            .unwrap_err()
            .to_string()
            .contains("\"x\" is missing")
    );
}

#[test]
fn a_set_is_strict_in_its_form() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":"x"}"#,
        r#"{"Keys":[]}"#,
        "<html></html>",
        r#"{"keys":["#,
        r#"{"keys":[]} x"#,
        r#"{"keys":[],"keys":[]}"#,
    ] {
        assert!(JwksData::from_json(text).is_err(), "{text}");
    }
    assert!(
        JwksData::from_json(r#"{"keys":[]}"#)
            .unwrap()
            .keys
            .is_empty()
    );
    assert!(JwksData::from_json(r#"{"keys":[],"other":[1]}"#).is_ok());
    for (inner, place) in [
        ("1", 1),
        ("null", 1),
        (r#"{"kty":"RSA"},[]"#, 2),
        (r#"{"kty":"RSA"},{}"#, 2),
    ] {
        let why = JwksData::from_json(&format!(r#"{{"keys":[{inner}]}}"#))
            .unwrap_err()
            .to_string();
        assert!(why.starts_with(&format!("key number {place}: ")), "{why}");
    }
    let many = |count: usize| {
        format!(
            r#"{{"keys":[{}]}}"#,
            vec![r#"{"kty":"X"}"#; count].join(",")
        )
    };
    assert_eq!(
        JwksData::from_json(&many(Limits::JWKS_KEYS))
            .unwrap()
            .keys
            .len(),
        100
    );
    assert!(
        JwksData::from_json(&many(Limits::JWKS_KEYS + 1))
            .unwrap_err()
            .to_string()
            .contains("101 keys")
    );
    let filled = |bytes: usize| {
        let rest = bytes - r#"{"keys":[],"x":""}"#.len();
        format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(rest))
    };
    assert!(JwksData::from_json(&filled(Limits::JWKS_BYTES)).is_ok());
    assert!(JwksData::from_json(&filled(Limits::JWKS_BYTES + 1)).is_err());
}

#[test]
fn a_key_prints_back_to_the_same_key() {
    for key in [
        SigningKey::shared_rsa_2048(),
        SigningKey::shared_rsa_4096(),
        SigningKey::ec_p256(),
        SigningKey::ec_p384(),
        SigningKey::ec_p521(),
        SigningKey::ed25519(),
    ] {
        let jwk = read(&key.without_kid().jwk().to_string());
        let verifying = VerifyingKey::from_jwk(&jwk).unwrap();
        let printed = JwkData::from_key(&verifying).unwrap();
        assert_eq!(printed, jwk);
        assert_eq!(VerifyingKey::from_jwk(&printed).unwrap(), verifying);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        let _ = JwkData::from_json(&text);
        let _ = JwksData::from_json(&text);
        let _ = crate::key_set::KeySet::from_jwks_json(&text);
        let _ = VerifyingKey::from_pem(&text);
        let _ = VerifyingKey::from_pem(&format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----"));
    }

    #[test]
    fn any_der_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), tag in prop_oneof!["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"]) {
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        let _ = VerifyingKey::from_pem(&format!("-----BEGIN {tag}-----\n{text}\n-----END {tag}-----\n"));
    }

    #[test]
    fn a_changed_certificate_is_read_without_a_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let der = SigningKey::shared_rsa_2048().public_der();
        let mut der = der;
        let at = at.index(der.len());
        der[at] = byte;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let _ = VerifyingKey::from_pem(&format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"));
    }

    /// Random parameters: what becomes a key prints back to the same key.
    #[test]
    fn what_is_accepted_prints_back(
        shape in 0..5_usize,
        n in proptest::collection::vec(any::<u8>(), 250..1030),
        e in proptest::collection::vec(any::<u8>(), 0..6),
        x in proptest::collection::vec(any::<u8>(), 30..34),
    ) {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = match shape {
            0 | 1 => json!({"kty": "RSA", "n": b64(&n), "e": b64(&e)}),
            2 => json!({"kty": "RSA", "n": b64(&[&[0], &n[..], &[1]].concat()), "e": "AQAB"}),
            3 => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(&x)}),
            _ => json!({"kty": "EC", "crv": "P-256", "x": b64(&x), "y": b64(&x)}),
        };
        if let Ok(key) = VerifyingKey::from_jwk(&read(&jwk.to_string())) {
            let printed = JwkData::from_key(&key).unwrap();
            prop_assert_eq!(VerifyingKey::from_jwk(&printed).unwrap(), key);
        }
    }
}
