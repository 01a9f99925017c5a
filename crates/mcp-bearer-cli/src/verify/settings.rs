//! The options of `verify` that decide what is accepted, and the provider they make.
//!
//! Everything that is wrong is told at once. Nothing is guessed: keys, issuer and audience need a decision each.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use mcp_bearer::keys::{KeySource, RemoteKeys, StaticKeys};
use mcp_bearer::{Algorithm, BearerAuthProvider, Decided, IssuerBuilder, KeySet, Undecided};

use super::fixed_clock;
use crate::files;
use crate::ui::{Failure, in_flags};

#[derive(Args)]
pub(super) struct Settings {
    /// A public key in PEM
    #[arg(long, value_name = "FILE", help_heading = "Keys (exactly one)")]
    public_key: Option<PathBuf>,

    /// A JWK Set in a file
    #[arg(long, value_name = "FILE", help_heading = "Keys (exactly one)")]
    jwks: Option<PathBuf>,

    /// The address of a JWK Set: https, or http on loopback
    #[arg(long, value_name = "URL", help_heading = "Keys (exactly one)")]
    jwks_uri: Option<String>,

    /// An issuer, whose metadata lead to its keys (RFC 8414, OpenID Connect Discovery). `iss` must then be this issuer,
    /// unless --issuer or --any-issuer is given
    #[arg(long, value_name = "ISSUER", help_heading = "Keys (exactly one)")]
    discover: Option<String>,

    /// The secret shared with the issuer, for HS256, HS384 and HS512: the bytes of the file, without the line end behind
    /// printable text
    #[arg(long, value_name = "FILE", help_heading = "Keys (exactly one)")]
    secret_file: Option<PathBuf>,

    /// `iss` must be this. Can be given several times
    #[arg(long, value_name = "I", help_heading = "Issuer and audience")]
    issuer: Vec<String>,

    /// Whatever `iss` says: only the key tells who signed
    #[arg(long, help_heading = "Issuer and audience")]
    any_issuer: bool,

    /// `aud` must hold this, the URL of the MCP server. Can be given several times
    #[arg(long, value_name = "A", help_heading = "Issuer and audience")]
    audience: Vec<String>,

    /// Tokens made for any server: one that another server received can be replayed here
    #[arg(long, help_heading = "Issuer and audience")]
    any_audience: bool,

    /// An allowed algorithm, RS256 unless given (HS256 with --secret-file). Can be given several times
    #[arg(long, value_name = "A", help_heading = "Rules")]
    algorithm: Vec<String>,

    /// A scope that the token must hold. Can be given several times; all are needed
    #[arg(long, value_name = "S", help_heading = "Rules")]
    scope: Vec<String>,

    /// The tolerance between the issuer's clock and this one, at most 300s
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "60s",
        help_heading = "Rules"
    )]
    leeway: String,

    /// The time of verification in seconds since 1970, instead of now
    #[arg(long, value_name = "EPOCH", help_heading = "Rules")]
    at: Option<String>,
}

/// Collects problems while going on with what is good, and what is worth a word when there are none.
#[derive(Default)]
struct Findings {
    problems: Vec<String>,
}

impl Findings {
    fn take<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// The keys that the metadata of this issuer lead to. Nothing is fetched yet.
    fn discovered(&mut self, issuer: &str) -> Option<Arc<dyn KeySource>> {
        match RemoteKeys::discover(issuer).build() {
            Ok(keys) => Some(Arc::new(keys)),
            Err(problems) => {
                let told = problems.iter().map(|problem| {
                    let what = problem.strip_prefix("issuer: ").unwrap_or(problem);
                    format!("--discover: {}", in_flags(what))
                });
                self.problems.extend(told);
                None
            }
        }
    }
}

impl Settings {
    pub(super) fn provider(&self) -> Result<BearerAuthProvider, Failure> {
        let mut findings = Findings::default();
        let builder = self.keys(&mut findings);
        let builder = match self.issuer_decision(&mut findings) {
            Choice::Listed => builder.issuers(self.issuers()),
            Choice::Any => builder.any_issuer(),
        };
        let mut builder = match self.audience_decision(&mut findings) {
            Choice::Listed => builder.audiences(&self.audience),
            Choice::Any => builder.any_audience(),
        };
        let algorithms = self.algorithms(&mut findings);
        if !algorithms.is_empty() {
            builder = builder.algorithms(algorithms);
        }
        if let Some(leeway) = findings.take(leeway(&self.leeway)) {
            builder = builder.leeway(leeway);
        }
        let at = self
            .at
            .as_deref()
            .and_then(|text| findings.take(epoch(text)));
        match builder.required_scopes(&self.scope).build() {
            Ok(provider) => {
                Failure::unless_empty(findings.problems)?;
                tell_skipped(&provider);
                Ok(match at {
                    Some(seconds) => provider.with_clock(fixed_clock(seconds)),
                    None => provider,
                })
            }
            Err(error) => {
                findings
                    .problems
                    .extend(error.problems().iter().map(|problem| by_flag(problem)));
                Err(Failure::Problems(findings.problems))
            }
        }
    }

    /// The key source; one without keys where there is a problem, so that the other problems can be found too.
    fn keys(&self, findings: &mut Findings) -> IssuerBuilder<Decided, Undecided, Undecided> {
        let builder = BearerAuthProvider::builder();
        let given = findings.take(self.one_key_source()).and_then(|source| {
            Some(match source {
                Source::PublicKey(path) => builder.public_key(findings.take(public_key(path))?),
                Source::Jwks(path) => builder.jwks_json(findings.take(jwks(path))?),
                Source::JwksUri(url) => builder.jwks_uri(url),
                Source::Discover(issuer) => builder.key_source(findings.discovered(issuer)?),
                Source::Secret(path) => builder.shared_secret_file(path),
            })
        });
        given.unwrap_or_else(|| {
            let none = KeySet::unavailable("none", Duration::from_secs(1));
            BearerAuthProvider::builder().key_source(Arc::new(StaticKeys::new(none)))
        })
    }

