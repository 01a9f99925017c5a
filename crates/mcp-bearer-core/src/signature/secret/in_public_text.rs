//! Whether a shared secret is in a public text, such as a JWK Set, in one of the usual encodings.

use super::disguise::{Inner, contains, readings};
use super::within_text;
use crate::json::unescape;

/// Wrappings of each string of the text, and of the secret. Three cover base64 of hexadecimal of
/// UTF-16.
const WRAPPINGS: usize = 3;

/// Anything shorter would be found by accident. A secret of 32 characters in hexadecimal encodes
/// this many bytes.
const LEAST_BYTES: usize = 16;

/// Wrappings of the secret whose contents are searched for anywhere in the text.
const OUTER_WRAPPINGS: usize = 1;

/// Whether the text has the secret, or the decoded form of a secret that is itself encoded.
///
/// The search is done in two ways. Each string of JSON, up to 64 KiB, is decoded as a whole, also
/// where encodings are nested: base64, hexadecimal, UTF-16, percent encoding and escapes. And the
/// text, JSON or not, is searched for the secret with anything around it (see `within_text`). A
/// secret that has one of the strings inside, such as a modulus with a byte in front, is found too.
pub(super) fn is_in(secret: &[u8], json: &str) -> bool {
    if within_text::has_any(&sought(secret, OUTER_WRAPPINGS), json) {
        return true;
    }
    let sought = sought(secret, WRAPPINGS);
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

/// What to search for: the secret, and its decoded form if it is itself encoded.
fn sought(secret: &[u8], wrappings: usize) -> Vec<Inner> {
    let secrets = [secret, secret.trim_ascii()].into_iter();
    let mut all: Vec<Inner> = secrets
        .flat_map(|secret| readings(secret, wrappings))
        .filter(|reading| reading.len() >= LEAST_BYTES)
        .collect();
    all.sort_unstable_by(|one, other| one.as_slice().cmp(other));
    all.dedup();
    all
}

/// The text between the quotes of each string in a JSON text, escapes included.
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
