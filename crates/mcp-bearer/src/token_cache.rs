//! Verified tokens, cached by the whole token.
//!
//! A hit is exactly as good as a verification at that moment: times are checked again, the key that
//! verified the token must still be in use, and no provider sees another policy's decisions.
//! Failures are not cached, so bad tokens cannot fill the cache.

mod in_flight;
mod per_process;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use mcp_bearer_core::{AccessToken, Policy, UnixTime};
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

pub(crate) use in_flight::{InFlight, Joined};
pub(crate) use per_process::ProcessCache;

use crate::keys::KeySource;

/// The limits of a token cache: how much it holds, and for how long.
///
/// ```
/// use mcp_bearer::TokenCacheSize;
/// let size = TokenCacheSize::default();
/// assert_eq!((size.entries, size.bytes), (10_000, 64 * 1024 * 1024));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenCacheSize {
    /// At most this many tokens. 10,000: the sessions a server of this kind has at once.
    pub entries: usize,
    /// At most this many bytes, as far as they can be counted. 64 MiB: 10,000 tokens of 6 KiB.
    pub bytes: usize,
    /// A token is verified again after this time. 5 min: how long a decision may outlive its
    /// reason, such as a key that was removed by an issuer that cannot be reached.
    pub max_age: Duration,
}

impl Default for TokenCacheSize {
    fn default() -> Self {
        let (entries, bytes) = (10_000, 64 * 1024 * 1024);
        Self {
            entries,
            bytes,
            max_age: Duration::from_secs(300),
        }
    }
}

impl TokenCacheSize {
    /// The same with another number of tokens.
    #[must_use]
    pub fn with_entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// The same with another number of bytes.
    #[must_use]
    pub fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// The same with another age.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }
}

/// The cache of one provider.
pub(crate) struct TokenCache {
    kept: Cache<Key, Kept, Weight>,
    in_flight: InFlight,
    size: TokenCacheSize,
}

/// The whole token, shared with its [`AccessToken`]: so a look-up compares it without following
/// another pointer.
#[derive(Clone)]
struct Key(Arc<str>);

/// A verified token, and what the decision depends on.
#[derive(Clone)]
struct Kept {
    access: AccessToken,
    issuer: u32,
    generation: u64,
    verified_at: UnixTime,
}

/// The outcome of [`TokenCache::look`].
pub(crate) enum Found<'a> {
    /// Still good.
    Fresh(AccessToken),
    /// Still good, but the keys have changed since: see [`Older::renew`].
    Older(Older<'a>),
    /// Nothing usable.
    Nothing,
}

/// A cached token whose key is in the newer set as well.
pub(crate) struct Older<'a> {
    cache: &'a TokenCache,
    kept: Kept,
    generation: u64,
}

impl TokenCache {
    pub(crate) fn new(size: TokenCacheSize) -> Self {
        let entries = size.entries.max(1);
        // An entry weighs at least its share, so that the limit in bytes also limits the entries.
        let share = u64::try_from(size.bytes / entries)
            .unwrap_or(u64::MAX)
            .max(1);
        let bytes = u64::try_from(size.bytes).unwrap_or(u64::MAX);
        let kept = Cache::with_weighter(entries, bytes.max(share), Weight { share });
        Self {
            kept,
            in_flight: InFlight::default(),
            size,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Looks up a token. `issuer` returns the policy and the keys of the issuer it was verified
    /// for.
    #[inline]
    pub(crate) fn look<'p>(
        &self,
        token: &[u8],
        now: UnixTime,
        issuer: impl FnOnce(u32) -> Option<(&'p Policy, &'p dyn KeySource)>,
    ) -> Found<'_> {
        let Some(kept) = self.kept.get(&Token(token)) else {
            return Found::Nothing;
        };
        let age = now.since(kept.verified_at);
        let Some((policy, keys)) = issuer(kept.issuer) else {
            return Found::Nothing;
        };
        let young = age.is_some_and(|age| age < self.size.max_age);
        if !young || kept.access.recheck_time(policy, now).is_err() {
            self.kept.remove(&Token(token));
            return Found::Nothing;
        }
        if kept.generation == keys.generation() {
            return Found::Fresh(kept.access);
        }
        let snapshot = keys.snapshot();
        if kept.access.recheck_key(&snapshot.set) {
            return Found::Older(Older {
                cache: self,
                kept,
                generation: snapshot.generation,
            });
        }
        self.kept.remove(&Token(token));
        Found::Nothing
    }

