//! One HTTP GET as key sources see it: they send an address and conditions, and get a status,
//! headers and a bounded body.

pub(super) mod address;
#[cfg(feature = "remote")]
pub(super) mod builder;
mod concurrency_limit;
#[cfg(feature = "remote")]
mod connect;
#[cfg(feature = "remote")]
pub(super) mod http;
#[cfg(feature = "remote")]
mod tls_error;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;

use self::address::label_of;
use self::concurrency_limit::{EXCHANGES, Standing};
use super::monotonic::MonotonicClock;

/// Time limit for one exchange, whichever fetcher makes it.
pub(super) const EXCHANGE: Duration = Duration::from_secs(5);

/// Makes the requests for an issuer's documents.
///
/// The crate's own implementation is `HttpFetch` (feature `remote`). With another one a caller
/// supplies the documents: through a corporate proxy, from a test. It must not follow a redirect,
/// nor hold more of a body than the request allows. It is called on the thread that serves all
/// sources, one exchange at a time per source, and must not block that thread: every source and
/// every waiting request would wait with it. An exchange that takes longer than 5 s is dropped and
/// counts as failed.
pub trait Fetch: Send + Sync {
    /// Makes the request once.
    fn fetch(&self, request: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>>;
}

/// A GET request.
#[derive(Clone)]
#[non_exhaustive]
pub struct FetchRequest {
    /// The absolute address. The source has checked it against its address rules.
    pub url: String,
    /// For `If-None-Match`, as the issuer sent it in `ETag`.
    pub if_none_match: Option<String>,
    /// For `If-Modified-Since`, as the issuer sent it in `Last-Modified`.
    pub if_modified_since: Option<String>,
    /// A body longer than this, after inflation, is an error.
    pub max_body_bytes: usize,
    /// Which places the exchange may take.
    standing: Standing,
}

impl FetchRequest {
    /// An unconditional request.
    #[must_use]
    pub fn new(url: String, max_body_bytes: usize) -> Self {
        Self {
            url,
            if_none_match: None,
            if_modified_since: None,
            max_body_bytes,
            standing: Standing::default(),
        }
    }
}

/// The address without user and query, which may be secrets.
impl fmt::Debug for FetchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchRequest")
            .field("url", &label_of(&self.url))
            .field("if_none_match", &self.if_none_match)
            .field("if_modified_since", &self.if_modified_since)
            .field("max_body_bytes", &self.max_body_bytes)
            .finish()
    }
}

/// An answer of any status.
#[derive(Clone, Debug, Default)]
pub struct FetchResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl FetchResponse {
    /// An answer without headers: its lifetime is one hour.
    #[must_use]
    pub fn new(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    /// Adds a header. `Cache-Control`, `Age`, `ETag` and `Last-Modified` matter.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The values of a header, joined by commas as RFC 9110 section 5.3 allows; the case of its
    /// name does not matter.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The body after inflation.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Why there is no answer.
///
/// ```
/// use mcp_bearer::keys::{FetchError, FetchErrorKind};
/// let error = FetchError::new("the proxy is down");
/// assert_eq!(error.kind(), FetchErrorKind::Other);
/// assert_eq!(error.to_string(), "the proxy is down");
/// ```
#[derive(Clone, Debug)]
pub struct FetchError {
    kind: FetchErrorKind,
    message: String,
}

/// The kinds of [`FetchError`]. Their names in snake case ([`as_str`](Self::as_str)) are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// The rules for addresses, or the SSRF guard, do not allow the address.
    AddressNotAllowed,
    /// The body, or what comes before it, is longer than allowed.
    AnswerTooLarge,
    /// There is no client for the request: no thread, no CA store, an unreadable CA file.
    ClientUnavailable,
    /// The name did not resolve, no connection was made, or its TLS failed.
    ConnectionFailed,
    /// The connection was made, but the answer was not HTTP, or not complete.
    ExchangeFailed,
    /// Anything else, such as an error of a caller's own fetcher.
    Other,
    /// The answer did not come in time.
    TimedOut,
}

impl FetchErrorKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::AddressNotAllowed,
        Self::AnswerTooLarge,
        Self::ClientUnavailable,
        Self::ConnectionFailed,
        Self::ExchangeFailed,
        Self::Other,
        Self::TimedOut,
    ];

    /// The stable name in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AddressNotAllowed => "address_not_allowed",
            Self::AnswerTooLarge => "answer_too_large",
            Self::ClientUnavailable => "client_unavailable",
            Self::ConnectionFailed => "connection_failed",
            Self::ExchangeFailed => "exchange_failed",
            Self::Other => "other",
            Self::TimedOut => "timed_out",
        }
    }
}

