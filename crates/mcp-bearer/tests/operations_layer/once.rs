//! `OperationsService::call_once` answers as the service does, and clones and waits less.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::task::AtomicWaker;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use mcp_bearer::http::{FromExtensions as _, Guard, OperationBody};
use mcp_bearer::keys::{
    KeySet, KeySource, KeyStatus, Miss, Refreshed, Snapshot, StaticKeys, VerifyingKey,
};
use mcp_bearer::operation::OperationRules;
use mcp_bearer::{AccessToken, Algorithm, BearerAuthLayer, BearerAuthProvider, Clock};
use mcp_bearer_testkit::{Forge, TestClock};
use tower::{Service, ServiceExt as _};

use crate::bodies::{OnePlace, poll};
use crate::support::{
    NOW, Piece, Pieces, Server, ask, auth, call, key, layer, post, read, token, typed, with,
};

const OK: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

fn long() -> String {
    format!("{}{}", call("add"), " ".repeat(4 * 1024 * 1024))
}

fn pieces(text: &str) -> Pieces {
    let mut all = Pieces::cut(text.as_bytes(), 10).pieces;
    all.insert(1, Piece::Later);
    all.push_back(Piece::Later);
    Pieces::of(all)
}

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-trailer", "1".parse().unwrap());
    trailers
}

type Make = Box<dyn Fn() -> Request<Pieces>>;

/// Requests that are passed on, refused, and answered, each made anew.
fn requests() -> Vec<(&'static str, Make)> {
    let reader = || token("read");
    let get = move || {
        let mut request = with(post(&reader(), ""), "accept", "text/event-stream");
        *request.method_mut() = http::Method::GET;
        request
    };
    let broken = || Pieces::of([Piece::Data(Bytes::from_static(b"{")), Piece::Error]);
    let with_trailers = || {
        let data = Piece::Data(call("add").into());
        Pieces::of([data, Piece::Later, Piece::Trailers(trailers())])
    };
    vec![
        ("a call", Box::new(move || post(&reader(), call("add")))),
        (
            "in pieces",
            Box::new(move || post(&reader(), pieces(&call("add")))),
        ),
        (
            "with trailers",
            Box::new(move || post(&reader(), with_trailers())),
        ),
        (
            "a forbidden call",
            Box::new(move || post(&reader(), call("delete_all"))),
        ),
        (
            "a forbidden call in pieces",
            Box::new(move || post(&reader(), pieces(&call("delete_all")))),
        ),
        (
            "a hidden call",
            Box::new(move || post(&reader(), call("secret_key"))),
        ),
        ("no JSON", Box::new(move || post(&reader(), "nonsense"))),
        ("nothing", Box::new(move || post(&reader(), ""))),
        ("too long", Box::new(move || post(&reader(), long()))),
        (
            "too long in pieces",
            Box::new(move || post(&reader(), Pieces::cut(long().as_bytes(), 1024 * 1024))),
        ),
        ("it breaks off", Box::new(move || post(&reader(), broken()))),
        (
            "another type",
            Box::new(move || {
                let mut request = post(&reader(), call("add"));
                request
                    .headers_mut()
                    .insert("content-type", "text/plain".parse().unwrap());
                request
            }),
        ),
        (
            "no token",
            Box::new(|| {
                let mut request = post("", call("add"));
                request.headers_mut().remove("authorization");
                request
            }),
        ),
        ("a bad token", Box::new(|| post("a.b.c", call("add")))),
        (
            "too few scopes",
            Box::new(|| post(&token("other"), call("add"))),
        ),
        ("a stream", Box::new(get)),
        (
            "another's session",
            Box::new(move || with(post(&reader(), call("add")), "mcp-session-id", "stolen")),
        ),
    ]
}

#[tokio::test]
async fn every_request_is_answered_as_by_the_service() {
    for (name, request) in requests() {
        let (one, other) = (Server::json(OK), Server::json(OK));
        let expected = ask(layer().layer(one.clone()), request()).await;
        let answer = layer().layer(other.clone()).call_once(request());
        let answer = read(answer.await.unwrap()).await;
        let seen = (answer.status, &answer.headers, &answer.body);
        let wanted = (expected.status, &expected.headers, &expected.body);
        assert_eq!(seen, wanted, "{name}");
        assert_eq!(other.calls(), one.calls(), "{name}");
        if one.calls() == 1 {
            let (mut got, mut wanted) = (other.last(), one.last());
            // Two signatures of one token differ.
            for parts in [&mut got.parts, &mut wanted.parts] {
                assert!(parts.headers.remove("authorization").is_some(), "{name}");
            }
            assert_eq!(got.body, wanted.body, "{name}");
            assert_eq!(got.trailers, wanted.trailers, "{name}");
            assert_eq!(got.parts.headers, wanted.parts.headers, "{name}");
        }
    }
}

