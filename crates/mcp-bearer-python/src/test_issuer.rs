//! The issuer for tests, wrapped by `python/mcp_bearer/testing.py`.

use std::io;

use mcp_bearer::Algorithm;
use mcp_bearer::testing::{TestIssuer as Issuer, TokenFault};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use serde_json::{Map, Value};

/// An issuer that stops when the object is deleted.
#[pyclass(frozen, module = "mcp_bearer._native")]
pub(crate) struct TestIssuer(Issuer);

/// The name of each fault, and the kind of its rejection.
pub(crate) fn token_faults() -> Vec<(&'static str, &'static str)> {
    TokenFault::ALL
        .iter()
        .map(|fault| (fault.as_str(), fault.rejection_kind().as_str()))
        .collect()
}

#[pymethods]
impl TestIssuer {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        py.detach(Issuer::start).map(Self).map_err(failed)
    }

    #[getter]
    fn url(&self) -> &str {
        self.0.url()
    }

    #[getter]
    fn jwks_uri(&self) -> String {
        self.0.jwks_uri()
    }

    #[getter]
    fn key_requests(&self) -> usize {
        self.0.key_requests()
    }

    fn rotate(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.0.rotate()).map_err(failed)
    }

    fn go_down(&self) {
        self.0.go_down();
    }

    fn come_back(&self) {
        self.0.come_back();
    }

    /// `claims` is a JSON object whose members override the others.
    #[pyo3(signature = (*, algorithm, expires_in_seconds, claims, without_claims, fault))]
    fn create_token(
        &self,
        py: Python<'_>,
        algorithm: &str,
        expires_in_seconds: i64,
        claims: &str,
        without_claims: Vec<String>,
        fault: Option<&str>,
    ) -> PyResult<String> {
        let wrong = |text: String| PyValueError::new_err(text);
        let claims: Map<String, Value> = serde_json::from_str(claims)
            .map_err(|error| wrong(format!("additional_claims: {error}")))?;
        let algorithm: Algorithm = algorithm.parse().map_err(|_| {
            wrong(format!(
                "algorithm: {algorithm:?} is not the name of an algorithm"
            ))
        })?;
        let mut token = self
            .0
            .token("")
            .algorithm(algorithm)
            .expires_in_seconds(expires_in_seconds);
        for (name, value) in claims {
            token = token.claim(name, value);
        }
        for name in without_claims {
            token = token.without_claim(&name);
        }
        if let Some(name) = fault {
            let fault = TokenFault::ALL
                .into_iter()
                .find(|fault| fault.as_str() == name);
            token = token.fault(
                fault
                    .ok_or_else(|| wrong(format!("fault: {name:?} is not the name of a fault")))?,
            );
        }
        py.detach(|| token.sign()).map_err(failed)
    }
}

fn failed(error: io::Error) -> PyErr {
    if error.kind() == io::ErrorKind::Unsupported {
        return PyValueError::new_err(error.to_string());
    }
    PyOSError::new_err(error.to_string())
}
