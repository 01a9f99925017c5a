//! The pass over the bytes. It is iterative: nesting costs a bit, not a stack frame.
//!
//! It accepts nothing that RFC 8259 does not, and looks at each byte a bounded number of times.

use std::borrow::Cow;

use super::find_byte::{first_quote, first_special};
use super::object::{Member, Members};
use super::unescape::{hexadecimal, unescape};
use super::{JsonError, Span};
use crate::limits::Limits;

pub(super) type Scan<T> = Result<T, JsonError>;

pub(super) const fn error<T>(why: &'static str, at: usize) -> Scan<T> {
    Err(JsonError { why, at })
}

/// Objects with up to this many members are compared name by name; larger ones are sorted.
const FEW: usize = 24;

/// Where member names must be unique.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Uniqueness {
    /// In every object.
    Everywhere,
    /// In the outermost object; names in inner ones are not compared.
    Outermost,
}

pub(super) fn object(text: &str, uniqueness: Uniqueness) -> Scan<Members> {
    Scanner::new(text)?.whole(uniqueness)
}

/// A name in an open object, or a member of the outermost one.
#[derive(Clone, Copy)]
pub(super) struct Name {
    span: Span,
    escaped: bool,
}

#[derive(Clone, Copy)]
enum Next {
    NameOrEnd,
    Name,
    Value,
    ValueOrEnd,
    CommaOrEnd,
}

pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// The text is known to contain neither a backslash nor a control character.
    plain: bool,
    huge_number_at: Option<usize>,
    /// The names of all open objects, each object's after those of the object around it.
    pub(super) names: Vec<Name>,
    /// Where the names of each open object begin.
    starts: Vec<usize>,
}

impl<'a> Scanner<'a> {
    /// At the start of a text that has not been validated.
    pub(super) fn new(text: &'a str) -> Scan<Self> {
        let Ok(_) = u32::try_from(text.len()) else {
            return error("longer than 4 GiB", 0);
        };
        if text.starts_with('\u{FEFF}') {
            return error("a byte order mark", 0);
        }
        // In nearly every text, only quotes end or change a string, which is quick to check.
        let plain = text
            .bytes()
            .fold(true, |plain, byte| plain & (byte >= 0x20) & (byte != b'\\'));
        Ok(Self {
            text,
            at: 0,
            plain,
            huge_number_at: None,
            names: Vec::new(),
            starts: Vec::new(),
        })
    }

    /// Just after the opening bracket of a validated array or object.
    pub(super) const fn inside(text: &'a str) -> Self {
        Self {
            text,
            at: 1,
            plain: false,
            huge_number_at: None,
            names: Vec::new(),
            starts: Vec::new(),
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn whole(&mut self, uniqueness: Uniqueness) -> Scan<Members> {
        let mut members: Vec<Member> = Vec::with_capacity(16);
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.at += 1,
            Some(_) => return error("not an object", self.at),
            None => return error("empty", self.at),
        }
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            while self.member(&mut members, uniqueness)? {}
        }
        self.skip_space();
        if self.peek().is_some() {
            return error("something follows the object", self.at);
        }
        self.no_duplicate(&members)?;
        Ok(Members::new(members, self.huge_number_at))
    }

    /// One member of the outermost object and what follows it; returns whether another one must
    /// follow.
    fn member(&mut self, members: &mut Vec<Member>, uniqueness: Uniqueness) -> Scan<bool> {
        self.skip_space();
        let name = self.name()?;
        self.skip_space();
        let start = self.at;
        let value_escaped = match self.peek() {
            Some(b'{' | b'[') => {
                self.container(uniqueness, 1)?;
                false
            }
            _ => self.scalar()?,
        };
        members.push(Member {
            name: name.span,
            name_escaped: name.escaped,
            value: span(start, self.at),
            value_escaped,
        });
        self.skip_space();
        let behind = self.peek();
        self.at += 1;
        match behind {
            Some(b',') => Ok(true),
            Some(b'}') => Ok(false),
            Some(_) => error("neither a comma nor the end", self.at - 1),
            None => error("ends too early", self.at - 1),
        }
    }

