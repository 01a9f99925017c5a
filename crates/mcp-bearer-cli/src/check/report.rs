//! What `check` found out about each issuer, and how it is printed.
//!
//! A problem refuses tokens that should be good; a note is worth knowing. Names from a key set are quoted and escaped.

use std::collections::BTreeMap;

use mcp_bearer::keys::KeyStatus;
use mcp_bearer::{Algorithm, KeyInfo, SkippedKey};
use serde_json::{Value, json};

use super::CANDIDATES;
use crate::config::{IssuerEntry, KeysFrom};
use crate::ui::{Failure, Output, Plain, json_line, without_foreign_options};
use crate::verify::Format;

pub(super) struct Report<'a> {
    pub(super) resource: Option<&'a str>,
    pub(super) issuers: Vec<IssuerReport<'a>>,
}

pub(super) struct IssuerReport<'a> {
    entry: &'a IssuerEntry,
    algorithms: Vec<Algorithm>,
    keys: Vec<UsableKey>,
    skipped: Vec<SkippedKey>,
    problems: Vec<String>,
    notes: Vec<String>,
}

struct UsableKey {
    info: KeyInfo,
    /// The algorithms that a token signed with it may name.
    serves: Vec<Algorithm>,
}

impl Report<'_> {
    pub(super) fn problems(&self) -> usize {
        self.issuers
            .iter()
            .map(|issuer| issuer.problems.len())
            .sum()
    }

    pub(super) fn print(&self, output: &mut Output, format: Format) -> Result<(), Failure> {
        match format {
            Format::Json => output.line(json_line(&self.json().to_string())),
            Format::Text => self.print_text(output),
        }
    }

    fn json(&self) -> Value {
        let issuers: Vec<Value> = self.issuers.iter().map(IssuerReport::json).collect();
        json!({
            "ok": self.problems() == 0,
            "resource": self.resource,
            "issuers": issuers,
        })
    }

    fn print_text(&self, output: &mut Output) -> Result<(), Failure> {
        for issuer in &self.issuers {
            issuer.print_text(output)?;
        }
        match self.problems() {
            0 => output.line("ok"),
            1 => output.line("1 problem"),
            several => output.line(format_args!("{several} problems")),
        }
    }
}

impl<'a> IssuerReport<'a> {
    pub(super) fn new(entry: &'a IssuerEntry, status: Option<KeyStatus>) -> Self {
        let algorithms = match entry.algorithms.as_slice() {
            [] => vec![Algorithm::Rs256],
            given => given.to_vec(),
        };
        let set = status.as_ref().map(|status| &status.snapshot.set);
        let keys = set.map(|set| {
            let keys = set.keys().zip(set.verifying_keys());
            keys.map(|(info, key)| UsableKey {
                serves: match info.algorithm {
                    Some(algorithm) => vec![algorithm],
                    None => key.algorithms().collect(),
                },
                info,
            })
            .collect()
        });
        let mut report = Self {
            entry,
            algorithms,
            keys: keys.unwrap_or_default(),
            skipped: set.map(|set| set.skipped().to_vec()).unwrap_or_default(),
            problems: Vec::new(),
            notes: Vec::new(),
        };
        if report.keys.is_empty() {
            let why = status.and_then(|status| status.last_failure);
            let why = why.unwrap_or_else(|| "no answer came in time".to_owned());
            let why = without_foreign_options(&why);
            report
                .problems
                .push(format!("no keys, so that every token meets 503: {why}"));
        } else {
            report.look_at_algorithms();
            report.look_at_kids();
        }
        report
    }

    fn look_at_algorithms(&mut self) {
        let idle: Vec<&str> = self
            .algorithms
            .iter()
            .filter(|algorithm| !self.keys.iter().any(|key| key.serves.contains(algorithm)))
            .map(|algorithm| algorithm.name())
            .collect();
        if idle.len() == self.algorithms.len() {
            let mut held: Vec<&str> = Vec::new();
            for algorithm in self.keys.iter().flat_map(|key| &key.serves) {
                if !held.contains(&algorithm.name()) {
                    held.push(algorithm.name());
                }
            }
            let (idle, held) = (idle.join(", "), held.join(", "));
            self.problems.push(format!(
                "every token is refused: no key serves for {idle}; in algorithms, allow what the issuer signs with (its keys serve for {held})"
            ));
            return;
        }
        for name in idle {
            self.notes
                .push(format!("{name} is allowed, and no key serves for it"));
        }
        for key in &self.keys {
            if !key.serves.iter().any(|one| self.algorithms.contains(one)) {
                let (name, serves) = (name_of(&key.info), names(&key.serves));
                self.notes.push(format!(
                    "tokens signed with {name} are refused: it serves for {serves}, not among the allowed algorithms"
                ));
            }
        }
    }

