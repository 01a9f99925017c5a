//! Settings from the environment and a `.env` file: the reference system's names, and ours for everything.
//!
//! Reading is a pure function of the variables, so tests need no environment. A value never stands in an error: only
//! the variable's name does.

mod read;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use crate::provider::BearerAuthProvider;

/// Settings that cannot work, with every problem at once. It names variables, never secret values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvError {
    problems: Vec<String>,
}

impl EnvError {
    /// The problems, each beginning with the variable's name.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for EnvError {}

/// A provider from the process environment, completed by a `.env` file in the working directory where there is one. The
/// environment wins over the file.
///
/// | variable | meaning |
/// |---|---|
/// | `MCP_BEARER_PUBLIC_KEY`, `MCP_BEARER_PUBLIC_KEY_FILE` | a PEM public key, or the file it stands in |
/// | `MCP_BEARER_JWKS_FILE` | a file with a JWK Set, read again when it changes |
/// | `MCP_BEARER_JWKS_URI` | the address of a JWK Set |
/// | `MCP_BEARER_SHARED_SECRET_FILE`, `MCP_BEARER_SHARED_SECRET` | a secret for HS256, HS384, HS512 |
/// | `MCP_BEARER_ISSUER` or `MCP_BEARER_ANY_ISSUER=true` | one issuer, or a JSON list |
/// | `MCP_BEARER_AUDIENCE` or `MCP_BEARER_ANY_AUDIENCE=true` | one audience, or a JSON list |
/// | `MCP_BEARER_REQUIRED_SCOPES` | a JSON list, or names split by spaces |
/// | `MCP_BEARER_ALGORITHMS` | names split by spaces or commas; `RS256` unless set |
/// | `MCP_BEARER_LEEWAY_SECONDS` | 0 to 300; 60 unless set |
/// | `MCP_BEARER_MAX_AGE_SECONDS` | the largest age by `iat` |
/// | `MCP_BEARER_TOKEN_TYPE` | `any`, or `rfc9068` for `at+jwt` only |
/// | `MCP_BEARER_ALLOWED_CLIENT_IDS` | a JSON list, or names split by spaces |
///
/// A name of this family that is misspelt, and one that is set to nothing, is a problem: a rule that does nothing must
/// not pass for a rule. (`MCP_BEARER_LOG` is the program's.)
///
/// Without any of these, the reference system's names are read (both families together are a problem): `FASTMCP_AUTH_BEARER_PUBLIC_KEY`, `_JWKS_URI`,
/// `_ISSUER`, `_AUDIENCE`, `_REQUIRED_SCOPES` (a JSON list). As there, exactly one of key and address is needed, and an
/// issuer or audience that is not set is not checked.
///
/// # Errors
/// Every problem at once.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where the environment is read"
)]
pub fn from_environment() -> Result<BearerAuthProvider, EnvError> {
    let file = from_file(Path::new(".env"))?;
    let process: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let of_file = file.iter().map(|(name, value)| (name.into(), value.into()));
    let mut problems = misread(&of_file.collect::<Vec<_>>());
    problems.extend(misread(&process));
    if !problems.is_empty() {
        return Err(EnvError { problems });
    }
    let process = process
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut variables: BTreeMap<String, String> = file;
    variables.extend(process);
    from_variables(|name| variables.get(name).cloned())
}

/// A provider from variables that the caller looks up: [`from_environment`] without an environment.
///
/// ```
/// let provider = mcp_bearer::from_variables(|name| match name {
///     "FASTMCP_AUTH_BEARER_JWKS_URI" => Some("https://idp.example.com/jwks.json".into()),
///     "FASTMCP_AUTH_BEARER_REQUIRED_SCOPES" => Some(r#"["mcp:read"]"#.into()),
///     _ => None,
/// })?;
/// assert_eq!(provider.all_required_scopes().as_str(), "mcp:read");
/// # Ok::<(), mcp_bearer::EnvError>(())
/// ```
///
/// # Errors
/// Every problem at once.
pub fn from_variables(
    look_up: impl Fn(&str) -> Option<String>,
) -> Result<BearerAuthProvider, EnvError> {
    let look_up = |name: &str| look_up(name).filter(|value| !value.is_empty());
    read::provider(&look_up).map_err(|problems| EnvError { problems })
}

/// Variables of our family that would do nothing: a misspelt, empty or unreadable rule must not be a missing rule.
fn misread(process: &[(OsString, OsString)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, value) in process {
        let Some(name) = name.to_str() else { continue };
        let Some(known) = read::is_known(name) else {
            continue;
        };
        // The reference system takes an empty issuer or audience for none, and an empty list for a mistake.
        let may_be_empty = name.starts_with(read::REFERENCE) && !name.ends_with("_SCOPES");
        if !known {
            problems.push(format!(
                "{name}: no such setting; is it misspelt, or in small letters?"
            ));
        } else if value.to_str().is_none() {
            problems.push(format!("{name}: not Unicode"));
        } else if value.is_empty() && !may_be_empty {
            problems.push(format!(
                "{name}: set but empty; unset it if it is not meant"
            ));
        }
    }
    problems
}

fn from_file(path: &Path) -> Result<BTreeMap<String, String>, EnvError> {
    match dotenvy::from_path_iter(path) {
        Err(error) if error.not_found() => Ok(BTreeMap::new()),
        Err(_) => Err(unreadable()),
        // The library's error quotes the line, which may hold a secret.
        Ok(pairs) => pairs.collect::<Result<_, _>>().map_err(|_| unreadable()),
    }
}

fn unreadable() -> EnvError {
    EnvError {
        problems: vec![".env: cannot be read; each line is NAME=value".to_owned()],
    }
}

#[cfg(test)]
mod tests;
