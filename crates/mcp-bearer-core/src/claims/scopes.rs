//! Step 19: which claims hold scopes, and what they hold (RFC 6749 section 3.3, RFC 8693 section
//! 4.2).
//!
//! Anything that is not a scope-token is left out: it cannot equal a required scope, so it grants
//! nothing.

use std::fmt;

use super::ClaimPath;
use crate::json::{JsonObject, Value, elements};
use crate::rejection::Shown;
use crate::scope::Scopes;

/// The claims that scopes are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScopeClaims {
    pub(crate) paths: Vec<ClaimPath>,
    pub(crate) counted: Counted,
}

/// Which of the claims that are present count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Counted {
    /// The first, even when it is empty.
    #[default]
    First,
    /// All of them together.
    All,
}

impl Default for ScopeClaims {
    fn default() -> Self {
        Self {
            paths: vec!["scope".into(), "scp".into()],
            counted: Counted::default(),
        }
    }
}

impl ScopeClaims {
    pub(crate) fn read(&self, claims: &JsonObject) -> Scopes {
        let mut found = self.paths.iter().filter_map(|path| present(path, claims));
        match self.counted {
            Counted::First => found.next().map_or_else(Scopes::none, |value| of(&value)),
            Counted::All => found.fold(Scopes::none(), |held, value| held.and(&of(&value))),
        }
    }

    /// What the claims that were read hold, for the operator: quoted, cut and counted.
    pub(crate) fn show<'c>(&'c self, claims: &'c JsonObject) -> impl fmt::Display + 'c {
        Claims {
            looked_for: self,
            claims,
        }
    }
}

/// The value of a claim; `null` counts as absent.
fn present<'c>(path: &ClaimPath, claims: &'c JsonObject) -> Option<Value<'c>> {
    path.find(claims)?.unless_null()
}

/// The scopes in one claim. A string is split on the space character; an element of an array is one
/// name or nothing.
fn of(value: &Value<'_>) -> Scopes {
    match value {
        Value::String(text) => Scopes::valid_in(text),
        Value::Array(array) => {
            let names = elements(array).filter_map(Value::into_string);
            Scopes::valid_of(names, array.len())
        }
        Value::Number(_) | Value::Bool(_) | Value::Null | Value::Object(_) => Scopes::none(),
    }
}

struct Claims<'c> {
    looked_for: &'c ScopeClaims,
    claims: &'c JsonObject,
}

impl Claims<'_> {
    /// How many claims are shown, and how many elements of an array.
    const SHOWN: usize = 4;
}

impl fmt::Display for Claims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, path) in self.looked_for.paths.iter().enumerate() {
            let between = if index == 0 { "" } else { ", " };
            if index == Self::SHOWN {
                let more = self.looked_for.paths.len() - index;
                return write!(f, "{between}and {more} more");
            }
            write!(f, "{between}claim {path} ")?;
            match present(path, self.claims) {
                None => f.write_str("is absent")?,
                Some(value) => {
                    show_value(&value, f)?;
                    if self.looked_for.counted == Counted::First {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

fn show_value(value: &Value<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::String(text) => write!(f, "holds {}", Shown(text)),
        Value::Array(array) => {
            f.write_str("holds [")?;
            let mut more = 0;
            for (index, element) in elements(array).enumerate() {
                if index >= Claims::SHOWN {
                    more += 1;
                    continue;
                }
                f.write_str(if index == 0 { "" } else { ", " })?;
                match element {
                    Value::String(text) => write!(f, "{}", Shown(&text))?,
                    other => f.write_str(other.type_name())?,
                }
            }
            match more {
                0 => f.write_str("]"),
                more => write!(f, "] and {more} more"),
            }
        }
        other => write!(f, "holds {}", other.type_name()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{Counted, ScopeClaims};
    use crate::json::JsonObject;

    fn claims(value: &serde_json::Value) -> JsonObject {
        JsonObject::read(value.to_string().into_bytes()).unwrap()
    }

    fn of(paths: &[&str], counted: Counted) -> ScopeClaims {
        let paths = paths.iter().map(|name| (*name).into()).collect();
        ScopeClaims { paths, counted }
    }

    #[test]
    fn the_operator_sees_what_was_read_cut_and_counted() {
        let long = "x".repeat(1000);
        let many: Vec<String> = (0..9).map(|n| format!("s{n}")).collect();
        for (value, first, all) in [
            (
                json!({}),
                r#"claim "scope" is absent, claim "scp" is absent"#,
                r#"claim "scope" is absent, claim "scp" is absent"#,
            ),
            (
                json!({"scope": "a b", "scp": null}),
                r#"claim "scope" holds "a b""#,
                r#"claim "scope" holds "a b", claim "scp" is absent"#,
            ),
            (
                json!({"scope": null, "scp": many}),
                r#"claim "scope" is absent, claim "scp" holds ["s0", "s1", "s2", "s3"] and 5 more"#,
                r#"claim "scope" is absent, claim "scp" holds ["s0", "s1", "s2", "s3"] and 5 more"#,
            ),
            (
                json!({"scope": ["a b", 1, null, {}], "scp": true}),
                r#"claim "scope" holds ["a b", a number, null, an object]"#,
                r#"claim "scope" holds ["a b", a number, null, an object], claim "scp" holds true"#,
            ),
        ] {
            let claims = claims(&value);
            for (counted, text) in [(Counted::First, first), (Counted::All, all)] {
                let shown = of(&["scope", "scp"], counted).show(&claims).to_string();
                assert_eq!(shown, text, "{value}");
            }
        }
        let claims = claims(&json!({"scope": long, "scp": [long, long, long, long, long]}));
        let shown = of(&["scope", "scp"], Counted::All)
            .show(&claims)
            .to_string();
        assert!(shown.len() < 500 && shown.contains("xxx\"..."), "{shown}");
        let many = of(&["a", "b", "c", "d", "e", "f"], Counted::First);
        let shown = many.show(&claims).to_string();
        assert!(
            shown.ends_with(r#"claim "d" is absent, and 2 more"#),
            "{shown}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

        /// Whatever an array contains, only a whole element grants a scope.
        #[test]
        fn an_element_is_one_scope_or_none(names in proptest::collection::vec("[ -~\\t\\né]{0,6}", 0..8)) {
            let claims = claims(&json!({ "scope": names }));
            let scopes = ScopeClaims::default().read(&claims);
            let whole = |name: &&String| {
                !name.is_empty() && name.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
            };
            let expected: Vec<&String> = names.iter().filter(whole).collect();
            prop_assert_eq!(scopes.iter().collect::<Vec<_>>(), expected);
        }

        /// A string grants what is between its spaces.
        #[test]
        fn a_string_is_split_on_spaces_alone(text in "[ -~\\t\\né]{0,20}") {
            let claims = claims(&json!({ "scope": text }));
            let scopes = ScopeClaims::default().read(&claims);
            let is_scope = |piece: &&str| piece.parse::<crate::scope::Scopes>().is_ok() && !piece.is_empty();
            let expected: Vec<&str> = text.split(' ').filter(is_scope).collect();
            prop_assert_eq!(scopes.as_str(), expected.join(" "));
        }
    }
}
