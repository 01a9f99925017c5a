//! Two names that are nearly equal: what people mistype in an issuer or an audience.
//!
//! A near miss is never accepted. It only shows the operator where to look.

use std::fmt;

use crate::rejection::Shown;

/// The only ways in which two names differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NearMiss {
    slash: bool,
    case: bool,
    scheme: bool,
}

impl NearMiss {
    /// The differences, if a slash at the end, case, and http for https are the only ones.
    pub(crate) fn between(one: &str, other: &str) -> Option<Self> {
        if one == other || one.len().abs_diff(other.len()) > 2 {
            return None;
        }
        let (one, other) = (Name::of(one), Name::of(other));
        one.rest.eq_ignore_ascii_case(other.rest).then_some(Self {
            slash: one.slash != other.slash,
            case: one.rest != other.rest || one.shouted != other.shouted,
            scheme: one.scheme != other.scheme,
        })
    }

    /// The same for the first pair that is near, as a clause for the end of a sentence.
    pub(crate) fn first_of<'a>(
        got: &str,
        expected: impl IntoIterator<Item = &'a String>,
    ) -> Option<String> {
        expected.into_iter().find_map(|expected| {
            let miss = Self::between(got, expected)?;
            Some(miss.clause(got, expected))
        })
    }

    /// How the two differ.
    pub(crate) fn clause(self, got: &str, expected: &str) -> String {
        format!("; {} differs from {expected:?} only {self}", Shown(got))
    }
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways = [
            (self.slash, "by a slash at the end"),
            (self.case, "by upper and lower case"),
            (self.scheme, "by http and https"),
        ];
        let mut between = "";
        for (_, way) in ways.into_iter().filter(|(differ, _)| *differ) {
            write!(f, "{between}{way}")?;
            between = " and ";
        }
        Ok(())
    }
}

/// A name split into parts.
struct Name<'a> {
    scheme: Scheme,
    /// The scheme is not in lower case.
    shouted: bool,
    rest: &'a str,
    slash: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Other,
}

impl<'a> Name<'a> {
    fn of(name: &'a str) -> Self {
        let after = |scheme: &str| {
            let (start, rest) = name.split_at_checked(scheme.len())?;
            start
                .eq_ignore_ascii_case(scheme)
                .then_some((rest, start != scheme))
        };
        let (scheme, rest, shouted) = match (after("https://"), after("http://")) {
            (Some((rest, shouted)), _) => (Scheme::Https, rest, shouted),
            (None, Some((rest, shouted))) => (Scheme::Http, rest, shouted),
            (None, None) => (Scheme::Other, name, false),
        };
        let bare = rest.strip_suffix('/');
        Self {
            scheme,
            shouted,
            rest: bare.unwrap_or(rest),
            slash: bare.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NearMiss;

    #[test]
    fn only_a_near_name_is_named() {
        for (one, other, ways) in [
            ("https://a/", "https://a", Some("by a slash at the end")),
            ("a", "a/", Some("by a slash at the end")),
            (
                "https://A/x",
                "https://a/x",
                Some("by upper and lower case"),
            ),
            ("HTTPS://a", "https://a", Some("by upper and lower case")),
            ("http://a", "https://a", Some("by http and https")),
            (
                "http://A/",
                "https://a",
                Some("by a slash at the end and by upper and lower case and by http and https"),
            ),
            ("https://a", "https://a", None),
            ("https://a//", "https://a", None),
            ("https://a/b", "https://a", None),
            ("https://b", "https://a", None),
            ("ftp://a", "http://a", None),
            ("https://a:443", "https://a", None),
            ("httpsx://a", "https://a", None),
            ("É", "é", None),
            ("", "a", None),
            ("é/", "é", Some("by a slash at the end")),
        ] {
            let found = NearMiss::between(one, other).map(|miss| miss.to_string());
            assert_eq!(found.as_deref(), ways, "{one} {other}");
            let back = NearMiss::between(other, one).map(|miss| miss.to_string());
            assert_eq!(back, found, "{one} {other}");
        }
    }

    #[test]
    fn the_clause_quotes_and_cuts_what_came_from_the_token() {
        let expected = ["https://b".to_owned(), "https://a".to_owned()];
        assert_eq!(
            NearMiss::first_of("https://a/", &expected).as_deref(),
            Some(r#"; "https://a/" differs from "https://a" only by a slash at the end"#)
        );
        let long = "x".repeat(100_000);
        let clause = NearMiss::first_of(&format!("{long}/"), [&long]).unwrap();
        assert!(clause.starts_with("; \"xxx") && clause.contains("xxx\"... differs"));
    }
}
