//! A refusal, and the answer that the peer gets.

use mcp_bearer::config::Limits;
use mcp_bearer::core::{Scopes, UnverifiedToken};
use mcp_bearer::http::{Challenge, ChallengeContext};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::make_provider::UNTIL_FIXED;
use crate::verifier::Verifier;

/// Why a token is refused. It contains nothing of the token that could help an attacker.
#[pyclass(frozen, module = "mcp_bearer._native")]
#[derive(Debug)]
pub(crate) struct Rejection(mcp_bearer::Rejection);

impl From<mcp_bearer::Rejection> for Rejection {
    fn from(rejection: mcp_bearer::Rejection) -> Self {
        Self(rejection)
    }
}

#[pymethods]
impl Rejection {
    /// `insufficient_scope`, for scopes that were compared in Python; `None` when all are held.
    #[staticmethod]
    fn insufficient_scope(required: Vec<String>, held: Vec<String>) -> PyResult<Option<Self>> {
        let missing: Vec<&String> = required
            .iter()
            .filter(|scope| !held.contains(scope))
            .collect();
        if missing.is_empty() {
            return Ok(None);
        }
        let missing = scopes(missing)?;
        Ok(Some(Self(mcp_bearer::Rejection::insufficient_scope(
            scopes(&required)?,
            missing,
        ))))
    }

    /// `malformed`, for what is not text, and for tokens that Python refuses after they were
    /// verified.
    #[staticmethod]
    fn malformed() -> PyResult<Self> {
        match UnverifiedToken::parse("", &Limits::default()) {
            Ok(_) => Err(PyValueError::new_err("an empty token is well formed")),
            Err(rejection) => Ok(Self(rejection)),
        }
    }

    /// `keys_unavailable`, for a provider that only its operator can fix.
    #[staticmethod]
    fn unusable(why: String) -> Self {
        Self(mcp_bearer::Rejection::keys_unavailable(why, UNTIL_FIXED))
    }

    /// The stable name of the reason, such as `expired`.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.kind().as_str()
    }

    /// One sentence for operators.
    #[getter]
    fn detail(&self) -> String {
        self.0.to_string()
    }

    /// Whether the operator or the issuer is at fault, not the token.
    #[getter]
    fn is_service_fault(&self) -> bool {
        self.0.kind().fault() == mcp_bearer::core::Fault::Service
    }

    /// The HTTP status.
    #[getter]
    fn status(&self) -> u16 {
        Challenge::status_of(self.0.kind())
    }

    /// Seconds until a request can start another fetch of keys.
    #[getter]
    fn retry_after(&self) -> Option<u64> {
        self.0.retry_after().map(|after| after.as_secs())
    }

    /// With `insufficient_scope`: what the operation needs.
    #[getter]
    fn required_scopes(&self) -> Vec<String> {
        names(self.0.required_scopes())
    }

    /// With `insufficient_scope`: what the token lacks.
    #[getter]
    fn missing_scopes(&self) -> Vec<String> {
        names(self.0.missing_scopes())
    }

    /// `(status, WWW-Authenticate, Retry-After, body)`, with what clients of this verifier must
    /// request.
    #[pyo3(signature = (required, resource_metadata, verifier=None))]
    fn challenge(
        &self,
        required: Vec<String>,
        resource_metadata: Option<&str>,
        verifier: Option<&Verifier>,
    ) -> PyResult<(u16, Option<String>, Option<u64>, String)> {
        let required = scopes(&required)?;
        let context = ChallengeContext {
            scopes: Some(&required),
            requested: verifier.and_then(Verifier::requested_scopes),
            resource_metadata,
        };
        let challenge = Challenge::new(&self.0, &context);
        Ok((
            challenge.status,
            challenge.www_authenticate,
            challenge.retry_after,
            challenge.body,
        ))
    }
}

fn names(scopes: Option<&Scopes>) -> Vec<String> {
    scopes
        .map(|scopes| scopes.iter().map(str::to_owned).collect())
        .unwrap_or_default()
}

/// Names as a list of scopes (RFC 6749 section 3.3).
pub(crate) fn scopes<'a>(names: impl IntoIterator<Item = &'a String>) -> PyResult<Scopes> {
    Scopes::from_names(names.into_iter().map(String::as_str))
        .map_err(|error| PyValueError::new_err(format!("scopes: {error}")))
}
