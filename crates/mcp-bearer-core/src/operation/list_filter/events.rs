//! An answer of type `text/event-stream` (WHATWG HTML section 9.2).
//!
//! Lines are passed on as soon as nothing can depend on what follows. An event is held from its
//! first field until its message is complete or is known not to be filtered.

use std::fmt;

use super::lines::{Line, Lines, field, is_event_id, joined_data};
use super::message::{self, Judged};
use super::outline::{Outline, OutlineReader};
use super::{Answers, ListFault, ListFaultKind, RewriteId};
use crate::operation::list_view::ListView;

pub(super) struct EventFilter {
    view: Option<ListView>,
    answers: Answers,
    limit: usize,
    ids: Option<RewriteId>,
    /// The message of the event that is being read.
    outline: OutlineReader,
    /// Held lines; the last one may be incomplete.
    held: Vec<u8>,
    mode: Mode,
    line: Line,
    /// Whether the event has a line that is not a comment, and one with data.
    has_fields: bool,
    has_data: bool,
    /// Where to send a line feed that belongs to the carriage return before it.
    line_feed: Option<Destination>,
    /// How many bytes of a byte order mark have arrived; the stream may begin with one.
    mark: usize,
    fault: Option<ListFault>,
}

/// What happens to the lines of the event that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// They are held.
    Hold,
    /// They pass: nothing in the event is filtered.
    Pass,
    /// They pass, and the message is still watched: so far it is not one that is filtered, or it is
    /// longer than the limit.
    Watch,
    /// They are left out: an error replaces them.
    Discard,
    /// The stream has ended with a fault.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    Held,
    Out,
    Nowhere,
}

/// Which of the held lines were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    All,
    /// The last one was left out, so the rest of its end must be too.
    WithoutLast,
}

const MARK: &[u8] = b"\xEF\xBB\xBF";

impl EventFilter {
    pub(super) fn new(view: Option<ListView>, answers: Answers, limit: usize) -> Self {
        Self {
            outline: OutlineReader::new(answers.other_results()),
            view,
            answers,
            limit,
            ids: None,
            held: Vec::new(),
            mode: Mode::Hold,
            line: Line::Empty,
            has_fields: false,
            has_data: false,
            line_feed: None,
            mark: 0,
            fault: None,
        }
    }

    pub(super) fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    pub(super) fn rewrite_ids(&mut self, rewrite: RewriteId) {
        self.ids = Some(rewrite);
    }

    pub(super) fn fault(&self) -> Option<&ListFault> {
        self.fault.as_ref()
    }

    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        self.held.capacity()
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ListFault> {
        let mut rest = self.skip_mark(bytes, out);
        while let Some(&first) = rest.first() {
            if self.mode == Mode::Ended {
                return Err(self.ended());
            }
            if let Some(destination) = self.line_feed.take()
                && first == b'\n'
            {
                match destination {
                    Destination::Held => self.held.push(first),
                    Destination::Out => out.push(first),
                    Destination::Nowhere => {}
                }
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            if first == b'\n' || first == b'\r' {
                self.end_line(first, out);
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let (line, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            self.read_line(line, out)?;
            rest = behind;
        }
        Ok(())
    }

    /// The end of the stream. A client that follows the standard ignores an incomplete event; one
    /// that does not must not see more in it.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(MARK.get(..self.mark).unwrap_or_default());
        self.mark = 0;
        if self.mode == Mode::Hold && !self.held.is_empty() {
            self.end_event(&[], out);
        } else if matches!(self.mode, Mode::Pass | Mode::Watch) {
            self.flush(&[], out);
        }
        self.begin_event();
    }

    fn ended(&self) -> ListFault {
        let fault = ListFault::new(ListFaultKind::TooLarge);
        self.fault.clone().unwrap_or(fault)
    }

    /// Passes a byte order mark at the beginning of the stream, which is not part of the first
    /// line.
    fn skip_mark<'b>(&mut self, bytes: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
        let mut rest = bytes;
        while self.mark < MARK.len() {
            let Some((first, behind)) = rest.split_first() else {
                return rest;
            };
            if MARK.get(self.mark) != Some(first) {
                // What looked like a mark is the beginning of the first line.
                let begun = MARK.get(..self.mark).unwrap_or_default();
                if !begun.is_empty() {
                    self.held.extend_from_slice(begun);
                    self.line = Line::Other;
                    self.has_fields = true;
                }
                self.mark = usize::MAX;
                return rest;
            }
            self.mark += 1;
            rest = behind;
            if self.mark == MARK.len() {
                out.extend_from_slice(MARK);
                self.mark = usize::MAX;
                return rest;
            }
        }
        rest
    }

    /// Takes bytes of one line, in pieces that fit into what may still be held.
    fn read_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), ListFault> {
        let mut rest = line;
        while !rest.is_empty() {
            if !self.passes_comment() {
                self.make_room(out);
            }
            let room = match self.mode {
                Mode::Hold if !self.passes_comment() => self.limit - self.held.len(),
                _ => rest.len(),
            };
            let (piece, behind) = rest.split_at(room.min(rest.len()));
            rest = behind;
            let named = self.line.read_name(piece);
            self.has_fields |= !matches!(self.line, Line::Empty | Line::Comment);
            let (name, value) = piece.split_at_checked(named).unwrap_or((piece, &[]));
            self.take(name, out)?;
            if !value.is_empty() {
                self.read_data(value, out)?;
            }
        }
        Ok(())
    }

