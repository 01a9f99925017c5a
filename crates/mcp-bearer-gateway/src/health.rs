//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, Request, StatusCode};
use mcp_bearer::BearerAuthProvider;
use mcp_bearer::keys::{KeyPhase, KeyStatus};
use tokio::net::TcpListener;

use crate::observers::Observers;
use crate::own_server::{self, Answer, CurrentProvider, answer, method_not_allowed, text};

/// What the probes look at.
pub(crate) struct HealthState {
    observers: Arc<Observers>,
    provider: CurrentProvider,
    draining: AtomicBool,
    fetching: AtomicBool,
}

impl HealthState {
    pub(crate) fn new(observers: Arc<Observers>, provider: CurrentProvider) -> Self {
        Self {
            observers,
            provider,
            draining: AtomicBool::new(false),
            fetching: AtomicBool::new(false),
        }
    }

    /// From now on the gateway is not ready.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn answer<B>(self: &Arc<Self>, request: &Request<B>) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return method_not_allowed("GET, HEAD");
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(),
            "/metrics" => {
                let metrics = self.observers.render(&(self.provider)());
                answer(
                    StatusCode::OK,
                    "text/plain; version=0.0.4; charset=utf-8",
                    metrics,
                )
            }
            _ => text(StatusCode::NOT_FOUND, "not found\n"),
        }
    }

    fn ready(self: &Arc<Self>) -> Answer {
        if self.draining.load(Ordering::Relaxed) {
            return text(StatusCode::SERVICE_UNAVAILABLE, "draining\n");
        }
        let provider = (self.provider)();
        if provider.key_status().iter().any(is_usable) {
            return text(StatusCode::OK, "ok\n");
        }
        self.fetch(provider);
        text(
            StatusCode::SERVICE_UNAVAILABLE,
            "no issuer has usable keys\n",
        )
    }

    /// Requests cause fetches, and a gateway that is not ready gets none: so the probe causes them.
    fn fetch(self: &Arc<Self>, provider: BearerAuthProvider) {
        if self.fetching.swap(true, Ordering::Relaxed) {
            return;
        }
        let state = Arc::clone(self);
        tokio::spawn(async move {
            provider.warm_up().await;
            state.fetching.store(false, Ordering::Relaxed);
        });
    }
}

impl std::fmt::Debug for HealthState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthState").finish_non_exhaustive()
    }
}

/// Whether tokens can be verified with these keys.
pub(crate) fn is_usable(status: &KeyStatus) -> bool {
    let held = matches!(status.phase, KeyPhase::Fresh | KeyPhase::Aging);
    held && !status.snapshot.set.is_empty()
}

/// Serves the probes until `shutdown` ends.
pub(crate) async fn serve(
    listener: TcpListener,
    state: Arc<HealthState>,
    shutdown: impl Future<Output = ()>,
) {
    let answer = move |request, _| {
        let answer = state.answer(&request);
        async { answer }
    };
    own_server::serve(listener, answer, shutdown).await;
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use http_body_util::BodyExt;
    use mcp_bearer::testing::TestIssuer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::metrics::Metrics;

    const AUDIENCE: &str = "https://mcp.example.com/mcp";

    fn state(issuers: &[&TestIssuer]) -> Arc<HealthState> {
        let providers = issuers.iter().map(|issuer| {
            let builder = BearerAuthProvider::builder().jwks_uri(issuer.jwks_uri());
            builder.issuer(issuer.url()).audience(AUDIENCE)
        });
        let provider = BearerAuthProvider::for_issuers(providers).unwrap();
        let observers = Arc::new(Observers::new(Metrics::new().unwrap(), None));
        Arc::new(HealthState::new(
            observers,
            Arc::new(move || provider.clone()),
        ))
    }

    fn status(state: &Arc<HealthState>, method: Method, path: &str) -> u16 {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(())
            .unwrap();
        state.answer(&request).status().as_u16()
    }

    async fn body(answer: Answer) -> String {
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    async fn becomes_ready(state: &Arc<HealthState>) {
        let started = Instant::now();
        while status(state, Method::GET, "/readyz") != 200 {
            assert!(started.elapsed() < Duration::from_secs(10), "never ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn it_is_ready_once_one_of_two_issuers_answers_without_any_request() {
        let (up, down) = (TestIssuer::start().unwrap(), TestIssuer::start().unwrap());
        up.go_down();
        down.go_down();
        let state = state(&[&up, &down]);
        assert_eq!(status(&state, Method::GET, "/readyz"), 503);
        assert_eq!(status(&state, Method::GET, "/healthz"), 200);
        up.come_back();
        becomes_ready(&state).await;

        // The keys serve on while the issuer is down.
        up.go_down();
        assert_eq!(status(&state, Method::GET, "/readyz"), 200);
        state.drain();
        assert_eq!(status(&state, Method::GET, "/readyz"), 503);
        assert_eq!(status(&state, Method::GET, "/healthz"), 200);
    }

    #[tokio::test]
    async fn only_the_three_paths_and_only_reading() {
        let issuer = TestIssuer::start().unwrap();
        let state = state(&[&issuer]);
        for (method, path, expected) in [
            (Method::GET, "/metrics", 200),
            (Method::HEAD, "/healthz", 200),
            (Method::POST, "/healthz", 405),
            (Method::DELETE, "/metrics", 405),
            (Method::GET, "/", 404),
            (Method::GET, "/keys", 404),
            (Method::GET, "/healthz/", 404),
        ] {
            assert_eq!(
                status(&state, method.clone(), path),
                expected,
                "{method} {path}"
            );
        }
        let request = Request::builder().uri("/metrics").body(()).unwrap();
        let answer = state.answer(&request);
        assert_eq!(
            answer.headers()["content-type"],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        assert!(
            body(answer)
                .await
                .contains("mcp_bearer_gateway_key_set_usable")
        );
    }

    #[tokio::test]
    async fn it_serves_on_a_socket_until_the_end() {
        let issuer = TestIssuer::start().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, state(&[&issuer]), async {
            let _ = ended.await;
        }));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200 OK") && text.ends_with("ok\n"),
            "{text}"
        );

        // A connection that says nothing does not delay the end for long.
        let _silent = TcpStream::connect(address).await.unwrap();
        end.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(5), server)
            .await
            .unwrap()
            .unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
