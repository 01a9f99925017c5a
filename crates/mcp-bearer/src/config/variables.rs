//! Settings from variables: the process environment and a `.env` file, with our names or FastMCP's.
//!
//! Reading is a pure function of the variables, so tests need no environment. A variable of either
//! family that would do nothing (misspelt, empty, of the other family) is a problem: a rule that
//! does nothing must not pass for a rule.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::draft::ServerDraft;
use super::problem::{ConfigError, Fact, Problem};
use super::setting::{Entrance, Setting, Shape};
use super::value::{NOTHING, Value, is_blank};
use crate::provider::BearerAuthProvider;

const FAMILIES: [(Entrance, &str); 2] = [
    (Entrance::Variable, "MCP_BEARER_"),
    (Entrance::FastMcpVariable, "FASTMCP_AUTH_BEARER_"),
];

/// The program's log filter; not a setting.
const LOG: &str = "MCP_BEARER_LOG";

/// A provider from the process environment, completed by a `.env` file in the working directory if
/// there is one. The environment takes precedence over the file.
///
/// The variables are those of [`Setting::name`] with [`Entrance::Variable`], such as:
///
/// | variable | meaning |
/// |---|---|
/// | `MCP_BEARER_JWKS_URI`, `MCP_BEARER_PUBLIC_KEY_FILE`, ... | public keys, a secret, or both |
/// | `MCP_BEARER_ISSUER` or `MCP_BEARER_ANY_ISSUER=true` | one issuer, or a JSON list |
/// | `MCP_BEARER_AUDIENCE` or `MCP_BEARER_ANY_AUDIENCE=true` | one audience, or a JSON list |
/// | `MCP_BEARER_REQUIRED_SCOPES` and other lists | a JSON list, or names split by spaces (algorithms by commas, too) |
/// | `MCP_BEARER_LEEWAY_SECONDS` and other lengths of time | a whole number |
/// | `MCP_BEARER_REQUIRED_CLAIMS`, `MCP_BEARER_SCOPE_IMPLIES` | a JSON object |
///
/// Without any of these, FastMCP's five names are read: `FASTMCP_AUTH_BEARER_PUBLIC_KEY`,
/// `_JWKS_URI`, `_ISSUER`, `_AUDIENCE`, `_REQUIRED_SCOPES` (a JSON list). As in FastMCP, exactly
/// one of key and address is needed, and an absent issuer or audience is not checked; a WARNING
/// then names what is not.
///
/// # Errors
/// Every problem at once.
pub fn from_environment() -> Result<BearerAuthProvider, ConfigError> {
    Variables::of_environment()?.draft().check()
}

/// A provider from variables that the caller looks up: [`from_environment`] without an environment.
///
/// ```
/// let provider = mcp_bearer::config::from_variables(|name| match name {
///     "FASTMCP_AUTH_BEARER_JWKS_URI" => Some("https://idp.example.com/jwks.json".into()),
///     "FASTMCP_AUTH_BEARER_REQUIRED_SCOPES" => Some(r#"["mcp:read"]"#.into()),
///     _ => None,
/// })?;
/// assert_eq!(provider.required_scopes().as_str(), "mcp:read");
/// # Ok::<(), mcp_bearer::ConfigError>(())
/// ```
///
/// # Errors
/// Every problem at once.
pub fn from_variables(
    look_up: impl Fn(&str) -> Option<String>,
) -> Result<BearerAuthProvider, ConfigError> {
    let names = FAMILIES.iter().flat_map(|(family, _)| {
        let settings = Setting::ALL.iter();
        settings.filter_map(|setting| setting.name(*family))
    });
    let found = names.filter_map(|name| Some((name.to_owned(), Ok(look_up(name)?))));
    Variables::read(found).draft().check()
}

/// The values of one family, and the problems of both.
#[derive(Debug)]
#[non_exhaustive]
pub struct Variables {
    /// The family that is read.
    pub family: Entrance,
    /// The settings.
    pub values: Vec<(Setting, Value)>,
    /// What is wrong with the variables as such.
    pub problems: Vec<Problem>,
}

