//! An issuer, or a key file, that withdraws every key: its tokens are refused, including cached
//! ones.

use std::path::Path;
use std::{fs, sync::Arc};

use mcp_bearer::keys::{
    FileKeys, KeyPhase, KeySource, ManualTime, Miss, MonotonicClock, Refreshed,
};
use mcp_bearer::{Algorithm, BearerAuthProvider, RejectionKind, TokenCacheSize};
use mcp_bearer_testkit::{Behaviour, Forge, JwksServer, SigningKey, TestClock, weak_keys};
use serde_json::{Value, json};

use crate::{World, eventually, key, kids, secs, unknown};

const NOW: u64 = 1_800_000_000;

/// A provider with a cache, whose clock does not move.
fn provider(keys: impl KeySource + 'static) -> BearerAuthProvider {
    BearerAuthProvider::builder()
        .key_source(Arc::new(keys))
        .any_issuer()
        .any_audience()
        .algorithms([Algorithm::EdDsa])
        .build()
        .unwrap()
        .with_clock(mcp_bearer::Clock::new(TestClock::new(NOW).as_fn()))
        .with_token_cache(TokenCacheSize::default())
}

fn token(key: &SigningKey) -> String {
    Forge::new(key, NOW).token()
}

/// Why a token is refused, if it is.
fn refused(provider: &BearerAuthProvider, token: &str) -> Option<RejectionKind> {
    let result = provider.try_verify_token(token).into_result();
    result.err().map(|rejection| rejection.kind())
}

/// Sets without a key for signatures.
fn withdrawals() -> [Vec<Value>; 3] {
    let rsa = SigningKey::shared_rsa_2048();
    [
        vec![],
        vec![rsa.with_use("enc").jwk(), weak_keys::x25519()],
        vec![weak_keys::akp()],
    ]
}

#[tokio::test]
async fn tokens_of_withdrawn_keys_are_refused_cached_ones_too() {
    for keys in withdrawals() {
        let world = World::holding(Behaviour::ok_with([("ETag", "auto")])).await;
        let (provider, token) = (provider(world.keys.clone()), token(&world.a));
        assert_eq!(refused(&provider, &token), None);
        assert_eq!(provider.cached_tokens(), Some(1));
        world.server.set_keys(keys);
        world.ask("made-up").await;
        let failure = world.keys.status().last_failure.unwrap();
        assert!(failure.contains("counts as withdrawn"), "{failure}");
        world.time.advance(secs(59));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(refused(&provider, &token), None, "not yet");
        // There are no requests: the second fetch comes by itself.
        world.time.advance(secs(1));
        eventually("the withdrawal", || {
            refused(&provider, &token) == Some(RejectionKind::UnknownKey)
        })
        .await;
        assert_eq!(provider.cached_tokens(), Some(0));
        assert_eq!(world.hits(), 3);
        let status = world.keys.status();
        assert_eq!((status.phase, status.last_failure), (KeyPhase::Fresh, None));
    }
}

#[tokio::test]
async fn broken_keys_an_outage_and_nonsense_withdraw_nothing() {
    let broken = json!({ "keys": [weak_keys::rsa_bad_base64(), weak_keys::akp()] });
    let broken = mcp_bearer_testkit::Response::json(&broken);
    for behaviour in [
        Behaviour::Respond(broken),
        Behaviour::EmptyObject,
        Behaviour::Html200,
        Behaviour::Status(404),
    ] {
        let world = World::holding(Behaviour::ok()).await;
        let (provider, token) = (provider(world.keys.clone()), token(&world.a));
        world.server.set_behaviour(behaviour.clone());
        for number in 0..10 {
            world.time.advance(secs(60));
            world.ask(&format!("made-up-{number}")).await;
        }
        assert_eq!(refused(&provider, &token), None, "{behaviour:?}");
        assert!(world.keys.status().failed >= 10);
    }
}

#[tokio::test]
async fn after_a_withdrawal_a_new_key_is_found_as_usual() {
    let world = World::holding(Behaviour::ok()).await;
    world.server.set_keys(vec![]);
    world.ask("made-up").await;
    world.time.advance(secs(60));
    eventually("the withdrawal", || world.keys.status().fetched == 2).await;
    let provider = provider(world.keys.clone());
    let b = key("b");
    world.server.set_keys(vec![b.jwk()]);
    assert!(provider.verify_token(&token(&b)).await.is_ok());
    assert_eq!(
        refused(&provider, &token(&world.a)),
        Some(RejectionKind::UnknownKey)
    );
}

#[tokio::test]
async fn a_cold_source_is_an_outage_until_the_second_time() {
    let world = World::new(Behaviour::EmptySet);
    let (provider, token) = (provider(world.keys.clone()), token(&world.a));
    for _ in 0..2 {
        let rejection = provider.verify_token(&token).await.unwrap_err();
        assert_eq!(rejection.kind(), RejectionKind::KeysUnavailable);
        assert_eq!(world.keys.status().phase, KeyPhase::Empty);
        world.time.advance(secs(30));
    }
    let rejection = provider.verify_token(&token).await.unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::UnknownKey);
    assert_eq!(world.keys.status().phase, KeyPhase::Fresh);
    world.server.set_behaviour(Behaviour::ok());
    assert!(provider.verify_token(&token).await.is_ok());
}

