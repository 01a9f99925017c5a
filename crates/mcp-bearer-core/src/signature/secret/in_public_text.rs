//! Whether a shared secret is in a text that everyone can read, such as a JWK Set, in any encoding.

use super::disguise::{contains, readings};
use crate::json::unescape;

/// Wrappings of each string of the text, and of the secret. Three cover base64 of hexadecimal of
/// UTF-16.
const WRAPPINGS: usize = 3;

/// Anything shorter would be found by accident. A secret of 32 characters in hexadecimal encodes
/// this many bytes.
const LEAST_BYTES: usize = 16;

/// Whether a string of the JSON text contains the secret: as it is, in base64, hexadecimal, UTF-16,
/// percent encoding or escapes, with something around it, or as the decoded form of a secret that
/// is itself encoded. A secret that contains one of the strings, such as a modulus with a byte in
/// front, is found too.
pub(super) fn is_in(secret: &[u8], json: &str) -> bool {
    let sought: Vec<_> = [secret, secret.trim_ascii()]
        .into_iter()
        .flat_map(|secret| readings(secret, WRAPPINGS))
        .filter(|reading| reading.len() >= LEAST_BYTES)
        .collect();
    let is_known = |text: &str| {
        // A shorter text holds no encoding of a secret.
        let long = text.len() >= LEAST_BYTES;
        long && readings(text.as_bytes(), WRAPPINGS).iter().any(|found| {
            sought.iter().any(|sought| {
                contains(found, sought)
                    || (found.len() >= 2 * LEAST_BYTES && contains(sought, found))
            })
        })
    };
    strings(json).any(|raw| is_known(&unescape(raw)))
}

/// The contents of each string in a JSON text, escapes included.
fn strings(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        let (_, inside) = rest.split_once('"')?;
        let mut escaped = false;
        let end = inside.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let (text, behind) = inside.split_at_checked(end.unwrap_or(inside.len()))?;
        rest = behind.get(1..).unwrap_or_default();
        Some(text)
    })
}

#[cfg(test)]
mod tests;
