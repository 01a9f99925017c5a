//! Shared secrets: what is accepted as one, and HMAC with it (RFC 7518 section 3.2).

mod disguise;
mod in_public_text;
mod within_text;

use aws_lc_rs::hmac;

use super::aws_lc::Backend;
use super::{KeyError, KeyErrorKind};
use crate::algorithm::Algorithm;

/// The length of the shortest hash.
const LEAST_BYTES: usize = 32;

/// Refuses a secret that is too short, or is not a secret.
pub(super) fn check(secret: &[u8]) -> Result<(), KeyError> {
    if secret.len() < LEAST_BYTES {
        return Err(KeyError::weak(format!(
            "the shared secret has {} bytes, and HS256 needs at least 32 (RFC 7518 section 3.2)",
            secret.len()
        )));
    }
    match disguise::form_of(secret) {
        None => Ok(()),
        Some(form) => {
            let why = format!(
                "the shared secret is a key in {form}; a key document must never be used as a secret"
            );
            Err(KeyError::of(KeyErrorKind::NotASecret, why))
        }
    }
}

/// Why a secret that is long enough is still easily guessed.
pub(super) fn weakness(secret: &[u8]) -> Option<&'static str> {
    const DISTINCT: usize = 8;
    const UNIT: usize = 8;
    let mut seen = [false; 256];
    let mut distinct = 0;
    for byte in secret {
        if let Some(seen @ false) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
            distinct += 1;
        }
    }
    if distinct < DISTINCT {
        return Some("the shared secret has fewer than 8 different bytes, and is easily guessed");
    }
    let repeats = |unit: usize| {
        let shifted = secret.iter().skip(unit);
        secret.iter().zip(shifted).all(|(one, other)| one == other)
    };
    (1..=UNIT)
        .any(repeats)
        .then_some("the shared secret repeats a unit of at most 8 bytes, and is easily guessed")
}

/// Whether the secret can be read in a JSON text.
pub(super) fn is_in(secret: &[u8], json: &str) -> bool {
    in_public_text::is_in(secret, json)
}

pub(super) fn verifies(algorithm: Algorithm, secret: &[u8], message: &[u8], tag: &[u8]) -> bool {
    let Backend::Hmac(hash) = Backend::of(algorithm) else {
        return false;
    };
    hmac::verify(&hmac::Key::new(hash, secret), message, tag).is_ok()
}

#[cfg(test)]
mod tests;
