//! `OperationsService::call_once` answers as the service does, and clones and waits less.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use mcp_bearer::AccessToken;
use mcp_bearer::http::{FromExtensions as _, Guard, OperationBody};
use mcp_bearer::operation::OperationRules;
use tower::Service;

use crate::bodies::{OnePlace, poll};
use crate::support::{
    Piece, Pieces, Server, ask, auth, call, layer, post, read, token, typed, with,
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

/// Requests that are passed on, refused, and answered, each made anew.
fn requests() -> Vec<(&'static str, Box<dyn Fn() -> Request<Pieces>>)> {
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

/// It never becomes ready, or refuses to be.
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
        ready(Ok(typed("application/json", OK)))
    }
}

#[test]
fn an_inner_service_that_fails_is_not_called() {
    let service = layer().layer(Failing);
    for body in [call("add").into(), pieces(&call("add"))] {
        let mut once = Box::pin(service.clone().call_once(post(&token("read"), body)));
        let mut answer = poll(&mut once);
        for _ in 0..20 {
            if answer.is_ready() {
                break;
            }
            answer = poll(&mut once);
        }
        let Poll::Ready(Err(Failed)) = answer else {
            panic!("it was called");
        };
    }
}

#[tokio::test]
async fn a_proxy_gets_the_token_and_no_guard() {
    let no_rules = || auth(&["read"]).operations(OperationRules::default());
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
