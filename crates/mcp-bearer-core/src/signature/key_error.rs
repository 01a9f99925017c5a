//! [`KeyError`]: why a text or a number of bytes is no key to verify with.

use std::fmt;

/// Why a key cannot be used: a [`kind`](Self::kind) to branch on, and a text that names the cause and, where there is one,
/// the next step.
///
/// ```
/// use mcp_bearer_core::{JwkData, KeyErrorKind, VerifyingKey};
/// let jwk = JwkData::from_json(r#"{"kty":"AKP","alg":"ML-DSA-44"}"#)?;
/// let error = VerifyingKey::from_jwk(&jwk).unwrap_err();
/// assert_eq!(error.kind(), KeyErrorKind::Unsupported);
/// assert_eq!(error.to_string(), r#"the key type "AKP" is not known"#);
/// # Ok::<(), mcp_bearer_core::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    kind: KeyErrorKind,
    why: Box<str>,
}

/// The kinds of [`KeyError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// It cannot be read: not the expected form, a member that is missing or of a wrong type, a point off its curve.
    Malformed,
    /// A sound key that is for something else: encryption, or an algorithm that does not sign tokens.
    OtherPurpose,
    /// It holds private parameters. Whoever verifies needs the public ones only.
    Private,
    /// A shared secret where a public key belongs, or a key document where a shared secret belongs.
    SecretMisplaced,
    /// Longer than the limit, or more keys than the limit.
    TooLarge,
    /// A key type or a curve that this crate does not know.
    Unsupported,
    /// Readable, and too weak to be trusted.
    Weak,
}

impl KeyError {
    pub(crate) fn new(kind: KeyErrorKind, why: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            why: why.into(),
        }
    }

    pub(crate) fn malformed(why: impl Into<Box<str>>) -> Self {
        Self::new(KeyErrorKind::Malformed, why)
    }

    pub(crate) fn unsupported(why: impl Into<Box<str>>) -> Self {
        Self::new(KeyErrorKind::Unsupported, why)
    }

    pub(crate) fn weak(why: impl Into<Box<str>>) -> Self {
        Self::new(KeyErrorKind::Weak, why)
    }

    /// The kind, to branch on.
    #[must_use]
    pub const fn kind(&self) -> KeyErrorKind {
        self.kind
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for KeyError {}
