//! The rules of rotation as a user of the source sees them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt};
use mcp_bearer::config::Setting;
use mcp_bearer::keys::{
    Fetch, FetchError, FetchRequest, FetchResponse, KeyPhase, KeySource, Miss, MonotonicClock,
    Refreshed, RemoteKeys,
};
use mcp_bearer_testkit::{Behaviour, JwksServer, Response, SigningKey, weak_keys};
use serde_json::json;

use crate::{World, eventually, forged, key, kids, secs, unknown};

#[tokio::test]
async fn fifty_requests_on_a_cold_cache_make_one_fetch() {
    let world = World::new(Behaviour::ok().held());
    let asked: Vec<_> = (0..50)
        .map(|_| world.keys.refresh(Miss::no_keys()))
        .collect();
    world.wait_for_hits(1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.server.release();
    for one in asked {
        assert_eq!(one.await, Refreshed::NewKeys);
    }
    assert_eq!(world.hits(), 1);
}

#[tokio::test]
async fn nothing_is_fetched_before_the_first_request() {
    let world = World::new(Behaviour::ok());
    assert_eq!(world.keys.snapshot().set.len(), 0);
    assert_eq!(world.keys.status().phase, KeyPhase::Empty);
    assert_eq!(world.keys.status().next_refresh, None);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.server.total_hits(), 0);
}

#[tokio::test]
async fn the_first_token_of_a_new_key_waits_for_the_fetch_and_finds_it() {
    let world = World::holding(Behaviour::ok()).await;
    world.server.set_keys(vec![key("a").jwk(), key("b").jwk()]);
    assert_eq!(world.ask("b").await, Refreshed::NewKeys);
    assert_eq!(kids(&world.keys.snapshot()), ["a", "b"]);
}

#[tokio::test]
async fn a_new_key_under_an_old_kid_is_found_by_its_signature() {
    let world = World::new(Behaviour::ok());
    let (old, new) = (SigningKey::ec_p256(), SigningKey::ed25519());
    world.server.set_keys(vec![old.with_kid("a").jwk()]);
    world.keys.refresh(Miss::no_keys()).await;
    let before = world.keys.snapshot();
    world.server.set_keys(vec![new.with_kid("a").jwk()]);
    let refreshed = world.keys.refresh(forged(&world.keys, "a")).await;
    assert_eq!(refreshed, Refreshed::NewKeys);
    let after = world.keys.snapshot();
    assert_ne!(before.generation, after.generation);
    let thumbprint = before.set.keys().next().unwrap().thumbprint;
    assert!(!after.set.has_thumbprint(thumbprint));
}

#[tokio::test]
async fn a_removed_key_is_gone_with_the_next_set() {
    let world = World::new(Behaviour::ok_with([("Cache-Control", "max-age=60")]));
    world.server.set_keys(vec![key("a").jwk(), key("b").jwk()]);
    world.keys.refresh(Miss::no_keys()).await;
    world.server.set_keys(vec![key("b").jwk()]);
    world.time.advance(secs(54));
    eventually("the refresh", || kids(&world.keys.snapshot()) == ["b"]).await;
}

/// The seconds after which the source asks again by itself: not before, and not after.
async fn asks_again(cache_control: &str, earliest: u64, latest: u64) {
    let world = World::holding(Behaviour::ok_with([("Cache-Control", cache_control)])).await;
    let reported = world.keys.status().next_refresh.unwrap();
    assert!(
        (secs(earliest)..=secs(latest)).contains(&reported),
        "{cache_control}: {reported:?}"
    );
    world.time.advance(secs(earliest - 1));
    assert_eq!(
        world.keys.status().next_refresh,
        Some(reported - secs(earliest - 1))
    );
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(world.hits(), 1, "{cache_control}");
    world.time.advance(secs(latest - earliest + 1));
    world.wait_for_hits(2);
    eventually("two answers", || world.keys.status().fetched == 2).await;
}

