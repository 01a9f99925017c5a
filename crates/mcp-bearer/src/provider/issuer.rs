//! One issuer in the provider: its policy, its keys, its required scopes.
//!
//! Issuers share nothing, so two with the same `kid` never see each other's keys.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

#[cfg(feature = "http")]
use mcp_bearer_core::ChallengeContext;
use mcp_bearer_core::{Policy, Scopes};

use crate::keys::KeySource;

#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) policy: Policy,
    pub(crate) keys: Arc<dyn KeySource>,
    pub(crate) required_scopes: Scopes,
}

impl Issuer {
    /// The values of `iss` that belong to it; none if any value does.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.policy.issuers().listed().iter().map(String::as_str)
    }
}

/// A token of no configured issuer is compared with the names of so many, for a hint to the
/// operator. Anyone can send such a token, so it must not cost more with more issuers.
const ISSUERS_FOR_A_HINT: usize = 100;

/// Which issuer has a name: found at the same cost for a thousand issuers as for two.
pub(super) struct IssuersByName(HashMap<Box<str>, usize>);

impl IssuersByName {
    pub(super) fn of(issuers: &[Issuer]) -> Self {
        let mut found = HashMap::new();
        // A provider of one issuer never looks.
        if issuers.len() > 1 {
            for (index, issuer) in issuers.iter().enumerate() {
                for name in issuer.names() {
                    found.entry(name.into()).or_insert(index);
                }
            }
        }
        Self(found)
    }

    /// The places of the issuers whose names are compared with this one: its own, or those for a
    /// hint.
    pub(super) fn candidates(&self, claimed: Option<&str>) -> Range<usize> {
        let found = claimed.and_then(|name| self.find(name));
        found.map_or(0..ISSUERS_FOR_A_HINT, |index| index..index + 1)
    }

    /// The place of the issuer in the list.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }
}

#[cfg(feature = "http")]
impl Issuer {
    pub(super) fn challenge_context(&self) -> ChallengeContext<'_> {
        ChallengeContext {
            scopes: Some(&self.required_scopes),
            requested: Some(self.policy.requested_scopes()),
            resource_metadata: None,
        }
    }

    pub(super) fn asks_for_the_same_as(&self, other: &Self) -> bool {
        self.required_scopes == other.required_scopes
            && self.policy.requested_scopes() == other.policy.requested_scopes()
    }

    /// What clients must request for its required scopes.
    pub(super) fn scopes_to_request(&self) -> Scopes {
        self.policy.requested_scopes().of_all(&self.required_scopes)
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
