//! `mcp-bearer check`: what would go wrong, before it does.
//!
//! It reads the configuration, asks each issuer for its keys once, and compares them with the rules. It must never
//! change anything, and never ask an issuer twice when it fails.

mod report;

use std::path::PathBuf;

use clap::Args;
use mcp_bearer::keys::KeyStatus;
use mcp_bearer::{BearerAuthProvider, Limits};
use tokio::task::JoinSet;

use self::report::{IssuerReport, Report};
use crate::config::{Config, IssuerEntry, KeysFrom, check_resource, duration};
use crate::ui::{Failure, Outcome, Output, in_flags, note};
use crate::verify::Format;

/// So often a source is waited for, 5 s each: discovery may ask three addresses before it comes to the keys.
const WAITS: usize = 4;

/// Say what would go wrong with a configuration, and list the keys of its issuers
///
/// Reads the configuration, asks each issuer for its keys, and says which of them can be used, or why not. Exits with 1
/// when something would go wrong, such as an issuer that cannot be reached.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mcp-bearer check --config gateway.toml
  mcp-bearer check --discover https://idp.example.com/ \\
      --audience https://mcp.example.com/mcp --format json

Environment:
  SSL_CERT_FILE   CAs to trust for https instead of the machine's, in PEM
  SSL_CERT_DIR    the same, a directory of such files")]
pub(crate) struct Check {
    /// The configuration of the gateway, in TOML: `resource` and `[[issuer]]` are looked at
    #[arg(long, value_name = "FILE", conflicts_with_all = ["discover", "jwks_uri", "public_key", "jwks", "issuer", "audience", "algorithm", "scope", "leeway"])]
    config: Option<PathBuf>,

    /// An issuer, whose metadata lead to its keys
    #[arg(long, value_name = "ISSUER", help_heading = "Instead of a file")]
    discover: Option<String>,

    /// The address of a JWK Set: https, or http on loopback
    #[arg(long, value_name = "URL", help_heading = "Instead of a file")]
    jwks_uri: Option<String>,

    /// A public key in PEM
    #[arg(long, value_name = "FILE", help_heading = "Instead of a file")]
    public_key: Option<PathBuf>,

    /// A JWK Set in a file
    #[arg(long, value_name = "FILE", help_heading = "Instead of a file")]
    jwks: Option<PathBuf>,

    /// The `iss` of the tokens; with --discover it is the issuer
    #[arg(long, value_name = "I", help_heading = "Instead of a file")]
    issuer: Option<String>,

    /// The `aud` of the tokens, the URL of the MCP server. Can be given several times
    #[arg(long, value_name = "A", help_heading = "Instead of a file")]
    audience: Vec<String>,

    /// An allowed algorithm, RS256 unless given. Can be given several times
    #[arg(long, value_name = "A", help_heading = "Instead of a file")]
    algorithm: Vec<String>,

    /// A scope that every token must hold. Can be given several times
    #[arg(long, value_name = "S", help_heading = "Instead of a file")]
    scope: Vec<String>,

    /// The tolerance between the issuer's clock and this one, at most 300s; 60s unless given
    #[arg(long, value_name = "DURATION", help_heading = "Instead of a file")]
    leeway: Option<String>,

    /// How to answer: text, or one JSON object
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Output"
    )]
    format: Format,
}

