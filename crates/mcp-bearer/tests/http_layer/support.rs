//! What these tests share: one issuer, a service that reports its caller, events that can be
//! counted.

use std::convert::Infallible;
use std::fmt::Debug;
use std::io::Write;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use mcp_bearer::{
    AccessToken, Algorithm, BearerAuthLayer, BearerAuthProvider, FromExtensions, Rejection,
};
use mcp_bearer_testkit::{Forge, SigningKey, TestClock};
use pin_project_lite::pin_project;
use tower::{Service, ServiceExt};
use tracing::Level;
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// The body of a request that has none.
pub(crate) type NoBody = Empty<Bytes>;

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const RESOURCE: &str = Forge::AUDIENCE;
pub(crate) const METADATA_URL: &str =
    "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

pub(crate) fn key() -> SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::ec_p256().with_kid("key-1"))
        .clone()
}

pub(crate) fn forge() -> Forge {
    Forge::new(&key(), NOW)
}

/// A token that [`layer`] accepts.
pub(crate) fn good() -> Forge {
    forge().scope("mcp:read")
}

pub(crate) fn clock() -> mcp_bearer::Clock {
    mcp_bearer::Clock::new(TestClock::new(NOW).as_fn())
}

pub(crate) fn provider(required_scopes: &[&str]) -> BearerAuthProvider {
    BearerAuthProvider::builder()
        .public_key(key().public_pem())
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Es256])
        .required_scopes(required_scopes.iter().copied())
        .build()
        .unwrap()
        .with_clock(clock())
}

/// A layer that requires `mcp:read`, without a resource.
pub(crate) fn layer() -> BearerAuthLayer {
    BearerAuthLayer::new(provider(&["mcp:read"]))
}

pub(crate) fn with_authorization(value: impl AsRef<[u8]>) -> Request<NoBody> {
    let mut request = Request::new(NoBody::new());
    let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
    request.headers_mut().append(header::AUTHORIZATION, value);
    request
}

pin_project! {
    /// A body that implements nothing else: not `Default`, not `From`, not `Unpin`.
    #[derive(Debug)]
    pub(crate) struct Frames {
        left: Vec<Frame<Bytes>>,
        #[pin]
        not_unpin: PhantomPinned,
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Broken;

impl Frames {
    pub(crate) fn new(left: Vec<Frame<Bytes>>) -> Self {
        Self {
            left,
            not_unpin: PhantomPinned,
        }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let left = self.project().left;
        Poll::Ready((!left.is_empty()).then(|| Ok(left.remove(0))))
    }
}

/// Counts its calls and returns the caller: `subject`, or `anonymous`.
#[derive(Debug, Default)]
pub(crate) struct Inner {
    seen: Arc<Mutex<Vec<http::request::Parts>>>,
    ready: bool,
}

/// The clone of a ready service is not ready.
impl Clone for Inner {
    fn clone(&self) -> Self {
        Self {
            seen: Arc::clone(&self.seen),
            ready: false,
        }
    }
}

impl Inner {
    pub(crate) fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// What the last call got.
    pub(crate) fn last(&self) -> http::request::Parts {
        self.seen.lock().unwrap().last().expect("a call").clone()
    }
}

impl<B> Service<Request<B>> for Inner {
    type Response = Response<Frames>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(self.ready, "called without being polled ready");
        self.ready = false;
        let (parts, _) = request.into_parts();
        let access = AccessToken::from_extensions(&parts.extensions);
        let name = access.map_or("anonymous", |access| access.subject().unwrap_or("nobody"));
        let body = Frames::new(vec![Frame::data(Bytes::from(name.to_owned()))]);
        self.seen.lock().unwrap().push(parts);
        std::future::ready(Ok(Response::new(body)))
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) rejection: Option<Rejection>,
}

impl Answer {
    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        let mut values = self.headers.get_all(&name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} twice");
        value
    }

    pub(crate) fn challenge(&self) -> Option<&str> {
        self.header(header::WWW_AUTHENTICATE)
    }

    pub(crate) fn reason(&self) -> &'static str {
        self.rejection
            .as_ref()
            .expect("a rejection in the extensions")
            .kind()
            .as_str()
    }
}

/// Sends one request to a service, after polling it ready.
pub(crate) async fn ask<S, Q, B>(service: S, request: Request<Q>) -> Answer
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Debug,
    B: Body<Data = Bytes>,
    B::Error: Debug,
{
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    let body = Box::pin(body).collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        rejection: Rejection::from_extensions(&parts.extensions).cloned(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// An event: its level, its target, its fields as they would be printed.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) level: Level,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Event {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Visit for Event {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields
            .push((field.name().to_owned(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields
            .push((field.name().to_owned(), value.to_owned()));
    }
}

/// Every event of this thread, at every level, until it is dropped.
pub(crate) struct Recorder {
    events: Arc<Mutex<Vec<Event>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

struct Record(Arc<Mutex<Vec<Event>>>);

impl Recorder {
    pub(crate) fn start() -> Self {
        let events = Arc::default();
        let subscriber = tracing_subscriber::registry().with(Record(Arc::clone(&events)));
        Self {
            events,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The events of the layer.
    pub(crate) fn denials(&self) -> Vec<Event> {
        let events = self.events.lock().unwrap();
        let ours = events
            .iter()
            .filter(|event| event.target == "mcp_bearer::http");
        ours.cloned().collect()
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Record {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let metadata = event.metadata();
        let mut seen = Event {
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            fields: Vec::new(),
        };
        event.record(&mut seen);
        self.0.lock().unwrap().push(seen);
    }
}

/// A log as text.
#[derive(Clone, Default)]
pub(crate) struct Everything(Arc<Mutex<Vec<u8>>>);

impl Everything {
    /// What was logged at any level since the last call.
    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }

    /// Starts recording, for this thread.
    pub(crate) fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

impl Write for Everything {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Everything {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
