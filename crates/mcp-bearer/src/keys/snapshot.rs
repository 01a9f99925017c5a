//! The keys of a source at one moment: [`Snapshot`] for requests, [`Miss`] for a token that one
//! could not verify, and [`HeldKeys`] for what the source itself must know.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use mcp_bearer_core::{KeyInfo, KeySet, RejectionKind};

use super::events::KeyEvent;
use super::freshness::{CacheHeaders, Directives, Jitter, Lifetimes, Validators};
use super::rejected_body::RefusedAnswer;

/// The keys at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// The keys.
    pub set: Arc<KeySet>,
    /// Changes whenever the keys change; 0 while none are held.
    pub generation: u64,
    /// The latest answer since the set was confirmed that was not taken as keys.
    pub(super) refused: Option<Arc<RefusedAnswer>>,
}

impl Snapshot {
    /// A snapshot for a [`KeySource`](super::KeySource) outside this crate.
    #[must_use]
    pub fn new(set: Arc<KeySet>, generation: u64) -> Self {
        Self {
            set,
            generation,
            refused: None,
        }
    }

    /// A snapshot that never changes, so that [`miss`](Self::miss) never asks for newer keys.
    #[must_use]
    pub fn fixed(set: Arc<KeySet>) -> Self {
        Self::new(set, u64::MAX)
    }

    /// What to pass to [`KeySource::refresh`](super::KeySource::refresh) after a token with this
    /// `kid` was refused for this reason; `None` if newer keys could not help.
    #[must_use]
    pub fn miss(&self, reason: RejectionKind, kid: Option<&str>) -> Option<Miss> {
        if self.generation == u64::MAX {
            return None;
        }
        let kind = match reason {
            RejectionKind::UnknownKey => MissKind::UnknownKid,
            RejectionKind::BadSignature => MissKind::BadSignature,
            RejectionKind::KeysUnavailable => MissKind::NoKeys,
            _ => return None,
        };
        Some(Miss {
            kind,
            kid: kid.map(str::to_owned),
            generation: self.generation,
        })
    }
}

/// A token that a snapshot could not verify.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Miss {
    /// Why the snapshot could not verify it.
    pub kind: MissKind,
    /// The token's `kid`, if it has one. Untrusted text.
    pub kid: Option<String>,
    /// The generation of that snapshot. If the source holds a newer one, it fetches nothing.
    pub generation: u64,
}

impl Miss {
    /// No usable keys are held.
    ///
    /// Also fetches keys before the first token comes: `source.refresh(Miss::no_keys())`.
    #[must_use]
    pub fn no_keys() -> Self {
        Self {
            kind: MissKind::NoKeys,
            kid: None,
            generation: 0,
        }
    }
}

/// Why a snapshot could not verify a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissKind {
    /// No key fits the token's `kid` and algorithm.
    UnknownKid,
    /// A key has that `kid`, but did not make the signature. Some issuers reuse a `kid` for a new
    /// key.
    BadSignature,
    /// There is no usable set at all.
    NoKeys,
}

/// The set that a source holds, and what is known about the answer that brought it.
#[derive(Clone, Debug)]
pub(super) struct HeldKeys {
    pub(super) snapshot: Snapshot,
    /// The digest of the document as received, so that an identical one is not compared key by key.
    pub(super) digest: [u8; 32],
    /// When the exchange that last confirmed the set began.
    pub(super) confirmed_at: Duration,
    /// The end of its lifetime.
    pub(super) fresh_until: Duration,
    /// The end of its use.
    pub(super) usable_until: Duration,
    /// What makes the next request conditional; empty for a file.
    pub(super) validators: Validators,
    directives: Directives,
}

impl HeldKeys {
    /// A set from a file: it has no lifetime.
    pub(super) fn from_file(snapshot: Snapshot, digest: [u8; 32], read_at: Duration) -> Self {
        Self {
            snapshot,
            digest,
            confirmed_at: read_at,
            fresh_until: Duration::MAX,
            usable_until: Duration::MAX,
            validators: Validators::default(),
            directives: Directives::default(),
        }
    }

    /// Confirms a set from a file.
    pub(super) fn confirm_without_end(&mut self, read_at: Duration) {
        self.confirmed_at = read_at;
        self.fresh_until = Duration::MAX;
        self.usable_until = Duration::MAX;
    }

