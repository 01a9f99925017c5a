//! What `check` found about each issuer, and how it is printed.
//!
//! A problem makes the server refuse good tokens; a note is only information. Names from a key set
//! are quoted and escaped.

use std::collections::BTreeMap;

use mcp_bearer::config::Expected;
use mcp_bearer::config::{IssuerDraft, Keys};
use mcp_bearer::core::{Policy, Scopes};
use mcp_bearer::keys::KeyStatus;
use mcp_bearer::keys::{KeyInfo, SkippedKey, Thumbprint};
use mcp_bearer::{Algorithm, BearerAuthProvider};
use mcp_bearer_gateway::ConfigKind;
use serde_json::{Value, json};

use super::CANDIDATES;
use crate::ui::{Failure, Output, Plain, json_line};
use crate::verify::Format;

pub(super) struct Report<'a> {
    /// What the file is for.
    pub(super) kind: Option<ConfigKind>,
    pub(super) resource: Option<&'a str>,
    pub(super) issuers: Vec<IssuerReport<'a>>,
}

pub(super) struct IssuerReport<'a> {
    policy: &'a Policy,
    required_scopes: Scopes,
    keys_from: String,
    keys: Vec<UsableKey>,
    skipped: Vec<SkippedKey>,
    problems: Vec<String>,
    notes: Vec<String>,
}

