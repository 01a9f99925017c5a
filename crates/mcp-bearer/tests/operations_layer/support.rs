//! One issuer, and a server whose answers each test writes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use mcp_bearer::http::{OperationBody, OperationsLayer, Resource};
use mcp_bearer::operation::{OperationRules, OperationRulesDraft, RuleDraft, Unmatched};
use mcp_bearer::{Algorithm, BearerAuthLayer, BearerAuthProvider};
use mcp_bearer_testkit::{Forge, SigningKey, TestClock};
use tower::{Service, ServiceExt};

pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn key() -> SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::ec_p256().with_kid("key-1"))
        .clone()
}

/// A token with these scopes.
pub(crate) fn token(scopes: &str) -> String {
    Forge::new(&key(), NOW).scope(scopes).token()
}

pub(crate) fn token_of(subject: &str) -> String {
    Forge::new(&key(), NOW)
        .scope("read")
        .subject(subject)
        .token()
}

pub(crate) fn auth(required: &[&str]) -> BearerAuthLayer<Resource> {
    auth_with_prefix(required, None)
}

/// With a prefix for the scopes that clients request.
pub(crate) fn auth_with_prefix(
    required: &[&str],
    prefix: Option<&str>,
) -> BearerAuthLayer<Resource> {
    let builder = BearerAuthProvider::builder()
        .public_key(key().public_pem())
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Es256])
        .required_scopes(required.iter().copied());
    let builder = match prefix {
        Some(prefix) => builder.requested_scope_prefix(prefix),
        None => builder,
    };
    let provider = builder.build().unwrap();
    let provider = provider.with_clock(mcp_bearer::Clock::new(TestClock::new(NOW).as_fn()));
    BearerAuthLayer::new(provider)
        .resource(Forge::AUDIENCE)
        .unwrap()
}

/// `read` is needed for everything; `admin` for some tools, some of which are hidden.
pub(crate) fn layer() -> OperationsLayer<Resource> {
    auth(&["read"]).operations(rules(vec![
        RuleDraft::new("tools/call")
            .name("delete_*")
            .scopes(["admin"]),
        RuleDraft::new("tools/call")
            .name("secret_*")
            .scopes(["admin"])
            .hide(),
        RuleDraft::new("resources/read")
            .name("x:secret*")
            .scopes(["admin"])
            .hide(),
    ]))
}

pub(crate) fn rules(drafts: Vec<RuleDraft>) -> OperationRules {
    let mut draft = OperationRulesDraft::default();
    draft.unmatched = Some(Unmatched::Allow);
    draft.rules = drafts;
    draft.check().unwrap()
}

pub(crate) fn call(name: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}"}}}}"#)
}

pub(crate) const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// A POST with a token.
pub(crate) fn post(token: &str, body: impl Into<Pieces>) -> Request<Pieces> {
    Request::post("/mcp")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

pub(crate) fn with(
    mut request: Request<Pieces>,
    name: &'static str,
    value: &str,
) -> Request<Pieces> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

/// A body in pieces. A missing piece never arrives.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pub(crate) pieces: VecDeque<Piece>,
    pub(crate) length: Option<u64>,
    pub(crate) polled: Arc<Mutex<usize>>,
}

#[derive(Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    Error,
    /// Nothing yet; whoever waits is woken.
    Later,
    Never,
}

impl From<&str> for Pieces {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for Pieces {
    fn from(text: String) -> Self {
        let length = u64::try_from(text.len()).ok();
        Self {
            pieces: VecDeque::from([Piece::Data(text.into())]),
            length,
            ..Self::default()
        }
    }
}

impl Pieces {
    pub(crate) fn of(pieces: impl IntoIterator<Item = Piece>) -> Self {
        Self {
            pieces: pieces.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Each piece of this many bytes.
    pub(crate) fn cut(text: &[u8], size: usize) -> Self {
        let piece = |piece: &[u8]| Piece::Data(Bytes::copy_from_slice(piece));
        Self::of(text.chunks(size).map(piece))
    }
}

#[derive(Debug)]
pub(crate) struct Broken;

impl Body for Pieces {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        *self.polled.lock().unwrap() += 1;
        match self.pieces.pop_front() {
            None => Poll::Ready(None),
            Some(Piece::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Piece::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Piece::Error) => Poll::Ready(Some(Err(Broken))),
            Some(Piece::Later) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Piece::Never) => {
                self.pieces.push_front(Piece::Never);
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// What the server got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) hint: SizeHint,
}

type Answers = dyn Fn(&Got) -> Response<Pieces> + Send + Sync;

/// A server that remembers what it got and gives the answers of the test.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) got: Arc<Mutex<Vec<Got>>>,
    answer: Arc<Answers>,
}

impl Server {
    pub(crate) fn new(answer: impl Fn(&Got) -> Response<Pieces> + Send + Sync + 'static) -> Self {
        Self {
            got: Arc::default(),
            answer: Arc::new(answer),
        }
    }

    /// It answers everything with this text.
    pub(crate) fn json(text: &str) -> Self {
        let text = text.to_owned();
        Self::new(move |_| typed("application/json", text.clone()))
    }

    pub(crate) fn events(text: &str) -> Self {
        let text = text.to_owned();
        Self::new(move |_| typed("text/event-stream", text.clone()))
    }

    pub(crate) fn calls(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> Got {
        self.got.lock().unwrap().pop().expect("a call")
    }
}

pub(crate) fn typed(kind: &str, text: impl Into<Pieces>) -> Response<Pieces> {
    let body = text.into();
    let mut response = Response::builder().header("content-type", kind);
    if let Some(length) = body.length {
        response = response.header("content-length", length);
    }
    response.body(body).unwrap()
}

impl<B> Service<Request<OperationBody<B>>> for Server
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Debug,
{
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Pieces>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OperationBody<B>>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let hint = body.size_hint();
            let whole = Box::pin(body).collect().await.unwrap();
            let got = Got {
                parts,
                trailers: whole.trailers().cloned(),
                body: whole.to_bytes(),
                hint,
            };
            let response = (server.answer)(&got);
            server.got.lock().unwrap().push(got);
            Ok(response)
        })
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) broken: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} twice");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap()
    }
}

pub(crate) async fn ask<S, Q, B>(service: S, request: Request<Q>) -> Answer
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: Body<Data = Bytes>,
{
    read(service.oneshot(request).await.unwrap()).await
}

pub(crate) async fn read<B: Body<Data = Bytes>>(response: Response<B>) -> Answer {
    let (parts, body) = response.into_parts();
    let mut body = Box::pin(body);
    let (mut data, mut trailers, mut broken) = (Vec::new(), None, false);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => match frame.into_data() {
                Ok(piece) => data.extend_from_slice(&piece),
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
            Err(_) => {
                broken = true;
                break;
            }
        }
    }
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: data.into(),
        trailers,
        broken,
    }
}
