//! The caller as the rules see it: its scopes, and whether its session is bound.

use crate::scope::{ScopeHierarchy, Scopes};
use crate::verify::AccessToken;

/// The caller of an operation.
///
/// ```
/// use mcp_bearer_core::operation::Caller;
/// use mcp_bearer_core::{ScopeHierarchy, Scopes};
/// let (scopes, none) = ("mcp:read".parse::<Scopes>()?, Scopes::none());
/// let hierarchy = ScopeHierarchy::default();
/// let caller = Caller::with_scopes(&scopes, &hierarchy, &none).in_bound_session();
/// assert!(!caller.is_anonymous());
/// # Ok::<(), mcp_bearer_core::InvalidScope>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub(super) grant: Option<Grant<'a>>,
    pub(super) session: Session,
}

/// What a token grants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant<'a> {
    pub(super) scopes: &'a Scopes,
    pub(super) hierarchy: &'a ScopeHierarchy,
    /// What every operation needs, whatever the rules say.
    pub(super) required: &'a Scopes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// There is none, or it is not known to belong to the caller.
    Unbound,
    /// It belongs to the principal of this token.
    Bound,
}

impl<'a> Caller<'a> {
    /// A caller without a token.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self {
            grant: None,
            session: Session::Unbound,
        }
    }

    /// The caller that a token proves. `required` are the scopes that every operation needs; the
    /// token has already been checked for them.
    #[must_use]
    pub fn with_token(token: &'a AccessToken, required: &'a Scopes) -> Self {
        Self::with_scopes(token.scopes(), token.scope_hierarchy(), required)
    }

    /// A caller with these scopes, for tests and for code that has no [`AccessToken`].
    #[must_use]
    pub const fn with_scopes(
        scopes: &'a Scopes,
        hierarchy: &'a ScopeHierarchy,
        required: &'a Scopes,
    ) -> Self {
        Self {
            grant: Some(Grant {
                scopes,
                hierarchy,
                required,
            }),
            session: Session::Unbound,
        }
    }

    /// The same caller, in a request that names a session bound to its principal.
    #[must_use]
    pub const fn in_bound_session(self) -> Self {
        Self {
            session: Session::Bound,
            ..self
        }
    }

    /// Whether the caller has no token.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        self.grant.is_none()
    }

    /// Whether all these scopes are held or implied.
    pub(super) fn has_all(&self, scopes: &Scopes) -> bool {
        scopes.iter().all(|scope| self.has(scope))
    }

    pub(super) fn has(&self, scope: &str) -> bool {
        self.grant
            .is_some_and(|grant| grant.hierarchy.satisfies(grant.scopes, scope))
    }
}
