//! [`KeyPairError`].

use std::fmt;

/// A key pair that cannot be made, read or used. It never contains key text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPairError {
    kind: KeyPairErrorKind,
    why: String,
}

/// The kinds of [`KeyPairError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyPairErrorKind {
    /// The cryptography failed: no randomness, or a key that cannot be written or cannot sign.
    Failed,
    /// The text is not exactly one PEM block.
    Malformed,
    /// The private key is encrypted.
    Encrypted,
    /// The block is not a private key.
    NotPrivate,
    /// This crate neither signs nor verifies with such a key, or the key does not fit the
    /// algorithm.
    Unsupported,
    /// The file cannot be read.
    Unreadable,
}

impl KeyPairError {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> KeyPairErrorKind {
        self.kind
    }
}

impl fmt::Display for KeyPairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for KeyPairError {}

pub(crate) fn failed(why: &str) -> KeyPairError {
    error(KeyPairErrorKind::Failed, why)
}

pub(crate) fn error(kind: KeyPairErrorKind, why: &str) -> KeyPairError {
    let why = why.to_owned();
    KeyPairError { kind, why }
}
