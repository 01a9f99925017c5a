//! First sight of a token compared with the bare signature check, and with peers (feature `peers`).
//!
//! `cargo bench -p mcp-bearer-bench --features peers --bench ratios`
//!
//! `-- --raw FILE` also writes the time of every batch, as CSV.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::time::SystemTime;

use mcp_bearer::config::Limits;
use mcp_bearer::core::{Policy, UnverifiedToken};
use mcp_bearer::{TokenCacheSize, UnixTime};
use mcp_bearer_bench::{AUDIENCE, Contender, ISSUER, Subject, interleaved, raw_file};

fn main() {
    // The peers read the clock, so the token has to be current.
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let subject = Subject::at(now);
    let (input, signature) = subject.parts();
    let bare = subject.bare();
    let (keys, policy, limits) = (subject.key_set(), subject.policy(), Limits::default());
    let now = UnixTime::from_secs(now);
    let by_aws_lc = Policy::builder(ISSUER, AUDIENCE)
        .without_rsa_kernel()
        .build()
        .unwrap();
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
        Contender::new("core: all checks, AWS-LC alone", || {
            let unverified = UnverifiedToken::parse(token, &limits).unwrap();
            unverified.verify(&keys, &by_aws_lc, now).unwrap()
        }),
    ];
    contenders.extend(kernel::all(&subject, &input, &signature));
    contenders.extend(pss::all(&subject, now));
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
    println!(
        "first sight of PS256 against its own bare check: {:.4}",
        report.ratio(pss::FIRST, pss::BARE)
    );
    if let Some(file) = raw_file() {
        let head = "cargo bench -p mcp-bearer-bench --bench ratios -- --raw FILE\n\
                    Nanoseconds of CPU time for one run, per batch; one round per line.";
        std::fs::write(file, report.to_csv(head)).unwrap();
    }
}

/// The signature check by the kernel, with the hash and a certificate per product.
mod kernel {
    use aws_lc_rs::digest::{SHA256, digest};
    use mcp_bearer_bench::{Contender, Subject};
    use mcp_bearer_rsa::{Engine, Padding, PublicKey, Verdict};

    pub(crate) fn all<'a>(
        subject: &Subject,
        input: &'a [u8],
        signature: &'a [u8],
    ) -> Option<Contender<'a>> {
        let key = PublicKey::new(Engine::detect()?, &subject.modulus(), &[1, 0, 1])?;
        Some(Contender::new("kernel: hash and certificates", move || {
            let verdict = key.verify(Padding::Pkcs1v15, &digest(&SHA256, input), signature);
            assert_eq!(verdict, Verdict::Valid);
        }))
    }
}

/// PS256, with the same key and claims.
mod pss {
    use aws_lc_rs::signature::{ParsedPublicKey, RSA_PSS_2048_8192_SHA256};
    use mcp_bearer::config::Limits;
    use mcp_bearer::core::{Policy, UnverifiedToken};
    use mcp_bearer::{Algorithm, UnixTime};
    use mcp_bearer_bench::{AUDIENCE, Contender, ISSUER, Subject, parts_of};

    pub(crate) const BARE: &str = "PS256: bare signature check";
    pub(crate) const FIRST: &str = "PS256: parse and verify, all checks";

    pub(crate) fn all(subject: &Subject, now: UnixTime) -> [Contender<'_>; 2] {
        let token = subject.forge().alg("PS256").token();
        let (input, signature) = parts_of(&token);
        let bare = ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, subject.key.public_der());
        let bare = bare.unwrap();
        let policy = Policy::builder(ISSUER, AUDIENCE).algorithms([Algorithm::Ps256]);
        let (keys, policy) = (subject.key_set(), policy.build().unwrap());
        [
            Contender::new(BARE, move || bare.verify_sig(&input, &signature).is_ok()),
            Contender::new(FIRST, move || {
                let unverified = UnverifiedToken::parse(&token, &Limits::default()).unwrap();
                unverified.verify(&keys, &policy, now).unwrap()
            }),
        ]
    }
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
            "peer: jsonwebtoken 12 (aws-lc)",
            move || decode::<Value>(&subject.token, &key, &validation).unwrap(),
        )]
    }
}
