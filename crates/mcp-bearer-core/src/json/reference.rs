//! A reader that looks at one byte at a time, and the tests that compare the others with it.
//!
//! It is slow and has no state but a position, so that it is easy to see that it is right.

use std::collections::HashSet;

use proptest::prelude::*;

use super::find_byte::{first_special, quiet_start};
use super::{Members, Next, Scan, Walker};

/// What is left of a text, and the first number in it that no double can hold.
struct Plain<'a> {
    text: &'a str,
    at: usize,
    huge_number_at: Option<usize>,
}

/// Whether the text is one object, and where its first huge number is.
fn read_plainly(text: &str) -> Option<Option<usize>> {
    let mut plain = Plain {
        text,
        at: 0,
        huge_number_at: None,
    };
    plain.space();
    if plain.peek() != Some(b'{') {
        return None;
    }
    plain.value(0)?;
    plain.space();
    plain.peek().is_none().then_some(plain.huge_number_at)
}

impl Plain<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found.then_some(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        self.space();
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => None,
        }?;
        self.space();
        Some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        word.bytes()
            .try_for_each(|byte| self.take(byte).ok_or(()))
            .ok()
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        if depth == 127 {
            return None;
        }
        self.take(b'{')?;
        self.space();
        if self.take(b'}').is_some() {
            return Some(());
        }
        let mut names = HashSet::new();
        let mut all_differ = true;
        loop {
            self.space();
            all_differ &= names.insert(self.string()?);
            self.space();
            self.take(b':')?;
            self.value(depth + 1)?;
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return all_differ.then_some(());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        if depth == 127 {
            return None;
        }
        self.take(b'[')?;
        self.space();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    /// A string, as UTF-16, in which every escape is what it means.
    fn string(&mut self) -> Option<Vec<u16>> {
        self.take(b'"')?;
        let mut units = Vec::new();
        loop {
            let next = self.text.get(self.at..)?.chars().next()?;
            self.at += next.len_utf8();
            match next {
                '"' => break,
                '\\' => units.push(self.escape()?),
                '\0'..='\u{1f}' => return None,
                _ => units.extend_from_slice(next.encode_utf16(&mut [0; 2])),
            }
        }
        String::from_utf16(&units).is_ok().then_some(units)
    }

    fn escape(&mut self) -> Option<u16> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => u16::from(byte),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let mut unit = 0;
                for _ in 0..4 {
                    let digit = char::from(self.peek()?).to_digit(16)?;
                    unit = unit * 16 + u16::try_from(digit).ok()?;
                    self.at += 1;
                }
                unit
            }
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        let number: f64 = self.text.get(start..self.at)?.parse().ok()?;
        if number.is_infinite() && self.huge_number_at.is_none() {
            self.huge_number_at = Some(start);
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

/// Reads through the walker: each object and array down to `levels` by itself, the rest whole.
fn walk(text: &str, levels: usize) -> Scan<()> {
    let mut walker = Walker::new(text)?;
    walker.object(|walker, _| descend(walker, levels))?;
    walker.end()
}

fn descend(walker: &mut Walker<'_>, levels: usize) -> Scan<()> {
    match walker.next() {
        Next::Object if levels > 0 => walker.object(|walker, _| descend(walker, levels - 1)),
        Next::Array if levels > 0 => walker.array(|walker| descend(walker, levels - 1)),
        Next::String => walker.text().map(drop),
        _ => walker.value().map(drop),
    }
}

fn assert_agrees(text: &str) {
    let plain = read_plainly(text);
    let index = Members::parse(text).ok();
    let huge = index.map(|members| members.huge_number_at());
    assert_eq!(huge, plain, "{text:?}");
    for levels in [0, 1, 3] {
        assert_eq!(
            walk(text, levels).is_ok(),
            plain.is_some(),
            "{text:?} {levels}"
        );
    }
}

const SPECIAL: [u8; 6] = [b'"', b'\\', 0, 0x1f, b'\n', 2];

/// Neighbours of the special bytes, which a wrong mask or a carry would take for them.
const OTHERS: [u8; 12] = [
    b' ', b'!', b'#', b'$', b'[', b']', 0x5e, 0x7f, 0x80, 0xa2, 0xdc, 0xff,
];

fn first_plainly(bytes: &[u8]) -> Option<usize> {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    bytes.iter().position(special)
}

fn assert_found(bytes: &[u8]) {
    let first = first_plainly(bytes);
    assert_eq!(first_special(bytes), first, "{bytes:?}");
    let quiet = quiet_start(bytes);
    assert!(quiet <= first.unwrap_or(bytes.len()), "{bytes:?}");
    let most = if bytes.len() < 8 {
        0
    } else {
        bytes.len().min(8)
    };
    assert!(quiet >= first.unwrap_or(bytes.len()).min(most), "{bytes:?}");
}

#[test]
fn each_byte_is_special_or_not_at_each_place_of_a_word_and_of_a_wide_step() {
    for byte in 0..=u8::MAX {
        for at in 0..72 {
            let mut bytes = [b'a'; 72];
            bytes[at] = byte;
            assert_found(&bytes);
            // Behind it another one, which must not be found instead.
            bytes[71] = b'"';
            assert_found(&bytes);
        }
    }
}

#[test]
fn a_special_byte_is_found_in_a_text_of_each_length_beside_each_neighbour() {
    for length in 0..=100 {
        for filler in OTHERS {
            let quiet = vec![filler; length];
            assert_found(&quiet);
            for at in 0..length {
                for special in SPECIAL {
                    let mut bytes = quiet.clone();
                    bytes[at] = special;
                    assert_found(&bytes);
                    if let Some(next) = bytes.get_mut(at + 1) {
                        *next = b'"';
                        assert_found(&bytes);
                    }
                }
            }
        }
    }
}

#[test]
fn a_string_of_each_length_ends_where_it_does() {
    for length in 0..=100 {
        for filler in ["a", "!", "#", "[", "]", "\u{7f}", "é", "日"] {
            let text = filler.repeat(length);
            for whole in [
                format!("{{\"{text}\":0}}"),
                format!("{{\"x\":\"{text}\"}}"),
                format!("{{\"x\":[\"{text}\",0]}}"),
                format!("{{\"x\":{{\"{text}\":\"{text}\"}}}}"),
                format!("{{\"{text}\":\"{text}"),
                format!("{{\"{text}"),
                format!("{{\"{text}\":0,\"{text}\":0}}"),
                format!("{{\"x\":{{\"{text}\":0,\"y\":1,\"{text}\":0}}}}"),
            ] {
                assert_agrees(&whole);
            }
        }
        let text = "a".repeat(length);
        for at in 0..=length {
            let (before, behind) = text.split_at(at);
            for piece in [
                "\"",
                "\\",
                "\\\"",
                "\\n",
                "\\u0061",
                "\\u00",
                "\\ud83d\\ude00",
                "\\ud83d",
                "\\ud83d\\n",
                "\\udc00",
                "\0",
                "\u{1f}",
                "\n",
                "\\\\",
                "\\/",
                "\\x",
                "é",
            ] {
                assert_agrees(&format!("{{\"x\":\"{before}{piece}{behind}\"}}"));
                assert_agrees(&format!("{{\"{before}{piece}{behind}\":[1]}}"));
            }
        }
    }
}

/// Names of which many are equal, share a beginning and an end, or are written in two ways.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]{0,3}",
        "(a|\\\\u0061){0,3}",
        "[ab]{0,2}cccccccc[ab]{0,2}",
        "cccc[ab]{4}cccc[ab]{0,1}",
        "(é|e|\\\\u00e9|日){0,4}",
        "n[0-9]{1,2}",
    ]
}