impl FetchError {
    /// An error of the kind [`Other`](FetchErrorKind::Other). The message is for operators: lower
    /// case, no full stop, no secrets.
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(FetchErrorKind::Other, message)
    }

    /// An error of this kind, with a message like that of [`new`](Self::new).
    pub fn of(kind: FetchErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> FetchErrorKind {
        self.kind
    }

    /// An error with its causes in one line; a TLS error in plain words instead. If one of our own
    /// errors is among the causes, it decides the kind.
    #[cfg(feature = "remote")]
    fn caused_by(kind: FetchErrorKind, error: &(dyn std::error::Error + 'static)) -> Self {
        let in_plain_words = tls_error::in_plain_words(error);
        let (mut kind, mut text, mut cause) = (kind, String::new(), Some(error));
        while let Some(error) = cause {
            let separator = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{separator}{error}");
            let inside = error.downcast_ref().and_then(std::io::Error::get_ref);
            let own = inside.and_then(|inside| inside.downcast_ref());
            if let Some(own) = own.or_else(|| error.downcast_ref::<Self>()) {
                kind = own.kind;
            }
            cause = error.source();
        }
        let text = in_plain_words.unwrap_or(text);
        let plain: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
        Self::of(kind, plain)
    }

    fn timed_out() -> Self {
        Self::of(FetchErrorKind::TimedOut, "timed out")
    }

    fn too_large(limit: usize) -> Self {
        let message = format!("the body is longer than {limit} bytes");
        Self::of(FetchErrorKind::AnswerTooLarge, message)
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FetchError {}

/// Makes the exchanges of one source.
pub(super) struct Exchanger {
    fetch: Arc<dyn Fetch>,
    pub(super) clock: MonotonicClock,
    /// Whether the last exchange succeeded.
    answers: AtomicBool,
}

impl Exchanger {
    pub(super) fn new(fetch: Arc<dyn Fetch>, clock: MonotonicClock) -> Self {
        Self {
            fetch,
            clock,
            answers: AtomicBool::new(false),
        }
    }

    /// Makes a request once, as soon as there is a place for it, and enforces the limits of time
    /// and size on any fetcher.
    pub(super) async fn exchange(
        &self,
        mut request: FetchRequest,
    ) -> Result<FetchResponse, FetchError> {
        request.standing = match self.answers.load(Ordering::Relaxed) {
            true => Standing::Answers,
            false => Standing::Unknown,
        };
        let _place = EXCHANGES.take(request.standing).await;
        let limit = request.max_body_bytes;
        let deadline = self.clock.now().saturating_add(EXCHANGE);
        let answer = tokio::select! {
            answer = self.fetch.fetch(request) => answer,
            () = self.clock.sleep_until(deadline) => Err(FetchError::timed_out()),
        };
        self.answers.store(answer.is_ok(), Ordering::Relaxed);
        match answer {
            Ok(answer) if answer.body.len() > limit => Err(FetchError::too_large(limit)),
            answer => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FetchErrorKind, FetchRequest};

    #[test]
    fn the_debug_form_of_a_request_shows_no_query_and_no_password() {
        let url = "https://user:secret@idp.example.com/jwks?key=secret".to_owned();
        let shown = format!("{:?}", FetchRequest::new(url, 1000));
        assert!(shown.contains("https://idp.example.com/jwks"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn every_kind_has_its_own_name_in_snake_case() {
        for kind in FetchErrorKind::ALL {
            let words = format!("{kind:?}");
            let camel: String = kind
                .as_str()
                .split('_')
                .map(|word| word[..1].to_uppercase() + &word[1..])
                .collect();
            assert_eq!(camel, words);
        }
    }
}
