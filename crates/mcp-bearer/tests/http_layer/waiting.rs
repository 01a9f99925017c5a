//! Requests that wait for newer keys.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use http::Request;
use mcp_bearer::keys::{KeySet, VerifyingKey};
use mcp_bearer::keys::{KeySource, KeyStatus, Miss, Refreshed, Snapshot, StaticKeys};
use mcp_bearer::{Algorithm, BearerAuthLayer, BearerAuthProvider};
use mcp_bearer_testkit::Forge;
use tokio::sync::Notify;
use tower::Service;
use tracing::Level;

use crate::support::{Inner, NoBody, Recorder, ask, clock, forge, good, key, with_authorization};

/// Keys that arrive when the test releases them.
struct Late {
    set: Mutex<Arc<KeySet>>,
    next: Option<KeySet>,
    arrive: Notify,
    asked: AtomicUsize,
}

impl Late {
    fn new(next: Option<KeySet>) -> Arc<Self> {
        let none = KeySet::unavailable("not fetched", Duration::from_secs(3));
        Arc::new(Self {
            set: Mutex::new(Arc::new(none)),
            next,
            arrive: Notify::new(),
            asked: AtomicUsize::new(0),
        })
    }

    fn layer(self: &Arc<Self>) -> BearerAuthLayer {
        let source: Arc<dyn KeySource> = self.clone();
        let provider = BearerAuthProvider::builder()
            .key_source(source)
            .issuer(Forge::ISSUER)
            .audience(Forge::AUDIENCE)
            .algorithms([Algorithm::Es256])
            .required_scopes(["mcp:read"]);
        BearerAuthLayer::new(provider.build().unwrap().with_clock(clock()))
    }
}

impl KeySource for Late {
    fn snapshot(&self) -> Snapshot {
        Snapshot::new(Arc::clone(&self.set.lock().unwrap()), 0)
    }

    fn refresh(&self, _: Miss) -> BoxFuture<'_, Refreshed> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        async {
            self.arrive.notified().await;
            match &self.next {
                Some(next) => {
                    *self.set.lock().unwrap() = Arc::new(next.clone());
                    Refreshed::NewKeys
                }
                None => Refreshed::Unchanged,
            }
        }
        .boxed()
    }

    fn status(&self) -> KeyStatus {
        StaticKeys::new(KeySet::unavailable("", Duration::ZERO)).status()
    }
}

fn good_keys() -> KeySet {
    KeySet::single(VerifyingKey::from_pem(&key().public_pem()).unwrap())
}

#[tokio::test]
async fn a_request_waits_for_keys_and_is_let_in() {
    let late = Late::new(Some(good_keys()));
    let inner = Inner::default();
    let mut service = late.layer().layer(inner.clone());
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(Service::<Request<NoBody>>::poll_ready(&mut service, cx).is_ready());
    let mut future = Box::pin(service.call(with_authorization(good().authorization())));
    assert!(format!("{future:?}").contains("waiting"));
    assert!(future.as_mut().poll(cx).is_pending());
    assert_eq!(inner.calls(), 0);
    late.arrive.notify_one();
    // The instance that was polled ready gets the call: `Inner` panics otherwise.
    assert_eq!(future.await.unwrap().status(), 200);
    assert_eq!(inner.calls(), 1);
    let seen = inner.last();
    assert!(seen.headers["authorization"].is_sensitive());
    assert!(seen.extensions.get::<mcp_bearer::AccessToken>().is_some());
    // The service can be used again.
    let again = ask(service, with_authorization(good().authorization())).await;
    assert_eq!(
        (again.status.as_u16(), late.asked.load(Ordering::Relaxed)),
        (200, 1)
    );
}

#[tokio::test]
async fn a_request_that_waited_in_vain_is_denied_once() {
    for (next, token, status, reason, level) in [
        (None, good(), 503, "keys_unavailable", Level::WARN),
        (
            Some(good_keys()),
            forge(),
            403,
            "insufficient_scope",
            Level::INFO,
        ),
        (
            Some(good_keys()),
            good().flip_signature_bit(1),
            401,
            "bad_signature",
            Level::INFO,
        ),
    ] {
        let late = Late::new(next);
        late.arrive.notify_one();
        let inner = Inner::default();
        let recorder = Recorder::start();
        let request = with_authorization(token.authorization());
        let answer = ask(late.layer().layer(inner.clone()), request).await;
        assert_eq!((answer.status.as_u16(), answer.reason()), (status, reason));
        assert_eq!(inner.calls(), 0);
        let events = recorder.denials();
        assert_eq!(events.len(), 1);
        assert_eq!(
            (events[0].level, events[0].field("reason")),
            (level, Some(reason))
        );
    }
}

#[tokio::test]
async fn a_request_that_leaves_is_not_answered_or_logged() {
    let late = Late::new(Some(good_keys()));
    let inner = Inner::default();
    let recorder = Recorder::start();
    let mut service = late.layer().layer(inner.clone());
    let cx = &mut Context::from_waker(Waker::noop());
    let _ = Service::<Request<NoBody>>::poll_ready(&mut service, cx);
    let mut future = Box::pin(service.call(with_authorization(good().authorization())));
    assert!(future.as_mut().poll(cx).is_pending());
    drop(future);
    assert_eq!((inner.calls(), recorder.denials().len()), (0, 0));
}

/// The same with a real JWKS, fetched over HTTP.
#[cfg(feature = "remote")]
#[tokio::test]
async fn keys_over_http() {
    let server = mcp_bearer_testkit::JwksServer::start();
    server.set_keys(vec![key().jwk()]);
    let provider = BearerAuthProvider::builder()
        .jwks_uri(server.url())
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Es256])
        .build()
        .unwrap()
        .with_clock(clock());
    let auth = BearerAuthLayer::new(provider);
    for _ in 0..3 {
        let request = with_authorization(good().authorization());
        let answer = ask(auth.layer(Inner::default()), request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(server.total_hits(), 1);
}
