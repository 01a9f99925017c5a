//! Everything that is wrong with a token, for operators.

use mcp_bearer_core::{Rejection, UnixTime, Unobserved};

use super::{BearerAuthProvider, report_kernel_failure};

impl BearerAuthProvider {
    /// Everything that is wrong with a token, judged with the keys at hand: never waits, and starts
    /// no fetch. The required scopes of its issuer are checked too.
    ///
    /// The first fault is the one for which [`verify_token`](Self::verify_token) and then
    /// [`check_required_scopes`](Self::check_required_scopes) refuse the token. If the text is not
    /// a token, or its issuer is unknown, that is its only fault.
    ///
    /// For operators only: a peer that learns more than the first fault learns what this server
    /// requires. An empty list proves nothing, because only verification makes an
    /// [`AccessToken`](crate::AccessToken).
    ///
    /// ```
    /// use mcp_bearer::{BearerAuthProvider, RejectionKind, RsaKeyPair, TokenRequest};
    /// let keys = RsaKeyPair::generate()?;
    /// let provider = BearerAuthProvider::builder()
    ///     .public_key(keys.public_key_pem())
    ///     .issuer("https://idp.example.com/")
    ///     .audience("https://mcp.example.com/mcp")
    ///     .build()?;
    /// let request = TokenRequest::new()
    ///     .issuer("https://idp.example.com/")
    ///     .expires_in_seconds(-600);
    /// let faults = provider.faults(&keys.create_token(&request)?);
    /// let kinds: Vec<_> = faults.iter().map(|fault| fault.kind()).collect();
    /// assert_eq!(kinds, [RejectionKind::Expired, RejectionKind::MissingClaim]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn faults(&self, token: &str) -> Vec<Rejection> {
        let parsed = match self.parse(token, &mut Unobserved) {
            Ok(parsed) => parsed,
            Err(fault) => return vec![fault],
        };
        let now = match self.inner.clock.time_of_judgement() {
            Ok(now) => now,
            Err(fault) => return vec![fault],
        };
        let (issuer, keys) = (parsed.issuer, parsed.issuer.keys.snapshot());
        let (policy, required) = (&issuer.policy, &issuer.required_scopes);
        let faults = parsed.unverified.faults(&keys.set, policy, required, now);
        report_kernel_failure();
        faults
    }

    /// The current time by this provider's clock.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.inner.clock.now()
    }
}
