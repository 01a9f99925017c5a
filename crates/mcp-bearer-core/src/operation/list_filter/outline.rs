//! Decides by the first bytes of a message from the server whether it is a list, or something that
//! need not be held.
//!
//! Most messages of a server are not lists, and may be large or not quite valid. This code looks at
//! member names on the two outer levels as the bytes arrive, and decides as soon as it can. A
//! message about which it cannot decide is held and read strictly.

use crate::operation::list_view::{ListView, Listed};

/// What is known about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outline {
    /// Nothing has been decided.
    Open,
    /// Nothing in it can be hidden, unless a later member says otherwise. It can be passed on while
    /// the rest of it is watched.
    Plain,
    /// It is or may be a list, a batch, or a notification about what may be hidden.
    Held,
    /// It is not a JSON object or array.
    NotJson,
}

/// Which members of a result show that it is not the answer to a list request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtherResults {
    /// A result with the members of another kind of answer is plain.
    ArePlain,
    /// The answer has to be a list, so only its end shows that it is not one.
    AreRead,
}

/// The members that identify the answers to `tools/call`, `prompts/get`, `resources/read` and
/// `completion/complete`. No list has one.
const OTHER_RESULTS: [&[u8]; 5] = [
    b"content",
    b"structuredContent",
    b"messages",
    b"contents",
    b"completion",
];

/// A name longer than this is not one that matters.
const LONGEST_NAME: usize = 40;

/// An id longer than this is not remembered.
const LONGEST_ID: usize = 128;

#[derive(Debug)]
pub(super) struct OutlineReader {
    outline: Outline,
    was_plain: bool,
    other_results: OtherResults,
    state: State,
    level: Level,
    name: Vec<u8>,
    id: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Message,
    Result,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the message.
    Start,
    /// After a brace or a comma.
    Name,
    InName,
    /// After a name.
    Colon,
    /// After a colon.
    Value,
    InMethod,
    InId(Text),
    /// In an array or an object that does not matter.
    Skip {
        depth: usize,
    },
    SkipString {
        depth: usize,
        text: Text,
    },
    SkipScalar,
    /// After a value.
    Comma,
    /// After the message.
    End,
}

/// A value that is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Scalar,
    String,
    /// After a backslash in a string.
    Escaped,
}

impl OutlineReader {
    pub(super) fn new(other_results: OtherResults) -> Self {
        Self {
            outline: Outline::Open,
            was_plain: false,
            other_results,
            state: State::Start,
            level: Level::Message,
            name: Vec::new(),
            id: Vec::new(),
        }
    }

    /// What is known so far.
    pub(super) fn outline(&self) -> Outline {
        self.outline
    }

    /// Whether it was known to hold nothing to hide, before a member came that says otherwise.
    pub(super) fn was_plain(&self) -> bool {
        self.was_plain
    }

    /// Whether only white space has arrived.
    pub(super) fn is_blank(&self) -> bool {
        self.outline == Outline::Open && self.state == State::Start
    }

    /// Whether the message was read to its end.
    pub(super) fn has_ended(&self) -> bool {
        self.state == State::End
    }

    /// The id of the message as JSON text, if it comes before the member that decided.
    pub(super) fn id(&self) -> Option<&str> {
        let complete = !matches!(self.state, State::InId(_)) && !self.id.is_empty();
        let id = complete.then(|| std::str::from_utf8(&self.id).ok())??;
        (id.len() <= LONGEST_ID).then_some(id)
    }

    /// Reads until it knows something new. Returns how many bytes it took.
    pub(super) fn read(&mut self, bytes: &[u8], view: &ListView) -> usize {
        let known = self.outline;
        let mut at = 0;
        while self.outline == known && matches!(known, Outline::Open | Outline::Plain) {
            let rest = bytes.get(at..).unwrap_or_default();
            at += self.skip(rest);
            let Some(byte) = bytes.get(at) else {
                return at;
            };
            at += 1;
            self.step(*byte, view);
        }
        at
    }

