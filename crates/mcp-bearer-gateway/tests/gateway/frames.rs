//! HTTP/2 written frame by frame (RFC 9113), because a well-behaved client refuses to write what
//! these tests send.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// How the gateway answered one stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Status(u16),
    /// The stream or the connection was reset.
    Reset,
}

pub(crate) struct Frames(TcpStream);

impl Frames {
    /// A client that reads no body: its windows are closed.
    pub(crate) async fn connect_without_reading(address: std::net::SocketAddr) -> Self {
        let mut frames = Self::connect(address).await;
        frames.write(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await;
        frames
    }

    /// Waits until the connection ends; PINGs are answered.
    pub(crate) async fn until_closed(&mut self) {
        while let Some((kind, payload)) = self.read().await {
            if kind == PING {
                self.write(PING, 1, 0, &payload).await;
            }
        }
    }

    pub(crate) async fn connect(address: std::net::SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        let mut frames = Self(stream);
        // A table of size 0: the answer's fields are literals.
        frames.write(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]).await;
        frames
    }

    /// Returns whether the connection still takes something.
    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).await.is_ok()
    }

    /// Sends a request with these fields, and its outcome.
    pub(crate) async fn request(&mut self, fields: &[(&str, &str)], body: &[u8]) -> Outcome {
        self.fields(fields, body.is_empty()).await;
        if !body.is_empty() {
            self.data(body, true).await;
        }
        self.outcome().await
    }

    /// The fields of a request, or its trailers.
    pub(crate) async fn fields(&mut self, fields: &[(&str, &str)], is_end: bool) {
        let end = if is_end { END_STREAM } else { 0 };
        let block = block(fields);
        let mut pieces = block.chunks(16_000);
        let first = pieces.next().unwrap_or_default();
        let rest: Vec<&[u8]> = pieces.collect();
        let flags = if rest.is_empty() {
            end | END_HEADERS
        } else {
            end
        };
        self.write(HEADERS, flags, 1, first).await;
        for (at, piece) in rest.iter().enumerate() {
            let last = if at + 1 == rest.len() { END_HEADERS } else { 0 };
            self.write(CONTINUATION, last, 1, piece).await;
        }
    }

    /// Fields that never end; more of them with each call.
    pub(crate) async fn endless_fields(&mut self, fields: &[(&str, &str)], is_first: bool) -> bool {
        let kind = if is_first { HEADERS } else { CONTINUATION };
        self.write(kind, 0, 1, &block(fields)).await
    }

    pub(crate) async fn data(&mut self, data: &[u8], is_end: bool) {
        let end = if is_end { END_STREAM } else { 0 };
        self.write(DATA, end, 1, data).await;
    }

    /// Cancels the request.
    pub(crate) async fn reset(&mut self) {
        const CANCEL: [u8; 4] = [0, 0, 0, 8];
        self.write(RST_STREAM, 0, 1, &CANCEL).await;
    }

    pub(crate) async fn outcome(&mut self) -> Outcome {
        loop {
            let Some((kind, payload)) = self.read().await else {
                return Outcome::Reset;
            };
            match kind {
                HEADERS => return Outcome::Status(status(&payload)),
                RST_STREAM | GOAWAY => return Outcome::Reset,
                _ => {}
            }
        }
    }

    async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 9];
        let read = self.0.read_exact(&mut head);
        let read = tokio::time::timeout(std::time::Duration::from_secs(90), read).await;
        read.expect("the gateway says nothing").ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((head[3], payload))
    }
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        literal(&mut block, name, value);
    }
    block
}

/// A literal field that is never indexed, without Huffman coding (RFC 7541 section 6.2.3).
fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0x10);
    for text in [name, value] {
        let length = text.len();
        if length < 127 {
            block.push(length as u8);
        } else {
            block.push(127);
            let mut rest = length - 127;
            while rest >= 128 {
                block.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            block.push(rest as u8);
        }
        block.extend_from_slice(text.as_bytes());
    }
}

/// The status is the first field of an answer: one of the static table, or its three digits.
fn status(block: &[u8]) -> u16 {
    let mut block = block;
    // Table size updates may come first.
    while block.first().is_some_and(|byte| byte & 0xe0 == 0x20) {
        block = &block[1..];
    }
    match block[0] {
        0x88 => 200,
        0x89 => 204,
        0x8a => 206,
        0x8b => 304,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        // A literal with the name `:status` (index 8).
        0x08 | 0x18 | 0x48 => digits(&block[1..]),
        other => panic!("{other:#x}: {block:?}"),
    }
}

fn digits(value: &[u8]) -> u16 {
    let length = usize::from(value[0] & 0x7f);
    let text = &value[1..=length];
    if value[0] & 0x80 == 0 {
        return String::from_utf8_lossy(text).parse().unwrap();
    }
    // Huffman codes of digits: 0 to 2 have five bits, 3 to 9 six (RFC 7541 appendix B).
    let bits: String = text.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut rest, mut number) = (bits.as_str(), String::new());
    while number.len() < 3 {
        let five = u8::from_str_radix(&rest[..5], 2).unwrap();
        if five <= 2 {
            number.push(char::from(b'0' + five));
            rest = &rest[5..];
        } else {
            let six = u8::from_str_radix(&rest[..6], 2).unwrap();
            number.push(char::from(b'3' + six - 0x19));
            rest = &rest[6..];
        }
    }
    number.parse().unwrap()
}
