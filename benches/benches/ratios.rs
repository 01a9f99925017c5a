//! First sight of a token compared with the bare signature check, and with peers (feature `peers`).
//!
//! `cargo bench -p mcp-bearer-bench --features peers --bench ratios`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::time::SystemTime;

use mcp_bearer::config::Limits;
use mcp_bearer::core::UnverifiedToken;
use mcp_bearer::{TokenCacheSize, UnixTime};
use mcp_bearer_bench::{Contender, Subject, interleaved};

fn main() {
    // The peers read the clock, so the token has to be current.
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let subject = Subject::at(now);
    let (input, signature) = subject.parts();
    let bare = subject.bare();
    let (keys, policy, limits) = (subject.key_set(), subject.policy(), Limits::default());
    let now = UnixTime::from_secs(now);
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

    let rejects = [
        ("reject: 101 segments", "a.b".repeat(100)),
        ("reject: one segment", "not-a-token".to_owned()),
        ("reject: 1 MB", "a".repeat(1_000_000)),
        (
            "reject: an unknown algorithm",
            subject.forge().alg_name("XS256").token(),
        ),
        (
            "reject: a bad signature",
            subject.forge().flip_signature_bit(7).token(),
        ),
    ];

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
    for (name, token) in &rejects {
        let provider = &provider;
        contenders.push(Contender::new(name, move || {
            provider.try_verify_token(token).into_result().unwrap_err()
        }));
    }
    contenders.extend(layer::all(&subject));
    #[cfg(feature = "peers")]
    contenders.extend(peers::all(&subject));
    let report = interleaved(&mut contenders, 400);
    println!("{report}");
    let nanos = |name| report.nanos(name);
    let added = nanos(layer::HIT) - nanos(layer::NONE) - nanos("provider: hit, one token");
    println!("the layer adds {added:.0} ns to a hit");
}

/// One request through the layer into a service that does nothing.
mod layer {
    use std::convert::Infallible;
    use std::hint::black_box;

    use bytes::Bytes;
    use futures_util::FutureExt;
    use http::{Request, Response};
    use http_body_util::Empty;
    use mcp_bearer::{BearerAuthLayer, TokenCacheSize};
    use mcp_bearer_bench::{AUDIENCE, Contender, Subject};
    use tower::{Service, service_fn};

    type Body = Empty<Bytes>;

    pub(crate) const NONE: &str = "http: no layer";
    pub(crate) const HIT: &str = "http: the layer, a hit";

    pub(crate) fn all(subject: &Subject) -> Vec<Contender<'_>> {
        let value = http::HeaderValue::from_str(&format!("Bearer {}", subject.token)).unwrap();
        let request = move || {
            let mut request = Request::new(Body::new());
            request.headers_mut().insert("authorization", value.clone());
            request
        };
        let nothing = || {
            service_fn(|request: Request<Body>| async move {
                black_box(request);
                Ok::<_, Infallible>(Response::new(Body::new()))
            })
        };
        let (mut bare, another) = (nothing(), request.clone());
        let provider = subject
            .provider()
            .with_token_cache(TokenCacheSize::default());
        let layer = BearerAuthLayer::new(provider).resource(AUDIENCE).unwrap();
        let mut guarded = layer.layer(nothing());
        vec![
            Contender::new(NONE, move || bare.call(another()).now_or_never().unwrap()),
            Contender::new(HIT, move || {
                let answer = guarded.call(request()).now_or_never().unwrap().unwrap();
                assert_eq!(answer.status(), 200);
                answer
            }),
        ]
    }
}

#[cfg(feature = "peers")]
mod peers {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    use mcp_bearer_bench::{AUDIENCE, Contender, ISSUER, Subject};
    use serde_json::Value;

    /// The closest in speed, over the same library. `benches/peers` has more of them.
    pub(crate) fn all(subject: &Subject) -> Vec<Contender<'_>> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_nbf = true;
        validation.required_spec_claims = ["exp", "iss", "aud"].map(str::to_owned).into();
        let key = DecodingKey::from_rsa_pem(subject.key.public_pem().as_bytes()).unwrap();
        vec![Contender::new(
            "peer: jsonwebtoken 11 (aws-lc)",
            move || decode::<Value>(&subject.token, &key, &validation).unwrap(),
        )]
    }
}
