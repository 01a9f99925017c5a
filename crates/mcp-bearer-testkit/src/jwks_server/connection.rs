//! One connection of the JWKS server: reads one request, acts as its behaviour says, ends.
//!
//! It waits only on what the server's end also ends: the socket (shut down then) and the shared
//! condition.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::{Request, Shared};
use crate::behaviour::{Behaviour, Response};
use crate::gzip;

/// The longest request head that is read.
const HEAD_BYTES: usize = 64 << 10;
/// The longest wait for a request.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// The longest wait for the client to close its side.
const CLOSE_TIME: Duration = Duration::from_millis(500);
/// Large bodies go out in pieces of this size.
const PIECE: usize = 64 << 10;

pub(super) fn serve(stream: &TcpStream, shared: &Shared) {
    // An error here means that the client left or the server is stopping, so it is not reported.
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(HEAD_TIME));
    let connection = Connection { stream, shared };
    if let Ok(Some(request)) = read_request(stream) {
        let _ = connection.answer(&request);
        // Signals that everything has been sent, and lets the client read it: closing over unread
        // input would reset the connection instead.
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.set_read_timeout(Some(CLOSE_TIME));
        let _ = (&mut &*stream).take(1 << 20).read_to_end(&mut Vec::new());
    }
    let _ = stream.shutdown(Shutdown::Both);
}

struct Connection<'a> {
    stream: &'a TcpStream,
    shared: &'a Shared,
}

impl Connection<'_> {
    fn answer(&self, request: &Request) -> io::Result<()> {
        let (mut behaviour, document, releases) = {
            let mut state = self.shared.lock();
            state.requests.push(request.clone());
            let (behaviour, document) = state.answer(&request.path);
            (behaviour, document, state.releases)
        };
        self.shared.changed.notify_all();
        loop {
            let (next, goes_on) = match behaviour {
                Behaviour::Delay(time, next) => (next, self.shared.sleep(time)),
                Behaviour::Held(next) => (next, self.shared.wait_for_release(releases)),
                other => return self.behave(other, document, request),
            };
            if !goes_on {
                return Ok(());
            }
            behaviour = *next;
        }
    }

    fn behave(&self, how: Behaviour, document: Response, request: &Request) -> io::Result<()> {
        match how {
            Behaviour::Ok { headers } => self.send(&conditional(document, headers, request)),
            Behaviour::Status(status) => self.send(&Response::new(
                status,
                "text/plain",
                format!("status {status}\n"),
            )),
            Behaviour::RetryAfter(status, seconds) => {
                self.send(&Response::empty(status).header("Retry-After", &seconds.to_string()))
            }
            Behaviour::Html200 => self.send(&Response::new(
                200,
                "text/html",
                "<!doctype html><title>Sign in</title><p>Please sign in.",
            )),
            Behaviour::EmptyObject => self.send(&Response::new(200, "application/json", "{}")),
            Behaviour::EmptySet => {
                self.send(&Response::new(200, "application/json", r#"{"keys":[]}"#))
            }
            Behaviour::Truncated => {
                let mut half = document;
                half.body.truncate(half.body.len() / 2);
                self.send(&half)
            }
            Behaviour::CutOff => {
                self.head(&document, Some(document.body.len()))?;
                self.body(&document.body[..document.body.len() / 2])
            }
            Behaviour::NotModifiedWithoutSet => self.send(&Response::empty(304)),
            Behaviour::EndlessHints => {
                let hints = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
                loop {
                    (&mut &*self.stream).write_all(&hints)?;
                }
            }
            Behaviour::EndlessBody => {
                self.head(&document, None)?;
                loop {
                    self.body(&[b' '; PIECE])?;
                }
            }
            Behaviour::OneBytePerSecond => {
                self.head(&document, Some(document.body.len()))?;
                for byte in document.body {
                    self.body(&[byte])?;
                    if !self.shared.sleep(Duration::from_secs(1)) {
                        break;
                    }
                }
                Ok(())
            }
            Behaviour::GzipBomb => {
                let bomb = gzip::bomb();
                let document = document.header("Content-Encoding", "gzip");
                self.head(&document, Some(bomb.len()))?;
                self.body(bomb)
            }
            Behaviour::Gzip => {
                let mut document = document.header("Content-Encoding", "gzip");
                document.body = gzip::gzip(&document.body);
                self.send(&document)
            }
            Behaviour::RedirectTo(to) => self.send(&Response::empty(302).header("Location", &to)),
            Behaviour::HangBeforeHeaders => self.hang(),
            Behaviour::HangAfterHeaders => {
                self.head(&document, Some(document.body.len()))?;
                self.hang()
            }
            Behaviour::WrongContentType => {
                self.send(&Response::new(200, "text/plain", document.body))
            }
            Behaviour::Huge(total) => {
                let mut missing = total.saturating_sub(document.body.len());
                self.head(&document, Some(document.body.len() + missing))?;
                while missing > 0 {
                    let piece = missing.min(PIECE);
                    self.body(&[b' '; PIECE][..piece])?;
                    missing -= piece;
                }
                self.body(&document.body)
            }
            Behaviour::CloseAtOnce => self.stream.shutdown(Shutdown::Both),
            Behaviour::Raw(bytes) => (&mut &*self.stream).write_all(&bytes),
            Behaviour::Respond(response) => self.send(&response),
            Behaviour::Delay(..) | Behaviour::Held(_) => Ok(()), // unwrapped by the caller
        }
    }

    fn send(&self, response: &Response) -> io::Result<()> {
        self.head(response, Some(response.body.len()))?;
        self.body(&response.body)
    }

    fn head(&self, response: &Response, length: Option<usize>) -> io::Result<()> {
        let mut text = format!(
            "HTTP/1.1 {} {}\r\n",
            response.status,
            reason(response.status)
        );
        for (name, value) in &response.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        // RFC 9110 section 8.6: none with 204 and 1xx; with 304 it would describe another body.
        if let Some(length) = length.filter(|_| !matches!(response.status, 100..=199 | 204 | 304)) {
            text.push_str(&format!("Content-Length: {length}\r\n"));
        }
        text.push_str("Connection: close\r\n\r\n");
        (&mut &*self.stream).write_all(text.as_bytes())
    }

    fn body(&self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            (&mut &*self.stream).write_all(piece)?;
            self.shared.lock().body_bytes_sent += piece.len() as u64;
        }
        Ok(())
    }

    /// Waits for the client to leave, or for the server's end to shut the socket down.
    fn hang(&self) -> io::Result<()> {
        self.stream.set_read_timeout(None)?;
        let mut byte = [0; 64];
        while (&mut &*self.stream).read(&mut byte)? > 0 {}
        Ok(())
    }
}

