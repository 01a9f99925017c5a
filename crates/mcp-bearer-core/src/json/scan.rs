//! The pass over the bytes. It is iterative: nesting costs a bit, not a stack frame.
//!
//! It accepts nothing that RFC 8259 does not, and looks at each byte a bounded number of times.

use super::object::{Member, Members};
use super::scalar;
use super::unique::{Name, Seen};
use super::{Scan, Span, error};
use crate::limits::Limits;

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

pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    huge_number_at: Option<usize>,
    /// The names of all open objects, each object's after those of the object around it.
    pub(super) names: Vec<Name>,
    /// The objects around the innermost one of an open container.
    outer: Vec<Outer>,
}

/// An object that waits for the end of one inside it.
#[derive(Clone, Copy)]
struct Outer {
    seen: Seen,
    /// Where its names begin.
    start: usize,
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
        Ok(Self::at(text, 0))
    }

    /// Just after the opening bracket of a validated array or object.
    pub(super) const fn inside(text: &'a str) -> Self {
        Self::at(text, 1)
    }

    const fn at(text: &'a str, at: usize) -> Self {
        Self {
            text,
            at,
            huge_number_at: None,
            names: Vec::new(),
            outer: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    pub(super) fn skip_space(&mut self) {
        self.at = behind_space(self.text.as_bytes(), self.at);
    }

    fn whole(&mut self, uniqueness: Uniqueness) -> Scan<Members> {
        let mut members: Vec<Member> = Vec::with_capacity(16);
        let mut seen = Seen::default();
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
            while self.member(&mut members, &mut seen, uniqueness)? {}
        }
        self.skip_space();
        if self.peek().is_some() {
            return error("something follows the object", self.at);
        }
        seen.no_duplicate(&members, self.text)?;
        Ok(Members::new(members, self.huge_number_at))
    }

    /// One member of the outermost object and what follows it; returns whether another one must
    /// follow.
    fn member(
        &mut self,
        members: &mut Vec<Member>,
        seen: &mut Seen,
        uniqueness: Uniqueness,
    ) -> Scan<bool> {
        self.skip_space();
        let name = self.name()?;
        seen.add(&name, || members.as_slice(), self.text);
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
            name,
            value: Span::new(start, self.at),
            value_escaped,
        });
        self.another(b'}')
    }

    /// Consumes the comma before another member or element, or the closing bracket.
    #[inline]
    pub(super) fn another(&mut self, close: u8) -> Scan<bool> {
        self.skip_space();
        let at = self.at;
        self.at += 1;
        match self.text.as_bytes().get(at) {
            Some(b',') => Ok(true),
            Some(byte) if *byte == close => Ok(false),
            Some(_) => error("neither a comma nor the end", at),
            None => error("ends too early", at),
        }
    }

    /// An array or an object inside `open` others, with everything in it.
    pub(super) fn container(&mut self, uniqueness: Uniqueness, open: usize) -> Scan<()> {
        let compared = uniqueness == Uniqueness::Everywhere;
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        let mut depth = open;
        // The lowest bit: whether the innermost one is an object; the next bit: the one around it.
        let mut objects = 0_u128;
        let mut object = Outer {
            seen: Seen::default(),
            start: self.names.len(),
        };
        loop {
            // At a value.
            at = behind_space(bytes, at);
            match bytes.get(at) {
                Some(b'"') => at = scalar::string(bytes, at)?.at,
                Some(byte @ (b'{' | b'[')) => {
                    if depth >= Limits::JSON_DEPTH {
                        return error("nested deeper than 127 levels", at);
                    }
                    depth += 1;
                    let is_object = *byte == b'{';
                    objects = (objects << 1) | u128::from(is_object);
                    at = behind_space(bytes, at + 1);
                    let next = bytes.get(at).copied();
                    if is_object {
                        if compared {
                            if depth > open + 1 {
                                self.outer.push(object);
                            }
                            object = Outer {
                                seen: Seen::default(),
                                start: self.names.len(),
                            };
                        }
                        if next != Some(b'}') {
                            at = self.member_name(at, &mut object, compared)?;
                            continue;
                        }
                    } else if next != Some(b']') {
                        continue;
                    }
                }
                _ => at = self.number_or_literal(at)?,
            }
            // After a value, or before the end of an empty container.
            while depth > open {
                at = behind_space(bytes, at);
                let is_object = objects & 1 == 1;
                match bytes.get(at) {
                    Some(b',') => {
                        at += 1;
                        if is_object {
                            at = behind_space(bytes, at);
                            at = self.member_name(at, &mut object, compared)?;
                        }
                        break;
                    }
                    Some(b'}') if is_object => {
                        if compared {
                            let names = self.names.get(object.start..).unwrap_or_default();
                            object.seen.no_duplicate(names, self.text)?;
                            self.names.truncate(object.start);
                            if depth > open + 1 {
                                object = self.outer.pop().unwrap_or(object);
                            }
                        }
                    }
                    Some(b']') if !is_object => {}
                    Some(_) => return error("neither a comma nor the end", at),
                    None => return error("ends too early", at),
                }
                at += 1;
                depth -= 1;
                objects >>= 1;
            }
            if depth == open {
                self.at = at;
                return Ok(());
            }
        }
    }

    /// The next name of the innermost object.
    #[inline]
    fn member_name(&mut self, at: usize, object: &mut Outer, compared: bool) -> Scan<usize> {
        let (name, at) = name(self.text.as_bytes(), at)?;
        if compared {
            let earlier = || self.names.get(object.start..).unwrap_or_default();
            object.seen.add(&name, earlier, self.text);
            self.names.push(name);
        }
        Ok(at)
    }

    /// A value that contains no others; returns whether it is a string with an escape.
    #[inline]
    pub(super) fn scalar(&mut self) -> Scan<bool> {
        if self.peek() == Some(b'"') {
            return self.string();
        }
        self.at = self.number_or_literal(self.at)?;
        Ok(false)
    }

    /// A value that is neither a string nor contains others.
    fn number_or_literal(&mut self, at: usize) -> Scan<usize> {
        let bytes = self.text.as_bytes();
        match bytes.get(at) {
            Some(b'-' | b'0'..=b'9') => {
                let number = scalar::number(bytes, at)?;
                if !number.finite {
                    self.huge_number_at = self.huge_number_at.or(Some(at));
                }
                Ok(number.at)
            }
            Some(_) => scalar::literal(bytes, at),
            None => error("ends too early", at),
        }
    }

    /// A string; returns whether it contains an escape.
    #[inline]
    pub(super) fn string(&mut self) -> Scan<bool> {
        let string = scalar::string(self.text.as_bytes(), self.at)?;
        self.at = string.at;
        Ok(string.escaped)
    }

    /// A member name and its colon.
    #[inline]
    pub(super) fn name(&mut self) -> Scan<Name> {
        let (name, at) = name(self.text.as_bytes(), self.at)?;
        self.at = at;
        Ok(name)
    }
}

/// A member name and its colon, and the position behind them.
#[inline(always)]
fn name(bytes: &[u8], start: usize) -> Scan<(Name, usize)> {
    match bytes.get(start) {
        Some(b'"') => {}
        Some(_) => return error("not a member name", start),
        None => return error("ends too early", start),
    }
    let end = scalar::string(bytes, start)?;
    let at = behind_space(bytes, end.at);
    if bytes.get(at) != Some(&b':') {
        return error("a member name without a colon", at);
    }
    let name = Name::new(bytes, start + 1, end.at - 1, end.escaped);
    Ok((name, at + 1))
}

#[inline]
fn behind_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}