    pub(crate) fn keep(&self, access: &AccessToken, issuer: usize, generation: u64, now: UnixTime) {
        let Ok(issuer) = u32::try_from(issuer) else {
            return;
        };
        let kept = Kept {
            access: access.clone(),
            issuer,
            generation,
            verified_at: now,
        };
        self.kept.insert(Key(access.shared_token()), kept);
    }

    /// Starts verifying a token that is not cached, or waits for a verification in progress.
    pub(crate) fn join_verification(&self, token: &str) -> Joined<'_> {
        self.in_flight.join(token)
    }
}

impl Older<'_> {
    /// Caches the token under the newer set; its age does not start again.
    pub(crate) fn renew(self) -> AccessToken {
        let access = self.kept.access.clone();
        let kept = Kept {
            generation: self.generation,
            ..self.kept
        };
        let key = Key(access.shared_token());
        self.cache.kept.insert(key, kept);
        access
    }
}

impl std::fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCache")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// A token to look up.
struct Token<'t>(&'t [u8]);

/// The part of a token that is hashed. The end of the signature differs as much as the whole token
/// does, and the whole token is compared anyway.
#[inline]
fn ending(bytes: &[u8]) -> &[u8] {
    bytes.last_chunk::<32>().map_or(bytes, <[u8; 32]>::as_slice)
}

impl Hash for Token<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(ending(self.0));
    }
}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(ending(self.0.as_bytes()));
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Equivalent<Key> for Token<'_> {
    #[inline]
    fn equivalent(&self, key: &Key) -> bool {
        are_same(self.0, key.0.as_bytes())
    }
}

/// Musl, with which the program is built, compares byte by byte: half a microsecond for a token.
#[inline]
fn are_same(one: &[u8], other: &[u8]) -> bool {
    if cfg!(target_env = "musl") {
        are_same_by_blocks(one, other)
    } else {
        one == other
    }
}

/// In blocks without a branch, so that the processor compares many bytes at a time.
#[inline]
fn are_same_by_blocks(one: &[u8], other: &[u8]) -> bool {
    const BLOCK: usize = 128;
    let is_same = |(one, other): (&[u8; BLOCK], &[u8; BLOCK])| {
        let pairs = one.iter().zip(other);
        pairs.fold(0, |bits, (one, other)| bits | (one ^ other)) == 0
    };
    if one.len() != other.len() {
        return false;
    }
    // The last block covers what the others leave over, and repeats a part of them.
    let Some(last) = one.last_chunk().zip(other.last_chunk()) else {
        return one == other;
    };
    let (blocks, _) = one.as_chunks::<BLOCK>();
    let (other_blocks, _) = other.as_chunks::<BLOCK>();
    blocks.iter().zip(other_blocks).all(is_same) && is_same(last)
}

#[derive(Clone)]
struct Weight {
    share: u64,
}

impl Weighter<Key, Kept> for Weight {
    fn weight(&self, _: &Key, kept: &Kept) -> u64 {
        let overhead = size_of::<Key>() + size_of::<Kept>() + 64;
        let bytes = kept.access.memory_bytes() + overhead;
        u64::try_from(bytes).unwrap_or(u64::MAX).max(self.share)
    }
}

#[cfg(test)]
mod tests {
    use super::are_same_by_blocks;

    #[test]
    fn one_byte_makes_another_token() {
        for length in [0, 1, 7, 40, 127, 128, 129, 200, 255, 256, 257] {
            let token = vec![b'a'; length];
            assert!(are_same_by_blocks(&token, &token.clone()), "{length}");
            assert!(!are_same_by_blocks(&token, &vec![b'a'; length + 1]));
            assert!(!are_same_by_blocks(&token, &vec![b'a'; length + 8]));
            for at in 0..length {
                let mut other = token.clone();
                other[at] = b'b';
                assert!(!are_same_by_blocks(&token, &other), "{length} {at}");
                assert!(!are_same_by_blocks(&other, &token), "{length} {at}");
            }
        }
    }
}
