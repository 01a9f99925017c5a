//! Key documents that are given as shared secrets, in any wrapping.
//!
//! Everyone knows a public key, so anyone could sign with it; a private key in its wrapping is not
//! the secret that the issuer uses. Only the form is checked, and a random secret has none of these
//! forms: each is either long enough or checked by arithmetic.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem;
use zeroize::Zeroizing;

use crate::algorithm::Curve;
use crate::json::unescape;
use crate::signature::VerifyingKey;

/// What a wrapping can contain, by the wrapping's name.
const WRAPPERS: [(&str, Unwrap); 5] = [
    ("UTF-16", of_utf16),
    ("escaped text", of_escapes),
    ("percent encoding", of_percent),
    ("hexadecimal", of_hexadecimal),
    ("base64", of_base64),
];

/// How many wrappings are removed.
const WRAPPINGS: usize = 5;

/// A longer text is only searched for marks. A key of 16 KiB in hexadecimal of base64 is 43 KiB.
const UNWRAPPED_BYTES: usize = 64 * 1024;

/// The contents of a wrapping: a secret, wiped when dropped.
pub(super) type Inner = Zeroizing<Vec<u8>>;

/// Removes a wrapping, if there is one.
type Unwrap = fn(&[u8]) -> Option<Inner>;

/// The form of the key in these bytes, if they are one, such as `base64 of PEM`.
pub(super) fn form_of(secret: &[u8]) -> Option<String> {
    inside(secret, WRAPPINGS)
}

fn inside(bytes: &[u8], wrappings: usize) -> Option<String> {
    if let Some(form) = marked(bytes).or_else(|| binary(bytes)) {
        return Some(form.to_owned());
    }
    let wrappings = wrappings.checked_sub(1)?;
    if bytes.len() > UNWRAPPED_BYTES {
        return None;
    }
    WRAPPERS.into_iter().find_map(|(wrapping, unwrap)| {
        let form = inside(&unwrap(bytes)?, wrappings)?;
        Some(format!("{wrapping} of {form}"))
    })
}

/// These bytes, and what they contain once up to this many wrappings are removed, whichever fit.
pub(super) fn readings(bytes: &[u8], wrappings: usize) -> Vec<Inner> {
    let mut all: Vec<Inner> = vec![Zeroizing::new(bytes.to_vec())];
    if bytes.len() > UNWRAPPED_BYTES {
        return all;
    }
    if let Some(wrappings) = wrappings.checked_sub(1) {
        let inside = WRAPPERS.iter().filter_map(|(_, unwrap)| unwrap(bytes));
        for inner in inside {
            all.extend(readings(&inner, wrappings));
        }
    }
    all
}

/// A form that is recognised by its words, read without case and without white space.
fn marked(bytes: &[u8]) -> Option<&'static str> {
    const MARKS: [(&str, &str); 31] = [
        ("---beginssh2", "the form of SSH2"),
        ("---endssh2", "the form of SSH2"),
        ("---begin", "PEM"),
        ("---end", "PEM"),
        ("beginpublickey", "PEM"),
        ("beginrsapublickey", "PEM"),
        ("beginprivatekey", "PEM"),
        ("beginrsaprivatekey", "PEM"),
        ("beginecprivatekey", "PEM"),
        ("begincertificate", "PEM"),
        ("endpublickey", "PEM"),
        ("endrsapublickey", "PEM"),
        ("endcertificate", "PEM"),
        ("\"kty\"", "JSON (JWK)"),
        ("'kty'", "JSON (JWK)"),
        ("kty:", "JSON (JWK)"),
        ("putty-user-key-file", "the form of PuTTY"),
        ("public-lines:", "the form of PuTTY"),
        ("ssh-rsa", "the form of OpenSSH"),
        ("ssh-dss", "the form of OpenSSH"),
        ("ssh-ed25519", "the form of OpenSSH"),
        ("ecdsa-sha2-", "the form of OpenSSH"),
        ("openssh-key-v1", "the form of OpenSSH"),
        ("<rsakeyvalue", "XML"),
        ("<eckeyvalue", "XML"),
        ("<keyvalue", "XML"),
        ("<keyinfo", "XML"),
        ("<modulus", "XML"),
        ("<x509", "XML"),
        ("modulus", "the words of openssl"),
        ("public-key:", "the words of openssl"),
    ];
    let words = bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
    let words: Inner = Zeroizing::new(words.map(u8::to_ascii_lowercase).collect());
    let holds = |mark: &str| contains(&words, mark.as_bytes());
    let found = MARKS.into_iter().find(|(mark, _)| holds(mark));
    let start = words.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&words);
    let members = ["\"keys\"", "\"n\"", "\"e\"", "\"x\"", "\"crv\"", "\"k\""];
    match found {
        Some((_, form)) => Some(form),
        None if matches!(start.first(), Some(b'{' | b'[')) && members.into_iter().any(holds) => {
            Some("JSON (JWK)")
        }
        None => None,
    }
}

