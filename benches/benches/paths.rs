//! Every path a token can take, by criterion: `cargo bench -p mcp-bearer-bench --bench paths`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::convert::Infallible;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Empty;
use mcp_bearer::config::Limits;
use mcp_bearer::core::{Policy, UnverifiedToken};
use mcp_bearer::{Algorithm, BearerAuthLayer, TokenCacheSize, UnixTime};
use mcp_bearer_bench::{AUDIENCE, ISSUER, NOW, Subject};
use mcp_bearer_testkit::{Forge, SigningKey};
use tower::{Service, ServiceExt, service_fn};

/// A forged token that names no key costs one check per key that could have signed it, up to four.
fn forged_without_kid(c: &mut Criterion) {
    let mut group = c.benchmark_group("forged, without kid");
    type Make = fn() -> SigningKey;
    let make: [(&str, Algorithm, Make); 4] = [
        ("RS256", Algorithm::Rs256, || SigningKey::rsa(2048)),
        ("ES256", Algorithm::Es256, SigningKey::ec_p256),
        ("ES512", Algorithm::Es512, SigningKey::ec_p521),
        ("EdDSA", Algorithm::EdDsa, SigningKey::ed25519),
    ];
    for (name, algorithm, make) in make {
        let signer = make();
        let forge = Forge::new(&signer, NOW).issuer(ISSUER).audience(AUDIENCE);
        let token = forge.alg(algorithm.name()).without_header("kid").token();
        let policy = Policy::builder(ISSUER, AUDIENCE);
        let policy = policy.algorithms([algorithm]).build().unwrap();
        for held in [1, 4] {
            let jwks: Vec<_> = (0..held).map(|_| make().jwk()).collect();
            let jwks = serde_json::json!({ "keys": jwks }).to_string();
            let keys = mcp_bearer::keys::KeySet::from_jwks_json(&jwks).unwrap();
            group.bench_function(format!("{name}, {held} held"), |b| {
                b.iter(|| {
                    let token =
                        UnverifiedToken::parse(black_box(&token), &Limits::default()).unwrap();
                    token
                        .verify(&keys, &policy, UnixTime::from_secs(NOW))
                        .unwrap_err()
                });
            });
        }
    }
    group.finish();
}

fn main_paths(c: &mut Criterion) {
    let subject = Subject::rs256();
    let (input, signature) = subject.parts();
    let bare = subject.bare();
    let provider = subject.provider();
    let cached = subject
        .provider()
        .with_token_cache(TokenCacheSize::default());
    let bad = Forge::new(&subject.key, NOW)
        .issuer(ISSUER)
        .audience(AUDIENCE);
    let mut group = c.benchmark_group("paths");
    group.bench_function("bare signature check", |b| {
        b.iter(|| bare.verify_sig(black_box(&input), &signature).is_ok());
    });
    for (name, provider, token) in [
        ("first sight", &provider, subject.token.clone()),
        ("hit, one token", &cached, subject.token.clone()),
        ("reject: two segments", &provider, "a.b".repeat(100)),
        (
            "reject: unknown algorithm",
            &provider,
            bad.clone().alg_name("XS256").token(),
        ),
        (
            "reject: bad signature",
            &provider,
            bad.clone().flip_signature_bit(7).token(),
        ),
        ("reject: expired", &provider, bad.expires_in(-3600).token()),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| provider.try_verify_token(black_box(&token)));
        });
    }
    group.finish();
}

