//! The HTTP side of a test issuer: JSON documents on loopback, one answer per connection.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The longest request head that is read.
const HEAD_BYTES: u64 = 16 * 1024;
/// The time limit for one read or write.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most connections that are served at once; further ones are closed.
const MAX_CONNECTIONS: usize = 64;

/// A server that stops when it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
    process: u32,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    open: AtomicUsize,
}

#[derive(Default)]
struct State {
    documents: BTreeMap<&'static str, Document>,
    down: bool,
    stopping: bool,
}

#[derive(Default)]
struct Document {
    json: String,
    requests: usize,
}

impl Server {
    /// Starts on a free port of 127.0.0.1, with no documents.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let acceptor = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("mcp-bearer-test-issuer".to_owned())
                .spawn(move || accept(&listener, &shared))?
        };
        Ok(Self {
            address,
            shared,
            acceptor: Some(acceptor),
            process: std::process::id(),
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves this JSON at a path, instead of what was there.
    pub(super) fn serve(&self, path: &'static str, json: String) {
        self.shared.lock().documents.entry(path).or_default().json = json;
    }

    /// While it is down it closes each connection without an answer.
    pub(super) fn set_down(&self, down: bool) {
        self.shared.lock().down = down;
    }

    /// The number of requests for a document, including those while it was down.
    pub(super) fn requests(&self, path: &str) -> usize {
        let state = self.shared.lock();
        let document = state.documents.get(path);
        document.map_or(0, |document| document.requests)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // A child made by `fork` has no acceptor to wait for, and a lock that is never
            // released.
            std::mem::forget(self.acceptor.take());
            return;
        }
        self.shared.lock().stopping = true;
        // Wakes the acceptor, which waits for a connection.
        drop(TcpStream::connect_timeout(&self.address, PATIENCE));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.lock().stopping {
            return;
        }
        let Ok(stream) = stream else { continue };
        if shared.open.fetch_add(1, Ordering::SeqCst) >= MAX_CONNECTIONS {
            shared.open.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let served = Arc::clone(shared);
        let begun = thread::Builder::new().spawn(move || {
            // An error means that the client has disconnected.
            drop(answer(&stream, &served));
            served.open.fetch_sub(1, Ordering::SeqCst);
        });
        if begun.is_err() {
            shared.open.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn answer(mut stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Some(path) = requested_path(stream)? else {
        return Ok(());
    };
    let document = {
        let mut state = shared.lock();
        let found = state.documents.get_mut(path.as_str()).map(|document| {
            document.requests += 1;
            document.json.clone()
        });
        if state.down {
            return Ok(());
        }
        found
    };
    let (status, body) = match document {
        Some(json) => ("200 OK", json),
        None => ("404 Not Found", String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// The path of a `GET` request, without its query; `None` for anything else.
fn requested_path(stream: &TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut limited = stream.take(HEAD_BYTES);
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = limited.read(&mut piece)?;
        if count == 0 {
            return Ok(None);
        }
        head.extend(piece.iter().take(count));
    }
    let head = String::from_utf8_lossy(&head);
    let path = head
        .strip_prefix("GET ")
        .and_then(|rest| rest.split_once(" HTTP/1."))
        .map(|(target, _)| target.split('?').next().unwrap_or(target).to_owned());
    Ok(path)
}
