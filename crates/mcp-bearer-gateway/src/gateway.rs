//! [`Gateway`]: starts, reloads and stops.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mcp_bearer::http::SessionKeys;
use mcp_bearer::{BearerAuthProvider, Clock, ConfigError, UnixTime};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::audit::AuditLog;
use crate::config::GatewayConfig;
use crate::health::is_usable;
use crate::metrics::Metrics;
use crate::observers::Observers;
use crate::own_servers::{self, OwnServers};
use crate::rights::{Current, Rights};
use crate::serve::{Phase, Server};
use crate::stack::{self, Kept, Stack};
use crate::tls::{Changed, ServerTls};
#[cfg(feature = "otlp")]
use crate::traces::Traces;

/// How long the audit log may take at the end.
const LAST_LINES: Duration = Duration::from_secs(5);

/// A gateway that listens and does not serve yet.
#[derive(Debug)]
#[must_use = "it serves nothing until it runs"]
pub struct Gateway {
    listener: TcpListener,
    own: OwnServers,
    shared: Reloader,
    drain: Duration,
    connections: usize,
}

/// Puts another configuration in place of the one that is served.
#[derive(Clone)]
pub struct Reloader {
    stack: Arc<ArcSwap<Stack>>,
    kept: Arc<Kept>,
    tls: Option<Arc<ServerTls>>,
}

/// Why a gateway does not start, or keeps its old configuration.
#[derive(Debug)]
#[non_exhaustive]
pub enum GatewayError {
    /// The configuration, with every problem.
    Config(ConfigError),
    /// Anything else, as a sentence.
    Other(String),
}

impl Gateway {
    /// Makes everything that the configuration names, and listens. Keys are fetched in the
    /// background.
    ///
    /// # Errors
    /// When the configuration cannot be served, or the address cannot be listened on.
    pub async fn bind(config: GatewayConfig) -> Result<Self, GatewayError> {
        let settings = &config.settings;
        let (listen, drain) = (settings.listen, settings.drain);
        let connections = settings.limits.connections;
        let tls = settings.tls.as_ref().map(|tls| ServerTls::load(tls, now()));
        let tls = tls.transpose().map_err(GatewayError::Other)?.map(Arc::new);
        let current = Current {
            provider: config.server.provider.clone(),
            rules: config.server.rules.clone(),
        };
        let audit = settings.audit.as_ref().map(AuditLog::open);
        let audit = audit.transpose().map_err(GatewayError::Other)?;
        let metrics = Metrics::new().map_err(GatewayError::Other)?;
        let observers = Arc::new(Observers::new(metrics, audit));
        #[cfg(feature = "otlp")]
        let traces = {
            let runtime = tokio::runtime::Handle::current();
            let traces = settings.traces.as_ref();
            let traces = traces.map(|traces| Traces::new(traces, runtime));
            traces.transpose().map_err(GatewayError::Other)?
        };
        let kept = Arc::new(Kept {
            #[cfg(feature = "otlp")]
            traces: traces.map(Arc::new),
            observers: Arc::clone(&observers),
            rights: Arc::new(Rights::new(current)),
            session_keys: SessionKeys::of_this_process().ok(),
        });
        let own = OwnServers::bind(settings.health, settings.admin.as_ref(), &kept).await;
        let own = own.map_err(GatewayError::Other)?;
        let stack = Stack::new(config, &kept, None)?;
        let listener = own_servers::listen("listen", listen).await;
        let listener = listener.map_err(GatewayError::Other)?;
        let provider = kept.rights.provider();
        tokio::spawn(async move { provider.warm_up().await });
        Ok(Self {
            listener,
            own,
            shared: Reloader {
                stack: Arc::new(ArcSwap::from_pointee(stack)),
                kept,
                tls,
            },
            drain,
            connections,
        })
    }

    /// Takes authentication and operations away, so that a bench can measure what they cost. No
    /// setting does this, and the feature is not in the program.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    #[cfg(feature = "bench")]
    #[doc(hidden)]
    pub fn without_authentication(self, config: GatewayConfig) -> Result<Self, GatewayError> {
        let kept = &self.shared.kept;
        let stack = Stack::new(config, kept, None)?.without_authentication(kept)?;
        self.shared.stack.store(Arc::new(stack));
        Ok(self)
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The addresses of the probes and of the status page, if they are served.
    #[must_use]
    pub fn own_addresses(&self) -> [Option<SocketAddr>; 2] {
        self.own.addresses()
    }

    /// What reloads its configuration.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        self.shared.clone()
    }

