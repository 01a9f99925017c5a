//! Key pairs that sign test tokens.

use mcp_bearer::{RsaKeyPair, TokenRequest};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::{Map, Value};

/// `(private, public)`, both in PEM.
#[pyfunction]
pub(crate) fn generate_key_pair(py: Python<'_>) -> PyResult<(String, String)> {
    let pair = py
        .detach(RsaKeyPair::generate)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok((
        pair.private_key_pem().to_owned(),
        pair.public_key_pem().to_owned(),
    ))
}

/// A token signed with RS256. `claims` is a JSON object whose members override the others.
#[pyfunction]
#[pyo3(signature = (private_key, *, subject, issuer, expires_in_seconds, claims, kid))]
pub(crate) fn create_token(
    py: Python<'_>,
    private_key: &str,
    subject: String,
    issuer: String,
    expires_in_seconds: i64,
    claims: &str,
    kid: Option<String>,
) -> PyResult<String> {
    let wrong = |error: String| PyValueError::new_err(error);
    let claims: Map<String, Value> = serde_json::from_str(claims)
        .map_err(|error| wrong(format!("additional_claims: {error}")))?;
    let mut request = TokenRequest::new()
        .subject(subject)
        .issuer(issuer)
        .expires_in_seconds(expires_in_seconds);
    for (name, value) in claims {
        request = request.claim(name, value);
    }
    if let Some(kid) = kid {
        request = request.kid(kid);
    }
    py.detach(|| RsaKeyPair::from_private_key_pem(private_key)?.create_token(&request))
        .map_err(|error| wrong(error.to_string()))
}
