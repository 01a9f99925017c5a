//! Which questions a successful answer left open, for 10 s: they do not spend the budget again.
//! It must never grow beyond its bound, never be prolonged by being asked, and never learn from a failure.

use std::{collections::VecDeque, time::Duration};

use aws_lc_rs::digest;

use super::Question;
use crate::keys::MissKind;

/// So many questions are remembered; the least recent goes first.
pub(super) const ENTRIES: usize = 1024;
/// So long, counted from the beginning of the fetch that left the question open.
pub(super) const LIFETIME: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Least recent first.
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    topic: Topic,
    until: Duration,
}

/// A question in a fixed size: the `kid` is a stranger's text of any length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Topic {
    kind: MissKind,
    kid: Option<[u8; 32]>,
}

impl Memory {
    /// Whether the question was left open less than 10 s ago.
    pub(super) fn recalls(&mut self, now: Duration, question: &Question) -> bool {
        self.entries.retain(|entry| now < entry.until);
        let topic = Topic::of(question);
        let Some(at) = self.entries.iter().position(|entry| entry.topic == topic) else {
            return false;
        };
        if let Some(entry) = self.entries.remove(at) {
            self.entries.push_back(entry);
        }
        true
    }

    /// An answer that was asked for at `fetched_at` left the question open.
    pub(super) fn remember(&mut self, now: Duration, fetched_at: Duration, question: &Question) {
        let topic = Topic::of(question);
        self.entries
            .retain(|entry| now < entry.until && entry.topic != topic);
        while self.entries.len() >= ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            topic,
            until: fetched_at.saturating_add(LIFETIME),
        });
    }

    /// The keys have changed: every question is open again.
    pub(super) fn forget(&mut self) {
        self.entries.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Topic {
    fn of(question: &Question) -> Self {
        Self {
            kind: question.kind,
            kid: question.kid.as_deref().map(sha256),
        }
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    bytes
}