fn object(names: &[String]) -> String {
    let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":0")).collect();
    format!("{{{}}}", members.join(","))
}

/// Pieces of JSON in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[{}\\[\\],:\"]".prop_map(|text| text),
        2 => prop::sample::select(vec![
            "{\"a\":", "\"a\":1,", "\"b\":[", "]}", "},", "],", "\"\":", "{}", "[]", "\"x\"", "-",
            "true", "null", "fals", "\\", "\\u", "\\\"", " ", "\n", "1e999", "0", "01", "1.5", "-0",
            "9e+1", ".", "E",
        ]).prop_map(ToOwned::to_owned),
        1 => "[a-f0-9é\u{1}\u{7f}]{0,20}",
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][-+]?[0-9]{1,3})?",
        prop::sample::select(vec!["true", "false", "null"]).prop_map(ToOwned::to_owned),
        "\"([ -!#-\\[\\]-~é日]|\\\\[\"\\\\/bfnrt]|\\\\u00[0-9a-fA-F]{2}){0,40}\"",
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..6);
        let members = prop::collection::vec((name(), inner), 0..6);
        prop_oneof![
            list.prop_map(|values| format!("[{}]", values.join(" , "))),
            members.prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("\"{name}\" : {value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn bytes_in_any_order_are_searched_alike(bytes in prop::collection::vec(
        prop_oneof![8 => 0x20..=u8::MAX, 1 => prop::sample::select(SPECIAL.to_vec())],
        0..150,
    )) {
        assert_found(&bytes);
    }

    #[test]
    fn names_are_compared_alike(
        outer in prop::collection::vec(name(), 0..60),
        inner in prop::collection::vec(name(), 0..12),
    ) {
        assert_agrees(&object(&outer));
        assert_agrees(&object(&inner));
        let (outer, inner) = (object(&outer), object(&inner));
        assert_agrees(&format!("{{\"x\":{outer},\"y\":[{inner},{inner}]}}"));
        let open = outer.strip_suffix('}').unwrap_or_default();
        assert_agrees(&format!("{{\"x\":{open},\"z\":{inner},\"a\":1}}}}"));
    }

    #[test]
    fn texts_near_json_are_read_alike(text in pieces(), inner in pieces()) {
        assert_agrees(&text);
        assert_agrees(&format!("{{\"a\":{inner}}}"));
    }

    #[test]
    fn a_text_and_what_one_byte_makes_of_it_are_read_alike(
        value in value(),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![0_u8..0x80, prop::sample::select(b"\"\\{}[],: 0e-".to_vec())],
    ) {
        let text = format!("{{\"a\":{value}}}");
        assert_agrees(&text);
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            assert_agrees(text);
        }
        bytes.truncate(at);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            assert_agrees(text);
        }
    }
}