#[tokio::test]
async fn a_refresh_comes_at_80_to_90_per_cent_of_a_lifetime_within_the_clamp() {
    asks_again("max-age=600", 480, 540).await;
    asks_again("max-age=0", 48, 54).await;
    asks_again("no-store", 2880, 3240).await;
    asks_again("max-age=3155760000", 2880, 3240).await;
}

#[tokio::test]
async fn sources_that_began_together_do_not_ask_again_together() {
    let (clock, time) = MonotonicClock::manual();
    let source = || {
        let script = Scripted {
            calls: AtomicUsize::new(0),
            script: |_| Ok(good().with_header("Cache-Control", "max-age=1000")),
        };
        let keys = RemoteKeys::builder("https://idp.example.com/jwks").clock(clock.clone());
        keys.fetch(Arc::new(script)).build().unwrap()
    };
    let sources: Vec<RemoteKeys> = (0..40).map(|_| source()).collect();
    for keys in &sources {
        assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::NewKeys);
    }
    // They are due from 800 to 900 s.
    let asked = || sources.iter().filter(|keys| keys.status().fetched == 2);
    time.advance(secs(850));
    eventually("half of them ask", || asked().count() > 0).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let early = asked().count();
    assert!((1..40).contains(&early), "{early} of 40");
    time.advance(secs(50));
    eventually("all of them ask", || asked().count() == 40).await;
}

#[tokio::test]
async fn a_confirmed_set_is_not_sent_again() {
    let behaviour = Behaviour::ok_with([("Cache-Control", "max-age=600"), ("ETag", "auto")]);
    let world = World::holding(behaviour).await;
    let before = world.keys.snapshot();
    world.time.advance(secs(540));
    eventually("a 304", || world.keys.status().not_modified == 1).await;
    let requests = world.server.requests();
    assert!(requests[0].header("if-none-match").is_none());
    assert!(requests[1].header("if-none-match").is_some());
    let after = world.keys.snapshot();
    assert!(Arc::ptr_eq(&before.set, &after.set));
    assert_eq!(before.generation, after.generation);
    // The lifetime has started again.
    world.time.advance(secs(599));
    assert_eq!(world.keys.status().phase, KeyPhase::Fresh);
}

#[tokio::test]
async fn a_304_about_another_set_is_a_failure_and_the_set_is_requested_again() {
    let behaviour = Behaviour::ok_with([("Cache-Control", "max-age=600"), ("ETag", "\"1\"")]);
    let world = World::holding(behaviour).await;
    let other = Response::empty(304).header("ETag", "\"2\"");
    world.server.set_behaviour(Behaviour::Respond(other));
    world.time.advance(secs(540));
    eventually("the failure", || world.keys.status().failed == 1).await;
    let failure = world.keys.status().last_failure.unwrap();
    assert!(failure.contains("another ETag"), "{failure}");
    assert_eq!(kids(&world.keys.snapshot()), ["a"]);
    world.server.set_keys(vec![key("b").jwk()]);
    world.server.set_behaviour(Behaviour::ok());
    world.time.advance(secs(1));
    eventually("the new set", || kids(&world.keys.snapshot()) == ["b"]).await;
    let requests = world.server.requests();
    assert!(requests[1].header("if-none-match").is_some());
    assert!(requests[2].header("if-none-match").is_none());
}

