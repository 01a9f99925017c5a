//! The keys of one issuer at one moment, and the choice among them for a token.
//!
//! A set is immutable. An algorithm belongs to one kind of key, and where there is a shared secret
//! beside public keys, HMAC belongs to the secret alone. A key is never used for an algorithm, a
//! `use` or a `kid` that it is not for.

mod with_secret;

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use with_secret::TwoKinds;
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::jwk::{JwkData, JwksData, elements};
use crate::limits::Limits;
use crate::rejection::{Rejection, RejectionKind, Shown};
use crate::signature::{KeyError, KeyErrorKind, VerifyingKey};
use crate::thumbprint::Thumbprint;

/// An immutable set of verifying keys.
///
/// ```
/// use mcp_bearer_core::KeySet;
/// let set = KeySet::from_jwks_json(r#"{"keys":[{"kty":"AKP","kid":"post-quantum"}]}"#)?;
/// assert_eq!(set.len(), 0);
/// assert_eq!(set.skipped()[0].kid.as_deref(), Some("post-quantum"));
/// # Ok::<(), mcp_bearer_core::KeyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeySet(Held);

#[derive(Clone, Debug)]
enum Held {
    /// One configured key, for any `kid`.
    Single(VerifyingKey),
    Published {
        keys: Vec<Entry>,
        skipped: Vec<SkippedKey>,
        withdrawal: bool,
        /// The set as it was published. It may hold what should not be there.
        text: Arc<PublishedText>,
    },
    /// Public keys, and a shared secret beside them.
    TwoKinds(Box<TwoKinds>),
    Unavailable {
        why: Box<str>,
        retry_after: Duration,
    },
}

/// The text of a JWK Set. Private keys and secrets may be in it, so its `Debug` shows the length
/// only.
struct PublishedText(Zeroizing<String>);

#[derive(Clone, Debug)]
struct Entry {
    number: usize,
    key: VerifyingKey,
    kid: Option<Box<str>>,
    algorithm: Option<Algorithm>,
    note: Option<&'static str>,
}

/// A key of a JWK Set that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its place in the set, from 1.
    pub number: usize,
    /// Its `kid`, cut to [`Limits::SHOWN_CHARS`].
    pub kid: Option<String>,
    /// The kind of [`reason`](Self::reason), to branch on.
    pub kind: KeyErrorKind,
    /// One lower-case sentence.
    pub reason: String,
}

/// What may be shown of a usable key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyInfo {
    /// Its place in its JWK Set, from 1, which distinguishes keys with the same `kid`; `None` for a
    /// key that is not from a set.
    pub number: Option<usize>,
    /// Its `kid`.
    pub kid: Option<String>,
    /// The algorithm it is bound to, if any.
    pub algorithm: Option<Algorithm>,
    /// Its type in words, such as `RSA 2048 bits`.
    pub description: String,
    /// Identifies the key, whatever its `kid`.
    pub thumbprint: Thumbprint,
    /// What its publisher should know, in a lower-case sentence: the key works, but was not written
    /// as it should be, or is a weak secret.
    pub note: Option<&'static str>,
}

impl KeySet {
    /// A single configured key, used whatever `kid` a token names.
    #[must_use]
    pub fn single(key: VerifyingKey) -> Self {
        Self(Held::Single(key))
    }

    /// The usable keys of a JWK Set in JSON; the others are [`skipped`](Self::skipped).
    ///
    /// # Errors
    /// Only when the text is not a JWK Set at all, or is too large. A set without usable keys is
    /// not an error here.
    pub fn from_jwks_json(text: &str) -> Result<Self, KeyError> {
        let keys = elements(text)?.into_iter();
        Ok(Self::published(
            keys.map(|key| key.and_then(JwkData::from_map)),
            text.to_owned(),
        ))
    }

    /// The usable keys of a JWK Set; the others are [`skipped`](Self::skipped).
    #[must_use]
    pub fn from_jwks(jwks: &JwksData) -> Self {
        // Strings, lists and maps always serialize.
        let text = serde_json::to_string(jwks).unwrap_or_default();
        Self::published(jwks.keys.iter().cloned().map(Ok), text)
    }

    /// No keys, for the given reason: every token that keys could save is rejected with
    /// [`KeysUnavailable`](RejectionKind::KeysUnavailable).
    #[must_use]
    pub fn unavailable(why: impl Into<String>, retry_after: Duration) -> Self {
        Self(Held::Unavailable {
            why: why.into().into(),
            retry_after,
        })
    }

