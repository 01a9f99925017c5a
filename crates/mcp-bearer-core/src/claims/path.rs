//! Where a claim is: its name, or the names that lead to a member inside it.

use std::fmt;

use crate::json::{JsonObject, Value, entries};

/// The place of a value among the claims: a claim's name, or a path of names to a member of a
/// nested object.
///
/// Names are taken literally: a dot, a slash or a colon has no special meaning, because issuers use
/// URLs as claim names.
///
/// ```
/// use mcp_bearer_core::ClaimPath;
/// let path = ClaimPath::from("https://example.com/roles");
/// assert_eq!(path.to_string(), r#""https://example.com/roles""#);
/// assert_eq!(ClaimPath::from(["realm_access", "roles"]).to_string(), r#""realm_access"."roles""#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimPath {
    claim: Box<str>,
    inside: Vec<Box<str>>,
}

impl ClaimPath {
    /// Whether one of its names is empty or blank, which no issuer intends.
    pub(crate) fn has_empty_name(&self) -> bool {
        self.names().any(|name| name.trim().is_empty())
    }

    /// The value that it leads to.
    pub(crate) fn find<'a>(&self, claims: &'a JsonObject) -> Option<Value<'a>> {
        let claim = claims.get(&self.claim)?;
        self.inside.iter().try_fold(claim, |value, name| {
            let Value::Object(text) = value else {
                return None;
            };
            entries(text)
                .find(|(member, _)| **member == **name)
                .map(|(_, value)| value)
        })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.claim)
            .chain(&self.inside)
            .map(|name| &**name)
    }
}

impl From<&str> for ClaimPath {
    fn from(claim: &str) -> Self {
        Self::from([claim])
    }
}

impl From<&String> for ClaimPath {
    fn from(claim: &String) -> Self {
        Self::from([claim])
    }
}

impl From<String> for ClaimPath {
    fn from(claim: String) -> Self {
        Self::from([claim])
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for ClaimPath {
    fn from(names: [T; N]) -> Self {
        Self::from(Vec::from(names))
    }
}

/// An empty list of names becomes one empty name.
impl<T: Into<String>> From<Vec<T>> for ClaimPath {
    fn from(names: Vec<T>) -> Self {
        let mut names = names.into_iter().map(|name| name.into().into_boxed_str());
        Self {
            claim: names.next().unwrap_or_default(),
            inside: names.collect(),
        }
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            write!(f, "{}{name:?}", if index == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}
