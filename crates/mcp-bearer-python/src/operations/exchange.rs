//! One request and its answer, step by step.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use mcp_bearer::http::{FromExtensions, OperationsBody, OperationsFuture, OperationsService};
use mcp_bearer::operation::RpcAnswer;
use mcp_bearer::{AccessToken, Rejection};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use tower_service::Service;

use super::bridge::{Bridge, Feed, Passed};
use crate::access_token_fields::{self, Shown};
use crate::rejection;

type Running = OperationsFuture<Bridge, Feed, Feed>;
type Answered = Response<OperationsBody<Feed>>;
type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// A request to the app, and the answer to it.
#[pyclass(frozen, module = "mcp_bearer._native")]
pub(crate) struct Exchange {
    state: Mutex<State>,
    app: Bridge,
    request: Feed,
    response: Feed,
    shown: Shown,
}

enum State {
    Running(Pin<Box<Running>>),
    /// The answer's head is known, but not yet taken.
    Answered(Box<Answered>),
    Streaming(Pin<Box<OperationsBody<Feed>>>),
    Ended,
}

/// What Python must do next: bring the body of the request, wait for keys, call the app, or send an
/// answer.
#[derive(IntoPyObject)]
enum Step<'py> {
    Plain((&'static str,)),
    Pass((&'static str, Given<'py>)),
    Answer((&'static str, Answer<'py>)),
}

/// Headers, the body if it was read, and the fields of the token.
type Given<'py> = (
    Headers,
    Option<Bound<'py, PyBytes>>,
    Option<Bound<'py, PyDict>>,
);

/// Status, headers, body, and the rejection if it was the token's fault.
type Answer<'py> = (
    u16,
    Headers,
    Bound<'py, PyBytes>,
    Option<rejection::Rejection>,
);

/// What goes to the client: the head once, then parts of the body, and whether more will come.
/// Last, why an event was replaced, in each answer from then on.
type Sent<'py> = (
    Option<(u16, Headers)>,
    Bound<'py, PyBytes>,
    bool,
    Option<String>,
);

/// The same before it is Python's.
#[derive(Default)]
struct Drained {
    head: Option<(u16, Headers)>,
    body: Vec<u8>,
    ended: bool,
    fault: Option<String>,
}

impl Exchange {
    pub(super) fn begin(
        mut service: OperationsService<Bridge>,
        app: Bridge,
        shown: Shown,
        request: Option<Request<Feed>>,
    ) -> Self {
        let (state, request) = match request {
            Some(request) => {
                let feed = request.body().clone();
                let future = Box::pin(service.call(request));
                (State::Running(future), feed)
            }
            // A server may let through what this library does not accept as a request.
            None => (State::Ended, Feed::empty()),
        };
        Self {
            state: Mutex::new(state),
            app,
            request,
            response: Feed::default(),
            shown,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the layer continue; ready when Python must do something.
    fn advance(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if let State::Running(future) = &mut *state
            && let Poll::Ready(answered) = future.as_mut().poll(cx)
        {
            let Ok(answered) = answered;
            *state = State::Answered(Box::new(answered));
        }
        let waits = matches!(*state, State::Running(_))
            && !self.app.has_passed()
            && !self.request.is_asked();
        if waits {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

#[pymethods]
impl Exchange {
    /// What to do next, until the app is called or there is an answer: `("read",)`, `("keys",)`,
    /// `("pass", (headers, body or None, fields or None))` or
    /// `("answer", (status, headers, body, rejection or None))`.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Step<'py>> {
        let waits = py.detach(|| self.advance(&mut Context::from_waker(Waker::noop())));
        if waits.is_pending() {
            return Ok(Step::Plain(("keys",)));
        }
        if let Some(passed) = self.app.take_passed() {
            return Ok(Step::Pass(("pass", self.given(py, passed)?)));
        }
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Ended) {
            running @ State::Running(_) => {
                *state = running;
                Ok(Step::Plain(("read",)))
            }
            State::Answered(answered) => Ok(Step::Answer(("answer", answer(py, *answered)))),
            State::Streaming(_) | State::Ended => Ok(Step::Answer(("answer", bad_request(py)))),
        }
    }

    /// Brings a part of the request's body.
    fn feed(&self, piece: &[u8], more: bool) {
        self.request.push(piece, more);
    }

    /// Blocks this thread, without the interpreter, until keys have come or the attempt has ended.
    fn wait_for_keys(&self, py: Python<'_>) {
        py.detach(|| futures_executor::block_on(poll_fn(|cx| self.advance(cx))));
    }

    /// Brings the head of the app's answer.
    ///
    /// # Errors
    /// A `RuntimeError` if it is not a valid head.
    fn respond(&self, status: u16, headers: Headers, is_empty: bool) -> PyResult<()> {
        let wrong = |what: &str| PyRuntimeError::new_err(format!("the app's answer: {what}"));
        let status = StatusCode::from_u16(status).map_err(|_| wrong("no status"))?;
        let headers = header_map(headers).ok_or_else(|| wrong("a header is not valid"))?;
        if is_empty {
            self.response.push(&[], false);
        }
        let mut answer = Response::new(self.response.clone());
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        self.app.answer(answer);
        Ok(())
    }

    /// Brings a part of the app's body; returns what can now be sent to the client.
    fn send<'py>(&self, py: Python<'py>, piece: &[u8], more: bool) -> Sent<'py> {
        self.response.push(piece, more);
        let drained = py.detach(|| self.drain());
        let body = PyBytes::new(py, &drained.body);
        (drained.head, body, !drained.ended, drained.fault)
    }
}

impl Exchange {
    fn drain(&self) -> Drained {
        let mut cx = Context::from_waker(Waker::noop());
        // The state is not locked here, because it is locked again there.
        let _ = self.advance(&mut cx);
        let mut state = self.state();
        let mut drained = Drained::default();
        *state = match std::mem::replace(&mut *state, State::Ended) {
            State::Answered(answered) => {
                let (parts, body) = answered.into_parts();
                drained.head = Some((parts.status.as_u16(), list(&parts.headers)));
                State::Streaming(Box::pin(body))
            }
            other => other,
        };
        let State::Streaming(body) = &mut *state else {
            drained.ended = matches!(*state, State::Ended);
            return drained;
        };
        drained.ended = take(body.as_mut(), &mut cx, &mut drained.body);
        drained.fault = body.fault().map(ToString::to_string);
        if drained.ended {
            *state = State::Ended;
        }
        drained
    }

