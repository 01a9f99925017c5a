//! A gateway in this process, an issuer, and a client that writes bytes.

use std::net::SocketAddr;
use std::time::Duration;

use mcp_bearer::testing::{TestIssuer, TestToken};
use mcp_bearer_gateway::{Gateway, GatewayConfig, GatewayDraft, Reloader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::server::Server;

pub(crate) const RESOURCE: &str = "https://mcp.example.com/mcp";
pub(crate) const HOST: &str = "mcp.example.com";

pub(crate) struct Stage {
    pub(crate) issuer: TestIssuer,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) reloader: Reloader,
    /// The addresses of the probes and of the status page.
    pub(crate) own: [Option<SocketAddr>; 2],
    folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with("", "").await
    }

    /// With further lines of the file: at the top, and tables.
    pub(crate) async fn with(top: &str, tables: &str) -> Self {
        let (issuer, server) = (TestIssuer::start().unwrap(), Server::start().await);
        let folder = tempfile::tempdir().unwrap();
        let config = config(&folder, &issuer, &server, top, tables);
        let gateway = Gateway::bind(config).await.unwrap();
        let (address, reloader) = (gateway.address().unwrap(), gateway.reloader());
        let own = gateway.own_addresses();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(gateway.run(async {
            let _ = stopped.await;
        }));
        Self {
            issuer,
            server,
            address,
            reloader,
            own,
            folder,
            stop: Some(stop),
            running: Some(running),
        }
    }

    pub(crate) fn config(&self, top: &str, tables: &str) -> GatewayConfig {
        config(&self.folder, &self.issuer, &self.server, top, tables)
    }

    pub(crate) fn token(&self) -> TestToken {
        self.issuer.token(RESOURCE).subject("alice")
    }

    /// A file beside the configuration.
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// `Authorization: Bearer ...` of a good token.
    pub(crate) fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token().sign().unwrap())
    }

    pub(crate) fn bearer_of(&self, subject: &str) -> String {
        let token = self.issuer.token(RESOURCE).subject(subject);
        format!("Authorization: Bearer {}\r\n", token.sign().unwrap())
    }

    pub(crate) async fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = Client::connect(self.address).await;
        client.write(bytes).await;
        client.answer().await
    }

    /// A good request is served, whatever happened before.
    pub(crate) async fn still_serves(&self) {
        let answer = self.send(post(&self.bearer(), PING)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        self.begin_stop();
        let running = self.running.take().unwrap();
        tokio::time::timeout(Duration::from_secs(30), running)
            .await
            .unwrap()
            .unwrap();
    }

    pub(crate) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

pub(crate) const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

pub(crate) fn post(fields: &str, body: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn config(
    folder: &tempfile::TempDir,
    issuer: &TestIssuer,
    server: &Server,
    top: &str,
    tables: &str,
) -> GatewayConfig {
    let (upstream, url) = (server.url(), issuer.url());
    let text = format!(
        "listen = \"127.0.0.1:0\"\nresource = \"{RESOURCE}\"\nupstream = \"{upstream}\"\n{top}\n\
         [[issuer]]\nissuer = \"{url}\"\njwks_uri = \"{}\"\n{tables}",
        issuer.jwks_uri()
    );
    let text = match text.contains("[limits]") {
        true => text,
        // Tests send more than a client would.
        false => format!("{text}\n[limits]\nper_peer = \"off\"\ndenials_per_peer = \"off\"\n"),
    };
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    GatewayDraft::read_toml(&path).unwrap().check().unwrap()
}

/// What a client reads.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a field; `None` if it is absent.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

const PATIENCE: Duration = Duration::from_secs(30);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            read: Vec::new(),
        }
    }

    /// Writes; a gateway that has answered may have closed already.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Reads until the text is there or the connection ends.
    pub(crate) async fn until(&mut self, text: &str) -> bool {
        loop {
            if find(&self.read, text.as_bytes()).is_some() {
                return true;
            }
            if !self.more().await {
                return false;
            }
        }
    }

    /// Reads one answer; status 0 if the connection ends without one.
    pub(crate) async fn answer(&mut self) -> Answer {
        if !self.until("\r\n\r\n").await {
            let head = String::from_utf8_lossy(&self.read).into_owned();
            let (status, body) = (0, String::new());
            return Answer { status, head, body };
        }
        let at = find(&self.read, b"\r\n\r\n").unwrap() + 4;
        let rest = self.read.split_off(at);
        let head = String::from_utf8_lossy(&std::mem::replace(&mut self.read, rest)).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: String::new(),
        };
        if status == 100 {
            return answer;
        }
        let body = match answer.field("content-length") {
            Some(length) => self.exactly(length.parse().unwrap()).await,
            None if answer.field("transfer-encoding").is_some() => self.chunks().await,
            None => Vec::new(),
        };
        answer.body = String::from_utf8_lossy(&body).into_owned();
        answer
    }

    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length && self.more().await {}
        let rest = self.read.split_off(length.min(self.read.len()));
        std::mem::replace(&mut self.read, rest)
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            if !self.until("\r\n").await {
                return all;
            }
            let at = find(&self.read, b"\r\n").unwrap();
            let line = self.exactly(at + 2).await;
            let length = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).unwrap();
            let chunk = self.exactly(length + 2).await;
            if length == 0 || chunk.len() < length {
                return all;
            }
            all.extend_from_slice(&chunk[..length]);
        }
    }

    /// Whether the other side ends the connection before it sends more.
    pub(crate) async fn is_closed(&mut self) -> bool {
        !self.more().await
    }

    /// Bytes that were sent and are not part of an answer.
    pub(crate) fn left(&self) -> &[u8] {
        &self.read
    }

    async fn more(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.read);
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.expect("the gateway says nothing")
            .is_ok_and(|length| length > 0)
    }
}

pub(crate) fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
