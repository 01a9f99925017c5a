//! Patterns with `*`.

use std::fmt;
use std::ops::Range;

/// A text in which `*` matches any characters, or none. Everything else matches itself, by code
/// point and with case.
///
/// Matching takes time proportional to the text and the pattern, whatever they contain.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: Box<str>,
    /// Where the first and the last star are; none: the pattern is plain text.
    stars: Option<(usize, usize)>,
    /// The first byte, unless it is a star.
    first: Option<u8>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            stars: text.find('*').zip(text.rfind('*')),
            first: text.bytes().next().filter(|byte| *byte != b'*'),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches every text.
    pub(super) fn is_any(&self) -> bool {
        !self.text.is_empty() && self.text.bytes().all(|byte| byte == b'*')
    }

    #[inline]
    pub(super) fn matches(&self, text: &str) -> bool {
        // Most patterns differ from most texts in the first byte.
        let differs = self.first.is_some() && self.first != text.bytes().next();
        !differs && self.matches_whole(text)
    }

    fn matches_whole(&self, text: &str) -> bool {
        let Some((first, last)) = self.stars else {
            return *self.text == *text;
        };
        let part = |range: Range<usize>| self.text.get(range).unwrap_or_default();
        let begin = part(0..first);
        let end = part(last + 1..self.text.len());
        let Some(rest) = text.strip_prefix(begin) else {
            return false;
        };
        let Some(mut rest) = rest.strip_suffix(end) else {
            return false;
        };
        if first == last {
            return true;
        }
        // Between two stars, each piece may match where it is found first: that leaves the most
        // text for the pieces after it.
        let pieces = part(first..last)
            .split('*')
            .filter(|piece| !piece.is_empty());
        for piece in pieces {
            let Some((_, behind)) = rest.split_once(piece) else {
                return false;
            };
            rest = behind;
        }
        true
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).matches(text)
    }

    #[test]
    fn a_star_is_any_text_and_the_rest_is_itself() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "a/b"),
            ("**", "x"),
            ("delete_*", "delete_"),
            ("delete_*", "delete_all"),
            ("*_all", "delete_all"),
            ("a*b", "ab"),
            ("a*b", "a*b"),
            ("a*b*c", "a1b2b3c"),
            ("*a*a*", "aa"),
            ("tools/call", "tools/call"),
            ("", ""),
            ("ä*", "äö"),
            ("a**b", "axb"),
            ("*aab", "aaaab"),
            ("a*ab*b", "aababb"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("delete_*", "delete"),
            ("delete_*", "Delete_all"),
            ("delete_*", " delete_all"),
            ("a*a", "a"),
            ("ab*ba", "aba"),
            ("*a*a*", "a"),
            ("a?c", "abc"),
            ("a.c", "abc"),
            ("[ab]", "a"),
            ("a*b", "a*b "),
            ("é", "e\u{301}"),
            ("a*b*c", "acb"),
            ("tools/call", "tools/cal"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
        assert!(Pattern::new("*").is_any() && Pattern::new("***").is_any());
        assert!(!Pattern::new("").is_any() && !Pattern::new("a*").is_any());
    }

    /// The definition, regardless of time.
    fn plainly(pattern: &str, text: &str) -> bool {
        let mut characters = pattern.chars();
        match characters.next() {
            None => text.is_empty(),
            Some('*') => text
                .char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| plainly(characters.as_str(), &text[at..])),
            Some(one) => text
                .strip_prefix(one)
                .is_some_and(|rest| plainly(characters.as_str(), rest)),
        }
    }

    proptest! {
        #[test]
        fn it_matches_as_the_definition_says(pattern in "[ab*ä]{0,8}", text in "[abä]{0,10}") {
            prop_assert_eq!(matches(&pattern, &text), plainly(&pattern, &text));
        }
    }

    #[test]
    fn a_hostile_text_takes_no_more_time_than_its_length() {
        let text = "a".repeat(1 << 20);
        let started = std::time::Instant::now();
        for pattern in ["*a*a*a*a*a*a*a*a*b", "*aaaaaaaaaaaaaaaab*", "a*a*ab*a*"] {
            assert!(!matches(pattern, &text));
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(2));
    }
}