    fn look_at_kids(&mut self) {
        let mut by_kid: BTreeMap<&str, usize> = BTreeMap::new();
        for kid in self.keys.iter().filter_map(|key| key.info.kid.as_deref()) {
            *by_kid.entry(kid).or_default() += 1;
        }
        for (kid, count) in by_kid {
            if count > CANDIDATES {
                self.problems.push(format!(
                    "{count} keys have the kid {kid:?}, and only {CANDIDATES} of them are tried"
                ));
            }
        }
        for algorithm in &self.algorithms {
            let serving = self
                .keys
                .iter()
                .filter(|key| key.serves.contains(algorithm));
            let serving: Vec<&KeyInfo> = serving.map(|key| &key.info).collect();
            if serving.len() > CANDIDATES && serving.iter().any(|info| info.kid.is_none()) {
                let (count, name) = (serving.len(), algorithm.name());
                self.problems.push(format!(
                    "{name} tokens of a key without kid are refused: {count} keys serve for {name}, and only a kid tells them apart"
                ));
            }
        }
    }

    fn json(&self) -> Value {
        let usable = self.keys.iter().map(|key| {
            json!({
                "usable": true,
                "kid": key.info.kid,
                "type": key.info.description,
                "algorithms": key.serves.iter().map(|one| one.name()).collect::<Vec<_>>(),
            })
        });
        let skipped = self.skipped.iter().map(|key| {
            json!({ "usable": false, "kid": key.kid, "number": key.number, "reason": key.reason })
        });
        json!({
            "issuer": self.entry.issuer,
            "keys_from": self.keys_from(),
            "audiences": self.entry.audiences,
            "algorithms": self.algorithms.iter().map(|one| one.name()).collect::<Vec<_>>(),
            "required_scopes": self.entry.required_scopes,
            "keys": usable.chain(skipped).collect::<Vec<_>>(),
            "problems": self.problems,
            "notes": self.notes,
        })
    }

    fn print_text(&self, output: &mut Output) -> Result<(), Failure> {
        let mut line = |text: &str| output.line(Plain(text));
        line(&format!("issuer {:?}", self.entry.issuer))?;
        line(&format!("  keys from {}", self.keys_from()))?;
        line(&format!("  audience {}", quoted(&self.entry.audiences)))?;
        line(&format!("  algorithms {}", names(&self.algorithms)))?;
        if !self.entry.required_scopes.is_empty() {
            line(&format!(
                "  scopes {}",
                self.entry.required_scopes.join(" ")
            ))?;
        }
        for key in &self.keys {
            let (name, what) = (name_of(&key.info), &key.info.description);
            line(&format!(
                "  usable: {name}, {what}, for {}",
                names(&key.serves)
            ))?;
        }
        for key in &self.skipped {
            line(&format!("  not used: {key}"))?;
        }
        for note in &self.notes {
            line(&format!("  note: {note}"))?;
        }
        for problem in &self.problems {
            line(&format!("  problem: {problem}"))?;
        }
        Ok(())
    }

    fn keys_from(&self) -> String {
        match &self.entry.keys {
            KeysFrom::Discovery => "discovery".to_owned(),
            KeysFrom::JwksUri(url) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
            KeysFrom::File(path) => path.display().to_string(),
        }
    }
}

fn name_of(info: &KeyInfo) -> String {
    match &info.kid {
        Some(kid) => format!("key {kid:?}"),
        None => "a key without kid".to_owned(),
    }
}

fn names(algorithms: &[Algorithm]) -> String {
    let names: Vec<&str> = algorithms.iter().map(|one| one.name()).collect();
    names.join(", ")
}

fn quoted(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    quoted.join(", ")
}
