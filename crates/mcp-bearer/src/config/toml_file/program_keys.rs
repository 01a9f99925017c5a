//! The keys that a program reads from the same file: at the top, or in one table.

use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use super::super::draft::Found;
use super::super::problem::{Fact, Problem, Span};
use super::super::setting::Shape;
use super::super::value::Value;
use super::{read_shape, span};

/// A key that a program knows: `listen`, or `tls.certificate` for one in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherKey {
    /// Its name, with the name of its table before it.
    pub path: &'static str,
    /// What its values look like.
    pub shape: Shape,
}

/// The value of such a key in a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OtherValue {
    /// The key.
    pub path: &'static str,
    /// Its value.
    pub value: Value,
    /// Where it is.
    pub at: Span,
}

pub(super) struct Reader<'a> {
    keys: &'a [OtherKey],
    text: &'a str,
    folder: &'a Path,
    values: Vec<OtherValue>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(keys: &'a [OtherKey], text: &'a str, folder: &'a Path) -> Self {
        Self {
            keys,
            text,
            folder,
            values: Vec::new(),
        }
    }

    pub(super) fn into_values(self) -> Vec<OtherValue> {
        self.values
    }

    /// The keys at the top, and the names of the tables.
    pub(super) fn at_the_top(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for key in self.keys {
            let (name, _) = key.path.split_once('.').unwrap_or((key.path, ""));
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Reads a key at the top; false if it is unknown.
    pub(super) fn read(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        found: &mut Found,
    ) -> bool {
        if self.known(name).is_some() {
            self.one(name, value, found);
            return true;
        }
        let members = self.members(name);
        if members.is_empty() {
            return false;
        }
        let DeValue::Table(table) = value.get_ref() else {
            let at = span(self.text, value.span());
            report(
                found,
                at,
                format!("{name}: must be a table, written [{name}]"),
            );
            return true;
        };
        for (key, value) in table {
            let member: &str = key.get_ref();
            let path = format!("{name}.{member}");
            if self.known(&path).is_some() {
                self.one(&path, value, found);
            } else {
                let known = members.join(", ");
                let fact = format!("{name}.{member:?} is not known here; known: {known}");
                report(found, span(self.text, key.span()), fact);
            }
        }
        true
    }

    fn known(&self, path: &str) -> Option<OtherKey> {
        let mut keys = self.keys.iter().copied();
        keys.find(|key| key.path == path)
    }

    fn members(&self, table: &str) -> Vec<&'static str> {
        let member = |key: &OtherKey| match key.path.split_once('.') {
            Some((name, member)) if name == table => Some(member),
            _ => None,
        };
        self.keys.iter().filter_map(member).collect()
    }

    fn one(&mut self, path: &str, value: &Spanned<DeValue<'_>>, found: &mut Found) {
        let Some(key) = self.known(path) else {
            return;
        };
        let at = span(self.text, value.span());
        let problem = |fact: Fact| {
            let fact = Fact::from(format!("{path}: ")).followed_by(fact);
            found.problems.push(Problem {
                at: Some(at),
                ..Problem::new([], fact)
            });
        };
        if let Some(value) = read_shape(key.shape, value, self.folder, problem) {
            self.values.push(OtherValue {
                path: key.path,
                value,
                at,
            });
        }
    }
}

fn report(found: &mut Found, at: Span, fact: String) {
    found.problems.push(Problem {
        at: Some(at),
        ..Problem::new([], fact)
    });
}
