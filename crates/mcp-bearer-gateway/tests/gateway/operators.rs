//! What operators see: the audit log, metrics, probes.

use std::time::Duration;

use crate::support::{Client, PING, Stage, post};

async fn get(address: std::net::SocketAddr, path: &str) -> crate::support::Answer {
    let mut client = Client::connect(address).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    client.write(request).await;
    client.answer().await
}

/// The lines of the log once there are so many.
async fn lines(path: &std::path::Path, count: usize) -> Vec<serde_json::Value> {
    for _ in 0..500 {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<_> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if lines.len() >= count {
            return lines;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{}", std::fs::read_to_string(path).unwrap_or_default());
}

#[tokio::test]
async fn each_decision_is_one_line_without_a_token() {
    let audit = "[audit]\nfile = \"audit.log\"\ngrants = true\n";
    let top = "unmatched = \"allow\"";
    let rule = "[[rule]]\nmethod = \"tools/call\"\nname = \"delete_*\"\nscopes = [\"mcp:admin\"]\n";
    let stage = Stage::with(top, &format!("{rule}{audit}")).await;
    let good = stage.token().claim("client_id", "app").sign().unwrap();
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    assert_eq!(stage.send(post(&bearer(&good), PING)).await.status, 200);
    let forged = {
        let (rest, _) = good.rsplit_once('.').unwrap();
        format!("{rest}.{}", "A".repeat(342))
    };
    assert_eq!(stage.send(post(&bearer(&forged), PING)).await.status, 401);
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"delete_all"}}"#;
    assert_eq!(stage.send(post(&bearer(&good), call)).await.status, 403);
    let evil = post(&bearer(&good), PING).replace("Content-Type", "Origin: null\r\nContent-Type");
    assert_eq!(stage.send(evil).await.status, 403);
    let query = format!("POST /mcp?access_token={good} ");
    let query = post("", PING).replace("POST /mcp ", &query);
    assert_eq!(stage.send(query).await.status, 401);
    let path = stage.file("audit.log");
    let lines = lines(&path, 5).await;
    let text = |line: usize, name: &str| lines[line][name].as_str().unwrap_or("-").to_owned();
    assert_eq!(text(0, "outcome"), "granted");
    assert_eq!(text(0, "subject"), "alice");
    assert_eq!(text(0, "client_id"), "app");
    assert_eq!(text(0, "method"), "ping");
    assert_eq!(text(1, "outcome"), "denied");
    assert_eq!(text(1, "claimed_subject"), "alice", "{:#?}", lines[1]);
    assert_eq!(text(1, "subject"), "-", "no signature has proven it");
    assert_eq!(text(2, "reason"), "insufficient_scope");
    assert_eq!(text(2, "subject"), "alice");
    assert_eq!(text(3, "reason"), "origin");
    assert_eq!(text(4, "reason"), "missing_credential");
    let all = std::fs::read_to_string(&path).unwrap();
    let signature = good.rsplit('.').next().unwrap();
    assert!(
        !all.contains(signature) && !all.contains(&good[..40]),
        "{all}"
    );
}

/// The server fails after the request was granted: that is not a second decision.
#[tokio::test]
async fn a_failure_of_the_server_is_counted_apart_from_the_decision() {
    let tables = "[[rule]]\nmethod = \"tools/call\"\nname = \"delete_*\"\nscopes = [\"mcp:admin\"]\n\
                  hide = true\n[audit]\nfile = \"audit.log\"\ngrants = true\n\
                  [health]\nlisten = \"127.0.0.1:0\"\n";
    let stage = Stage::with("unmatched = \"allow\"", tables).await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for (how, body) in [("401", PING), ("redirect", PING), ("die", list)] {
        let fields = format!("{}X-Test: {how}\r\n", stage.bearer());
        assert_eq!(stage.send(post(&fields, body)).await.status, 502, "{how}");
    }
    stage.still_serves().await;
    let lines = lines(&stage.file("audit.log"), 4).await;
    assert_eq!(lines.len(), 4, "one line per request: {lines:#?}");
    assert!(lines.iter().all(|line| line["outcome"] == "granted"));
    let metrics = get(stage.own[0].unwrap(), "/metrics").await.body;
    for line in [
        "mcp_bearer_gateway_requests_total{outcome=\"granted\",reason=\"accepted\"} 4",
        "mcp_bearer_gateway_server_failures_total{reason=\"server_wants_credentials\"} 1",
        "mcp_bearer_gateway_server_failures_total{reason=\"server_redirects\"} 1",
        "mcp_bearer_gateway_server_failures_total{reason=\"server_answer\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert!(!metrics.contains("outcome=\"failed\""), "{metrics}");
}

