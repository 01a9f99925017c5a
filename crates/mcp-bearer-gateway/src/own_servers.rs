//! The servers for operators, each on its own address: probes and metrics, the status page.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
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

/// Connections that wait to be accepted, the most that Linux allows unless told otherwise. A client
/// beyond that tries again for up to a minute.
const WAITING: u32 = 4096;

/// # Errors
/// When the address cannot be listened on, with the setting that names it.
pub(crate) async fn listen(setting: &str, address: SocketAddr) -> Result<TcpListener, String> {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // Connections of the program before this one may still be ending.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(WAITING)
    };
    let listener: std::io::Result<TcpListener> = listen();
    listener.map_err(|error| format!("{setting}: {address}: {error}; choose another address"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_burst_of_connections_waits_to_be_accepted() {
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = listen("listen", address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        for number in 0..2000 {
            let connected =
                tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(address));
            let connected = connected.await;
            waiting.push(
                connected
                    .unwrap_or_else(|_| panic!("{number} connections"))
                    .unwrap(),
            );
        }
        let taken = listen("health.listen", address).await.unwrap_err();
        assert!(taken.starts_with("health.listen: 127.0.0.1:"), "{taken}");
    }
}
