//! The token in pasted JSON: that of a token response, or the only one in it.

use serde_json::{Map, Value};

use super::{Finding, is_whole, the_one_inside};

pub(super) fn token(text: &str, findings: &mut Vec<Finding>) -> Result<String, String> {
    let Ok(Value::Object(object)) = serde_json::from_str(text) else {
        return inside(text, findings);
    };
    let member = |name: &str| object.get(name).and_then(Value::as_str);
    if let Some(token) = member("access_token") {
        let beside = ["id_token", "refresh_token"];
        let others = beside.into_iter().filter(|name| member(name).is_some());
        findings.push(Finding::TokenResponse {
            others: others.collect(),
        });
        return Ok(token.trim().to_owned());
    }
    if let Some(token) = member("id_token") {
        findings.push(Finding::IdentityToken);
        return Ok(token.trim().to_owned());
    }
    if let Some(what) = other_document(&object) {
        return Err(what);
    }
    inside(text, findings)
}

/// Known JSON that is not a token.
fn other_document(object: &Map<String, Value>) -> Option<String> {
    let has = |name: &str| object.contains_key(name);
    if let Some(error) = object.get("error").and_then(Value::as_str) {
        let error: String = error.chars().take(64).collect();
        return Some(format!(
            "the error {error:?} of an authorization server (RFC 6749 section 5.2), not a token"
        ));
    }
    let what = if has("keys") {
        "a JWK Set, not a token; give it with --jwks"
    } else if has("kty") {
        "a JWK, not a token; a set of it, {\"keys\":[...]}, goes with --jwks"
    } else if has("payload") && (has("signature") || has("signatures")) {
        "a token in the JSON serialization of JWS (RFC 7515 section 7.2), which bearer tokens do not use; ask for the compact form"
    } else if has("ciphertext") {
        "an encrypted token in the JSON serialization of JWE, which bearer tokens do not use"
    } else if has("issuer") && has("jwks_uri") {
        "the metadata of an issuer, not a token"
    } else if has("iss") || has("sub") || has("exp") {
        "the claims of a token, not the token"
    } else if has("alg") {
        "the header of a token, not the token"
    } else {
        return None;
    };
    Some(what.to_owned())
}

/// Other JSON, or a piece of a response.
fn inside(text: &str, findings: &mut Vec<Finding>) -> Result<String, String> {
    match the_one_inside(text)? {
        Some(token) if is_whole(token) => {
            findings.push(Finding::Inside(super::Source::Text));
            Ok(token.to_owned())
        }
        _ => Err("JSON without an access_token in it".to_owned()),
    }
}
