//! What of a server's answer reaches a client.

use crate::support::{PING, Stage, post};

async fn answer(stage: &Stage, how: &str) -> crate::support::Answer {
    let fields = format!("{}X-Test: {how}\r\n", stage.bearer());
    stage.send(post(&fields, PING)).await
}

#[tokio::test]
async fn a_challenge_of_the_server_is_no_challenge_for_the_client() {
    let stage = Stage::new().await;
    for how in ["401", "redirect", "101"] {
        let answer = answer(&stage, how).await;
        assert_eq!(answer.status, 502, "{how}: {answer:?}");
        assert_eq!(answer.field("www-authenticate"), None, "{how}");
        assert_eq!(answer.field("location"), None, "{how}");
        assert_eq!(answer.field("upgrade"), None, "{how}");
        assert!(answer.body.contains("\"jsonrpc\""), "{}", answer.body);
        stage.still_serves().await;
    }
}

#[tokio::test]
async fn cors_and_fields_of_the_connection_are_the_gateways() {
    let stage = Stage::new().await;
    let answer = answer(&stage, "cors").await;
    assert_eq!(answer.status, 200);
    let head = answer.head.to_lowercase();
    for gone in ["access-control", "alt-svc", "keep-alive", "x-hop"] {
        assert!(!head.contains(gone), "{head}");
    }
    assert_eq!(answer.field("x-own"), Some("kept"));
}