    /// Whether a comment is being read that can pass at once, because no event has begun.
    fn passes_comment(&self) -> bool {
        self.line == Line::Comment && !self.has_fields
    }

    /// Takes bytes after the name of the field.
    fn read_data(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ListFault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut data = rest;
            if self.line == Line::DataStart {
                data = rest.strip_prefix(b" ").unwrap_or(rest);
                self.begin_data();
            }
            let mut end = rest.len();
            if self.line == Line::Data && matches!(self.mode, Mode::Hold | Mode::Watch) {
                end -= data.len();
                end += self.look(data);
            }
            if self.outline.outline() == Outline::Held && self.mode == Mode::Hold {
                end = rest.len();
            }
            let (part, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            self.take(part, out)?;
            if self.mode == Mode::Watch && self.outline.outline() == Outline::Held {
                // The list itself has not begun.
                return self.end_stream(out);
            }
            rest = behind;
        }
        Ok(())
    }

    /// The first byte of the value of `data`, or its end.
    fn begin_data(&mut self) {
        if self.has_data {
            // Lines of data are joined by a line feed.
            self.look(b"\n");
        }
        self.has_data = true;
        self.line = Line::Data;
    }

    /// Looks at bytes of the message; returns how many can be read before something is known about
    /// it.
    fn look(&mut self, data: &[u8]) -> usize {
        match (&self.view, self.outline.outline()) {
            (Some(view), Outline::Open | Outline::Plain) => self.outline.read(data, view),
            (_, Outline::Held) => 0,
            _ => data.len(),
        }
    }

    /// Sends bytes of a line where the event goes.
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ListFault> {
        match self.mode {
            Mode::Hold => {
                self.held.extend_from_slice(bytes);
                if self.passes_comment() {
                    out.append(&mut self.held);
                }
                let nothing_to_filter = self.view.is_none() && self.line == Line::Data;
                let mode = match self.outline.outline() {
                    Outline::Plain => Mode::Watch,
                    Outline::NotJson => Mode::Pass,
                    _ if nothing_to_filter => Mode::Pass,
                    Outline::Open | Outline::Held => return Ok(()),
                };
                self.mode = mode;
                self.flush(&[], out);
            }
            Mode::Pass | Mode::Watch => {
                self.held.extend_from_slice(bytes);
                if !self.line.may_be_id() {
                    out.append(&mut self.held);
                } else if self.line == Line::Id && self.held.len() > self.limit {
                    return self.end_stream(out);
                }
            }
            Mode::Discard | Mode::Ended => {}
        }
        Ok(())
    }

    /// Stops holding an event of which as much is held as is allowed.
    fn make_room(&mut self, out: &mut Vec<u8>) {
        if self.mode != Mode::Hold || self.held.len() < self.limit {
            return;
        }
        let open = self.outline.outline() == Outline::Open;
        if open && !self.line.may_be_id() && !self.answers.has_list() {
            self.mode = Mode::Watch;
            self.flush(&[], out);
        } else {
            self.put_error(ListFault::new(ListFaultKind::TooLarge), out);
            self.mode = Mode::Discard;
        }
    }

    /// A list began in an event that could not be held: what has been passed on is not JSON yet,
    /// and stays so.
    fn end_stream(&mut self, out: &mut Vec<u8>) -> Result<(), ListFault> {
        self.held = Vec::new();
        out.extend_from_slice(b"\n\n");
        let kind = if self.outline.was_plain() {
            ListFaultKind::NotStrict
        } else {
            ListFaultKind::TooLarge
        };
        self.put_error(ListFault::new(kind), out);
        self.mode = Mode::Ended;
        Err(self.ended())
    }

    /// The end of a line, or of an event if the line is empty.
    fn end_line(&mut self, terminator: u8, out: &mut Vec<u8>) {
        if self.line != Line::Empty && !self.passes_comment() {
            self.make_room(out);
        }
        let line = std::mem::replace(&mut self.line, Line::Empty);
        let mut destination = Destination::Out;
        match (self.mode, line) {
            (Mode::Hold, Line::Empty) => destination = self.end_event(&[terminator], out),
            (Mode::Pass | Mode::Watch, Line::Empty) => {
                self.flush(&[terminator], out);
                self.begin_event();
            }
            (Mode::Discard | Mode::Ended, Line::Empty) => {
                destination = Destination::Nowhere;
                self.begin_event();
            }
            (Mode::Discard | Mode::Ended, _) => destination = Destination::Nowhere,
            (Mode::Pass | Mode::Watch, _) => {
                if self.flush(&[terminator], out) == Written::WithoutLast {
                    destination = Destination::Nowhere;
                }
            }
            (Mode::Hold, Line::Comment) if !self.has_fields => {
                self.flush(&[terminator], out);
            }
            (Mode::Hold, _) => {
                if line.is_empty_data() {
                    self.begin_data();
                    self.line = Line::Empty;
                }
                self.held.push(terminator);
                destination = Destination::Held;
            }
        }
        self.line_feed = (terminator == b'\r').then_some(destination);
    }

