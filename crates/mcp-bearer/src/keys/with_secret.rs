//! A source of public keys combined with a shared secret, for an issuer with two kinds of keys.
//!
//! The set for a token is made anew whenever the source has another one, so that a secret which is
//! published switches HMAC off with the very set that holds it, also where the source does not take
//! the set: it is off then until the source confirms a set without the secret. Nothing here waits:
//! the first request makes the set.

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::{BoxFuture, FutureExt, ready};
use mcp_bearer_core::{KeyError, KeySet, VerifyingKey};

use super::events::{self, KeyEvent};
use super::snapshot::{Miss, Snapshot};
use super::source::{KeySource, KeyStatus, Refreshed};

/// Public keys from another source, and one shared secret.
pub(crate) struct KeysWithSecret {
    public: Arc<dyn KeySource>,
    secret: VerifyingKey,
    state: ArcSwap<State>,
}

/// The keys of both kinds at one moment.
struct State {
    /// What the source of public keys held.
    public: Snapshot,
    both: Snapshot,
    /// The last keys that were held, and their number: it changes with the public keys, and when
    /// HMAC is turned off or on. A text without other keys can do that, so the source's own number
    /// is not enough.
    last: Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    public_generation: u64,
    hmac: Hmac,
    generation: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hmac {
    On,
    Off,
}

impl KeysWithSecret {
    /// Both kinds of keys.
    ///
    /// # Errors
    /// When the secret is a public key.
    pub(crate) fn new(public: Arc<dyn KeySource>, secret: VerifyingKey) -> Result<Self, KeyError> {
        let nothing = Held {
            public_generation: 0,
            hmac: Hmac::On,
            generation: 0,
        };
        let snapshot = public.snapshot();
        // Checks once that it is a secret, so that this cannot fail later.
        KeySet::with_shared_secret(&snapshot.set, &secret)?;
        let first = State::after(nothing, snapshot, &secret);
        let keys = Self {
            state: ArcSwap::from_pointee(first),
            public,
            secret,
        };
        keys.report(Hmac::On, &keys.state.load());
        Ok(keys)
    }

    fn current(&self) -> Arc<State> {
        let public = self.public.snapshot();
        let state = self.state.load_full();
        if state.is_of(&public) {
            return state;
        }
        // Each state is made from the one that it replaces, so that no two have the same number.
        let before = self.state.rcu(|state| {
            let public = self.public.snapshot();
            if state.is_of(&public) {
                return Arc::clone(state);
            }
            Arc::new(State::after(state.last, public, &self.secret))
        });
        let now = self.state.load_full();
        self.report(before.last.hmac, &now);
        now
    }

    fn report(&self, before: Hmac, now: &State) {
        if (before, now.last.hmac) == (Hmac::On, Hmac::Off) {
            let source = self.public.status().source;
            events::report(&source, Some(&now.both.set), &KeyEvent::SecretPublished);
        }
    }
}

impl State {
    fn after(last: Held, public: Snapshot, secret: &VerifyingKey) -> Self {
        let set = KeySet::with_shared_secret(&public.set, secret);
        let set = set.unwrap_or_else(|error| {
            KeySet::unavailable(error.to_string(), std::time::Duration::from_secs(60))
        });
        // Once it is off, only a good answer switches it on again.
        let refused = public.refused.as_deref();
        let elsewhere =
            refused.is_some_and(|text| last.hmac == Hmac::Off || text.publishes(secret));
        let set = if elsewhere {
            set.with_secret_published()
        } else {
            set
        };
        let hmac = if set.publishes_the_secret() {
            Hmac::Off
        } else {
            Hmac::On
        };
        let unchanged = (last.public_generation, last.hmac) == (public.generation, hmac);
        let (last, generation) = match public.generation {
            // None are held; what is known about the last ones is kept.
            0 => (last, 0),
            // Keys that never change.
            u64::MAX => {
                let generation = u64::MAX;
                (
                    Held {
                        public_generation: generation,
                        hmac,
                        generation,
                    },
                    generation,
                )
            }
            public_generation => {
                let generation = match unchanged {
                    true => last.generation,
                    false => number_after(last.generation),
                };
                (
                    Held {
                        public_generation,
                        hmac,
                        generation,
                    },
                    generation,
                )
            }
        };
        Self {
            both: Snapshot::new(Arc::new(set), generation),
            public,
            last,
        }
    }

    fn is_of(&self, public: &Snapshot) -> bool {
        let refused = |snapshot: &Snapshot| snapshot.refused.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.public.set, &public.set)
            && self.public.generation == public.generation
            && refused(&self.public) == refused(public)
    }
}

/// A number other than this one. 0 and [`u64::MAX`] have special meanings, and a source outside
/// this crate may have any number.
fn number_after(generation: u64) -> u64 {
    match generation.checked_add(1) {
        None | Some(u64::MAX) => 1,
        Some(next) => next,
    }
}

impl KeySource for KeysWithSecret {
    fn snapshot(&self) -> Snapshot {
        self.current().both.clone()
    }

    fn generation(&self) -> u64 {
        self.current().both.generation
    }

    fn refresh(&self, miss: Miss) -> BoxFuture<'_, Refreshed> {
        let state = self.current();
        if miss.generation == state.both.generation || state.both.generation == 0 {
            let generation = state.public.generation;
            return self.public.refresh(Miss { generation, ..miss });
        }
        ready(Refreshed::NewKeys).boxed()
    }

    fn prefetch(&self) {
        self.public.prefetch();
    }

    fn status(&self) -> KeyStatus {
        KeyStatus {
            snapshot: self.snapshot(),
            ..self.public.status()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_a_source_gives_another_one_when_the_keys_change() {
        let secret =
            VerifyingKey::shared_secret(b"correct-horse-battery-staple-1234567890").unwrap();
        let set = Arc::new(KeySet::from_jwks_json(r#"{"keys":[]}"#).unwrap());
        let mut last = Held {
            public_generation: 0,
            hmac: Hmac::On,
            generation: 0,
        };
        for number in [u64::MAX, 7, u64::MAX - 1, u64::MAX, 1, 0, 2, 2] {
            let state = State::after(last, Snapshot::new(Arc::clone(&set), number), &secret);
            let generation = state.both.generation;
            match number {
                0 | u64::MAX => assert_eq!(generation, number),
                _ => assert!(generation != 0 && generation != u64::MAX),
            }
            if number != 0 && number != last.public_generation {
                assert_ne!(state.last.generation, last.generation);
            }
            last = state.last;
        }
        for generation in [1, u64::MAX - 2, u64::MAX - 1, u64::MAX] {
            assert_ne!(number_after(generation), generation);
        }
    }
}
