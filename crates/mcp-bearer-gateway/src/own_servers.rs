//! The servers for operators, each on its own address: probes and metrics, the status page.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::admin::{self, Admin};
use crate::config::AdminSettings;
use crate::health::{self, HealthState};
use crate::observers::Observers;
use crate::own_server::CurrentProvider;
use crate::stack::Kept;

/// Bound, and not served yet.
#[derive(Debug)]
pub(crate) struct OwnServers {
    health: Option<(TcpListener, Arc<HealthState>)>,
    admin: Option<(TcpListener, Arc<Admin>)>,
}

/// Served until it is stopped.
pub(crate) struct Serving {
    health: Option<Arc<HealthState>>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl OwnServers {
    /// # Errors
    /// When an address cannot be listened on, or the secret of the page cannot be used.
    pub(crate) async fn bind(
        health: Option<SocketAddr>,
        admin: Option<&AdminSettings>,
        kept: &Kept,
    ) -> Result<Self, String> {
        let rights = Arc::clone(&kept.rights);
        let provider: CurrentProvider = Arc::new(move || rights.provider());
        let observers = &kept.observers;
        let health = match health {
            None => None,
            Some(address) => {
                let state = HealthState::new(Arc::clone(observers), Arc::clone(&provider));
                Some((listen("health.listen", address).await?, Arc::new(state)))
            }
        };
        let admin = match admin {
            None => None,
            Some(admin) => {
                let listener = listen("admin.listen", admin.listen).await?;
                let page = Admin::new(admin, Arc::clone(observers), provider)?;
                Some((listener, Arc::new(page)))
            }
        };
        Ok(Self { health, admin })
    }

    /// The addresses of probes and of the status page.
    pub(crate) fn addresses(&self) -> [Option<SocketAddr>; 2] {
        let health = self.health.as_ref().map(|(listener, _)| listener);
        let admin = self.admin.as_ref().map(|(listener, _)| listener);
        [health, admin].map(|listener| listener.and_then(|one| one.local_addr().ok()))
    }

    /// Serves, and keeps what observers know current.
    pub(crate) fn spawn(self, observers: &Arc<Observers>) -> Serving {
        let (stop, stopped) = watch::channel(false);
        let ended = || {
            let mut stopped = stopped.clone();
            async move {
                // An error means that nobody can stop it any more.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            }
        };
        let mut tasks = JoinSet::new();
        let state = self.health.as_ref().map(|(_, state)| Arc::clone(state));
        if let Some((listener, state)) = self.health {
            tasks.spawn(health::serve(listener, state, ended()));
        }
        if let Some((listener, page)) = self.admin {
            tasks.spawn(admin::serve(listener, page, ended()));
        }
        let observers = Arc::clone(observers);
        tasks.spawn(async move { observers.run().await });
        Serving {
            health: state,
            stop,
            tasks,
        }
    }
}

impl Serving {
    /// From now on the gateway is not ready.
    pub(crate) fn drain(&self) {
        if let Some(health) = &self.health {
            health.drain();
        }
    }

    pub(crate) fn stop(mut self) {
        self.stop.send_replace(true);
        self.tasks.abort_all();
    }
}

/// # Errors
/// When the address cannot be listened on, with the setting that names it.
pub(crate) async fn listen(setting: &str, address: SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| format!("{setting}: {address}: {error}; choose another address"))
}