impl Variables {
    /// Reads variables by name. Those of neither family are ignored. A variable may have a reason
    /// instead of a value, such as that it is not Unicode.
    pub fn read(variables: impl IntoIterator<Item = (String, Result<String, String>)>) -> Self {
        let mut problems = Vec::new();
        let mut found: [Vec<(Setting, &'static str, Zeroizing<String>)>; 2] = Default::default();
        for (name, value) in variables.into_iter().filter(|(name, _)| is_ours(name)) {
            let mut problem = |why: &str| {
                let fact = format!("{}: {why}", name.escape_debug());
                problems.push(Problem::new([], fact));
            };
            let setting = FAMILIES
                .iter()
                .zip(&mut found)
                .find_map(|((family, _), found)| {
                    let setting = Setting::named(&name, *family)?;
                    Some((found, setting, setting.name(*family)?))
                });
            match (setting, value) {
                (_, Err(why)) => problem(&why),
                (Some((found, setting, name)), Ok(value)) => {
                    found.push((setting, name, Zeroizing::new(value)));
                }
                (None, Ok(_)) if name == LOG => {}
                (None, Ok(_)) => problem("no such setting; is it misspelt, or in lower case?"),
            }
        }
        let [own, fast_mcp] = found;
        let family = match own.first() {
            Some((_, one, _)) => {
                problems.extend(fast_mcp.iter().map(|(_, name, _)| {
                    let fact = format!(
                        "{name}: would do nothing beside {one}; use the names of one family"
                    );
                    Problem::new([], fact)
                }));
                Entrance::Variable
            }
            None if fast_mcp.is_empty() => Entrance::Variable,
            None => Entrance::FastMcpVariable,
        };
        let read = if own.is_empty() { fast_mcp } else { own };
        let mut values = Vec::new();
        for (setting, _, text) in read {
            match value(setting, family, &text) {
                Ok(value) => values.push((setting, value)),
                Err(fact) => problems.push(Problem::of(setting, fact)),
            }
        }
        Self {
            family,
            values,
            problems,
        }
    }

    /// The draft of a server with these settings.
    #[must_use]
    pub fn draft(self) -> ServerDraft {
        let mut draft = ServerDraft::from_entrance(self.family);
        self.fill(&mut draft);
        draft
    }

    /// Adds these settings to a draft that already has others.
    pub fn fill(self, draft: &mut ServerDraft) {
        for problem in self.problems {
            draft.problem(problem);
        }
        let mut given = BTreeSet::new();
        for (setting, value) in self.values {
            given.insert(setting);
            draft.set(setting, value);
        }
        let Some(issuer) = draft.issuers.first_mut() else {
            return;
        };
        // As in FastMCP, an absent issuer or audience is not checked.
        for decision in [Setting::Issuer, Setting::Audience] {
            if self.family == Entrance::FastMcpVariable && !given.contains(&decision) {
                issuer.leave_unchecked(decision);
            }
        }
    }

    /// Those of the process environment and of a `.env` file, for a program that has variables of
    /// its own: their names, and what their values look like. Their values are returned.
    ///
    /// # Errors
    /// When the `.env` file cannot be read. Other problems are reported by the draft's check.
    pub fn of_environment_beside(
        others: &[(String, Shape)],
    ) -> Result<(Self, Vec<(String, Value)>), ConfigError> {
        let mut variables = Self::environment()?;
        let (mut values, mut problems) = (Vec::new(), Vec::new());
        for (name, shape) in others {
            let value = match variables.remove(name) {
                None => continue,
                Some(Ok(text)) => other_value(*shape, &text),
                Some(Err(why)) => Err(why.into()),
            };
            match value {
                Ok(value) => values.push((name.clone(), value)),
                Err(fact) => {
                    let fact = Fact::from(format!("{name}: ")).followed_by(fact);
                    problems.push(Problem::new([], fact));
                }
            }
        }
        let mut read = Self::read(variables);
        read.problems.extend(problems);
        Ok((read, values))
    }

    fn of_environment() -> Result<Self, ConfigError> {
        Ok(Self::read(Self::environment()?))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the environment is read"
    )]
    fn environment() -> Result<BTreeMap<String, Result<String, String>>, ConfigError> {
        let mut variables = env_file(Path::new(".env"))?;
        for (name, value) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let value = value.into_string().map_err(|_| "not Unicode".to_owned());
            variables.insert(name, value);
        }
        Ok(variables)
    }
}

