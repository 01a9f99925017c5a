//! [`Gateway`]: the reverse proxy as a whole.

use std::net::SocketAddr;

use mcp_bearer::http::SessionKeys;

use crate::config::GatewayConfig;
use crate::error::GatewayError;
use crate::lifecycle::{Bound, Shared};
use crate::stack::{Kept, Stack};
use crate::stream_revalidation::Current;

/// A gateway that listens and does not serve yet.
#[derive(Debug)]
#[must_use = "it serves nothing until it runs"]
pub struct Gateway(Bound<Stack>);

/// Puts another configuration in place of the one that is served.
#[derive(Clone, Debug)]
pub struct Reloader(Shared<Stack>);

impl Gateway {
    /// Makes everything that the configuration names, and listens. Keys are fetched in the
    /// background.
    ///
    /// # Errors
    /// When the configuration cannot be served, or the address cannot be listened on.
    pub async fn bind(config: GatewayConfig) -> Result<Self, GatewayError> {
        let common = config.settings.common.clone();
        let session_keys = SessionKeys::of_this_process().ok();
        let kept = Kept::new(&common, Current::of(&config.server), session_keys)?;
        #[cfg(feature = "otlp")]
        let kept = kept.traced(config.settings.traces.as_ref())?;
        let bound = Bound::new(&common, kept, |kept| Ok(Stack::new(config, kept, None)?));
        Ok(Self(bound.await?))
    }

    /// Takes authentication and operations away, so that a bench can measure what they cost. No
    /// setting does this, and the feature is not in the program.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    #[cfg(feature = "bench")]
    #[doc(hidden)]
    pub fn without_authentication(self, config: GatewayConfig) -> Result<Self, GatewayError> {
        let kept = self.0.shared.kept();
        let stack = Stack::new(config, kept, None)?.without_authentication(kept)?;
        self.0.shared.replace(stack);
        Ok(self)
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.address()
    }

    /// The addresses of the probes and of the status page, if they are served.
    #[must_use]
    pub fn own_addresses(&self) -> [Option<SocketAddr>; 2] {
        self.0.own_addresses()
    }

    /// What reloads its configuration.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader(self.0.shared.clone())
    }

    /// Serves until `stop` is done; then answers what it accepted, within the time to drain.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        self.0.run(stop).await;
    }

    /// Makes the gateway's metrics those of the process, so that the counters of the library are in
    /// `/metrics` too.
    ///
    /// # Errors
    /// When the process has other metrics already.
    pub fn install_metrics(&self) -> Result<(), GatewayError> {
        self.0.install_metrics()
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
        let current = Current::of(&config.server);
        let reloaded = self.0.reload(current, |kept, before| {
            let unchanged = before.settings().only_a_start_changes(&config.settings);
            Ok((Stack::new(config, kept, Some(before))?, unchanged))
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
