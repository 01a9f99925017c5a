//! A source that was used before a `fork` works in the child, where the parent's threads do not
//! exist.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a failure here should stop the test"
)]

mod at_a_first_use;
mod child;

use std::time::{Duration, Instant};

use mcp_bearer::keys::{FileKeys, KeySource, Miss, MonotonicClock, Refreshed, RemoteKeys};
use mcp_bearer::{Algorithm, BearerAuthProvider};
use mcp_bearer_core::RejectionKind;
use mcp_bearer_testkit::{Behaviour, Forge, JwksServer, SigningKey};

use crate::child::in_a_child;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn refresh(keys: &RemoteKeys, kid: &str) -> Refreshed {
    let miss = keys.snapshot().miss(RejectionKind::UnknownKey, Some(kid));
    block_on(keys.refresh(miss.unwrap()))
}

fn key(kid: &str) -> serde_json::Value {
    SigningKey::ed25519().with_kid(kid).jwk()
}

fn main() {
    a_remote_source_goes_on_in_a_child();
    a_provider_goes_on_in_a_child();
    a_child_fetches_though_its_parent_asked_in_vain();
    a_fork_in_the_middle_of_verifications();
    a_fork_in_the_middle_of_a_keys_first_use();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    at_a_first_use::a_fork_while_the_library_holds_a_keys_lock();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    at_a_first_use::a_fork_while_the_kernel_draws_random_numbers();
    a_fork_in_the_middle_of_a_fetch();
    a_set_grows_old_in_a_child_without_a_task();
    a_file_is_watched_in_a_child();
}

fn a_remote_source_goes_on_in_a_child() {
    let server = JwksServer::start();
    server.set_keys(vec![key("a")]);
    let keys = RemoteKeys::builder(server.url()).build().unwrap();
    assert_eq!(block_on(keys.refresh(Miss::no_keys())), Refreshed::NewKeys);
    server.set_keys(vec![key("b")]);
    in_a_child(|| {
        let held = keys.snapshot().set.has_kid("a");
        let found = refresh(&keys, "b") == Refreshed::NewKeys;
        let again = keys.snapshot().set.has_kid("b");
        let handle = keys.clone();
        drop(handle);
        held && found && again
    });
    // And in the parent, which does not know of the child's set.
    assert!(keys.snapshot().set.has_kid("a"));
    assert_eq!(refresh(&keys, "b"), Refreshed::NewKeys);
    // A child may also drop the last handle.
    let mut keys = Some(keys);
    in_a_child(|| {
        drop(keys.take());
        true
    });
}

fn a_provider_goes_on_in_a_child() {
    let (one, other) = (
        SigningKey::ed25519().with_kid("a"),
        SigningKey::ed25519().with_kid("b"),
    );
    let server = JwksServer::start();
    server.set_keys(vec![one.jwk()]);
    let provider = BearerAuthProvider::builder()
        .jwks_uri(server.url())
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::EdDsa])
        .build()
        .unwrap();
    let now = mcp_bearer::Clock::system().now().as_secs();
    let token = |key| Forge::new(key, now).token();
    let accepts = |key| block_on(provider.verify_token(&token(key))).is_ok();
    assert!(accepts(&one));
    server.set_keys(vec![one.jwk(), other.jwk()]);
    // The child has the parent's keys, and fetches newer ones by itself.
    in_a_child(|| accepts(&one) && accepts(&other));
    assert!(accepts(&one) && accepts(&other));
    assert_eq!(server.total_hits(), 3);
}

/// Each process fetches once because of a token that no key could save.
fn a_child_fetches_though_its_parent_asked_in_vain() {
    let server = JwksServer::start();
    server.set_keys(vec![key("a")]);
    server.set_behaviour(Behaviour::Status(500));
    let keys = RemoteKeys::builder(server.url()).build().unwrap();
    let wait = Duration::from_secs(10);
    keys.prefetch();
    assert!(server.wait_for_hits(JwksServer::JWKS_PATH, 1, wait));
    in_a_child(|| {
        let before = keys.status().failed;
        keys.prefetch();
        keys.prefetch();
        let start = Instant::now();
        while keys.status().failed == before && start.elapsed() < wait {
            std::thread::sleep(Duration::from_millis(5));
        }
        keys.status().failed == before + 1
    });
    assert_eq!(server.total_hits(), 2);
}

