//! Each way in which an issuer can fail or give wrong answers: the good keys stay in use, and the
//! reason is reported.

use std::{sync::Arc, time::Instant};

use futures_util::future::FutureExt;
use mcp_bearer::{
    Algorithm, BearerAuthProvider, Clock, RejectionKind,
    keys::{KeySource, Miss, Refreshed},
};
use mcp_bearer_testkit::{
    Behaviour, Forge, JwksServer, Response, SigningKey, TestClock, weak_keys,
};
use serde_json::json;

use crate::{World, key, kids, secs};

const NOW: u64 = 1_800_000_000;

/// Why a token of this key is refused now, if it is.
fn refused(world: &World, key: &SigningKey) -> Option<RejectionKind> {
    let keys: Arc<dyn KeySource> = Arc::new(world.keys.clone());
    let provider = BearerAuthProvider::builder()
        .key_source(keys)
        .any_issuer()
        .any_audience()
        .algorithms([Algorithm::EdDsa, Algorithm::Es384, Algorithm::Es512])
        .build()
        .unwrap()
        .with_clock(Clock::new(TestClock::new(NOW).as_fn()));
    let token = Forge::new(key, NOW).token();
    let answer = provider.try_verify_token(&token).into_result();
    answer.err().map(|rejection| rejection.kind())
}

/// The source holds "a" and asks again; the issuer behaves like this: its answer must count as a
/// failure with this reason.
async fn fails(behaviour: Behaviour, reason: &str) -> World {
    let world = World::holding(Behaviour::ok()).await;
    world.server.set_behaviour(behaviour.clone().held());
    let asked = world.keys.refresh(crate::unknown(&world.keys, "made-up"));
    world.wait_for_hits(2);
    assert_eq!(refused(&world, &world.a), None, "meanwhile: {behaviour:?}");
    world.server.release();
    assert_eq!(asked.await, Refreshed::Unchanged, "{behaviour:?}");
    check(&world, reason, &behaviour);
    world
}

/// The same if no answer comes: after 5 s of the source's clock it has failed.
async fn times_out(behaviour: Behaviour) -> World {
    let world = World::holding(Behaviour::ok()).await;
    world.server.set_behaviour(behaviour.clone());
    let mut asked = world.keys.refresh(crate::unknown(&world.keys, "made-up"));
    world.wait_for_hits(2);
    assert_eq!((&mut asked).now_or_never(), None);
    assert_eq!(refused(&world, &world.a), None, "meanwhile: {behaviour:?}");
    world.time.advance(secs(5));
    assert_eq!(asked.await, Refreshed::Unchanged, "{behaviour:?}");
    crate::eventually("the exchange times out", || world.keys.status().failed == 1).await;
    check(&world, "timed out", &behaviour);
    world
}

fn check(world: &World, reason: &str, behaviour: &Behaviour) {
    let status = world.keys.status();
    assert_eq!(refused(world, &world.a), None, "{behaviour:?}");
    assert_eq!(kids(&world.keys.snapshot()), ["a"], "{behaviour:?}");
    assert_eq!((status.fetched, status.failed), (1, 1), "{behaviour:?}");
    let failure = status.last_failure.unwrap();
    assert!(failure.contains(reason), "{behaviour:?}: {failure}");
}

#[tokio::test]
async fn statuses_other_than_200_and_304_are_failures() {
    for status in [
        204, 201, 206, 400, 401, 403, 404, 410, 418, 429, 500, 503, 599,
    ] {
        fails(Behaviour::Status(status), &format!("status {status}")).await;
    }
    fails(Behaviour::RetryAfter(503, 1), "status 503").await;
}