    /// Serves until `stop` is done; then answers what it accepted, within the time to drain.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (phase, seen) = watch::channel(Phase::Serving);
        let server = Server {
            listener: self.listener,
            stack: Arc::clone(&self.shared.stack),
            phase: seen,
            tls: self.shared.tls.clone(),
            observers: Arc::clone(&self.shared.kept.observers),
            connections: self.connections,
        };
        let mut served = tokio::spawn(server.run());
        let observers = Arc::clone(&self.shared.kept.observers);
        let own = self.own.spawn(&observers);
        stop.await;
        own.drain();
        phase.send_replace(Phase::Draining);
        self.shared.kept.rights.end_streams();
        if tokio::time::timeout(self.drain, &mut served).await.is_err() {
            tracing::warn!(
                target: "mcp_bearer::gateway",
                drain = ?self.drain,
                "requests in progress took longer than the time to drain, and were ended"
            );
            served.abort();
        }
        own.stop();
        #[cfg(feature = "otlp")]
        if let Some(traces) = &self.shared.kept.traces {
            traces.shutdown(LAST_LINES).await;
        }
        if !observers.flush(LAST_LINES) {
            tracing::error!(
                target: "mcp_bearer::gateway",
                "the last lines of the audit log could not be written"
            );
        }
    }

    /// Makes the gateway's metrics those of the process, so that the counters of the library are in
    /// `/metrics` too.
    ///
    /// # Errors
    /// When the process has other metrics already.
    pub fn install_metrics(&self) -> Result<(), GatewayError> {
        let metrics = &self.shared.kept.observers.metrics;
        metrics.install().map_err(GatewayError::Other)
    }
}

impl Reloader {
    /// Fetches the keys that this configuration needs, then serves by it. What only a start can
    /// change (addresses, TLS or none, the number of connections) stays, with a warning. Reloads
    /// happen one after the other, in the order of their calls.
    ///
    /// # Errors
    /// When it cannot be served, or an issuer whose keys are held now cannot be reached. The old
    /// configuration stays whole.
    pub async fn reload(&self, config: GatewayConfig) -> Result<(), GatewayError> {
        let _only = self.kept.rights.begin_reload().await;
        let before = self.stack.load_full();
        let current = Current {
            provider: config.server.provider.clone(),
            rules: config.server.rules.clone(),
        };
        let unchanged = before.settings().only_a_start_changes(&config.settings);
        let stack = Stack::new(config, &self.kept, Some(&before))?;
        fetch_keys(&self.kept.rights, &current.provider).await?;
        if let Some(tls) = &self.tls {
            tls.reload(now()).map_err(GatewayError::Other)?;
        }
        for setting in unchanged {
            tracing::warn!(
                target: "mcp_bearer::gateway",
                setting = setting.path(),
                "only a start can change this setting; the old value is kept"
            );
        }
        self.stack.store(Arc::new(stack));
        self.kept.rights.replace(current);
        Ok(())
    }

    /// Reads the certificate and its key again. Returns whether there are new ones.
    ///
    /// # Errors
    /// When they cannot be used; the old ones stay.
    pub fn reload_certificate(&self) -> Result<bool, GatewayError> {
        match &self.tls {
            None => Ok(false),
            Some(tls) => match tls.reload(now()) {
                Ok(changed) => Ok(changed == Changed::Yes),
                Err(why) => Err(GatewayError::Other(why)),
            },
        }
    }

    /// Writes the audit log to its file anew, if that was renamed.
    pub fn reopen_audit_log(&self) {
        self.kept.observers.reopen_audit_log();
    }
}

/// Without keys, tokens would be refused that are accepted now: an issuer whose tokens can be
/// verified must not lose that by a reload, wherever its keys would come from.
pub(crate) async fn fetch_keys(
    rights: &Rights,
    provider: &BearerAuthProvider,
) -> Result<(), GatewayError> {
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

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reloader(..)")
    }
}

impl From<ConfigError> for GatewayError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<stack::Error> for GatewayError {
    fn from(error: stack::Error) -> Self {
        match error {
            stack::Error::Config(error) => Self::Config(error),
            stack::Error::Other(text) => Self::Other(text),
        }
    }
}

impl std::fmt::Display for GatewayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for GatewayError {}
