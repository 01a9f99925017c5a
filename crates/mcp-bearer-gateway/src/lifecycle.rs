//! [`Bound`] and [`Shared`]: start, reload and end of what answers requests, be it the gateway or
//! external authorization.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mcp_bearer::http::SessionKeys;
use mcp_bearer::{BearerAuthProvider, Clock, UnixTime};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::audit::AuditLog;
#[cfg(feature = "otlp")]
use crate::config::TracesSettings;
use crate::config::{CommonSettings, GatewaySetting};
use crate::error::GatewayError;
use crate::health::is_usable;
use crate::metrics::Metrics;
use crate::observers::Observers;
use crate::own_servers::{self, OwnServers};
use crate::serve::{Phase, Serve, Server};
use crate::stack::Kept;
use crate::stream_revalidation::{Current, Rights};
use crate::tls::{Changed, ServerTls};
#[cfg(feature = "otlp")]
use crate::traces::Traces;

/// How long the audit log may take at the end.
const LAST_LINES: Duration = Duration::from_secs(5);

/// It listens, and does not serve yet.
pub(crate) struct Bound<S> {
    listener: TcpListener,
    own: OwnServers,
    pub(crate) shared: Shared<S>,
    drain: Duration,
    connections: usize,
}

/// What is served now, and what outlives it.
pub(crate) struct Shared<S> {
    served: Arc<ArcSwap<S>>,
    kept: Arc<Kept>,
    tls: Option<Arc<ServerTls>>,
}

impl Kept {
    /// # Errors
    /// When the audit log cannot be written.
    pub(crate) fn new(
        settings: &CommonSettings,
        current: Current,
        session_keys: Option<SessionKeys>,
    ) -> Result<Self, GatewayError> {
        let audit = settings.audit.as_ref().map(AuditLog::open);
        let audit = audit.transpose().map_err(GatewayError::Other)?;
        let metrics = Metrics::new().map_err(GatewayError::Other)?;
        Ok(Self {
            #[cfg(feature = "otlp")]
            traces: None,
            observers: Arc::new(Observers::new(metrics, audit)),
            rights: Arc::new(Rights::new(current)),
            session_keys,
        })
    }

    /// With these traces.
    ///
    /// # Errors
    /// When their collector cannot be used.
    #[cfg(feature = "otlp")]
    pub(crate) fn traced(
        mut self,
        settings: Option<&TracesSettings>,
    ) -> Result<Self, GatewayError> {
        let runtime = tokio::runtime::Handle::current();
        let traces = settings.map(|settings| Traces::new(settings, runtime));
        self.traces = traces
            .transpose()
            .map_err(GatewayError::Other)?
            .map(Arc::new);
        Ok(self)
    }
}

impl<S: Serve> Bound<S> {
    /// Makes everything that the configuration names, and listens. Keys are fetched in the
    /// background.
    ///
    /// # Errors
    /// When the configuration cannot be served, or an address cannot be listened on.
    pub(crate) async fn new(
        settings: &CommonSettings,
        kept: Kept,
        make: impl FnOnce(&Kept) -> Result<S, GatewayError>,
    ) -> Result<Self, GatewayError> {
        let tls = settings.tls.as_ref().map(|tls| ServerTls::load(tls, now()));
        let tls = tls.transpose().map_err(GatewayError::Other)?.map(Arc::new);
        let kept = Arc::new(kept);
        let own = OwnServers::bind(settings.health, settings.admin.as_ref(), &kept).await;
        let own = own.map_err(GatewayError::Other)?;
        let served = make(&kept)?;
        let listener = own_servers::listen("listen", settings.listen).await;
        let listener = listener.map_err(GatewayError::Other)?;
        let provider = kept.rights.provider();
        tokio::spawn(async move { provider.warm_up().await });
        Ok(Self {
            listener,
            own,
            shared: Shared {
                served: Arc::new(ArcSwap::from_pointee(served)),
                kept,
                tls,
            },
            drain: settings.drain,
            connections: settings.limits.connections,
        })
    }

    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    pub(crate) fn own_addresses(&self) -> [Option<SocketAddr>; 2] {
        self.own.addresses()
    }

    /// # Errors
    /// When the process has other metrics already.
    pub(crate) fn install_metrics(&self) -> Result<(), GatewayError> {
        let metrics = &self.shared.kept.observers.metrics;
        metrics.install().map_err(GatewayError::Other)
    }

