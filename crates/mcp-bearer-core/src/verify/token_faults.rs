//! Everything that is wrong with a token, for an operator who asks why it is refused.
//!
//! Each step is the verifier's own function. The answer to a peer never comes from here: it is for
//! the first step that fails.

use super::{CheckedHeader, access_token, checks};
use crate::claims::{Claims, Times};
use crate::compact::UnverifiedToken;
use crate::header::{DeclaredType, Header};
use crate::json::JsonObject;
use crate::key_set::KeySet;
use crate::policy::{Policy, Rules};
use crate::rejection::{Rejection, RejectionKind};
use crate::scope::Scopes;
use crate::step::{Unobserved, Watch};
use crate::time::UnixTime;

impl UnverifiedToken<'_> {
    /// What is wrong at each of steps 5 to 19, in order, and with the `required` scopes. The first
    /// is the rejection of [`verify`](Self::verify), or of
    /// [`AccessToken::require_scopes`](crate::AccessToken::require_scopes).
    ///
    /// For operators only. A peer that learns more than the first fault learns what this server
    /// requires. An empty list is not a proof: only [`verify`](Self::verify) makes an
    /// [`AccessToken`](crate::AccessToken).
    ///
    /// If the signature does not verify, the faults after it are those of claims that anyone may
    /// have written. If there are no keys, they say so.
    ///
    /// ```
    /// use mcp_bearer_core::{Expected, KeySet, Limits, Policy, RejectionKind, Scopes};
    /// use mcp_bearer_core::{UnixTime, UnverifiedToken};
    /// let policy = Policy::builder(Expected::Any, "mcp").build()?;
    /// let keys = KeySet::from_jwks_json(r#"{"keys":[]}"#)?;
    /// let token = UnverifiedToken::parse("eyJhbGciOiJub25lIn0.e30.AA", &Limits::default())?;
    /// let now = UnixTime::from_secs(1_800_000_000);
    /// let faults = token.faults(&keys, &policy, &Scopes::default(), now);
    /// let kinds: Vec<RejectionKind> = faults.iter().map(|fault| fault.kind()).collect();
    /// // `none` is not an algorithm, and `exp` and `aud` are missing.
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
        now: UnixTime,
    ) -> Vec<Rejection> {
        let rules = &*policy.rules;
        let mut found = Found::default();
        let header = Header::read(&self.header);
        let algorithm = found.take(header.algorithm(&rules.algorithms));
        found.take(header.critical());
        let declared = found.take(checks::declared_type(&header, rules));
        let kid = found.take(header.key_id());
        // If the type is a fault already, what another type may do does not matter.
        let declared = declared.unwrap_or(DeclaredType::Plain);
        if let (Some(algorithm), Some(kid)) = (algorithm, kid) {
            let checked = CheckedHeader {
                algorithm,
                declared,
                kid,
            };
            match self.check_signature(keys, &checked, rules.rsa) {
                Err(outage) if outage.kind() == RejectionKind::KeysUnavailable => {
                    found.outage = Some(outage);
                }
                outcome => drop(found.take(outcome)),
            }
        }
        let mut unobserved = Unobserved;
        if let Some(object) = found.take(self.trusted_claims(&mut Watch::new(&mut unobserved))) {
            found.of_claims(object, declared, rules, now);
            found.meet_outage();
            found.of_rights(object, required, rules);
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
        let outage = self.outage.as_ref();
        self.faults
            .push(match outage.and_then(Rejection::unavailable_because) {
                Some(why) => fault.not_verified(why.into()),
                None => fault,
            });
        None
    }

    /// Steps 11 to 17.
    fn of_claims(
        &mut self,
        object: &JsonObject,
        declared: DeclaredType,
        rules: &Rules,
        now: UnixTime,
    ) {
        let claims = Claims::read(object);
        let expiry = claims.expiry(rules.times.expiry);
        self.take(expiry.and_then(|expiry| expiry.check_expiry(&rules.times, now)));
        let start = claims.times(Times::default());
        self.take(start.and_then(|times| times.check_start(&rules.times, now)));
        self.take(checks::issuer(&claims, rules));
        self.take(checks::audience(&claims, rules));
        self.take(claims.identity());
        self.take(checks::sender(&claims));
        self.take(checks::access_token_only(&claims, declared, rules));
    }

    /// If steps 10 to 17 find nothing, the outage is the fault: keys could save the token.
    fn meet_outage(&mut self) {
        if self.faults.is_empty()
            && let Some(outage) = &self.outage
        {
            self.faults.push(outage.clone());
        }
    }

    /// Steps 18 and 19, and what the operation needs.
    fn of_rights(&mut self, object: &JsonObject, required: &Scopes, rules: &Rules) {
        for claim in &rules.required_claims {
            self.take(claim.check(object));
        }
        // A client of a wrong type is a fault of step 15.
        if let Ok(identity) = Claims::read(object).identity() {
            self.take(checks::allowed_client(
                identity.client.map(|client| &**client),
                rules,
            ));
        }
        let held = rules.scope_claims.read(object);
        self.take(access_token::require_scopes(required, &held, object, rules));
    }
}
