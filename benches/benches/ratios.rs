//! First sight of a token against the bare signature check, and against peers (feature `peers`).
//!
//! `cargo bench -p mcp-bearer-bench --features peers --bench ratios`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::time::{Duration, SystemTime};

use mcp_bearer::{Limits, TokenCacheSize, UnverifiedToken};
use mcp_bearer_bench::{Contender, Subject, interleaved};

fn main() {
    // The peers read the clock, so that the token has to be of this hour.
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let subject = Subject::at(now);
    let (input, signature) = subject.parts();
    let bare = subject.bare();
    let (keys, policy, limits) = (subject.key_set(), subject.policy(), Limits::default());
    let now = Duration::from_secs(now);
    let provider = subject.provider();
    let token = subject.token.as_str();
    println!("token: {} bytes, RS256, 2048-bit key", token.len());

    let cached = subject
        .provider()
        .with_token_cache(TokenCacheSize::default());
    let many = subject
        .provider()
        .with_token_cache(TokenCacheSize::default().with_entries(20_000));
    let tokens: Vec<String> = (0..10_000)
        .map(|number| subject.another(&format!("{number:036}")))
        .collect();
    for token in &tokens {
        many.try_verify_token(token).into_result().unwrap();
    }
    let mut turn = tokens.iter().cycle();

    let mut contenders = vec![
        Contender::new("bare signature check", || {
            bare.verify_sig(&input, &signature).is_ok()
        }),
        Contender::new("core: parse and verify, all checks", || {
            let unverified = UnverifiedToken::parse(token, &limits).unwrap();
            unverified.verify(&keys, &policy, now).unwrap()
        }),
        Contender::new("core: parse only", || {
            UnverifiedToken::parse(token, &limits).unwrap()
        }),
        Contender::new("core: parse, then the bare check", || {
            let unverified = UnverifiedToken::parse(token, &limits).unwrap();
            assert!(bare.verify_sig(&input, &signature).is_ok());
            unverified
        }),
        Contender::new("provider: try_verify_token", || {
            provider.try_verify_token(token).into_result().unwrap()
        }),
    ];
    contenders.push(Contender::new("provider: hit, one token", move || {
        cached.try_verify_token(token).into_result().unwrap()
    }));
    contenders.push(Contender::new(
        "provider: hit, 10,000 tokens in turn",
        move || {
            many.try_verify_token(turn.next().unwrap())
                .into_result()
                .unwrap()
        },
    ));
    #[cfg(feature = "peers")]
    contenders.extend(peers::all(&subject));
    let report = interleaved(&mut contenders, 400);
    println!("{report}");
}

#[cfg(feature = "peers")]
mod peers {
    use std::collections::HashSet;

    use futures_util::FutureExt;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    use jwt_simple::prelude::{RS256PublicKey, RSAPublicKeyLike, VerificationOptions};
    use mcp_bearer_bench::{AUDIENCE, Contender, ISSUER, Subject};
    use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};
    use serde_json::Value;

    /// Each with the same token, key, issuer and audience, and as many of our checks as it has. The claims of all but ours
    /// become a tree of values.
    pub(crate) fn all(subject: &Subject) -> Vec<Contender<'_>> {
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
        Contender::new("peer: jsonwebtoken 11 (aws-lc)", move || {
            decode::<Value>(&subject.token, &key, &validation).unwrap()
        })
    }

    /// The nearest to what this is: a key set, issuer, audience, times, scopes (over jsonwebtoken 9, with ring).
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
}