    /// How many of the next bytes decide nothing.
    fn skip(&self, bytes: &[u8]) -> usize {
        let found = match self.state {
            State::Skip { .. } => {
                let matters = |byte: &u8| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']');
                bytes.iter().position(matters)
            }
            State::SkipString {
                text: Text::String, ..
            } => memchr::memchr2(b'"', b'\\', bytes),
            _ => return 0,
        };
        found.unwrap_or(bytes.len())
    }

    fn step(&mut self, byte: u8, view: &ListView) {
        match self.state {
            State::InName => self.in_name(byte),
            State::InMethod => self.in_method(byte, view),
            State::InId(text) => self.in_id(byte, text),
            State::SkipString { depth, text } => {
                self.state = match text.step(byte) {
                    Some(text) => State::SkipString { depth, text },
                    None if depth == 0 => State::Comma,
                    None => State::Skip { depth },
                };
            }
            State::Skip { depth } => {
                self.state = match byte {
                    b'"' => State::SkipString {
                        depth,
                        text: Text::String,
                    },
                    b'{' | b'[' => State::Skip { depth: depth + 1 },
                    b'}' | b']' if depth == 1 => State::Comma,
                    b'}' | b']' => State::Skip { depth: depth - 1 },
                    _ => State::Skip { depth },
                };
            }
            State::SkipScalar if Text::Scalar.step(byte).is_none() => {
                self.state = State::Comma;
                self.step(byte, view);
            }
            State::SkipScalar => {}
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {}
            State::Start => match byte {
                b'{' => self.state = State::Name,
                b'[' => self.decide(Outline::Held),
                // A byte order mark, or UTF-16: some readers would accept it.
                0xEF | 0xFE | 0xFF | 0 => self.decide(Outline::Held),
                _ => self.decide(Outline::NotJson),
            },
            State::Name => match byte {
                b'"' => {
                    self.name.clear();
                    self.state = State::InName;
                }
                b'}' => self.close(),
                _ => self.decide(Outline::Held),
            },
            State::Colon => match byte {
                b':' => self.enter_value(view),
                _ => self.decide(Outline::Held),
            },
            State::Value => self.value(byte),
            State::Comma => match byte {
                b',' => self.state = State::Name,
                b'}' => self.close(),
                _ => self.decide(Outline::Held),
            },
            State::End => self.decide(Outline::Held),
        }
    }

    fn decide(&mut self, outline: Outline) {
        self.outline = outline;
        self.was_plain |= outline == Outline::Plain;
    }

    /// The end of the result or of the message.
    fn close(&mut self) {
        if self.level == Level::Result {
            self.level = Level::Message;
            self.state = State::Comma;
        } else {
            self.state = State::End;
        }
    }

    fn in_name(&mut self, byte: u8) {
        match byte {
            b'"' => self.state = State::Colon,
            // The strict reading decides what an escape makes of the name.
            b'\\' | 0..0x20 => self.decide(Outline::Held),
            _ if self.name.len() <= LONGEST_NAME => self.name.push(byte),
            _ => {}
        }
    }

    /// After the colon: some names decide whatever their value is.
    fn enter_value(&mut self, view: &ListView) {
        self.state = State::Value;
        if self.level == Level::Message {
            let again = self.name == b"result" || self.name == b"method";
            if self.outline == Outline::Plain && again {
                self.decide(Outline::Held);
            }
            return;
        }
        let list = std::str::from_utf8(&self.name)
            .ok()
            .and_then(Listed::of_member);
        if list.is_some_and(|list| view.filters(list)) {
            self.decide(Outline::Held);
        } else if self.other_results == OtherResults::ArePlain
            && OTHER_RESULTS.contains(&self.name.as_slice())
        {
            self.decide(Outline::Plain);
            // The rest of the result does not matter.
            self.level = Level::Message;
            self.state = State::Skip { depth: 1 };
        }
    }

    fn value(&mut self, byte: u8) {
        let is = |name: &[u8]| self.level == Level::Message && self.name == name;
        self.state = match byte {
            b'{' if is(b"result") => {
                self.level = Level::Result;
                State::Name
            }
            b'"' if is(b"method") => {
                self.name.clear();
                State::InMethod
            }
            _ if is(b"method") => return self.decide(Outline::Held),
            b'"' | b'-' | b'0'..=b'9' if is(b"id") => {
                self.id.clear();
                self.id.push(byte);
                State::InId(if byte == b'"' {
                    Text::String
                } else {
                    Text::Scalar
                })
            }
            b'"' => State::SkipString {
                depth: 0,
                text: Text::String,
            },
            b'{' | b'[' => State::Skip { depth: 1 },
            b',' | b'}' | b']' | b':' => return self.decide(Outline::Held),
            _ => State::SkipScalar,
        };
    }

    fn in_id(&mut self, byte: u8, text: Text) {
        match text.step(byte) {
            Some(text) => self.state = State::InId(text),
            None if text == Text::Scalar => {
                self.state = State::Comma;
                match byte {
                    b',' => self.state = State::Name,
                    b'}' => self.close(),
                    b' ' | b'\t' | b'\n' | b'\r' => {}
                    _ => self.decide(Outline::Held),
                }
                return;
            }
            None => self.state = State::Comma,
        }
        if self.id.len() <= LONGEST_ID {
            self.id.push(byte);
        }
    }

    fn in_method(&mut self, byte: u8, view: &ListView) {
        match byte {
            b'"' => {
                let outline = if is_about_hidden(&self.name, view) {
                    Outline::Held
                } else {
                    Outline::Plain
                };
                self.decide(outline);
                self.state = State::Comma;
            }
            b'\\' | 0..0x20 => self.decide(Outline::Held),
            _ if self.name.len() <= LONGEST_NAME => self.name.push(byte),
            _ => {}
        }
    }
}

impl Text {
    /// The state after the next byte; none after its end. The end of a string is its last byte,
    /// that of a scalar the byte after it.
    fn step(self, byte: u8) -> Option<Self> {
        match self {
            Self::Escaped => Some(Self::String),
            Self::String => match byte {
                b'\\' => Some(Self::Escaped),
                b'"' => None,
                _ => Some(Self::String),
            },
            Self::Scalar => match byte {
                b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r' => None,
                _ => Some(Self::Scalar),
            },
        }
    }
}

/// Whether a notification may reveal something hidden to a caller.
fn is_about_hidden(method: &[u8], view: &ListView) -> bool {
    let is = |name: &str| method == name.as_bytes();
    (is(UPDATED) && view.filters(Listed::Resources))
        || Listed::ALL
            .into_iter()
            .any(|list| is(list.changed()) && view.hides_all(list))
}

/// The notification that one resource has changed.
pub(super) const UPDATED: &str = "notifications/resources/updated";