#[tokio::test]
async fn the_keys_may_have_moved_and_an_empty_set_been_left_behind() {
    let server = JwksServer::start();
    let (a, b) = (key("a"), key("b"));
    server.set_keys(vec![a.jwk()]);
    let issuer = server.base();
    let document = |jwks_uri: &str| {
        let document = json!({ "issuer": issuer, "jwks_uri": server.url_of(jwks_uri) });
        let response = mcp_bearer_testkit::Response::json(&document);
        server.serve("/.well-known/oauth-authorization-server", response);
    };
    document(JwksServer::JWKS_PATH);
    let (clock, time) = MonotonicClock::manual();
    let keys = mcp_bearer::keys::RemoteKeys::discover(&issuer).clock(clock);
    let keys = keys.build().unwrap();
    let etag = |etag| Behaviour::ok_with([("ETag", etag)]);
    server.set_behaviour_at(JwksServer::JWKS_PATH, etag("\"same\""));
    assert_eq!(keys.refresh(Miss::no_keys()).await, Refreshed::NewKeys);
    server.set_behaviour_at(JwksServer::JWKS_PATH, Behaviour::EmptySet);
    keys.refresh(unknown(&keys, "b")).await;
    // The document is read during the second fetch, and the new address gets no conditions.
    document("/moved");
    server.set_behaviour_at("/moved", etag("\"same\""));
    server.set_keys(vec![b.jwk()]);
    time.advance(secs(60));
    eventually("the keys at the new address", || {
        kids(&keys.snapshot()) == ["b"]
    })
    .await;
}

fn open(path: &Path) -> (FileKeys, ManualTime) {
    let (clock, time) = MonotonicClock::manual();
    let keys = FileKeys::open_with_clock(path, clock).unwrap();
    keys.snapshot();
    (keys, time)
}

/// Lets checks happen until there is a failure, and returns it.
async fn fails(keys: &FileKeys, time: &ManualTime) -> String {
    let mut failure = None;
    eventually("a failure", || {
        time.advance(secs(2));
        failure = keys.status().last_failure;
        failure.is_some()
    })
    .await;
    failure.unwrap()
}

#[tokio::test]
async fn a_file_withdraws_every_key_when_it_has_been_without_one_for_sixty_seconds() {
    for keys in withdrawals() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        let a = key("a");
        fs::write(&path, a.jwks().to_string()).unwrap();
        let (source, time) = open(&path);
        let (provider, token) = (provider(source.clone()), token(&a));
        assert_eq!(refused(&provider, &token), None);
        // Atomically, so that no half of it is read.
        let new = folder.path().join("new.json");
        fs::write(&new, json!({ "keys": keys }).to_string()).unwrap();
        fs::rename(&new, &path).unwrap();
        let failure = fails(&source, &time).await;
        assert!(failure.contains("counts as withdrawn"), "{failure}");
        time.advance(secs(50));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(refused(&provider, &token), None, "not yet");
        eventually("the withdrawal", || {
            time.advance(secs(2));
            refused(&provider, &token) == Some(RejectionKind::UnknownKey)
        })
        .await;
        assert_eq!(provider.cached_tokens(), Some(0));
        fs::write(&path, a.jwks().to_string()).unwrap();
        eventually("the key is back", || {
            time.advance(secs(2));
            refused(&provider, &token).is_none()
        })
        .await;
    }
}

#[tokio::test]
async fn a_deleted_or_broken_file_keeps_its_keys_for_a_day_and_not_forever() {
    for broken in [None, Some("{"), Some("{}")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        let a = key("a");
        fs::write(&path, a.jwks().to_string()).unwrap();
        let (source, time) = open(&path);
        let (provider, token) = (provider(source.clone()), token(&a));
        match broken {
            None => fs::remove_file(&path).unwrap(),
            Some(text) => fs::write(&path, text).unwrap(),
        }
        fails(&source, &time).await;
        assert_eq!(source.status().phase, KeyPhase::Aging);
        let start = source.status().age.unwrap();
        time.advance(secs(24 * 3600 - 10) - start);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(refused(&provider, &token), None, "not yet");
        time.advance(secs(10));
        // At this moment, whatever the task has noticed.
        let refusal = Some(RejectionKind::KeysUnavailable);
        assert_eq!(refused(&provider, &token), refusal, "{broken:?}");
        assert_eq!(source.status().phase, KeyPhase::Stale);
        // Checks continue, and do not extend it.
        time.advance(secs(60));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(refused(&provider, &token), refusal);
        fs::write(&path, a.jwks().to_string()).unwrap();
        eventually("the key is back", || {
            time.advance(secs(2));
            refused(&provider, &token).is_none()
        })
        .await;
        assert_eq!(source.status().phase, KeyPhase::Fresh);
    }
}

#[test]
fn a_file_without_a_key_for_signatures_is_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    for keys in withdrawals() {
        fs::write(&path, json!({ "keys": keys }).to_string()).unwrap();
        let error = FileKeys::open(&path).unwrap_err().to_string();
        assert!(error.contains("no usable key"), "{error}");
    }
}
