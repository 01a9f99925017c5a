//! The headers that repeat what the body says: `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name`.
//!
//! The body decides what a request asks for, never these headers. A header that contradicts it
//! would mislead a program that reads only headers, so the request is refused.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The values of one header of a request.
///
/// ```
/// use mcp_bearer_core::operation::HeaderField;
/// assert_eq!(HeaderField::of([b"tools/call".as_slice()]), HeaderField::Once(b"tools/call"));
/// assert_eq!(HeaderField::of(["a", "a"]), HeaderField::Several);
/// assert_eq!(HeaderField::of::<&str>([]), HeaderField::Absent);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderField<'a> {
    /// The request has no such header.
    #[default]
    Absent,
    /// It has one, with this value.
    Once(&'a [u8]),
    /// It has more than one, which no rule allows, even if they are equal.
    Several,
}

impl<'a> HeaderField<'a> {
    /// From all values of the header, in any order.
    pub fn of<T: AsRef<[u8]> + ?Sized + 'a>(values: impl IntoIterator<Item = &'a T>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::Once(value.as_ref()),
            (Some(_), Some(_)) => Self::Several,
        }
    }

    /// The value without the white space around it (RFC 9110 section 5.5).
    fn trimmed(self) -> Result<Option<&'a [u8]>, &'static str> {
        match self {
            Self::Absent => Ok(None),
            Self::Several => Err("a header more than once"),
            Self::Once(value) => {
                let space = |byte: &u8| matches!(byte, b' ' | b'\t');
                let start = value.iter().position(|byte| !space(byte));
                let end = value.iter().rposition(|byte| !space(byte));
                let range = start.zip(end).map(|(start, end)| start..=end);
                Ok(Some(
                    range.and_then(|range| value.get(range)).unwrap_or_default(),
                ))
            }
        }
    }
}

/// The headers of a request that describe its body, as plain bytes.
///
/// ```
/// use mcp_bearer_core::operation::{HeaderField, RequestHeaders};
/// let headers = RequestHeaders {
///     protocol_version: HeaderField::Once(b"2026-07-28"),
///     method: HeaderField::Once(b"tools/call"),
///     name: HeaderField::Once(b"whoami"),
/// };
/// assert_ne!(headers, RequestHeaders::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestHeaders<'a> {
    /// `MCP-Protocol-Version`.
    pub protocol_version: HeaderField<'a>,
    /// `Mcp-Method`.
    pub method: HeaderField<'a>,
    /// `Mcp-Name`.
    pub name: HeaderField<'a>,
}

/// The same headers, each at most once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Headers<'a> {
    pub(super) version: Option<&'a [u8]>,
    pub(super) method: Option<&'a [u8]>,
    pub(super) name: Option<&'a [u8]>,
}

impl<'a> RequestHeaders<'a> {
    pub(super) fn once(self) -> Result<Headers<'a>, &'static str> {
        Ok(Headers {
            version: self.protocol_version.trimmed()?,
            method: self.method.trimmed()?,
            name: self.name.trimmed()?,
        })
    }
}

/// Decodes a value of `Mcp-Name`: text, or base64 of text between `=?base64?` and `?=`.
pub(super) fn decode_name(value: &[u8]) -> Option<Cow<'_, str>> {
    let encoded = value
        .strip_prefix(b"=?base64?")
        .and_then(|rest| rest.strip_suffix(b"?="));
    match encoded {
        Some(encoded) => {
            let bytes = STANDARD.decode(encoded).ok()?;
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
        None => std::str::from_utf8(value).ok().map(Cow::Borrowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_value_is_not_part_of_it() {
        for (value, trimmed) in [
            ("  a b\t", "a b"),
            ("a", "a"),
            (" \t ", ""),
            ("", ""),
            ("\u{a0}a", "\u{a0}a"),
        ] {
            let field = HeaderField::Once(value.as_bytes());
            assert_eq!(field.trimmed(), Ok(Some(trimmed.as_bytes())), "{value:?}");
        }
        assert_eq!(HeaderField::Absent.trimmed(), Ok(None));
        assert!(HeaderField::Several.trimmed().is_err());
    }

    #[test]
    fn a_name_is_text_or_base64_of_text() {
        for (value, name) in [
            ("whoami", Some("whoami")),
            ("", Some("")),
            ("=?base64?SGVsbG8sIOS4lueVjA==?=", Some("Hello, 世界")),
            ("=?base64?IHBhZGRlZCA=?=", Some(" padded ")),
            ("=?base64??=", Some("")),
            (
                "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=",
                Some("=?base64?literal?="),
            ),
            // The marks are exact; a value without both is text.
            ("=?BASE64?YQ==?=", Some("=?BASE64?YQ==?=")),
            ("=?base64?YQ==", Some("=?base64?YQ==")),
            ("=?base64?=", Some("=?base64?=")),
            ("=?base64?YQ?=", None),
            ("=?base64?YR==?=", None),
            ("=?base64?Y Q==?=", None),
            ("=?base64?_w==?=", None),
            ("=?base64?/w==?=", None),
        ] {
            assert_eq!(decode_name(value.as_bytes()).as_deref(), name, "{value}");
        }
        assert_eq!(decode_name(b"\xff"), None);
    }
}
