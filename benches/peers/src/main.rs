//! First sight of a token, compared with other Rust libraries for the same job:
//! `scripts/bench-peers rust`. Given a folder, it writes the token, key and figures there for
//! `others.py`.
//!
//! All get the same token, key, issuer and audience in one interleaved run. The ratio to the bare
//! signature check is compared. Ours makes at least as many checks as any peer.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::collections::HashSet;
use std::path::Path;
use std::time::SystemTime;

use futures_util::FutureExt;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use jwt_simple::prelude::{RS256PublicKey, RSAPublicKeyLike, VerificationOptions};
use mcp_bearer::TokenCacheSize;
use mcp_bearer_bench::{AUDIENCE, Contender, ISSUER, Report, Subject, interleaved};
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};
use serde_json::{Value, json};

fn main() {
    // The peers read the clock, so the token has to be current.
    let subject = Subject::at(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
    let (input, signature) = subject.parts();
    let (bare, provider) = (subject.bare(), subject.provider());
    let cached = subject
        .provider()
        .with_token_cache(TokenCacheSize::default());
    let token = subject.token.as_str();
    println!("token: {} bytes, RS256, 2048-bit key", token.len());
    let mut contenders = vec![
        Contender::new("bare signature check (aws-lc)", || {
            bare.verify_sig(&input, &signature).is_ok()
        }),
        Contender::new("mcp-bearer, first sight", || {
            provider.try_verify_token(token).into_result().unwrap()
        }),
        Contender::new("mcp-bearer, from the cache", || {
            cached.try_verify_token(token).into_result().unwrap()
        }),
    ];
    contenders.extend(peers(&subject));
    let report = interleaved(&mut contenders, 300);
    println!("{report}");
    if let Some(folder) = std::env::args().nth(1) {
        leave_for_others(Path::new(&folder), &subject, &report);
    }
}

/// The token, its key and what was measured here, for the peers in other languages.
fn leave_for_others(folder: &Path, subject: &Subject, report: &Report) {
    let micros = report.rows.iter();
    let micros = micros.map(|(name, nanos, _)| (name.clone(), Value::from(nanos / 1000.0)));
    let all = json!({
        "token": subject.token,
        "public_key": subject.key.public_pem(),
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "micros": micros.collect::<serde_json::Map<_, _>>(),
    });
    std::fs::write(folder.join("rust.json"), all.to_string()).unwrap();
}

/// Each with the same token, key, issuer and audience, and as many of our checks as it offers. All
/// but ours turn the claims into a tree of values.
fn peers(subject: &Subject) -> Vec<Contender<'_>> {
    vec![
        jsonwebtoken(subject),
        oauth_resource_server(subject),
        jwt_simple(subject),
    ]
}

fn jsonwebtoken(subject: &Subject) -> Contender<'_> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_nbf = true;
    validation.required_spec_claims = ["exp", "iss", "aud"].map(str::to_owned).into();
    let key = DecodingKey::from_rsa_pem(subject.key.public_pem().as_bytes()).unwrap();
    Contender::new("peer: jsonwebtoken 12 (aws-lc)", move || {
        decode::<Value>(&subject.token, &key, &validation).unwrap()
    })
}

/// The closest to this project: a key set, issuer, audience, times, scopes (over jsonwebtoken 9,
/// with ring).
fn oauth_resource_server(subject: &Subject) -> Contender<'_> {
    let config = OAuthConfig {
        enabled: true,
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        resource: AUDIENCE.into(),
        required_scopes: vec!["mcp:read".into()],
        algorithms: vec!["RS256".into()],
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth")).unwrap().unwrap();
    let jwks = subject.key.jwks().to_string();
    let validator = OAuthValidator::builder(&config).initial_jwks(&jwks);
    let validator = validator.build().unwrap();
    Contender::new("peer: oauth-resource-server 0.4 (ring)", move || {
        validator
            .validate(&subject.token)
            .now_or_never()
            .unwrap()
            .unwrap()
    })
}

fn jwt_simple(subject: &Subject) -> Contender<'_> {
    let key = RS256PublicKey::from_pem(&subject.key.public_pem()).unwrap();
    let options = VerificationOptions {
        allowed_issuers: Some(HashSet::from([ISSUER.to_owned()])),
        allowed_audiences: Some(HashSet::from([AUDIENCE.to_owned()])),
        ..VerificationOptions::default()
    };
    Contender::new("peer: jwt-simple 0.15 (pure Rust)", move || {
        key.verify_token::<Value>(&subject.token, Some(options.clone()))
            .unwrap()
    })
}
