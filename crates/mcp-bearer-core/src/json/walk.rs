//! The same strict pass, for a text whose outline the caller knows: it descends where the caller
//! descends, and validates everything on the way exactly once.
//!
//! A JSON-RPC message can be megabytes long while only a few of its members decide anything. An
//! index of all members ([`Members`](super::Members)) would have to be read again to find them, and
//! the list of tools would be scanned three times.

use std::borrow::Cow;
use std::ops::Range;

use super::scan::{Scanner, Uniqueness};
use super::unescape::unescape;
use super::unique::Seen;
use super::{Scan, error};

/// What kind of value comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Object,
    Array,
    String,
    /// A number, a literal, or something that is not a value.
    Other,
}

/// A reader positioned before a value. Every method except [`next`](Self::next) consumes one.
pub(crate) struct Walker<'a> {
    scanner: Scanner<'a>,
    /// How many arrays and objects are open.
    open: usize,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(text: &'a str) -> Scan<Self> {
        let mut scanner = Scanner::new(text)?;
        scanner.names.reserve(16);
        Ok(Self { scanner, open: 0 })
    }

    /// The kind of the next value.
    pub(crate) fn next(&mut self) -> Next {
        self.scanner.skip_space();
        match self.scanner.peek() {
            Some(b'{') => Next::Object,
            Some(b'[') => Next::Array,
            Some(b'"') => Next::String,
            _ => Next::Other,
        }
    }

    /// Reads an object. `each` gets the name of every member and consumes its value.
    ///
    /// The recursion is the caller's, so its depth is that of the caller's code.
    pub(crate) fn object(&mut self, mut each: impl FnMut(&mut Self, &str) -> Scan<()>) -> Scan<()> {
        if self.next() != Next::Object {
            return error("not an object", self.scanner.at);
        }
        self.scanner.at += 1;
        self.open += 1;
        let outer = self.scanner.names.len();
        let mut seen = Seen::default();
        self.scanner.skip_space();
        if self.scanner.peek() == Some(b'}') {
            self.scanner.at += 1;
        } else {
            loop {
                self.scanner.skip_space();
                let name = self.scanner.name()?;
                let earlier = || self.scanner.names.get(outer..).unwrap_or_default();
                seen.add(&name, earlier, self.scanner.text);
                self.scanner.names.push(name);
                if name.escaped {
                    each(self, &name.decode(self.scanner.text))?;
                } else {
                    each(self, name.span.of(self.scanner.text))?;
                }
                if !self.scanner.another(b'}')? {
                    break;
                }
            }
        }
        self.open -= 1;
        let names = self.scanner.names.get(outer..).unwrap_or_default();
        seen.no_duplicate(names, self.scanner.text)?;
        self.scanner.names.truncate(outer);
        Ok(())
    }

    /// Reads an array. `each` consumes every element.
    pub(crate) fn array(&mut self, mut each: impl FnMut(&mut Self) -> Scan<()>) -> Scan<()> {
        if self.next() != Next::Array {
            return error("not an array", self.scanner.at);
        }
        self.scanner.at += 1;
        self.open += 1;
        self.scanner.skip_space();
        if self.scanner.peek() == Some(b']') {
            self.scanner.at += 1;
        } else {
            loop {
                each(self)?;
                if !self.scanner.another(b']')? {
                    break;
                }
            }
        }
        self.open -= 1;
        Ok(())
    }

    /// Reads a value of any kind; returns its range.
    pub(crate) fn value(&mut self) -> Scan<Range<usize>> {
        let next = self.next();
        let start = self.scanner.at;
        match next {
            Next::Object | Next::Array => {
                self.scanner.container(Uniqueness::Everywhere, self.open)?;
            }
            Next::String | Next::Other => {
                self.scanner.scalar()?;
            }
        }
        Ok(start..self.scanner.at)
    }

    /// Reads a value of any kind; returns its contents if it is a string.
    pub(crate) fn text(&mut self) -> Scan<Option<Cow<'a, str>>> {
        if self.next() != Next::String {
            return self.value().map(|_| None);
        }
        let start = self.scanner.at + 1;
        let escaped = self.scanner.string()?;
        let raw = self.scanner.text.get(start..self.scanner.at - 1);
        let raw = raw.unwrap_or_default();
        Ok(Some(if escaped {
            Cow::Owned(unescape(raw))
        } else {
            Cow::Borrowed(raw)
        }))
    }

    /// The position: after the value that was read last, or at the next one if that has been looked
    /// at.
    pub(crate) const fn position(&self) -> usize {
        self.scanner.at
    }

    /// Checks that nothing follows the one value.
    pub(crate) fn end(mut self) -> Scan<()> {
        self.scanner.skip_space();
        match self.scanner.peek() {
            Some(_) => error("something follows the value", self.scanner.at),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::object::Members;
    use super::*;

    /// Walks everything: descends into each array and object as deep as this code goes, then reads
    /// it whole.
    fn walk(text: &str) -> Scan<()> {
        let mut walker = Walker::new(text)?;
        walker.object(|walker, _| descend(walker, 6))?;
        walker.end()
    }

    fn descend(walker: &mut Walker<'_>, levels: usize) -> Scan<()> {
        match walker.next() {
            Next::Object if levels > 0 => walker.object(|walker, _| descend(walker, levels - 1)),
            Next::Array if levels > 0 => walker.array(|walker| descend(walker, levels - 1)),
            Next::String => walker.text().map(drop),
            _ => walker.value().map(drop),
        }
    }

    #[test]
    fn it_accepts_what_the_index_accepts_and_nothing_else() {
        let deep = |levels: usize| {
            format!(
                r#"{{"a":{}{}}}"#,
                "[".repeat(levels - 1),
                "]".repeat(levels - 1)
            )
        };
        let objects =
            |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        let mut texts: Vec<String> = [
            "{}",
            " { } ",
            r#"{"a":1}"#,
            r#"{"a":1,"b":[1,2,{"c":null}]}"#,
            r#"{"a":"\ud83d\ude00"}"#,
            r#"{"a":[]}"#,
            r#"{"a":[ ]}"#,
            r#"{"a":{}}"#,
            r#"{"a":[[],[[]]]}"#,
            r#"{"a":1e999}"#,
            "",
            "[]",
            "1",
            "{",
            r#"{"a""#,
            r#"{"a":"#,
            r#"{"a":1"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":1}x"#,
            r#"{"a":1]"#,
            r#"{"a":[1}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[,1]}"#,
            r#"{"a":[1 2]}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[{"b":1,"\u0062":2}]}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":tru}"#,
            r#"{"a":01}"#,
            r#"{a:1}"#,
            r#"{"a" 1}"#,
            "\u{feff}{}",
            r#"{"a":"#,
            "{\"a\":\"\n\"}",
        ]
        .map(ToOwned::to_owned)
        .into();
        texts.extend([deep(5), deep(126), deep(127), deep(128), deep(200)]);
        texts.extend([
            objects(5),
            objects(126),
            objects(127),
            objects(128),
            objects(200),
        ]);
        for text in texts {
            let walked = walk(&text).is_ok();
            assert_eq!(walked, Members::parse(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn it_returns_the_range_of_values_and_the_contents_of_strings() {
        let text = r#" {"a" : "x\u0041" , "b":[ {"c":1} , 2 ]}"#;
        let mut walker = Walker::new(text).unwrap();
        let mut seen = Vec::new();
        walker
            .object(|walker, name| {
                if name == "a" {
                    seen.push(walker.text()?.unwrap().into_owned());
                    return Ok(());
                }
                walker.array(|walker| {
                    let at = walker.value()?;
                    seen.push(text[at].to_owned());
                    Ok(())
                })
            })
            .unwrap();
        assert_eq!(walker.position(), text.len());
        walker.end().unwrap();
        assert_eq!(seen, ["xA", r#"{"c":1}"#, "2"]);
    }

    #[test]
    fn a_value_that_nobody_reads_is_an_error() {
        assert!(
            Walker::new(r#"{"a":1}"#)
                .unwrap()
                .object(|_, _| Ok(()))
                .is_err()
        );
        assert!(Walker::new("[1]").unwrap().array(|_| Ok(())).is_err());
    }
}
