//! Steps 5 to 19: the only way from an unverified token to an [`AccessToken`].
//!
//! The order of the steps is part of the specification: with keys held, the signature is checked
//! before every claim, so the answer to a forged token reveals nothing about its claims. Without
//! keys, a token that its own claims condemn is refused for that, unverified. No option skips a
//! step.

mod access_token;
mod checks;
mod request_body_hash;
mod shown;
mod token_faults;

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::sync::Arc;

#[doc(hidden)]
pub use access_token::ScopesCheck;
pub use access_token::{AccessToken, ClaimError, ClaimErrorKind};
use shown::{AudienceShown, DateShown, OrAbsent};

use crate::algorithm::Algorithm;
use crate::claims::{Claims, Identity, Times};
use crate::compact::UnverifiedToken;
use crate::header::{DeclaredType, Header};
use crate::json::JsonObject;
use crate::key_set::KeySet;
use crate::policy::{Policy, Rules};
use crate::rejection::{Rejection, RejectionKind, Shown};
use crate::signature::{RsaBackend, VerifyingKey};
use crate::step::{Observer, Step, Unobserved, Watch};
use crate::time::UnixTime;

impl UnverifiedToken<'_> {
    /// Verifies the signature with one of `keys` and the claims against `policy`, at the time
    /// `now`.
    ///
    /// ```
    /// use mcp_bearer_core::{Expected, KeySet, Limits, Policy, RejectionKind};
    /// use mcp_bearer_core::{UnixTime, UnverifiedToken};
    /// let keys = KeySet::from_jwks_json(r#"{"keys":[]}"#)?;
    /// let policy = Policy::builder(Expected::Any, Expected::Any).build()?;
    /// let token = UnverifiedToken::parse("eyJhbGciOiJub25lIn0.e30.AA", &Limits::default())?;
    /// let now = UnixTime::from_secs(1_800_000_000);
    /// let rejection = token.verify(&keys, &policy, now).unwrap_err();
    /// assert_eq!(rejection.kind(), RejectionKind::AlgorithmNotAllowed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first step that fails, as a [`Rejection`] with its facts.
    pub fn verify(
        &self,
        keys: &KeySet,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<AccessToken, Rejection> {
        self.verify_observed(keys, policy, now, &mut Unobserved)
    }

    /// [`verify`](Self::verify), reporting each step to an observer.
    ///
    /// # Errors
    /// The same.
    pub fn verify_observed(
        &self,
        keys: &KeySet,
        policy: &Policy,
        now: UnixTime,
        observer: &mut impl Observer,
    ) -> Result<AccessToken, Rejection> {
        let rules = &*policy.rules;
        let mut watch = Watch::new(observer);
        let read = Header::read(&self.header);
        let header = check_header(&read, rules, &mut watch)?;

        let key = match self.check_signature(keys, &header, rules.rsa) {
            Err(unavailable) if unavailable.kind() == RejectionKind::KeysUnavailable => {
                return Err(self.judge_without_keys(unavailable, &header, rules, now, &mut watch));
            }
            outcome => watch.step(Step::Signature, outcome, |key, f| write!(f, "{key:?}"))?,
        };

        let object = self.trusted_claims(&mut watch)?;
        let claims = Claims::read(object);
        let checked = check_claims(&claims, &header, rules, now, &mut watch)?;
        let Identity { subject, client } = checked.identity;
        let required = checks::required(object, client.map(|client| &**client), rules);
        watch.step(Step::RequiredClaims, required, |(), f| {
            write!(f, "{} claims required", rules.required_claims.len())
        })?;
        let scopes = rules.scope_claims.read(object);
        let scopes = watch.step(Step::Scopes, Ok(scopes), |scopes, f| {
            write!(f, "{:?}", scopes.as_str())
        })?;

        Ok(AccessToken::proven(access_token::Proven {
            token: self.token.into(),
            claims: object.clone(),
            issuer: checked.issuer.map(|text| object.keep(text)),
            subject: subject.map(|text| object.keep(text)),
            client: client.map(|text| object.keep(text)),
            scopes,
            times: checked.times,
            algorithm: header.algorithm,
            thumbprint: key.thumbprint(),
            rules: policy.rules.clone(),
            derived: access_token::Derived::new(),
            passed: std::sync::atomic::AtomicU64::default(),
        }))
    }

    /// Whether fetching keys for this token could help: steps 5 to 8 and 10 to 17 pass, and the
    /// signature has a length that the algorithm allows.
    ///
    /// It does not check the signature; it prevents strangers from triggering fetches. Steps 18 and
    /// 19 are left out: the answer would show a stranger which values this server wants.
    #[must_use]
    pub fn worth_a_fetch(&self, policy: &Policy, now: UnixTime) -> bool {
        let check = || -> Result<(), Rejection> {
            let (rules, mut unobserved) = (&*policy.rules, Unobserved);
            let watch = &mut Watch::new(&mut unobserved);
            let read = Header::read(&self.header);
            let header = check_header(&read, rules, watch)?;
            self.check_signature_length(header.algorithm)?;
            self.check_unproven(&header, rules, now, watch)
        };
        check().is_ok()
    }

    /// Whether it is a well-formed token with an algorithm that the policy allows and a signature
    /// of a possible length. Steps 6 and 7, and what the claims say, do not count.
    ///
    /// Such a token, whatever its claims say, is a reason to fetch keys from a source that has
    /// never been asked.
    #[must_use]
    pub fn is_plausible(&self, policy: &Policy) -> bool {
        self.algorithm().is_some_and(|algorithm| {
            policy.rules.algorithms.contains(&algorithm)
                && self.check_signature_length(algorithm).is_ok()
                && Header::read(&self.header).key_id().is_ok()
                && self.claims().is_ok()
        })
    }

    /// There are no keys. A token that its own claims condemn gets that rejection: no key could
    /// save it, and its sender must not be asked to wait. Every other token gets the outage.
    fn judge_without_keys(
        &self,
        unavailable: Rejection,
        header: &CheckedHeader<'_>,
        rules: &Rules,
        now: UnixTime,
        watch: &mut Watch<'_, impl Observer>,
    ) -> Rejection {
        let mut unobserved = Unobserved;
        let silent = &mut Watch::new(&mut unobserved);
        if self.check_unproven(header, rules, now, silent).is_ok() {
            return watch.fail(Step::Signature, unavailable);
        }
        watch.without_signature(&unavailable);
        match self.check_unproven(header, rules, now, watch) {
            Err(rejection) => rejection,
            Ok(()) => unavailable,
        }
    }

    /// Steps 10 to 17, not proven by any signature.
    fn check_unproven(
        &self,
        header: &CheckedHeader<'_>,
        rules: &Rules,
        now: UnixTime,
        watch: &mut Watch<'_, impl Observer>,
    ) -> Result<(), Rejection> {
        let claims = Claims::read(self.trusted_claims(watch)?);
        check_claims(&claims, header, rules, now, watch).map(drop)
    }

    /// Step 9: tries each candidate over the exact bytes received.
    fn check_signature<'k>(
        &self,
        keys: &'k KeySet,
        header: &CheckedHeader<'_>,
        rsa: RsaBackend,
    ) -> Result<&'k VerifyingKey, Rejection> {
        let algorithm = header.algorithm;
        self.check_signature_length(algorithm)?;
        let candidates = keys.candidates(algorithm, header.kid.map(|kid| &**kid))?;
        let message = self.signing_input.as_bytes();
        let proven = |key: &&VerifyingKey| key.verifies(algorithm, message, &self.signature, rsa);
        candidates
            .iter()
            .find(proven)
            .ok_or_else(|| self.bad_signature(candidates.count()))
    }

    fn bad_signature(&self, tried: usize) -> Rejection {
        let kind = RejectionKind::BadSignature;
        let for_graph = self.is_for_microsoft_graph();
        if tried == 1 && !for_graph {
            return Rejection::with(kind, "the signature does not verify with the key");
        }
        let mut text = match tried {
            1 => "the signature does not verify with the key".to_owned(),
            tried => format!("the signature verifies with none of the {tried} keys"),
        };
        if for_graph {
            text.push_str(
                "; with \"nonce\" in its header it was made for Microsoft Graph, and only Graph can verify it: \
                 ask Entra ID for a token whose audience is this server",
            );
        }
        Rejection::because(kind, text)
    }

    /// Entra ID signs tokens for Microsoft Graph over another nonce than the one they show.
    fn is_for_microsoft_graph(&self) -> bool {
        const ISSUERS: [&str; 2] = [
            "https://sts.windows.net/",
            "https://login.microsoftonline.com/",
        ];
        self.header.get("nonce").is_some()
            && self.claimed_issuer().is_some_and(|issuer| {
                ISSUERS
                    .into_iter()
                    .any(|microsoft| issuer.starts_with(microsoft))
            })
    }

    /// No key verifies a signature of another length, so it must not start a fetch either.
    fn check_signature_length(&self, algorithm: Algorithm) -> Result<(), Rejection> {
        let (got, possible) = (self.signature.len(), algorithm.signature_bytes());
        if possible.contains(&got) {
            return Ok(());
        }
        let (least, most) = (possible.start(), possible.end());
        let wanted = if least == most {
            least.to_string()
        } else {
            format!("{least} to {most}")
        };
        let text = format!("a signature of {got} bytes, where {algorithm} has {wanted}");
        Err(Rejection::because(RejectionKind::BadSignature, text))
    }

    /// Step 10: the outcome of step 4, and no number beyond a double (RFC 8259 section 6).
    fn trusted_claims(
        &self,
        watch: &mut Watch<'_, impl Observer>,
    ) -> Result<&Arc<JsonObject>, Rejection> {
        let held = self
            .claims()
            .and_then(|object| match object.huge_number_at() {
                None => Ok(object),
                Some(at) => {
                    let text =
                        format!("claims: a number that no finite double can hold at byte {at}");
                    Err(Rejection::because(RejectionKind::InvalidClaim, text))
                }
            });
        watch.step(Step::ClaimsHeld, held, |_, f| {
            f.write_str("one JSON object")
        })
    }
}

