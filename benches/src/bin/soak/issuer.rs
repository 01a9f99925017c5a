//! The issuer of the soak: what it publishes, when, and how it behaves.
//!
//! It calls a key good only once the provider must know it, and gone only once the provider may no
//! longer hold it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use mcp_bearer::Clock;
use mcp_bearer_bench::{AUDIENCE, ISSUER};
use mcp_bearer_testkit::{Behaviour, Forge, JwksServer, SigningKey};

use crate::BOUND;

const ROTATE_EVERY: Duration = Duration::from_secs(3);
/// How many keys are published at once.
const PUBLISHED: usize = 9;
/// Good times in turn, each followed by the next of the bad ones. A new key can become due only in
/// the long ones.
const UP: [Duration; 2] = [Duration::from_secs(17), Duration::from_secs(3)];

/// The bad times in turn.
const OUTAGES: [(&str, u64); 6] = [
    ("down", 4),
    ("hangs", 6),
    ("HTML", 3),
    ("status 500", 3),
    ("one byte a second", 6),
    ("cut off", 3),
];

/// What must be true of a key's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Published, but not for long enough.
    New,
    /// Must be accepted.
    Good,
    /// No longer published, but perhaps still held.
    Withdrawn,
    /// Must be refused.
    Gone,
}

/// A key that is or was published, with a token.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) signing: SigningKey,
    pub(crate) token: String,
    standing: AtomicU8,
    /// When it was published, or withdrawn.
    since: RwLock<Instant>,
}

/// All keys, newest last.
pub(crate) type Keys = Arc<RwLock<Vec<Arc<Key>>>>;

pub(crate) struct Issuer {
    server: Option<JwksServer>,
    address: SocketAddr,
    url: String,
    keys: Keys,
    made: usize,
    rotated_at: Instant,
    /// When it began to answer well; `None` in bad times.
    up_since: Option<Instant>,
    changes_at: Instant,
    outages: usize,
}

