//! The key that signs assertions, and the keys that are published.

use std::path::Path;
use std::str;

use bytes::Bytes;
use mcp_bearer::SigningKey;
use mcp_bearer::core::{Algorithm, JwkData, JwksData, VerifyingKey};

use crate::read_file;

/// The key of a PEM file.
pub(super) fn private_key(path: &Path) -> Result<SigningKey, String> {
    let of_file = |why: &str| format!("{}: {why}", path.display());
    let text = read_file::read(path)?;
    let text = str::from_utf8(&text).map_err(|_| of_file("not PEM text"))?;
    let key = SigningKey::from_private_key_pem(text, None);
    let key = key.map_err(|error| of_file(&error.to_string()))?;
    match key.algorithm() {
        Algorithm::Es256 | Algorithm::EdDsa | Algorithm::Ed25519 => Ok(key),
        // An RSA signature takes 30 times as long, for every request.
        other => Err(of_file(&format!(
            "a key for {other}; assertions are signed with ES256 (P-256) or EdDSA (Ed25519), such \
             as by openssl genpkey -algorithm ed25519"
        ))),
    }
}

/// The JWK Set of our key and those of the file. A key that is in both is published once, so that
/// all replicas can have the same file.
pub(super) fn published(own: Option<JwkData>, others: Option<&Path>) -> Result<Bytes, String> {
    let mut keys = Vec::from_iter(own);
    if let Some(path) = others {
        let of_file = |why: String| format!("{}: {why}", path.display());
        let text = read_file::read(path)?;
        let text = str::from_utf8(&text).map_err(|_| of_file("not UTF-8".to_owned()))?;
        let set = JwksData::from_json(text).map_err(|error| of_file(error.to_string()))?;
        for (index, key) in set.keys.into_iter().enumerate() {
            add(&mut keys, key)
                .map_err(|why| of_file(format!("key number {}: {why}", index + 1)))?;
        }
    }
    let json = serde_json::to_vec(&JwksData::new(keys));
    let json = json.map_err(|error| format!("the JWK Set cannot be written: {error}"))?;
    Ok(json.into())
}

fn add(keys: &mut Vec<JwkData>, mut key: JwkData) -> Result<(), String> {
    // Private and secret parameters are refused here: they would be published.
    let parsed = VerifyingKey::from_jwk(&key).map_err(|error| error.to_string())?;
    let thumbprint = parsed.thumbprint();
    let same = |other: &&JwkData| {
        VerifyingKey::from_jwk(other).is_ok_and(|other| other.thumbprint() == thumbprint)
    };
    if keys.iter().any(|other| same(&other)) {
        return Ok(());
    }
    let kid = key.kid.get_or_insert_with(|| thumbprint.to_string());
    if keys.iter().any(|other| other.kid.as_ref() == Some(kid)) {
        return Err(format!("another key already has the kid {kid:?}"));
    }
    keys.push(key);
    Ok(())
}