#[tokio::test]
async fn the_generation_changes_with_the_usable_keys_and_not_with_the_text() {
    let world = World::new(Behaviour::ok_with([("Cache-Control", "max-age=60")]));
    let (a, b) = (key("a"), key("b"));
    let mut generation = 0;
    for (changes, text) in [
        (1, json!({ "keys": [a.jwk(), b.jwk()] }).to_string()),
        (0, json!({ "keys": [a.jwk(), b.jwk()] }).to_string() + " "),
        (0, json!({ "keys": [b.jwk(), a.jwk()] }).to_string()),
        (
            0,
            json!({ "keys": [weak_keys::akp(), a.clone().with_use("sig").jwk(), b.jwk()] })
                .to_string(),
        ),
        (
            1,
            json!({ "keys": [a.clone().with_alg("EdDSA").jwk(), b.jwk()] }).to_string(),
        ),
        (1, json!({ "keys": [b.jwk()] }).to_string()),
        (1, json!({ "keys": [key("b").jwk()] }).to_string()),
    ] {
        let answer = Response::new(200, "application/json", text.clone());
        world.server.serve(JwksServer::JWKS_PATH, answer);
        let fetched = world.keys.status().fetched;
        if fetched == 0 {
            world.keys.refresh(Miss::no_keys()).await;
        } else {
            world.time.advance(secs(54));
        }
        eventually("the answer", || world.keys.status().fetched > fetched).await;
        generation += changes;
        let snapshot = world.keys.snapshot();
        assert_eq!(snapshot.generation, generation, "{text}");
        // The newest set is the one that is held.
        let weak = text.contains("AKP");
        assert_eq!(snapshot.set.skipped().len(), usize::from(weak), "{text}");
    }
}

#[tokio::test]
async fn the_greatest_of_several_ages_counts() {
    let world = World::holding(Behaviour::ok_with([
        ("Cache-Control", "max-age=600"),
        ("Age", "300"),
        ("Age", "100"),
    ]))
    .await;
    world.server.set_behaviour(Behaviour::Status(500));
    world.time.advance(secs(299));
    assert_eq!(world.keys.status().phase, KeyPhase::Fresh);
    world.time.advance(secs(1));
    assert_eq!(world.keys.status().phase, KeyPhase::Aging);
}

#[tokio::test]
async fn a_set_past_its_bound_is_not_used_and_the_next_request_brings_it_back() {
    let world = World::with(
        Behaviour::ok_with([("Cache-Control", "max-age=600")]),
        |builder| builder.staleness_bound(secs(1000)),
    );
    world.keys.refresh(Miss::no_keys()).await;
    world.server.set_behaviour(Behaviour::Status(500));
    world.time.advance(secs(1599));
    assert_eq!(kids(&world.keys.snapshot()), ["a"]);
    assert_eq!(world.keys.status().phase, KeyPhase::Aging);
    world.time.advance(secs(1));
    // At this moment, whatever the task has noticed.
    let snapshot = world.keys.snapshot();
    assert_eq!((snapshot.set.len(), snapshot.generation), (0, 0));
    assert_eq!(world.keys.status().phase, KeyPhase::Stale);

    world.server.set_behaviour(Behaviour::ok());
    eventually("the keys are back", || {
        world.time.advance(secs(1));
        world.keys.refresh(Miss::no_keys()).now_or_never();
        kids(&world.keys.snapshot()) == ["a"]
    })
    .await;
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_is_found_when_it_comes_back() {
    let server = JwksServer::start();
    let (address, url) = (server.address(), server.url());
    drop(server);
    let (clock, time) = MonotonicClock::manual();
    let keys = RemoteKeys::builder(url).clock(clock).build().unwrap();
    assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::Unchanged);
    let status = keys.status();
    assert!(status.last_failure.unwrap().contains("refused"));
    // Within a second of the last attempt there is no other.
    let refreshed = keys.refresh(Miss::no_keys()).now_or_never();
    assert_eq!(refreshed, Some(Refreshed::Unchanged));
    assert_eq!(keys.status().failed, 1);

    let server = JwksServer::start_at(address);
    server.set_keys(vec![key("a").jwk()]);
    time.advance(secs(1));
    assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::NewKeys);
    assert_eq!(kids(&keys.snapshot()), ["a"]);
}

