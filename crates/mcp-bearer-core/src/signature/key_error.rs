//! [`KeyError`]: why a text or some bytes are not a key to verify with.

use std::fmt;

/// Why a key cannot be used: a [`kind`](Self::kind) to branch on, and a text that names the cause
/// and, where there is one, the next step.
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
    /// The text is not PEM, a JWK or a JWK Set, or a parameter of the key is missing or malformed.
    Malformed,
    /// The key or its document is longer, or has more keys, than the limit.
    TooLarge,
    /// A type, a form or a curve that this crate does not verify with.
    Unsupported,
    /// Well-formed, but weak.
    Weak,
    /// A private or secret key where a public one is needed.
    Private,
    /// A sound key that is published for something other than verifying tokens (RFC 7517 sections
    /// 4.2 to 4.4).
    WrongPurpose,
    /// A key document that was given as a shared secret.
    NotASecret,
}

impl KeyError {
    pub(crate) fn of(kind: KeyErrorKind, why: impl Into<Box<str>>) -> Self {
        let why = why.into();
        Self { kind, why }
    }

    pub(crate) fn malformed(why: impl Into<Box<str>>) -> Self {
        Self::of(KeyErrorKind::Malformed, why)
    }

    pub(crate) fn too_large(why: impl Into<Box<str>>) -> Self {
        Self::of(KeyErrorKind::TooLarge, why)
    }

    pub(crate) fn unsupported(why: impl Into<Box<str>>) -> Self {
        Self::of(KeyErrorKind::Unsupported, why)
    }

    pub(crate) fn weak(why: impl Into<Box<str>>) -> Self {
        Self::of(KeyErrorKind::Weak, why)
    }

    pub(crate) fn private(why: impl Into<Box<str>>) -> Self {
        Self::of(KeyErrorKind::Private, why)
    }

    pub(crate) fn wrong_purpose(why: impl Into<Box<str>>) -> Self {
        Self::of(KeyErrorKind::WrongPurpose, why)
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