/// Whether a name belongs to a family or was meant to: also in lower case, and after what a mistake
/// in a `.env` file puts in front.
fn is_ours(name: &str) -> bool {
    let name = name.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '_');
    let name = name.to_ascii_uppercase();
    FAMILIES.iter().any(|(_, prefix)| name.starts_with(prefix))
}

fn value(setting: Setting, family: Entrance, text: &str) -> Result<Value, Fact> {
    if is_blank(text) {
        return Err(NOTHING.into());
    }
    match setting.shape() {
        Shape::Switch => match text {
            "true" | "1" => Ok(Value::Switch(true)),
            "false" | "0" => Ok(Value::Switch(false)),
            _ => Err("neither \"true\" nor \"false\"".into()),
        },
        Shape::Duration => {
            let seconds = text.trim().parse().map(Duration::from_secs);
            let seconds = seconds.map_err(|_| Fact::from("not a whole number of seconds"))?;
            Ok(Value::Duration(seconds))
        }
        Shape::Texts(_) => texts(setting, family, text),
        Shape::Text(_) | Shape::Path | Shape::Pairs(_) | Shape::Number(_) | Shape::Code => {
            Ok(Value::text(text))
        }
    }
}

/// The value of a program's own variable: lists are separated by blanks.
fn other_value(shape: Shape, text: &str) -> Result<Value, Fact> {
    if is_blank(text) {
        return Err(NOTHING.into());
    }
    Ok(match (shape, text) {
        (Shape::Switch, "true" | "1") => Value::Switch(true),
        (Shape::Switch, "false" | "0") => Value::Switch(false),
        (Shape::Switch, _) => return Err("neither \"true\" nor \"false\"".into()),
        (Shape::Texts(_), _) => Value::Texts(text.split_whitespace().map(str::to_owned).collect()),
        _ => Value::text(text),
    })
}

/// A JSON list, or names separated by blanks; an issuer or audience may contain blanks. FastMCP
/// reads scopes as a JSON list, and issuer and audience unchanged.
fn texts(setting: Setting, family: Entrance, text: &str) -> Result<Value, Fact> {
    let whole = matches!(setting, Setting::Issuer | Setting::Audience);
    let fast_mcp = family == Entrance::FastMcpVariable;
    let json = text.trim_start().starts_with('[');
    if whole && (fast_mcp || !json) {
        return Ok(Value::text(text));
    }
    if fast_mcp || json {
        let names = serde_json::from_str(text).map_err(|_| "not a JSON list of strings".into());
        return names.map(Value::Texts);
    }
    let splits = |c: char| c.is_whitespace() || (c == ',' && setting == Setting::Algorithms);
    let names = text.split(splits).filter(|name| !name.is_empty());
    Ok(Value::Texts(names.map(str::to_owned).collect()))
}

fn env_file(path: &Path) -> Result<BTreeMap<String, Result<String, String>>, ConfigError> {
    // The library's error quotes the line, which may hold a secret.
    let unreadable = || Problem::new([], ".env: cannot be read; each line is NAME=value");
    match dotenvy::from_path_iter(path) {
        Err(error) if error.not_found() => Ok(BTreeMap::new()),
        Err(_) => Err(unreadable().into()),
        Ok(pairs) => pairs
            .map(|pair| pair.map(|(name, value)| (name, Ok(value))))
            .collect::<Result<_, _>>()
            .map_err(|_| unreadable().into()),
    }
}

#[cfg(test)]
mod tests;