    fn published(keys: impl Iterator<Item = Result<JwkData, KeyError>>, text: String) -> Self {
        let (mut usable, mut skipped) = (Vec::new(), Vec::new());
        let mut withdrawal = true;
        for (number, jwk) in (1..).zip(keys) {
            let kid = jwk
                .as_ref()
                .ok()
                .and_then(|jwk| jwk.kid.as_deref())
                .map(shortened);
            withdrawal &= jwk.as_ref().is_ok_and(JwkData::serves_something_else);
            match jwk.and_then(|jwk| Entry::new(number, &jwk)) {
                Ok(entry) => usable.push(entry),
                Err(error) => skipped.push(SkippedKey {
                    number,
                    kid,
                    kind: error.kind(),
                    reason: error.to_string(),
                }),
            }
        }
        Self(Held::Published {
            keys: usable,
            skipped,
            withdrawal,
            text: Arc::new(PublishedText(Zeroizing::new(text))),
        })
    }

    /// Whether it is a published set without a key for signatures: it is empty, or each of its keys
    /// is well-formed and of another type or purpose. Its issuer has then withdrawn every key.
    ///
    /// ```
    /// use mcp_bearer_core::KeySet;
    /// assert!(KeySet::from_jwks_json(r#"{"keys":[]}"#)?.is_withdrawal());
    /// // A key that should verify and cannot be read.
    /// let broken = r#"{"keys":[{"kty":"RSA","n":"?","e":"AQAB"}]}"#;
    /// assert!(!KeySet::from_jwks_json(broken)?.is_withdrawal());
    /// # Ok::<(), mcp_bearer_core::KeyError>(())
    /// ```
    #[must_use]
    pub fn is_withdrawal(&self) -> bool {
        matches!(&self.public().0, Held::Published { withdrawal, .. } if *withdrawal)
    }

    /// How many usable keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Held::Single(_) => 1,
            Held::Published { keys, .. } => keys.len(),
            Held::TwoKinds(both) => both.public().len() + usize::from(both.secret().is_some()),
            Held::Unavailable { .. } => 0,
        }
    }

    /// Whether there is no usable key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys of the JWK Set that cannot be used.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        match &self.public().0 {
            Held::Published { skipped, .. } => skipped,
            _ => &[],
        }
    }

    /// Whether a usable key has this `kid`.
    #[must_use]
    pub fn has_kid(&self, kid: &str) -> bool {
        self.entries()
            .iter()
            .any(|entry| entry.kid.as_deref() == Some(kid))
    }

    /// Whether a usable key has this thumbprint.
    #[must_use]
    pub fn has_thumbprint(&self, thumbprint: Thumbprint) -> bool {
        self.verifying_keys()
            .any(|key| key.thumbprint() == thumbprint)
    }

    /// The usable keys themselves.
    pub fn verifying_keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        let published = self.entries().iter().map(|entry| &entry.key);
        self.configured().chain(published)
    }

    /// The usable keys, to list them.
    pub fn keys(&self) -> impl Iterator<Item = KeyInfo> {
        let configured = self.configured().map(KeyInfo::of);
        let published = self.entries().iter().map(|entry| KeyInfo {
            number: Some(entry.number),
            kid: entry.kid.as_deref().map(ToOwned::to_owned),
            algorithm: entry.algorithm,
            note: entry.note,
            ..KeyInfo::of(&entry.key)
        });
        configured.chain(published)
    }

    /// The keys that are not from a JWK Set.
    fn configured(&self) -> impl Iterator<Item = &VerifyingKey> {
        let secret = match &self.0 {
            Held::TwoKinds(both) => both.secret(),
            _ => None,
        };
        let single = match &self.public().0 {
            Held::Single(key) => Some(key),
            _ => None,
        };
        secret.into_iter().chain(single)
    }

    fn entries(&self) -> &[Entry] {
        match &self.public().0 {
            Held::Published { keys, .. } => keys,
            _ => &[],
        }
    }

    /// The first part of step 9: the few keys that may have signed a token with this algorithm and
    /// `kid`.
    pub(crate) fn candidates(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<Candidates<'_>, Rejection> {
        let mut found = Candidates::default();
        match &self.0 {
            Held::Unavailable { why, retry_after } => {
                return Err(Rejection::keys_unavailable(why.to_string(), *retry_after));
            }
            Held::Single(key) if key.fits(algorithm) => found.push(key),
            Held::Single(_) => {}
            Held::TwoKinds(both) if algorithm.is_symmetric() => match both.secret() {
                Some(secret) if secret.fits(algorithm) => found.push(secret),
                Some(_) => {}
                None => return Err(with_secret::switched_off(algorithm)),
            },
            Held::TwoKinds(both) => return both.public().candidates(algorithm, kid),
            Held::Published { keys, .. } => {
                let usable = keys.iter().filter(|entry| entry.fits(algorithm));
                let named = usable.filter(|entry| kid.is_none() || entry.kid.as_deref() == kid);
                for entry in named {
                    found.push(&entry.key);
                }
            }
        }
        match (found.count, found.more, kid) {
            (0, _, _) => Err(self.unknown(algorithm, kid)),
            (_, More::Untried, None) => {
                let most = Limits::KEY_CANDIDATES;
                let text =
                    format!("the token names no key, and more than {most} could have signed it");
                Err(Rejection::because(RejectionKind::AmbiguousKey, text))
            }
            (_, More::None, _) | (_, More::Untried, Some(_)) => Ok(found),
        }
    }

    fn unknown(&self, algorithm: Algorithm, kid: Option<&str>) -> Rejection {
        let mut text = match kid {
            Some(kid) => format!("no key {} for {algorithm}", Shown(kid)),
            None => format!("no key for {algorithm}"),
        };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            " among the {} held{}",
            self.len(),
            Kids(self.entries())
        );
        let mut of_this_kid = self
            .entries()
            .iter()
            .filter(|entry| entry.kid.as_deref() == kid);
        let skipped = self.skipped().iter();
        let mut skipped = skipped.filter(|key| key.kid == kid.map(shortened));
        if let (Some(_), Some(entry)) = (kid, of_this_kid.next()) {
            let (number, what) = (entry.number, entry.describe());
            let _ = write!(text, "; key number {number} has this kid and is {what}");
        } else if let (Some(_), Some(key)) = (kid, skipped.next()) {
            let _ = write!(text, "; {key}");
        }
        Rejection::because(RejectionKind::UnknownKey, text)
    }
}

