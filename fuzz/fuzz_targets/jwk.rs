//! Keys: no text panics, and what becomes a key prints back to the same key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_bearer_core::{JwkData, JwksData, KeySet, VerifyingKey};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(jwk) = JwkData::from_json(text) {
        let _ = format!("{jwk:?}");
        if let Ok(key) = VerifyingKey::from_jwk(&jwk) {
            prints_back(&key);
        }
    }
    if let Ok(set) = KeySet::from_jwks_json(text) {
        set.verifying_keys().for_each(prints_back);
        for skipped in set.skipped() {
            assert!(skipped.to_string().len() < 2000);
        }
    }
    let _ = JwksData::from_json(text);
    if let Ok(key) = VerifyingKey::from_pem(text) {
        prints_back(&key);
    }
    for tag in ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"] {
        let pem = format!("-----BEGIN {tag}-----\n{text}\n-----END {tag}-----\n");
        if let Ok(key) = VerifyingKey::from_pem(&pem) {
            prints_back(&key);
        }
    }
});

fn prints_back(key: &VerifyingKey) {
    let jwk = JwkData::from_key(key).expect("a public key has a JWK");
    assert!(!jwk.is_private());
    let text = serde_json::to_string(&jwk).unwrap();
    let again = VerifyingKey::from_jwk(&JwkData::from_json(&text).unwrap()).unwrap();
    assert_eq!(again.thumbprint(), key.thumbprint());
    assert_eq!(again.describe(), key.describe());
}
