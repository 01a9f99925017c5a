//! What `gateway` and `authz` do once they listen: they report their addresses, reload, and stop.

use std::net::SocketAddr;
use std::path::PathBuf;

use mcp_bearer_gateway::GatewayError;
use tokio::runtime::Runtime;

use crate::reloading::{Reloads, reload_when_changed};
use crate::signals::{Signals, Stop, signals};
use crate::ui::{Failure, Outcome, note};

/// Runs a command that serves. Signals are handled before it reads anything.
pub(crate) fn block_on(
    server: impl AsyncFnOnce(Signals) -> Result<Outcome, Failure>,
) -> Result<Outcome, Failure> {
    let runtime = Runtime::new();
    let runtime =
        runtime.map_err(|error| Failure::problem(format!("no async runtime: {error}")))?;
    runtime.block_on(async { server(signals()?).await })
}

/// The address of a server that listens.
pub(crate) fn listening(address: std::io::Result<SocketAddr>) -> Result<SocketAddr, Failure> {
    address.map_err(|error| Failure::problem(format!("listen: {error}")))
}

/// Runs a server that listens: `what` describes it, `own` are the addresses of its probes and its
/// status page. With a file, it is reloaded when that changes.
pub(crate) async fn serve<R: Future<Output = ()>>(
    what: impl std::fmt::Display,
    own: [Option<SocketAddr>; 2],
    reloader: impl Reloads,
    file: Option<PathBuf>,
    signals: Signals,
    run: impl FnOnce(Stop) -> R,
) -> Result<Outcome, Failure> {
    note(what);
    let [health, page] = own;
    if let Some(health) = health {
        note(format_args!(
            "Probes and metrics: http://{health}/readyz /healthz /metrics"
        ));
    }
    if let Some(page) = page {
        note(format_args!("Status page: http://{page}/"));
    }
    let reloads = reload_when_changed(reloader, file, signals.hang_ups);
    tokio::select! {
        () = run(signals.stopped) => {}
        () = reloads => {}
    }
    note("Stopped.");
    Ok(Outcome::Done)
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Config(error) => error.into(),
            other => Self::problem(other.to_string()),
        }
    }
}
