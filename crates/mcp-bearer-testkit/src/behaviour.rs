//! What the JWKS server answers: the behaviours of good and bad issuers, as data.

use std::time::Duration;

use serde_json::Value;

/// How the server answers a request.
///
/// "The document" is the JWKS of the keys set on the server, or what
/// [`serve`](crate::JwksServer::serve) put at the path. Every answer ends its connection. Each
/// wait, endless ones included, ends when the client leaves or the server is dropped.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// The document, with more headers: `Cache-Control`, `Age`, `ETag`, `Last-Modified` and the
    /// like. An `ETag` of `auto` becomes one made from the body. `If-None-Match` and
    /// `If-Modified-Since` that match are answered 304, with the same headers.
    Ok {
        /// Names and values.
        headers: Vec<(String, String)>,
    },
    /// This status, with a short text.
    Status(u16),
    /// This status with `Retry-After` in seconds.
    RetryAfter(u16, u64),
    /// 200 with an HTML page, as from a captive portal.
    Html200,
    /// 200 with `{}`.
    EmptyObject,
    /// 200 with `{"keys":[]}`.
    EmptySet,
    /// 200 with the first half of the document, and a `Content-Length` that agrees.
    Truncated,
    /// 200 with the first half of the document under the `Content-Length` of the whole; then the
    /// connection ends.
    CutOff,
    /// 304, whether or not the request was conditional.
    NotModifiedWithoutSet,
    /// 103 without end, as fast as the client reads, and never an answer.
    EndlessHints,
    /// 200 and a body that never ends, as fast as the client reads, without `Content-Length`.
    EndlessBody,
    /// 200 with the document, one byte per second.
    OneBytePerSecond,
    /// 200 and a good gzip stream of about 260 KB that inflates to [`GZIP_BOMB_BYTES`] of white
    /// space.
    GzipBomb,
    /// 200 with the document, gzip, whether or not the client accepts it.
    Gzip,
    /// 302 to this address.
    RedirectTo(String),
    /// Never answers.
    HangBeforeHeaders,
    /// 200 and all headers, then nothing.
    HangAfterHeaders,
    /// 200 with the document as `text/plain`.
    WrongContentType,
    /// 200 with the document after white space, this many bytes in total.
    Huge(usize),
    /// Waits first.
    Delay(Duration, Box<Behaviour>),
    /// Waits until [`release`](crate::JwksServer::release) is called.
    Held(Box<Behaviour>),
    /// Ends the connection after the request, without an answer.
    CloseAtOnce,
    /// Any bytes, instead of an HTTP answer.
    Raw(Vec<u8>),
    /// This answer, whatever the document is.
    Respond(Response),
}

/// The size of [`Behaviour::GzipBomb`] once inflated: 256 MiB.
pub const GZIP_BOMB_BYTES: usize = 256 << 20;

impl Behaviour {
    /// The document without further headers: no caching rule, no validator.
    pub fn ok() -> Self {
        Self::Ok {
            headers: Vec::new(),
        }
    }

    /// The document with headers, as in
    /// `ok_with([("Cache-Control", "max-age=60"), ("ETag", "\"a\"")])`.
    pub fn ok_with<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let headers = headers
            .into_iter()
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        Self::Ok { headers }
    }

    /// The document after 64 MiB of white space.
    pub fn huge() -> Self {
        Self::Huge(64 << 20)
    }

    /// This behaviour after a wait.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self::Delay(wait, Box::new(self))
    }

    /// This behaviour once [`release`](crate::JwksServer::release) is called.
    #[must_use]
    pub fn held(self) -> Self {
        Self::Held(Box::new(self))
    }
}

/// An HTTP answer. `Content-Length` and `Connection: close` are added when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer with a body and its `Content-Type`.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
        .header("Content-Type", content_type)
    }

    /// 200 with JSON.
    pub fn json(value: &Value) -> Self {
        Self::new(200, "application/json", value.to_string())
    }

    /// An answer with no body and no `Content-Type`.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same answer with another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}