/// A form that is recognised by its bytes.
fn binary(bytes: &[u8]) -> Option<&'static str> {
    // RSA, EC and Ed25519 by their object identifiers, whatever surrounds them.
    const IDENTIFIERS: [&[u8]; 3] = [
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01",
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01",
        b"\x06\x03\x2b\x65\x70",
    ];
    /// This many extra bytes at either end, or this many missing, do not turn a key into a secret.
    const STRAY: usize = 4;
    if IDENTIFIERS.into_iter().any(|mark| contains(bytes, mark)) {
        return Some("DER");
    }
    let is_der = |start: usize| {
        bytes
            .get(start..)
            .is_some_and(|rest| is_sequence(rest, STRAY))
    };
    if (0..=STRAY).any(is_der) {
        return Some("DER");
    }
    Curve::ALL
        .into_iter()
        .any(|curve| is_point(curve, bytes) || is_point(curve, bytes.trim_ascii()))
        .then_some("the form of a point on a curve")
}

/// Whether it begins as one ASN.1 SEQUENCE in its long form that ends where these bytes end, within
/// a few bytes.
fn is_sequence(bytes: &[u8], stray: usize) -> bool {
    let ends = |declared: usize, rest: &[u8]| {
        declared.abs_diff(rest.trim_ascii_end().len()) <= stray
            || declared.abs_diff(rest.len()) <= stray
    };
    match bytes {
        [0x30, 0x81, length, rest @ ..] => ends(usize::from(*length), rest),
        [0x30, 0x82, high, low, rest @ ..] => {
            ends(usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        _ => false,
    }
}

/// An uncompressed point, with or without the leading byte that marks it as one.
fn is_point(curve: Curve, bytes: &[u8]) -> bool {
    let size = curve.field_bytes();
    let coordinates = match bytes {
        [4, rest @ ..] if rest.len() == 2 * size => rest,
        bytes if bytes.len() == 2 * size => bytes,
        _ => return false,
    };
    let (x, y) = coordinates.split_at(size);
    VerifyingKey::ec(curve, x, y).is_ok()
}

pub(super) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    memmem::find(bytes, part).is_some()
}

/// Some editors write UTF-16, where every other byte of the text is zero.
fn of_utf16(bytes: &[u8]) -> Option<Inner> {
    let plain: Inner = Zeroizing::new(bytes.iter().copied().filter(|byte| *byte != 0).collect());
    let mostly_text = plain.len() < bytes.len() && plain.len() * 3 < bytes.len() * 2;
    mostly_text.then_some(plain)
}

/// The escapes of JSON, which programs and shells also use.
fn of_escapes(bytes: &[u8]) -> Option<Inner> {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.contains('\\'))?;
    Some(Zeroizing::new(unescape(text).into_bytes()))
}

pub(super) fn of_percent(bytes: &[u8]) -> Option<Inner> {
    if !bytes.contains(&b'%') {
        return None;
    }
    let mut plain = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let mut rest = bytes;
    while let [first, behind @ ..] = rest {
        let escaped = match (first, behind) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => plain.push(high << 4 | low),
            None => plain.push(*first),
        }
        rest = behind
            .get(if escaped.is_some() { 2 } else { 0 }..)
            .unwrap_or_default();
    }
    Some(plain)
}

/// Digits in pairs, also with `0x` or `\x` before each pair and with separators between.
fn of_hexadecimal(bytes: &[u8]) -> Option<Inner> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut digits: Inner = Zeroizing::new(Vec::with_capacity(text.len()));
    let separates = |character: char| {
        character.is_whitespace()
            || matches!(character, ':' | ',' | ';' | '-' | '[' | ']' | '{' | '}')
    };
    for part in text.split(separates) {
        let part = part
            .strip_prefix("0x")
            .or_else(|| part.strip_prefix("0X"))
            .unwrap_or(part);
        for pair in part.split("\\x") {
            for byte in pair.bytes() {
                digits.push(digit(byte)?);
            }
        }
    }
    let (pairs, _) = digits.as_chunks::<2>();
    let plain: Inner = Zeroizing::new(pairs.iter().map(|[high, low]| high << 4 | low).collect());
    (!plain.is_empty()).then_some(plain)
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// Either alphabet, with or without padding, white space, and quotes around it.
fn of_base64(bytes: &[u8]) -> Option<Inner> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let meaningful = |byte: &u8| {
        !(byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b',' | b'='))
    };
    let standard = |byte: u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    };
    let packed = bytes.iter().copied().filter(meaningful).map(standard);
    let packed: Inner = Zeroizing::new(packed.collect());
    // A lone character at the end encodes nothing.
    let whole = packed.len() - usize::from(packed.len() % 4 == 1);
    let plain = LENIENT.decode(packed.get(..whole)?).ok()?;
    Some(Zeroizing::new(plain))
}
