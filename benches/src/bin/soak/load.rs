//! The load of the soak: good tokens, tokens that cannot be judged, and every kind of bad one.
//!
//! A token whose standing changed while it was verified is not judged.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_bearer::BearerAuthProvider;
use mcp_bearer_bench::{Waiting, Watched, watched};
use mcp_bearer_testkit::SigningKey;
use tokio::runtime::Runtime;

use crate::issuer::{Key, Keys, Standing, token};

/// How many tasks send tokens of the issuer's keys.
const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) struct Load {
    provider: BearerAuthProvider,
    keys: Keys,
    stopping: AtomicBool,
    waiting: Waiting,
    made_up: AtomicU64,
    seen: Mutex<Seen>,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) good: u64,
    pub(crate) good_refused: u64,
    pub(crate) good_waited: u64,
    pub(crate) worst_good: Duration,
    pub(crate) bad: u64,
    pub(crate) bad_accepted: u64,
    pub(crate) made_up: u64,
    /// Bad because their key has been withdrawn.
    pub(crate) gone: u64,
    pub(crate) unjudged: u64,
    pub(crate) most_waiting: usize,
    /// The first few mistakes.
    pub(crate) examples: Vec<String>,
}

impl Load {
    pub(crate) fn new(provider: BearerAuthProvider, keys: Keys) -> Self {
        Self {
            provider,
            keys,
            stopping: AtomicBool::new(false),
            waiting: Waiting::default(),
            made_up: AtomicU64::new(0),
            seen: Mutex::default(),
        }
    }

    pub(crate) fn start(self: &Arc<Self>, runtime: &Runtime) {
        for _ in 0..CLIENTS {
            let load = Arc::clone(self);
            runtime.spawn(async move { load.send_tokens_of_keys().await });
        }
        let load = Arc::clone(self);
        runtime.spawn(async move { load.send_bad_tokens().await });
        let load = Arc::clone(self);
        runtime.spawn(async move { load.flood().await });
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    pub(crate) fn seen(&self) -> Seen {
        let mut seen = self.seen.lock().unwrap().clone();
        seen.most_waiting = self.waiting.most(Duration::from_millis(50));
        seen.made_up = self.made_up.load(Ordering::SeqCst);
        seen
    }

    fn goes_on(&self) -> bool {
        !self.stopping.load(Ordering::SeqCst)
    }

    async fn send_tokens_of_keys(&self) {
        while self.goes_on() {
            let key = self.any_key();
            let before = key.standing();
            let watched = watched(&self.provider, &key.token, &self.waiting).await;
            let after = key.standing();
            self.judge(&key, before, after, &watched);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Prefers keys that must be accepted.
    fn any_key(&self) -> Arc<Key> {
        let keys = self.keys.read().unwrap();
        let any = || Arc::clone(&keys[fastrand::usize(..keys.len())]);
        (0..4)
            .map(|_| any())
            .find(|key| key.standing() == Standing::Good)
            .unwrap_or_else(any)
    }

    fn judge(&self, key: &Key, before: Standing, after: Standing, watched: &Watched) {
        let mut seen = self.seen.lock().unwrap();
        match (before, after, &watched.verdict) {
            (Standing::Good, Standing::Good, verdict) => {
                seen.good += 1;
                seen.good_waited += u64::from(watched.waited);
                seen.worst_good = seen.worst_good.max(watched.took);
                if let Err(rejection) = verdict {
                    seen.good_refused += 1;
                    seen.tell(format!("good, {:?}: {rejection}", key.signing.kid()));
                }
            }
            (Standing::Gone, _, verdict) => {
                seen.bad += 1;
                seen.gone += 1;
                if verdict.is_ok() {
                    seen.bad_accepted += 1;
                    seen.tell(format!("accepted, though gone: {:?}", key.signing.kid()));
                }
            }
            _ => seen.unjudged += 1,
        }
    }

    async fn send_bad_tokens(&self) {
        let stranger = SigningKey::ed25519();
        while self.goes_on() {
            let key = self.any_key();
            for (what, token) in bad_tokens(&key, &stranger) {
                let watched = watched(&self.provider, &token, &self.waiting).await;
                let mut seen = self.seen.lock().unwrap();
                seen.bad += 1;
                if watched.verdict.is_ok() {
                    seen.bad_accepted += 1;
                    seen.tell(format!("accepted: {what}"));
                }
            }
            tokio::time::sleep(PAUSE * 10).await;
        }
    }

    /// A thousand made-up kids per second, whether or not earlier ones have been answered.
    async fn flood(self: Arc<Self>) {
        let stranger = SigningKey::ed25519();
        while self.goes_on() {
            for _ in 0..10 {
                let load = Arc::clone(&self);
                let kid = format!("made-up-{}", fastrand::u64(..));
                let token = token(&stranger).kid(&kid).raw_signature([7; 64]).token();
                tokio::spawn(async move {
                    let watched = watched(&load.provider, &token, &load.waiting).await;
                    load.made_up.fetch_add(1, Ordering::SeqCst);
                    let mut seen = load.seen.lock().unwrap();
                    seen.bad += 1;
                    if watched.verdict.is_ok() {
                        seen.bad_accepted += 1;
                        seen.tell("accepted: a made-up kid".to_owned());
                    }
                });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Seen {
    fn tell(&mut self, what: String) {
        if self.examples.len() < 10 {
            self.examples.push(what);
        }
    }
}

fn bad_tokens(key: &Key, stranger: &SigningKey) -> Vec<(&'static str, String)> {
    let good = || token(&key.signing);
    vec![
        ("a changed signature", good().flip_signature_bit(9).token()),
        (
            "a stranger's key",
            good().sign_as("EdDSA").sign_with(stranger).token(),
        ),
        ("a stranger's key and algorithm", {
            let kid = key.signing.kid().unwrap();
            token(stranger).kid(&kid).token()
        }),
        (
            "no signature",
            good().alg_name("none").empty_signature().token(),
        ),
        ("an expired token", good().expires_in(-3600).token()),
        (
            "another audience",
            good().audience("https://other.example.com/").token(),
        ),
        (
            "another issuer",
            good().issuer("https://other.example.com/").token(),
        ),
    ]
}
