//! The verifier: takes tokens, and returns fields, a rejection, or a wait.

use std::fmt;
use std::task::{Context, Poll, Waker};

use mcp_bearer::core::{Policy, RequestedScopes, RsaBackend};
use mcp_bearer::{AccessToken, BearerAuthProvider, Rejection, TryVerify};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::access_token_fields::{self, Identity, Shown};
use crate::make_provider::{self, Built};
use crate::pending::{Pending, Rest};
use crate::rejection;
use crate::without_interpreter::without_interpreter;

/// Why keys are missing when no attempt to get them has ended.
const SILENT: &str = "no answer yet";

/// A provider with one policy. Immutable: another policy is another verifier.
#[pyclass(frozen, weakref, module = "mcp_bearer._native")]
pub(crate) struct Verifier {
    provider: BearerAuthProvider,
    problem: Option<String>,
    warnings: Vec<String>,
    shown: Shown,
}

#[pymethods]
impl Verifier {
    /// `arguments` are named as in the table of settings; `None` is the same as absent.
    #[new]
    fn new(arguments: &Bound<'_, PyDict>, whole_identity: bool) -> PyResult<Self> {
        let Built {
            provider,
            problem,
            warnings,
        } = make_provider::build(arguments)?;
        let identity = if whole_identity {
            Identity::Whole
        } else {
            Identity::Client
        };
        Ok(Self {
            shown: Shown::new(identity, &provider),
            provider,
            problem,
            warnings,
        })
    }

    /// Why every token is refused; `None` when the keys can verify.
    #[getter]
    fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// What works but may not be intended, one sentence each.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// Fetches the keys unless they are held, and blocks this thread meanwhile, at most 5 s and
    /// without the interpreter. Returns `(source, why)` for each source that still has no keys;
    /// nothing if `problem` gives the reason.
    fn warm_up(&self, py: Python<'_>) -> Vec<(String, String)> {
        if self.problem.is_some() {
            return Vec::new();
        }
        py.detach(|| {
            futures_executor::block_on(self.provider.warm_up());
            let statuses = self.provider.key_status();
            statuses
                .into_iter()
                .filter(|status| status.snapshot.set.is_empty())
                .map(|status| {
                    let why = status.last_failure;
                    (status.source, why.unwrap_or_else(|| SILENT.to_owned()))
                })
                .collect()
        })
    }

    /// What clients must request to get tokens with these scopes, without repetitions.
    fn scopes_to_request(&self, names: Vec<String>) -> PyResult<Vec<String>> {
        let scopes = rejection::scopes(&names)?;
        let scopes = match self.requested_scopes() {
            Some(requested) => requested.of_all(&scopes),
            None => scopes,
        };
        Ok(scopes.iter().map(str::to_owned).collect())
    }

    /// The number of cached tokens; `None` without a cache.
    #[getter]
    fn cached_tokens(&self) -> Option<usize> {
        self.provider.cached_tokens()
    }

    /// Whether AWS-LC alone verifies RSA signatures.
    #[getter]
    fn by_aws_lc_alone(&self) -> bool {
        let mut policies = self.provider.policies();
        policies.all(|policy| policy.rsa_backend() == RsaBackend::AwsLc)
    }

    /// A `dict` of fields, a `Rejection`, or a `Pending`. Never waits, and verifies without the
    /// interpreter.
    fn verify(&self, token: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        let py = token.py();
        // No token contains a lone surrogate, nor its replacement.
        let text = token.to_string_lossy();
        match without_interpreter(py, || self.attempt(&text)) {
            Attempt::Done(verified) => outcome(token, verified, &self.shown),
            Attempt::Waiting(rest) => {
                Pending::new(token.clone().unbind(), self.shown.clone(), rest).into_py_any(py)
            }
        }
    }
}

impl Verifier {
    pub(crate) fn provider(&self) -> &BearerAuthProvider {
        &self.provider
    }

    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }
}

/// The result of a verification without waiting.
enum Attempt {
    Done(Result<AccessToken, Rejection>),
    Waiting(Rest),
}

impl Verifier {
    /// Those of the one issuer that Python's arguments describe.
    pub(crate) fn requested_scopes(&self) -> Option<&RequestedScopes> {
        self.provider
            .policies()
            .next()
            .map(Policy::requested_scopes)
    }

    fn attempt(&self, token: &str) -> Attempt {
        let needs = match self.provider.try_verify_token(token) {
            TryVerify::Accepted(access) => return Attempt::Done(Ok(access)),
            TryVerify::Rejected(rejection) => return Attempt::Done(Err(rejection)),
            TryVerify::NeedsKeys(needs) => needs,
        };
        let (provider, token) = (self.provider.clone(), token.to_owned());
        let mut rest: Rest =
            Box::pin(async move { provider.verify_with_newer_keys(&token, needs).await });
        // The request is made at the first poll, and most are answered there: only a fetch is worth
        // a thread.
        match rest.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(verified) => Attempt::Done(verified),
            Poll::Pending => Attempt::Waiting(rest),
        }
    }
}

/// The result as Python sees it.
pub(crate) fn outcome(
    token: &Bound<'_, PyString>,
    verified: Result<AccessToken, Rejection>,
    shown: &Shown,
) -> PyResult<Py<PyAny>> {
    let py = token.py();
    match verified {
        Ok(access) => Ok(access_token_fields::fields(token, &access, shown)?
            .into_any()
            .unbind()),
        Err(rejection) => rejection::Rejection::from(rejection).into_py_any(py),
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}
