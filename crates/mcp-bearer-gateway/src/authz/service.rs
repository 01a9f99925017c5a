//! [`Authz`]: starts, reloads and stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mcp_bearer::{BearerAuthProvider, Clock};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::grpc;
use super::judge::Judge;
use super::server::Front;
use crate::audit::AuditLog;
use crate::config::AuthzConfig;
use crate::gateway::{GatewayError, fetch_keys};
use crate::health::is_usable;
use crate::metrics::Metrics;
use crate::observers::Observers;
use crate::own_servers::{self, OwnServers};
use crate::rights::{Current, Rights};
use crate::serve::{Phase, Server};
use crate::stack::Kept;
use crate::tls::{Changed, ServerTls};

/// How long the audit log may take at the end.
const LAST_LINES: Duration = Duration::from_secs(5);

/// How often probes over gRPC learn what became of the keys.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// External authorization that listens and does not serve yet.
///
/// Proxies ask it over gRPC (`envoy.service.auth.v3.Authorization`) or over HTTP (`/nginx`,
/// `/caddy`, `/traefik`, `/envoy/...`), all on one address. Over HTTP it also serves the RFC 9728
/// document at its path.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use mcp_bearer_gateway::{Authz, GatewayDraft};
/// let config = GatewayDraft::read_toml("authz.toml".as_ref())?.check_authz()?;
/// let authz = Authz::bind(config).await?;
/// authz.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "it serves nothing until it runs"]
pub struct Authz {
    listener: TcpListener,
    own: OwnServers,
    shared: AuthzReloader,
    health: Health,
    drain: Duration,
    connections: usize,
}

/// Puts another configuration in place of the one that is served.
#[derive(Clone)]
pub struct AuthzReloader {
    front: Arc<ArcSwap<Front>>,
    kept: Arc<Kept>,
    tls: Option<Arc<ServerTls>>,
}

/// What is reported by `grpc.health.v1`.
#[derive(Clone, Debug)]
struct Health(HealthReporter);

impl Authz {
    /// Makes everything that the configuration names, and listens. Keys are fetched in the
    /// background.
    ///
    /// # Errors
    /// When the configuration cannot be served, or the address cannot be listened on.
    pub async fn bind(config: AuthzConfig) -> Result<Self, GatewayError> {
        let settings = &config.settings;
        let (listen, drain) = (settings.listen, settings.drain);
        let connections = settings.limits.connections;
        let now = Clock::system().now();
        let tls = settings.tls.as_ref().map(|tls| ServerTls::load(tls, now));
        let tls = tls.transpose().map_err(GatewayError::Other)?.map(Arc::new);
        let audit = settings.audit.as_ref().map(AuditLog::open);
        let audit = audit.transpose().map_err(GatewayError::Other)?;
        let metrics = Metrics::new().map_err(GatewayError::Other)?;
        let kept = Arc::new(Kept {
            #[cfg(feature = "otlp")]
            traces: None,
            observers: Arc::new(Observers::new(metrics, audit)),
            rights: Arc::new(Rights::new(current(&config))),
            session_keys: None,
        });
        let own = OwnServers::bind(settings.health, settings.admin.as_ref(), &kept).await;
        let own = own.map_err(GatewayError::Other)?;
        let judge = Judge::new(config, Arc::clone(&kept.observers), None)?;
        let reporter = HealthReporter::new();
        let service = HealthService::from_health_reporter(reporter.clone());
        let front = Front::new(judge, HealthServer::new(service));
        let listener = own_servers::listen("listen", listen).await;
        let listener = listener.map_err(GatewayError::Other)?;
        let provider = kept.rights.provider();
        tokio::spawn(async move { provider.warm_up().await });
        Ok(Self {
            listener,
            own,
            shared: AuthzReloader {
                front: Arc::new(ArcSwap::from_pointee(front)),
                kept,
                tls,
            },
            health: Health(reporter),
            drain,
            connections,
        })
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
    pub fn reloader(&self) -> AuthzReloader {
        self.shared.clone()
    }

    /// Makes its metrics those of the process, so that the counters of the library are in
    /// `/metrics` too.
    ///
    /// # Errors
    /// When the process has other metrics already.
    pub fn install_metrics(&self) -> Result<(), GatewayError> {
        let metrics = &self.shared.kept.observers.metrics;
        metrics.install().map_err(GatewayError::Other)
    }

    /// Serves until `stop` is done; then answers what it accepted, within the time to drain.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (phase, seen) = watch::channel(Phase::Serving);
        let observers = Arc::clone(&self.shared.kept.observers);
        let server = Server {
            listener: self.listener,
            stack: Arc::clone(&self.shared.front),
            phase: seen,
            tls: self.shared.tls.clone(),
            observers: Arc::clone(&observers),
            connections: self.connections,
        };
        let mut served = tokio::spawn(server.run());
        let own = self.own.spawn(&observers);
        let rights = Arc::clone(&self.shared.kept.rights);
        tokio::select! {
            () = stop => {}
            () = self.health.follow(&rights) => {}
        }
        self.health.report(ServingStatus::NotServing).await;
        own.drain();
        phase.send_replace(Phase::Draining);
        if tokio::time::timeout(self.drain, &mut served).await.is_err() {
            tracing::warn!(
                target: "mcp_bearer::gateway",
                drain = ?self.drain,
                "checks in progress took longer than the time to drain, and were ended"
            );
            served.abort();
        }
        own.stop();
        if !observers.flush(LAST_LINES) {
            tracing::error!(
                target: "mcp_bearer::gateway",
                "the last lines of the audit log could not be written"
            );
        }
    }
}

