//! One HTTP GET as key sources see it: an address and conditions go out; status, headers, a bounded body come back.
//! An implementation must never follow a redirect, and never hold more of a body than the request allows.

use std::fmt;

use futures_util::future::BoxFuture;

use super::transport::label_of;

/// The way to an issuer's documents.
///
/// The crate's own is `HttpFetch` (feature `remote`); another one lets a caller supply them: through a
/// corporate proxy, from a test. It is called on the driver thread, one exchange at a time for one source,
/// and must not block that thread: every source and every waiting request would wait with it. An exchange that takes longer than 5 s is dropped and counts as failed.
pub trait Fetch: Send + Sync {
    /// Makes the request once.
    fn fetch(&self, request: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>>;
}

/// A GET request.
#[derive(Clone)]
#[non_exhaustive]
pub struct FetchRequest {
    /// The absolute address, which the source has checked against its transport rules.
    pub url: String,
    /// For `If-None-Match`, as the issuer sent it in `ETag`.
    pub if_none_match: Option<String>,
    /// For `If-Modified-Since`, as the issuer sent it in `Last-Modified`.
    pub if_modified_since: Option<String>,
    /// A body longer than this, after inflation, is an error.
    pub max_body_bytes: usize,
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

/// What came back, whatever its status.
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

    /// The same with a header. Of interest are `Cache-Control`, `Age`, `ETag`, `Last-Modified`.
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

    /// The header's values, joined by commas as RFC 9110 section 5.3 allows; the name without case.
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

/// Why no answer came.
#[derive(Clone, Debug)]
pub struct FetchError {
    message: String,
}

impl FetchError {
    /// A message for operators: lower case, no full stop, no secrets.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FetchError {}

#[cfg(test)]
mod tests {
    use super::FetchRequest;

    #[test]
    fn the_debug_form_of_a_request_shows_no_query_and_no_password() {
        let url = "https://user:secret@idp.example.com/jwks?key=secret".to_owned();
        let shown = format!("{:?}", FetchRequest::new(url, 1000));
        assert!(shown.contains("https://idp.example.com/jwks"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
