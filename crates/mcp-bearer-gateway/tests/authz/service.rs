//! Health, reloads, rotation, the age of connections, and the end.

use std::convert::Infallible;
use std::error::Error as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mcp_bearer::testing::TestIssuer;
use prost::Message as _;
use tokio::net::TcpStream;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Question, Stage};

async fn health(stage: &Stage, service: &str) -> i32 {
    let channel = Channel::from_shared(format!("http://{}", stage.address));
    let channel = channel.unwrap().connect().await.unwrap();
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(channel).check(request).await;
    answer.map_or(-1, |answer| answer.into_inner().status)
}

const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;

#[tokio::test]
async fn health_follows_the_keys() {
    let issuer = TestIssuer::start().unwrap();
    issuer.go_down();
    let stage = Stage::of(issuer, "", "").await;
    let started = Instant::now();
    while health(&stage, "envoy.service.auth.v3.Authorization").await != NOT_SERVING {
        assert!(started.elapsed() < Duration::from_secs(10));
    }
    stage.issuer.come_back();
    while health(&stage, "").await != SERVING {
        assert!(started.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(health(&stage, "other").await, -1, "not found");
}

#[tokio::test]
async fn a_rotation_is_followed() {
    let stage = Stage::new().await;
    stage.issuer.rotate().unwrap();
    let started = Instant::now();
    while !stage.check(Question::post(&stage.bearer())).await.passes {
        assert!(started.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_reload_changes_the_decision_on_open_connections() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    let bearer = stage.bearer();
    let status = async |client: &mut _| {
        let client: &mut AuthorizationClient<_> = client;
        let answer = client.check(Question::post(&bearer).into_request()).await;
        answer.unwrap().into_inner().status.unwrap().code
    };
    assert_eq!(status(&mut client).await, 0);
    let stricter = stage.config("required_scopes = [\"mcp:read\"]", "");
    stage.reloader.reload(stricter).await.unwrap();
    assert_ne!(status(&mut client).await, 0);
}

#[tokio::test]
async fn an_old_connection_is_ended_without_losing_a_check() {
    let stage = Stage::with("", "max_connection_age = \"300ms\"").await;
    let connections = Counted::default();
    let endpoint = Channel::from_shared(format!("http://{}", stage.address)).unwrap();
    let channel = endpoint.connect_with_connector(connections.clone()).await;
    // The channel makes a new connection when the old one is ended.
    let client = AuthorizationClient::new(channel.unwrap());
    let mut not_sent = 0;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        let question = Question::post("Bearer a");
        let mut answer = client.clone().check(question.clone().into_request()).await;
        if let Err(error) = &answer {
            assert!(was_not_sent(error), "{error:?}");
            not_sent += 1;
            answer = client.clone().check(question.into_request()).await;
        }
        assert_ne!(answer.unwrap().into_inner().status.unwrap().code, 0);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let made = connections.made.load(Ordering::Relaxed);
    assert!(made >= 4, "{made} connections");
    assert!(not_sent < made, "{not_sent} not sent");
}

/// Whether the connection had ended before the client sent its request. Envoy asks again then, if
/// it is configured as in `deploy/envoy`, and tonic leaves that to its caller.
fn was_not_sent(error: &tonic::Status) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            return error.is_canceled();
        }
        source = cause.source();
    }
    false
}

#[tokio::test]
async fn a_check_in_progress_is_answered_before_its_connection_ends() {
    let stage = Stage::with("", "max_connection_age = \"300ms\"").await;
    let stream = TcpStream::connect(stage.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let message = Question::post("Bearer a").into_request().encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let message = Bytes::from([&[0][..], &length, &message].concat());
    let late = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, Infallible>(Frame::data(message))
    };
    let body = StreamBody::new(Box::pin(futures_util::stream::once(late)));
    let path = "envoy.service.auth.v3.Authorization/Check";
    let request = Request::post(format!("http://{}/{path}", stage.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let answer = answer.into_body().collect().await.unwrap();
    assert_eq!(answer.trailers().unwrap()["grpc-status"], "0");
    let ended = tokio::time::timeout(Duration::from_secs(5), connection).await;
    ended.unwrap().unwrap().unwrap();
}

/// Connects, and counts how often.
#[derive(Clone, Default)]
struct Counted {
    made: Arc<AtomicUsize>,
}

impl tower_service::Service<Uri> for Counted {
    type Response = TokioIo<TcpStream>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        self.made.fetch_add(1, Ordering::Relaxed);
        let address = uri.authority().unwrap().to_string();
        Box::pin(async { Ok(TokioIo::new(TcpStream::connect(address).await?)) })
    }
}

#[tokio::test]
async fn a_denial_is_in_the_audit_log_and_no_token_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let mut stage = Stage::with(
        "",
        &format!("[audit]\nfile = {:?}\ngrants = true\n", file.display()),
    )
    .await;
    let bearer = stage.bearer();
    let question = Question::post(&bearer);
    while stage.check(question.clone()).await.status == 503 {}
    assert_eq!(
        stage.check(Question::post("Bearer nonsense")).await.status,
        401
    );
    stage.stop().await;
    let log = std::fs::read_to_string(&file).unwrap();
    assert!(
        log.contains("\"accepted\"") && log.contains("alice"),
        "{log}"
    );
    assert!(log.contains("malformed"), "{log}");
    assert!(!log.contains(bearer.trim_start_matches("Bearer ")), "{log}");
}
