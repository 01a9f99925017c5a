//! An MCP server that misbehaves on command: the field `X-Test` of a request says how. It records
//! what reaches it, byte for byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::find;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) connection: usize,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Connections whose peer has left while an answer was being sent.
    left: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            left: Arc::default(),
        };
        let own = server.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let own = own.clone();
                tokio::spawn(async move { own.serve(stream, connection).await });
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/srv", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().unwrap()
    }

    /// Waits until so many peers have left.
    pub(crate) async fn left(&self, count: usize) {
        for _ in 0..1000 {
            if self.left.load(Ordering::SeqCst) >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the gateway keeps a request whose client has left");
    }

    async fn serve(&self, mut stream: TcpStream, connection: usize) {
        let mut read = Vec::new();
        while let Some(seen) = request(&mut stream, &mut read, connection).await {
            let how = seen.field("x-test").unwrap_or_default().to_owned();
            let subject = seen.field("x-auth-subject").unwrap_or("nobody").to_owned();
            self.seen.lock().unwrap().push(seen);
            if !self.answer(&mut stream, &how, &subject).await {
                return;
            }
        }
    }

    /// Answers; false if the connection ends.
    async fn answer(&self, stream: &mut TcpStream, how: &str, subject: &str) -> bool {
        let json = |status: &str, fields: &str, body: &str| {
            format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{fields}Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let text = match how {
            "hang" => return self.wait_until_it_leaves(stream).await,
            "events" => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
                let event = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n";
                let chunk = format!("{:x}\r\n{event}\r\n", event.len());
                let _ = stream.write_all(format!("{head}{chunk}").as_bytes()).await;
                return self.wait_until_it_leaves(stream).await;
            }
            "die" => {
                let half = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"half";
                let _ = stream.write_all(half.as_bytes()).await;
                return false;
            }
            "slow" => {
                tokio::time::sleep(Duration::from_millis(1500)).await;
                json("200 OK", "", "{\"slow\":true}")
            }
            "huge" => return huge(stream).await,
            "401" => json(
                "401 Unauthorized",
                "WWW-Authenticate: Bearer realm=\"theirs\"\r\n",
                "{}",
            ),
            "redirect" => json("307 Temporary Redirect", "Location: /srv/\r\n", "{}"),
            "101" => {
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
                    .to_owned()
            }
            "surplus" => {
                let second = json("200 OK", "", "{\"surplus\":true}");
                format!("{}{second}", json("200 OK", "", "{}"))
            }
            "cors" => json(
                "200 OK",
                "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\nAlt-Svc: h2=\":1\"\r\nKeep-Alive: timeout=5\r\nX-Own: kept\r\nConnection: X-Hop\r\nX-Hop: secret\r\n",
                "{}",
            ),
            "session" => json("200 OK", "Mcp-Session-Id: upstream-1\r\n", "{}"),
            _ => json("200 OK", "", &format!("{{\"subject\":{subject:?}}}")),
        };
        stream.write_all(text.as_bytes()).await.is_ok()
    }

    async fn wait_until_it_leaves(&self, stream: &mut TcpStream) -> bool {
        let _ = stream.read(&mut [0]).await;
        self.left.fetch_add(1, Ordering::SeqCst);
        false
    }
}

pub(crate) const HUGE: usize = 1_000_000_000;

async fn huge(stream: &mut TcpStream) -> bool {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {HUGE}\r\n\r\n"
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let block = vec![b'x'; 1_000_000];
    for _ in 0..HUGE / block.len() {
        if stream.write_all(&block).await.is_err() {
            return false;
        }
    }
    true
}

async fn request(stream: &mut TcpStream, read: &mut Vec<u8>, connection: usize) -> Option<Seen> {
    while find(read, b"\r\n\r\n").is_none() {
        if stream.read_buf(read).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    let at = find(read, b"\r\n\r\n")? + 4;
    let rest = read.split_off(at);
    let head = String::from_utf8_lossy(&std::mem::replace(read, rest)).into_owned();
    let mut seen = Seen {
        connection,
        head,
        body: String::new(),
    };
    if seen.field("transfer-encoding").is_some() {
        while find(read, b"0\r\n\r\n").is_none() {
            if stream.read_buf(read).await.unwrap_or(0) == 0 {
                return None;
            }
        }
        seen.body = String::from_utf8_lossy(&std::mem::take(read)).into_owned();
        return Some(seen);
    }
    let length: usize = seen
        .field("content-length")
        .map_or(0, |text| text.parse().unwrap());
    while read.len() < length {
        if stream.read_buf(read).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    let rest = read.split_off(length);
    seen.body = String::from_utf8_lossy(&std::mem::replace(read, rest)).into_owned();
    Some(seen)
}