/// The document with its headers, or 304 if the request already has it (RFC 9110 section 13.2.2).
fn conditional(
    mut document: Response,
    headers: Vec<(String, String)>,
    request: &Request,
) -> Response {
    for (name, value) in headers {
        let value = if name.eq_ignore_ascii_case("etag") && value == "auto" {
            etag_of(&document.body)
        } else {
            value
        };
        document.headers.push((name, value));
    }
    let own = |name: &str| {
        document
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    };
    let has_it = match (request.header("if-none-match"), own("etag")) {
        (Some(asked), Some(etag)) => asked.split(',').any(|tag| opaque(tag) == opaque(etag)),
        (Some(_), None) => false,
        (None, _) => match (request.header("if-modified-since"), own("last-modified")) {
            (Some(since), Some(last)) => since == last,
            _ => false,
        },
    };
    if has_it && document.status == 200 {
        document.status = 304;
        document.body.clear();
    }
    document
}

/// An entity tag without its weakness mark: `If-None-Match` compares weakly (RFC 9110 section
/// 13.1.2).
fn opaque(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn etag_of(body: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
    let hex: String = digest.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}

/// Reads the head of one request; a body is left to be drained. `None` if it is not an HTTP
/// request, too long, or cut off.
fn read_request(stream: &TcpStream) -> io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if bytes.len() > HEAD_BYTES {
            return Ok(None);
        }
        let mut buffer = [0; 4096];
        match (&mut &*stream).read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    };
    let Ok(head) = std::str::from_utf8(&bytes[..head_end]) else {
        return Ok(None);
    };
    Ok(parse_head(head))
}

fn parse_head(head: &str) -> Option<Request> {
    let mut lines = head.split("\r\n");
    let mut start = lines.next()?.split(' ');
    let (method, target) = (start.next()?, start.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
    })
}

/// The reason phrase; clients ignore it (RFC 9112 section 4).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        304 => "Not Modified",
        404 => "Not Found",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
