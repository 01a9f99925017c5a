//! What passes through the layer: requests with their token, preflights without, bodies as they
//! come.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION};
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use mcp_bearer::http::{AnswerBody, Guard, ResponseFuture};
use mcp_bearer::http::{BearerAuthService, BearerBody};
use mcp_bearer::{AccessToken, BearerAuthLayer, FromExtensions};
use mcp_bearer_testkit::Forge;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{
    Broken, Frames, Inner, NoBody, ask, good, layer, provider, with_authorization,
};

#[tokio::test]
async fn the_access_token_is_the_layers_and_nobody_elses() {
    let forged = BearerAuthLayer::new(provider(&[]));
    let other = good().subject("mallory").token();
    let mallory = forged.provider().verify_token(&other).await.unwrap();

    let inner = Inner::default();
    let mut request = with_authorization(good().authorization());
    request.extensions_mut().insert(mallory.clone());
    request.extensions_mut().insert("kept");
    let answer = ask(layer().layer(inner.clone()), request).await;
    assert_eq!(answer.body, Forge::SUBJECT);
    let seen = inner.last();
    assert_eq!(seen.extensions.get::<&str>(), Some(&"kept"));
    let guard = Guard::from_extensions(&seen.extensions).expect("the guard");
    assert_eq!(guard.provider().required_scopes().as_str(), "mcp:read");

    // Not even if no token is required.
    let mut request = preflight();
    request.extensions_mut().insert(mallory);
    request.extensions_mut().insert(forged.guard().clone());
    let answer = ask(layer().layer(inner.clone()), request).await;
    assert_eq!(answer.body, "anonymous");
    let seen = inner.last();
    let guard = Guard::from_extensions(&seen.extensions).expect("the guard");
    assert_eq!(guard.provider().required_scopes().as_str(), "mcp:read");
}

fn preflight() -> Request<NoBody> {
    let mut request = Request::new(NoBody::new());
    *request.method_mut() = Method::OPTIONS;
    let headers = request.headers_mut();
    headers.insert(ACCESS_CONTROL_REQUEST_METHOD, "POST".parse().unwrap());
    headers.insert("origin", "https://app.example.com".parse().unwrap());
    request
}

#[tokio::test]
async fn the_header_stays_and_is_marked_as_sensitive() {
    let inner = Inner::default();
    let value = good().authorization();
    ask(layer().layer(inner.clone()), with_authorization(&value)).await;
    let seen = inner.last();
    assert_eq!(seen.headers[AUTHORIZATION], value);
    assert!(seen.headers[AUTHORIZATION].is_sensitive());
    assert!(!format!("{seen:?}").contains(&value));
}

#[tokio::test]
async fn an_inner_layer_decides_for_itself() {
    let inner = Inner::default();
    let strict = BearerAuthLayer::new(provider(&["mcp:admin"]));
    let service = layer().layer(strict.layer(inner.clone()));
    let answer = ask(service.clone(), with_authorization(good().authorization())).await;
    assert_eq!(answer.status, 403);
    let request = with_authorization(good().scope("mcp:read mcp:admin").authorization());
    assert_eq!(ask(service, request).await.status, 200);
    assert_eq!(inner.calls(), 1);
}