/// What steps 5 to 8 found.
struct CheckedHeader<'h> {
    algorithm: Algorithm,
    declared: DeclaredType,
    kid: Option<&'h Cow<'h, str>>,
}

/// Steps 5 to 8.
fn check_header<'h>(
    header: &'h Header<'h>,
    rules: &Rules,
    watch: &mut Watch<'_, impl Observer>,
) -> Result<CheckedHeader<'h>, Rejection> {
    let algorithm = header.algorithm(&rules.algorithms);
    let algorithm = watch.step(Step::Algorithm, algorithm, Algorithm::fmt)?;
    watch.step(Step::Critical, header.critical(), none)?;
    let declared = checks::declared_type(header, rules);
    let declared = watch.step(Step::TokenType, declared, DeclaredType::fmt)?;
    let kid = watch.step(Step::KeyId, header.key_id(), |kid, f| match kid {
        Some(kid) => Shown(kid).fmt(f),
        None => f.write_str("none"),
    })?;
    Ok(CheckedHeader {
        algorithm,
        declared,
        kid,
    })
}

/// What steps 11 to 17 found.
struct CheckedClaims<'c, 'a> {
    times: Times,
    issuer: Option<&'c str>,
    identity: Identity<'c, 'a>,
}

/// Steps 11 to 17.
fn check_claims<'c, 'a>(
    claims: &'c Claims<'a>,
    header: &CheckedHeader<'_>,
    rules: &Rules,
    now: UnixTime,
    watch: &mut Watch<'_, impl Observer>,
) -> Result<CheckedClaims<'c, 'a>, Rejection> {
    let expiry = claims
        .expiry(rules.times.expiry)
        .and_then(|expiry| expiry.check_expiry(&rules.times, now).map(|()| expiry));
    let expiry = watch.step(Step::Expiry, expiry, |expiry, f| {
        write!(f, "exp {}", DateShown(expiry.expires_at))
    })?;
    let times = claims
        .times(expiry)
        .and_then(|times| times.check_start(&rules.times, now).map(|()| times));
    let times = watch.step(Step::NotBefore, times, |times, f| {
        let (nbf, iat) = (DateShown(times.not_before), DateShown(times.issued_at));
        write!(f, "nbf {nbf}, iat {iat}")
    })?;
    let issuer = checks::issuer(claims, rules);
    let issuer = watch.step(Step::Issuer, issuer, |issuer, f| OrAbsent(*issuer).fmt(f))?;
    let audience = checks::audience(claims, rules);
    watch.step(Step::Audience, audience, |audience, f| {
        AudienceShown(*audience).fmt(f)
    })?;
    let identity = watch.step(Step::Identity, claims.identity(), |identity, f| {
        let subject = OrAbsent(identity.subject.map(|subject| &**subject));
        let client = OrAbsent(identity.client.map(|client| &**client));
        write!(f, "subject {subject}, client {client}")
    })?;
    watch.step(Step::SenderConstraint, checks::sender(claims), none)?;
    let access_token_only = checks::access_token_only(claims, header.declared, rules);
    watch.step(Step::AccessTokenOnly, access_token_only, |(), f| {
        f.write_str("no mark of another kind")
    })?;
    Ok(CheckedClaims {
        times,
        issuer,
        identity,
    })
}

fn none((): &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("none")
}
