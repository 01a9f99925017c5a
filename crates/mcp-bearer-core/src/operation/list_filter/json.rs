//! An answer of type `application/json`.

use super::message::{self, Judged};
use super::outline::{Outline, OutlineReader};
use super::{Answers, ListFault, ListFaultKind};
use crate::operation::list_view::ListView;

#[derive(Debug)]
pub(super) struct JsonFilter {
    view: ListView,
    answers: Answers,
    limit: usize,
    outline: OutlineReader,
    held: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Everything received is held.
    Holding,
    /// So far it was not a list, and it is passed on: because it is known not to be one, or has
    /// grown over the limit.
    Watching,
    /// It is not JSON.
    Passing,
    /// It is not passed on.
    Refused(ListFaultKind),
}

impl JsonFilter {
    pub(super) fn new(view: ListView, answers: Answers, limit: usize) -> Self {
        Self {
            outline: OutlineReader::new(answers.other_results()),
            view,
            answers,
            limit,
            held: Vec::new(),
            state: State::Holding,
        }
    }

    pub(super) fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        self.held.capacity()
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ListFault> {
        let mut bytes = bytes;
        if self.state == State::Holding {
            let room = self.limit.saturating_sub(self.held.len());
            let (part, _) = bytes.split_at(room.min(bytes.len()));
            let mut read = self.outline.read(part, &self.view);
            if self.outline.outline() == Outline::Held {
                read = part.len();
            }
            let (part, rest) = bytes.split_at_checked(read).unwrap_or((bytes, &[]));
            self.held.extend_from_slice(part);
            bytes = rest;
            match self.outline.outline() {
                Outline::Plain => self.state = State::Watching,
                Outline::NotJson if !self.answers.has_list() => self.state = State::Passing,
                Outline::NotJson => return self.refuse(ListFaultKind::NotStrict),
                Outline::Open | Outline::Held if bytes.is_empty() => return Ok(()),
                Outline::Open if !self.answers.has_list() => self.state = State::Watching,
                Outline::Open | Outline::Held => return self.refuse(ListFaultKind::TooLarge),
            }
            out.append(&mut self.held);
        }
        while self.state == State::Watching && !bytes.is_empty() {
            let read = self.outline.read(bytes, &self.view);
            let (part, rest) = bytes.split_at_checked(read).unwrap_or((bytes, &[]));
            out.extend_from_slice(part);
            bytes = rest;
            match self.outline.outline() {
                Outline::Open | Outline::Plain => {}
                Outline::NotJson => self.state = State::Passing,
                // The list itself has not begun.
                Outline::Held if self.outline.was_plain() => {
                    return self.refuse(ListFaultKind::NotStrict);
                }
                Outline::Held => return self.refuse(ListFaultKind::TooLarge),
            }
        }
        if let State::Refused(kind) = self.state {
            return self.refuse(kind);
        }
        out.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), ListFault> {
        match self.state {
            State::Passing | State::Watching => return Ok(()),
            State::Refused(kind) => return self.refuse(kind),
            State::Holding => {}
        }
        if self.outline.outline() == Outline::Held {
            let Ok(text) = std::str::from_utf8(&self.held) else {
                return self.refuse(ListFaultKind::NotStrict);
            };
            match message::judge(text, &self.view) {
                Ok(Judged::Unchanged) => {}
                Ok(Judged::Changed(edits)) => {
                    message::write(text, &edits, out);
                    self.held.clear();
                }
                // A notification alone answers no request.
                Ok(Judged::Dropped) => return self.refuse(ListFaultKind::NotStrict),
                Err(error) => {
                    let fault = ListFault::of_json(error, text);
                    return self.refuse(fault.kind());
                }
            }
        } else if self.answers.has_list() && !self.outline.is_blank() && !self.outline.has_ended() {
            return self.refuse(ListFaultKind::Cut);
        }
        out.append(&mut self.held);
        self.state = State::Passing;
        Ok(())
    }

    fn refuse(&mut self, kind: ListFaultKind) -> Result<(), ListFault> {
        self.state = State::Refused(kind);
        self.held = Vec::new();
        Err(ListFault::new(kind).about(self.outline.id(), &self.answers))
    }
}
