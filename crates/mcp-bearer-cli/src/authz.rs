//! `mcp-bearer authz`: the decision of the gateway, for proxies that forward requests themselves.

use std::path::{Path, PathBuf};

use clap::Args;
use mcp_bearer_gateway::{Authz, AuthzConfig, AuthzReloader, GatewayDraft, GatewayError};
use tokio::runtime::Runtime;

use crate::reloading::{Reloads, reload_when_changed};
use crate::signals::{Signals, signals};
use crate::ui::{Failure, Outcome, note};

/// Decide about requests for Envoy, Istio, nginx, Caddy or Traefik
///
/// Answers external authorization over gRPC (envoy.service.auth.v3) and forward authentication over
/// HTTP (/nginx, /caddy, /traefik, /envoy), on one address. docs/proxies.md and deploy/ have the
/// configurations of the proxies. Runs until Ctrl-C or SIGTERM; SIGHUP reads the file again.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mcp-bearer check --config authz.toml
  mcp-bearer authz --config authz.toml

Environment:
  SSL_CERT_FILE   CAs to trust for https instead of the machine's, in PEM
  SSL_CERT_DIR    the same, a directory of such files")]
pub(crate) struct AuthzCommand {
    /// The configuration in TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl AuthzCommand {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let runtime = Runtime::new()
            .map_err(|error| Failure::problem(format!("no async runtime: {error}")))?;
        runtime.block_on(async {
            let signals = signals()?;
            serve(read_file(&self.config)?, self.config, signals).await
        })
    }
}

fn read_file(path: &Path) -> Result<AuthzConfig, Failure> {
    Ok(GatewayDraft::read_toml(path)?.with_files().check_authz()?)
}

async fn serve(
    config: AuthzConfig,
    file: PathBuf,
    signals: Signals<impl Future<Output = ()>>,
) -> Result<Outcome, Failure> {
    let resource = config.settings.resource.clone();
    let authz = Authz::bind(config).await?;
    let address = authz
        .address()
        .map_err(|error| Failure::problem(format!("listen: {error}")))?;
    note(format_args!(
        "Deciding about requests for {resource} on {address}, over gRPC and HTTP"
    ));
    let [health, page] = authz.own_addresses();
    if let Some(health) = health {
        authz.install_metrics()?;
        note(format_args!(
            "Probes and metrics: http://{health}/readyz /healthz /metrics"
        ));
    }
    if let Some(page) = page {
        note(format_args!("Status page: http://{page}/"));
    }
    let reloads = reload_when_changed(authz.reloader(), Some(file), signals.hang_ups);
    tokio::select! {
        () = authz.run(signals.stopped) => {}
        () = reloads => {}
    }
    note("Stopped.");
    Ok(Outcome::Done)
}

impl Reloads for AuthzReloader {
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
