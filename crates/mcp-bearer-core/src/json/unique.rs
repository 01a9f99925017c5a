//! Whether an object has two members with the same name.

use std::borrow::Cow;

use super::unescape::unescape;
use super::{Scan, Span, error};

/// In objects with up to this many members a name is compared with those before it; larger ones are
/// sorted at their end.
const FEW: usize = 24;

/// A name in an open object, or a member of the outermost one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) span: Span,
    pub(super) escaped: bool,
    /// From 0 to 63. Names that are written in the same way have the same mark.
    mark: u8,
}

pub(super) trait Named {
    fn name(&self) -> Name;
}

impl Named for Name {
    fn name(&self) -> Name {
        *self
    }
}

/// What is known about the names of one object while it is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// One bit for each mark.
    marks: u64,
    /// Whether a name may be there twice, which the end of the object decides.
    undecided: bool,
}

impl Name {
    #[inline]
    pub(super) fn new(bytes: &[u8], start: usize, end: usize, escaped: bool) -> Self {
        Self {
            span: Span::new(start, end),
            escaped,
            mark: mark(bytes, start, end),
        }
    }

    /// The name with its escapes decoded.
    pub(super) fn decode<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let raw = self.span.of(text);
        if self.escaped {
            Cow::Owned(unescape(raw))
        } else {
            Cow::Borrowed(raw)
        }
    }

    /// The name as it is written.
    fn raw<'t>(&self, text: &'t str) -> &'t [u8] {
        text.as_bytes().get(self.span.range()).unwrap_or_default()
    }
}

impl Seen {
    /// Takes the next name of the object, which has these before it.
    #[inline]
    pub(super) fn add<'n, N: Named + 'n>(
        &mut self,
        name: &Name,
        earlier: impl FnOnce() -> &'n [N],
        text: &str,
    ) {
        let mark = 1_u64 << (name.mark % 64);
        if self.marks & mark != 0 || name.escaped {
            self.undecided |= may_be_twice(name, earlier(), text);
        }
        self.marks |= mark;
    }

    /// At the end of the object, which has these names.
    #[inline]
    pub(super) fn no_duplicate(self, names: &[impl Named], text: &str) -> Scan<()> {
        if self.undecided {
            return no_duplicate(names, text);
        }
        Ok(())
    }
}

/// Whether a name whose mark is there already, or that has an escape, may be equal to an earlier
/// one.
#[cold]
fn may_be_twice(name: &Name, earlier: &[impl Named], text: &str) -> bool {
    name.escaped
        || earlier.len() >= FEW
        || earlier
            .iter()
            .map(Named::name)
            .any(|other| other.mark == name.mark && other.raw(text) == name.raw(text))
}

/// Finds the first name that repeats an earlier one.
#[cold]
fn no_duplicate(names: &[impl Named], text: &str) -> Scan<()> {
    let mut sorted: Vec<Name> = names.iter().map(Named::name).collect();
    let start = |name: &Name| name.span.range().start;
    if sorted.iter().any(|name| name.escaped) {
        sorted.sort_by_cached_key(|name| name.decode(text).into_owned());
    } else {
        sorted.sort_unstable_by(|one, other| {
            let by_place = || start(one).cmp(&start(other));
            one.raw(text).cmp(other.raw(text)).then_with(by_place)
        });
    }
    let repetitions = sorted.windows(2).filter_map(|pair| match pair {
        [one, other] if one.decode(text) == other.decode(text) => Some(start(other)),
        _ => None,
    });
    match repetitions.min() {
        Some(at) => error("a member name twice", at),
        None => Ok(()),
    }
}

/// Mixes the length with the first and the last eight bytes.
#[inline(always)]
fn mark(bytes: &[u8], start: usize, end: usize) -> u8 {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let length = end.saturating_sub(start);
    let word = match word_at(bytes, start) {
        Some(word) if length < 8 => word & ((1 << (length * 8)) - 1),
        Some(word) => word ^ word_at(bytes, end - 8).unwrap_or_default().rotate_left(5),
        // A short name at the end of the text.
        None => {
            let raw = bytes.get(start..end).unwrap_or_default();
            raw.iter()
                .rfold(0, |word, byte| (word << 8) | u64::from(*byte))
        }
    };
    let length = u64::try_from(length).unwrap_or_default();
    let [.., top] = (word ^ length).wrapping_mul(MIX).to_le_bytes();
    top / 4
}

fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*word))
}