    /// A set from an answer with these headers, to a request made at `asked_at`.
    pub(super) fn from_answer(
        snapshot: Snapshot,
        digest: [u8; 32],
        asked_at: Duration,
        headers: &CacheHeaders,
        lifetimes: Lifetimes,
    ) -> Self {
        let mut held = Self {
            validators: headers.validators(),
            directives: headers.directives().unwrap_or_default(),
            ..Self::from_file(snapshot, digest, asked_at)
        };
        held.renew(asked_at, headers, lifetimes);
        held
    }

    /// Renews the lifetime by a 304 with these headers to a request made at `asked_at` (RFC 9111
    /// section 4.3.4).
    pub(super) fn confirm(
        &mut self,
        asked_at: Duration,
        headers: &CacheHeaders,
        lifetimes: Lifetimes,
    ) -> Result<(), &'static str> {
        if self.validators.is_empty() {
            return Err("the issuer answered 304 to an unconditional request");
        }
        if !self.validators.agree_with(headers) {
            // It is about a set that is not held: the next request is unconditional.
            self.validators = Validators::default();
            return Err(
                "the issuer answered 304 with another ETag or Last-Modified than the one asked with",
            );
        }
        if let Some(directives) = headers.directives() {
            self.directives = directives;
        }
        self.validators.update(headers.validators());
        self.renew(asked_at, headers, lifetimes);
        Ok(())
    }

    /// When the refresh in the background begins: after 80 to 90 per cent of the lifetime.
    pub(super) fn refresh_at(&self, jitter: Jitter) -> Duration {
        let lifetime = self.fresh_until.saturating_sub(self.confirmed_at);
        self.confirmed_at
            .saturating_add(jitter.of_lifetime(lifetime))
    }

    fn renew(&mut self, asked_at: Duration, headers: &CacheHeaders, lifetimes: Lifetimes) {
        let lifetime = self
            .directives
            .lifetime(headers.age(), lifetimes.max_freshness);
        self.confirmed_at = asked_at;
        self.fresh_until = asked_at.saturating_add(lifetime);
        self.usable_until = self.fresh_until.saturating_add(lifetimes.staleness_bound);
    }
}

/// The snapshot after a document with this set has arrived, and what that changes.
///
/// The generation counts changes of the usable keys, so a change of the text alone leaves it. If
/// the text is identical, the parsed keys stay too.
pub(super) fn next_snapshot(
    before: Option<&HeldKeys>,
    set: KeySet,
    digest: [u8; 32],
) -> (Snapshot, Vec<KeyEvent>) {
    if let Some(held) = before.filter(|held| held.digest == digest) {
        let event = KeyEvent::Fetched { changed: false };
        return (held.snapshot.clone(), vec![event]);
    }
    let old = before.map(|held| &*held.snapshot.set);
    let mut was = old.map(sorted_keys).unwrap_or_default();
    let mut is = sorted_keys(&set);
    let changed = old.is_none() || was != is;
    let mut events = vec![KeyEvent::Fetched { changed }];
    let skipped = sorted_skips(&set);
    if !skipped.is_empty() && old.map(sorted_skips) != Some(skipped) {
        events.push(KeyEvent::Skipped);
    }
    was.dedup();
    is.dedup();
    for key in is.iter().filter(|key| !was.contains(key)) {
        events.push(KeyEvent::Added(key.clone()));
    }
    for key in was.iter().filter(|key| !is.contains(key)) {
        events.push(KeyEvent::Removed(key.clone()));
    }
    let generation = before.map_or(0, |held| held.snapshot.generation) + u64::from(changed);
    (Snapshot::new(Arc::new(set), generation), events)
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, bytes);
    // It always has 32 bytes.
    hash.as_ref().try_into().unwrap_or_default()
}

/// A key that occurs twice is listed twice, because a token without `kid` finds both. The position
/// of a key does not matter, so its number is left out.
fn sorted_keys(set: &KeySet) -> Vec<KeyInfo> {
    let mut keys: Vec<KeyInfo> = set.keys().collect();
    for key in &mut keys {
        key.number = None;
    }
    let order = |key: &KeyInfo| (key.kid.clone(), key.algorithm, key.thumbprint);
    keys.sort_by_cached_key(order);
    keys
}

/// The `kid` and the reason of each skipped key, whatever its position.
fn sorted_skips(set: &KeySet) -> Vec<(Option<&str>, &str)> {
    let skipped = set.skipped().iter();
    let mut skips: Vec<_> = skipped
        .map(|key| (key.kid.as_deref(), &*key.reason))
        .collect();
    skips.sort_unstable();
    skips
}
