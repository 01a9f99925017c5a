//! 1,000 checks at a time on one HTTP/2 connection.

use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::CheckResponse;
use futures_util::stream;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mcp_bearer::testing::TokenFault;
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::support::{Checked, Question, Stage};

const STREAMS: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_checks_at_once_on_one_connection() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let bearers = Bearers::of(&stage);
    let checks: Vec<_> = (0..STREAMS)
        .map(|index| {
            let question = bearers.question(index);
            let mut client = client.clone();
            tokio::spawn(async move {
                let answer = client.check(question.into_request()).await.unwrap();
                Checked::of(answer.into_inner()).status
            })
        })
        .collect();
    for (index, check) in checks.into_iter().enumerate() {
        assert_eq!(check.await.unwrap(), Bearers::status(index), "{index}");
    }
}

/// Each has begun and has not sent its message yet. The next one on the connection is answered, so
/// the service accepts that many at a time.
#[tokio::test]
async fn a_thousand_streams_are_open_at_once_on_one_connection() {
    let stage = Stage::new().await;
    let stream = TcpStream::connect(stage.address).await.unwrap();
    let connected =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = connected.await.unwrap();
    tokio::spawn(connection);
    let bearers = Bearers::of(&stage);
    let (release, held) = watch::channel(false);
    let mut ask = |index: usize, mut held: watch::Receiver<bool>| {
        let message = framed(bearers.question(index));
        let body = stream::once(async move {
            held.wait_for(|is_free| *is_free).await.unwrap();
            Ok::<_, std::io::Error>(Frame::data(message))
        });
        let request = Request::post("http://authz/envoy.service.auth.v3.Authorization/Check")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(StreamBody::new(Box::pin(body)))
            .unwrap();
        let answered = sender.send_request(request);
        tokio::spawn(async move {
            let body = answered.await.unwrap().into_body().collect().await.unwrap();
            let message = body.to_bytes().split_off(5);
            Checked::of(CheckResponse::decode(message).unwrap()).status
        })
    };
    let checks: Vec<_> = (0..STREAMS).map(|index| ask(index, held.clone())).collect();
    let (_, free) = watch::channel(true);
    assert_eq!(ask(0, free).await.unwrap(), 200);
    assert!(checks.iter().all(|check| !check.is_finished()));
    release.send_replace(true);
    for (index, check) in checks.into_iter().enumerate() {
        assert_eq!(check.await.unwrap(), Bearers::status(index), "{index}");
    }
}

/// A good token and an expired one.
struct Bearers([String; 2]);

impl Bearers {
    fn of(stage: &Stage) -> Self {
        let bad = stage.token().fault(TokenFault::Expired).sign().unwrap();
        Self([stage.bearer(), format!("Bearer {bad}")])
    }

    /// Each fourth has the expired one.
    fn question(&self, index: usize) -> Question {
        Question::post(&self.0[usize::from(index % 4 == 3)])
    }

    fn status(index: usize) -> i32 {
        if index % 4 == 3 { 401 } else { 200 }
    }
}

/// As a message of gRPC: not compressed, its length, itself.
fn framed(question: Question) -> Bytes {
    let message = question.into_request().encode_to_vec();
    let length = u32::try_from(message.len()).unwrap();
    [&[0], &length.to_be_bytes()[..], &message].concat().into()
}
