//! The parts of a token, each read independently of the others (RFC 7519 section 3): for people who
//! want to see what a refused token contains.
//!
//! Verification does not come through here: it stops at the first fault.

use std::borrow::Cow;
use std::fmt;

use super::{check_length, count_segments, segment};
use crate::json::JsonObject;
use crate::limits::Limits;
use crate::rejection::{Rejection, RejectionKind};

/// What can be read from a text that may be a token. None of it is verified.
///
/// Each part is read as strictly as the verifier reads it, or has the reason why it cannot be read.
///
/// ```
/// use mcp_bearer_core::{Limits, TokenParts};
/// // Two parts of three: somebody copied too little.
/// let parts = TokenParts::read("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0", &Limits::default())?;
/// assert_eq!(parts.count(), 2);
/// let header: Vec<_> = parts.header()?.collect();
/// assert_eq!(header[0], ("alg".into(), "\"RS256\""));
/// assert!(parts.signature_bytes().is_err());
/// # Ok::<(), mcp_bearer_core::Rejection>(())
/// ```
#[derive(Clone)]
pub struct TokenParts {
    bytes: usize,
    count: usize,
    header: Result<JsonObject, Rejection>,
    claims: Result<JsonObject, Rejection>,
    signature_bytes: Result<usize, Rejection>,
}

impl TokenParts {
    /// Reads what can be read. The work is linear in the length of the text.
    ///
    /// # Errors
    /// [`TokenTooLarge`](RejectionKind::TokenTooLarge): a longer text is not looked at.
    pub fn read(text: &str, limits: &Limits) -> Result<Self, Rejection> {
        check_length(text, limits)?;
        let count = count_segments(text);
        let mut parts = text.splitn(4, '.');
        let mut next = |name| match parts.next() {
            Some(part) => segment(name, part),
            None => Err(Rejection::at("missing", name, 0)),
        };
        let header = next("header segment").and_then(|bytes| parsed("header", bytes));
        let claims = next("claims segment");
        let signature = next("signature segment");
        let encrypted = || {
            let why = "encrypted (JWE): only its audience can read it";
            Rejection::with(RejectionKind::Malformed, why)
        };
        let (claims, signature) = match count {
            5 => (Err(encrypted()), Err(encrypted())),
            _ => (claims, signature),
        };
        Ok(Self {
            bytes: text.len(),
            count,
            header,
            claims: claims.and_then(|bytes| parsed("claims", bytes)),
            signature_bytes: signature.map(|bytes| bytes.len()),
        })
    }

    /// How long the text is, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many parts the full stops separate: three in a signed token, five in an encrypted one.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The members of the header in order, each with its value as JSON text. Unverified.
    ///
    /// # Errors
    /// Why it is not one JSON object.
    pub fn header(&self) -> Result<impl Iterator<Item = (Cow<'_, str>, &str)>, Rejection> {
        self.header.as_ref().map(members).map_err(Clone::clone)
    }

    /// The claims in order, each with its value as JSON text. Unverified.
    ///
    /// # Errors
    /// Why they are not one JSON object.
    pub fn claims(&self) -> Result<impl Iterator<Item = (Cow<'_, str>, &str)>, Rejection> {
        self.claims.as_ref().map(members).map_err(Clone::clone)
    }

    /// How many bytes the signature has.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn signature_bytes(&self) -> Result<usize, Rejection> {
        self.signature_bytes.clone()
    }
}

/// Shows how much there is, never the text.
impl fmt::Debug for TokenParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenParts")
            .field("bytes", &self.bytes)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

fn parsed(part: &'static str, bytes: Vec<u8>) -> Result<JsonObject, Rejection> {
    JsonObject::read(bytes).map_err(|error| Rejection::at(error.why, part, error.at))
}

fn members(object: &JsonObject) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    object.members().map(|(name, value)| (name, value.json()))
}
