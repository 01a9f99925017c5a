//! One issuer as the provider holds it: its policy, its keys, its required scopes.
//!
//! Issuers share nothing: two with the same `kid` must never see each other's keys.

use std::fmt;
use std::sync::Arc;

use mcp_bearer_core::{ConfigError, Decided, Policy, Scopes};

use super::IssuerBuilder;
use crate::keys::KeySource;

#[derive(Clone)]
pub(super) struct Issuer {
    pub(super) policy: Policy,
    pub(super) keys: Arc<dyn KeySource>,
    pub(super) required_scopes: Scopes,
}

impl Issuer {
    /// The values of `iss` that belong to it; none when any does.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.policy
            .issuers()
            .unwrap_or_default()
            .iter()
            .map(String::as_str)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("names", &self.policy.issuers())
            .field("required_scopes", &self.required_scopes)
            .finish_non_exhaustive()
    }
}

/// Builds all of them, or says everything that is wrong.
pub(super) fn build_all(
    builders: impl IntoIterator<Item = IssuerBuilder<Decided, Decided, Decided>>,
) -> Result<Vec<Issuer>, ConfigError> {
    let mut issuers = Vec::new();
    let mut problems = Vec::new();
    let mut count = 0_usize;
    for builder in builders {
        count += 1;
        match builder.issuer_entry() {
            Ok(issuer) => issuers.push(issuer),
            Err(error) => problems.extend_from_slice(error.problems()),
        }
    }
    if count == 0 {
        problems.push("issuer: at least one is needed".to_owned());
    }
    if count > 1 {
        problems.extend(ambiguous(&issuers));
    }
    ConfigError::unless_empty(problems)?;
    Ok(issuers)
}

/// With several issuers, a token's `iss` must lead to exactly one.
fn ambiguous(issuers: &[Issuer]) -> Vec<String> {
    let mut problems = Vec::new();
    if issuers
        .iter()
        .any(|issuer| issuer.policy.issuers().is_none())
    {
        let text =
            "issuer: \"any issuer\" cannot stand beside others; name each of several issuers";
        problems.push(text.to_owned());
    }
    let mut names: Vec<&str> = issuers.iter().flat_map(Issuer::names).collect();
    names.sort_unstable();
    for pair in names.windows(2) {
        if let [one, other] = pair
            && one == other
        {
            problems.push(format!("issuer: {one:?} is configured twice"));
        }
    }
    problems
}