    /// The end of an event that was held whole.
    fn end_event(&mut self, terminator: &[u8], out: &mut Vec<u8>) -> Destination {
        let judged = self.judge();
        match judged {
            Ok(Judged::Unchanged) => {
                self.flush(terminator, out);
                self.begin_event();
                Destination::Out
            }
            Ok(Judged::Changed(edits)) => {
                let text = joined_data(&self.held);
                let mut data = Vec::with_capacity(text.len());
                message::write(
                    std::str::from_utf8(&text).unwrap_or_default(),
                    &edits,
                    &mut data,
                );
                // Line feeds in JSON are white space.
                let mut rest = data.as_mut_slice();
                while let Some(at) = memchr::memchr(b'\n', rest)
                    && let Some((byte, behind)) =
                        rest.get_mut(at..).and_then(<[u8]>::split_first_mut)
                {
                    *byte = b' ';
                    rest = behind;
                }
                self.write_lines(Some(&data), out);
                out.extend_from_slice(terminator);
                self.begin_event();
                Destination::Out
            }
            Ok(Judged::Dropped) => {
                self.begin_event();
                Destination::Nowhere
            }
            Err(fault) => {
                self.put_error(fault, out);
                self.begin_event();
                Destination::Nowhere
            }
        }
    }

    fn judge(&self) -> Result<Judged, ListFault> {
        let Some(view) = &self.view else {
            return Ok(Judged::Unchanged);
        };
        if self.outline.outline() == Outline::Held {
            let data = joined_data(&self.held);
            let Ok(text) = std::str::from_utf8(&data) else {
                return Err(ListFault::new(ListFaultKind::NotStrict));
            };
            return message::judge(text, view).map_err(|error| ListFault::of_json(error, text));
        }
        let is_cut = !self.outline.is_blank() && !self.outline.has_ended();
        if self.answers.has_list() && is_cut {
            return Err(ListFault::new(ListFaultKind::Cut));
        }
        Ok(Judged::Unchanged)
    }

    /// An event with a JSON-RPC error, in place of one that is not passed on.
    fn put_error(&mut self, fault: ListFault, out: &mut Vec<u8>) {
        let fault = fault.about(self.outline.id(), &self.answers);
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(fault.answer().body().as_bytes());
        out.extend_from_slice(b"\n\n");
        self.fault = Some(fault);
    }

    fn begin_event(&mut self) {
        self.held.clear();
        self.held.shrink_to(64 * 1024);
        self.outline = OutlineReader::new(self.answers.other_results());
        self.has_fields = false;
        self.has_data = false;
        if self.mode != Mode::Ended {
            self.mode = Mode::Hold;
        }
    }

    /// Passes on what is held.
    fn flush(&mut self, terminator: &[u8], out: &mut Vec<u8>) -> Written {
        self.held.extend_from_slice(terminator);
        let written = self.write_lines(None, out);
        self.held.clear();
        written
    }

    /// Writes the held lines with their ids rewritten; `data` replaces all lines of data.
    fn write_lines(&mut self, mut data: Option<&[u8]>, out: &mut Vec<u8>) -> Written {
        let replaces_data = data.is_some();
        let mut written = Written::All;
        for line in Lines(&self.held) {
            written = Written::All;
            match (field(line.text), &mut self.ids) {
                ((b"id", value), Some(rewrite)) if is_event_id(value) => {
                    let id = std::str::from_utf8(value).ok().and_then(rewrite);
                    let is_one_line = |id: &String| !id.contains(['\n', '\r', '\0']);
                    let Some(id) = id.filter(is_one_line) else {
                        written = Written::WithoutLast;
                        continue;
                    };
                    let name = line.text.len() - value.len();
                    out.extend_from_slice(line.text.get(..name).unwrap_or_default());
                    out.extend_from_slice(id.as_bytes());
                    out.extend_from_slice(line.terminator);
                }
                ((b"data", _), _) if replaces_data => {
                    if let Some(data) = data.take() {
                        out.extend_from_slice(b"data: ");
                        out.extend_from_slice(data);
                        out.extend_from_slice(line.terminator);
                    }
                }
                _ => {
                    out.extend_from_slice(line.text);
                    out.extend_from_slice(line.terminator);
                }
            }
        }
        written
    }
}

impl fmt::Debug for EventFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventFilter")
            .field("view", &self.view)
            .field("mode", &self.mode)
            .field("held", &self.held.len())
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}
