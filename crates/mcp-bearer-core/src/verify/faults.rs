//! Everything that is wrong with a token, for the operator who asks why it is refused.
//!
//! Each step is the verifier's own function. The answer to a peer never comes from here: it is that
//! of the first step that fails.

use std::time::Duration;

use super::{
    CheckedHeader, check_access_token, check_audience, check_client, check_issuer,
    check_required_claim, check_sender, check_type,
};
use crate::claims::{self, Claims, Times};
use crate::compact::{Parsed, UnverifiedToken};
use crate::header::{DeclaredType, Header};
use crate::key_set::KeySet;
use crate::policy::{Policy, Rules};
use crate::rejection::{Rejection, RejectionKind};
use crate::scope::Scopes;
use crate::step::{Unobserved, Watch};

impl UnverifiedToken<'_> {
    /// What is wrong at each of the steps 5 to 19, in their order, and with the `required` scopes.
    /// The first is the rejection of [`verify`](Self::verify), or of
    /// [`AccessToken::require_scopes`](crate::AccessToken::require_scopes).
    ///
    /// For operators only. A peer that learns more than the first fault learns what this server
    /// wants. No fault is no proof: only [`verify`](Self::verify) makes an
    /// [`AccessToken`](crate::AccessToken).
    ///
    /// Where the signature does not verify, the faults behind it are those of claims that anyone
    /// may have written. Where there are no keys, they say so.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mcp_bearer_core::{KeySet, Limits, Policy, RejectionKind, Scopes, UnverifiedToken};
    /// let policy = Policy::builder().any_issuer().audience("mcp").build()?;
    /// let keys = KeySet::from_jwks_json(r#"{"keys":[]}"#)?;
    /// let token = UnverifiedToken::parse("eyJhbGciOiJub25lIn0.e30.AA", &Limits::default())?;
    /// let now = Duration::from_secs(1_800_000_000);
    /// let faults = token.faults(&keys, &policy, &Scopes::default(), now);
    /// let kinds: Vec<RejectionKind> = faults.iter().map(|fault| fault.kind()).collect();
    /// // `none` is no algorithm; and `exp` and `aud` are missing.
    /// use RejectionKind::{AlgorithmNotAllowed, MissingClaim};
    /// assert_eq!(kinds, [AlgorithmNotAllowed, MissingClaim, MissingClaim]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn faults(
        &self,
        keys: &KeySet,
        policy: &Policy,
        required: &Scopes,
        now: Duration,
    ) -> Vec<Rejection> {
        let rules = &*policy.rules;
        let mut found = Found::default();
        let header = Header::read(&self.header);
        let algorithm = found.take(header.algorithm(&rules.algorithms));
        found.take(header.critical());
        let declared = found.take(check_type(&header, rules));
        let kid = found.take(header.key_id());
        // What another type may do is no question where the type is a fault already.
        let declared = declared.unwrap_or(DeclaredType::Plain);
        if let (Some(algorithm), Some(kid)) = (algorithm, kid) {
            let checked = CheckedHeader {
                algorithm,
                declared,
                kid,
            };
            match self.check_signature(keys, &checked) {
                Err(outage) if outage.kind() == RejectionKind::KeysUnavailable => {
                    found.outage = Some(outage);
                }
                outcome => drop(found.take(outcome)),
            }
        }
        let mut unobserved = Unobserved;
        if let Some(parsed) = found.take(self.trusted_claims(&mut Watch::new(&mut unobserved))) {
            found.of_claims(parsed, declared, rules, now);
            found.meet_outage();
            found.of_rights(parsed, required, rules);
        } else {
            found.meet_outage();
        }
        found.faults
    }
}

#[derive(Default)]
struct Found {
    faults: Vec<Rejection>,
    /// Why no signature was checked.
    outage: Option<Rejection>,
}

impl Found {
    fn take<T>(&mut self, outcome: Result<T, Rejection>) -> Option<T> {
        let fault = match outcome {
            Ok(found) => return Some(found),
            Err(fault) => fault,
        };
        self.faults.push(match &self.outage {
            Some(outage) => fault.not_verified(outage.to_string().into()),
            None => fault,
        });
        None
    }

    /// Steps 11 to 17.
    fn of_claims(&mut self, parsed: &Parsed, declared: DeclaredType, rules: &Rules, now: Duration) {
        let claims = Claims::read(parsed);
        let expiry = claims.expiry();
        self.take(expiry.and_then(|expiry| expiry.check_expiry(&rules.times, now)));
        let start = claims.times(Times::default());
        self.take(start.and_then(|times| times.check_start(&rules.times, now)));
        self.take(check_issuer(&claims, rules));
        self.take(check_audience(&claims, rules));
        self.take(claims.identity());
        self.take(check_sender(&claims));
        self.take(check_access_token(&claims, declared, rules));
    }

    /// The outage is what is wrong where steps 10 to 17 find nothing: then keys could save the
    /// token.
    fn meet_outage(&mut self) {
        if self.faults.is_empty()
            && let Some(outage) = &self.outage
        {
            self.faults.push(outage.clone());
        }
    }

    /// Steps 18 and 19, and what the operation needs.
    fn of_rights(&mut self, parsed: &Parsed, required: &Scopes, rules: &Rules) {
        for claim in &rules.required_claims {
            self.take(check_required_claim(parsed, claim));
        }
        // A client of a wrong type is a fault of step 15.
        if let Ok(identity) = Claims::read(parsed).identity() {
            self.take(check_client(identity.client.map(|client| &**client), rules));
        }
        let Some(held) = self.take(claims::scopes(parsed, &rules.scope_claims)) else {
            return;
        };
        let lacking = |scope: &&str| !rules.hierarchy.satisfies(&held, scope);
        let missing = Scopes::from_names(required.iter().filter(lacking)).unwrap_or_default();
        if !missing.is_empty() {
            let fault = Rejection::insufficient_scope(required.clone(), missing);
            self.take(Err::<(), _>(fault));
        }
    }
}
