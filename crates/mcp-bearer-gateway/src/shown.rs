//! Untrusted text, cut and escaped so that it can be shown to an operator.
//!
//! Every field of a [`Decision`](crate::decision::Decision) may hold such text: the audit log and
//! the status page show it only through these functions.

use mcp_bearer::core::Limits;

use crate::decision::{Caller, Decision};

/// The longest sentence for the operator, in characters. The library's own are at most half of it.
const SENTENCE_CHARS: usize = 2048;
/// The longest name in a request, or value that a signature has proven, in characters.
const FACT_CHARS: usize = 1024;

/// The decision with every text in it cut and escaped.
pub(crate) fn decision(decision: &Decision) -> Decision {
    let caller = &decision.caller;
    let who = if caller.proven { fact } else { claimed };
    let by = |how: fn(&str) -> String, text: &Option<String>| text.as_deref().map(how);
    Decision {
        detail: sentence(&decision.detail),
        caller: Caller {
            proven: caller.proven,
            issuer: by(who, &caller.issuer),
            subject: by(who, &caller.subject),
            client_id: by(who, &caller.client_id),
            key_id: by(who, &caller.key_id),
        },
        http_method: claimed(&decision.http_method),
        method: by(claimed, &decision.method),
        name: by(fact, &decision.name),
        ..*decision
    }
}

/// A value that nothing has proven: cut and escaped as the library's logs do.
pub(crate) fn claimed(text: &str) -> String {
    let (start, rest) = cut(text, Limits::SHOWN_CHARS);
    format!("{}{rest}", start.escape_debug())
}

/// A value that a signature has proven, or the name of what was called. Others search for it, so it
/// may be longer, and only what cannot be seen is escaped.
pub(crate) fn fact(text: &str) -> String {
    visible(text, FACT_CHARS)
}

/// A sentence for the operator. What it quotes of a token is escaped already.
pub(crate) fn sentence(text: &str) -> String {
    visible(text, SENTENCE_CHARS)
}

/// The limit is for the result, so that no text makes it longer by what must be escaped.
fn visible(text: &str, most: usize) -> String {
    let mut shown = String::new();
    let mut length = 0;
    for character in text.chars() {
        let escaped = character.escape_debug();
        let is_quote = matches!(character, '"' | '\'' | '\\');
        // Characters that combine with others are escaped by `escape_debug`, and can be seen.
        let is_visible = is_quote || character.is_alphanumeric() || escaped.len() == 1;
        length += if is_visible { 1 } else { escaped.len() };
        if length > most {
            shown.push_str("...");
            break;
        }
        match is_visible {
            true => shown.push(character),
            false => shown.extend(escaped),
        }
    }
    shown
}

/// The first characters, and whether there were more. No more of a long text is looked at.
fn cut(text: &str, most: usize) -> (&str, &'static str) {
    match text.char_indices().nth(most) {
        Some((end, _)) => (text.get(..end).unwrap_or_default(), "..."),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::{claimed, fact, sentence};

    #[test]
    fn what_cannot_be_seen_is_escaped_and_what_can_be_is_kept() {
        for (text, as_claim, as_fact) in [
            ("alice", "alice", "alice"),
            ("a\nb", "a\\nb", "a\\nb"),
            ("a\u{1b}[31m", "a\\u{1b}[31m", "a\\u{1b}[31m"),
            ("a\u{202e}b", "a\\u{202e}b", "a\\u{202e}b"),
            ("a\u{2028}b", "a\\u{2028}b", "a\\u{2028}b"),
            (
                "a\u{85}b\u{7f}\0",
                "a\\u{85}b\\u{7f}\\0",
                "a\\u{85}b\\u{7f}\\0",
            ),
            ("say \"a\\b\"", "say \\\"a\\\\b\\\"", "say \"a\\b\""),
            ("Zoë, 名前", "Zoë, 名前", "Zoë, 名前"),
            ("कि", "कि", "कि"),
        ] {
            assert_eq!(claimed(text), as_claim, "{text:?}");
            assert_eq!(fact(text), as_fact, "{text:?}");
            assert_eq!(sentence(text), as_fact, "{text:?}");
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = "é".repeat(1 << 20);
        for (shown, most) in [
            (claimed(&long), 64),
            (fact(&long), 1024),
            (sentence(&long), 2048),
        ] {
            assert_eq!(shown.chars().count(), most + 3);
            assert!(shown.ends_with("é..."), "{most}");
        }
        assert_eq!(claimed(&"x".repeat(64)), "x".repeat(64));
    }
}
