//! One validated object: the positions of its members, alone or together with the text.

use std::borrow::Cow;

use super::scan::{self, Uniqueness};
use super::unique::{Name, Named};
use super::{JsonError, Span, Text, Value, utf8};

/// An object together with the text that its members point into.
#[derive(Clone, Debug)]
pub(crate) struct JsonObject {
    text: String,
    members: Members,
}

impl JsonObject {
    /// Reads and validates one object; `bytes` must be nothing else.
    pub(crate) fn read(bytes: Vec<u8>) -> Result<Self, JsonError> {
        let text = utf8(bytes)?;
        let members = Members::parse(&text)?;
        Ok(Self { text, members })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The value of a member.
    pub(crate) fn get(&self, name: &str) -> Option<Value<'_>> {
        self.members.get(&self.text, name)
    }

    /// Name and value of each member, in order.
    pub(crate) fn members(&self) -> impl Iterator<Item = (Cow<'_, str>, Unread<'_>)> {
        self.members.iter(&self.text)
    }

    /// The position of the first number that no finite double can hold.
    pub(crate) const fn huge_number_at(&self) -> Option<usize> {
        self.members.huge_number_at
    }

    /// A part of the text, kept by position; a text from elsewhere is kept by its contents.
    pub(crate) fn keep(&self, part: &str) -> Text {
        Text::keep(&self.text, part)
    }

    pub(crate) fn to_map(&self) -> serde_json::Map<String, serde_json::Value> {
        self.members.to_map(&self.text)
    }

    /// How many bytes of memory it holds.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.text.capacity()
            + self.members.list.capacity() * size_of::<Member>()
    }
}

/// The members of one validated object, as positions in its text.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    list: Vec<Member>,
    huge_number_at: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) name: Name,
    pub(super) value: Span,
    pub(super) value_escaped: bool,
}

/// The value of a member, which costs nothing until it is read.
#[derive(Clone, Copy)]
pub(crate) struct Unread<'a> {
    member: Member,
    text: &'a str,
}

impl Members {
    /// Reads and validates one object; `text` must be nothing else.
    pub(crate) fn parse(text: &str) -> Result<Self, JsonError> {
        scan::object(text, Uniqueness::Everywhere)
    }

    /// The same, but the names in inner objects are not compared: parse an inner object by itself
    /// before reading it.
    pub(crate) fn parse_outermost(text: &str) -> Result<Self, JsonError> {
        scan::object(text, Uniqueness::Outermost)
    }

    pub(super) const fn new(list: Vec<Member>, huge_number_at: Option<usize>) -> Self {
        Self {
            list,
            huge_number_at,
        }
    }

    /// The position of the first number that no finite double can hold.
    pub(crate) const fn huge_number_at(&self) -> Option<usize> {
        self.huge_number_at
    }

    /// Name and value of each member, in order. `text` must be the text that was parsed.
    pub(crate) fn iter<'s, 'a: 's>(
        &'s self,
        text: &'a str,
    ) -> impl Iterator<Item = (Cow<'a, str>, Unread<'a>)> + 's {
        self.list
            .iter()
            .map(move |member| (member.name.decode(text), member.unread(text)))
    }

    /// The value of a member. `text` must be the text that was parsed.
    pub(crate) fn get<'a>(&self, text: &'a str, name: &str) -> Option<Value<'a>> {
        let named = |member: &&Member| member.is_named(text, name);
        Some(self.list.iter().find(named)?.unread(text).read())
    }

    /// The whole object as a tree, for callers that want one.
    pub(crate) fn to_map(&self, text: &str) -> serde_json::Map<String, serde_json::Value> {
        self.iter(text)
            .map(|(name, value)| (name.into_owned(), value.read().to_tree()))
            .collect()
    }
}

impl Named for Member {
    fn name(&self) -> Name {
        self.name
    }
}

impl Member {
    fn is_named(&self, text: &str, name: &str) -> bool {
        if self.name.escaped {
            self.name.decode(text) == name
        } else {
            self.name.span.of(text) == name
        }
    }

    const fn unread<'a>(&self, text: &'a str) -> Unread<'a> {
        Unread {
            member: *self,
            text,
        }
    }
}

impl<'a> Unread<'a> {
    /// Its JSON text, as written.
    pub(crate) fn json(self) -> &'a str {
        self.member.value.of(self.text)
    }

    pub(crate) fn read(self) -> Value<'a> {
        let raw = self.json();
        if !self.member.value_escaped && raw.starts_with('"') {
            return Value::String(Cow::Borrowed(raw.get(1..raw.len() - 1).unwrap_or_default()));
        }
        Value::of(raw)
    }
}