#[tokio::test]
async fn without_a_log_that_must_be_written_nothing_is_served() {
    let audit = |choice: &str| {
        format!("[audit]\nfile = \"/dev/full\"\ngrants = true\nwhen_blocked = \"{choice}\"\n")
    };
    let stage = Stage::with("", &audit("refuse")).await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let answer = stage.send(post(&stage.bearer(), PING)).await;
        statuses.push(answer.status);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(statuses.last(), Some(&503), "{statuses:?}");
    let stage = Stage::with("", &audit("drop")).await;
    for _ in 0..20 {
        assert_eq!(stage.send(post(&stage.bearer(), PING)).await.status, 200);
    }
}

#[tokio::test]
async fn probes_and_metrics_are_on_an_address_of_their_own() {
    let health = "[health]\nlisten = \"127.0.0.1:0\"\n";
    let mut stage = Stage::with("", health).await;
    let [address, page] = stage.own;
    let (address, page) = (address.unwrap(), page);
    assert!(page.is_none());
    stage.still_serves().await;
    assert_eq!(stage.send(post("", PING)).await.status, 401);
    assert_eq!(get(address, "/healthz").await.status, 200);
    assert_eq!(get(address, "/readyz").await.status, 200);
    let metrics = get(address, "/metrics").await.body;
    for line in [
        "mcp_bearer_gateway_requests_total{outcome=\"granted\",reason=\"accepted\"} 1",
        "mcp_bearer_gateway_requests_total{outcome=\"denied\",reason=\"missing_credential\"} 1",
        "mcp_bearer_gateway_decision_seconds_count 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    // Labels come from closed sets, whatever clients send.
    assert!(!metrics.contains("alice"), "{metrics}");
    let slow = post(&format!("{}X-Test: slow\r\n", stage.bearer()), PING);
    let mut client = Client::connect(stage.address).await;
    client.write(slow).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.begin_stop();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(get(address, "/readyz").await.status, 503, "draining");
    assert_eq!(client.answer().await.status, 200);
    stage.stop().await;
}

#[tokio::test]
async fn the_server_can_verify_who_called_with_which_body() {
    use mcp_bearer::BearerAuthProvider;
    let stage = Stage::new().await;
    let key = mcp_bearer::SigningKey::generate(mcp_bearer::Algorithm::Es256).unwrap();
    std::fs::write(stage.file("assertion.pem"), key.private_key_pem().unwrap()).unwrap();
    let assertion = "[assertion]\nprivate_key_file = \"assertion.pem\"\nissuer = \"https://gateway.example.com\"\n";
    stage
        .reloader
        .reload(stage.config("", assertion))
        .await
        .unwrap();
    let keys = "GET /.well-known/mcp-bearer/jwks.json HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n";
    let keys = stage.send(keys).await;
    assert_eq!(keys.status, 200);
    let verifier = BearerAuthProvider::builder()
        .jwks_json(&keys.body)
        .issuer("https://gateway.example.com")
        .audience(stage.server.url())
        .algorithms([mcp_bearer::Algorithm::Es256])
        .build()
        .unwrap();
    stage.still_serves().await;
    let seen = stage.server.last();
    let signed = seen
        .field("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    let access = verifier.verify_token(signed).await.unwrap();
    assert!(access.require_body_hash(PING.as_bytes()).is_ok());
    assert!(
        access.require_body_hash(b"{}").is_err(),
        "a replay with another body"
    );
    assert!(
        access.subject().unwrap().contains("alice"),
        "{:?}",
        access.subject()
    );
    // It names callers that no header can hold.
    let beyond_ascii = stage.send(post(&stage.bearer_of("é"), PING)).await;
    assert_eq!(beyond_ascii.status, 200, "{beyond_ascii:?}");
    let seen = stage.server.last();
    assert_eq!(seen.field("x-auth-subject"), None);
    let named = seen.field("authorization").unwrap();
    let named = named.strip_prefix("Bearer ").unwrap();
    let named = verifier.verify_token(named).await.unwrap();
    assert!(named.subject().unwrap().contains('é'), "{named:?}");
    // It opens nothing at the gateway's own address.
    let answer = stage
        .send(post(&format!("Authorization: Bearer {signed}\r\n"), PING))
        .await;
    assert_eq!(answer.status, 401);
    // Nor does a client's own assertion arrive.
    assert!(!stage.server.last().head.contains("Bearer x"));
}
