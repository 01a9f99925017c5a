//! Authentication, and what the server learns about the caller.

use mcp_bearer::testing::TokenFault;

use crate::support::{Client, PING, Stage, post};

#[tokio::test]
async fn every_bad_token_is_refused_and_reaches_no_server() {
    let stage = Stage::new().await;
    for fault in TokenFault::ALL {
        let token = stage.token().fault(fault).sign().unwrap();
        let fields = format!("Authorization: Bearer {token}\r\n");
        let answer = stage.send(post(&fields, PING)).await;
        assert_eq!(answer.status, 401, "{fault:?}: {answer:?}");
        let challenge = answer.field("www-authenticate").unwrap();
        assert!(challenge.contains("resource_metadata="), "{challenge}");
    }
    assert_eq!(stage.server.seen().len(), 0);
    let cold = Stage::new().await;
    let expired = cold.token().fault(TokenFault::Expired).sign().unwrap();
    let answer = cold
        .send(post(&format!("Authorization: Bearer {expired}\r\n"), PING))
        .await;
    assert_eq!(answer.status, 401, "cold");
    cold.still_serves().await;
}

#[tokio::test]
async fn a_good_token_becomes_identity_headers_and_goes_no_further() {
    let stage = Stage::new().await;
    let token = stage.token().scopes(["mcp:read", "mcp:admin"]);
    let token = token.claim("client_id", "app").sign().unwrap();
    let fields = format!("Authorization: Bearer {token}\r\n");
    let answer = stage.send(post(&fields, PING)).await;
    assert_eq!(answer.status, 200);
    let seen = stage.server.last();
    assert!(
        seen.head.starts_with("POST /srv HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(seen.body, PING);
    assert_eq!(seen.field("x-auth-subject"), Some("alice"));
    assert_eq!(seen.field("x-auth-client-id"), Some("app"));
    assert_eq!(seen.field("x-auth-scopes"), Some("mcp:read mcp:admin"));
    assert_eq!(seen.field("x-auth-issuer"), Some(stage.issuer.url()));
    assert_eq!(seen.field("x-forwarded-host"), Some("mcp.example.com"));
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.field("authorization"), None);
    assert!(!seen.head.contains(&token));
}

#[tokio::test]
async fn cached_tokens_of_one_subject_keep_their_own_identity_headers() {
    let stage = Stage::with("token_cache = true\n", "").await;
    let of = |client: &str, scope: &str| {
        let token = stage.token().scopes([scope]).claim("client_id", client);
        format!("Authorization: Bearer {}\r\n", token.sign().unwrap())
    };
    let tokens = [("app", "mcp:read"), ("other", "mcp:admin")];
    let tokens = tokens.map(|(client, scope)| (of(client, scope), client, scope));
    for _ in 0..3 {
        for (fields, client, scope) in &tokens {
            assert_eq!(stage.send(post(fields, PING)).await.status, 200);
            let seen = stage.server.last();
            assert_eq!(seen.field("x-auth-subject"), Some("alice"));
            assert_eq!(seen.field("x-auth-client-id"), Some(*client));
            assert_eq!(seen.field("x-auth-scopes"), Some(*scope));
        }
    }
}

#[tokio::test]
async fn forged_identity_headers_do_not_arrive_in_any_spelling() {
    let stage = Stage::new().await;
    let forged = "X-Auth-Subject: root\r\nx_auth_subject: root\r\nX-Auth_Subject: root\r\n\
                  X_AUTH_SCOPES: root\r\nx-auth-client-id: root\r\nX-Auth-Issuer: root\r\n\
                  X-Forwarded-For: root\r\nX-Forwarded-Host: root\r\nX-Forwarded-Proto: root\r\n\
                  X-Forwarded-User: root\r\nx_forwarded_for: root\r\nForwarded: for=root\r\n\
                  X-Real-IP: root\r\nX_Real_IP: root\r\nProxy-Authorization: root\r\n\
                  Baggage: user=root\r\n";
    // Also when a client asks the gateway to remove what the gateway sets.
    let connection = "Connection: X-Auth-Subject, X-Auth-Scopes, X-Forwarded-For\r\n";
    for fields in [forged.to_owned(), format!("{forged}{connection}")] {
        let fields = format!("{}{fields}", stage.bearer());
        assert_eq!(stage.send(post(&fields, PING)).await.status, 200);
        let seen = stage.server.last();
        assert!(!seen.head.contains("root"), "{}", seen.head);
        assert_eq!(seen.field("x-auth-subject"), Some("alice"));
        assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    }
}

const UNHOLDABLE: [&str; 4] = ["a\r\nX-Auth-Scopes: root", "é", " alice", "a\u{0}b"];

#[tokio::test]
async fn a_caller_whom_no_header_can_name_does_not_arrive_as_nobody() {
    let stage = Stage::new().await;
    for subject in UNHOLDABLE {
        let answer = stage.send(post(&stage.bearer_of(subject), PING)).await;
        assert_eq!(answer.status, 403, "{subject:?}: {answer:?}");
        assert_eq!(answer.field("www-authenticate"), None, "no token helps");
        assert!(answer.body.contains("\"jsonrpc\""), "{}", answer.body);
    }
    // Without a subject the client is the caller.
    let token = stage.token().without_claim("sub").claim("client_id", "é");
    let fields = format!("Authorization: Bearer {}\r\n", token.sign().unwrap());
    assert_eq!(stage.send(post(&fields, PING)).await.status, 403);
    assert_eq!(stage.server.seen().len(), 0);
    stage.still_serves().await;
}

#[tokio::test]
async fn what_informs_only_is_left_out_if_no_header_can_hold_it() {
    let stage = Stage::new().await;
    for client in UNHOLDABLE {
        let token = stage.token().claim("client_id", client).sign().unwrap();
        let fields = format!("Authorization: Bearer {token}\r\n");
        assert_eq!(stage.send(post(&fields, PING)).await.status, 200);
        let seen = stage.server.last();
        assert_eq!(seen.field("x-auth-client-id"), None, "{}", seen.head);
        assert_eq!(seen.field("x-auth-subject"), Some("alice"));
        assert!(!seen.head.contains("root"), "{}", seen.head);
    }
}

#[tokio::test]
async fn the_metadata_is_for_everybody() {
    let stage = Stage::new().await;
    let get = "GET /.well-known/oauth-protected-resource/mcp HTTP/1.1\r\nHost: mcp.example.com\r\nOrigin: https://evil.example\r\n\r\n";
    let answer = stage.send(get).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
    assert!(answer.body.contains(stage.issuer.url()), "{}", answer.body);
    assert_eq!(stage.server.seen().len(), 0);
}

#[tokio::test]
async fn no_body_is_asked_for_before_authentication() {
    let stage = Stage::new().await;
    let head = |fields: &str| {
        format!(
            "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nContent-Type: application/json\r\n{fields}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            PING.len()
        )
    };
    let mut client = Client::connect(stage.address).await;
    client.write(head("")).await;
    assert_eq!(client.answer().await.status, 401);
    let mut client = Client::connect(stage.address).await;
    client.write(head(&stage.bearer())).await;
    assert_eq!(client.answer().await.status, 100);
    client.write(PING).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(stage.server.last().field("expect"), None);
}

#[tokio::test]
async fn an_outage_of_the_issuer_is_no_refusal() {
    let stage = Stage::new().await;
    stage.issuer.go_down();
    let answer = stage.send(post(&stage.bearer(), PING)).await;
    // Unless the keys were fetched while it started.
    assert!(matches!(answer.status, 200 | 503), "{answer:?}");
    stage.issuer.come_back();
}

#[tokio::test]
async fn limits_answer_with_the_time_to_wait() {
    let limits = "[limits]\nper_peer = \"2/h\"\n";
    let stage = Stage::with("", limits).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let answer = stage.send(post(&stage.bearer(), PING)).await;
        if answer.status == 429 {
            let seconds: u64 = answer.field("retry-after").unwrap().parse().unwrap();
            assert!((1..=3600).contains(&seconds));
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 429, 429]);
    let stage = Stage::with("", "[limits]\ndenials_per_peer = \"2/h\"\n").await;
    for expected in [401, 401, 401, 401, 429] {
        assert_eq!(stage.send(post("", PING)).await.status, expected);
    }
    let good = stage.send(post(&stage.bearer(), PING)).await;
    assert_eq!(good.status, 200, "others at the same address are served");
    let stage = Stage::with("", "[limits]\nper_caller = \"1/h\"\n").await;
    for expected in [200, 200, 429] {
        assert_eq!(
            stage.send(post(&stage.bearer(), PING)).await.status,
            expected
        );
    }
    let other = stage.send(post(&stage.bearer_of("bob"), PING)).await;
    assert_eq!(other.status, 200);
}
