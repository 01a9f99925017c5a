//! The lines of an event stream, and the fields in them.

/// What is known about the line that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// None of it has arrived.
    Empty,
    /// The name of its field, so far one of those that matter.
    Name(Known),
    /// The value of `data`; its first space has not arrived.
    DataStart,
    Data,
    /// The value of `id`, or a line that may become one. In a passing event it is held.
    Id,
    Comment,
    /// Another field.
    Other,
}

/// How much of a field's name has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Data(usize),
    Id(usize),
}

const DATA: &[u8] = b"data";
const ID: &[u8] = b"id";

impl Line {
    /// Reads more of the field's name; returns how many bytes belong to it and its colon.
    pub(super) fn read_name(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        for &byte in bytes {
            *self = match *self {
                Self::Empty => match byte {
                    b':' => Self::Comment,
                    b'd' => Self::Name(Known::Data(1)),
                    b'i' => Self::Name(Known::Id(1)),
                    _ => Self::Other,
                },
                Self::Name(Known::Data(length)) => match DATA.get(length) {
                    Some(expected) if *expected == byte => Self::Name(Known::Data(length + 1)),
                    None if byte == b':' => Self::DataStart,
                    _ => Self::Other,
                },
                Self::Name(Known::Id(length)) => match ID.get(length) {
                    Some(expected) if *expected == byte => Self::Name(Known::Id(length + 1)),
                    None if byte == b':' => Self::Id,
                    _ => Self::Other,
                },
                _ => return taken,
            };
            taken += 1;
        }
        taken
    }

    /// Whether it is a line with an id, or may become one.
    pub(super) const fn may_be_id(self) -> bool {
        matches!(self, Self::Name(Known::Id(_)) | Self::Id)
    }

    /// Whether it is `data` alone, or with nothing after its colon.
    pub(super) fn is_empty_data(self) -> bool {
        match self {
            Self::DataStart => true,
            Self::Name(Known::Data(length)) => length == DATA.len(),
            _ => false,
        }
    }
}

/// Whether a client remembers a value as the id of the last event: it ignores one with a NUL.
pub(super) fn is_event_id(value: &[u8]) -> bool {
    !value.is_empty() && !value.contains(&0)
}

/// The values of all lines of data, joined by line feeds.
pub(super) fn joined_data(lines: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(lines.len());
    let values = Lines(lines).filter_map(|line| match field(line.text) {
        (b"data", value) => Some(value),
        _ => None,
    });
    for (index, value) in values.enumerate() {
        if index > 0 {
            joined.push(b'\n');
        }
        joined.extend_from_slice(value);
    }
    joined
}

/// The name of a field and its value, without the one space before it.
pub(super) fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b':', line) {
        None => (line, &[]),
        Some(colon) => {
            let name = line.get(..colon).unwrap_or_default();
            let value = line.get(colon + 1..).unwrap_or_default();
            (name, value.strip_prefix(b" ").unwrap_or(value))
        }
    }
}

pub(super) struct OneLine<'a> {
    pub(super) text: &'a [u8],
    pub(super) terminator: &'a [u8],
}

/// The lines of a text, each with its end; the last one may have none.
pub(super) struct Lines<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = OneLine<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', self.0).unwrap_or(self.0.len());
        let (text, rest) = self.0.split_at_checked(end)?;
        let length = match rest {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        let (terminator, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(OneLine { text, terminator })
    }
}
