//! One issuer as the provider holds it: its policy, its keys, its required scopes.
//!
//! Issuers share nothing: two with the same `kid` must never see each other's keys.

use std::fmt;
use std::sync::Arc;

use mcp_bearer_core::{Policy, Scopes};

use crate::keys::KeySource;

#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) policy: Policy,
    pub(crate) keys: Arc<dyn KeySource>,
    pub(crate) required_scopes: Scopes,
}

impl Issuer {
    /// The values of `iss` that belong to it; none when any does.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.policy.issuers().listed().iter().map(String::as_str)
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