    /// Serves until `stop` is done; then answers what it accepted, within the time to drain.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let Self {
            listener,
            own,
            shared: Shared { served, kept, tls },
            drain,
            connections,
        } = self;
        let (phase, seen) = watch::channel(Phase::Serving);
        let observers = Arc::clone(&kept.observers);
        let server = Server {
            listener,
            stack: served,
            phase: seen,
            tls,
            observers: Arc::clone(&observers),
            connections,
        };
        let mut served = tokio::spawn(server.run());
        let own = own.spawn(&observers);
        stop.await;
        own.drain();
        phase.send_replace(Phase::Draining);
        kept.rights.end_streams();
        if tokio::time::timeout(drain, &mut served).await.is_err() {
            tracing::warn!(
                target: "mcp_bearer::gateway",
                ?drain,
                "requests in progress took longer than the time to drain, and were ended"
            );
            served.abort();
        }
        own.stop();
        #[cfg(feature = "otlp")]
        if let Some(traces) = &kept.traces {
            traces.shutdown(LAST_LINES).await;
        }
        if !observers.flush(LAST_LINES) {
            tracing::error!(
                target: "mcp_bearer::gateway",
                "the last lines of the audit log could not be written"
            );
        }
    }
}

impl<S> Shared<S> {
    #[cfg(any(feature = "authz", feature = "bench"))]
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    #[cfg(feature = "bench")]
    pub(crate) fn replace(&self, served: S) {
        self.served.store(Arc::new(served));
    }

    /// Fetches the keys that this configuration needs, then serves by it. `make` also returns the
    /// changed settings that only a start can change: they stay, with a warning. Reloads happen one
    /// after the other, in the order of their calls.
    ///
    /// # Errors
    /// When it cannot be served, or an issuer whose keys are held now cannot be reached. The old
    /// configuration stays whole.
    pub(crate) async fn reload(
        &self,
        current: Current,
        make: impl FnOnce(&Kept, &S) -> Result<(S, Vec<GatewaySetting>), GatewayError>,
    ) -> Result<(), GatewayError> {
        let _only = self.kept.rights.begin_reload().await;
        let (served, unchanged) = make(&self.kept, &self.served.load_full())?;
        fetch_keys(&self.kept.rights, &current.provider).await?;
        self.reload_certificate()?;
        for setting in unchanged {
            tracing::warn!(
                target: "mcp_bearer::gateway",
                setting = setting.path(),
                "only a start can change this setting; the old value is kept"
            );
        }
        self.served.store(Arc::new(served));
        self.kept.rights.replace(current);
        Ok(())
    }

    /// Reads the certificate and its key again. Returns whether there are new ones.
    ///
    /// # Errors
    /// When they cannot be used; the old ones stay.
    pub(crate) fn reload_certificate(&self) -> Result<bool, GatewayError> {
        let Some(tls) = &self.tls else {
            return Ok(false);
        };
        let changed = tls.reload(now()).map_err(GatewayError::Other)?;
        Ok(changed == Changed::Yes)
    }

    pub(crate) fn reopen_audit_log(&self) {
        self.kept.observers.reopen_audit_log();
    }
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self {
            served: Arc::clone(&self.served),
            kept: Arc::clone(&self.kept),
            tls: self.tls.clone(),
        }
    }
}

/// Without keys, tokens would be refused that are accepted now: an issuer whose tokens can be
/// verified must not lose that by a reload, wherever its keys would come from.
async fn fetch_keys(rights: &Rights, provider: &BearerAuthProvider) -> Result<(), GatewayError> {
    provider.warm_up().await;
    let served = rights.provider();
    let served: Vec<BearerAuthProvider> = served.issuers().collect();
    for issuer in provider.issuers() {
        let Some(status) = issuer.key_status().into_iter().find(|one| !is_usable(one)) else {
            continue;
        };
        let is_same = |other: &&BearerAuthProvider| {
            let mut names = issuer.issuer_names();
            names.any(|name| other.issuer_names().any(|own| own == name))
        };
        let mut before = served.iter().filter(is_same);
        if before.any(|other| other.key_status().iter().all(is_usable)) {
            return Err(GatewayError::Other(format!(
                "the keys of {} cannot be fetched now ({}), and the issuer's tokens are accepted by the old configuration; reload again when they can be",
                status.source,
                status.last_failure.as_deref().unwrap_or("no answer yet"),
            )));
        }
    }
    Ok(())
}

fn now() -> UnixTime {
    Clock::system().now()
}

impl<S> std::fmt::Debug for Bound<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl<S> std::fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared(..)")
    }
}