struct UsableKey {
    info: KeyInfo,
    /// Identifies a public key, whatever its `kid` (RFC 7638). That of a secret is a hash of it,
    /// and is not shown.
    thumbprint: Option<Thumbprint>,
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
            "kind": self.kind.map(|kind| match kind {
                ConfigKind::Authz => "authz",
                ConfigKind::Gateway => "gateway",
                _ => "layer",
            }),
            "resource": self.resource,
            "issuers": issuers,
        })
    }

    fn print_text(&self, output: &mut Output) -> Result<(), Failure> {
        if let Some(kind) = self.kind {
            output.line(match kind {
                ConfigKind::Authz => "configuration of mcp-bearer authz",
                ConfigKind::Gateway => "configuration of mcp-bearer gateway",
                _ => "configuration of a server with the layer",
            })?;
        }
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
    /// For the provider of this one issuer.
    pub(super) fn new(
        draft: &IssuerDraft,
        provider: &'a BearerAuthProvider,
        status: Option<KeyStatus>,
        in_words: fn(&str) -> String,
    ) -> Option<Self> {
        let policy = provider.policies().next()?;
        let source = status.as_ref().map(|status| status.source.clone());
        let keys_from = match &draft.keys {
            Some(Keys::Discover(_)) => "discovery".to_owned(),
            _ => source.unwrap_or_default(),
        };
        let set = status.as_ref().map(|status| &status.snapshot.set);
        let keys = set.map(|set| {
            let keys = set.keys().zip(set.verifying_keys());
            keys.map(|(info, key)| UsableKey {
                serves: match info.algorithm {
                    Some(algorithm) => vec![algorithm],
                    None => key.algorithms().collect(),
                },
                thumbprint: (!key.is_secret()).then(|| key.thumbprint()),
                info,
            })
            .collect()
        });
        let mut report = Self {
            policy,
            required_scopes: provider.required_scopes(),
            keys_from,
            keys: keys.unwrap_or_default(),
            skipped: set.map(|set| set.skipped().to_vec()).unwrap_or_default(),
            problems: Vec::new(),
            notes: Vec::new(),
        };
        if set.is_some_and(|set| set.publishes_the_secret()) {
            let why = "the key set holds the shared secret, so that HS256, HS384 and HS512 are switched off: replace the secret";
            report.problems.push(why.to_owned());
        }
        if report.keys.is_empty() {
            let why = status.and_then(|status| status.last_failure);
            let why = why.unwrap_or_else(|| "no answer came in time".to_owned());
            let why = in_words(&why);
            report
                .problems
                .push(format!("no keys, so every request will get a 503: {why}"));
        } else {
            report.look_at_algorithms();
            report.look_at_kids();
            report.look_at_keys();
        }
        Some(report)
    }

    fn look_at_algorithms(&mut self) {
        let allowed = self.policy.algorithms();
        let idle: Vec<&str> = allowed
            .iter()
            .filter(|algorithm| !self.keys.iter().any(|key| key.serves.contains(algorithm)))
            .map(|algorithm| algorithm.name())
            .collect();
        if idle.len() == allowed.len() {
            let mut held: Vec<&str> = Vec::new();
            for algorithm in self.keys.iter().flat_map(|key| &key.serves) {
                if !held.contains(&algorithm.name()) {
                    held.push(algorithm.name());
                }
            }
            let (idle, held) = (idle.join(", "), held.join(", "));
            self.problems.push(format!(
                "every token is refused: no key can be used with {idle}; allow the algorithms that the issuer signs with (its keys can be used with {held})"
            ));
            return;
        }
        for name in idle {
            self.notes
                .push(format!("{name} is allowed, and no key can be used with it"));
        }
        for key in &self.keys {
            if !key.serves.iter().any(|one| allowed.contains(one)) {
                let (name, serves) = (self.name_of(key), names(&key.serves));
                self.notes.push(format!(
                    "tokens signed with {name} are refused: the key can be used with {serves}, not among the allowed algorithms"
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
        for algorithm in self.policy.algorithms() {
            let serving = self
                .keys
                .iter()
                .filter(|key| key.serves.contains(algorithm));
            let serving: Vec<&KeyInfo> = serving.map(|key| &key.info).collect();
            if serving.len() > CANDIDATES && serving.iter().any(|info| info.kid.is_none()) {
                let (count, name) = (serving.len(), algorithm.name());
                self.problems.push(format!(
                    "{name} tokens of a key without kid are refused: {count} keys can be used with {name}, and only a kid distinguishes them"
                ));
            }
        }
    }

    fn look_at_keys(&mut self) {
        for key in &self.keys {
            match (key.info.note, &key.thumbprint) {
                (Some(note), Some(_)) => {
                    self.notes.push(format!("{}: {note}", self.name_of(key)));
                }
                // There is only one secret, so it needs no name.
                (Some(note), None) => self.notes.push(note.to_owned()),
                (None, _) => {}
            }
        }
    }

    fn json(&self) -> Value {
        let usable = self.keys.iter().map(|key| {
            json!({
                "usable": true,
                "kid": key.info.kid,
                "thumbprint": key.thumbprint.map(|thumbprint| thumbprint.to_string()),
                "type": key.info.description,
                "note": key.info.note,
                "algorithms": key.serves.iter().map(|one| one.name()).collect::<Vec<_>>(),
            })
        });
        let skipped = self.skipped.iter().map(|key| {
            json!({ "usable": false, "kid": key.kid, "number": key.number, "reason": key.reason })
        });
        json!({
            "issuer": match self.policy.issuers().listed() {
                [] => Value::Null,
                [one] => json!(one),
                several => json!(several),
            },
            "keys_from": self.keys_from,
            "audiences": self.policy.audiences().listed(),
            "algorithms": self.policy.algorithms().iter().map(|one| one.name()).collect::<Vec<_>>(),
            "required_scopes": self.required_scopes.iter().collect::<Vec<_>>(),
            "scopes_to_request": self.scopes_to_request().iter().collect::<Vec<_>>(),
            "keys": usable.chain(skipped).collect::<Vec<_>>(),
            "problems": self.problems,
            "notes": self.notes,
        })
    }

    fn print_text(&self, output: &mut Output) -> Result<(), Failure> {
        let mut line = |text: &str| output.line(Plain(text));
        line(&format!("issuer {}", quoted(self.policy.issuers())))?;
        line(&format!("  keys from {}", self.keys_from))?;
        line(&format!("  audience {}", quoted(self.policy.audiences())))?;
        line(&format!("  algorithms {}", names(self.policy.algorithms())))?;
        if !self.required_scopes.is_empty() {
            line(&format!("  scopes {}", self.required_scopes))?;
        }
        let to_request = self.scopes_to_request();
        if to_request != self.required_scopes {
            line(&format!("  clients must request {to_request}"))?;
        }
        for key in &self.keys {
            let (name, what) = (self.name_of(key), &key.info.description);
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

    fn scopes_to_request(&self) -> Scopes {
        self.policy.requested_scopes().of_all(&self.required_scopes)
    }

    /// The key's `kid`, and its thumbprint too if others have the same `kid` or none has one.
    fn name_of(&self, key: &UsableKey) -> String {
        let name = match (&key.info.kid, &key.thumbprint) {
            (Some(kid), _) => format!("key {kid:?}"),
            (None, Some(_)) => "a key without kid".to_owned(),
            (None, None) => return "the shared secret".to_owned(),
        };
        let others = self.keys.iter();
        let same = others.filter(|other| other.info.kid == key.info.kid);
        match &key.thumbprint {
            Some(thumbprint) if same.count() > 1 => {
                format!("{name} with the thumbprint {thumbprint}")
            }
            _ => name,
        }
    }
}

fn names(algorithms: &[Algorithm]) -> String {
    let names: Vec<&str> = algorithms.iter().map(|one| one.name()).collect();
    names.join(", ")
}

fn quoted(expected: &Expected) -> String {
    let quoted: Vec<String> = expected
        .listed()
        .iter()
        .map(|text| format!("{text:?}"))
        .collect();
    match expected {
        Expected::Any => "any".to_owned(),
        Expected::OneOf(_) => quoted.join(", "),
    }
}
