//! First sight of a token against the bare signature check, and against peers (feature `peers`).
//!
//! `cargo bench -p mcp-bearer-bench --features peers --bench ratios`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::time::Duration;

use mcp_bearer::{Limits, TokenCacheSize, UnverifiedToken};
use mcp_bearer_bench::{Contender, NOW, Subject, interleaved};

fn main() {
    let subject = Subject::rs256();
    let (input, signature) = subject.parts();
    let bare = subject.bare();
    let (keys, policy, limits) = (subject.key_set(), subject.policy(), Limits::default());
    let now = Duration::from_secs(NOW);
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
        .map(|number| Subject::token_of(&subject.key, &format!("{number:036}")))
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
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    use mcp_bearer_bench::{AUDIENCE, Contender, ISSUER, Subject};
    use serde_json::Value;

    /// `jsonwebtoken` does fewer checks, and reads the clock; its claims become a tree of values.
    pub(crate) fn all(subject: &Subject) -> Vec<Contender<'_>> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_exp = false; // the token is from the benchmark's own time
        validation.required_spec_claims = ["exp", "iss", "aud"].map(str::to_owned).into();
        let key = DecodingKey::from_rsa_pem(subject.key.public_pem().as_bytes()).unwrap();
        vec![Contender::new(
            "peer: jsonwebtoken 11 (aws-lc), fewer checks",
            move || decode::<Value>(&subject.token, &key, &validation).unwrap(),
        )]
    }
}