impl Check {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let config = match &self.config {
            Some(path) => Config::read(path),
            None => self.config_of_flags(),
        };
        let config = config.map_err(Failure::Problems)?;
        let providers = providers(&config).map_err(|failure| self.in_words(failure))?;
        if !config.unread.is_empty() {
            let sections = config.unread.join(", ");
            note(format_args!(
                "note: check does not look at these yet: {sections}"
            ));
        }
        let statuses = reach(&providers)?;
        let issuers = config.issuers.iter().zip(statuses);
        let report = Report {
            resource: config.resource.as_deref(),
            issuers: issuers
                .map(|(entry, status)| IssuerReport::new(entry, status))
                .collect(),
        };
        let mut output = Output::stdout();
        report.print(&mut output, self.format)?;
        output.flush()?;
        Ok(if report.problems() == 0 {
            Outcome::Done
        } else {
            Outcome::No
        })
    }

    /// A file names settings, a command line flags.
    fn in_words(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Problems(problems) if self.config.is_none() => {
                Failure::Problems(problems.iter().map(|problem| in_flags(problem)).collect())
            }
            other => other,
        }
    }

    /// The same as a file with one issuer.
    fn config_of_flags(&self) -> Result<Config, Vec<String>> {
        let mut problems = Vec::new();
        let file = |path: &PathBuf| KeysFrom::File(path.clone());
        let sources = [
            (
                "--discover",
                self.discover.as_ref().map(|_| KeysFrom::Discovery),
            ),
            ("--jwks-uri", self.jwks_uri.clone().map(KeysFrom::JwksUri)),
            ("--public-key", self.public_key.as_ref().map(file)),
            ("--jwks", self.jwks.as_ref().map(file)),
        ];
        let mut given: Vec<(&str, KeysFrom)> = sources
            .into_iter()
            .filter_map(|(flag, source)| Some((flag, source?)))
            .collect();
        if given.len() != 1 {
            let flags: Vec<&str> = given.iter().map(|(flag, _)| *flag).collect();
            problems.push(match flags.as_slice() {
                [] => "nothing to check: give --config FILE, or one of --discover ISSUER, --jwks-uri URL, --public-key FILE, --jwks FILE".to_owned(),
                several => format!("{} given together: keys come from one place; choose one", several.join(" and ")),
            });
        }
        let issuer = self.issuer.as_ref().or(self.discover.as_ref());
        if let (Some(issuer), Some(discover)) = (&self.issuer, &self.discover)
            && issuer != discover
        {
            problems.push("--discover and --issuer name two issuers: an issuer's metadata must name itself; give one of them, or --jwks-uri with --issuer".to_owned());
        }
        if issuer.is_none() && !given.is_empty() {
            problems.push("no issuer: give the `iss` of the tokens with --issuer I".to_owned());
        }
        if self.audience.is_empty() && !given.is_empty() {
            problems.push(
                "no audience: give the `aud` of the tokens, the URL of the MCP server, with --audience A"
                    .to_owned(),
            );
        }
        let mut algorithms = Vec::new();
        for name in &self.algorithm {
            match name.parse() {
                Ok(algorithm) => algorithms.push(algorithm),
                Err(error) => problems.push(format!("--algorithm: {name:?}: {error}")),
            }
        }
        let leeway = self.leeway.as_deref().and_then(|text| {
            let leeway = duration("--leeway", text);
            leeway.map_err(|problem| problems.push(problem)).ok()
        });
        match (issuer, given.pop()) {
            (Some(issuer), Some((_, keys))) if problems.is_empty() => Ok(Config {
                resource: None,
                issuers: vec![IssuerEntry {
                    issuer: issuer.clone(),
                    keys,
                    algorithms,
                    audiences: self.audience.clone(),
                    required_scopes: self.scope.clone(),
                    leeway,
                }],
                unread: Vec::new(),
            }),
            _ => Err(problems),
        }
    }
}

/// A provider for each issuer, so that all of them can be asked at once; or everything that cannot work.
fn providers(config: &Config) -> Result<Vec<BearerAuthProvider>, Failure> {
    let mut problems = Vec::new();
    let mut providers = Vec::new();
    let mut builders = Vec::new();
    if let Some(resource) = &config.resource
        && let Err(problem) = check_resource(resource)
    {
        problems.push(problem);
    }
    for entry in &config.issuers {
        let built = entry.provider().and_then(|provider| {
            builders.push(entry.builder()?);
            Ok(provider)
        });
        match built {
            Ok(provider) => providers.push(provider),
            Err(found) => {
                let name = &entry.issuer;
                problems.extend(
                    found
                        .iter()
                        .map(|problem| format!("issuer {name:?}: {problem}")),
                );
            }
        }
    }
    // Together: names that collide.
    if problems.is_empty()
        && let Err(error) = BearerAuthProvider::for_issuers(builders)
    {
        problems.extend_from_slice(error.problems());
    }
    Failure::unless_empty(problems)?;
    Ok(providers)
}

/// Asks every issuer at once; the states of their keys, in order.
fn reach(providers: &[BearerAuthProvider]) -> Result<Vec<Option<KeyStatus>>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::problem(format!("no async runtime: {error}")))?;
    runtime.block_on(async {
        let mut asked = JoinSet::new();
        for provider in providers {
            let provider = provider.clone();
            asked.spawn(async move { ask(&provider).await });
        }
        asked.join_all().await;
    });
    let status = |provider: &BearerAuthProvider| provider.key_status().into_iter().next();
    Ok(providers.iter().map(status).collect())
}

/// Returns when an attempt has ended, well or not.
async fn ask(provider: &BearerAuthProvider) {
    for _ in 0..WAITS {
        provider.warm_up().await;
        let statuses = provider.key_status();
        let ended = |status: &KeyStatus| status.failed > 0 || !status.snapshot.set.is_empty();
        if statuses.iter().all(ended) {
            return;
        }
    }
}

/// So many keys of one `kid` are tried.
const CANDIDATES: usize = Limits::KEY_CANDIDATES;
