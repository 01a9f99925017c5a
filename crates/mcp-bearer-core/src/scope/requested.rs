//! What a client must request from its issuer to get a scope, where that differs from what tokens
//! hold.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::{InvalidScope, Scopes, check};

/// Maps the scopes that tokens hold to the scopes that clients must request: by a prefix, by a
/// table, or by both. The table takes precedence. A scope that neither covers is requested
/// unchanged.
///
/// The reason is Entra ID: its clients request `api://CLIENT/read`, and its tokens hold `read`.
///
/// ```
/// use mcp_bearer_core::RequestedScopes;
/// let requested = RequestedScopes::new(Some("api://id/"), [("files", "api://files/all")])?;
/// assert_eq!(requested.of("read"), "api://id/read");
/// assert_eq!(requested.of("files"), "api://files/all");
/// assert_eq!(requested.of("openid"), "openid");
/// # Ok::<(), mcp_bearer_core::RequestedScopesError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestedScopes {
    prefix: Option<Box<str>>,
    table: BTreeMap<Box<str>, Box<str>>,
}

/// Scopes of OpenID Connect (Core sections 3.1.2.1, 5.4 and 11), which belong to no API.
const OF_OPENID: [&str; 6] = [
    "openid",
    "profile",
    "email",
    "address",
    "phone",
    "offline_access",
];

impl RequestedScopes {
    /// A prefix for every scope, and pairs of a scope in tokens and the scope to request.
    ///
    /// The prefix is not put before a scope that begins with it, nor before a scope of OpenID
    /// Connect such as `openid`.
    ///
    /// # Errors
    /// Every fault at once: anything that is not a scope-token, and a scope with two scopes to
    /// request.
    pub fn new<S: AsRef<str>, R: AsRef<str>>(
        prefix: Option<&str>,
        pairs: impl IntoIterator<Item = (S, R)>,
    ) -> Result<Self, RequestedScopesError> {
        let mut faults = Vec::new();
        if let Some(Err(invalid)) = prefix.map(check) {
            faults.push(RequestedScopesFault::Prefix(invalid));
        }
        let mut table: BTreeMap<Box<str>, Box<str>> = BTreeMap::new();
        for (scope, requested) in pairs {
            let (scope, requested) = (scope.as_ref(), requested.as_ref());
            for name in [scope, requested] {
                if let Err(invalid) = check(name) {
                    faults.push(RequestedScopesFault::NotAScope(invalid));
                }
            }
            let earlier = table.insert(scope.into(), requested.into());
            if earlier.is_some_and(|earlier| *earlier != *requested) {
                faults.push(RequestedScopesFault::Twice(scope.to_owned()));
            }
        }
        if !faults.is_empty() {
            return Err(RequestedScopesError { faults });
        }
        Ok(Self {
            prefix: prefix.map(Into::into),
            table,
        })
    }

    /// Whether every scope is requested as tokens hold it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prefix.is_none() && self.table.is_empty()
    }

    /// The scope to request for a scope that tokens hold.
    #[must_use]
    pub fn of<'a>(&'a self, scope: &'a str) -> Cow<'a, str> {
        if let Some(requested) = self.table.get(scope) {
            return Cow::Borrowed(requested);
        }
        match &self.prefix {
            Some(prefix) if !scope.starts_with(&**prefix) && !OF_OPENID.contains(&scope) => {
                format!("{prefix}{scope}").into()
            }
            _ => Cow::Borrowed(scope),
        }
    }

    /// The scopes to request for all of these, in order and each once.
    #[must_use]
    pub fn of_all(&self, scopes: &Scopes) -> Scopes {
        if self.is_empty() {
            return scopes.clone();
        }
        let mut names: Vec<Cow<'_, str>> = Vec::new();
        for scope in scopes.iter() {
            let requested = self.of(scope);
            if !names.contains(&requested) {
                names.push(requested);
            }
        }
        // Each is a scope-token: from a list, from the table, or a prefix followed by one.
        Scopes::from_names(names).unwrap_or_default()
    }
}

/// What cannot be requested, every fault at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedScopesError {
    faults: Vec<RequestedScopesFault>,
}

/// One thing that [`RequestedScopes`] cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestedScopesFault {
    /// The prefix has characters that a scope-token cannot have.
    Prefix(InvalidScope),
    /// A name that is not a scope-token.
    NotAScope(InvalidScope),
    /// This scope has two scopes to request.
    Twice(String),
}

impl RequestedScopesError {
    /// What is wrong.
    #[must_use]
    pub fn faults(&self) -> &[RequestedScopesFault] {
        &self.faults
    }
}

impl fmt::Display for RequestedScopesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        f.write_str(&faults.join("; "))
    }
}

impl fmt::Display for RequestedScopesFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(invalid) | Self::NotAScope(invalid) => invalid.fmt(f),
            Self::Twice(scope) => write!(f, "{scope:?} has two scopes to request"),
        }
    }
}

impl std::error::Error for RequestedScopesError {}

#[cfg(test)]
mod tests {
    use super::{RequestedScopes, RequestedScopesFault as Fault};

    fn requested(prefix: Option<&str>, pairs: &[(&str, &str)]) -> RequestedScopes {
        RequestedScopes::new(prefix, pairs.iter().copied()).unwrap()
    }

    fn all(requested: &RequestedScopes, scopes: &str) -> String {
        requested.of_all(&scopes.parse().unwrap()).to_string()
    }

    #[test]
    fn without_a_map_every_scope_is_requested_as_it_is() {
        let none = RequestedScopes::default();
        assert!(none.is_empty());
        assert_eq!(all(&none, "read write read"), "read write read");
    }

    #[test]
    fn a_prefix_is_put_before_each_scope_once_and_before_none_of_openid_connect() {
        let entra = requested(Some("api://id/"), &[]);
        assert!(!entra.is_empty());
        let scopes = "read openid profile email offline_access api://id/write";
        assert_eq!(
            all(&entra, scopes),
            "api://id/read openid profile email offline_access api://id/write"
        );
        // What was mapped does not change when it is mapped again.
        assert_eq!(all(&entra, &all(&entra, scopes)), all(&entra, scopes));
    }

    #[test]
    fn the_table_wins_and_scopes_that_are_requested_alike_are_named_once() {
        let both = requested(
            Some("api://id/"),
            &[("read", "all"), ("write", "all"), ("openid", "oidc")],
        );
        assert_eq!(all(&both, "read write openid x"), "all oidc api://id/x");
        let table = requested(None, &[("read", "urn:read")]);
        assert_eq!(all(&table, "read write Read"), "urn:read write Read");
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let pairs = [("a b", "x"), ("a", "é"), ("b", ""), ("c", "1"), ("c", "2")];
        let error = RequestedScopes::new(Some("api://a b/"), pairs).unwrap_err();
        let kinds = error.faults().iter().map(|fault| match fault {
            Fault::Prefix(_) => "prefix",
            Fault::NotAScope(_) => "scope",
            Fault::Twice(_) => "twice",
        });
        let kinds: Vec<&str> = kinds.collect();
        assert_eq!(kinds, ["prefix", "scope", "scope", "scope", "twice"]);
        assert!(
            error
                .to_string()
                .ends_with(r#""c" has two scopes to request"#),
            "{error}"
        );
        let none: [(&str, &str); 0] = [];
        assert!(RequestedScopes::new(Some(""), none).is_err());
        assert!(RequestedScopes::new(None, [("c", "1"), ("c", "1")]).is_ok());
    }
}