impl Health {
    /// Reports, until it is dropped, whether any token could be verified.
    async fn follow(&self, rights: &Rights) {
        loop {
            let provider = rights.provider();
            if provider.key_status().iter().any(is_usable) {
                self.report(ServingStatus::Serving).await;
            } else {
                self.report(ServingStatus::NotServing).await;
                // Checks cause fetches, and a replica that is not ready gets none.
                provider.warm_up().await;
                if provider.key_status().iter().any(is_usable) {
                    continue;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn report(&self, status: ServingStatus) {
        for service in ["", grpc::SERVICE] {
            self.0.set_service_status(service, status).await;
        }
    }
}

impl AuthzReloader {
    /// Fetches the keys that this configuration needs, then serves by it. What only a start can
    /// change (addresses, TLS or none, the number of connections) stays. Reloads happen one after
    /// the other, in the order of their calls.
    ///
    /// # Errors
    /// When it cannot be served, or an issuer whose keys are held now cannot be reached. The old
    /// configuration stays whole.
    pub async fn reload(&self, config: AuthzConfig) -> Result<(), GatewayError> {
        let _only = self.kept.rights.begin_reload().await;
        let before = self.front.load_full();
        let current = current(&config);
        let observers = Arc::clone(&self.kept.observers);
        let judge = Judge::new(config, observers, Some(before.judge()))?;
        fetch_keys(&self.kept.rights, &current.provider).await?;
        if let Some(tls) = &self.tls {
            tls.reload(Clock::system().now())
                .map_err(GatewayError::Other)?;
        }
        let front = Front::new(judge, before.health().clone());
        self.front.store(Arc::new(front));
        self.kept.rights.replace(current);
        Ok(())
    }

    /// Reads the certificate and its key again. Returns whether there are new ones.
    ///
    /// # Errors
    /// When they cannot be used; the old ones stay.
    pub fn reload_certificate(&self) -> Result<bool, GatewayError> {
        let Some(tls) = &self.tls else {
            return Ok(false);
        };
        let changed = tls.reload(Clock::system().now());
        let changed = changed.map_err(GatewayError::Other)?;
        Ok(changed == Changed::Yes)
    }

    /// Writes the audit log to its file anew, if that was renamed.
    pub fn reopen_audit_log(&self) {
        self.kept.observers.reopen_audit_log();
    }
}

fn current(config: &AuthzConfig) -> Current {
    let provider: BearerAuthProvider = config.server.provider.clone();
    Current {
        provider,
        rules: config.server.rules.clone(),
    }
}

impl std::fmt::Debug for AuthzReloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthzReloader(..)")
    }
}
