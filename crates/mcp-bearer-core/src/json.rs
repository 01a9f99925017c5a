//! JSON as a verifier needs it: one strict, bounded pass over the bytes, then slices of them (RFC
//! 8259, RFC 7519 section 4, RFC 7515 section 4).
//!
//! It accepts exactly one object: valid UTF-8 without a byte order mark, no member name twice in
//! any object, at most [`Limits::JSON_DEPTH`](crate::limits::Limits::JSON_DEPTH) levels, no lone
//! surrogate, nothing after it. Bytes of a token pass here before any other JSON reader sees them,
//! because other readers have switches (big numbers, raw values) that any crate of the program may
//! turn on.

mod find_byte;
mod object;
#[cfg(test)]
mod reference;
mod scalar;
mod scan;
#[cfg(test)]
mod tests;
mod unescape;
mod unique;
mod validated;
mod walk;

use std::borrow::Cow;
use std::ops::Range;

pub(crate) use object::{JsonObject, Members};
use scan::Scanner;
pub(crate) use unescape::unescape;
pub(crate) use walk::{Next, Walker};

use crate::limits::Limits;

/// A range of positions in a validated text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

/// A string of a validated text: its position, or its contents with the escapes decoded.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    At(Span),
    Own(Box<str>),
}

/// Why a text was refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    pub(crate) why: &'static str,
    pub(crate) at: usize,
}

type Scan<T> = Result<T, JsonError>;

const fn error<T>(why: &'static str, at: usize) -> Scan<T> {
    Err(JsonError { why, at })
}

/// A validated value that borrows its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    String(Cow<'a, str>),
    Number(&'a str),
    Bool(bool),
    Null,
    /// The text of an array, brackets included.
    Array(&'a str),
    /// The text of an object, braces included.
    Object(&'a str),
}

impl Text {
    /// Keeps a part of a text: by position if it lies inside, otherwise by its contents.
    pub(crate) fn keep(whole: &str, part: &str) -> Self {
        let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr());
        let span = start.and_then(|start| {
            whole.get(start..start.checked_add(part.len())?)?;
            Some(Span {
                start: start.try_into().ok()?,
                end: (start + part.len()).try_into().ok()?,
            })
        });
        span.map_or_else(|| Self::Own(part.into()), Self::At)
    }

    /// The contents. `whole` must be the text that it was kept from.
    pub(crate) fn of<'a>(&'a self, whole: &'a str) -> &'a str {
        match self {
            Self::At(span) => span.of(whole),
            Self::Own(text) => text,
        }
    }
}

impl Span {
    /// Texts over 4 GiB are refused earlier, so nothing saturates.
    fn new(start: usize, end: usize) -> Self {
        let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            start: position(start),
            end: position(end),
        }
    }

    #[inline]
    fn range(self) -> Range<usize> {
        usize_of(self.start)..usize_of(self.end)
    }

    #[inline]
    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }
}

impl<'a> Value<'a> {
    /// The value with this validated text, which has no white space around it.
    fn of(text: &'a str) -> Self {
        match text.as_bytes().first() {
            Some(b'"') => Self::String(string_of(text)),
            Some(b'{') => Self::Object(text),
            Some(b'[') => Self::Array(text),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number(text),
        }
    }

    /// The value; `null` counts as absent.
    pub(crate) fn unless_null(self) -> Option<Self> {
        match self {
            Self::Null => None,
            value => Some(value),
        }
    }

