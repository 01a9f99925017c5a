//! One JSON-RPC message of a client, read strictly (JSON-RPC 2.0 section 4).
//!
//! It reads, in one pass, every member of any message that can decide something. `target.rs`
//! decides what a method makes of them.
//!
//! Some servers accept a member whose name differs from the expected one only by case (Go's
//! `encoding/json` does, and it also folds `ſ` to `s` and the Kelvin sign to `k`). A message with
//! such a name could be read in two ways, so it is refused.

use std::borrow::Cow;

use super::rpc::RequestId;
use crate::json::{JsonError, Next, Walker};

/// The member of `_meta` that names the protocol version.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// A member that has to be a string.
#[derive(Debug, Default)]
pub(super) enum Field<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    /// A value of another type.
    Other,
}

/// A member of which only the presence matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Presence {
    #[default]
    Absent,
    /// As good as absent: `null`, or an empty array.
    Empty,
    Present,
}

#[derive(Debug, Default)]
pub(super) enum Id {
    #[default]
    Absent,
    Known(RequestId),
    /// `null`, or another value that identifies nothing.
    Invalid,
}

/// The contents of a message, before they are interpreted.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    pub(super) jsonrpc: Field<'a>,
    pub(super) id: Id,
    pub(super) method: Field<'a>,
    pub(super) params: Params<'a>,
    pub(super) result: Presence,
    pub(super) error: Presence,
    /// A member whose name differs from a known one only by case.
    pub(super) look_alike: bool,
}

#[derive(Debug, Default)]
pub(super) struct Params<'a> {
    pub(super) shape: Shape,
    pub(super) name: Field<'a>,
    pub(super) uri: Field<'a>,
    pub(super) task: Field<'a>,
    pub(super) reference: Reference<'a>,
    pub(super) subscriptions: Subscriptions<'a>,
    /// `_meta` or the version in it has a wrong type, or a name that only looks right.
    pub(super) bad_meta: bool,
    /// The version that `_meta` names.
    pub(super) version: Field<'a>,
    /// `protocolVersion`, which `initialize` proposes.
    pub(super) proposed_version: Field<'a>,
    /// Another member whose name differs from a known one only by case.
    pub(super) look_alike: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    #[default]
    Absent,
    Object,
    Other,
}

/// `ref` of `completion/complete`.
#[derive(Debug, Default)]
pub(super) struct Reference<'a> {
    pub(super) shape: Shape,
    pub(super) kind: Field<'a>,
    pub(super) name: Field<'a>,
    pub(super) uri: Field<'a>,
}

/// `notifications` of `subscriptions/listen`.
#[derive(Debug, Default)]
pub(super) struct Subscriptions<'a> {
    pub(super) shape: Shape,
    pub(super) uris: Vec<Cow<'a, str>>,
    /// `resourceSubscriptions` is not an array of strings.
    pub(super) bad_uris: bool,
    pub(super) tasks: Presence,
    pub(super) task_ids: Vec<Cow<'a, str>>,
    /// `taskIds` is not an array of strings.
    pub(super) bad_task_ids: bool,
}

type Read = Result<(), JsonError>;

impl<'a> Message<'a> {
    /// Reads the object that comes next.
    pub(super) fn read(&mut self, walker: &mut Walker<'a>, text: &'a str) -> Read {
        walker.object(|walker, name| match name {
            "jsonrpc" => self.jsonrpc.read(walker),
            "id" => self.id.read(walker, text),
            "method" => self.method.read(walker),
            "params" => self.params.read(walker, text),
            "result" => self.result.read(walker, text),
            "error" => self.error.read(walker, text),
            _ => {
                let known = ["jsonrpc", "id", "method", "params", "result", "error"];
                self.look_alike |= looks_like_any(name, &known);
                walker.value().map(drop)
            }
        })
    }
}

impl<'a> Params<'a> {
    fn read(&mut self, walker: &mut Walker<'a>, text: &'a str) -> Read {
        if !self.shape.enter(walker, text)? {
            return Ok(());
        }
        walker.object(|walker, name| match name {
            "name" => self.name.read(walker),
            "uri" => self.uri.read(walker),
            "taskId" => self.task.read(walker),
            "ref" => self.reference.read(walker, text, &mut self.look_alike),
            "notifications" => self.subscriptions.read(walker, text, &mut self.look_alike),
            "_meta" => self.read_meta(walker, text),
            "protocolVersion" => self.proposed_version.read(walker),
            _ => {
                let known = ["name", "uri", "taskId", "ref", "notifications"];
                self.look_alike |= looks_like_any(name, &known);
                self.bad_meta |= looks_like_any(name, &["_meta"]);
                walker.value().map(drop)
            }
        })
    }

    fn read_meta(&mut self, walker: &mut Walker<'a>, text: &'a str) -> Read {
        let mut shape = Shape::Absent;
        if !shape.enter(walker, text)? {
            self.bad_meta |= shape == Shape::Other;
            return Ok(());
        }
        walker.object(|walker, name| {
            if name == VERSION {
                return self.version.read(walker);
            }
            self.bad_meta |= looks_like_any(name, &[VERSION]);
            walker.value().map(drop)
        })
    }
}

