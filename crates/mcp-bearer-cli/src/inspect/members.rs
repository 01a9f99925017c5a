//! The members of a header or of claims, made safe to print: bounded, escaped, without tokens.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use crate::pasted::is_whole;
use crate::ui::{json_line, json_string};

/// How many members are shown as text; JSON has all of them.
const SHOWN_MEMBERS: usize = 64;

/// How many characters of one value are shown as text.
const SHOWN_CHARS: usize = 200;

/// A value that is nested deeper is not shown: JSON readers have limits of their own.
const DEPTH: usize = 32;

/// Names and values in order, the values in JSON.
#[derive(Clone, Debug, Default)]
pub(super) struct Members(Vec<(String, String)>);

impl Members {
    pub(super) fn read<'a>(members: impl Iterator<Item = (Cow<'a, str>, &'a str)>) -> Self {
        let members = members.map(|(name, json)| {
            let json = if depth(json) > DEPTH {
                format!("\"(nested {} levels deep)\"", depth(json))
            } else {
                without_tokens(&finite(json))
            };
            (name.into_owned(), json)
        });
        Self(members.collect())
    }

    /// A value; `null` counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let (_, json) = self.0.iter().find(|(other, _)| other == name)?;
        serde_json::from_str(json)
            .ok()
            .filter(|value: &Value| !value.is_null())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        let mut members = self.0.iter();
        members.any(|(other, json)| other == name && json != "null")
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A finite number.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let (_, json) = self.0.iter().find(|(other, _)| other == name)?;
        json.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// One JSON object of all members.
    pub(super) fn json(&self) -> String {
        let mut object = String::from("{");
        for (index, (name, json)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(object, "{comma}{}:{json}", json_string(name));
        }
        object.push('}');
        object
    }

    /// One line per member: its name, its value, and what `explain` adds.
    pub(super) fn lines(&self, explain: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let shown = || self.0.iter().take(SHOWN_MEMBERS);
        let names: Vec<String> = shown().map(|(name, _)| shown_name(name)).collect();
        let width = names.iter().map(|name| name.chars().count()).max();
        let width = width.unwrap_or_default().min(24);
        let mut lines: Vec<String> = shown()
            .zip(&names)
            .map(|((name, json), shown)| {
                let more = explain(name).map(|more| format!("  ({more})"));
                let value = shortened(&json_line(json));
                format!("{shown:<width$}  {value}{}", more.unwrap_or_default())
            })
            .collect();
        if let Some(more) = self.0.len().checked_sub(SHOWN_MEMBERS + 1) {
            lines.push(format!("... and {} more", more + 1));
        }
        lines
    }
}

fn shown_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/#@".contains(c);
    if !name.is_empty() && name.len() <= 64 && name.chars().all(plain) {
        return name.to_owned();
    }
    shortened(&json_line(&json_string(name)))
}

fn shortened(json: &str) -> String {
    match json.char_indices().nth(SHOWN_CHARS) {
        None => json.to_owned(),
        Some((end, _)) => {
            let start = json.get(..end).unwrap_or_default();
            format!("{start}... ({} bytes in all)", json.len())
        }
    }
}

/// How deep arrays and objects are nested in a valid JSON value.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Quotes each number that no double can hold, because many JSON readers stop at one.
fn finite(json: &str) -> Cow<'_, str> {
    let in_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let huge = |piece: &str| piece.parse().is_ok_and(|number: f64| number.is_infinite());
    // Without an exponent, such a number needs 309 digits.
    if json.len() < 300 && !json.contains(['e', 'E']) {
        return Cow::Borrowed(json);
    }
    let (mut whole, mut rest) = (String::with_capacity(json.len()), json);
    while !rest.is_empty() {
        let end = if rest.starts_with('"') {
            end_of_string(rest)
        } else if rest.starts_with(in_number) {
            rest.find(|c| !in_number(c)).unwrap_or(rest.len())
        } else {
            rest.find(|c| c == '"' || in_number(c))
                .unwrap_or(rest.len())
        };
        let (piece, behind) = rest.split_at_checked(end.max(1)).unwrap_or((rest, ""));
        if piece.starts_with(in_number) && huge(piece) {
            let _ = write!(whole, "\"{piece}\"");
        } else {
            whole.push_str(piece);
        }
        rest = behind;
    }
    Cow::Owned(whole)
}

