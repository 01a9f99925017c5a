//! Steps 5 to 19: the only way from an unverified token to an [`AccessToken`].
//!
//! The order of the steps is part of the specification: the signature stands before every claim, so that nothing an
//! attacker writes into claims can be told from the answer. A step must never be skipped for an option's sake.

mod access_token;

use std::time::Duration;

pub use access_token::{AccessToken, ClaimError};

use crate::algorithm::Algorithm;
use crate::claims::{self, Audience, Claims, missing};
use crate::compact::{Parsed, UnverifiedToken};
use crate::header::{DeclaredType, Header};
use crate::json::{Text, Value};
use crate::key_set::KeySet;
use crate::limits::Limits;
use crate::policy::{Expected, IdentityTokenShape, Policy, Rules, TokenType};
use crate::rejection::{Rejection, RejectionKind, Shown};
use crate::scope::Scopes;
use crate::signature::VerifyingKey;
use crate::step::{Observer, Step, Unobserved, observed};

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
        let header = Header::read(&self.header);
        let (algorithm, declared) = check_header(&header, rules, observer)?;

        let kid = observed(observer, Step::KeyId, header.key_id())?;
        match kid {
            Some(kid) => observer.passed(Step::KeyId, format_args!("{}", Shown(kid))),
            None => observer.passed(Step::KeyId, format_args!("none")),
        }

        let key = self.check_signature(keys, algorithm, kid.map(|kid| &**kid));
        if let Err(rejection) = &key
            && rejection.kind() == RejectionKind::KeysUnavailable
        {
            // An outage is for well-formed tokens: no key could help one whose claims cannot be read.
            observed(observer, Step::ClaimsHeld, self.trusted_claims())?;
        }
        let key = observed(observer, Step::Signature, key)?;
        observer.passed(Step::Signature, format_args!("{key:?}"));

        let parsed = observed(observer, Step::ClaimsHeld, self.trusted_claims())?;
        observer.passed(Step::ClaimsHeld, format_args!("one JSON object"));
        let claims = Claims::read(parsed);

        let expiry = observed(observer, Step::Expiry, claims.expiry())?;
        observed(
            observer,
            Step::Expiry,
            expiry.check_expiry(&rules.times, now),
        )?;
        observer.passed(
            Step::Expiry,
            format_args!("exp {}", Seconds(expiry.expires_at)),
        );
        let times = observed(observer, Step::NotBefore, claims.times(expiry))?;
        observed(
            observer,
            Step::NotBefore,
            times.check_start(&rules.times, now),
        )?;
        observer.passed(
            Step::NotBefore,
            format_args!(
                "nbf {}, iat {}",
                Seconds(times.not_before),
                Seconds(times.issued_at)
            ),
        );

        let issuer = observed(observer, Step::Issuer, check_issuer(&claims, rules))?;
        observer.passed(Step::Issuer, format_args!("{}", OrAbsent(issuer)));
        let audience = observed(observer, Step::Audience, check_audience(&claims, rules))?;
        observer.passed(Step::Audience, format_args!("{}", AudienceShown(audience)));

        let identity = observed(observer, Step::Identity, claims.identity())?;
        let client = identity.client.map(|client| &**client);
        let subject = identity.subject.map(|subject| &**subject);
        observer.passed(
            Step::Identity,
            format_args!("subject {}, client {}", OrAbsent(subject), OrAbsent(client)),
        );

        observed(observer, Step::SenderConstraint, check_sender(&claims))?;
        observer.passed(Step::SenderConstraint, format_args!("none"));
        let kind = check_access_token(&claims, declared, rules);
        observed(observer, Step::AccessTokenOnly, kind)?;
        observer.passed(
            Step::AccessTokenOnly,
            format_args!("no mark of another kind"),
        );
        observed(
            observer,
            Step::RequiredClaims,
            check_required(parsed, client, rules),
        )?;
        observer.passed(
            Step::RequiredClaims,
            format_args!("{} claims required", rules.required_claims.len()),
        );

        let scopes = claims::scopes(parsed, &rules.scope_claims);
        let scopes = observed(observer, Step::Scopes, scopes)?;
        observer.passed(Step::Scopes, format_args!("{:?}", scopes.as_str()));

        Ok(AccessToken::proven(access_token::Proven {
            token: self.token.into(),
            claims: parsed.clone(),
            issuer: issuer.map(|text| Text::keep(&parsed.text, text)),
            subject: subject.map(|text| Text::keep(&parsed.text, text)),
            client: client.map(|text| Text::keep(&parsed.text, text)),
            scopes,
            times,
            algorithm,
            fingerprint: key.fingerprint(),
            hierarchy: rules.hierarchy.clone(),
        }))
    }

    /// Whether fetching keys for this token could help: its unverified times, issuer and audience would pass.
    ///
    /// It answers nothing about the token itself; it keeps strangers from driving fetches.
    #[must_use]
    pub fn worth_a_fetch(&self, policy: &Policy, now: Duration) -> bool {
        let check = || -> Result<(), Rejection> {
            let rules = &*policy.rules;
            let header = Header::read(&self.header);
            check_header(&header, rules, &mut Unobserved)?;
            header.key_id()?;
            let claims = Claims::read(self.trusted_claims()?);
            let times = claims.times(claims.expiry()?)?;
            times.check_expiry(&rules.times, now)?;
            times.check_start(&rules.times, now)?;
            check_issuer(&claims, rules)?;
            check_audience(&claims, rules)?;
            Ok(())
        };
        check().is_ok()
    }

    /// Step 9: the candidates are tried in turn over the exact bytes received.
    fn check_signature<'k>(
        &self,
        keys: &'k KeySet,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<&'k VerifyingKey, Rejection> {
        let candidates = keys.candidates(algorithm, kid)?;
        let message = self.signing_input.as_bytes();
        let proven = |key: &&VerifyingKey| key.verifies(algorithm, message, &self.signature);
        candidates.iter().find(proven).ok_or_else(|| {
            let why = "the signature does not verify with the key";
            Rejection::with(RejectionKind::BadSignature, why)
        })
    }

    /// Step 10: what step 4 found, and no number beyond a double (RFC 8259 section 6).
    fn trusted_claims(&self) -> Result<&std::sync::Arc<Parsed>, Rejection> {
        let parsed = self.claims()?;
        match parsed.object.huge_number_at() {
            None => Ok(parsed),
            Some(at) => {
                let text = format!("claims: a number that no finite double can hold at byte {at}");
                Err(Rejection::because(RejectionKind::InvalidClaim, text))
            }
        }
    }
}

