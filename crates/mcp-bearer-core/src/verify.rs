//! Steps 5 to 19: the only way from an unverified token to an [`AccessToken`].
//!
//! The order of the steps is part of the specification: the signature stands before every claim, so that nothing an
//! attacker writes into claims can be told from the answer. A step must never be skipped for an option's sake.

mod access_token;
mod faults;

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

pub use access_token::{AccessToken, ClaimError};

use crate::algorithm::Algorithm;
use crate::claims::{self, Audience, Claims, Identity, Times, missing};
use crate::compact::{Parsed, UnverifiedToken};
use crate::header::{DeclaredType, Header};
use crate::json::{Text, Value};
use crate::key_set::KeySet;
use crate::limits::Limits;
use crate::policy::{Expected, IdentityTokenShape, Policy, RequiredClaim, Rules, TokenType};
use crate::rejection::{Rejection, RejectionKind, Shown};
use crate::scope::Scopes;
use crate::signature::VerifyingKey;
use crate::step::{Observer, Step, Unobserved, Watch};

impl UnverifiedToken<'_> {
    /// Verifies the signature with one of `keys` and the claims against `policy`, at the time `now` since the Unix
    /// epoch.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mcp_bearer_core::{KeySet, Limits, Policy, RejectionKind, UnverifiedToken};
    /// let keys = KeySet::from_jwks_json(r#"{"keys":[]}"#)?;
    /// let policy = Policy::builder().any_issuer().any_audience().build()?;
    /// let token = UnverifiedToken::parse("eyJhbGciOiJub25lIn0.e30.AA", &Limits::default())?;
    /// let rejection = token.verify(&keys, &policy, Duration::from_secs(1_800_000_000)).unwrap_err();
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
        now: Duration,
    ) -> Result<AccessToken, Rejection> {
        self.verify_observed(keys, policy, now, &mut Unobserved)
    }

    /// [`verify`](Self::verify), told step by step to an observer.
    ///
    /// # Errors
    /// The same.
    pub fn verify_observed(
        &self,
        keys: &KeySet,
        policy: &Policy,
        now: Duration,
        observer: &mut impl Observer,
    ) -> Result<AccessToken, Rejection> {
        let rules = &*policy.rules;
        let mut watch = Watch::new(observer);
        let read = Header::read(&self.header);
        let header = check_header(&read, rules, &mut watch)?;

        let key = match self.check_signature(keys, &header) {
            Err(unavailable) if unavailable.kind() == RejectionKind::KeysUnavailable => {
                return Err(self.judge_without_keys(unavailable, &header, rules, now, &mut watch));
            }
            outcome => watch.step(Step::Signature, outcome, |key, f| write!(f, "{key:?}"))?,
        };

        let parsed = self.trusted_claims(&mut watch)?;
        let claims = Claims::read(parsed);
        let checked = check_claims(&claims, &header, rules, now, &mut watch)?;
        let Identity { subject, client } = checked.identity;
        let required = check_required(parsed, client.map(|client| &**client), rules);
        watch.step(Step::RequiredClaims, required, |(), f| {
            write!(f, "{} claims required", rules.required_claims.len())
        })?;
        let scopes = claims::scopes(parsed, &rules.scope_claims);
        let scopes = watch.step(Step::Scopes, scopes, |scopes, f| {
            write!(f, "{:?}", scopes.as_str())
        })?;

        Ok(AccessToken::proven(access_token::Proven {
            token: self.token.into(),
            claims: parsed.clone(),
            issuer: checked.issuer.map(|text| Text::keep(&parsed.text, text)),
            subject: subject.map(|text| Text::keep(&parsed.text, text)),
            client: client.map(|text| Text::keep(&parsed.text, text)),
            scopes,
            times: checked.times,
            algorithm: header.algorithm,
            fingerprint: key.fingerprint(),
            hierarchy: rules.hierarchy.clone(),
        }))
    }

    /// Whether fetching keys for this token could help: steps 5 to 8 and 10 to 17 pass, and the signature has a length
    /// that the algorithm allows.
    ///
    /// It says nothing about the signature itself; it keeps strangers from driving fetches. Steps 18 and 19 are left
    /// out: the answer would tell a stranger which values this server wants.
    #[must_use]
    pub fn worth_a_fetch(&self, policy: &Policy, now: Duration) -> bool {
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

    /// Whether it is a well-formed token of an algorithm that the policy allows, with a signature of a possible length.
    ///
    /// Such a token, whatever its claims say, is a reason to fetch the keys of a source that was never asked.
    #[must_use]
    pub fn is_plausible(&self, policy: &Policy) -> bool {
        self.algorithm().is_some_and(|algorithm| {
            policy.rules.algorithms.contains(&algorithm)
                && self.check_signature_length(algorithm).is_ok()
                && self.claims().is_ok()
        })
    }

    /// There are no keys. A token that its own claims condemn gets that rejection: no key could save it, and its sender
    /// must not be told to wait. Every other token meets the outage.
    fn judge_without_keys(
        &self,
        unavailable: Rejection,
        header: &CheckedHeader<'_>,
        rules: &Rules,
        now: Duration,
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

    /// Steps 10 to 17, which no signature has proven.
    fn check_unproven(
        &self,
        header: &CheckedHeader<'_>,
        rules: &Rules,
        now: Duration,
        watch: &mut Watch<'_, impl Observer>,
    ) -> Result<(), Rejection> {
        let claims = Claims::read(self.trusted_claims(watch)?);
        check_claims(&claims, header, rules, now, watch).map(drop)
    }

    /// Step 9: the candidates are tried in turn over the exact bytes received.
    fn check_signature<'k>(
        &self,
        keys: &'k KeySet,
        header: &CheckedHeader<'_>,
    ) -> Result<&'k VerifyingKey, Rejection> {
        let algorithm = header.algorithm;
        self.check_signature_length(algorithm)?;
        let candidates = keys.candidates(algorithm, header.kid.map(|kid| &**kid))?;
        let message = self.signing_input.as_bytes();
        let proven = |key: &&VerifyingKey| key.verifies(algorithm, message, &self.signature);
        candidates.iter().find(proven).ok_or_else(|| {
            let why = "the signature does not verify with the key";
            Rejection::with(RejectionKind::BadSignature, why)
        })
    }

    /// A signature of another length verifies with no key, so it must not start a fetch either.
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

    /// Step 10: what step 4 found, and no number beyond a double (RFC 8259 section 6).
    fn trusted_claims(
        &self,
        watch: &mut Watch<'_, impl Observer>,
    ) -> Result<&Arc<Parsed>, Rejection> {
        let held = self
            .claims()
            .and_then(|parsed| match parsed.object.huge_number_at() {
                None => Ok(parsed),
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
    let declared = check_type(header, rules);
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

// Steps that `faults` asks too are inlined by force: with a second caller each would cost a call.

/// Step 7.
#[inline(always)]
fn check_type(header: &Header<'_>, rules: &Rules) -> Result<DeclaredType, Rejection> {
    let declared = header.declared_type()?;
    match (rules.token_type, declared) {
        (TokenType::Rfc9068, DeclaredType::Plain) => {
            let why = "type \"at+jwt\" is demanded (RFC 9068 section 4)";
            Err(Rejection::with(RejectionKind::WrongTokenType, why))
        }
        _ => Ok(declared),
    }
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
    now: Duration,
    watch: &mut Watch<'_, impl Observer>,
) -> Result<CheckedClaims<'c, 'a>, Rejection> {
    let expiry = claims
        .expiry()
        .and_then(|expiry| expiry.check_expiry(&rules.times, now).map(|()| expiry));
    let expiry = watch.step(Step::Expiry, expiry, |expiry, f| {
        write!(f, "exp {}", Seconds(expiry.expires_at))
    })?;
    let times = claims
        .times(expiry)
        .and_then(|times| times.check_start(&rules.times, now).map(|()| times));
    let times = watch.step(Step::NotBefore, times, |times, f| {
        let (nbf, iat) = (Seconds(times.not_before), Seconds(times.issued_at));
        write!(f, "nbf {nbf}, iat {iat}")
    })?;
    let issuer = watch.step(Step::Issuer, check_issuer(claims, rules), |issuer, f| {
        OrAbsent(*issuer).fmt(f)
    })?;
    watch.step(
        Step::Audience,
        check_audience(claims, rules),
        |audience, f| AudienceShown(*audience).fmt(f),
    )?;
    let identity = watch.step(Step::Identity, claims.identity(), |identity, f| {
        let subject = OrAbsent(identity.subject.map(|subject| &**subject));
        let client = OrAbsent(identity.client.map(|client| &**client));
        write!(f, "subject {subject}, client {client}")
    })?;
    watch.step(Step::SenderConstraint, check_sender(claims), none)?;
    let access_token_only = check_access_token(claims, header.declared, rules);
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

/// Step 13.
#[inline(always)]
fn check_issuer<'c>(claims: &'c Claims<'_>, rules: &Rules) -> Result<Option<&'c str>, Rejection> {
    let issuer = claims::string("iss", claims.iss.as_ref())?.map(|issuer| &**issuer);
    match (issuer, &rules.issuers) {
        (None, Expected::Any) => Ok(None),
        (None, Expected::OneOf(_)) => Err(missing("iss")),
        (Some(issuer), expected) if expected.allows(issuer) => Ok(Some(issuer)),
        (Some(issuer), Expected::OneOf(expected)) => {
            let text = format!("issuer {} is not the expected {expected:?}", Shown(issuer));
            Err(Rejection::because(RejectionKind::WrongIssuer, text))
        }
        (Some(issuer), Expected::Any) => Ok(Some(issuer)),
    }
}

/// Step 14.
#[inline(always)]
fn check_audience<'c, 'a>(
    claims: &'c Claims<'a>,
    rules: &Rules,
) -> Result<Option<Audience<'c, 'a>>, Rejection> {
    let audience = claims::audience(claims.aud.as_ref())?;
    match (audience, &rules.audiences) {
        (None, Expected::OneOf(_)) => Err(missing("aud")),
        (Some(audience), expected) if audience.any(|text| expected.allows(text)) => {
            Ok(Some(audience))
        }
        (Some(audience), Expected::OneOf(expected)) => {
            let got = AudienceShown(Some(audience));
            let text = format!("audience {got} does not hold the expected {expected:?}");
            Err(Rejection::because(RejectionKind::WrongAudience, text))
        }
        (audience, Expected::Any) => Ok(audience),
    }
}

/// Step 16.
#[inline(always)]
fn check_sender(claims: &Claims<'_>) -> Result<(), Rejection> {
    if claims.cnf.is_none() {
        return Ok(());
    }
    let why = "claim \"cnf\" binds the token to a key, so it is not a bearer token";
    Err(Rejection::with(RejectionKind::SenderConstrained, why))
}

/// Step 17.
#[inline(always)]
fn check_access_token(
    claims: &Claims<'_>,
    declared: DeclaredType,
    rules: &Rules,
) -> Result<(), Rejection> {
    let refuse = |why| Err(Rejection::with(RejectionKind::WrongTokenType, why));
    let of_identity = claims.at_hash.is_some() || claims.c_hash.is_some();
    let tolerated = declared == DeclaredType::AccessToken
        || rules.identity_token_shape == IdentityTokenShape::Accept;
    if of_identity && !tolerated {
        return refuse("claim \"at_hash\" or \"c_hash\" is the mark of an ID token");
    }
    match &claims.token_use {
        None => {}
        Some(Value::String(purpose)) if purpose == "access" => {}
        Some(_) => return refuse("claim \"token_use\" is not \"access\""),
    }
    match &claims.typ {
        None => Ok(()),
        Some(Value::String(typ)) => {
            let other = ["ID", "Refresh", "Offline", "Logout"];
            if other.into_iter().any(|name| typ.eq_ignore_ascii_case(name)) {
                return refuse("claim \"typ\" is that of an ID, refresh, offline or logout token");
            }
            Ok(())
        }
        Some(_) => refuse("claim \"typ\" is not a string"),
    }
}

/// Step 18.
fn check_required(parsed: &Parsed, client: Option<&str>, rules: &Rules) -> Result<(), Rejection> {
    for required in &rules.required_claims {
        check_required_claim(parsed, required)?;
    }
    check_client(client, rules)
}

/// One claim of step 18.
fn check_required_claim(parsed: &Parsed, required: &RequiredClaim) -> Result<(), Rejection> {
    let name = &required.name;
    let Some(value) = parsed.get(name) else {
        let text = format!("claim {name:?} is missing");
        return Err(Rejection::because(RejectionKind::MissingClaim, text));
    };
    if !required.allowed.iter().any(|allowed| value.equals(allowed)) {
        let text = format!("claim {name:?} does not have a required value");
        return Err(Rejection::because(RejectionKind::ClaimNotAllowed, text));
    }
    Ok(())
}

/// The client of step 18.
fn check_client(client: Option<&str>, rules: &Rules) -> Result<(), Rejection> {
    match (&rules.allowed_client_ids, client) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(missing("client_id")),
        (Some(allowed), Some(client)) if allowed.iter().any(|id| id == client) => Ok(()),
        (Some(_), Some(client)) => {
            let text = format!("client {} is not among the allowed ones", Shown(client));
            Err(Rejection::because(RejectionKind::ClaimNotAllowed, text))
        }
    }
}

/// A NumericDate, or that there is none.
struct Seconds(Option<f64>);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(seconds) => write!(f, "{seconds}"),
            None => f.write_str("absent"),
        }
    }
}

