//! One message of the server, read strictly: what has to be removed from it.

use std::borrow::Cow;
use std::ops::Range;

use super::outline::UPDATED;
use crate::json::{JsonError, Next, Walker};
use crate::operation::list_view::{ListView, Listed};

/// What happens to a message.
#[derive(Debug, PartialEq)]
pub(super) enum Judged {
    /// It passes unchanged.
    Unchanged,
    /// It passes with these changes, in order.
    Changed(Vec<Edit>),
    /// None of it may be seen.
    Dropped,
}

/// A range of the text, and its replacement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edit {
    range: Range<usize>,
    with: &'static str,
}

/// The elements of an array, as far as they decide what is left of it.
#[derive(Default)]
struct Elements {
    kept: usize,
    /// Where the dropped elements after the last kept one begin.
    dropped_from: Option<usize>,
    /// The end of the last kept element.
    kept_to: Option<usize>,
    /// The end of the last element.
    to: usize,
    edits: Vec<Edit>,
}

/// Judges a text that is one message or a batch of them.
pub(super) fn judge(text: &str, view: &ListView) -> Result<Judged, JsonError> {
    let mut walker = Walker::new(text)?;
    let mut edits = Vec::new();
    let mut dropped = false;
    if walker.next() == Next::Array {
        let mut messages = Elements::default();
        walker.array(|walker| {
            walker.next();
            let start = walker.position();
            let keep = !read_message(walker, text, view, &mut edits)?;
            messages.add(start..walker.position(), keep);
            Ok(())
        })?;
        dropped = messages.kept == 0 && messages.to > 0;
        edits.append(&mut messages.finish());
    } else {
        dropped |= read_message(&mut walker, text, view, &mut edits)?;
    }
    walker.end()?;
    if dropped {
        return Ok(Judged::Dropped);
    }
    if edits.is_empty() {
        return Ok(Judged::Unchanged);
    }
    edits.sort_by_key(|edit| edit.range.start);
    Ok(Judged::Changed(edits))
}

/// Writes a text with its changes.
pub(super) fn write(text: &str, edits: &[Edit], out: &mut Vec<u8>) {
    let mut from = 0;
    for edit in edits {
        // Of two that overlap the outer one comes first: a message that is dropped with its items.
        if edit.range.start < from {
            continue;
        }
        let kept = text.get(from..edit.range.start).unwrap_or_default();
        out.extend_from_slice(kept.as_bytes());
        out.extend_from_slice(edit.with.as_bytes());
        from = edit.range.end;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default().as_bytes());
}

/// Reads one message; returns whether it has to be dropped.
fn read_message<'a>(
    walker: &mut Walker<'a>,
    text: &'a str,
    view: &ListView,
    edits: &mut Vec<Edit>,
) -> Result<bool, JsonError> {
    if walker.next() != Next::Object {
        walker.value()?;
        return Ok(false);
    }
    let mut method = None;
    let mut uri = None;
    walker.object(|walker, name| match (name, walker.next()) {
        ("method", _) => {
            method = walker.text()?;
            Ok(())
        }
        ("params", Next::Object) => walker.object(|walker, name| {
            if name == "uri" {
                uri = walker.text()?;
                return Ok(());
            }
            walker.value().map(drop)
        }),
        ("result", Next::Object) => read_result(walker, text, view, edits),
        _ => walker.value().map(drop),
    })?;
    Ok(method.is_some_and(|method| is_dropped(&method, uri.as_deref(), view)))
}

fn is_dropped(method: &str, uri: Option<&str>, view: &ListView) -> bool {
    if method == UPDATED && view.filters(Listed::Resources) {
        return !view.shows(Listed::Resources, uri);
    }
    Listed::ALL
        .into_iter()
        .any(|list| method == list.changed() && view.hides_all(list))
}

fn read_result<'a>(
    walker: &mut Walker<'a>,
    text: &'a str,
    view: &ListView,
    edits: &mut Vec<Edit>,
) -> Result<(), JsonError> {
    let mut cache_scope = None;
    let mut is_list = false;
    walker.object(|walker, name| {
        if name == "cacheScope" {
            cache_scope = Some(walker.value()?);
            return Ok(());
        }
        let list = Listed::of_member(name).filter(|list| view.filters(*list));
        let Some(list) = list else {
            return walker.value().map(drop);
        };
        is_list = true;
        read_list(walker, list, view, edits)
    })?;
    let public = |range: &Range<usize>| text.get(range.clone()) != Some(r#""private""#);
    if is_list && let Some(range) = cache_scope.filter(public) {
        edits.push(Edit {
            range,
            with: r#""private""#,
        });
    }
    Ok(())
}

fn read_list(
    walker: &mut Walker<'_>,
    list: Listed,
    view: &ListView,
    edits: &mut Vec<Edit>,
) -> Result<(), JsonError> {
    if walker.next() != Next::Array {
        return Err(JsonError {
            why: "a list that is not an array",
            at: walker.position(),
        });
    }
    let mut items = Elements::default();
    walker.array(|walker| {
        let is_object = walker.next() == Next::Object;
        let start = walker.position();
        let mut item_name: Option<Cow<'_, str>> = None;
        if is_object {
            walker.object(|walker, name| {
                if name == list.name() {
                    item_name = walker.text()?;
                    return Ok(());
                }
                walker.value().map(drop)
            })?;
        } else {
            walker.value()?;
        }
        let keep = view.shows(list, item_name.as_deref());
        items.add(start..walker.position(), keep);
        Ok(())
    })?;
    edits.append(&mut items.finish());
    Ok(())
}

impl Elements {
    /// Counts the next element. The separator of two elements is removed with the second one, or
    /// with the first if the first ones are dropped.
    fn add(&mut self, range: Range<usize>, keep: bool) {
        self.to = range.end;
        if !keep {
            self.dropped_from = self.dropped_from.or(Some(range.start));
            return;
        }
        if let Some(from) = self.dropped_from.take() {
            self.edits.push(Edit {
                range: from..range.start,
                with: "",
            });
        }
        self.kept += 1;
        self.kept_to = Some(range.end);
    }

    /// The changes that preserve the kept elements, and every byte around and between them.
    fn finish(mut self) -> Vec<Edit> {
        if let Some(from) = self.dropped_from {
            self.edits.push(Edit {
                range: self.kept_to.unwrap_or(from)..self.to,
                with: "",
            });
        }
        self.edits
    }
}