#[tokio::test]
async fn it_waits_until_the_inner_service_is_ready() {
    let places = Arc::new(tokio::sync::Semaphore::new(1));
    let service = layer().layer(OnePlace {
        places: Arc::clone(&places),
        place: None,
    });
    let place = Arc::clone(&places).try_acquire_owned().unwrap();
    let whole = || post(&token("read"), call("add"));
    let stream = || {
        let mut request = post(&token("read"), "");
        *request.method_mut() = http::Method::GET;
        request
    };
    let waiting = [whole(), stream()].map(|request| service.clone().call_once(request));
    let mut waiting = waiting.map(Box::pin);
    for waits in &mut waiting {
        assert!(poll(waits).is_pending());
    }
    drop(place);
    for waits in &mut waiting {
        assert!(poll(waits).is_ready());
    }
}

#[tokio::test]
async fn a_body_that_has_arrived_needs_no_place_to_wait_in() {
    let begin = |body: Pieces| {
        let once = layer().layer(Server::json(OK));
        format!("{:?}", once.call_once(post(&token("read"), body)))
    };
    let has_arrived = begin(call("add").into());
    assert_eq!(has_arrived, r#"OperationsFuture("inner")"#);
    let is_coming = begin(pieces(&call("add")));
    assert_eq!(is_coming, r#"OperationsFuture("reading")"#);
}

/// A body that another task sends.
struct Channel(tokio::sync::mpsc::Receiver<Bytes>);

impl Body for Channel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.0.poll_recv(cx);
        data.map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

/// A server that is ready only once it was opened.
#[derive(Clone, Default)]
struct Gate(Arc<(AtomicBool, AtomicWaker)>);

impl Gate {
    fn open(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.0.1.wake();
    }
}

impl<B> Service<Request<OperationBody<B>>> for Gate {
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.1.register(cx.waker());
        if self.0.0.load(Ordering::SeqCst) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn call(&mut self, _: Request<OperationBody<B>>) -> Self::Future {
        assert!(
            self.0.0.load(Ordering::SeqCst),
            "called without being ready"
        );
        ready(Ok(typed("application/json", OK)))
    }
}

/// Nothing that was asked before the first poll is left without a waker.
#[tokio::test]
async fn whatever_was_not_ready_at_once_wakes_the_request() {
    let gates = [Gate::default(), Gate::default()];
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let request = post(&token("read"), "").map(|_| Channel(receive));
    let slow = tokio::spawn(layer().layer(gates[0].clone()).call_once(request));
    // This one asks whether the server is ready before it is polled.
    let whole = post(&token("read"), call("add"));
    let whole = tokio::spawn(layer().layer(gates[1].clone()).call_once(whole));
    tokio::task::yield_now().await;
    send.send(call("add").into()).await.unwrap();
    tokio::task::yield_now().await;
    drop(send);
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
    assert!(!slow.is_finished() && !whole.is_finished());
    gates.iter().for_each(Gate::open);
    for answer in [status(slow).await, status(whole).await] {
        assert_eq!(answer, 200);
    }
}

async fn status<B: Send + 'static>(
    answer: tokio::task::JoinHandle<Result<Response<B>, Infallible>>,
) -> u16 {
    let answer = tokio::time::timeout(Duration::from_secs(5), answer).await;
    let answer = answer.expect("it was woken").unwrap().unwrap();
    answer.status().as_u16()
}

/// It fails when it is asked whether it is ready.
#[derive(Clone)]
struct Failing;

#[derive(Debug, PartialEq, Eq)]
struct Failed;

impl Service<Request<OperationBody<Pieces>>> for Failing {
    type Response = Response<Pieces>;
    type Error = Failed;
    type Future = Ready<Result<Self::Response, Failed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Err(Failed))
    }

    fn call(&mut self, _: Request<OperationBody<Pieces>>) -> Self::Future {
        panic!("called although it failed");
    }
}

