//! The result of a verification, as arguments for the caller's `AccessToken` class.
//!
//! Every call makes new objects, so that a change by a handler never reaches another request.

use std::sync::Arc;

use mcp_bearer::core::NumericDate;
use mcp_bearer::{AccessToken, BearerAuthProvider};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::claims;

/// Whether the caller's class has fields for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// `subject` and `claims` too.
    Whole,
    /// The token, the client, the scopes and the expiry: the only fields up to FastMCP 2.11.
    Client,
}

/// How a verified token is shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    identity: Identity,
    /// Scopes that others may include: code that checks for one looks only at the list.
    implied: Arc<[String]>,
}

impl Shown {
    pub(crate) fn new(identity: Identity, provider: &BearerAuthProvider) -> Self {
        let policies = provider.policies();
        let implied = policies.flat_map(|policy| policy.scope_hierarchy().names());
        let implied = implied.map(str::to_owned).collect();
        Self { identity, implied }
    }
}

/// `token`, `client_id`, `scopes`, `expires_at`, and with [`Identity::Whole`] `subject` and
/// `claims`.
pub(crate) fn fields<'py>(
    token: &Bound<'py, PyString>,
    access: &AccessToken,
    shown: &Shown,
) -> PyResult<Bound<'py, PyDict>> {
    let py = token.py();
    let fields = PyDict::new(py);
    fields.set_item(intern!(py, "token"), token)?;
    fields.set_item(intern!(py, "client_id"), access.client_id_or_subject())?;
    let mut scopes: Vec<&str> = access.scopes().iter().collect();
    for scope in shown.implied.iter() {
        if access.has_scope(scope) && !scopes.contains(&scope.as_str()) {
            scopes.push(scope);
        }
    }
    fields.set_item(intern!(py, "scopes"), PyList::new(py, scopes)?)?;
    fields.set_item(
        intern!(py, "expires_at"),
        access.expires_at().map(whole_seconds),
    )?;
    if shown.identity == Identity::Whole {
        fields.set_item(intern!(py, "subject"), access.subject())?;
        fields.set_item(
            intern!(py, "claims"),
            claims::to_python(py, access.claims_json())?,
        )?;
    }
    Ok(fields)
}

#[expect(
    clippy::as_conversions,
    reason = "a verified NumericDate lies within 2^53; `as` would saturate anyway"
)]
fn whole_seconds(date: NumericDate) -> i64 {
    date.as_secs_f64().trunc() as i64
}
