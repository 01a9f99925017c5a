//! `mcp-bearer gateway`: bearer authentication in front of an MCP server.

mod example;
mod flags;

use std::path::{Path, PathBuf};

use clap::Args;
use mcp_bearer_gateway::{Gateway, GatewayConfig, GatewayDraft, GatewayError, Reloader};

use self::flags::Flags;
use crate::reloading::Reloads;
use crate::serving;
use crate::signals::Signals;
use crate::ui::{Failure, Outcome, Output};

/// Put bearer authentication in front of an MCP server in any language
///
/// Accepts requests whose token is good, and forwards them to the server at --upstream without the
/// token. Serves the metadata (RFC 9728) that leads clients to the identity provider. Runs until
/// Ctrl-C or SIGTERM; SIGHUP reads the configuration again. Every option can also be given as a
/// variable: --allowed-origins is MCP_BEARER_ALLOWED_ORIGINS.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mcp-bearer gateway --upstream http://127.0.0.1:9000/mcp \\
      --discover https://idp.example.com/ \\
      --resource https://mcp.example.com/mcp
  # The same with rules for single tools, from a file:
  mcp-bearer gateway --example > gateway.toml
  mcp-bearer check --config gateway.toml
  mcp-bearer gateway --config gateway.toml

Environment:
  SSL_CERT_FILE   CAs to trust for https instead of the machine's, in PEM
  SSL_CERT_DIR    the same, a directory of such files")]
pub(crate) struct GatewayCommand {
    /// A configuration in TOML, instead of options
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print a configuration with every setting explained, and exit
    #[arg(long)]
    example: bool,

    #[command(flatten)]
    flags: Flags,
}

impl GatewayCommand {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        if self.example {
            let mut output = Output::stdout();
            output.line(example::file().trim_end())?;
            output.flush()?;
            return Ok(Outcome::Done);
        }
        let file = self.config.clone();
        serving::block_on(async |signals| serve(self.read()?, file, signals).await)
    }

    fn read(self) -> Result<GatewayConfig, Failure> {
        let Some(path) = &self.config else {
            return Ok(self.flags.draft()?.with_files().check()?);
        };
        // A rule that does nothing must not pass for a rule.
        match self.flags.any_or_variable()? {
            Some(name) => {
                let why = format!("--config and {name} given together: put it into the file");
                Err(Failure::problem(why))
            }
            None => read_file(path),
        }
    }
}

fn read_file(path: &Path) -> Result<GatewayConfig, Failure> {
    Ok(GatewayDraft::read_toml(path)?.with_files().check()?)
}

async fn serve(
    config: GatewayConfig,
    file: Option<PathBuf>,
    signals: Signals,
) -> Result<Outcome, Failure> {
    let upstream = config.settings.upstream.clone();
    let resource = config.settings.common.resource.clone();
    let gateway = Gateway::bind(config).await?;
    let address = serving::listening(gateway.address())?;
    let what = format!("Serving {resource} on {address}, for the server at {upstream}");
    let own = gateway.own_addresses();
    if own[0].is_some() {
        gateway.install_metrics()?;
    }
    let reloader = gateway.reloader();
    serving::serve(what, own, reloader, file, signals, |stop| gateway.run(stop)).await
}

impl Reloads for Reloader {
    async fn reload_file(&self, path: &Path) -> Result<(), Failure> {
        Ok(self.reload(read_file(path)?).await?)
    }

    fn reload_certificate(&self) -> Result<bool, GatewayError> {
        Self::reload_certificate(self)
    }

    fn reopen_audit_log(&self) {
        Self::reopen_audit_log(self);
    }
}
