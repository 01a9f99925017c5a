//! The scopes that a provider requires of every request.

use std::borrow::Cow;
use std::sync::Arc;

use mcp_bearer_core::{AccessToken, Rejection, Scopes, ScopesCheck};

use super::BearerAuthProvider;

impl BearerAuthProvider {
    /// The same provider, sharing its keys and cache with this one, but requiring other scopes of
    /// every request, whatever its issuer.
    #[must_use]
    pub fn with_required_scopes(mut self, scopes: &Scopes) -> Self {
        let inner = Arc::make_mut(&mut self.inner);
        inner.scopes_check = ScopesCheck::new();
        for issuer in &mut inner.issuers {
            issuer.required_scopes = scopes.clone();
        }
        self
    }

    /// Checks that a verified token has the required scopes of its issuer.
    ///
    /// # Errors
    /// [`InsufficientScope`](mcp_bearer_core::RejectionKind::InsufficientScope).
    pub fn check_required_scopes(&self, access: &AccessToken) -> Result<(), Rejection> {
        access.passed(self.inner.scopes_check, |access| {
            access.require_scopes(&self.required_scopes_for(access))
        })
    }

    /// The scopes that every request with this token needs: those of its issuer, or those of all
    /// issuers if another provider verified the token.
    #[must_use]
    pub fn required_scopes_for(&self, access: &AccessToken) -> Cow<'_, Scopes> {
        let issuer = match self.inner.issuers.as_slice() {
            [only] => Some(only),
            several => access
                .issuer()
                .and_then(|name| several.get(self.inner.by_name.find(name)?)),
        };
        match issuer {
            Some(issuer) => Cow::Borrowed(&issuer.required_scopes),
            None => Cow::Owned(self.required_scopes()),
        }
    }
}
