//! One path of a token or of a call in a loop, for a profiler and for the count of instructions
//! (`scripts/check instructions`):
//!
//! ```sh
//! valgrind --tool=callgrind --toggle-collect='hot_path::*_once' \
//!     target/release/examples/hot_path verify 200
//! ```
#![allow(clippy::unwrap_used, missing_docs, reason = "a tool for development")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context, Poll};

use aws_lc_rs::signature::ParsedPublicKey;
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::Empty;
use mcp_bearer::config::Limits;
use mcp_bearer::core::{Policy, ScopeHierarchy, Scopes, UnverifiedToken};
use mcp_bearer::http::BearerAuthService;
use mcp_bearer::keys::KeySet;
use mcp_bearer::operation::{Caller, OperationRules, Operations, RequestHeaders};
use mcp_bearer::{BearerAuthLayer, BearerAuthProvider, TokenCacheSize, UnixTime};
use mcp_bearer_bench::{AUDIENCE, ISSUER, NOW, Subject, call, rules};
use mcp_bearer_testkit::Forge;
use tower::Service;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_default();
    let rounds: u32 = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200);
    let subject = Subject::rs256();
    let (keys, policy) = (subject.key_set(), subject.policy());
    let (bare, (input, signature)) = (subject.bare(), subject.parts());
    let cached = subject
        .provider()
        .with_token_cache(TokenCacheSize::default().with_entries(20_000));
    let bad = Forge::new(&subject.key, NOW)
        .issuer(ISSUER)
        .audience(AUDIENCE);
    let unknown = bad.alg_name("XS256").token();
    cached
        .try_verify_token(&subject.token)
        .into_result()
        .unwrap();
    let tokens: Vec<String> = match path.as_str() {
        "many" => (0..10_000)
            .map(|number| subject.another(&format!("{number:036}")))
            .collect(),
        _ => Vec::new(),
    };
    let mut many = tokens.iter().cycle();
    let value = HeaderValue::from_str(&format!("Bearer {}", subject.token)).unwrap();
    let request = || {
        let mut request = Request::new(Empty::new());
        request.headers_mut().insert(AUTHORIZATION, value.clone());
        request
    };
    let layer = BearerAuthLayer::new(cached.clone())
        .resource(AUDIENCE)
        .unwrap();
    let mut guarded = layer.layer(Nothing);
    let (call, rules) = (call(), rules());
    let operations = Operations::read(&call, &RequestHeaders::default()).unwrap();
    let (held, hierarchy) = (
        "mcp:read mcp:write".parse().unwrap(),
        ScopeHierarchy::default(),
    );
    let required: Scopes = "mcp:read".parse().unwrap();
    let caller = Caller::with_scopes(&held, &hierarchy, &required);
    for _ in 0..rounds {
        match path.as_str() {
            "bare" => bare_once(&bare, &input, &signature),
            "parse" => parse_once(&subject.token),
            "verify" => verify_once(&subject.token, &keys, &policy),
            "hit" => provider_once(&cached, &subject.token),
            "many" => provider_once(&cached, many.next().unwrap()),
            "layer" => layer_once(&mut guarded, request()),
            "segments" => provider_once(&cached, "a.b"),
            "algorithm" => provider_once(&cached, &unknown),
            "read" => read_once(&call),
            "judge" => judge_once(&rules, &operations, &caller),
            other => unknown_path(other),
        }
    }
}

/// What every first sight costs at least, to be subtracted from a profile of `verify`.
#[inline(never)]
fn bare_once(bare: &ParsedPublicKey, input: &[u8], signature: &[u8]) {
    black_box(bare.verify_sig(input, signature).is_ok());
}

#[inline(never)]
fn parse_once(token: &str) {
    black_box(UnverifiedToken::parse(black_box(token), &Limits::default()).unwrap());
}

#[inline(never)]
fn verify_once(token: &str, keys: &KeySet, policy: &Policy) {
    let unverified = UnverifiedToken::parse(black_box(token), &Limits::default()).unwrap();
    black_box(
        unverified
            .verify(keys, policy, UnixTime::from_secs(NOW))
            .unwrap(),
    );
}

#[inline(never)]
fn provider_once(provider: &BearerAuthProvider, token: &str) {
    black_box(provider.try_verify_token(black_box(token)));
}

#[inline(never)]
fn layer_once(guarded: &mut BearerAuthService<Nothing>, request: Request<Empty<Bytes>>) {
    let answer = guarded.call(black_box(request)).now_or_never();
    assert_eq!(black_box(answer).unwrap().unwrap().status(), 200);
}

#[inline(never)]
fn read_once(call: &[u8]) {
    black_box(Operations::read(black_box(call), &RequestHeaders::default()).unwrap());
}

#[inline(never)]
fn judge_once(rules: &OperationRules, operations: &Operations, caller: &Caller<'_>) {
    let _ = black_box(rules.judge(black_box(operations), caller));
}

/// A service that does nothing.
#[derive(Clone)]
struct Nothing;

impl Service<Request<Empty<Bytes>>> for Nothing {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(Empty::new())))
    }
}

#[expect(clippy::panic, reason = "a tool for development")]
fn unknown_path(path: &str) {
    panic!(
        "no path {path:?}: bare, parse, verify, hit, many, layer, segments, algorithm, read or judge"
    );
}
