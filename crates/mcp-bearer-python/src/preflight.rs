//! CORS preflights in the middleware: the library's rule, applied to ASGI headers.

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use mcp_bearer::http::{Cors, PreflightVerdict};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// How CORS preflights are handled.
#[pyclass(frozen, module = "mcp_bearer._native")]
#[derive(Debug)]
pub(crate) struct Preflight(mcp_bearer::http::Preflight);

#[pymethods]
impl Preflight {
    /// The app gets them, with only what CORS needs.
    #[staticmethod]
    fn pass_on() -> Self {
        Self(mcp_bearer::http::Preflight::PassOn)
    }

    /// They are judged like any request.
    #[staticmethod]
    fn refuse() -> Self {
        Self(mcp_bearer::http::Preflight::Refuse)
    }

    /// They are answered for pages of these origins; for any if `None`.
    #[staticmethod]
    fn answer(origins: Option<Vec<String>>) -> PyResult<Self> {
        let cors = match origins {
            None => Cors::any_origin(),
            Some(origins) => Cors::origins(origins)
                .map_err(|error| PyValueError::new_err(format!("preflight: {error}")))?,
        };
        Ok(Self(mcp_bearer::http::Preflight::Answer(cors)))
    }

    /// `None` for a request that is judged like any other; `(None, headers)` for a preflight that
    /// the app gets with only these headers; `(status, headers)` for the answer to one.
    fn judge(
        &self,
        method: &str,
        headers: Headers,
        has_no_body: bool,
    ) -> Option<(Option<u16>, Headers)> {
        // A method that is not valid HTTP makes no preflight.
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let headers = read(headers.iter())?;
        match self.0.judge(&method, &headers, has_no_body) {
            PreflightVerdict::PassOn(kept) => Some((None, written(&kept))),
            PreflightVerdict::Answer(answer) => {
                let status = answer.status().as_u16();
                Some((Some(status), written(answer.headers())))
            }
            _ => None,
        }
    }

    /// The headers of an answer to a request with the headers `request`.
    fn on_answer(&self, request: Headers, answer: Headers) -> Headers {
        let request =
            read(request.iter().filter(|(name, _)| is(name, &ORIGIN))).unwrap_or_default();
        match self.0.grant(&request) {
            None => answer,
            Some(grant) => with_grant(&grant, answer),
        }
    }
}

/// The app's headers are unchanged, except for those that the grant replaces.
fn with_grant(grant: &mcp_bearer::http::Grant, answer: Headers) -> Headers {
    let mut said = HeaderMap::new();
    grant.apply(&mut said);
    let replaced = |name: &[u8]| {
        let ours = said.keys().any(|own| *own != VARY && is(name, own));
        ours || is(name, &ACCESS_CONTROL_ALLOW_ORIGIN)
    };
    let mut headers: Headers = answer;
    headers.retain(|(name, _)| !replaced(name));
    headers.extend(written(&said));
    headers
}

fn is(name: &[u8], header: &HeaderName) -> bool {
    name.eq_ignore_ascii_case(header.as_str().as_bytes())
}

/// `None` if one of them is not a valid HTTP header.
fn read<'h>(headers: impl Iterator<Item = &'h (Vec<u8>, Vec<u8>)>) -> Option<HeaderMap> {
    let mut read = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name).ok()?;
        read.try_append(name, HeaderValue::from_bytes(value).ok()?)
            .ok()?;
    }
    Some(read)
}

fn written(headers: &HeaderMap) -> Headers {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec())
    };
    headers.iter().map(pair).collect()
}