/// Frame by frame, when it is asked for, trailers and errors included.
#[tokio::test]
async fn a_body_streams() {
    struct Slow(u8);
    impl Body for Slow {
        type Data = Bytes;
        type Error = Broken;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
            self.0 += 1;
            match self.0 {
                1 => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"one"))))),
                2 => Poll::Pending,
                3 => Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new())))),
                4 => Poll::Ready(Some(Err(Broken))),
                _ => Poll::Ready(None),
            }
        }
        fn is_end_stream(&self) -> bool {
            self.0 >= 4
        }
        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(42)
        }
    }
    let slow = |_| async { Ok::<_, Infallible>(Response::new(Slow(0))) };
    let service = layer().layer(service_fn(slow));
    let request = with_authorization(good().authorization());
    let mut body = Box::pin(service.clone().oneshot(request).await.unwrap().into_body());
    let cx = &mut Context::from_waker(Waker::noop());
    assert_eq!(body.size_hint().exact(), Some(42));
    let frame = |poll: Poll<Option<Result<Frame<Bytes>, Broken>>>| match poll {
        Poll::Pending => None,
        Poll::Ready(frame) => Some(frame),
    };
    let one = frame(body.as_mut().poll_frame(cx))
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(one.into_data().unwrap(), "one");
    assert!(body.as_mut().poll_frame(cx).is_pending());
    let three = frame(body.as_mut().poll_frame(cx))
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(three.is_trailers());
    assert!(!body.is_end_stream());
    let four = frame(body.as_mut().poll_frame(cx)).unwrap().unwrap();
    assert_eq!(four.unwrap_err(), Broken);
    assert!(body.is_end_stream());

    // The body of a denial: known length, one frame, the end.
    let request = with_authorization("Bearer a.b.c");
    let mut body = Box::pin(service.oneshot(request).await.unwrap().into_body());
    let length = body.size_hint().exact().unwrap();
    let whole = frame(body.as_mut().poll_frame(cx))
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(
        whole.into_data().unwrap().len(),
        usize::try_from(length).unwrap()
    );
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(frame(body.as_mut().poll_frame(cx)).unwrap().is_none());
}

#[tokio::test]
async fn the_error_is_the_inner_services() {
    let fail = |_: Request<NoBody>| async { Err::<Response<Frames>, _>(Broken) };
    let service = layer().layer(service_fn(fail));
    let request = with_authorization(good().authorization());
    assert_eq!(service.clone().oneshot(request).await.unwrap_err(), Broken);
    assert!(
        service.oneshot(Request::new(NoBody::new())).await.is_ok(),
        "a denial is a response"
    );
}

#[tokio::test]
async fn it_is_a_tower_layer() {
    let service = Layer::layer(&layer(), Inner::default());
    assert_eq!(service.get_ref().calls(), 0);
    assert_eq!(ask(service, Request::new(NoBody::new())).await.status, 401);
    let built = tower::ServiceBuilder::new()
        .layer(layer())
        .service(Inner::default());
    assert_eq!(ask(built, Request::new(NoBody::new())).await.status, 401);
}

#[test]
fn a_future_that_has_answered_stays_silent() {
    let mut service = layer().layer(Inner::default());
    let cx = &mut Context::from_waker(Waker::noop());
    let _ = Service::<Request<NoBody>>::poll_ready(&mut service, cx);
    let mut future = Box::pin(service.call(Request::new(NoBody::new())));
    assert!(format!("{future:?}").contains("denied"));
    assert!(future.as_mut().poll(cx).is_ready());
    assert!(future.as_mut().poll(cx).is_pending());
}

/// What the types guarantee, checked by the compiler.
#[test]
fn send_and_clone() {
    fn is_send<T: Send>() {}
    fn is_everything<T: Clone + Send + Sync + 'static>() {}
    fn is_service<S, B>()
    where
        S: Service<Request<B>, Response = Response<BearerBody<Frames>>, Error = Infallible>,
    {
    }
    /// Neither `Clone` nor `Default`, and not even `Send`.
    struct AnyBody(PhantomData<Rc<()>>);
    impl Body for AnyBody {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(None)
        }
    }
    is_everything::<BearerAuthLayer>();
    is_everything::<BearerAuthLayer<mcp_bearer::http::Resource>>();
    is_everything::<BearerAuthService<Inner>>();
    is_everything::<mcp_bearer::http::MetadataService>();
    is_everything::<AccessToken>();
    is_everything::<Guard>();
    is_send::<BearerBody<Frames>>();
    is_send::<AnswerBody>();
    is_send::<ResponseFuture<Inner, Frames>>();
    is_service::<BearerAuthService<Inner>, Frames>();
    is_service::<BearerAuthService<Inner>, AnyBody>();
    let _ = AnyBody(PhantomData);
}