#[tokio::test]
async fn bodies_that_are_not_a_set_with_a_usable_key_are_failures() {
    fails(Behaviour::Html200, "not a JWK Set").await;
    fails(Behaviour::EmptyObject, "not a JWK Set").await;
    fails(Behaviour::EmptySet, "empty").await;
    fails(Behaviour::Truncated, "not a JWK Set").await;
    fails(Behaviour::CutOff, "").await;
    fails(
        Behaviour::Respond(Response::new(200, "application/json", b"\xff{}".as_slice())),
        "UTF-8",
    )
    .await;
    let weak = Response::json(&json!({ "keys": weak_keys::all() }));
    fails(Behaviour::Respond(weak), "no usable key").await;
    fails(
        Behaviour::Respond(Response::json(&json!([key("b").jwk()]))),
        "not a JWK Set",
    )
    .await;
    fails(Behaviour::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()), "").await;
    fails(Behaviour::CloseAtOnce, "").await;
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_a_failure() {
    fails(Behaviour::NotModifiedWithoutSet, "304").await;
    // Also at the beginning.
    let world = World::new(Behaviour::NotModifiedWithoutSet);
    assert_eq!(
        world.keys.refresh(Miss::no_keys()).await,
        Refreshed::Unchanged
    );
    assert_eq!(world.keys.snapshot().set.len(), 0);
}

#[tokio::test]
async fn large_bodies_are_not_read_to_their_end() {
    let most = 16 << 20;
    let world = fails(Behaviour::EndlessBody, "longer than 524288 bytes").await;
    assert!(world.server.body_bytes_sent() < most);
    let world = fails(Behaviour::huge(), "longer than 524288 bytes").await;
    assert!(world.server.body_bytes_sent() < most);
    fails(Behaviour::GzipBomb, "longer than 524288 bytes").await;
    fails(Behaviour::Huge(512 * 1024 + 1), "longer than 524288 bytes").await;
}

/// RFC 9110 section 15.2: any number of interim answers may come first, and the HTTP client
/// searches all that it has read for the last one.
#[tokio::test]
async fn an_answer_that_never_begins_delays_no_other_source() {
    let hostile = World::new(Behaviour::EndlessHints);
    let asked = hostile.keys.refresh(Miss::no_keys());
    hostile.wait_for_hits(1);
    for _ in 0..5 {
        let start = Instant::now();
        World::holding(Behaviour::ok()).await;
        assert!(start.elapsed() < secs(2), "{:?}", start.elapsed());
    }
    let start = Instant::now();
    hostile.time.advance(secs(5));
    assert_eq!(asked.await, Refreshed::Unchanged);
    assert!(start.elapsed() < secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_body_of_just_the_limit_is_good() {
    let world = World::holding(Behaviour::Huge(512 * 1024)).await;
    assert_eq!(kids(&world.keys.snapshot()), ["a"]);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = JwksServer::start();
    elsewhere.set_keys(vec![key("evil").jwk()]);
    fails(
        Behaviour::RedirectTo(elsewhere.url()),
        "redirects are not followed",
    )
    .await;
    assert_eq!(elsewhere.total_hits(), 0);
}

#[tokio::test]
async fn an_exchange_ends_after_five_seconds_wherever_it_hangs() {
    times_out(Behaviour::HangBeforeHeaders).await;
    times_out(Behaviour::HangAfterHeaders).await;
    times_out(Behaviour::OneBytePerSecond).await;
}

#[tokio::test]
async fn wrong_content_type_and_gzip_are_accepted() {
    for behaviour in [Behaviour::WrongContentType, Behaviour::Gzip] {
        let world = World::holding(behaviour).await;
        assert_eq!(kids(&world.keys.snapshot()), ["a"]);
    }
}

#[tokio::test]
async fn the_usable_keys_of_a_mixed_set_work() {
    let world = World::new(Behaviour::ok());
    let mut keys = weak_keys::all();
    let weak = keys.len();
    // Two keys with one name, one of a large curve, one without a name.
    let (first, second) = (key("a"), key("a"));
    let large = SigningKey::ec_p521().with_kid("large");
    let nameless = SigningKey::ec_p384().without_kid();
    keys.insert(3, first.jwk());
    keys.insert(9, large.jwk());
    keys.push(nameless.jwk());
    keys.push(second.jwk());
    world.server.set_keys(keys);
    assert_eq!(
        world.keys.refresh(Miss::no_keys()).await,
        Refreshed::NewKeys
    );
    let snapshot = world.keys.snapshot();
    assert_eq!(kids(&snapshot), ["a", "large", "a"]);
    assert_eq!(
        (snapshot.set.len(), snapshot.set.skipped().len()),
        (4, weak)
    );
    for good in [&first, &second, &large, &nameless] {
        assert_eq!(refused(&world, good), None, "{:?}", good.kid());
    }
    assert_eq!(
        refused(&world, &key("a")),
        Some(RejectionKind::BadSignature)
    );
}
