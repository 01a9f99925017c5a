//! [`RefusedAnswer`]: the text of an answer that was not taken as keys. A shared secret in it is
//! public nevertheless.

use std::fmt;
use std::sync::Arc;

use mcp_bearer_core::{Limits, VerifyingKey};
use zeroize::Zeroizing;

/// What was read of the answer, wiped when dropped.
#[derive(PartialEq, Eq)]
pub(super) struct RefusedAnswer(Zeroizing<String>);

impl RefusedAnswer {
    /// The first [`Limits::JWKS_BYTES`] of an answer. Bytes that are not UTF-8 hide nothing else.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let read = bytes.get(..Limits::JWKS_BYTES).unwrap_or(bytes);
        Self(Zeroizing::new(String::from_utf8_lossy(read).into_owned()))
    }

    /// Replaces the previous answer. If the text is the same, the object stays too, so that it is
    /// searched only once.
    pub(super) fn replace(self, before: &mut Option<Arc<Self>>) {
        if before.as_deref() != Some(&self) {
            *before = Some(Arc::new(self));
        }
    }

    /// Whether the secret can be read in it.
    pub(super) fn publishes(&self, secret: &VerifyingKey) -> bool {
        secret.is_secret_in(&self.0)
    }
}

impl fmt::Debug for RefusedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefusedAnswer({} bytes)", self.0.len())
    }
}