impl Issuer {
    pub(crate) fn start() -> Self {
        let server = JwksServer::start();
        let now = Instant::now();
        let mut issuer = Self {
            address: server.address(),
            url: server.url(),
            server: Some(server),
            keys: Keys::default(),
            made: 0,
            rotated_at: now,
            up_since: Some(now),
            changes_at: now + UP[0],
            outages: 0,
        };
        issuer.add_key();
        issuer.add_key();
        issuer.publish();
        issuer
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn keys(&self) -> Keys {
        Arc::clone(&self.keys)
    }

    pub(crate) fn first_set_is_known(&self) {
        for key in self.keys.read().unwrap().iter() {
            key.set(Standing::Good);
        }
    }

    pub(crate) fn rotations(&self) -> usize {
        self.made - 2
    }

    pub(crate) fn outages(&self) -> u64 {
        self.outages as u64
    }

    /// The outages so far, in words.
    pub(crate) fn story(&self) -> String {
        let names = OUTAGES.iter().cycle().map(|(name, _)| *name);
        let mut names: Vec<&str> = names.take(self.outages).collect();
        names.truncate(OUTAGES.len());
        names.join(", ")
    }

    /// Does whatever is due by now.
    pub(crate) fn tick(&mut self) {
        let now = Instant::now();
        if now >= self.changes_at {
            match self.up_since {
                Some(_) => self.fail(now),
                None => self.recover(now),
            }
        }
        if now >= self.rotated_at + ROTATE_EVERY {
            self.rotated_at = now;
            self.rotate();
        }
        self.judge(now);
    }

    fn fail(&mut self, now: Instant) {
        let (name, seconds) = OUTAGES[self.outages % OUTAGES.len()];
        self.outages += 1;
        self.up_since = None;
        self.changes_at = now + Duration::from_secs(seconds);
        let Some(server) = &self.server else { return };
        server.set_behaviour(match name {
            "hangs" => Behaviour::HangBeforeHeaders,
            "HTML" => Behaviour::Html200,
            "status 500" => Behaviour::Status(500),
            "one byte a second" => Behaviour::OneBytePerSecond,
            "cut off" => Behaviour::CutOff,
            _ => {
                self.server = None;
                return;
            }
        });
    }

    fn recover(&mut self, now: Instant) {
        if self.server.is_none() {
            self.server = Some(JwksServer::start_at(self.address));
        }
        self.publish();
        self.up_since = Some(now);
        self.changes_at = now + UP[self.outages % UP.len()];
    }

    fn rotate(&mut self) {
        self.add_key();
        {
            let keys = self.keys.read().unwrap();
            let published = keys.iter().filter(|key| key.is_published());
            let published: Vec<&Arc<Key>> = published.collect();
            let surplus = published.len().saturating_sub(PUBLISHED);
            for key in &published[..surplus] {
                // Recorded before it is done: its tokens are no longer good from here on.
                key.set(Standing::Withdrawn);
            }
        }
        self.publish();
        // Recorded after it is done: their time begins here.
        let keys = self.keys.read().unwrap();
        let fresh = |key: &&Arc<Key>| matches!(key.standing(), Standing::New | Standing::Withdrawn);
        for key in keys.iter().filter(fresh) {
            let mut since = key.since.write().unwrap();
            if *since > Instant::now() {
                *since = Instant::now();
            }
        }
    }

    /// A new key, now and then under the `kid` of one that is gone, as real issuers do.
    fn add_key(&mut self) {
        let key = match self.made % 3 {
            0 if self.made == 0 => SigningKey::shared_rsa_2048(),
            1 => SigningKey::ec_p256(),
            _ => SigningKey::ed25519(),
        };
        let mut keys = self.keys.write().unwrap();
        let gone = keys.iter().position(|key| key.standing() == Standing::Gone);
        let reused = gone.filter(|_| self.made % 4 == 3);
        let kid = reused
            .and_then(|at| keys[at].signing.kid())
            .unwrap_or_else(|| format!("key-{}", self.made));
        if keys.len() > 100
            && let Some(at) = gone
        {
            keys.remove(at);
        }
        let signing = key.with_kid(kid);
        let token = token(&signing).token();
        keys.push(Arc::new(Key {
            signing,
            token,
            standing: AtomicU8::new(0),
            since: RwLock::new(Instant::now() + Duration::from_secs(3600)),
        }));
        self.made += 1;
    }

    fn publish(&self) {
        let Some(server) = &self.server else { return };
        let keys = self.keys.read().unwrap();
        let published = keys.iter().filter(|key| key.is_published());
        server.set_keys(published.map(|key| key.signing.jwk()).collect());
        if self.up_since.is_some() || Instant::now() >= self.changes_at {
            server.set_behaviour(Behaviour::ok_with([
                ("Cache-Control", "max-age=60"),
                ("ETag", "auto"),
            ]));
        }
    }

    fn judge(&self, now: Instant) {
        let Some(up_since) = self.up_since else {
            return;
        };
        for key in self.keys.read().unwrap().iter() {
            let since = (*key.since.read().unwrap()).max(up_since);
            if now.saturating_duration_since(since) < BOUND {
                continue;
            }
            match key.standing() {
                Standing::New => key.set(Standing::Good),
                Standing::Withdrawn => key.set(Standing::Gone),
                Standing::Good | Standing::Gone => {}
            }
        }
    }
}

impl Key {
    pub(crate) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::SeqCst) {
            0 => Standing::New,
            1 => Standing::Good,
            2 => Standing::Withdrawn,
            _ => Standing::Gone,
        }
    }

    fn set(&self, standing: Standing) {
        // Both times begin once it has been done.
        *self.since.write().unwrap() = Instant::now() + Duration::from_secs(3600);
        self.standing.store(standing as u8, Ordering::SeqCst);
    }

    fn is_published(&self) -> bool {
        matches!(self.standing(), Standing::New | Standing::Good)
    }
}

/// A good token of this key, for a day.
pub(crate) fn token(key: &SigningKey) -> Forge {
    let now = Clock::system().now();
    Forge::new(key, now.as_secs())
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .expires_in(24 * 3600)
}