/// Steps 5 to 7.
fn check_header(
    header: &Header<'_>,
    rules: &Rules,
    observer: &mut impl Observer,
) -> Result<(Algorithm, DeclaredType), Rejection> {
    let algorithm = header.algorithm(&rules.algorithms);
    let algorithm = observed(observer, Step::Algorithm, algorithm)?;
    observer.passed(Step::Algorithm, format_args!("{algorithm}"));

    observed(observer, Step::Critical, header.critical())?;
    observer.passed(Step::Critical, format_args!("none"));

    let declared = header
        .declared_type()
        .and_then(|declared| match (rules.token_type, declared) {
            (TokenType::Rfc9068, DeclaredType::Plain) => {
                let why = "type \"at+jwt\" is demanded (RFC 9068 section 4)";
                Err(Rejection::with(RejectionKind::WrongTokenType, why))
            }
            _ => Ok(declared),
        });
    let declared = observed(observer, Step::TokenType, declared)?;
    observer.passed(
        Step::TokenType,
        format_args!(
            "{}",
            match declared {
                DeclaredType::Plain => "absent or \"JWT\"",
                DeclaredType::AccessToken => "\"at+jwt\"",
            }
        ),
    );
    Ok((algorithm, declared))
}

/// Step 13.
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
fn check_sender(claims: &Claims<'_>) -> Result<(), Rejection> {
    if claims.cnf.is_none() {
        return Ok(());
    }
    let why = "claim \"cnf\" binds the token to a key, so it is not a bearer token";
    Err(Rejection::with(RejectionKind::SenderConstrained, why))
}

/// Step 17.
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
        let name = &required.name;
        let Some(value) = parsed.get(name) else {
            let text = format!("claim {name:?} is missing");
            return Err(Rejection::because(RejectionKind::MissingClaim, text));
        };
        if !required.allowed.iter().any(|allowed| value.equals(allowed)) {
            let text = format!("claim {name:?} does not have a required value");
            return Err(Rejection::because(RejectionKind::ClaimNotAllowed, text));
        }
    }
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

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(seconds) => write!(f, "{seconds}"),
            None => f.write_str("absent"),
        }
    }
}

/// A text, quoted and cut, or that there is none.
struct OrAbsent<'a>(Option<&'a str>);

impl std::fmt::Display for OrAbsent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

impl std::fmt::Display for AudienceShown<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
