//! What the tests of this crate share: vectors turned into keys, policies and outcomes.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a failure here should stop the test; not every test uses all of it"
)]

use std::sync::Arc;
use std::time::Duration;

use mcp_bearer_core::{
    AccessToken, Algorithm, Expected, KeySet, Limits, Policy, Rejection, Scopes, TokenType,
    UnixTime, UnverifiedToken, VerifyingKey,
};
use mcp_bearer_testkit::vectors::{ClaimPlace, Keys, Setting, VectorFile};

/// A setting of a vector file, ready to verify with.
pub(crate) struct Ready {
    pub(crate) issuer: String,
    pub(crate) keys: KeySet,
    pub(crate) policy: Policy,
    pub(crate) scopes: Scopes,
}

pub(crate) fn ready(setting: &Setting) -> Ready {
    Ready {
        issuer: setting
            .issuers
            .iter()
            .flatten()
            .next()
            .cloned()
            .unwrap_or_default(),
        keys: key_set(&setting.keys),
        policy: policy(setting),
        scopes: Scopes::from_names(&setting.scopes).unwrap(),
    }
}

pub(crate) fn key_set(keys: &Keys) -> KeySet {
    match keys {
        Keys::Jwks(value) => KeySet::from_jwks_json(&value.to_string()).unwrap(),
        Keys::PublicKey(pem) => KeySet::single(VerifyingKey::from_pem(pem).unwrap()),
        Keys::Secret(text) => KeySet::single(VerifyingKey::shared_secret(text.as_bytes()).unwrap()),
        Keys::JwksAndSecret(value, secret) => {
            let public = KeySet::from_jwks_json(&value.to_string()).unwrap();
            let secret = VerifyingKey::shared_secret(secret.as_bytes()).unwrap();
            KeySet::with_shared_secret(&Arc::new(public), &secret).unwrap()
        }
        Keys::Unavailable(why) => KeySet::unavailable(why.as_str(), Duration::from_secs(7)),
    }
}

pub(crate) fn policy(setting: &Setting) -> Policy {
    let expected = |listed: &Option<Vec<String>>| match listed {
        Some(listed) => Expected::OneOf(listed.clone()),
        None => Expected::Any,
    };
    let mut builder = Policy::builder(expected(&setting.issuers), expected(&setting.audiences));
    let algorithms = setting.algorithms.iter();
    builder = builder.algorithms(algorithms.map(|name| name.parse::<Algorithm>().unwrap()));
    if let Some(leeway) = setting.leeway {
        builder = builder.leeway(Duration::from_secs(leeway));
    }
    let options = &setting.policy;
    if options.token_type_rfc9068 {
        builder = builder.token_type(TokenType::Rfc9068);
    }
    for typ in &options.also_accept_types {
        builder = builder.also_accept_type(typ);
    }
    if let Some(age) = options.max_age {
        builder = builder.max_age(Duration::from_secs(age));
    }
    if options.accept_tokens_that_never_expire {
        builder = builder.accept_tokens_that_never_expire();
    }
    if options.accept_tokens_issued_in_the_future {
        builder = builder.accept_tokens_issued_in_the_future();
    }
    if options.accept_identity_token_shape {
        builder = builder.accept_identity_token_shape();
    }
    for (name, values) in &options.required_claims {
        builder = builder.required_claim(name, values.clone());
    }
    for (name, values) in &options.required_claims_containing {
        builder = builder.required_claim_containing(name, values.clone());
    }
    if let Some(clients) = &options.allowed_client_ids {
        builder = builder.allowed_client_ids(clients);
    }
    if let Some(claims) = &options.scope_claims {
        builder = builder.scope_claims(claims.iter().map(ClaimPlace::names));
    }
    if options.accept_scopes_beyond_consent {
        builder = builder.accept_scopes_beyond_consent();
    }
    for (scope, implied) in &options.scope_implies {
        builder = builder.scope_implies(scope, implied);
    }
    builder.build().unwrap()
}

pub(crate) fn limits(file: &VectorFile) -> Limits {
    let limits = Limits::default();
    match file.token_bytes {
        Some(bytes) => limits.with_token_bytes(bytes),
        None => limits,
    }
}

/// The whole path of a token: parse, choose the issuer if there are several, verify, require the
/// scopes.
pub(crate) fn run(
    file: &VectorFile,
    ready: &[Ready],
    token: &str,
) -> Result<AccessToken, Rejection> {
    let now = UnixTime::from_secs(file.now);
    let unverified = UnverifiedToken::parse(token, &limits(file))?;
    let chosen = match ready {
        [only] => only,
        several => {
            unverified.choose_issuer(several.iter().map(|one| (one.issuer.as_str(), one)))?
        }
    };
    let token = unverified.verify(&chosen.keys, &chosen.policy, now)?;
    token.require_scopes(&chosen.scopes)?;
    Ok(token)
}