/// The first few `kid`s, for the operator.
struct Kids<'a>(&'a [Entry]);

impl fmt::Display for Kids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        for (index, entry) in self.0.iter().take(SHOWN).enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            match &entry.kid {
                Some(kid) => write!(f, "{}", Shown(kid))?,
                None => f.write_str("one without kid")?,
            }
        }
        match self.0.len().checked_sub(SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, " and {more} more"),
        }
    }
}

/// At most [`Limits::KEY_CANDIDATES`] keys, without allocating.
#[derive(Debug, Default)]
pub(crate) struct Candidates<'a> {
    keys: [Option<&'a VerifyingKey>; Limits::KEY_CANDIDATES],
    count: usize,
    more: More,
}

/// Whether there are more keys than will be tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum More {
    #[default]
    None,
    Untried,
}

impl<'a> Candidates<'a> {
    /// A key that is published twice counts once; keys beyond the limit are not taken.
    fn push(&mut self, key: &'a VerifyingKey) {
        if self.iter().any(|held| held == key) {
            return;
        }
        match self.keys.get_mut(self.count) {
            Some(place) => {
                *place = Some(key);
                self.count += 1;
            }
            None => self.more = More::Untried,
        }
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a VerifyingKey> {
        self.keys.iter().copied().flatten()
    }
}

impl PublishedText {
    fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PublishedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublishedText({} bytes)", self.0.len())
    }
}

impl Entry {
    fn new(number: usize, jwk: &JwkData) -> Result<Self, KeyError> {
        // A fault in its form is reported before one in its purpose.
        let (key, purpose) = (VerifyingKey::from_jwk_noted(jwk), jwk.check_purpose());
        let (key, note) = match (key, purpose) {
            (Err(error), _) if error.kind() == KeyErrorKind::Malformed => return Err(error),
            (_, Err(error)) => return Err(error),
            (key, Ok(())) => key?,
        };
        let algorithm = jwk.algorithm().transpose()?;
        if let Some(algorithm) = algorithm.filter(|algorithm| !key.fits(*algorithm)) {
            let why = format!("it is for {algorithm}, but its type is {}", key.describe());
            return Err(KeyError::malformed(why));
        }
        Ok(Self {
            number,
            key,
            kid: jwk.kid.as_deref().map(Into::into),
            algorithm,
            note,
        })
    }

    /// Its type, and the algorithm it is bound to.
    fn describe(&self) -> String {
        let what = self.key.describe();
        match self.algorithm {
            Some(algorithm) => format!("{what} for {algorithm}"),
            None => what,
        }
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.key.fits(algorithm) && self.algorithm.is_none_or(|own| own.same_as(algorithm))
    }
}

impl KeyInfo {
    fn of(key: &VerifyingKey) -> Self {
        Self {
            number: None,
            kid: None,
            algorithm: None,
            description: key.describe(),
            thumbprint: key.thumbprint(),
            note: key.weakness(),
        }
    }
}

fn shortened(kid: &str) -> String {
    kid.chars().take(Limits::SHOWN_CHARS).collect()
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key number {}", self.number)?;
        if let Some(kid) = &self.kid {
            write!(f, " ({})", Shown(kid))?;
        }
        write!(f, ": {}", self.reason)
    }
}

#[cfg(test)]
mod tests;
