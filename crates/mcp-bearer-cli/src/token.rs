//! `mcp-bearer token`: signs a token with a key from `keygen`, for development and tests.
//!
//! The key is read and never printed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use mcp_bearer::core::Scopes;
use mcp_bearer::{Algorithm, SigningKey, TokenRequest};
use serde_json::Value;

use crate::signing;
use crate::ui::{Failure, Outcome, Output};

/// Sign a token and print it
///
/// The algorithm is that of the key: RS256, ES256, ES384, ES512 or EdDSA for a private key, HS256
/// for a shared secret, unless --algorithm names another that the key can be used with.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mcp-bearer token --private-key keys/private.pem --subject alice \\
      --issuer https://idp.example.com/ \\
      --audience https://mcp.example.com/mcp --scope mcp:read
  # Expired an hour ago, with claims of its own
  # (values are JSON; strings need their quotes):
  mcp-bearer token --private-key keys/private.pem --expires-in -1h \\
      --claim 'client_id=\"my-app\"' --claim 'level=3'
  # With a shared secret:
  mcp-bearer token --secret-file shared/secret.txt --algorithm HS512")]
pub(crate) struct Token {
    /// A private key in PEM, such as private.pem of `keygen`
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "secret_file",
        conflicts_with = "secret_file"
    )]
    private_key: Option<PathBuf>,

    /// A secret shared with the verifier, such as secret.txt of `keygen`: the bytes of the
    /// file, without the line end after printable text
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// The algorithm to sign with; the usual one of the key by default
    #[arg(long, value_name = "A")]
    algorithm: Option<String>,

    /// The subject: `sub`
    #[arg(long, value_name = "S", default_value = "fastmcp-user")]
    subject: String,

    /// The issuer: `iss`
    #[arg(long, value_name = "I", default_value = "https://fastmcp.example.com")]
    issuer: String,

    /// The audience: `aud`, the URL of the MCP server. Can be given several times
    #[arg(long, value_name = "A")]
    audience: Vec<String>,

    /// A granted scope. Can be given several times
    #[arg(long, value_name = "S")]
    scope: Vec<String>,

    /// The lifetime, such as `90s`, `1h` or `7days`; negative for a token that has already expired
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1h",
        allow_hyphen_values = true
    )]
    expires_in: String,

    /// Any other claim, its value in JSON; overrides one of the above. Can be given several times
    #[arg(long, value_name = "NAME=JSON")]
    claim: Vec<String>,

    /// The key id in the header; none unless given
    #[arg(long, value_name = "K")]
    kid: Option<String>,
}

impl Token {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let mut problems = Vec::new();
        let key = self.key(&mut problems);
        let seconds = seconds(&self.expires_in)
            .map_err(|problem| problems.push(problem))
            .ok();
        if let Err(error) = Scopes::from_names(&self.scope) {
            problems.push(format!("--scope: {error}; give --scope once for each"));
        }
        let claims = claims(&self.claim, &mut problems);
        Failure::unless_empty(problems)?;

        let mut request = TokenRequest::new()
            .subject(self.subject)
            .issuer(self.issuer)
            .audiences(self.audience)
            .expires_in_seconds(seconds.unwrap_or_default());
        if !self.scope.is_empty() {
            request = request.scopes(self.scope);
        }
        if let Some(kid) = self.kid {
            request = request.kid(kid);
        }
        for (name, value) in claims {
            request = request.claim(name, value);
        }
        let Some(key) = key else {
            return Ok(Outcome::Done);
        };
        let token = key.create_token(&request);
        let token = token.map_err(|error| Failure::problem(error.to_string()))?;
        let mut output = Output::stdout();
        output.line(token)?;
        output.flush()?;
        Ok(Outcome::Done)
    }
}

impl Token {
    /// The key to sign with; if there is none, `problems` already contains that.
    fn key(&self, problems: &mut Vec<String>) -> Option<SigningKey> {
        let algorithm = match self.algorithm.as_deref().map(str::parse::<Algorithm>) {
            None => None,
            Some(Ok(algorithm)) => Some(algorithm),
            Some(Err(error)) => {
                let name = self.algorithm.as_deref().unwrap_or_default();
                problems.push(format!("--algorithm: {name:?}: {error}"));
                None
            }
        };
        let key = match (&self.private_key, &self.secret_file) {
            (Some(path), _) => signing::private_key(path, algorithm),
            (None, Some(path)) => signing::secret(path, algorithm),
            (None, None) => Err("no key: give --private-key FILE or --secret-file FILE".to_owned()),
        };
        key.map_err(|problem| problems.push(problem)).ok()
    }
}

/// A duration in words, with a sign in front if it is in the past.
fn seconds(text: &str) -> Result<i64, String> {
    let (sign, amount) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let told =
        |why: &str| format!("--expires-in: {text:?}: {why}; write it like 90s, 1h, 7days or -1h");
    let amount = humantime::parse_duration(amount).map_err(|error| told(&error.to_string()))?;
    if amount > Duration::from_secs(u32::MAX.into()) {
        return Err(told("more than 136 years"));
    }
    i64::try_from(amount.as_secs())
        .map(|amount| sign * amount)
        .map_err(|_| told("too long"))
}

fn claims(given: &[String], problems: &mut Vec<String>) -> Vec<(String, Value)> {
    let mut claims: Vec<(String, Value)> = Vec::new();
    for text in given {
        let Some((name, json)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            problems.push(format!(
                "--claim: {text:?} is not NAME=JSON; write it like --claim 'level=3'"
            ));
            continue;
        };
        if claims.iter().any(|(other, _)| other == name) {
            problems.push(format!(
                "--claim: {name:?} is given twice; several values go into a JSON array"
            ));
            continue;
        }
        match serde_json::from_str(json) {
            Ok(value) => claims.push((name.to_owned(), value)),
            Err(_) => {
                let quoted = Value::from(json);
                problems.push(format!(
                    "--claim: the value of {name:?} is not JSON; a string needs quotes of its own: --claim '{name}={quoted}'"
                ));
            }
        }
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn lifetimes() {
        assert_eq!(seconds("1h"), Ok(3600));
        assert_eq!(seconds("-1h 30m"), Ok(-5400));
        assert_eq!(seconds("0s"), Ok(0));
        for bad in [
            "",
            "-",
            "1",
            "--1h",
            "1h-",
            "1000years",
            "99999999999999999999s",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
