//! Makes a provider from arguments.
//!
//! As in FastMCP, a `public_key` or `jwks_uri` that cannot verify anything makes a provider that
//! refuses everything. Any other mistake is an error.

use std::sync::Arc;
use std::time::Duration;

use mcp_bearer::config::{Entrance, Keys, ServerDraft, Setting};
use mcp_bearer::keys::KeySet;
use mcp_bearer::keys::StaticKeys;
use mcp_bearer::{BearerAuthProvider, Clock};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arguments::{fill, given};

/// The `Retry-After` if only the operator can help.
pub(crate) const UNTIL_FIXED: Duration = Duration::from_secs(60);

/// A provider, why it refuses everything if it does, and what its operator should know.
pub(crate) struct Built {
    pub(crate) provider: BearerAuthProvider,
    pub(crate) problem: Option<String>,
    pub(crate) warnings: Vec<String>,
}

/// The provider for these arguments, at the fixed time `_now` if given.
///
/// # Errors
/// A `TypeError` for a value of another type, a `ValueError` with every problem.
pub(crate) fn build(arguments: &Bound<'_, PyDict>) -> PyResult<Built> {
    let mut draft = ServerDraft::from_entrance(Entrance::Python);
    fill(&mut draft, arguments)?;
    let built = provider(&draft, Entrance::Python, &|_| None)?;
    let Some(now) = given(arguments, "_now")? else {
        return Ok(built);
    };
    let now = Duration::try_from_secs_f64(now.extract()?)
        .map_err(|error| PyValueError::new_err(format!("_now: {error}")))?;
    Ok(Built {
        provider: built.provider.with_clock(Clock::new(move || now.into())),
        ..built
    })
}

/// The provider for a draft. Problems use the words of `entrance`, except for the caller's own
/// names for some settings.
///
/// # Errors
/// A `ValueError` with every problem.
pub(crate) fn provider(
    draft: &ServerDraft,
    entrance: Entrance,
    own_name: &dyn Fn(Setting) -> Option<&'static str>,
) -> PyResult<Built> {
    let error = match draft.check() {
        Ok(provider) => {
            return Ok(Built {
                warnings: draft.warnings(),
                provider,
                problem: None,
            });
        }
        Err(error) => error,
    };
    let problem = error.words_with(entrance, own_name).join("; ");
    let fast_mcp_s = |setting: &Setting| {
        let name = own_name(*setting).or_else(|| setting.name(Entrance::Python));
        *setting == Setting::Algorithms || matches!(name, Some("public_key" | "jwks_uri"))
    };
    let forgiven = error.problems().iter().all(|problem| {
        let settings = &problem.settings;
        *settings != [Setting::Algorithms] && settings.iter().all(fast_mcp_s)
    });
    match closed(draft, &problem).filter(|_| forgiven) {
        Some(provider) => Ok(Built {
            warnings: draft.warnings(),
            provider,
            problem: Some(problem),
        }),
        None => Err(PyValueError::new_err(problem)),
    }
}

/// The same provider with keys that never come; `None` if more than the keys is wrong.
fn closed(draft: &ServerDraft, why: &str) -> Option<BearerAuthProvider> {
    let mut draft = draft.clone();
    let issuer = draft.issuers.first_mut()?;
    if issuer.keys.is_none() && issuer.secret.is_none() {
        return None;
    }
    let set = KeySet::unavailable(why, UNTIL_FIXED);
    issuer.keys = Some(Keys::Source(Arc::new(StaticKeys::new(set))));
    issuer.secret = None;
    // Settings that do not fit such keys.
    (issuer.algorithms, issuer.ca_file, issuer.proxy) = (None, None, None);
    (issuer.max_freshness, issuer.staleness_bound) = (None, None);
    draft.check().ok()
}
