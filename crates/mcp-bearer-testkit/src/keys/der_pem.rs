//! The parts of DER and PEM (RFC 7468) that key files need. It reads what `aws-lc-rs` wrote, and
//! nothing else.
//!
//! It panics on anything else, so it must not be used on bytes from outside.

use base64::prelude::{BASE64_STANDARD, Engine as _};

/// Modulus and exponent of a PKCS#1 `RSAPublicKey`, without the zero byte that keeps DER integers
/// positive.
pub(super) fn rsa_numbers(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = der_value(0x30, der);
    let (n, rest) = der_value(0x02, sequence);
    let (e, _) = der_value(0x02, rest);
    (
        n.strip_prefix(&[0]).unwrap_or(n),
        e.strip_prefix(&[0]).unwrap_or(e),
    )
}

/// Splits one DER element of the given tag off the front: its content, and what follows it.
fn der_value(tag: u8, der: &[u8]) -> (&[u8], &[u8]) {
    assert_eq!(der[0], tag, "unexpected DER tag");
    let (length, start) = match der[1] {
        short @ ..0x80 => (usize::from(short), 2),
        long => {
            let bytes = usize::from(long & 0x7f);
            let length = der[2..2 + bytes]
                .iter()
                .fold(0, |sum, b| sum << 8 | usize::from(*b));
            (length, 2 + bytes)
        }
    };
    der[start..].split_at(length)
}

/// A PEM block with lines of 64 characters (RFC 7468).
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}
