//! Rules for operations, by the body or by the headers that repeat it.

use crate::support::{PING, Question, Stage};

fn call(name: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}"}}}}"#)
}

#[tokio::test]
async fn the_body_decides_in_either_form() {
    let stage = Stage::with_rules("").await;
    let bearer = stage.bearer();
    assert!(stage.check(Question::post(&bearer).body(PING)).await.passes);
    let denied = stage
        .check(Question::post(&bearer).body(&call("delete_all")))
        .await;
    assert_eq!(denied.status, 403);
    let challenge = denied.challenge();
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    assert!(challenge.contains("mcp:admin"), "{challenge}");
    let mut raw = Question::post(&bearer);
    raw.http.raw_body = call("delete_all").into_bytes();
    assert_eq!(stage.check(raw.clone()).await.status, 403);
    raw.http.raw_body = call("add").into_bytes();
    assert!(stage.check(raw.clone()).await.passes);
    // Two bodies that differ: either could be the one that the server reads.
    raw.http.body = call("delete_all");
    assert_eq!(stage.check(raw).await.status, 403);
    let admin = stage.token().scopes(["mcp:admin"]).sign().unwrap();
    let admin = Question::post(&format!("Bearer {admin}")).body(&call("delete_all"));
    assert!(stage.check(admin).await.passes);
}

#[tokio::test]
async fn an_operation_that_no_scope_opens_is_denied_although_its_status_is_200() {
    let stage = Stage::with_rules("").await;
    let bearer = stage.bearer();
    let other = r#"{"jsonrpc":"2.0","id":7,"method":"prompts/get","params":{"name":"a"}}"#;
    let answer = stage.check(Question::post(&bearer).body(other)).await;
    assert_eq!((answer.status, answer.passes), (200, false), "{answer:?}");
    assert!(answer.body.contains("\"id\":7"), "{answer:?}");
    let length = other.len();
    for (preset, fields) in [
        (
            "/traefik",
            "X-Forwarded-Method: POST\r\nX-Forwarded-Uri: /mcp\r\n",
        ),
        ("/envoy/mcp", ""),
    ] {
        let head = format!(
            "POST {preset} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Authorization: {bearer}\r\n{fields}"
        );
        let answer = stage.send(&head, other).await;
        assert_eq!(
            answer.status, 403,
            "{preset}: a 200 would let it pass: {answer:?}"
        );
        assert!(answer.body.contains("\"id\":7"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_partial_body_is_refused() {
    let stage = Stage::with_rules("upstream_checks_headers = true").await;
    let bearer = stage.bearer();
    let post = || Question::post(&bearer).body(PING);
    assert!(
        stage
            .check(post().header("x-envoy-auth-partial-body", "false"))
            .await
            .passes
    );
    for mark in ["true", "TRUE", "", "false,true"] {
        let marked = post().header("x-envoy-auth-partial-body", mark);
        let answer = stage.check(marked).await;
        assert_eq!(answer.status, 403, "{mark:?}: {answer:?}");
    }
    let mut cut = post();
    cut.http.size += 1;
    assert_eq!(stage.check(cut).await.status, 403);
    let mut unknown_size = post();
    unknown_size.http.size = -1;
    assert!(stage.check(unknown_size).await.passes);
    let mut beginning = post();
    beginning.http.size = -1;
    beginning.http.body.pop();
    assert_eq!(stage.check(beginning).await.status, 400);
}

#[tokio::test]
async fn headers_decide_only_if_the_upstream_checks_them() {
    let stage = Stage::with_rules("").await;
    let bearer = stage.bearer();
    let asked = |version: &str, name: &str| {
        Question::post(&bearer)
            .header("mcp-protocol-version", version)
            .header("mcp-method", "tools/call")
            .header("mcp-name", name)
    };
    assert_eq!(stage.check(asked("2026-07-28", "add")).await.status, 403);
    let stage = Stage::with_rules("upstream_checks_headers = true").await;
    let bearer = stage.bearer();
    let asked = |version: &str, name: &str| {
        Question::post(&bearer)
            .header("mcp-protocol-version", version)
            .header("mcp-method", "tools/call")
            .header("mcp-name", name)
    };
    assert!(stage.check(asked("2026-07-28", "add")).await.passes);
    let denied = stage.check(asked("2026-07-28", "delete_all")).await;
    assert_eq!(denied.status, 403);
    assert!(denied.challenge().contains("mcp:admin"), "{denied:?}");
    for version in ["2025-11-25", "2025-03-26", "2026-07-27", "draft", ""] {
        let answer = stage.check(asked(version, "add")).await;
        assert_eq!(answer.status, 403, "{version:?}: {answer:?}");
        assert_eq!(answer.challenge(), "", "no other token would help");
    }
    // The body wins, and must agree.
    let differs = asked("2026-07-28", "add").body(&call("delete_all"));
    let answer = stage.check(differs).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("-32020"), "{answer:?}");
    let subscribes = asked("2026-07-28", "add").header("mcp-method", "subscriptions/listen");
    assert_eq!(stage.check(subscribes).await.status, 403);
}

#[tokio::test]
async fn a_session_id_neither_helps_nor_hurts() {
    let stage = Stage::new().await;
    let question = Question::post(&stage.bearer())
        .header("mcp-session-id", "of-another")
        .header("last-event-id", "1");
    let answer = stage.check(question).await;
    assert!(answer.passes, "{answer:?}");
}
