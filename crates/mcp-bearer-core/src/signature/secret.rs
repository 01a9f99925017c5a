//! Shared secrets: what may serve as one, and HMAC with it (RFC 7518 section 3.2).
//!
//! A key document must never serve as a secret: a public one is known to everybody, so that anybody could sign, and a
//! secret one in its wrapping is not the secret that the issuer uses.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::{KeyError, KeyErrorKind};
use crate::algorithm::Algorithm;

/// The length of the shortest hash.
const LEAST_BYTES: usize = 32;

/// A DER key is no longer than this: RSA with 16,384 bits takes 2 KiB, with its private half 10 KiB.
const KEY_BYTES: usize = 16 * 1024;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Refuses what is too short, or is no secret.
pub(super) fn check(secret: &[u8]) -> Result<(), KeyError> {
    if secret.len() < LEAST_BYTES {
        return Err(KeyError::weak(format!(
            "the shared secret has {} bytes, and HS256 needs at least 32 (RFC 7518 section 3.2)",
            secret.len()
        )));
    }
    match document(secret) {
        None => Ok(()),
        Some(form) => {
            let why = format!(
                "the shared secret is a key in {form}; a key document must never serve as a secret"
            );
            Err(KeyError::of(KeyErrorKind::NotASecret, why))
        }
    }
}

pub(super) fn verifies(algorithm: Algorithm, secret: &[u8], message: &[u8], tag: &[u8]) -> bool {
    let hash = match algorithm {
        Algorithm::Hs256 => hmac::HMAC_SHA256,
        Algorithm::Hs384 => hmac::HMAC_SHA384,
        Algorithm::Hs512 => hmac::HMAC_SHA512,
        _ => return false,
    };
    hmac::verify(&hmac::Key::new(hash, secret), message, tag).is_ok()
}

/// The form of the key that these bytes are, when they are one.
fn document(secret: &[u8]) -> Option<&'static str> {
    let holds = |text: &[u8]| secret.windows(text.len()).any(|window| window == text);
    if holds(b"-----BEGIN ") {
        return Some("PEM");
    }
    // Some editors write UTF-16, and there every other byte of what is sought is zero.
    let plain: Zeroizing<Vec<u8>> =
        Zeroizing::new(secret.iter().copied().filter(|byte| *byte != 0).collect());
    if plain.len() < secret.len() && plain.len() * 3 < secret.len() * 2 {
        return document(&plain);
    }
    let bytes = secret.trim_ascii();
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if matches!(bytes.first(), Some(b'{' | b'[')) && (holds(br#""kty""#) || holds(br#""keys""#)) {
        return Some("JSON (JWK)");
    }
    if [b"ssh-".as_slice(), b"ecdsa-sha2-"]
        .into_iter()
        .any(|name| bytes.starts_with(name))
    {
        return Some("the form of OpenSSH");
    }
    // How much of the white space at the end belongs to it, only the DER itself can say.
    let least = secret.trim_ascii_end().len();
    if (least..=secret.len()).any(|end| secret.get(..end).is_some_and(is_der)) {
        return Some("DER");
    }
    if secret.len() > 2 * KEY_BYTES {
        return None;
    }
    let packed = secret
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => *byte,
        });
    let packed = Zeroizing::new(packed.collect::<Vec<u8>>());
    let of_base64 = LENIENT.decode(&*packed).map(Zeroizing::new);
    if of_base64.is_ok_and(|bytes| is_der(&bytes)) {
        return Some("base64 of DER");
    }
    let of_hex = Zeroizing::new(from_hex(&packed)?);
    is_der(&of_hex).then_some("hexadecimal of DER")
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.chunks(2) {
        let [high, low] = *pair else {
            return None;
        };
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    Some(bytes)
}

/// Whether it is one ASN.1 SEQUENCE in its long form, to the last byte: random bytes are that once in 2^32 times.
fn is_der(bytes: &[u8]) -> bool {
    match bytes {
        [0x30, 0x81, length, rest @ ..] => rest.len() == usize::from(*length),
        [0x30, 0x82, high, low, rest @ ..] => {
            rest.len() == usize::from(u16::from_be_bytes([*high, *low]))
        }
        // The short form has the keys of the small curves, and says so by what stands in it.
        [0x30, length, 0x30, rest @ ..] => rest.len() + 1 == usize::from(*length),
        [0x30, length, 0x02, 0x01, rest @ ..] => rest.len() + 2 == usize::from(*length),
        _ => false,
    }
}
