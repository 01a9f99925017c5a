//! Keys: no text panics, and what becomes a key prints back to the same key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_bearer_core::{JwkData, JwksData, KeySet, VerifyingKey};

fuzz_target!(|data: &[u8]| {
    as_secret(data);
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
        assert_eq!(text.matches("-----BEGIN").count(), 1);
        assert!(!text.contains("PRIVATE KEY-----"));
    }
    for tag in ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"] {
        let pem = format!("-----BEGIN {tag}-----\n{text}\n-----END {tag}-----\n");
        if let Ok(key) = VerifyingKey::from_pem(&pem) {
            prints_back(&key);
        }
    }
});

/// A secret does not show any of itself, and a key in any wrapping is not a secret.
fn as_secret(data: &[u8]) {
    if let Ok(secret) = VerifyingKey::shared_secret(data) {
        assert!(data.len() >= 32);
        assert_eq!(secret.thumbprint().to_string(), "shared secret");
        let _ = secret.weakness();
    }
    let wrapped = [data, PUBLIC_KEY.as_bytes(), data].concat();
    assert!(VerifyingKey::shared_secret(&wrapped).is_err());
}

const PUBLIC_KEY: &str = "\n-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

fn prints_back(key: &VerifyingKey) {
    let jwk = JwkData::from_key(key).expect("a public key has a JWK");
    assert!(!jwk.is_private());
    let text = serde_json::to_string(&jwk).unwrap();
    let again = VerifyingKey::from_jwk(&JwkData::from_json(&text).unwrap()).unwrap();
    assert_eq!(again.thumbprint(), key.thumbprint());
    assert_eq!(again.describe(), key.describe());
}
