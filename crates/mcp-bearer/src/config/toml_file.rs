//! Reads a draft from a TOML file: `resource` and other settings of the server at the top, one
//! `[[issuer]]` per issuer, one `[[rule]]` per rule about operations. A program's own keys are read
//! by the same walk (`program_keys.rs`).
//!
//! Every problem is reported at once, with its line. An unknown key is a problem: a misspelt rule
//! must not silently fail to apply.

mod program_keys;
mod rules;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use mcp_bearer_core::Expected;
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::draft::{Found, IssuerDraft, Keys, ServerDraft};
use super::problem::{ConfigError, Fact, Problem, Span};
use super::read_file;
use super::setting::{Entrance, Group, Setting, Shape};
use super::value::Value;

/// A larger file is refused.
const FILE_BYTES: usize = 1024 * 1024;

const ISSUER: &str = "issuer";

pub use self::program_keys::{OtherKey, OtherValue};

impl ServerDraft {
    /// Reads a TOML file. Paths in it are relative to its folder. An issuer without a source of
    /// keys is discovered by its metadata.
    ///
    /// `others` are keys that the caller knows, at the top or in tables; their values are returned.
    ///
    /// ```no_run
    /// use mcp_bearer::config::{OtherKey, ServerDraft, Shape};
    /// let listen = OtherKey { path: "listen", shape: Shape::Text("ADDRESS") };
    /// let (draft, others) = ServerDraft::read_toml("gateway.toml".as_ref(), &[listen])?;
    /// let provider = draft.check()?;
    /// # Ok::<(), mcp_bearer::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// When it cannot be read, or is not TOML. Invalid values are reported by
    /// [`check`](Self::check).
    pub fn read_toml(
        path: &Path,
        others: &[OtherKey],
    ) -> Result<(Self, Vec<OtherValue>), ConfigError> {
        let label: Arc<str> = path.display().to_string().into();
        let error = |problems| {
            ConfigError::from_entrance(Entrance::Toml, Some(Arc::clone(&label)), problems)
        };
        let text =
            read_file::text(path, FILE_BYTES).map_err(|why| error(vec![Problem::new([], why)]))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let (mut draft, others) = from_text(&text, folder, others).map_err(error)?;
        draft.file = Some(label);
        Ok((draft, others))
    }
}

fn from_text(
    text: &str,
    folder: &Path,
    others: &[OtherKey],
) -> Result<(ServerDraft, Vec<OtherValue>), Vec<Problem>> {
    let (document, faults) = DeTable::parse_recoverable(text);
    if !faults.is_empty() {
        let faults = faults.iter().map(|fault| {
            let lines: Vec<&str> = fault.message().lines().map(str::trim).collect();
            let fact = format!("not TOML: {}", lines.join(", "));
            let at = fault.span().unwrap_or_default();
            Problem {
                at: Some(span(text, at)),
                ..Problem::new([], fact)
            }
        });
        return Err(faults.collect());
    }
    let mut draft = ServerDraft::from_entrance(Entrance::Toml);
    let mut others = program_keys::Reader::new(others, text, folder);
    for (key, value) in document.get_ref() {
        let name: &str = key.get_ref();
        let at = span(text, value.span());
        let setting = Setting::named(name, Entrance::Toml);
        if let Some(setting) = setting.filter(|setting| !setting.group().is_of_issuer()) {
            draft.found.places.push((setting, at));
            if let Some(value) = read(setting, value, folder, &mut draft.found) {
                draft.set(setting, value);
            }
        } else if name == ISSUER {
            sections(&mut draft, value, text, folder);
        } else if rules::KEYS.contains(&name) {
            rules::read(&mut draft, name, value, text);
        } else if !others.read(name, value, &mut draft.found) {
            let at = span(text, key.span());
            let known = [&[ISSUER], &rules::KEYS[..], &others.at_the_top()].concat();
            draft.found.problems.push(unknown(name, "", at, &known));
        }
    }
    Ok((draft, others.into_values()))
}

/// The tables of `[[issuer]]`.
fn sections(draft: &mut ServerDraft, value: &Spanned<DeValue<'_>>, text: &str, folder: &Path) {
    let tables = match value.get_ref() {
        DeValue::Array(array) if !array.is_empty() => array.iter().collect(),
        _ => vec![value],
    };
    for table in tables {
        let at = span(text, table.span());
        let DeValue::Table(members) = table.get_ref() else {
            let problem = Problem::of(Setting::Issuer, "must be written [[issuer]], once for each");
            draft.found.problems.push(Problem {
                at: Some(at),
                ..problem
            });
            continue;
        };
        draft.issuers.push(section(members, at, text, folder));
    }
}

fn section(members: &DeTable<'_>, at: Span, text: &str, folder: &Path) -> IssuerDraft {
    let mut draft = IssuerDraft::default();
    draft.found.table = Some(at);
    for (key, value) in members {
        let name: &str = key.get_ref();
        let path = format!("{ISSUER}.{name}");
        let Some(setting) = Setting::named(&path, Entrance::Toml) else {
            let at = span(text, key.span());
            draft.found.problems.push(unknown(name, "issuer.", at, &[]));
            continue;
        };
        let at = span(text, value.span());
        draft.found.places.push((setting, at));
        if let Some(value) = read(setting, value, folder, &mut draft.found) {
            draft.set(setting, value);
        }
    }
    discover_by_default(&mut draft);
    draft
}