impl<'a> Reference<'a> {
    fn read(&mut self, walker: &mut Walker<'a>, text: &str, odd: &mut bool) -> Read {
        if !self.shape.enter(walker, text)? {
            return Ok(());
        }
        walker.object(|walker, name| match name {
            "type" => self.kind.read(walker),
            "name" => self.name.read(walker),
            "uri" => self.uri.read(walker),
            _ => {
                let known = ["type", "name", "uri"];
                *odd |= looks_like_any(name, &known);
                walker.value().map(drop)
            }
        })
    }
}

impl<'a> Subscriptions<'a> {
    fn read(&mut self, walker: &mut Walker<'a>, text: &str, odd: &mut bool) -> Read {
        if !self.shape.enter(walker, text)? {
            return Ok(());
        }
        walker.object(|walker, name| match name {
            "resourceSubscriptions" => {
                strings(walker, text, &mut self.uris, &mut self.bad_uris).map(drop)
            }
            "taskIds" => {
                self.tasks = strings(walker, text, &mut self.task_ids, &mut self.bad_task_ids)?;
                Ok(())
            }
            _ => {
                let known = ["resourceSubscriptions", "taskIds"];
                *odd |= looks_like_any(name, &known);
                walker.value().map(drop)
            }
        })
    }
}

impl<'a> Field<'a> {
    fn read(&mut self, walker: &mut Walker<'a>) -> Read {
        *self = walker.text()?.map_or(Self::Other, Self::Text);
        Ok(())
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Other => None,
        }
    }
}

impl Id {
    fn read(&mut self, walker: &mut Walker<'_>, text: &str) -> Read {
        let is_string = walker.next() == Next::String;
        let raw = text.get(walker.value()?).unwrap_or_default();
        let is_number = raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        *self = if is_string || is_number {
            Self::Known(RequestId::of_json(raw))
        } else {
            Self::Invalid
        };
        Ok(())
    }
}

impl Presence {
    fn read(&mut self, walker: &mut Walker<'_>, text: &str) -> Read {
        let raw = text.get(walker.value()?).unwrap_or_default();
        *self = if raw == "null" {
            Self::Empty
        } else {
            Self::Present
        };
        Ok(())
    }
}

impl Shape {
    /// Returns whether an object comes next; anything else is consumed. `null` counts as absent.
    fn enter(&mut self, walker: &mut Walker<'_>, text: &str) -> Result<bool, JsonError> {
        if walker.next() == Next::Object {
            *self = Self::Object;
            return Ok(true);
        }
        let raw = text.get(walker.value()?).unwrap_or_default();
        *self = if raw == "null" {
            Self::Absent
        } else {
            Self::Other
        };
        Ok(false)
    }
}

/// Reads an array of strings; anything else except `null` sets `bad`.
fn strings<'a>(
    walker: &mut Walker<'a>,
    text: &str,
    list: &mut Vec<Cow<'a, str>>,
    bad: &mut bool,
) -> Result<Presence, JsonError> {
    if walker.next() != Next::Array {
        let raw = text.get(walker.value()?).unwrap_or_default();
        if raw == "null" {
            return Ok(Presence::Empty);
        }
        *bad = true;
        return Ok(Presence::Present);
    }
    let mut presence = Presence::Empty;
    walker.array(|walker| {
        presence = Presence::Present;
        match walker.text()? {
            Some(one) => list.push(one),
            None => *bad = true,
        }
        Ok(())
    })?;
    Ok(presence)
}

/// Whether a name differs only by case from one of these, as lenient readers fold it.
#[inline]
fn looks_like_any(name: &str, known: &[&str]) -> bool {
    // Nearly every name differs in the first byte. Characters beyond ASCII may be folded to `s` or
    // to `k`.
    let first = |text: &str| text.bytes().next().map(|byte| byte.to_ascii_lowercase());
    let mine = first(name);
    let may_be_folded = mine.is_some_and(|byte| !byte.is_ascii());
    known
        .iter()
        .any(|known| (may_be_folded || mine == first(known)) && look_alike(name, known))
}

/// Whether two names differ only by case.
fn look_alike(name: &str, known: &str) -> bool {
    // Folding makes a name at most three times as long, and never shorter.
    if name.len() < known.len() || name.len() > 3 * known.len() {
        return false;
    }
    let fold = |c: char| match c {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        _ => c.to_ascii_lowercase(),
    };
    name != known && name.chars().map(fold).eq(known.chars().map(fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_alike_differs_by_case_alone() {
        for (name, known) in [
            ("Method", "method"),
            ("METHOD", "method"),
            ("param\u{17f}", "params"),
            ("PARAM\u{17f}", "params"),
            ("taskid", "taskId"),
            ("ta\u{17f}\u{212a}Id", "taskId"),
            ("_Meta", "_meta"),
            ("\u{17f}ample", "sample"),
            ("\u{212a}ey", "key"),
        ] {
            assert!(look_alike(name, known), "{name}");
            assert!(looks_like_any(name, &["x", known]), "{name}");
        }
        for (name, known) in [
            ("method", "method"),
            ("methods", "method"),
            ("metho", "method"),
            ("métHod", "method"),
            (" method", "method"),
            ("", "id"),
        ] {
            assert!(!look_alike(name, known), "{name}");
            assert!(!looks_like_any(name, &[known]), "{name}");
        }
    }
}
