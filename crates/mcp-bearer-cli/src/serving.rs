//! What `gateway` and `authz` do once they listen: they say where, reload, and stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;

use mcp_bearer_gateway::GatewayError;
use tokio::runtime::Runtime;

use crate::reloading::{Reloads, reload_when_changed};
use crate::stopped::stopped;
use crate::ui::{Failure, Outcome, note};

/// It is done when the process is asked to stop.
type Stop = Pin<Box<dyn Future<Output = ()>>>;

/// Runs a command that serves.
pub(crate) fn block_on(
    server: impl Future<Output = Result<Outcome, Failure>>,
) -> Result<Outcome, Failure> {
    let runtime = Runtime::new();
    let runtime =
        runtime.map_err(|error| Failure::problem(format!("no async runtime: {error}")))?;
    runtime.block_on(server)
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
    run: impl FnOnce(Stop) -> R,
) -> Result<Outcome, Failure> {
    let stopped = stopped().map_err(|error| Failure::problem(format!("signals: {error}")))?;
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
    let reloads = reload_when_changed(reloader, file);
    tokio::select! {
        () = run(Box::pin(stopped)) => {}
        never = reloads => match never? {},
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