    /// An array or an object inside `open` others, with everything in it.
    pub(super) fn container(&mut self, uniqueness: Uniqueness, open: usize) -> Scan<()> {
        let compared = uniqueness == Uniqueness::Everywhere;
        // The next container reuses their memory.
        let mut names = std::mem::take(&mut self.names);
        let mut starts = std::mem::take(&mut self.starts);
        let mut objects = 0_u128; // bit n: level n + 1 is an object
        let mut depth = open;
        let mut next = Next::Value;
        loop {
            self.skip_space();
            let at = self.at;
            let Some(byte) = self.peek() else {
                return error("ends too early", at);
            };
            let closes = match (next, byte) {
                (Next::NameOrEnd | Next::Name, b'"') => {
                    let name = self.name()?;
                    if compared {
                        names.push(name);
                    }
                    next = Next::Value;
                    continue;
                }
                (Next::NameOrEnd, b'}') => true,
                (Next::NameOrEnd | Next::Name, _) => return error("not a member name", at),
                (Next::Value | Next::ValueOrEnd, b'{' | b'[') => {
                    if depth >= Limits::JSON_DEPTH {
                        return error("nested deeper than 127 levels", at);
                    }
                    let bit = 1_u128 << depth;
                    next = if byte == b'{' {
                        objects |= bit;
                        if compared {
                            starts.push(names.len());
                        }
                        Next::NameOrEnd
                    } else {
                        objects &= !bit;
                        Next::ValueOrEnd
                    };
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                (Next::ValueOrEnd, b']') => true,
                (Next::Value | Next::ValueOrEnd, _) => {
                    self.scalar()?;
                    false
                }
                (Next::CommaOrEnd, _) => {
                    let in_object = (objects >> (depth - 1)) & 1 == 1;
                    match byte {
                        b',' => {
                            self.at += 1;
                            next = if in_object { Next::Name } else { Next::Value };
                            continue;
                        }
                        b'}' if in_object => true,
                        b']' if !in_object => true,
                        _ => return error("neither a comma nor the end", at),
                    }
                }
            };
            if closes {
                self.at += 1;
                depth -= 1;
                if compared && byte == b'}' {
                    let start = starts.pop().unwrap_or_default();
                    self.no_duplicate(names.get(start..).unwrap_or_default())?;
                    names.truncate(start);
                }
                if depth == open {
                    self.names = names;
                    self.starts = starts;
                    return Ok(());
                }
            }
            next = Next::CommaOrEnd;
        }
    }

    /// A value that contains no others; returns whether it is a string with an escape.
    pub(super) fn scalar(&mut self) -> Scan<bool> {
        let at = self.at;
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => {
                if !self.number()? && self.huge_number_at.is_none() {
                    self.huge_number_at = Some(at);
                }
                Ok(false)
            }
            Some(_) => self.literal().map(|()| false),
            None => error("ends too early", at),
        }
    }

