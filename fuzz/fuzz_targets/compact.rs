//! Tokens: any text is refused without a panic, what parses is canonical, and signed claims are
//! accepted only if they say what the policy demands.
#![no_main]

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use mcp_bearer_core::{Algorithm, KeySet, Limits, Policy, UnixTime, UnverifiedToken, VerifyingKey};
use mcp_bearer_testkit::{Forge, SigningKey};
use serde_json::Value;

const NOW: u64 = 1_800_000_000;
const SECRET: [u8; 32] = [7; 32];

struct Door {
    key: SigningKey,
    keys: KeySet,
    policy: Policy,
}

static DOOR: LazyLock<Door> = LazyLock::new(|| Door {
    key: SigningKey::hmac(SECRET),
    keys: KeySet::single(VerifyingKey::shared_secret(&SECRET).unwrap()),
    policy: Policy::builder("i", "a")
        .algorithms([Algorithm::Hs256])
        .build()
        .unwrap(),
});

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        unsigned(text);
    }
    let plain = br#"{"alg":"HS256"}"#;
    match data.iter().position(|byte| *byte == 0) {
        Some(at) => signed(&data[..at], &data[at + 1..]),
        None => signed(plain, data),
    }
    // Good claims, and what the fuzzer adds.
    signed(&[b"{\"alg\":\"HS256\",", data, b"}"].concat(), GOOD_CLAIMS);
    let good = GOOD_CLAIMS.strip_suffix(b"}").unwrap();
    signed(plain, &[good, b",", data, b"}"].concat());
});

const GOOD_CLAIMS: &[u8] = br#"{"iss":"i","aud":"a","exp":1800003600}"#;

/// The fuzzer does not know the secret, so nothing it writes may be accepted.
fn unsigned(text: &str) {
    let Ok(token) = UnverifiedToken::parse(text, &Limits::default()) else {
        return;
    };
    let segments: Vec<&str> = text.split('.').collect();
    assert_eq!(segments.len(), 3);
    for segment in segments {
        let bytes = URL_SAFE_NO_PAD.decode(segment).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(bytes),
            segment,
            "it prints back to itself"
        );
    }
    let _ = (token.kid(), token.algorithm(), token.claimed_issuer());
    let _ = token.choose_issuer([("i", ())]);
    let now = UnixTime::from_secs(NOW);
    let _ = token.worth_a_fetch(&DOOR.policy, now);
    let refused = token.verify(&DOOR.keys, &DOOR.policy, now).unwrap_err();
    assert!(refused.to_string().len() < 2000);
}

/// The fuzzer's header and claims, signed.
fn signed(header: &[u8], claims: &[u8]) {
    let forge = Forge::new(&DOOR.key, NOW)
        .raw_header(header)
        .raw_claims(claims);
    let text = forge.token();
    let now = UnixTime::from_secs(NOW);
    let unverified = match UnverifiedToken::parse(&text, &Limits::default()) {
        Ok(unverified) => unverified,
        Err(refused) => {
            // Every byte string has one spelling, and that spelling is read.
            let why = refused.to_string();
            let empty = header.is_empty() || claims.is_empty();
            assert!(empty || !why.contains("segment"), "{why}");
            return;
        }
    };
    let Ok(token) = unverified.verify(&DOOR.keys, &DOOR.policy, now) else {
        return;
    };
    assert!(unverified.worth_a_fetch(&DOOR.policy, now));
    let tree: Value = serde_json::from_slice(claims).expect("what we accept is JSON");
    let header: Value = serde_json::from_slice(header).expect("what we accept is JSON");
    assert_eq!(Value::Object(token.claims()), tree);
    assert_eq!(header["alg"], "HS256");
    assert!(header.get("crit").is_none());
    assert_eq!(tree["iss"], "i");
    let is_audience = |value: &Value| value == "a";
    assert!(is_audience(&tree["aud"]) || tree["aud"].as_array().unwrap().iter().any(is_audience));
    assert!(tree["exp"].as_f64().unwrap() > NOW as f64 - 60.001);
    assert!(
        tree.get("nbf")
            .is_none_or(|nbf| nbf.as_f64().unwrap() < NOW as f64 + 60.001)
    );
    let issued_at = tree.get("iat").map(|iat| iat.as_f64().unwrap());
    assert!(issued_at.is_none_or(|iat| iat < NOW as f64 + 60.001));
    let declared = header["typ"].as_str().unwrap_or_default();
    if !declared.to_ascii_lowercase().ends_with("at+jwt") {
        for mark in ["at_hash", "c_hash", "s_hash", "events"] {
            assert!(tree[mark].is_null(), "{mark}");
        }
    }
    assert!(tree["token_use"].is_null() || tree["token_use"] == "access");
    assert!(tree["cnf"].is_null());
    let sub = &tree["sub"];
    assert!(sub.is_null() || sub.is_string());
    assert_eq!(token.subject(), sub.as_str());
    let claims = [&tree["scope"], &tree["scp"]];
    let scopes = claims.into_iter().find(|claim| !claim.is_null());
    for scope in token.scopes().iter() {
        let whole = match scopes {
            Some(Value::String(text)) => text.split(' ').any(|name| name == scope),
            Some(Value::Array(names)) => names.iter().any(|name| name == scope),
            _ => false,
        };
        assert!(whole, "{scope:?} out of {scopes:?}");
    }
}
