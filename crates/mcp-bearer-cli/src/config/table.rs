//! A TOML document, read member by member: whatever is wrong with it is told with its line, all at once.
//!
//! It must never let a member pass that nobody asked for: a misspelt rule would silently not hold.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Collects what is wrong with one file.
pub(super) struct Problems<'a> {
    path: &'a Path,
    text: &'a str,
    found: Vec<String>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self {
            path,
            text,
            found: Vec::new(),
        }
    }

    /// Something is wrong at this byte of the text.
    pub(super) fn tell(&mut self, at: usize, what: &str) {
        let before = self.text.as_bytes().iter().take(at);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        let path = self.path.display();
        self.found.push(format!("{path}:{line}: {what}"));
    }

    /// Something is wrong with the file as a whole.
    pub(super) fn tell_of_all(&mut self, what: &str) {
        self.found.push(format!("{}: {what}", self.path.display()));
    }

    pub(super) fn into_found(self) -> Vec<String> {
        self.found
    }
}

/// The members of one table, each asked for once.
pub(super) struct Members<'t> {
    table: &'t DeTable<'t>,
    /// Where the table begins.
    pub(super) at: usize,
    /// What stands before a member's name in a message: nothing, or the section and a full stop.
    section: &'static str,
    known: Vec<&'static str>,
}

/// A value and the byte where it stands.
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

impl<'t> Members<'t> {
    pub(super) fn new(section: &'static str, table: &'t DeTable<'t>, at: usize) -> Self {
        Self {
            table,
            at,
            section,
            known: Vec::new(),
        }
    }

    /// A string.
    pub(super) fn text(
        &mut self,
        name: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Found<String>> {
        let value = self.get(name)?;
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => {
                let value = text.clone().into_owned();
                Some(Found { value, at })
            }
            _ => {
                self.wrong(at, name, "must be a string", problems);
                None
            }
        }
    }

    /// A list of strings.
    pub(super) fn texts(
        &mut self,
        name: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Found<String>>> {
        let value = self.get(name)?;
        let DeValue::Array(array) = value.get_ref() else {
            let what = "must be a list of strings, such as [\"a\", \"b\"]";
            self.wrong(value.span().start, name, what, problems);
            return None;
        };
        let mut texts = Vec::new();
        for item in array {
            let at = item.span().start;
            match item.get_ref() {
                DeValue::String(text) => {
                    let value = text.clone().into_owned();
                    texts.push(Found { value, at });
                }
                _ => self.wrong(at, name, "must hold strings only", problems),
            }
        }
        Some(texts)
    }

    /// The tables of `[[name]]`.
    pub(super) fn sections(
        &mut self,
        name: &'static str,
        inner: &'static str,
        problems: &mut Problems<'_>,
    ) -> Vec<Members<'t>> {
        let Some(value) = self.get(name) else {
            return Vec::new();
        };
        let DeValue::Array(array) = value.get_ref() else {
            let what = format!("must be written [[{name}]], once for each");
            self.wrong(value.span().start, name, &what, problems);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in array {
            let at = item.span().start;
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Members::new(inner, table, at)),
                _ => self.wrong(at, name, &format!("must be written [[{name}]]"), problems),
            }
        }
        sections
    }

    /// Whether there is such a member; whatever it holds is somebody else's matter.
    pub(super) fn holds(&mut self, name: &'static str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn lacks(&self, name: &str) -> bool {
        !self.table.keys().any(|key| key.get_ref() == name)
    }

    /// Tells of every member that was not asked for.
    pub(super) fn finish(self, problems: &mut Problems<'_>) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !self.known.contains(&name) {
                let known = self.known.join(", ");
                let what = format!("{}{name:?} is not known here; known: {known}", self.section);
                problems.tell(key.span().start, &what);
            }
        }
    }

    fn get(&mut self, name: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.push(name);
        let found = self.table.iter().find(|(key, _)| key.get_ref() == name);
        found.map(|(_, value)| value)
    }

    fn wrong(&self, at: usize, name: &str, what: &str, problems: &mut Problems<'_>) {
        problems.tell(at, &format!("{}{name}: {what}", self.section));
    }
}
