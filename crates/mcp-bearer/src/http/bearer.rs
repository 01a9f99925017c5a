//! Headers in, exactly one token out (RFC 6750 section 2.1, RFC 9110 section 11.4).
//!
//! It must never guess: two credentials, or one that cannot be read, are refused. It does no work that grows with a
//! credential longer than the limit, and no rejection holds any of its text.

use ::http::HeaderMap;
use ::http::header::AUTHORIZATION;

use crate::{Limits, Rejection};

const SCHEME: &[u8] = b"Bearer";

/// The one bearer token in a request's headers. What it is worth is not looked at.
///
/// The scheme is compared without case. Nothing but the `Authorization` header is read: a token in a query string or in
/// a form is no credential here (RFC 9700 section 4.3.2).
///
/// ```
/// use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
/// use mcp_bearer::http::bearer_token;
/// use mcp_bearer::{Limits, RejectionKind};
/// let mut headers = HeaderMap::new();
/// let limits = Limits::default();
/// let missing = bearer_token(&headers, &limits).unwrap_err();
/// assert_eq!(missing.kind(), RejectionKind::MissingCredential);
/// headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer a.b.c"));
/// assert_eq!(bearer_token(&headers, &limits)?, "a.b.c");
/// # Ok::<(), mcp_bearer::Rejection>(())
/// ```
///
/// # Errors
/// [`MissingCredential`](crate::RejectionKind::MissingCredential) without `Authorization` header or with another scheme;
/// [`BadCredential`](crate::RejectionKind::BadCredential) with two such headers, an empty credential, or characters
/// that no token68 (RFC 9110 section 11.2) has;
/// [`TokenTooLarge`](crate::RejectionKind::TokenTooLarge) by the length alone.
pub fn bearer_token<'h>(headers: &'h HeaderMap, limits: &Limits) -> Result<&'h str, Rejection> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(Rejection::missing_credential());
    };
    if values.next().is_some() {
        return Err(Rejection::bad_credential(
            "more than one Authorization header",
        ));
    }
    let credential = credential_of(value.as_bytes())?;
    if credential.len() > limits.token_bytes {
        return Err(Rejection::token_too_large(
            credential.len(),
            limits.token_bytes,
        ));
    }
    let spaces = credential.iter().take_while(|byte| **byte == b' ');
    let token = credential.split_at(spaces.count()).1;
    if token.is_empty() {
        return Err(Rejection::bad_credential(
            "the Authorization header holds no token",
        ));
    }
    if !is_token68(token) {
        let why = "the bearer token holds a character that no token has";
        return Err(Rejection::bad_credential(why));
    }
    // A token68 is ASCII.
    std::str::from_utf8(token).map_err(|_| Rejection::bad_credential("the token is not text"))
}

/// What stands behind the scheme and one space. Looks at seven bytes.
fn credential_of(value: &[u8]) -> Result<&[u8], Rejection> {
    let other_scheme = || Err(Rejection::missing_credential());
    let no_scheme = || {
        Err(Rejection::bad_credential(
            "the Authorization header names no scheme",
        ))
    };
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => match rest.split_first() {
            None => Err(Rejection::bad_credential(
                "the Authorization header holds no token",
            )),
            Some((b' ', credential)) => Ok(credential),
            Some((b'\t' | b',', _)) => {
                Err(Rejection::bad_credential("no space follows the scheme"))
            }
            Some(_) => other_scheme(),
        },
        _ => match value.first() {
            Some(byte) if is_tchar(*byte) => other_scheme(),
            _ => no_scheme(),
        },
    }
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 9110 section 11.2).
fn is_token68(token: &[u8]) -> bool {
    let is_body = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    let body = token.iter().take_while(|byte| is_body(byte)).count();
    body > 0 && token.iter().skip(body).all(|byte| *byte == b'=')
}

/// RFC 9110 section 5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