/// If no keys are configured, the metadata of the issuer leads to them.
fn discover_by_default(draft: &mut IssuerDraft) {
    let mut said = draft.found.places.iter();
    if said.any(|(setting, _)| setting.group() == Group::Keys) {
        return;
    }
    match draft.issuers.as_ref().map(Expected::listed) {
        // It is enough to report that the issuer is missing.
        None => draft.found.discovered = true,
        Some([issuer]) => {
            draft.keys = Some(Keys::Discover(issuer.clone()));
            draft.found.discovered = true;
        }
        Some(_) => {}
    }
}

fn unknown(name: &str, table: &str, at: Span, others: &[&str]) -> Problem {
    let names = Setting::ALL.iter().filter_map(|setting| {
        let name = setting.name(Entrance::Toml)?.strip_prefix(table)?;
        (!name.contains('.')).then_some(name)
    });
    let known: Vec<&str> = names.chain(others.iter().copied()).collect();
    let known = known.join(", ");
    let fact = format!("{table}{name:?} is not known here; known: {known}");
    Problem {
        at: Some(at),
        ..Problem::new([], fact)
    }
}

/// The value of a setting, as it requires.
fn read(
    setting: Setting,
    value: &Spanned<DeValue<'_>>,
    folder: &Path,
    found: &mut Found,
) -> Option<Value> {
    // An issuer is one text or several.
    let shape = match setting {
        Setting::Issuer => Shape::Text("URL"),
        _ => setting.shape(),
    };
    let problem = |fact: Fact| found.problems.push(Problem::of(setting, fact));
    read_shape(shape, value, folder, problem)
}

/// The value of a key, as its shape requires.
fn read_shape(
    shape: Shape,
    value: &Spanned<DeValue<'_>>,
    folder: &Path,
    mut problem: impl FnMut(Fact),
) -> Option<Value> {
    match value.get_ref() {
        DeValue::String(text) if shape == Shape::Path && !text.trim().is_empty() => {
            return Some(Value::Path(folder.join(text.as_ref())));
        }
        DeValue::String(text) => match shape {
            Shape::Number(_) => problem("must be a whole number".into()),
            Shape::Texts(_) => {
                problem("must be a list of strings, such as [\"a\", \"b\"]".into());
            }
            _ => return Some(Value::text(text.as_ref())),
        },
        DeValue::Boolean(on) => return Some(Value::Switch(*on)),
        DeValue::Array(array) => {
            let texts: Vec<String> = array
                .iter()
                .filter_map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect();
            if texts.len() < array.len() {
                problem("must hold strings only".into());
                if texts.is_empty() {
                    return None;
                }
            }
            return Some(Value::Texts(texts));
        }
        DeValue::Table(table) => {
            let pair = |(name, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
                Ok((name.get_ref().to_string(), json(value.get_ref())?))
            };
            match table.iter().map(pair).collect::<Result<_, Fact>>() {
                Ok(pairs) => return Some(Value::Pairs(pairs)),
                Err(fact) => problem(fact),
            }
        }
        DeValue::Integer(integer) if matches!(shape, Shape::Number(_)) && integer.radix() == 10 => {
            return Some(Value::text(integer.as_str()));
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) => {
            problem(match shape {
                Shape::Number(_) => "must be a whole number".into(),
                Shape::Duration => "must be a string such as \"60s\" or \"2m\"".into(),
                _ => "must be a string".into(),
            });
        }
    }
    None
}

/// What a claim must equal.
fn json(value: &DeValue<'_>) -> Result<Json, Fact> {
    let number =
        |text: &str| serde_json::from_str(text).map_err(|_| Fact::from("no number of JSON"));
    match value {
        DeValue::String(text) => Ok(Json::from(text.as_ref())),
        DeValue::Boolean(on) => Ok(Json::from(*on)),
        DeValue::Integer(integer) => match integer.radix() {
            10 => number(integer.as_str()),
            _ => Err("an integer must be decimal".into()),
        },
        DeValue::Float(float) => number(float.as_str()),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| json(item.get_ref()));
            Ok(Json::Array(items.collect::<Result<_, _>>()?))
        }
        DeValue::Table(table) => {
            let members = table.iter().map(|(name, value)| {
                let name = name.get_ref().to_string();
                Ok((name, json(value.get_ref())?))
            });
            Ok(Json::Object(members.collect::<Result<_, Fact>>()?))
        }
        DeValue::Datetime(_) => Err("a claim has no type for dates; give the number".into()),
    }
}

fn span(text: &str, range: std::ops::Range<usize>) -> Span {
    let before = text.as_bytes().iter().take(range.start);
    Span {
        line: before.filter(|byte| **byte == b'\n').count() + 1,
        start: range.start,
        end: range.end,
    }
}

#[cfg(test)]
mod tests;
