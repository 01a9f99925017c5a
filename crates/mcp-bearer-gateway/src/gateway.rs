//! [`Gateway`]: starts, reloads and stops.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mcp_bearer::ConfigError;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::GatewayConfig;
use crate::rights::{Current, Rights};
use crate::serve::{Phase, Server};
use crate::stack::{self, Stack};

/// A gateway that listens and does not serve yet.
#[derive(Debug)]
#[must_use = "it serves nothing until it runs"]
pub struct Gateway {
    listener: TcpListener,
    shared: Reloader,
    drain: Duration,
    connections: usize,
}

/// Puts another configuration in place of the one that is served.
#[derive(Clone)]
pub struct Reloader {
    stack: Arc<ArcSwap<Stack>>,
    rights: Arc<Rights>,
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
        let current = Current {
            provider: config.server.provider.clone(),
            rules: config.server.rules.clone(),
        };
        let rights = Arc::new(Rights::new(current));
        let stack = Stack::new(config, Arc::clone(&rights))?;
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            GatewayError::Other(format!("listen: {listen}: {error}; choose another address"))
        })?;
        let provider = rights.provider();
        tokio::spawn(async move { provider.warm_up().await });
        Ok(Self {
            listener,
            shared: Reloader {
                stack: Arc::new(ArcSwap::from_pointee(stack)),
                rights,
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
        let rights = &self.shared.rights;
        let stack = Stack::new(config, Arc::clone(rights))?;
        let stack = stack.without_authentication(Arc::clone(rights))?;
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
            connections: self.connections,
        };
        let mut served = tokio::spawn(server.run());
        stop.await;
        phase.send_replace(Phase::Draining);
        self.shared.rights.end_streams();
        if tokio::time::timeout(self.drain, &mut served).await.is_err() {
            tracing::warn!(
                target: "mcp_bearer::gateway",
                drain = ?self.drain,
                "requests in progress took longer than the time to drain, and were ended"
            );
            served.abort();
        }
    }
}

impl Reloader {
    /// Serves by this configuration from now on. What only a start can change (addresses, the
    /// number of connections) stays.
    ///
    /// # Errors
    /// When it cannot be served; the old one stays.
    pub fn reload(&self, config: GatewayConfig) -> Result<(), GatewayError> {
        let current = Current {
            provider: config.server.provider.clone(),
            rules: config.server.rules.clone(),
        };
        let provider = current.provider.clone();
        let stack = Stack::new(config, Arc::clone(&self.rights))?;
        self.stack.store(Arc::new(stack));
        self.rights.replace(current);
        tokio::spawn(async move { provider.warm_up().await });
        Ok(())
    }
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reloader(..)")
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