    /// A member name and its colon.
    pub(super) fn name(&mut self) -> Scan<Name> {
        match self.peek() {
            Some(b'"') => {}
            Some(_) => return error("not a member name", self.at),
            None => return error("ends too early", self.at),
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        let span = span(start, self.at - 1);
        self.skip_space();
        if self.peek() != Some(b':') {
            return error("a member name without a colon", self.at);
        }
        self.at += 1;
        Ok(Name { span, escaped })
    }

    /// A string, from its opening quote; returns whether it contains an escape.
    #[inline]
    pub(super) fn string(&mut self) -> Scan<bool> {
        if !self.plain {
            return self.any_string();
        }
        let contents = self.text.as_bytes().get(self.at + 1..).unwrap_or_default();
        match first_quote(contents) {
            Some(length) => {
                self.at += length + 2;
                Ok(false)
            }
            None => error("a string without an end", self.text.len()),
        }
    }

    fn any_string(&mut self) -> Scan<bool> {
        self.at += 1;
        let mut escaped = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let Some(before) = first_special(rest) else {
                return error("a string without an end", self.text.len());
            };
            self.at += before;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return error("a control character in a string", self.at),
            }
        }
    }

    fn escape(&mut self) -> Scan<()> {
        let at = self.at;
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => match self.unit()? {
                0xDC00..=0xDFFF => error("a lone surrogate", at),
                0xD800..=0xDBFF => {
                    let second = self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u");
                    self.at += 1;
                    match second && matches!(self.unit()?, 0xDC00..=0xDFFF) {
                        true => Ok(()),
                        false => error("a lone surrogate", at),
                    }
                }
                _ => Ok(()),
            },
            _ => error("not an escape", at),
        }
    }

    /// Four hexadecimal digits after a `u`.
    fn unit(&mut self) -> Scan<u32> {
        let digits = self
            .text
            .as_bytes()
            .get(self.at + 1..self.at + 5)
            .unwrap_or_default();
        let unit = if digits.len() == 4 {
            hexadecimal(digits)
        } else {
            None
        };
        let Some(unit) = unit else {
            return error("not four hexadecimal digits", self.at);
        };
        self.at += 5;
        Ok(unit)
    }

    /// A number; returns whether a finite double can hold it.
    fn number(&mut self) -> Scan<bool> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.at;
        let digits = self.digits()?;
        if digits > 1 && self.text.as_bytes().get(whole) == Some(&b'0') {
            return error("a number with a leading zero", whole);
        }
        let mut plain = digits <= 300;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            plain = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        Ok(plain || text.parse::<f64>().is_ok_and(f64::is_finite))
    }

    fn digits(&mut self) -> Scan<usize> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            error("not a number", start)
        } else {
            Ok(self.at - start)
        }
    }

    fn literal(&mut self) -> Scan<()> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let words: [&[u8]; 3] = [b"true", b"false", b"null"];
        match words.into_iter().find(|word| rest.starts_with(word)) {
            Some(word) => {
                self.at += word.len();
                Ok(())
            }
            None => error("not a value", self.at),
        }
    }

    pub(super) fn no_duplicate(&self, names: &[impl Named]) -> Scan<()> {
        let twice = if names.len() <= FEW && !names.iter().any(|name| name.name().escaped) {
            self.twice_of_few(names)
        } else {
            self.twice(names)
        };
        match twice {
            Some(name) => error("a member name twice", super::usize_of(name.span.start)),
            None => Ok(()),
        }
    }

    /// For names without escapes: one is compared with those before it only where one of 64 marks
    /// shows that one may be equal.
    fn twice_of_few(&self, names: &[impl Named]) -> Option<Name> {
        let mut marks = 0_u64;
        for (index, one) in names.iter().enumerate() {
            let one = one.name();
            let mark = 1_u64 << one.mark(self.text);
            let earlier = names.get(..index).unwrap_or_default();
            if marks & mark != 0
                && earlier
                    .iter()
                    .any(|other| one.same(&other.name(), self.text))
            {
                return Some(one);
            }
            marks |= mark;
        }
        None
    }

    fn twice(&self, names: &[impl Named]) -> Option<Name> {
        let mut sorted: Vec<Name> = names.iter().map(Named::name).collect();
        if sorted.iter().any(|name| name.escaped) {
            sorted.sort_by_cached_key(|name| name.text(self.text));
        } else {
            sorted.sort_unstable_by_key(|name| name.span.of(self.text));
        }
        sorted.windows(2).find_map(|pair| match pair {
            [one, other] if one.same(other, self.text) => Some(*other),
            _ => None,
        })
    }

    /// The text of the next value of a validated array, or of the value after a name of a validated
    /// object.
    pub(super) fn next_element(&mut self) -> Option<&'a str> {
        self.skip_separators();
        let start = self.at;
        match self.peek()? {
            b']' | b'}' => return None,
            b'"' => {
                self.string().ok()?;
            }
            b'{' | b'[' => self.skip_container()?,
            _ => {
                let rest = self.text.get(start..)?;
                let end = rest.find([',', ']', '}', ' ', '\t', '\n', '\r']);
                self.at = end.map_or(self.text.len(), |end| start + end);
            }
        }
        self.text.get(start..self.at)
    }

    /// The next name of a validated object, with its quotes.
    pub(super) fn next_name(&mut self) -> Option<&'a str> {
        self.skip_separators();
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at;
        self.string().ok()?;
        self.text.get(start..self.at)
    }

    fn skip_separators(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b':') = self.peek() {
            self.at += 1;
        }
    }

    fn skip_container(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    self.string().ok()?;
                    continue;
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}

pub(super) trait Named {
    fn name(&self) -> Name;
}

impl Named for Name {
    fn name(&self) -> Name {
        *self
    }
}

impl Named for Member {
    fn name(&self) -> Name {
        Name {
            span: self.name,
            escaped: self.name_escaped,
        }
    }
}

impl Name {
    /// The name with its escapes decoded.
    pub(super) fn decode<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let raw = self.span.of(text);
        if self.escaped {
            Cow::Owned(unescape(raw))
        } else {
            Cow::Borrowed(raw)
        }
    }

    fn text(&self, text: &str) -> String {
        let raw = self.span.of(text);
        if self.escaped {
            unescape(raw)
        } else {
            raw.to_owned()
        }
    }

    /// Equal raw names have equal marks, from 0 to 63.
    fn mark(&self, text: &str) -> u32 {
        let raw = self.span.of(text).as_bytes();
        let first = raw.first().copied().map_or(0, u32::from);
        let last = raw.last().copied().map_or(0, u32::from);
        let middle = raw.get(raw.len() / 2).copied().map_or(0, u32::from);
        (first * 5 + middle * 3 + last + self.span.length() % 64 * 7) % 64
    }

    fn same(&self, other: &Self, text: &str) -> bool {
        if self.escaped || other.escaped {
            self.text(text) == other.text(text)
        } else {
            self.span.length() == other.span.length() && self.span.of(text) == other.span.of(text)
        }
    }
}

fn span(start: usize, end: usize) -> Span {
    Span {
        start: u32_of(start),
        end: u32_of(end),
    }
}

/// Texts over 4 GiB are refused earlier, so nothing saturates.
fn u32_of(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