    fn one_key_source(&self) -> Result<Source<'_>, String> {
        let given = [
            (
                "--public-key",
                self.public_key.as_deref().map(Source::PublicKey),
            ),
            ("--jwks", self.jwks.as_deref().map(Source::Jwks)),
            ("--jwks-uri", self.jwks_uri.as_deref().map(Source::JwksUri)),
            ("--discover", self.discover.as_deref().map(Source::Discover)),
            (
                "--secret-file",
                self.secret_file.as_deref().map(Source::Secret),
            ),
        ];
        let given: Vec<(&str, Source<'_>)> = given
            .into_iter()
            .filter_map(|(flag, source)| Some((flag, source?)))
            .collect();
        match given.as_slice() {
            [(_, source)] => Ok(*source),
            [] => Err("no keys: give one of --public-key FILE, --jwks FILE, --jwks-uri URL, --discover ISSUER, --secret-file FILE".to_owned()),
            several => {
                let flags: Vec<&str> = several.iter().map(|(flag, _)| *flag).collect();
                Err(format!("{} given together: keys come from one place; choose one", flags.join(" and ")))
            }
        }
    }

    /// Those of --issuer; without them the one whose keys are discovered.
    fn issuers(&self) -> &[String] {
        match (self.issuer.as_slice(), self.any_issuer) {
            ([], false) => self.discover.as_slice(),
            (given, _) => given,
        }
    }

    fn issuer_decision(&self, findings: &mut Findings) -> Choice {
        let missing = "no issuer: say whose tokens are good with --issuer I, or --any-issuer if that is meant";
        let both = "--issuer and --any-issuer contradict each other; choose one";
        findings.choice(self.issuers(), self.any_issuer, missing, both)
    }

    fn audience_decision(&self, findings: &mut Findings) -> Choice {
        let missing = "no audience: say whom tokens must be for with --audience A, the URL of the MCP server, or --any-audience if that is meant";
        let both = "--audience and --any-audience contradict each other; choose one";
        findings.choice(&self.audience, self.any_audience, missing, both)
    }

    fn algorithms(&self, findings: &mut Findings) -> Vec<Algorithm> {
        let parsed = self.algorithm.iter().map(|name| {
            name.parse()
                .map_err(|error| format!("--algorithm: {name:?}: {error}"))
        });
        parsed
            .filter_map(|algorithm| findings.take(algorithm))
            .collect()
    }
}

/// A decision that was taken; a missing one is a problem by now.
enum Choice {
    Listed,
    Any,
}

impl Findings {
    fn choice(&mut self, listed: &[String], any: bool, missing: &str, both: &str) -> Choice {
        match (listed.is_empty(), any) {
            (true, false) => self.problems.push(missing.to_owned()),
            (false, true) => self.problems.push(both.to_owned()),
            (false, false) => return Choice::Listed,
            (true, true) => {}
        }
        Choice::Any
    }
}

fn leeway(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("--leeway: {text:?}: {error}; write it like 60s or 2m"))
}

fn epoch(text: &str) -> Result<u64, String> {
    let seconds = text
        .parse::<u64>()
        .ok()
        .filter(|seconds| *seconds <= 1 << 53);
    seconds.ok_or_else(|| {
        format!("--at: {text:?} is not a number of seconds since 1970; write it like 1800000000")
    })
}

/// Where the keys come from.
#[derive(Clone, Copy)]
enum Source<'a> {
    PublicKey(&'a Path),
    Jwks(&'a Path),
    JwksUri(&'a str),
    Discover(&'a str),
    Secret(&'a Path),
}

fn public_key(path: &Path) -> Result<String, String> {
    let text = files::read_text("--public-key", path)?;
    if text.trim_start().starts_with('{') {
        return Err(format!(
            "--public-key: {}: this looks like a JWK Set; use --jwks",
            path.display()
        ));
    }
    Ok(text)
}

fn jwks(path: &Path) -> Result<String, String> {
    let text = files::read_text("--jwks", path)?;
    if text.trim_start().starts_with("-----BEGIN") {
        let hint = "this looks like PEM; use --public-key, or make a set with mcp-bearer jwks";
        return Err(format!("--jwks: {}: {hint}", path.display()));
    }
    Ok(text)
}

/// Keys of the set that cannot be used are worth knowing before tokens fail.
fn tell_skipped(provider: &BearerAuthProvider) {
    for status in provider.key_status() {
        for skipped in status.snapshot.set.skipped() {
            tracing::warn!("not used: {skipped}");
        }
    }
}

/// The library names settings; people typed options.
fn by_flag(problem: &str) -> String {
    const FLAGS: [(&str, &str); 9] = [
        ("public_key", "--public-key"),
        ("jwks_uri", "--jwks-uri"),
        ("jwks", "--jwks"),
        ("shared_secret", "--secret-file"),
        ("algorithms", "--algorithm"),
        ("required_scopes", "--scope"),
        ("issuer", "--issuer"),
        ("audience", "--audience"),
        ("leeway", "--leeway"),
    ];
    let named = FLAGS.iter().find_map(|(name, flag)| {
        let rest = problem.strip_prefix(name)?.strip_prefix(": ")?;
        Some(format!("{flag}: {rest}"))
    });
    named.unwrap_or_else(|| problem.to_owned())
}