#[tokio::test]
async fn an_inner_service_that_fails_is_not_called() {
    let service = layer().layer(Failing);
    let mut stream = post(&token("read"), "");
    *stream.method_mut() = http::Method::GET;
    let whole = post(&token("read"), call("add"));
    let in_pieces = post(&token("read"), pieces(&call("add")));
    for request in [whole, in_pieces, stream] {
        let failed = service.clone().oneshot(request).await.err();
        assert_eq!(failed, Some(Failed));
    }
}

/// Keys that come at the first question.
struct Late(Mutex<Arc<KeySet>>);

impl KeySource for Late {
    fn snapshot(&self) -> Snapshot {
        Snapshot::new(Arc::clone(&self.0.lock().unwrap()), 0)
    }

    fn refresh(&self, _: Miss) -> BoxFuture<'_, Refreshed> {
        let keys = KeySet::single(VerifyingKey::from_pem(&key().public_pem()).unwrap());
        *self.0.lock().unwrap() = Arc::new(keys);
        Box::pin(ready(Refreshed::NewKeys))
    }

    fn status(&self) -> KeyStatus {
        StaticKeys::new(KeySet::unavailable("", Duration::ZERO)).status()
    }
}

#[tokio::test]
async fn after_new_keys_it_also_waits_until_the_inner_service_is_ready() {
    let none = KeySet::unavailable("not fetched", Duration::from_secs(3));
    let late: Arc<dyn KeySource> = Arc::new(Late(Mutex::new(Arc::new(none))));
    let provider = BearerAuthProvider::builder()
        .key_source(late)
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Es256])
        .build()
        .unwrap()
        .with_clock(Clock::new(TestClock::new(NOW).as_fn()));
    let auth = BearerAuthLayer::new(provider);
    let gate = Gate::default();
    let service = auth.operations(OperationRules::none()).layer(gate.clone());
    let mut once = Box::pin(service.call_once(post(&token("read"), call("add"))));
    for _ in 0..20 {
        assert!(poll(&mut once).is_pending());
    }
    gate.open();
    match poll(&mut once) {
        Poll::Ready(Ok(answer)) => assert_eq!(answer.status(), 200),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("it waits for nothing"),
    }
}

/// Large bodies stay counted until the inner service has them, and small ones are counted when
/// their requests wait for it.
#[tokio::test]
async fn bodies_whose_requests_wait_are_counted() {
    let gate = Gate::default();
    let service = layer().layer(gate.clone());
    let spaces = |length: usize| {
        let call = call("add");
        format!("{call}{}", " ".repeat(length - call.len()))
    };
    let begin = |body: String| Box::pin(service.clone().call_once(post(&token("read"), body)));
    let mut waiting: Vec<_> = (0..15).map(|_| begin(spaces(4 * 1024 * 1024))).collect();
    for _ in 0..512 {
        waiting.push(begin(spaces(8 * 1024)));
    }
    for waits in &mut waiting {
        assert!(poll(waits).is_pending());
    }
    for body in [spaces(8 * 1024), call("add")] {
        let refused = read(begin(body).await.unwrap()).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (503, -32600));
    }
    gate.open();
    assert_eq!(begin(spaces(8 * 1024)).await.unwrap().status(), 200);
    assert_eq!(begin(spaces(8 * 1024 + 1)).await.unwrap().status(), 503);
    waiting.pop();
    waiting.pop();
    assert_eq!(begin(spaces(8 * 1024 + 1)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_proxy_gets_the_token_and_no_guard() {
    let no_rules = || auth(&["read"]).operations(OperationRules::none());
    let whole = no_rules().read_bodies_whole();
    for (layer, has_guard) in [(whole.clone(), true), (whole.before_proxy(), false)] {
        let server = Server::json(OK);
        let request = post(&token("read"), call("add"));
        let answer = layer
            .layer(server.clone())
            .call_once(request)
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let got = server.last().parts;
        assert_eq!(Guard::from_extensions(&got.extensions).is_some(), has_guard);
        assert!(AccessToken::from_extensions(&got.extensions).is_some());
        let authorization = got.headers.get("authorization").unwrap();
        assert_eq!(authorization.is_sensitive(), has_guard);
    }
}
