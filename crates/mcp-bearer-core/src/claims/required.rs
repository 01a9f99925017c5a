//! Step 18: a claim that must have one of the values that a policy lists.

use serde_json::Value as Tree;

use super::ClaimPath;
use crate::json::{JsonObject, Value, elements};
use crate::rejection::{Rejection, RejectionKind};

/// A claim that must be present, and what it must be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RequiredClaim {
    pub(crate) path: ClaimPath,
    pub(crate) allowed: Vec<Tree>,
    pub(crate) comparison: Comparison,
}

/// How a claim is compared with the allowed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// It equals one of them.
    Equals,
    /// It is an array that contains one of them. A single value counts as an array of one, as in
    /// `aud`.
    Contains,
}

impl RequiredClaim {
    pub(crate) fn check(&self, claims: &JsonObject) -> Result<(), Rejection> {
        let path = &self.path;
        let Some(value) = path.find(claims) else {
            let text = format!("claim {path} is missing");
            return Err(Rejection::because(RejectionKind::MissingClaim, text));
        };
        let allows = |value: &Value<'_>| self.allowed.iter().any(|allowed| value.equals(allowed));
        let (fits, verb) = match (self.comparison, &value) {
            (Comparison::Contains, Value::Array(array)) => {
                (elements(array).any(|element| allows(&element)), "contain")
            }
            (Comparison::Equals | Comparison::Contains, value) => (allows(value), "have"),
        };
        if fits {
            return Ok(());
        }
        let text = format!("claim {path} does not {verb} a required value");
        Err(Rejection::because(RejectionKind::ClaimNotAllowed, text))
    }
}