/// The end of the string that the text begins with.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            byte => escaped = !escaped && byte == b'\\',
        }
    }
    text.len()
}

/// Hides tokens: a claim may contain another one, which is as secret as this one.
fn without_tokens(json: &str) -> String {
    let in_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    json.split_inclusive(|c| !in_token(c))
        .map(|piece| {
            let word = piece.trim_end_matches(|c| !in_token(c));
            match piece.get(word.len()..) {
                Some(rest) if is_whole(word) => Cow::Owned(format!("eyJ...{rest}")),
                _ => Cow::Borrowed(piece),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(pairs: &[(&'static str, &'static str)]) -> Members {
        Members::read(pairs.iter().map(|(name, json)| ((*name).into(), *json)))
    }

    #[test]
    fn a_deep_value_is_not_shown() {
        assert_eq!(depth(r#"{"a":["]]",[{}]]}"#), 4);
        assert_eq!(depth(r#""[\"[[""#), 0);
        let deep: &str = Box::leak(format!("{}{}", "[".repeat(33), "]".repeat(33)).into());
        let found = members(&[("a", deep), ("b", "[1]")]);
        assert_eq!(found.json(), r#"{"a":"(nested 33 levels deep)","b":[1]}"#);
    }

    #[test]
    fn a_token_in_a_claim_is_cut() {
        let json = r#"["eyJhbGciOiJub25lIn0.e30.c2ln","https://my-long-tenant-name.eu-central-1.auth.example.com"]"#;
        let cut = r#"["eyJ...","https://my-long-tenant-name.eu-central-1.auth.example.com"]"#;
        assert_eq!(without_tokens(json), cut);
    }

    #[test]
    fn text_is_bounded() {
        let long: &str = Box::leak(format!("\"{}\"", "é".repeat(5000)).into());
        let mut pairs = vec![("a", long); 100];
        pairs.push(("b\n", "1"));
        let lines = members(&pairs).lines(|_| None);
        assert_eq!(lines.len(), SHOWN_MEMBERS + 1);
        assert!(
            lines[0].ends_with("... (10002 bytes in all)"),
            "{}",
            lines[0]
        );
        assert_eq!(lines[SHOWN_MEMBERS], "... and 37 more");
        let lines = members(&[("b\n\u{1b}", "\"\u{9b}\"")]).lines(|_| Some("x".into()));
        assert_eq!(lines, [r#""b\n\u001b"  "\u009b"  (x)"#]);
    }

    #[test]
    fn a_number_that_no_double_holds_is_quoted() {
        let digits = "9".repeat(400);
        for (json, fit) in [
            ("1e999", "\"1e999\""),
            ("-1E+400", "\"-1E+400\""),
            ("1e-999", "1e-999"),
            (
                r#"[1e999,"1e999","a\"1e999",true,false,{"e":-1e999}]"#,
                r#"["1e999","1e999","a\"1e999",true,false,{"e":"-1e999"}]"#,
            ),
            (&digits, &format!("\"{digits}\"")),
            (r#"{"é":["é"],"eE":1.5e3}"#, r#"{"é":["é"],"eE":1.5e3}"#),
        ] {
            assert_eq!(finite(json), fit);
        }
    }

    #[test]
    fn null_counts_as_absent() {
        let found = members(&[("a", "null"), ("b", "1.50"), ("c", "1e999")]);
        assert!(!found.has("a") && found.has("b"));
        assert_eq!((found.number("b"), found.number("c")), (Some(1.5), None));
    }
}