/// Refused by length alone, and with a higher limit by the split and depth rules, in time linear in
/// the length.
fn hostile_sizes(c: &mut Criterion) {
    let mut group = c.benchmark_group("hostile sizes");
    let (usual, raised) = (
        Limits::default(),
        Limits::default().with_token_bytes(16 * 1024 * 1024),
    );
    let key = SigningKey::shared_rsa_2048();
    let nested = |levels: usize| {
        let claims = format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        Forge::new(&key, NOW).raw_claims(claims).token()
    };
    for (name, limits, text) in [
        ("1 MB, by length", &usual, "a".repeat(1_000_000)),
        ("100,000 dots, by length", &usual, ".".repeat(100_000)),
        ("100,000 dots, by the split", &raised, ".".repeat(100_000)),
        (
            "1,000,000 dots, by the split",
            &raised,
            ".".repeat(1_000_000),
        ),
        ("10,000 levels, by the depth", &raised, nested(10_000)),
        ("100,000 levels, by the depth", &raised, nested(100_000)),
    ] {
        group.throughput(Throughput::Bytes(text.len().try_into().unwrap()));
        group.bench_function(name, |b| {
            b.iter(|| UnverifiedToken::parse(black_box(&text), limits).map(drop));
        });
    }
    group.finish();
}

fn algorithms(c: &mut Criterion) {
    let mut group = c.benchmark_group("first sight by algorithm");
    let rsa = [
        (
            "RS256 2048",
            SigningKey::shared_rsa_2048(),
            Algorithm::Rs256,
        ),
        (
            "RS256 3072",
            SigningKey::shared_rsa_3072(),
            Algorithm::Rs256,
        ),
        (
            "RS256 4096",
            SigningKey::shared_rsa_4096(),
            Algorithm::Rs256,
        ),
        (
            "PS256 2048",
            SigningKey::shared_rsa_2048(),
            Algorithm::Ps256,
        ),
        (
            "RS512 2048",
            SigningKey::shared_rsa_2048(),
            Algorithm::Rs512,
        ),
        ("ES256", SigningKey::ec_p256(), Algorithm::Es256),
        ("ES384", SigningKey::ec_p384(), Algorithm::Es384),
        ("ES512", SigningKey::ec_p521(), Algorithm::Es512),
        ("EdDSA", SigningKey::ed25519(), Algorithm::EdDsa),
    ];
    for (name, key, algorithm) in rsa {
        let forge = Forge::new(&key, NOW).issuer(ISSUER).audience(AUDIENCE);
        let token = forge.alg(algorithm.name()).token();
        let keys = mcp_bearer::keys::KeySet::from_jwks_json(&key.jwks().to_string()).unwrap();
        let policy = Policy::builder(ISSUER, AUDIENCE);
        let policy = policy.algorithms([algorithm]).build().unwrap();
        group.bench_function(name, |b| {
            b.iter(|| {
                let token = UnverifiedToken::parse(black_box(&token), &Limits::default()).unwrap();
                token
                    .verify(&keys, &policy, UnixTime::from_secs(NOW))
                    .unwrap()
            });
        });
    }
    group.finish();
}

/// The layer over a service that does nothing.
fn http_layer(c: &mut Criterion) {
    let subject = Subject::rs256();
    let mut group = c.benchmark_group("http layer over an empty service");
    let request = || {
        Request::builder()
            .header("authorization", format!("Bearer {}", subject.token))
            .body(Empty::<bytes::Bytes>::new())
            .unwrap()
    };
    let empty = || {
        service_fn(|request: Request<Empty<bytes::Bytes>>| async move {
            black_box(request);
            Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
        })
    };
    group.bench_function("no layer", |b| {
        let mut service = empty();
        let once = || request();
        b.iter_batched(once, |r| service.call(r).now_or_never().unwrap(), SMALL);
    });
    let cache = TokenCacheSize::default();
    for (name, provider) in [
        ("first sight", subject.provider()),
        ("hit", subject.provider().with_token_cache(cache)),
    ] {
        let layer = BearerAuthLayer::new(provider).resource(AUDIENCE).unwrap();
        let mut service = layer.layer(empty());
        group.bench_function(name, |b| {
            b.iter_batched(
                request,
                |r| {
                    let ready = service.ready().now_or_never().unwrap().unwrap();
                    ready.call(r).now_or_never().unwrap().unwrap()
                },
                SMALL,
            );
        });
    }
    group.finish();
}

const SMALL: criterion::BatchSize = criterion::BatchSize::SmallInput;

criterion_group!(
    benches,
    main_paths,
    forged_without_kid,
    hostile_sizes,
    algorithms,
    http_layer
);
criterion_main!(benches);
