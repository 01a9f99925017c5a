//! One test for each row of the table that `rotation` carries out, and properties over random histories.
#![allow(clippy::as_conversions, reason = "test code")]

mod freshness;
mod histories;
mod requests;

use std::{sync::Arc, time::Duration};

use super::{
    Answer, Asked, CacheHeaders, Cause, Effects, FetchId, KeyFacts, KeyIdentity, Notice, Question,
    Rotation, STALENESS_BOUND, Settings, Start, WAIT_MAX, WAITERS_MAX,
    budget::{BURST, INTERVAL},
    memory::{self, Memory},
    schedule::{Jitter, backoff, refresh_ahead},
};
use crate::keys::{MissKind, Refreshed};

/// Keys by name and version; a name that begins with `!` is of a key that is skipped.
#[derive(Debug, Clone, PartialEq)]
struct Keys(Vec<(&'static str, u8)>);

impl KeyFacts for Keys {
    fn has_kid(&self, kid: &str) -> bool {
        self.usable().any(|(name, _)| *name == kid)
    }

    fn identities(&self) -> Vec<KeyIdentity> {
        let mut keys: Vec<_> = self
            .usable()
            .map(|(kid, version)| identity(kid, *version))
            .collect();
        keys.sort();
        keys
    }

    fn skips(&self) -> Vec<(Option<String>, String)> {
        let skipped = self.0.iter().filter(|(name, _)| name.starts_with('!'));
        let mut skips: Vec<_> = skipped
            .map(|(name, version)| (Some((*name).to_owned()), format!("weak {version}")))
            .collect();
        skips.sort();
        skips
    }
}

impl Keys {
    fn usable(&self) -> impl Iterator<Item = &(&'static str, u8)> {
        self.0.iter().filter(|(name, _)| !name.starts_with('!'))
    }
}

fn identity(kid: &str, version: u8) -> KeyIdentity {
    KeyIdentity {
        kid: Some(kid.to_owned()),
        algorithm: None,
        fingerprint: [version; 32],
    }
}

const JITTERS: [u32; 3] = [0, 500, 1000];

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rotation() -> Rotation<Keys> {
    Rotation::new(Settings {
        max_freshness: secs(3600),
        staleness_bound: STALENESS_BOUND,
    })
}

fn jitter() -> Jitter {
    Jitter::new(500)
}

fn unknown(kid: &str, generation: u64) -> Question {
    Question {
        kind: MissKind::UnknownKid,
        kid: Some(kid.to_owned()),
        generation,
    }
}

fn forged(kid: &str, generation: u64) -> Question {
    Question {
        kind: MissKind::BadSignature,
        ..unknown(kid, generation)
    }
}

fn no_keys() -> Question {
    Question {
        kind: MissKind::NoKeys,
        kid: None,
        generation: 0,
    }
}

fn headers(cache_control: &str) -> CacheHeaders {
    CacheHeaders {
        cache_control: Some(cache_control.to_owned()),
        ..CacheHeaders::default()
    }
}

fn tagged() -> CacheHeaders {
    CacheHeaders {
        cache_control: Some("max-age=600".to_owned()),
        etag: Some("\"1\"".to_owned()),
        last_modified: Some("Thu, 01 Oct 2026 00:00:00 GMT".to_owned()),
        ..CacheHeaders::default()
    }
}

fn set(keys: &[(&'static str, u8)], headers: CacheHeaders) -> Answer<Keys> {
    let text = format!("{keys:?}");
    let mut digest = [0; 32];
    for (at, byte) in text.bytes().enumerate() {
        digest[at % 32] ^= byte.wrapping_mul(at as u8 | 1);
    }
    Answer::Set {
        set: Arc::new(Keys(keys.to_vec())),
        digest,
        headers,
    }
}

fn failed() -> Answer<Keys> {
    Answer::Failed("down".to_owned())
}

/// Asks and expects a fetch.
fn asked(rotation: &mut Rotation<Keys>, now: Duration, question: Question) -> FetchId {
    match rotation.ask(now, question) {
        Asked::Wait(_, Some(start)) => start.id,
        other => panic!("{other:?}"),
    }
}

fn refused(rotation: &mut Rotation<Keys>, now: Duration, question: Question) -> bool {
    matches!(
        rotation.ask(now, question),
        Asked::Answer(Refreshed::Unchanged)
    )
}

/// A source that got this set at time zero with this lifetime.
fn holding(keys: &[(&'static str, u8)], headers: CacheHeaders) -> Rotation<Keys> {
    let mut rotation = rotation();
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    rotation.answer(Duration::ZERO, id, set(keys, headers), jitter());
    rotation
}

fn lifetime_after(headers: CacheHeaders, ceiling: Duration) -> Duration {
    let mut rotation = Rotation::new(Settings {
        max_freshness: ceiling,
        staleness_bound: STALENESS_BOUND,
    });
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    rotation.answer(Duration::ZERO, id, set(&[("a", 1)], headers), jitter());
    rotation.held.unwrap().lifetime
}

fn verdicts(effects: &Effects) -> Vec<Refreshed> {
    effects.released.iter().map(|(_, told)| *told).collect()
}
