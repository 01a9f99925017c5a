//! A JWKS server on loopback that answers as a test directs, for tests of code that fetches from
//! it.
//!
//! Plain HTTP/1.1 over `std::net`, one thread per connection. It listens only on loopback, and
//! leaves no thread behind when it is dropped.

mod connection;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::behaviour::{Behaviour, Response};

/// The server. It starts with an empty set of keys and answers correctly; dropping it ends every
/// connection, however stuck, and its threads.
///
/// ```
/// use mcp_bearer_testkit::{Behaviour, JwksServer, SigningKey};
///
/// let server = JwksServer::start();
/// server.set_keys(vec![SigningKey::ec_p256().jwk()]);
/// server.set_behaviour(Behaviour::ok_with([("Cache-Control", "max-age=600")]));
/// assert!(server.url().ends_with("/jwks.json"));
/// assert_eq!(server.hits("/jwks.json"), 0);
/// ```
#[derive(Debug)]
pub struct JwksServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// A request as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET` and the like.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query, without its question mark; empty when there is none.
    pub query: String,
    /// Names in lower case, values as sent, in order.
    pub headers: Vec<(String, String)>,
}

impl JwksServer {
    /// Where the JWKS is.
    pub const JWKS_PATH: &'static str = "/jwks.json";
    /// Connections served at once; further ones are closed at once.
    pub const MAX_CONNECTIONS: usize = 128;

    /// Starts on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// Starts at a given address, as when an issuer comes back.
    ///
    /// # Panics
    /// When the address is not on loopback, or not free.
    pub fn start_at(address: SocketAddr) -> Self {
        assert!(
            address.ip().is_loopback(),
            "a test server listens on loopback alone"
        );
        let listener = TcpListener::bind(address).expect("the address is free");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let acceptor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&listener, &shared))
        };
        Self {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, with no slash at the end.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of the JWKS.
    pub fn url(&self) -> String {
        self.url_of(Self::JWKS_PATH)
    }

    /// The address of a path, which starts with a slash.
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.base())
    }

    /// Sets the keys of the JWKS.
    pub fn set_keys(&self, keys: Vec<Value>) {
        self.shared.lock().keys = keys;
    }

    /// Serves a document at a path, such as discovery metadata. Without it, paths other than the
    /// JWKS are 404.
    pub fn serve(&self, path: &str, response: Response) {
        self.shared
            .lock()
            .documents
            .insert(path.to_owned(), response);
    }

    /// Sets how the server behaves at every path that exists and has no behaviour of its own.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.shared.lock().default_behaviour = behaviour;
    }

    /// Sets how the server behaves at one path. If it has no document, the JWKS is served.
    pub fn set_behaviour_at(&self, path: &str, behaviour: Behaviour) {
        self.shared
            .lock()
            .behaviours
            .insert(path.to_owned(), behaviour);
    }

    /// Releases every request that [`Behaviour::Held`] holds now.
    pub fn release(&self) {
        self.shared.lock().releases += 1;
        self.shared.changed.notify_all();
    }

    /// How many requests there were for a path. A request counts once its headers have arrived.
    pub fn hits(&self, path: &str) -> usize {
        self.shared.lock().hits(path)
    }

    /// How many requests there were in all.
    pub fn total_hits(&self) -> usize {
        self.shared.lock().requests.len()
    }

    /// Waits until a path has had this many requests; returns whether it has.
    pub fn wait_for_hits(&self, path: &str, hits: usize, timeout: Duration) -> bool {
        let state = self.shared.lock();
        let wait = self
            .shared
            .changed
            .wait_timeout_while(state, timeout, |s| s.hits(path) < hits);
        !wait.expect("no thread of the server panics").1.timed_out()
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// How many bytes of bodies were handed to the network, which shows that a client stopped
    /// reading.
    pub fn body_bytes_sent(&self) -> u64 {
        self.shared.lock().body_bytes_sent
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.shared.lock().open.len()
    }
}

impl Request {
    /// The value of a header, its name in any case; the first if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        self.headers
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Drop for JwksServer {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.stopping = true;
            for stream in state.open.values() {
                // Ends any read or write that its thread is in. It fails if the client was quicker.
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
        }
        self.shared.changed.notify_all();
        // Wakes the acceptor.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        let state = self.shared.lock();
        let wait = self
            .shared
            .changed
            .wait_timeout_while(state, Duration::from_secs(5), |s| !s.open.is_empty());
        drop(wait);
    }
}

/// What the handle and the threads share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified of each request, each release, each closed connection, and the end.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    keys: Vec<Value>,
    documents: HashMap<String, Response>,
    default_behaviour: Behaviour,
    behaviours: HashMap<String, Behaviour>,
    requests: Vec<Request>,
    releases: u64,
    body_bytes_sent: u64,
    /// A second handle to each open connection, used to end it.
    open: HashMap<u64, TcpStream>,
    stopping: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread of the server panics")
    }

    /// Waits; false if the server stops before the time is over.
    fn sleep(&self, time: Duration) -> bool {
        let wait = self
            .changed
            .wait_timeout_while(self.lock(), time, |s| !s.stopping);
        !wait.expect("no thread of the server panics").0.stopping
    }

    /// Waits for the next release after the given one; false if the server stops before it.
    fn wait_for_release(&self, after: u64) -> bool {
        let waits = |s: &mut State| !s.stopping && s.releases == after;
        let state = self.changed.wait_while(self.lock(), waits);
        !state.expect("no thread of the server panics").stopping
    }
}

impl State {
    fn hits(&self, path: &str) -> usize {
        self.requests
            .iter()
            .filter(|request| request.path == path)
            .count()
    }

    /// The behaviour and the document of a path.
    fn answer(&self, path: &str) -> (Behaviour, Response) {
        let own = self.behaviours.get(path);
        let document = match self.documents.get(path) {
            Some(document) => document.clone(),
            None if path == JwksServer::JWKS_PATH || own.is_some() => {
                Response::json(&json!({ "keys": self.keys }))
            }
            None => return (Behaviour::Status(404), Response::empty(404)),
        };
        (own.unwrap_or(&self.default_behaviour).clone(), document)
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            documents: HashMap::new(),
            default_behaviour: Behaviour::ok(),
            behaviours: HashMap::new(),
            requests: Vec::new(),
            releases: 0,
            body_bytes_sent: 0,
            open: HashMap::new(),
            stopping: false,
        }
    }
}

/// Accepts until the server stops.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (id, stream) in (0..).zip(listener.incoming()) {
        let mut state = shared.lock();
        if state.stopping {
            return;
        }
        // A failed accept or clone is a connection that is gone already.
        let Ok(stream) = stream else { continue };
        let Ok(second) = stream.try_clone() else {
            continue;
        };
        if state.open.len() >= JwksServer::MAX_CONNECTIONS {
            continue;
        }
        state.open.insert(id, second);
        drop(state);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            connection::serve(&stream, &shared);
            shared.lock().open.remove(&id);
            shared.changed.notify_all();
        });
    }
}

#[cfg(test)]
mod tests;