/// Threads verify new tokens without a pause while the process forks: their verifications never end
/// in the child, which must not wait for them.
fn a_fork_in_the_middle_of_verifications() {
    let key = SigningKey::shared_rsa_2048();
    let provider = BearerAuthProvider::builder()
        .public_key(key.public_pem())
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .build()
        .unwrap()
        .with_token_cache(mcp_bearer::TokenCacheSize::default());
    let now = mcp_bearer::Clock::system().now().as_secs();
    // Bad signatures are never cached, so each is verified again; good ones are written into the
    // cache.
    let good = Forge::new(&key, now).token();
    let others: Vec<String> = (0..200)
        .map(|number: u32| {
            Forge::new(&key, now)
                .claim("jti", number.to_string())
                .token()
        })
        .collect();
    let bad = Forge::new(&key, now).flip_signature_bit(7).token();
    let shared = std::sync::OnceLock::<BearerAuthProvider>::new();
    let (going_on, stopped) = std::sync::mpsc::channel::<()>();
    let stopped = std::sync::Mutex::new(stopped);
    let may_go_on =
        || stopped.lock().unwrap().try_recv() == Err(std::sync::mpsc::TryRecvError::Empty);
    std::thread::scope(|scope| {
        // Dropped when this ends, even if a child has failed.
        let _going_on = going_on;
        scope.spawn(|| {
            while may_go_on() {
                assert!(provider.try_verify_token(&bad).into_result().is_err());
            }
        });
        scope.spawn(|| {
            let narrow = mcp_bearer::TokenCacheSize::default().with_entries(16);
            let writing = provider.clone().with_token_cache(narrow);
            shared.set(writing.clone()).unwrap_or_default();
            for token in others.iter().cycle() {
                assert!(writing.try_verify_token(token).into_result().is_ok());
                if !may_go_on() {
                    break;
                }
            }
        });
        let writing = shared.wait();
        for _ in 0..50 {
            in_a_child(|| {
                provider.try_verify_token(&bad).into_result().is_err()
                    && provider.try_verify_token(&good).into_result().is_ok()
                    && provider.cached_tokens() == Some(1)
                    && writing.try_verify_token(&good).into_result().is_ok()
                    && writing.cached_tokens() == Some(1)
            });
        }
    });
}

/// A key's parsed form is made when it is first used. `at_a_first_use.rs` forks during what happens
/// then.
fn a_fork_in_the_middle_of_a_keys_first_use() {
    let key = SigningKey::shared_rsa_2048();
    let now = mcp_bearer::Clock::system().now().as_secs();
    // Not the algorithm that a key is tried with when it is read.
    let token = Forge::new(&key, now).alg("PS256").token();
    let provider = || {
        BearerAuthProvider::builder()
            .public_key(key.public_pem())
            .issuer(Forge::ISSUER)
            .audience(Forge::AUDIENCE)
            .algorithms([Algorithm::Ps256])
            .build()
            .unwrap()
    };
    let accepts =
        |provider: &BearerAuthProvider| provider.try_verify_token(&token).into_result().is_ok();
    let (give, given) = std::sync::mpsc::sync_channel::<BearerAuthProvider>(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let give = give;
            for _ in 0..200 {
                let new = provider();
                give.send(new.clone()).unwrap();
                assert!(accepts(&new));
            }
        });
        for new in given {
            in_a_child(|| accepts(&new));
        }
    });
}

fn a_fork_in_the_middle_of_a_fetch() {
    let server = JwksServer::start();
    server.set_keys(vec![key("a")]);
    server.set_behaviour(Behaviour::HangBeforeHeaders);
    let keys = RemoteKeys::builder(server.url()).build().unwrap();
    // All places to wait are taken, and their owners remain in the parent.
    let waiting: Vec<_> = (0..64).map(|_| keys.refresh(Miss::no_keys())).collect();
    assert!(server.wait_for_hits(JwksServer::JWKS_PATH, 1, Duration::from_secs(5)));
    server.set_behaviour(Behaviour::ok());
    in_a_child(|| block_on(keys.refresh(Miss::no_keys())) == Refreshed::NewKeys);
    drop(waiting);
}

fn a_set_grows_old_in_a_child_without_a_task() {
    let server = JwksServer::start();
    server.set_keys(vec![key("a")]);
    server.set_behaviour(Behaviour::ok_with([("Cache-Control", "max-age=60")]));
    let (clock, time) = MonotonicClock::manual();
    let keys = RemoteKeys::builder(server.url())
        .staleness_bound(Duration::from_secs(60))
        .clock(clock)
        .build()
        .unwrap();
    assert_eq!(block_on(keys.refresh(Miss::no_keys())), Refreshed::NewKeys);
    server.set_keys(vec![key("b")]);
    in_a_child(|| {
        // Only the snapshot is read: that alone must bring the next set.
        time.advance(Duration::from_secs(59));
        let start = Instant::now();
        while !keys.snapshot().set.has_kid("b") && start.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        keys.snapshot().set.has_kid("b")
    });
    drop(server);
    in_a_child(|| {
        time.advance(Duration::from_secs(120));
        keys.snapshot().set.is_empty()
    });
}

fn a_file_is_watched_in_a_child() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let write = |kid| {
        let jwks = serde_json::json!({ "keys": [key(kid)] });
        std::fs::write(&path, jwks.to_string()).unwrap();
    };
    write("a");
    let (clock, time) = MonotonicClock::manual();
    let keys = FileKeys::open_with_clock(&path, clock).unwrap();
    let sees = |kid| {
        write(kid);
        let start = Instant::now();
        while !keys.snapshot().set.has_kid(kid) && start.elapsed() < Duration::from_secs(10) {
            time.advance(Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(5));
        }
        keys.snapshot().set.has_kid(kid)
    };
    in_a_child(|| sees("b"));
    // Now with a watch that has checked before the fork.
    assert!(sees("c"));
    in_a_child(|| sees("d"));
}