/// A text, quoted and cut, or that there is none.
struct OrAbsent<'a>(Option<&'a str>);

impl Display for OrAbsent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) => Shown(text).fmt(f),
            None => f.write_str("absent"),
        }
    }
}

/// The first few audiences, quoted and cut.
struct AudienceShown<'c, 'a>(Option<Audience<'c, 'a>>);

impl AudienceShown<'_, '_> {
    const SHOWN: usize = 4;
}

impl Display for AudienceShown<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(audience) = self.0 else {
            return f.write_str("absent");
        };
        // One look at each, and nothing collected: a hostile token may hold thousands.
        let (mut count, mut written) = (0_usize, Ok(()));
        audience.any(|text| {
            if count < Self::SHOWN && written.is_ok() {
                written = write!(f, "{}{}", if count == 0 { "" } else { ", " }, Shown(text));
            }
            count += 1;
            false
        });
        written?;
        match count.checked_sub(Self::SHOWN) {
            _ if count == 0 => f.write_str("[]"),
            None | Some(0) => Ok(()),
            Some(more) => write!(f, " and {more} more"),
        }
    }
}

/// The `kid` of a token that was verified before.
fn kid_of(token: &str) -> Result<Option<String>, Rejection> {
    let unverified =
        UnverifiedToken::parse(token, &Limits::default().with_token_bytes(usize::MAX))?;
    let header = Header::read(&unverified.header);
    Ok(header.key_id()?.map(|kid| kid.clone().into_owned()))
}

/// What an operation needs, against what a token holds. Scopes are asked for after verification, by whoever knows the
/// operation.
pub(crate) fn missing_scopes(token: &AccessToken, required: &Scopes) -> Scopes {
    let lacking = required.iter().filter(|scope| !token.has_scope(scope));
    Scopes::from_names(lacking).unwrap_or_default()
}