#[tokio::test]
async fn failures_are_retried_without_requests_while_keys_are_held() {
    let world = World::holding(Behaviour::ok_with([("Cache-Control", "max-age=60")])).await;
    world.server.set_behaviour(Behaviour::Status(503));
    world.time.advance(secs(54));
    eventually("a failure", || world.keys.status().failed == 1).await;
    for (retry, wait) in [(2, 1), (3, 2), (4, 4)] {
        world.time.advance(secs(wait));
        eventually("a retry", || world.keys.status().failed == retry).await;
    }
    world.server.set_behaviour(Behaviour::ok());
    world.time.advance(secs(8));
    eventually("an answer", || world.keys.status().fetched == 2).await;
    assert_eq!(world.keys.status().last_failure, None);
}

#[test]
fn one_source_serves_several_runtimes_and_threads() {
    let world = World::new(Behaviour::ok());
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    };
    let first = runtime();
    assert_eq!(
        first.block_on(world.keys.refresh(Miss::no_keys())),
        Refreshed::NewKeys
    );
    drop(first);
    world.server.set_keys(vec![key("b").jwk()]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // Like a provider: ask only while the held keys lack it.
                let (snapshot, miss) = (world.keys.snapshot(), unknown(&world.keys, "b"));
                if !snapshot.set.has_kid("b") && snapshot.generation == miss.generation {
                    runtime().block_on(world.keys.refresh(miss));
                }
                assert_eq!(kids(&world.keys.snapshot()), ["b"]);
            });
        }
    });
    assert_eq!(world.hits(), 2);
}

#[tokio::test]
async fn dropping_the_last_handle_cancels_the_fetch() {
    let world = World::new(Behaviour::HangBeforeHeaders);
    let other = world.keys.clone();
    drop(world.keys.refresh(Miss::no_keys()));
    world.wait_for_hits(1);
    let World { server, keys, .. } = world;
    drop(keys);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.open_connections(), 1);
    drop(other);
    eventually("the connection is closed", || {
        server.open_connections() == 0
    })
    .await;
}

/// Answers from memory, or misbehaves.
struct Scripted {
    calls: AtomicUsize,
    script: fn(usize) -> Result<FetchResponse, FetchError>,
}

impl Fetch for Scripted {
    fn fetch(&self, _: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        async move { (self.script)(call) }.boxed()
    }
}

fn scripted(
    script: fn(usize) -> Result<FetchResponse, FetchError>,
) -> (RemoteKeys, mcp_bearer::keys::ManualTime) {
    let (clock, time) = MonotonicClock::manual();
    let calls = AtomicUsize::new(0);
    let keys = RemoteKeys::builder("https://idp.example.com/jwks?apikey=secret")
        .fetch(Arc::new(Scripted { calls, script }))
        .clock(clock)
        .build()
        .unwrap();
    (keys, time)
}

fn good() -> FetchResponse {
    let jwks = json!({ "keys": [SigningKey::ec_p256().with_kid("a").jwk()] });
    FetchResponse::new(200, jwks.to_string().into_bytes())
}

#[tokio::test]
async fn a_callers_own_fetcher_is_held_to_the_same_rules() {
    let (keys, _) = scripted(|_| Ok(good()));
    assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::NewKeys);
    assert_eq!(kids(&keys.snapshot()), ["a"]);

    let (keys, _) = scripted(|_| Ok(FetchResponse::new(200, vec![b' '; 512 * 1024 + 1])));
    assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::Unchanged);
    assert!(keys.status().last_failure.unwrap().contains("524288"));

    let (keys, _) = scripted(|_| Err(FetchError::new("the proxy is asleep")));
    assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::Unchanged);
    assert_eq!(keys.status().last_failure.unwrap(), "the proxy is asleep");
}

#[tokio::test]
async fn a_fetcher_that_panics_has_only_failed() {
    let (keys, time) = scripted(|call| match call {
        0 => panic!("a fetcher's fault"),
        _ => Ok(good()),
    });
    assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::Unchanged);
    assert_eq!(keys.status().failed, 1);
    time.advance(secs(1));
    assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::NewKeys);
}

/// Never answers.
struct Silent;

