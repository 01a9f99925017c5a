//! Key sources with an issuer that rotates its keys, fails, and gives wrong answers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a failure here should stop the test"
)]

mod discovery;
mod faults;
mod fetch_errors;
mod file;
mod many;
mod prefetch;
mod remote;
#[cfg(feature = "remote")]
mod tls;
mod tls_errors;
mod waiting;
mod withdrawal;

use std::time::{Duration, Instant};

use mcp_bearer::keys::{
    KeySource, ManualTime, Miss, MonotonicClock, Refreshed, RemoteKeys, RemoteKeysBuilder, Snapshot,
};
use mcp_bearer_core::RejectionKind;
use mcp_bearer_testkit::{Behaviour, JwksServer, SigningKey};

/// An issuer, and a source whose clock the test moves.
struct World {
    server: JwksServer,
    /// The key that signs as "a" at first.
    a: SigningKey,
    keys: RemoteKeys,
    time: ManualTime,
}

impl World {
    /// A source that has made no request yet; the issuer publishes one key, "a".
    fn new(behaviour: Behaviour) -> Self {
        Self::with(behaviour, |builder| builder)
    }

    fn with(
        behaviour: Behaviour,
        configure: impl FnOnce(RemoteKeysBuilder) -> RemoteKeysBuilder,
    ) -> Self {
        let (server, a) = (JwksServer::start(), key("a"));
        server.set_keys(vec![a.jwk()]);
        server.set_behaviour(behaviour);
        let (clock, time) = MonotonicClock::manual();
        let builder = RemoteKeys::builder(server.url()).clock(clock);
        let keys = configure(builder).build().unwrap();
        Self {
            server,
            a,
            keys,
            time,
        }
    }

    /// A source that already holds "a".
    async fn holding(behaviour: Behaviour) -> Self {
        let world = Self::new(behaviour);
        assert_eq!(
            world.keys.refresh(Miss::no_keys()).await,
            Refreshed::NewKeys
        );
        world
    }

    fn hits(&self) -> usize {
        self.server.hits(JwksServer::JWKS_PATH)
    }

    fn wait_for_hits(&self, hits: usize) {
        let there = self
            .server
            .wait_for_hits(JwksServer::JWKS_PATH, hits, Duration::from_secs(5));
        assert!(there, "{} of {hits} requests", self.hits());
    }

    async fn ask(&self, kid: &str) -> Refreshed {
        self.keys.refresh(unknown(&self.keys, kid)).await
    }
}

fn key(kid: &str) -> SigningKey {
    SigningKey::ed25519().with_kid(kid)
}

fn unknown(keys: &dyn KeySource, kid: &str) -> Miss {
    let snapshot = keys.snapshot();
    snapshot.miss(RejectionKind::UnknownKey, Some(kid)).unwrap()
}

fn forged(keys: &dyn KeySource, kid: &str) -> Miss {
    let snapshot = keys.snapshot();
    snapshot
        .miss(RejectionKind::BadSignature, Some(kid))
        .unwrap()
}

fn kids(snapshot: &Snapshot) -> Vec<String> {
    snapshot.set.keys().filter_map(|key| key.kid).collect()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Waits for something that another thread will do.
async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < secs(30), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
