//! Without keys: the answer comes while the proxy waits for it.

use std::time::{Duration, Instant};

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use mcp_bearer_gateway::{Authz, GatewayDraft};
use tokio::net::TcpListener;
use tonic::transport::Channel;

use crate::support::{Checked, Question, RESOURCE, Stage};

#[tokio::test]
async fn cold_with_the_issuer_down_it_answers_503_within_the_time_of_envoy() {
    let issuer = mcp_bearer::testing::TestIssuer::start().unwrap();
    issuer.go_down();
    let stage = Stage::of(issuer, "", "").await;
    let mut client = stage.client().await;
    for _ in 0..5 {
        let question = Question::post(&stage.bearer()).into_request();
        let started = Instant::now();
        let answer = client.check(question).await.unwrap().into_inner();
        let took = started.elapsed();
        let answer = Checked::of(answer);
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
        assert!(took < Duration::from_millis(200), "{took:?}");
    }
    stage.issuer.come_back();
    let started = Instant::now();
    while !stage.check(Question::post(&stage.bearer())).await.passes {
        assert!(started.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn cold_with_a_silent_issuer_it_answers_503_within_the_time_of_envoy() {
    // It accepts connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "listen = \"127.0.0.1:0\"\nresource = \"{RESOURCE}\"\n\
         [[issuer]]\nissuer = \"{issuer}\"\njwks_uri = \"{issuer}/jwks\"\n"
    );
    let path = folder.path().join("authz.toml");
    std::fs::write(&path, text).unwrap();
    let config = GatewayDraft::read_toml(&path).unwrap().check_authz();
    let authz = Authz::bind(config.unwrap()).await.unwrap();
    let channel = Channel::from_shared(format!("http://{}", authz.address().unwrap()));
    tokio::spawn(authz.run(std::future::pending()));
    let mut client = AuthorizationClient::new(channel.unwrap().connect().await.unwrap());
    let stage = Stage::new().await;
    let token = stage.token().claim("iss", issuer).sign().unwrap();
    let question = Question::post(&format!("Bearer {token}"));
    let started = Instant::now();
    let answer = client.check(question.into_request()).await.unwrap();
    let took = started.elapsed();
    assert_eq!(Checked::of(answer.into_inner()).status, 503);
    assert!(
        (Duration::from_millis(140)..Duration::from_millis(200)).contains(&took),
        "{took:?}"
    );
}
