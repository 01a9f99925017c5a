//! The next value or name of a text that has been validated.

use super::scan::Scanner;

impl<'a> Scanner<'a> {
    /// The text of the next value of a validated array, or of the value after a name of a validated
    /// object.
    pub(super) fn next_element(&mut self) -> Option<&'a str> {
        self.skip_separators();
        let start = self.at;
        match self.peek()? {
            b']' | b'}' => return None,
            b'"' => {
                self.string().ok()?;
            }
            b'{' | b'[' => self.skip_container()?,
            _ => {
                let rest = self.text.get(start..)?;
                let end = rest.find([',', ']', '}', ' ', '\t', '\n', '\r']);
                self.at = end.map_or(self.text.len(), |end| start + end);
            }
        }
        self.text.get(start..self.at)
    }

    /// The next name of a validated object, with its quotes.
    pub(super) fn next_name(&mut self) -> Option<&'a str> {
        self.skip_separators();
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at;
        self.string().ok()?;
        self.text.get(start..self.at)
    }

    fn skip_separators(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b':') = self.peek() {
            self.at += 1;
        }
    }

    fn skip_container(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    self.string().ok()?;
                    continue;
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}
