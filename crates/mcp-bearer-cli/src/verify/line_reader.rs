//! Lines of bytes in bounded memory.
//!
//! A line ends only at a line feed: a carriage return is part of it. Of a line longer than the
//! limit only the beginning is held, but its length is counted to the end.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use crate::ui::Failure;

pub(super) struct Lines<R> {
    input: BufReader<R>,
    limit: usize,
    held: Vec<u8>,
}

/// One line, without its line feed.
pub(super) struct Line<'a> {
    /// Its beginning: all of it, unless it is longer than the limit.
    pub(super) held: &'a [u8],
    /// Its length in bytes.
    pub(super) length: usize,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self {
            input: BufReader::with_capacity(64 * 1024, input),
            limit,
            held: Vec::new(),
        }
    }

    /// The next line; `None` at the end of the input. A last line without a line feed counts,
    /// unless it is empty.
    ///
    /// `before_waiting` runs before every read that may wait.
    pub(super) fn next(
        &mut self,
        mut before_waiting: impl FnMut() -> Result<(), Failure>,
    ) -> Result<Option<Line<'_>>, Failure> {
        self.held.clear();
        let mut length = 0_usize;
        loop {
            if self.input.buffer().is_empty() {
                before_waiting()?;
            }
            let piece = match self.input.fill_buf() {
                Ok(piece) => piece,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::problem(format!("stdin: {error}"))),
            };
            if piece.is_empty() {
                let line = Line {
                    held: &self.held,
                    length,
                };
                return Ok((length > 0).then_some(line));
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let piece = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
            let room = self.limit.saturating_sub(self.held.len());
            self.held
                .extend_from_slice(piece.get(..room).unwrap_or(piece));
            length = length.saturating_add(piece.len());
            let used = piece.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(Line {
                    held: &self.held,
                    length,
                }));
            }
        }
    }
}

impl<'a> Line<'a> {
    /// The line as text. Where it stops being UTF-8, it gets a character that no token may contain,
    /// so that the verifier refuses it at that place; what follows is left out.
    pub(super) fn text(&self) -> Cow<'a, str> {
        match std::str::from_utf8(self.held) {
            Ok(text) => Cow::Borrowed(text),
            Err(error) => {
                let (good, _) = self
                    .held
                    .split_at_checked(error.valid_up_to())
                    .unwrap_or_default();
                let mut text = String::from_utf8_lossy(good).into_owned();
                text.push('\0');
                Cow::Owned(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one byte at a time, like a slow writer.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else {
                return Ok(0);
            };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn lines(input: &[u8], limit: usize) -> Vec<(Vec<u8>, usize)> {
        let all = |input: &mut dyn Read| {
            let mut lines = Lines::new(input, limit);
            let mut all = Vec::new();
            while let Some(line) = lines.next(|| Ok(())).unwrap() {
                all.push((line.held.to_vec(), line.length));
            }
            all
        };
        let whole = all(&mut &input[..]);
        assert_eq!(whole, all(&mut Slow(input)));
        whole
    }

    #[test]
    fn a_line_ends_only_at_a_line_feed() {
        assert_eq!(lines(b"", 4), []);
        assert_eq!(lines(b"\n", 4), [(vec![], 0)]);
        assert_eq!(lines(b"a", 4), [(b"a".to_vec(), 1)]);
        assert_eq!(lines(b"a\n", 4), [(b"a".to_vec(), 1)]);
        let got = lines(b"a\r\n\n\xff\x0b\x85\r\nb", 4);
        let want: [&[u8]; 4] = [b"a\r", b"", b"\xff\x0b\x85\r", b"b"];
        assert_eq!(got, want.map(|line| (line.to_vec(), line.len())));
    }

    #[test]
    fn a_long_line_is_counted_and_not_held() {
        assert_eq!(
            lines(b"abcd\nabcde\nx", 4),
            [
                (b"abcd".to_vec(), 4),
                (b"abcd".to_vec(), 5),
                (b"x".to_vec(), 1)
            ]
        );
        let mut long = vec![b'a'; 1_000_000];
        long.extend(b"\nb");
        assert_eq!(
            lines(&long, 4),
            [(b"aaaa".to_vec(), 1_000_000), (b"b".to_vec(), 1)]
        );
    }

    #[test]
    fn text_breaks_where_utf8_does() {
        let text = |held: &[u8]| {
            Line {
                held,
                length: held.len(),
            }
            .text()
            .into_owned()
        };
        assert_eq!(text(b"abc"), "abc");
        assert_eq!(text(b"ab\xffcd"), "ab\0");
        assert_eq!(text("é".as_bytes()), "é");
    }
}