    fn given<'py>(&self, py: Python<'py>, (parts, body): Passed) -> PyResult<Given<'py>> {
        let mut read = Vec::new();
        let mut body = Box::pin(body);
        let mut cx = Context::from_waker(Waker::noop());
        let ended = take(body.as_mut(), &mut cx, &mut read);
        let fields = AccessToken::from_extensions(&parts.extensions).map(|access| {
            let token = PyString::new(py, access.token());
            access_token_fields::fields(&token, access, &self.shown)
        });
        Ok((
            list(&parts.headers),
            ended.then(|| PyBytes::new(py, &read)),
            fields.transpose()?,
        ))
    }
}

/// Takes the available part of a body; also returns whether that was all.
fn take<B: Body<Data = bytes::Bytes, Error = Infallible>>(
    mut body: Pin<&mut B>,
    cx: &mut Context<'_>,
    out: &mut Vec<u8>,
) -> bool {
    loop {
        match body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    out.extend_from_slice(data);
                }
            }
            Poll::Ready(None) => return true,
            Poll::Pending => return false,
        }
    }
}

/// The request, if it is valid.
pub(super) fn request(method: &str, http_version: &str, headers: Headers) -> Option<Request<Feed>> {
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let headers = header_map(headers)?;
    let length = headers.get(CONTENT_LENGTH);
    let length: u64 = match length {
        Some(length) => length.to_str().ok()?.trim().parse().ok()?,
        None => 0,
    };
    // ASGI does not announce a body; only a POST over HTTP/2 has one that no header announces.
    let has_body = length > 0 || headers.contains_key(TRANSFER_ENCODING) || method == Method::POST;
    let body = match has_body {
        true => Feed::of_length(length),
        false => Feed::empty(),
    };
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    *request.version_mut() = match http_version {
        "2" => Version::HTTP_2,
        "3" => Version::HTTP_3,
        "1.0" => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    Some(request)
}

fn header_map(headers: Headers) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(&name).ok()?;
        let value = HeaderValue::from_bytes(&value).ok()?;
        map.try_append(name, value).ok()?;
    }
    Some(map)
}

fn list(headers: &HeaderMap) -> Headers {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| (name.as_str().into(), value.as_bytes().into()))
        .collect()
}

/// An answer of the layer itself, which is complete.
fn answer<'py>(py: Python<'py>, answered: Answered) -> Answer<'py> {
    let rejection = Rejection::from_extensions(answered.extensions()).cloned();
    let (parts, body) = answered.into_parts();
    let mut bytes = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    take(Box::pin(body).as_mut(), &mut cx, &mut bytes);
    let mut headers = parts.headers;
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    (
        parts.status.as_u16(),
        list(&headers),
        PyBytes::new(py, &bytes),
        rejection.map(Into::into),
    )
}

fn bad_request(py: Python<'_>) -> Answer<'_> {
    let answer = RpcAnswer::of_transport(400, "this is not a request");
    let headers = vec![
        (b"content-type".into(), b"application/json".into()),
        (b"cache-control".into(), b"no-store".into()),
    ];
    let body = PyBytes::new(py, answer.body().as_bytes());
    (400, headers, body, None)
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}
