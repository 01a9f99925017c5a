//! What the policy requires of the header and the claims: step 7 and steps 13 to 18, one function
//! per step.

use super::shown::AudienceShown;
use crate::claims::{self, Audience, Claims, missing, refuse_null};
use crate::header::{DeclaredType, Header};
use crate::json::{JsonObject, Value};
use crate::near_miss::NearMiss;
use crate::policy::{Expected, IdentityTokenShape, Rules, TokenType};
use crate::rejection::{Rejection, RejectionKind, Shown};

/// Step 7.
#[inline(always)]
pub(super) fn declared_type(header: &Header<'_>, rules: &Rules) -> Result<DeclaredType, Rejection> {
    let declared = header.declared_type(&rules.named_types)?;
    match (rules.token_type, declared) {
        (TokenType::Any, _) | (TokenType::Rfc9068, DeclaredType::AccessToken) => Ok(declared),
        (TokenType::Rfc9068, DeclaredType::Plain | DeclaredType::Named) => {
            let why = "type \"at+jwt\" is required (RFC 9068 section 4)";
            Err(Rejection::with(RejectionKind::WrongTokenType, why))
        }
    }
}

/// Step 13.
#[inline(always)]
pub(super) fn issuer<'c>(
    claims: &'c Claims<'_>,
    rules: &Rules,
) -> Result<Option<&'c str>, Rejection> {
    if let Expected::OneOf(_) = rules.issuers {
        refuse_null("iss", claims.iss.as_ref())?;
    }
    let issuer = claims::string("iss", claims.iss.as_ref())?.map(|issuer| &**issuer);
    match (issuer, &rules.issuers) {
        (None, Expected::Any) => Ok(None),
        (None, Expected::OneOf(_)) => Err(missing("iss")),
        (Some(issuer), expected) if expected.allows(issuer) => Ok(Some(issuer)),
        (Some(issuer), Expected::OneOf(expected)) => {
            let mut text = format!("issuer {} is not the expected {expected:?}", Shown(issuer));
            text.extend(NearMiss::first_of(issuer, expected));
            Err(Rejection::because(RejectionKind::WrongIssuer, text))
        }
        (Some(issuer), Expected::Any) => Ok(Some(issuer)),
    }
}

/// Step 14.
#[inline(always)]
pub(super) fn audience<'c, 'a>(
    claims: &'c Claims<'a>,
    rules: &Rules,
) -> Result<Option<Audience<'c, 'a>>, Rejection> {
    if let Expected::OneOf(_) = rules.audiences {
        refuse_null("aud", claims.aud.as_ref())?;
    }
    let audience = claims::audience(claims.aud.as_ref())?;
    match (audience, &rules.audiences) {
        (None, Expected::OneOf(_)) => Err(missing("aud")),
        (Some(audience), expected) if audience.any(|text| expected.allows(text)) => {
            Ok(Some(audience))
        }
        (Some(audience), Expected::OneOf(expected)) => {
            let got = AudienceShown(Some(audience));
            let mut text = format!("audience {got} does not hold the expected {expected:?}");
            audience.any(|text_of_one| {
                let near = NearMiss::first_of(text_of_one, expected);
                let found = near.is_some();
                text.extend(near);
                found
            });
            Err(Rejection::because(RejectionKind::WrongAudience, text))
        }
        (audience, Expected::Any) => Ok(audience),
    }
}

/// Step 16.
#[inline(always)]
pub(super) fn sender(claims: &Claims<'_>) -> Result<(), Rejection> {
    if claims.cnf.is_none() {
        return Ok(());
    }
    let why = "claim \"cnf\" binds the token to a key, so it is not a bearer token";
    Err(Rejection::with(RejectionKind::SenderConstrained, why))
}

/// Step 17.
#[inline(always)]
pub(super) fn access_token_only(
    claims: &Claims<'_>,
    declared: DeclaredType,
    rules: &Rules,
) -> Result<(), Rejection> {
    let refuse = |why| Err(Rejection::with(RejectionKind::WrongTokenType, why));
    let declared_access_token = declared == DeclaredType::AccessToken;
    let of_identity = [&claims.at_hash, &claims.c_hash, &claims.s_hash];
    if of_identity.into_iter().any(Option::is_some)
        && !declared_access_token
        && rules.identity_token_shape == IdentityTokenShape::Refuse
    {
        return refuse("claim \"at_hash\", \"c_hash\" or \"s_hash\" is the mark of an ID token");
    }
    if claims.events.is_some() && !declared_access_token {
        return refuse("claim \"events\" is the mark of a logout or security event token");
    }
    match &claims.token_use {
        None => {}
        Some(Value::String(purpose)) if purpose == "access" => {}
        Some(_) => return refuse("claim \"token_use\" is not \"access\""),
    }
    match &claims.typ {
        None => Ok(()),
        Some(Value::String(typ)) if is_of_another_kind(typ) => {
            let text = format!("claim \"typ\" is {}, not an access token's", Shown(typ));
            Err(Rejection::because(RejectionKind::WrongTokenType, text))
        }
        Some(Value::String(_)) => Ok(()),
        Some(_) => refuse("claim \"typ\" is not a string"),
    }
}

/// What Keycloak and similar issuers write into the claim `typ` of tokens that are not access
/// tokens.
fn is_of_another_kind(typ: &str) -> bool {
    const KINDS: [&str; 8] = [
        "ID",
        "Serialized-ID",
        "Refresh",
        "Offline",
        "Logout",
        "DPoP",
        "RegistrationAccessToken",
        "InitialAccessToken",
    ];
    KINDS.into_iter().any(|kind| typ.eq_ignore_ascii_case(kind))
}

/// Step 18.
pub(super) fn required(
    claims: &JsonObject,
    client: Option<&str>,
    rules: &Rules,
) -> Result<(), Rejection> {
    for required in &rules.required_claims {
        required.check(claims)?;
    }
    allowed_client(client, rules)
}

/// The client of step 18.
#[inline]
pub(super) fn allowed_client(client: Option<&str>, rules: &Rules) -> Result<(), Rejection> {
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
