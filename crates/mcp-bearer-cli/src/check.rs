//! `mcp-bearer check`: reports what would go wrong with a configuration.
//!
//! It reads the configuration, asks each issuer for its keys once, and compares them with the
//! rules. It changes nothing, and never asks a failing issuer twice.

mod report;

use std::path::PathBuf;

use clap::Args;
use mcp_bearer::BearerAuthProvider;
use mcp_bearer::config::{Entrance, Keys, Problem, ServerDraft, Setting};
use mcp_bearer::config::{Expected, Limits};
use mcp_bearer::keys::KeyStatus;
use mcp_bearer_gateway::{ConfigKind, GatewayDraft};
use tokio::task::JoinSet;

use self::report::{IssuerReport, Report};
use crate::setting_flags::Flags;
use crate::ui::{Failure, Outcome, Output, in_flags};
use crate::verify::Format;

/// How often to wait for a source, 5 s each time: discovery may ask three addresses before it gets
/// to the keys.
const WAITS: usize = 4;

/// Report what would go wrong with a configuration, and list the keys of its issuers
///
/// Reads the configuration and the files that it names as a start does, asks each issuer for its
/// keys, and reports which can be used, or why not. Exits with 1 when something would go wrong,
/// such as an issuer that cannot be reached.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mcp-bearer check --config gateway.toml
  mcp-bearer check --config authz.toml
  mcp-bearer check --discover https://idp.example.com/ \\
      --audience https://mcp.example.com/mcp --format json

Environment:
  SSL_CERT_FILE   CAs to trust for https instead of the machine's, in PEM
  SSL_CERT_DIR    the same, a directory of such files")]
pub(crate) struct Check {
    /// A configuration in TOML, instead of options: issuers, rules and all else are checked. Its
    /// settings decide whether it is for `gateway`, for `authz`, or for a server with the layer
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    flags: Flags,

    /// The form of the answer: text, or one JSON object
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
        let Checked {
            kind,
            draft,
            provider,
        } = self.draft()?;
        let providers: Vec<BearerAuthProvider> = provider.issuers().collect();
        let statuses = reach(&providers)?;
        // Settings are named as in the file, or as flags.
        let words = match self.config {
            Some(_) => ToOwned::to_owned,
            None => in_flags,
        };
        let issuers = draft.issuers.iter().zip(&providers).zip(statuses);
        let report = Report {
            kind,
            resource: draft.resource.as_deref(),
            issuers: issuers
                .filter_map(|((draft, provider), status)| {
                    IssuerReport::new(draft, provider, status, words)
                })
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

    /// What was configured, checked. A file may also be for a server that has the layer inside; if
    /// it has a setting of the gateway or of `authz`, all of those are checked too.
    fn draft(&self) -> Result<Checked, Failure> {
        let mut given = self.flags.given();
        match (&self.config, given.next()) {
            (Some(path), None) => {
                let draft = GatewayDraft::read_toml(path)?.with_files();
                let server = draft.server.clone();
                let kind = draft.kind();
                let checked = match kind {
                    ConfigKind::Layer => server.check_server()?,
                    #[cfg(feature = "authz")]
                    ConfigKind::Authz => draft.check_authz()?.server,
                    _ => draft.check()?.server,
                };
                Ok(Checked {
                    kind: Some(kind),
                    draft: server,
                    provider: checked.provider,
                })
            }
            (Some(_), Some(other)) => {
                let name = other.name(Entrance::Flag).unwrap_or_default();
                let why = format!("--config and {name} given together: put it into the file");
                Err(Failure::problem(why))
            }
            (None, None) => {
                let keys: Vec<&str> = Flags::of_keys().collect();
                let keys = keys.join(", ");
                let why = format!("nothing to check: give --config FILE, or one of {keys}");
                Err(Failure::problem(why))
            }
            (None, Some(_)) => {
                let mut draft = self.flags.draft();
                if let Some(problem) = two_issuers(&draft) {
                    draft.problem(problem);
                }
                let provider = draft.check_server()?.provider;
                Ok(Checked {
                    kind: None,
                    draft,
                    provider,
                })
            }
        }
    }
}

/// A configuration without a problem.
struct Checked {
    /// What a file is for; flags are for no program.
    kind: Option<ConfigKind>,
    draft: ServerDraft,
    provider: BearerAuthProvider,
}

fn two_issuers(draft: &ServerDraft) -> Option<Problem> {
    let issuer = draft.issuers.first()?;
    let Some(Keys::Discover(discovered)) = &issuer.keys else {
        return None;
    };
    let why = "name two issuers: an issuer's metadata must name itself; give one of them";
    (*issuer.issuers.as_ref()? != Expected::from(discovered.as_str()))
        .then(|| Problem::new([Setting::Discover, Setting::Issuer], why))
}

/// Asks all issuers at once; returns the states of their keys, in order.
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

/// Returns when an attempt has ended, whether or not it succeeded.
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

/// The number of keys with the same `kid` that are tried.
const CANDIDATES: usize = Limits::KEY_CANDIDATES;
