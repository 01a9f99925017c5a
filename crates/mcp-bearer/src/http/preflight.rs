//! CORS preflights: the one kind of request that cannot carry a token (Fetch standard, section
//! 3.3).
//!
//! Any program can write a request that looks like one, so little of it reaches the service.

use std::fmt;

use ::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, HOST, HeaderName, ORIGIN, VARY,
};
use ::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use url::Url;

use super::answer_body::AnswerBody;

/// How a CORS preflight is handled.
///
/// A preflight is an `OPTIONS` request with one `Origin`, one `Access-Control-Request-Method` that
/// names a method, no `Authorization` and no body. Every other `OPTIONS` request is judged like any
/// request.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Preflight {
    /// The service gets it without a token, with only the headers `Host`, `Origin` and
    /// `Access-Control-Request-*`. The default, because only the service knows its CORS rules. It
    /// must do nothing on such a request but answer CORS.
    #[default]
    PassOn,
    /// The layer answers it by these rules, and puts them on every other answer. The service never
    /// sees it.
    Answer(Cors),
    /// It is judged like any request: 401. Use this for servers that no browser calls.
    Refuse,
}

/// CORS rules for an MCP endpoint: which web pages may call it from a browser.
///
/// The methods and headers are those of the MCP transports. Credentials such as cookies are never
/// allowed: a page sends its token in `Authorization`.
///
/// ```
/// use mcp_bearer::http::{Cors, Preflight};
/// let preflight = Preflight::Answer(Cors::origins(["https://app.example.com"])?);
/// # Ok::<(), mcp_bearer::http::InvalidOrigin>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
}

#[derive(Clone, Debug)]
enum Origins {
    Any,
    Listed(Vec<String>),
}

/// What an MCP client in a browser sends.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name",
);
/// What it must read, and browsers hide by default.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("WWW-Authenticate, Retry-After, Mcp-Session-Id, MCP-Protocol-Version");
/// Two hours, Chromium's maximum.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

impl Cors {
    /// Pages of these origins, such as `https://app.example.com`, compared byte for byte as
    /// browsers send them.
    ///
    /// # Errors
    /// For the first one that no browser sends: with a path or a trailing slash, with upper-case
    /// characters, without scheme; and for an empty list.
    pub fn origins<T: Into<String>>(
        origins: impl IntoIterator<Item = T>,
    ) -> Result<Self, InvalidOrigin> {
        let origins: Vec<String> = origins.into_iter().map(Into::into).collect();
        match origins.iter().find(|origin| !is_origin(origin)) {
            Some(bad) => Err(InvalidOrigin(bad.clone())),
            None if origins.is_empty() => Err(InvalidOrigin(String::new())),
            None => Ok(Self {
                origins: Origins::Listed(origins),
            }),
        }
    }

    /// Pages of any origin. A page without a token still gets nothing.
    #[must_use]
    pub fn any_origin() -> Self {
        Self {
            origins: Origins::Any,
        }
    }

    /// The headers for answers to a request of this origin; none for an origin that is not allowed.
    fn grant(&self, request: &HeaderMap) -> Grant {
        let origin = request.get(ORIGIN);
        Grant(match &self.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Listed(listed) => origin
                .filter(|origin| listed.iter().any(|own| own.as_bytes() == origin.as_bytes()))
                .cloned(),
        })
    }
}

/// As the Fetch standard serializes it (RFC 6454 section 6.2).
fn is_origin(text: &str) -> bool {
    Url::parse(text)
        .is_ok_and(|url| url.origin().is_tuple() && url.origin().ascii_serialization() == text)
}

/// A text that no browser sends as `Origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidOrigin(String);

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.0;
        write!(
            f,
            "{text:?} is not an origin; write it like https://app.example.com, without a path"
        )
    }
}

impl std::error::Error for InvalidOrigin {}

/// What a [`Preflight`] decides about one request.
#[derive(Debug)]
#[non_exhaustive]
pub enum PreflightVerdict {
    /// It is judged like any request.
    AsAny,
    /// The service gets it with these headers in place of its own, without a body and without an
    /// access token.
    PassOn(HeaderMap),
    /// This is the answer; the service never sees it.
    Answer(Box<Response<AnswerBody>>),
}

impl Preflight {
    /// Decides about a request with this method and these headers; the whole decision, for servers
    /// whose requests are not those of the crate `http`.
    ///
    /// ```
    /// use http::{HeaderMap, Method};
    /// use mcp_bearer::http::{Preflight, PreflightVerdict};
    /// let verdict = Preflight::PassOn.judge(&Method::OPTIONS, &HeaderMap::new(), true);
    /// assert!(matches!(verdict, PreflightVerdict::AsAny));
    /// ```
    #[must_use]
    pub fn judge(
        &self,
        method: &Method,
        headers: &HeaderMap,
        has_no_body: bool,
    ) -> PreflightVerdict {
        if !has_no_body || !is_preflight(method, headers) {
            return PreflightVerdict::AsAny;
        }
        match self {
            Self::PassOn => PreflightVerdict::PassOn(kept(headers)),
            Self::Answer(cors) => {
                let mut answer = Response::new(AnswerBody::default());
                *answer.status_mut() = StatusCode::NO_CONTENT;
                cors.grant(headers).answer(answer.headers_mut());
                PreflightVerdict::Answer(Box::new(answer))
            }
            Self::Refuse => PreflightVerdict::AsAny,
        }
    }

    /// The CORS headers for every answer to a request with these headers, except to a preflight;
    /// `None` if the service alone answers CORS.
    #[must_use]
    pub fn grant(&self, request: &HeaderMap) -> Option<Grant> {
        match self {
            Self::Answer(cors) => Some(cors.grant(request)),
            Self::PassOn | Self::Refuse => None,
        }
    }
}

/// The CORS headers for an answer. From [`Preflight::grant`].
#[derive(Clone, Debug)]
pub struct Grant(Option<HeaderValue>);

impl Grant {
    /// Puts the headers on an answer, replacing those of the service.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = &self.0 {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }

    /// The headers of the answer to a preflight.
    fn answer(&self, headers: &mut HeaderMap) {
        self.apply(headers);
        if self.0.is_some() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }
}

/// Whether a request without a body is a preflight.
fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && !headers.contains_key(AUTHORIZATION)
        && single(headers, &ORIGIN).is_some_and(|origin| !origin.is_empty())
        && single(headers, &ACCESS_CONTROL_REQUEST_METHOD)
            .is_some_and(|method| Method::from_bytes(method.as_bytes()).is_ok())
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Removes from a preflight everything that CORS does not need.
pub(super) fn strip(headers: &mut HeaderMap) {
    *headers = kept(headers);
}

fn kept(headers: &HeaderMap) -> HeaderMap {
    const KEPT: [HeaderName; 4] = [
        HOST,
        ORIGIN,
        ACCESS_CONTROL_REQUEST_METHOD,
        ACCESS_CONTROL_REQUEST_HEADERS,
    ];
    let private_network = HeaderName::from_static("access-control-request-private-network");
    let mut kept = HeaderMap::new();
    for name in KEPT.into_iter().chain([private_network]) {
        for value in headers.get_all(&name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}
