//! A verification that waits for newer keys.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;
use mcp_bearer::AccessToken;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::access_token_fields::Shown;
use crate::verifier::outcome;

/// The rest of a verification. Dropping it cancels no fetch, which belongs to the key source.
pub(crate) type Rest = BoxFuture<'static, Result<AccessToken, mcp_bearer::Rejection>>;

/// The keys at hand are not enough, and newer ones are being fetched.
#[pyclass(frozen, module = "mcp_bearer._native")]
pub(crate) struct Pending {
    token: Py<PyString>,
    shown: Shown,
    rest: Mutex<Option<Rest>>,
}

impl Pending {
    pub(crate) fn new(token: Py<PyString>, shown: Shown, rest: Rest) -> Self {
        Self {
            token,
            shown,
            rest: Mutex::new(Some(rest)),
        }
    }
}

#[pymethods]
impl Pending {
    /// Blocks this thread, at most 5 s and without the interpreter; the result is that of
    /// `Verifier.verify`.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let rest = self
            .rest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(rest) = rest else {
            return Err(PyRuntimeError::new_err("waited for already"));
        };
        let verified = py.detach(|| futures_executor::block_on(rest));
        outcome(self.token.bind(py), verified, &self.shown)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}
