//! [`Authz`]: external authorization as a whole, and its health over gRPC.

use std::net::SocketAddr;
use std::time::Duration;

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::dispatch::Front;
use super::grpc;
use super::judge::Judge;
use crate::config::AuthzConfig;
use crate::error::GatewayError;
use crate::health::is_usable;
use crate::lifecycle::{Bound, Shared};
use crate::stack::Kept;
use crate::stream_revalidation::{Current, Rights};

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
    bound: Bound<Front>,
    health: Health,
}

/// Puts another configuration in place of the one that is served.
#[derive(Clone, Debug)]
pub struct AuthzReloader(Shared<Front>);

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
        let common = config.settings.common.clone();
        // No answer of the server passes here, so no session is bound.
        let kept = Kept::new(&common, Current::of(&config.server), None)?;
        let reporter = HealthReporter::new();
        let service = HealthService::from_health_reporter(reporter.clone());
        let bound = Bound::new(&common, kept, |kept| {
            let judge = Judge::new(config, kept, None)?;
            Ok(Front::new(judge, HealthServer::new(service)))
        });
        Ok(Self {
            bound: bound.await?,
            health: Health(reporter),
        })
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.bound.address()
    }

    /// The addresses of the probes and of the status page, if they are served.
    #[must_use]
    pub fn own_addresses(&self) -> [Option<SocketAddr>; 2] {
        self.bound.own_addresses()
    }

    /// What reloads its configuration.
    #[must_use]
    pub fn reloader(&self) -> AuthzReloader {
        AuthzReloader(self.bound.shared.clone())
    }

    /// Makes its metrics those of the process, so that the counters of the library are in
    /// `/metrics` too.
    ///
    /// # Errors
    /// When the process has other metrics already.
    pub fn install_metrics(&self) -> Result<(), GatewayError> {
        self.bound.install_metrics()
    }

    /// Serves until `stop` is done; then answers what it accepted, within the time to drain.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { bound, health } = self;
        let shared = bound.shared.clone();
        let stop = async {
            tokio::select! {
                () = stop => {}
                () = health.follow(&shared.kept().rights) => {}
            }
            health.report(ServingStatus::NotServing).await;
        };
        bound.run(stop).await;
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
    /// change (addresses, TLS or none, the number of connections) stays, with a warning.
    /// Reloads happen one after the other, in the order of their calls.
    ///
    /// # Errors
    /// When it cannot be served, or an issuer whose keys are held now cannot be reached. The old
    /// configuration stays whole.
    pub async fn reload(&self, config: AuthzConfig) -> Result<(), GatewayError> {
        let current = Current::of(&config.server);
        let reloaded = self.0.reload(current, |kept, before| {
            let common = &before.judge().settings().common;
            let unchanged = common.only_a_start_changes(&config.settings.common);
            let judge = Judge::new(config, kept, Some(before.judge()))?;
            Ok((Front::new(judge, before.health().clone()), unchanged))
        });
        reloaded.await
    }

    /// Reads the certificate and its key again. Returns whether there are new ones.
    ///
    /// # Errors
    /// When they cannot be used; the old ones stay.
    pub fn reload_certificate(&self) -> Result<bool, GatewayError> {
        self.0.reload_certificate()
    }

    /// Writes the audit log to its file anew, if that was renamed.
    pub fn reopen_audit_log(&self) {
        self.0.reopen_audit_log();
    }
}
