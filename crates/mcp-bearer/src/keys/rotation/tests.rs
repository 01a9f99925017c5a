//! One test per rule of `rotation`, and properties over random histories.
#![allow(clippy::as_conversions, reason = "test code")]

mod freshness;
mod histories;
mod requests;
mod withdrawal;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use mcp_bearer_core::{KeyInfo, KeySet};
use mcp_bearer_testkit::SigningKey;
use serde_json::{Value, json};

use super::{
    Asked, CacheHeaders, Cause, Effects, FetchId, FetchOrder, FetchResult, KeyEvent, Lifetimes,
    Miss, MissKind, Refreshed, Rotation, WAIT_MAX, WAITERS_MAX,
    miss_budget::{BURST, Budget, ENTRIES, INTERVAL, UnhelpedMisses},
};
use crate::keys::freshness::{Jitter, STALENESS_BOUND, backoff};

/// A key by name and version; a name that begins with `!` means a key that is skipped.
type Key = (&'static str, u8);

/// Two keys are equal if they have the same name and version.
fn jwk((name, version): Key) -> Value {
    static KEYS: OnceLock<Vec<SigningKey>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| (0..=255).map(|_: u8| SigningKey::ed25519()).collect());
    match name.starts_with('!') {
        true => json!({ "kty": format!("weak {version}"), "kid": name }),
        false => keys[usize::from(version)].clone().with_kid(name).jwk(),
    }
}

/// Parsed once per list: random histories use the same few sets thousands of times.
fn key_set(keys: &[Key]) -> KeySet {
    static SETS: Mutex<BTreeMap<Vec<Key>, KeySet>> = Mutex::new(BTreeMap::new());
    let parse = || {
        let jwks: Vec<Value> = keys.iter().copied().map(jwk).collect();
        KeySet::from_jwks_json(&json!({ "keys": jwks }).to_string()).unwrap()
    };
    let mut sets = SETS.lock().unwrap();
    sets.entry(keys.to_vec()).or_insert_with(parse).clone()
}

/// What makes one set differ from another, in order.
fn contents(set: &KeySet) -> Vec<(Option<String>, String)> {
    let usable = set
        .keys()
        .map(|key| (key.kid, format!("{:?}", key.thumbprint)));
    let skipped = set.skipped().iter();
    usable
        .chain(skipped.map(|key| (key.kid.clone(), key.reason.clone())))
        .collect()
}

fn identity(kid: &'static str, version: u8) -> KeyInfo {
    let mut info = key_set(&[(kid, version)]).keys().next().unwrap();
    info.number = None;
    info
}

const FETCHED: KeyEvent = KeyEvent::Fetched { changed: true };
const SAME: KeyEvent = KeyEvent::Fetched { changed: false };

const JITTERS: [u32; 3] = [0, 500, 1000];

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rotation() -> Rotation {
    with_ceiling(secs(3600))
}

fn with_ceiling(max_freshness: Duration) -> Rotation {
    let lifetimes = Lifetimes {
        max_freshness,
        staleness_bound: STALENESS_BOUND,
    };
    Rotation::new(lifetimes, None, jitter())
}

fn jitter() -> Jitter {
    Jitter::new(500)
}

fn unknown(kid: &str, generation: u64) -> Miss {
    Miss {
        kind: MissKind::UnknownKid,
        kid: Some(kid.to_owned()),
        generation,
    }
}

fn forged(kid: &str, generation: u64) -> Miss {
    Miss {
        kind: MissKind::BadSignature,
        ..unknown(kid, generation)
    }
}

fn no_keys() -> Miss {
    Miss::no_keys()
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

fn set(keys: &[Key], headers: CacheHeaders) -> FetchResult {
    let text = format!("{keys:?}");
    FetchResult::Set {
        set: key_set(keys),
        digest: crate::keys::snapshot::sha256(text.as_bytes()),
        headers,
    }
}

fn failed() -> FetchResult {
    FetchResult::Failed("down".to_owned())
}

/// Asks and expects a fetch.
fn asked(rotation: &mut Rotation, now: Duration, miss: Miss) -> FetchId {
    match rotation.ask(now, miss) {
        Asked::Wait(_, Some(order)) => order.id,
        other => panic!("{other:?}"),
    }
}

fn refused(rotation: &mut Rotation, now: Duration, miss: Miss) -> bool {
    matches!(rotation.ask(now, miss), Asked::Answer(Refreshed::Unchanged))
}

/// A source that got this set at time zero with this lifetime.
fn holding(keys: &[Key], headers: CacheHeaders) -> Rotation {
    let mut rotation = rotation();
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    rotation.finish_fetch(Duration::ZERO, id, set(keys, headers), jitter());
    rotation
}

fn lifetime_after(headers: CacheHeaders, ceiling: Duration) -> Duration {
    let mut rotation = with_ceiling(ceiling);
    let id = asked(&mut rotation, Duration::ZERO, no_keys());
    rotation.finish_fetch(Duration::ZERO, id, set(&[("a", 1)], headers), jitter());
    lifetime(&rotation)
}

fn lifetime(rotation: &Rotation) -> Duration {
    let held = rotation.held.as_ref().unwrap();
    held.fresh_until - held.confirmed_at
}

/// Whether the held set is this one.
fn holds(rotation: &Rotation, keys: &[Key]) -> bool {
    let held = rotation.held.as_ref();
    held.is_some_and(|held| contents(&held.snapshot.set) == contents(&key_set(keys)))
}

fn answers(effects: &Effects) -> Vec<Refreshed> {
    effects
        .answers
        .iter()
        .map(|(_, refreshed)| *refreshed)
        .collect()
}