    pub(crate) fn into_string(self) -> Option<Cow<'a, str>> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The kind of value, in words.
    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Number(_) => "a number",
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Null => "null",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// A number as a double, if it is finite.
    pub(crate) fn as_finite(&self) -> Option<f64> {
        match self {
            Self::Number(text) => small_integer(text)
                .or_else(|| text.parse().ok())
                .filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// Whether it equals this value. The recursion is bounded by the depth of `tree`, which is
    /// ours, not a token's.
    pub(crate) fn equals(&self, tree: &serde_json::Value) -> bool {
        use serde_json::Value as Tree;
        match (self, tree) {
            (Self::String(text), Tree::String(other)) => text == other,
            (Self::Bool(value), Tree::Bool(other)) => value == other,
            (Self::Null, Tree::Null) => true,
            (Self::Number(text), Tree::Number(other)) => same_number(text, &other.to_string()),
            (Self::Array(text), Tree::Array(others)) => {
                elements(text).count() == others.len()
                    && elements(text)
                        .zip(others)
                        .all(|(one, other)| one.equals(other))
            }
            (Self::Object(text), Tree::Object(others)) => {
                entries(text).count() == others.len()
                    && entries(text).all(|(name, one)| {
                        others.get(&*name).is_some_and(|other| one.equals(other))
                    })
            }
            _ => false,
        }
    }

    /// A tree of values; validation has bounded its depth.
    pub(crate) fn to_tree(&self) -> serde_json::Value {
        use serde_json::Value as Tree;
        match self {
            Self::String(text) => Tree::String(text.clone().into_owned()),
            Self::Number(text) => number_tree(text),
            Self::Bool(value) => Tree::Bool(*value),
            Self::Null => Tree::Null,
            Self::Array(text) => Tree::Array(elements(text).map(|value| value.to_tree()).collect()),
            Self::Object(text) => Tree::Object(
                entries(text)
                    .map(|(name, value)| (name.into_owned(), value.to_tree()))
                    .collect(),
            ),
        }
    }
}

/// Tries the library's own reader first, which keeps integers whole. It takes some of the largest
/// finite doubles for infinite.
fn number_tree(text: &str) -> serde_json::Value {
    let number = text.parse().ok().or_else(|| {
        let double = text.parse::<f64>().ok()?;
        serde_json::Number::from_f64(double)
    });
    number.map_or(serde_json::Value::Null, serde_json::Value::Number)
}

/// Whether two texts are the same number, as `1`, `1.0` and `10e-1` are. Beyond 2^53, where a
/// double cannot tell neighbours apart, only integers are compared, digit by digit.
fn same_number(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    if let (Ok(one), Ok(other)) = (one.parse::<i128>(), other.parse::<i128>()) {
        return one == other;
    }
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => one == other && one.abs() < Limits::NUMERIC_DATE_MAX,
        _ => false,
    }
}

/// Up to 15 digits, which a double holds exactly: nearly every NumericDate.
fn small_integer(text: &str) -> Option<f64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    // Two halves, because a double takes no more than 32 bits without a cast.
    let (mut millions, mut rest) = (0_u32, 0_u32);
    let low = text.len().saturating_sub(6);
    for (place, byte) in text.bytes().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        let half = if place < low {
            &mut millions
        } else {
            &mut rest
        };
        *half = half.wrapping_mul(10).wrapping_add(u32::from(digit));
    }
    Some(f64::from(millions) * 1e6 + f64::from(rest))
}

/// The elements of a validated array.
pub(crate) fn elements(array: &str) -> impl Iterator<Item = Value<'_>> {
    let mut scanner = Scanner::inside(array);
    std::iter::from_fn(move || scanner.next_element().map(Value::of))
}

/// The members of a validated object, without an index.
pub(crate) fn entries(object: &str) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
    let mut scanner = Scanner::inside(object);
    std::iter::from_fn(move || {
        let name = string_of(scanner.next_name()?);
        Some((name, Value::of(scanner.next_element()?)))
    })
}

/// The contents of a validated string; `text` includes the quotes.
pub(crate) fn string_of(text: &str) -> Cow<'_, str> {
    let inner = text
        .get(1..text.len().saturating_sub(1))
        .unwrap_or_default();
    if inner.contains('\\') {
        Cow::Owned(unescape(inner))
    } else {
        Cow::Borrowed(inner)
    }
}

/// Bytes as text: UTF-8 without a byte order mark.
pub(crate) fn utf8(bytes: Vec<u8>) -> Result<String, JsonError> {
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(JsonError {
            why: "a byte order mark",
            at: 0,
        });
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        JsonError {
            why: "not valid UTF-8",
            at,
        }
    })
}

/// Positions fit: a text is at most a token, and tokens over 4 GiB are refused before they are
/// decoded.
fn usize_of(position: u32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
