//! The values that contain no others: strings, numbers and literals. Each function takes the
//! position of the first byte and returns the one after the last.

use super::find_byte::{first_special, quiet_start};
use super::unescape::hexadecimal;
use super::{Scan, error};

/// The end of a string, and whether it contains an escape.
#[derive(Clone, Copy)]
pub(super) struct StringEnd {
    pub(super) at: usize,
    pub(super) escaped: bool,
}

/// The end of a number, and whether a finite double can hold it.
#[derive(Clone, Copy)]
pub(super) struct NumberEnd {
    pub(super) at: usize,
    pub(super) finite: bool,
}

/// A string, from its opening quote.
#[inline(always)]
pub(super) fn string(bytes: &[u8], start: usize) -> Scan<StringEnd> {
    // Most strings are short and contain no escape.
    let contents = bytes.get(start + 1..).unwrap_or_default();
    let quiet = quiet_start(contents);
    if contents.get(quiet) == Some(&b'"') {
        return Ok(StringEnd {
            at: start + quiet + 2,
            escaped: false,
        });
    }
    rest_of_string(bytes, start + quiet + 1)
}

/// A string from anywhere in it; nothing before contains an escape.
#[inline(never)]
fn rest_of_string(bytes: &[u8], mut at: usize) -> Scan<StringEnd> {
    let mut escaped = false;
    loop {
        match bytes.get(at) {
            Some(b'"') => {
                at += 1;
                return Ok(StringEnd { at, escaped });
            }
            Some(b'\\') => {
                escaped = true;
                at = escape(bytes, at)?;
            }
            Some(0..0x20) => return error("a control character in a string", at),
            Some(_) => {
                let rest = bytes.get(at..).unwrap_or_default();
                at += first_special(rest).unwrap_or(rest.len());
            }
            None => return error("a string without an end", at),
        }
    }
}

#[inline]
fn escape(bytes: &[u8], start: usize) -> Scan<usize> {
    match bytes.get(start + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(start + 2),
        Some(b'u') => match unit(bytes, start + 1)? {
            0xDC00..=0xDFFF => error("a lone surrogate", start),
            0xD800..=0xDBFF => {
                let second = bytes.get(start + 6..start + 8) == Some(b"\\u");
                match second && matches!(unit(bytes, start + 7)?, 0xDC00..=0xDFFF) {
                    true => Ok(start + 12),
                    false => error("a lone surrogate", start),
                }
            }
            _ => Ok(start + 6),
        },
        _ => error("not an escape", start),
    }
}

/// Four hexadecimal digits after a `u`.
fn unit(bytes: &[u8], u: usize) -> Scan<u32> {
    let digits = bytes.get(u + 1..).and_then(<[u8]>::first_chunk::<4>);
    match digits.and_then(|digits| hexadecimal(digits)) {
        Some(unit) => Ok(unit),
        None => error("not four hexadecimal digits", u),
    }
}

/// A number, from its sign or first digit.
pub(super) fn number(bytes: &[u8], start: usize) -> Scan<NumberEnd> {
    let whole = start + usize::from(bytes.get(start) == Some(&b'-'));
    let mut at = behind_digits(bytes, whole)?;
    let digits = at - whole;
    if digits > 1 && bytes.get(whole) == Some(&b'0') {
        return error("a number with a leading zero", whole);
    }
    if bytes.get(at) == Some(&b'.') {
        at = behind_digits(bytes, at + 1)?;
    }
    let has_exponent = matches!(bytes.get(at), Some(b'e' | b'E'));
    if has_exponent {
        let sign = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = behind_digits(bytes, at + 1 + usize::from(sign))?;
    }
    let surely_finite = digits <= 300 && !has_exponent;
    let finite = surely_finite || is_finite(bytes.get(start..at).unwrap_or_default());
    Ok(NumberEnd { at, finite })
}

#[cold]
fn is_finite(number: &[u8]) -> bool {
    let number = std::str::from_utf8(number).map(str::parse::<f64>);
    matches!(number, Ok(Ok(number)) if number.is_finite())
}

/// At least one digit.
#[inline]
fn behind_digits(bytes: &[u8], start: usize) -> Scan<usize> {
    let mut at = start;
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    if at == start {
        return error("not a number", start);
    }
    Ok(at)
}

/// `true`, `false` or `null`.
pub(super) fn literal(bytes: &[u8], start: usize) -> Scan<usize> {
    let rest = bytes.get(start..).unwrap_or_default();
    let words: [&[u8]; 3] = [b"true", b"false", b"null"];
    match words.into_iter().find(|word| rest.starts_with(word)) {
        Some(word) => Ok(start + word.len()),
        None => error("not a value", start),
    }
}