impl Fetch for Silent {
    fn fetch(&self, _: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>> {
        futures_util::future::pending().boxed()
    }
}

#[tokio::test]
async fn a_fetcher_that_never_answers_has_failed_after_five_seconds() {
    let (clock, time) = MonotonicClock::manual();
    let keys = RemoteKeys::builder("https://idp.example.com/jwks")
        .fetch(Arc::new(Silent))
        .clock(clock)
        .build()
        .unwrap();
    let asked = keys.refresh(Miss::no_keys());
    eventually("the failure", || {
        time.advance(secs(1));
        keys.status().failed == 1
    })
    .await;
    assert_eq!(asked.await, Refreshed::Unchanged);
    assert_eq!(keys.status().last_failure.unwrap(), "timed out");
}

/// An issuer on the internet whose metadata points to this machine.
struct Inward(String);

impl Fetch for Inward {
    fn fetch(&self, _: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>> {
        let document = json!({ "issuer": "https://idp.example.com", "jwks_uri": self.0 });
        let answer = FetchResponse::new(200, document.to_string().into_bytes());
        async move { Ok(answer) }.boxed()
    }
}

#[tokio::test]
async fn a_document_from_elsewhere_cannot_point_to_http_on_loopback() {
    let keys = RemoteKeys::discover("https://idp.example.com")
        .fetch(Arc::new(Inward("http://127.0.0.1:8080/jwks".to_owned())))
        .build()
        .unwrap();
    assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::Unchanged);
    let failure = keys.status().last_failure.unwrap();
    assert!(failure.contains("its jwks_uri"), "{failure}");
}

#[test]
fn the_query_of_an_address_is_not_shown() {
    let (keys, _) = scripted(|_| Ok(good()));
    assert_eq!(keys.status().source, "https://idp.example.com/jwks");
    assert!(!format!("{keys:?} {:?}", keys.status()).contains("secret"));
}

#[test]
fn every_problem_of_a_wrong_configuration_is_reported() {
    let error = RemoteKeys::builder("http://idp.example.com/jwks")
        .max_freshness(secs(59))
        .staleness_bound(secs(7 * 24 * 3600 + 1))
        .ca_file("/nonexistent/ca.pem")
        .proxy("::")
        .ssrf_guard()
        .build()
        .unwrap_err();
    let settings: Vec<&[Setting]> = error
        .problems()
        .iter()
        .map(|problem| problem.settings.as_slice())
        .collect();
    let expected: [&[Setting]; 6] = [
        &[Setting::MaxFreshness],
        &[Setting::StalenessBound],
        &[Setting::JwksUri],
        &[Setting::CaFile],
        &[Setting::Proxy],
        &[Setting::Proxy, Setting::SsrfGuard],
    ];
    assert_eq!(settings, expected, "{error}");
    let literal = RemoteKeys::builder("https://10.0.0.1/jwks")
        .ssrf_guard()
        .build();
    let error = literal.unwrap_err().to_string();
    assert!(error.contains("SSRF guard"), "{error}");
    let own = RemoteKeys::builder("https://idp.example.com/jwks")
        .fetch(Arc::new(Scripted {
            calls: AtomicUsize::new(0),
            script: |_| Ok(good()),
        }))
        .ssrf_guard()
        .build();
    assert_eq!(
        own.unwrap_err().to_string(),
        "ssrf_guard has no effect beside fetch: it belongs to the built-in HTTP client"
    );
    assert!(
        RemoteKeys::discover("https://idp.example.com/?a=b")
            .build()
            .is_err()
    );
    let allowed = RemoteKeys::builder("http://idp.example.com/jwks").insecure_allow_http();
    assert!(allowed.build().is_ok());
}

#[test]
fn a_snapshot_takes_nanoseconds() {
    let keys = RemoteKeys::builder("https://idp.example.com/jwks")
        .build()
        .unwrap();
    let start = Instant::now();
    for _ in 0..100_000 {
        std::hint::black_box(keys.snapshot());
    }
    // Far above the time it takes, and far below that of a lock or a system call under load.
    assert!(start.elapsed() < secs(1), "{:?}", start.elapsed() / 100_000);
}
