//! Bodies: in pieces, too large, too slow, broken, of another type; and what they delay.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use mcp_bearer::http::OperationBody;
use tower::{Service, ServiceExt};

use crate::support::{Piece, Pieces, Server, ask, call, layer, post, token, with};

const OK: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;

#[tokio::test]
async fn a_body_in_pieces_is_judged_as_one_and_passed_on_whole() {
    let server = Server::json(OK);
    let service = layer().layer(server.clone());
    for size in [1, 2, 3, 10, 1000] {
        let refused = post(
            &token("read"),
            Pieces::cut(call("delete_all").as_bytes(), size),
        );
        assert_eq!(ask(service.clone(), refused).await.status, 403, "{size}");
        let body = call("add");
        let passed = post(&token("read"), Pieces::cut(body.as_bytes(), size));
        assert_eq!(ask(service.clone(), passed).await.status, 200, "{size}");
        let got = server.last();
        assert_eq!(got.body, body.as_bytes());
        assert_eq!(got.hint.exact(), u64::try_from(body.len()).ok());
    }
}

/// With hyper, the end of a body comes only when the connection is polled again.
#[tokio::test]
async fn a_body_that_has_ended_is_not_polled_again() {
    let server = Server::json(OK);
    let body = Pieces::from(call("add"));
    let polled = body.polled.clone();
    let answer = ask(layer().layer(server.clone()), post(&token("read"), body)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(server.last().body, call("add").as_bytes());
    assert_eq!(*polled.lock().unwrap(), 1);
}

#[tokio::test]
async fn trailers_of_a_request_pass() {
    let server = Server::json(OK);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-end", "1".parse().unwrap());
    let body = Pieces::of([
        Piece::Data(call("add").into()),
        Piece::Data(Bytes::new()),
        Piece::Trailers(trailers.clone()),
    ]);
    ask(layer().layer(server.clone()), post(&token("read"), body)).await;
    assert_eq!(server.last().trailers, Some(trailers));
}

fn long(length: usize) -> String {
    let call = call("add");
    let padding = " ".repeat(length - call.len());
    format!("{call}{padding}")
}

#[tokio::test]
async fn a_body_over_4_mib_is_413_with_a_json_rpc_error() {
    let limit = 4 * 1024 * 1024;
    let server = Server::json(OK);
    let service = layer().layer(server.clone());
    let passed = ask(service.clone(), post(&token("read"), long(limit))).await;
    assert_eq!(passed.status, 200);
    for body in [
        Pieces::from(long(limit + 1)),
        Pieces::cut(long(limit + 1).as_bytes(), 100_000),
        // The length alone is enough.
        Pieces {
            pieces: VecDeque::from([Piece::Never]),
            length: Some(u64::MAX),
            ..Pieces::default()
        },
    ] {
        let refused = ask(service.clone(), post(&token("read"), body)).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (413, -32600));
    }
    assert_eq!(server.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_408_after_10_seconds() {
    let service = layer().layer(Server::json(OK));
    let body = Pieces::of([Piece::Data(call("add").into()), Piece::Never]);
    let started = tokio::time::Instant::now();
    let answer = ask(service, post(&token("read"), body)).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (408, -32600));
    let waited = started.elapsed();
    assert!(
        waited >= Duration::from_secs(9) && waited < Duration::from_secs(12),
        "{waited:?}"
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_reaches_nobody() {
    let server = Server::json(OK);
    let body = Pieces::of([Piece::Data(call("add").into()), Piece::Error]);
    let answer = ask(layer().layer(server.clone()), post(&token("read"), body)).await;
    assert_eq!(answer.status, 400);
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_body_of_another_type_or_encoding_is_415() {
    let server = Server::json(OK);
    let service = layer().layer(server.clone());
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-encoding", "br"),
        ("content-type", "application/json"),
    ] {
        let request = with(post(&token("read"), call("add")), name, value);
        let answer = ask(service.clone(), request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (415, -32600),
            "{name}: {value}"
        );
    }
    for kind in [
        "application/json; charset=utf-16",
        "text/plain",
        "application/cbor",
    ] {
        let mut request = post(&token("read"), call("add"));
        request
            .headers_mut()
            .insert("content-type", kind.parse().unwrap());
        assert_eq!(ask(service.clone(), request).await.status, 415, "{kind}");
    }
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_byte_order_mark_is_400() {
    let answer = ask(
        layer().layer(Server::json(OK)),
        post(&token("read"), format!("\u{feff}{}", call("add"))),
    )
    .await;
    assert_eq!((answer.status.as_u16(), answer.code()), (400, -32700));
}

/// 17 bodies of 4 MiB do not fit in 64 MiB; dropping one frees its memory.
#[tokio::test]
async fn all_bodies_together_have_a_limit_and_a_dropped_one_frees_its_memory() {
    let service = layer().layer(Server::json(OK));
    let stuck = || Pieces::of([Piece::Data(long(4 * 1024 * 1024).into()), Piece::Never]);
    let mut waiting = Vec::new();
    for _ in 0..16 {
        let mut future = Box::pin(service.clone().oneshot(post(&token("read"), stuck())));
        assert!(poll(&mut future).is_pending());
        waiting.push(future);
    }
    let larger = || format!("{}{}", call("add"), " ".repeat(8 * 1024));
    let in_pieces = || Pieces::cut(call("add").as_bytes(), 10);
    for body in [call("add").into(), larger().into(), in_pieces()] {
        let refused = ask(service.clone(), post(&token("read"), body)).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (503, -32600));
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    waiting.pop();
    for body in [call("add").into(), larger().into(), in_pieces()] {
        let answer = ask(service.clone(), post(&token("read"), body)).await;
        assert_eq!(answer.status, 200);
    }
    drop(waiting);
    for _ in 0..40 {
        let answer = ask(service.clone(), post(&token("read"), long(4 * 1024 * 1024))).await;
        assert_eq!(answer.status, 200);
    }
}

pub(crate) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(future).poll(&mut cx)
}

/// A service with one place, which is taken when it becomes ready.
#[derive(Clone)]
pub(crate) struct OnePlace {
    pub(crate) places: Arc<tokio::sync::Semaphore>,
    pub(crate) place: Option<Arc<tokio::sync::OwnedSemaphorePermit>>,
}

impl Service<Request<OperationBody<Pieces>>> for OnePlace {
    type Response = Response<Pieces>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.place.is_none() {
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                return Poll::Pending;
            };
            self.place = Some(Arc::new(place));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OperationBody<Pieces>>) -> Self::Future {
        let place = self.place.take();
        assert!(place.is_some(), "called without being ready");
        drop((request, place));
        std::future::ready(Ok(crate::support::typed("application/json", OK)))
    }
}

#[tokio::test]
async fn a_slow_body_holds_no_place_of_the_inner_service() {
    let places = Arc::new(tokio::sync::Semaphore::new(1));
    let mut service = layer().layer(OnePlace {
        places: Arc::clone(&places),
        place: None,
    });
    let mut cx = Context::from_waker(std::task::Waker::noop());
    type Q = Request<Pieces>;
    assert!(Service::<Q>::poll_ready(&mut service, &mut cx).is_ready());
    let body = Pieces::of([Piece::Data(Bytes::from_static(b"{")), Piece::Never]);
    let mut slow = Box::pin(service.call(post(&token("read"), body)));
    assert!(poll(&mut slow).is_pending());
    assert_eq!(places.available_permits(), 1);
    let answer = ask(service.clone(), post(&token("read"), call("add"))).await;
    assert_eq!(answer.status, 200);
    // With the place taken the request waits until it is free.
    let place = places.clone().try_acquire_owned().unwrap();
    let mut waits = Box::pin(service.call(post(&token("read"), call("add"))));
    assert!(poll(&mut waits).is_pending());
    drop(place);
    assert!(poll(&mut waits).is_ready());
}

#[test]
fn without_a_runtime_a_body_is_read_as_well() {
    let service = layer().layer(Server::json(OK));
    let mut future = Box::pin(
        service
            .clone()
            .oneshot(post(&token("read"), call("delete_all"))),
    );
    let Poll::Ready(Ok(response)) = poll(&mut future) else {
        panic!("no answer");
    };
    assert_eq!(response.status(), 403);
    assert!(response.body().size_hint().exact().is_some());
    let body = Pieces::of([Piece::Never]);
    let mut waits = Box::pin(service.oneshot(post(&token("read"), body)));
    assert!(poll(&mut waits).is_pending());
}
