//! Decodes the escapes of a string (RFC 8259 section 7).
//!
//! It expects text that the scanner has accepted; for any other it still returns some text and does
//! not panic.

/// The contents of a validated string with its escapes decoded.
pub(crate) fn unescape(raw: &str) -> String {
    let mut plain = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.push_str(before);
        let (unescaped, length) = unescape_one(escape);
        plain.push(unescaped);
        rest = escape.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

/// The character of one escape, and its length in bytes after the backslash.
fn unescape_one(escape: &str) -> (char, usize) {
    let unit = |from: usize| escape.as_bytes().get(from..from + 4).and_then(hexadecimal);
    let replacement = char::REPLACEMENT_CHARACTER;
    match escape.as_bytes().first() {
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'n') => ('\n', 1),
        Some(b'r') => ('\r', 1),
        Some(b't') => ('\t', 1),
        Some(b'u') => match (unit(1), unit(7)) {
            (Some(high @ 0xD800..=0xDBFF), Some(low @ 0xDC00..=0xDFFF)) => {
                let scalar = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                (char::from_u32(scalar).unwrap_or(replacement), 11)
            }
            (Some(unit), _) => (char::from_u32(unit).unwrap_or(replacement), 5),
            (None, _) => (replacement, 1),
        },
        _ => match escape.chars().next() {
            Some(other) => (other, other.len_utf8()),
            None => (replacement, 0),
        },
    }
}

/// The value of hexadecimal digits.
pub(super) fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |unit, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some((unit << 4) | digit)
    })
}
