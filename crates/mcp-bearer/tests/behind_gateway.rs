//! The example `behind_gateway`, run: it accepts a gateway's assertion with its body, and refuses
//! the same assertion with another one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

#[allow(dead_code, reason = "its main is not run")]
#[path = "../examples/behind_gateway.rs"]
mod example;

use aws_lc_rs::digest;
use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use mcp_bearer::{AccessToken, Algorithm, SigningKey, TokenRequest};
use mcp_bearer_testkit::JwksServer;
use tower::ServiceExt;

const GATEWAY: &str = "https://mcp.example.com";
const SERVER: &str = "http://127.0.0.1:9000/mcp";

struct Gateway {
    key: SigningKey,
    published: JwksServer,
}

impl Gateway {
    fn new() -> Self {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let published = JwksServer::start();
        let jwk = serde_json::to_value(key.public_jwk(None).unwrap()).unwrap();
        published.set_keys(vec![jwk]);
        Self { key, published }
    }

    fn app(&self) -> Router {
        let provider = example::provider(&self.published.url(), GATEWAY, SERVER);
        example::app(provider.unwrap())
    }

    /// An assertion for this body, as the gateway makes it.
    fn assertion(&self, body: &str) -> TokenRequest {
        let hash = digest::digest(&digest::SHA256, body.as_bytes());
        TokenRequest::new()
            .token_type("at+jwt")
            .issuer(GATEWAY)
            .audience(SERVER)
            .subject("https://idp.example.com/|alice")
            .expires_in_seconds(60)
            .claim(AccessToken::BODY_HASH_CLAIM, URL_SAFE_NO_PAD.encode(hash))
    }

    async fn send(&self, app: &Router, request: &TokenRequest, body: &str) -> (StatusCode, String) {
        let assertion = self.key.create_token(request).unwrap();
        let request = Request::post("/mcp")
            .header("host", "127.0.0.1:9000")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("authorization", format!("Bearer {assertion}"))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "whoami")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

fn call(id: u8) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"whoami","_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

#[tokio::test]
async fn an_assertion_names_the_caller_and_cannot_be_sent_with_another_body() {
    let gateway = Gateway::new();
    let app = gateway.app();
    let (body, other) = (call(1), call(2));
    let assertion = gateway.assertion(&body);
    let (status, text) = gateway.send(&app, &assertion, &body).await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("https://idp.example.com/|alice"), "{text}");
    let (status, text) = gateway.send(&app, &assertion, &other).await;
    assert_eq!(
        (status.as_u16(), text.contains("invalid_token")),
        (401, true),
        "{text}"
    );
    let (status, _) = gateway.send(&app, &gateway.assertion(&other), &other).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn any_other_token_is_refused() {
    let gateway = Gateway::new();
    let app = gateway.app();
    let body = call(1);
    let of_client = gateway.assertion(&body).issuer("https://idp.example.com/");
    let elsewhere = gateway
        .assertion(&body)
        .audience("http://127.0.0.1:9001/mcp");
    let plain = gateway.assertion(&body).token_type("JWT");
    let old = gateway.assertion(&body).expires_in_seconds(-61);
    for request in [of_client, elsewhere, plain, old] {
        assert_eq!(
            gateway.send(&app, &request, &body).await.0,
            401,
            "{request:?}"
        );
    }
}
