//! Extracts exactly one token from headers (RFC 6750 section 2.1, RFC 9110 section 11.4).
//!
//! Two credentials, or an unreadable one, are refused: nothing is guessed. The work does not grow
//! with a credential longer than the limit, and no rejection contains any of its text.

use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, HeaderName};

use mcp_bearer_core::{Limits, Rejection};

const SCHEME: &[u8] = b"Bearer";

/// The one bearer token in a request's headers. The token itself is not checked.
///
/// The scheme is compared without case. Only the `Authorization` header is read: a token in a query
/// string or a form is not a credential here (RFC 9700 section 4.3.2).
///
/// ```
/// use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
/// use mcp_bearer::http::bearer_token;
/// use mcp_bearer::config::Limits;
/// use mcp_bearer::RejectionKind;
/// let mut headers = HeaderMap::new();
/// let limits = Limits::default();
/// let missing = bearer_token(&headers, &limits).unwrap_err();
/// assert_eq!(missing.kind(), RejectionKind::MissingCredential);
/// headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer a.b.c"));
/// assert_eq!(bearer_token(&headers, &limits)?, "a.b.c");
/// # Ok::<(), mcp_bearer::Rejection>(())
/// ```
///
/// Clients start to sign in at 401 and give up at 400, so everything is a 401 except two
/// credentials and a token that is too long.
///
/// # Errors
/// [`MissingCredential`](crate::RejectionKind::MissingCredential) without an `Authorization`
/// header, with another scheme or none, or with nothing after the scheme;
/// [`Malformed`](crate::RejectionKind::Malformed) with characters that a token68 (RFC 9110 section
/// 11.2) cannot have; [`BadCredential`](crate::RejectionKind::BadCredential) with two such headers;
/// [`TokenTooLarge`](crate::RejectionKind::TokenTooLarge) by the length alone.
pub fn bearer_token<'h>(headers: &'h HeaderMap, limits: &Limits) -> Result<&'h str, Rejection> {
    token68(bearer_credential(headers, limits)?)
}

/// The same before [`token68`]: what follows the scheme, of any characters.
pub(super) fn bearer_credential<'h>(
    headers: &'h HeaderMap,
    limits: &Limits,
) -> Result<&'h [u8], Rejection> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(Rejection::missing_credential());
    };
    if values.next().is_some() {
        return Err(Rejection::bad_credential(
            "more than one Authorization header",
        ));
    }
    let Some((credential, separator)) = credential_of(trimmed(value.as_bytes(), limits)) else {
        return Err(Rejection::missing_credential());
    };
    if credential.len() > limits.token_bytes {
        return Err(Rejection::token_too_large(
            credential.len(),
            limits.token_bytes,
        ));
    }
    if separator == Separator::Missing {
        return Err(malformed());
    }
    let spaces = credential.iter().take_while(|byte| **byte == b' ');
    Ok(credential.split_at(spaces.count()).1)
}

/// The contents of the one header that holds only a token, before [`token68`].
pub(super) fn raw_credential<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    limits: &Limits,
) -> Result<&'h [u8], Rejection> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Err(Rejection::missing_credential());
    };
    if values.next().is_some() {
        return Err(Rejection::bad_credential(
            "more than one header with a token",
        ));
    }
    let token = trimmed(value.as_bytes(), limits);
    if token.len() > limits.token_bytes {
        return Err(Rejection::token_too_large(token.len(), limits.token_bytes));
    }
    Ok(token)
}

/// A credential as a token, if it has the characters of one.
pub(super) fn token68(token: &[u8]) -> Result<&str, Rejection> {
    if token.is_empty() {
        return Err(Rejection::missing_credential());
    }
    if !is_token68(token) {
        return Err(malformed());
    }
    // A token68 is ASCII.
    std::str::from_utf8(token).map_err(|_| malformed())
}

fn malformed() -> Rejection {
    Rejection::malformed_credential("the bearer token holds a character that no token has")
}

/// White space around a value is not part of it (RFC 9110 section 5.5). HTTP/1 parsers remove it,
/// HTTP/2 parsers do not.
fn trimmed<'v>(value: &'v [u8], limits: &Limits) -> &'v [u8] {
    // Longer values are refused by their length, whatever is in them.
    let looked_at = limits.token_bytes.saturating_add(SCHEME.len() + 1);
    if value.len() > looked_at {
        return value;
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().take_while(|byte| is_space(byte)).count();
    let value = value.get(start..).unwrap_or_default();
    let end = value.iter().rev().take_while(|byte| is_space(byte)).count();
    value.get(..value.len() - end).unwrap_or_default()
}

/// What is between the scheme and its credential.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    Space,
    Missing,
}

/// The text after the scheme `Bearer`, if that is the scheme. Reads seven bytes.
fn credential_of(value: &[u8]) -> Option<(&[u8], Separator)> {
    let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    match rest.split_first() {
        None => Some((&[], Separator::Space)),
        Some((b' ', credential)) => Some((credential, Separator::Space)),
        // No scheme name continues with these: the credential starts here, and is malformed.
        Some((byte, _)) if !is_tchar(*byte) && *byte != b':' => Some((rest, Separator::Missing)),
        Some(_) => None,
    }
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 9110 section 11.2).
fn is_token68(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = token.get(..token.len() - padding).unwrap_or_default();
    // A piece is checked without a branch, so the processor checks many bytes at a time.
    let is_body = |piece: &[u8]| piece.iter().fold(true, |all, byte| all & is_body(*byte));
    !body.is_empty() && body.chunks(64).all(is_body)
}

const fn is_body(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let dash_to_nine = byte.wrapping_sub(b'-') < 13; // - . / 0..9
    letter | dash_to_nine | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

/// RFC 9110 section 5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use mcp_bearer_core::RejectionKind;

    use super::*;

    #[test]
    fn a_token68_has_its_characters_and_equals_signs_at_its_end() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            for before in [0, 1, 63, 64, 200] {
                let token = [vec![b'a'; before], vec![byte], b"a==".to_vec()].concat();
                assert_eq!(is_token68(&token), expected, "{byte} behind {before}");
            }
        }
        for (token, expected) in [
            ("", false),
            ("=", false),
            ("a=", true),
            ("a=b", false),
            ("a==", true),
        ] {
            assert_eq!(is_token68(token.as_bytes()), expected, "{token:?}");
        }
    }

    /// `/` is the one character that a token68 can have and a scheme cannot.
    #[test]
    fn a_credential_that_no_space_separates_from_the_scheme_is_malformed() {
        for value in ["Bearer/", "bearer/a.b.c", "Bearer=", "Bearer\ta.b.c"] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            let refused = bearer_token(&headers, &Limits::default()).unwrap_err();
            assert_eq!(refused.kind(), RejectionKind::Malformed, "{value:?}");
        }
    }
}
