//! The same over HTTP/2.

use crate::frames::{Frames, Outcome};
use crate::support::{PING, RESOURCE, Stage};

type Fields<'a> = &'a [(&'a str, &'a str)];

const PSEUDO: [(&str, &str); 4] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "mcp.example.com"),
    (":path", "/mcp"),
];

async fn ask(stage: &Stage, fields: &[(&str, &str)], body: &str) -> Outcome {
    Frames::connect(stage.address)
        .await
        .request(fields, body.as_bytes())
        .await
}

fn with<'a>(bearer: &'a str, further: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = PSEUDO.to_vec();
    fields.push(("content-type", "application/json"));
    fields.push(("authorization", bearer));
    fields.extend_from_slice(further);
    fields
}

async fn stage() -> (Stage, String) {
    let stage = Stage::new().await;
    let token = stage
        .issuer
        .token(RESOURCE)
        .subject("alice")
        .sign()
        .unwrap();
    (stage, format!("Bearer {token}"))
}

#[tokio::test]
async fn a_good_request_is_served() {
    let (stage, bearer) = stage().await;
    let length = PING.len().to_string();
    let further = [
        ("content-length", length.as_str()),
        ("x-auth-subject", "root"),
    ];
    assert_eq!(
        ask(&stage, &with(&bearer, &further), PING).await,
        Outcome::Status(200)
    );
    let seen = stage.server.last();
    assert_eq!(seen.body, PING);
    assert_eq!(seen.field("x-auth-subject"), Some("alice"));
    assert!(!seen.head.contains("root"));
    assert_eq!(seen.field("x-forwarded-host"), Some("mcp.example.com"));
    assert_eq!(ask(&stage, &PSEUDO, PING).await, Outcome::Status(401));
    assert_eq!(
        ask(&stage, &with("Bearer x", &[]), PING).await,
        Outcome::Status(401)
    );
}

#[tokio::test]
async fn what_could_be_read_differently_is_refused() {
    let (stage, bearer) = stage().await;
    let cases: &[(Fields<'_>, &[u16])] = &[
        (&[("transfer-encoding", "chunked")], &[400]),
        (&[("connection", "close")], &[400]),
        (&[("upgrade", "h2c")], &[400]),
        (&[("http2-settings", "AAMAAABk")], &[400]),
        (&[("te", "gzip")], &[400]),
        (&[("content-length", "5")], &[400]),
        (&[("content-length", "500")], &[400]),
        (&[("content-length", "x")], &[400]),
        (&[("host", "evil.example")], &[400]),
        (&[("Upper", "case")], &[400]),
        (&[("content-encoding", "gzip")], &[415]),
        (&[("origin", "https://evil.example")], &[403]),
        (&[("x-a", "a\r\nx-smuggled: b")], &[400]),
        (&[("x-nul", "a\0b")], &[400]),
        (&[(":path", "/other")], &[400]),
    ];
    for (further, statuses) in cases {
        let before = stage.server.seen().len();
        let outcome = ask(&stage, &with(&bearer, further), PING).await;
        let refused = match outcome {
            Outcome::Reset => true,
            Outcome::Status(status) => statuses.contains(&status),
        };
        assert!(refused, "{further:?}: {outcome:?}");
        let seen = stage.server.seen();
        assert!(
            seen[before..].iter().all(|seen| seen.body != PING),
            "{further:?}: {seen:?}"
        );
    }
    for path in ["//mcp", "/mcp/", "/mcp%2f", "/x/../mcp", "*"] {
        let mut fields = with(&bearer, &[]);
        fields[3] = (":path", path);
        let outcome = ask(&stage, &fields, PING).await;
        let refused = matches!(outcome, Outcome::Reset | Outcome::Status(400 | 404));
        assert!(refused, "{path}: {outcome:?}");
    }
    let mut fields = with(&bearer, &[]);
    fields[2] = (":authority", "evil.example");
    assert_eq!(ask(&stage, &fields, PING).await, Outcome::Status(421));
    let long = "a".repeat(20_000);
    let outcome = ask(&stage, &with(&bearer, &[("x-long", &long)]), PING).await;
    assert!(
        matches!(outcome, Outcome::Reset | Outcome::Status(431)),
        "{outcome:?}"
    );
    let connect = [
        (":method", "CONNECT"),
        (":authority", "mcp.example.com:443"),
    ];
    let mut trace = with(&bearer, &[]);
    trace[0] = (":method", "TRACE");
    let mut websocket = with(&bearer, &[]);
    websocket[0] = (":method", "CONNECT");
    websocket.insert(1, (":protocol", "websocket"));
    for fields in [&connect[..], &trace, &websocket] {
        let outcome = ask(&stage, fields, "").await;
        let refused = matches!(outcome, Outcome::Reset | Outcome::Status(400 | 405));
        assert!(refused, "{fields:?}: {outcome:?}");
    }
    stage.still_serves().await;
}

#[tokio::test]
async fn forged_identity_headers_do_not_arrive() {
    let (stage, bearer) = stage().await;
    let forged = [
        "x-auth-subject",
        "x_auth_subject",
        "x-auth_subject",
        "x_auth_scopes",
        "x-auth-client-id",
        "x-auth-issuer",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-user",
        "x_forwarded_for",
        "forwarded",
        "x-real-ip",
        "proxy-authorization",
        "baggage",
    ];
    let forged = forged.map(|name| (name, "root"));
    let outcome = ask(&stage, &with(&bearer, &forged), PING).await;
    assert_eq!(outcome, Outcome::Status(200));
    let seen = stage.server.last();
    assert!(!seen.head.contains("root"), "{}", seen.head);
    assert_eq!(seen.field("x-auth-subject"), Some("alice"));
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
}

#[tokio::test]
async fn no_body_is_asked_for_before_authentication() {
    let (stage, bearer) = stage().await;
    let length = PING.len().to_string();
    let expects = [("expect", "100-continue"), ("content-length", &length)];
    let mut client = Frames::connect(stage.address).await;
    client.fields(&with("Bearer x", &expects), false).await;
    assert_eq!(client.outcome().await, Outcome::Status(401));
    let mut client = Frames::connect(stage.address).await;
    client.fields(&with(&bearer, &expects), false).await;
    client.data(PING.as_bytes(), true).await;
    let asked = client.outcome().await;
    assert!(matches!(asked, Outcome::Status(100 | 200)), "{asked:?}");
    let other = [("expect", "the-impossible")];
    let outcome = ask(&stage, &with(&bearer, &other), PING).await;
    assert_eq!(outcome, Outcome::Status(417));
    stage.still_serves().await;
}

#[tokio::test]
async fn trailers_do_not_arrive() {
    let (stage, bearer) = stage().await;
    let mut client = Frames::connect(stage.address).await;
    client.fields(&with(&bearer, &[]), false).await;
    client.data(PING.as_bytes(), false).await;
    let trailers = [("x-auth-subject", "root"), ("x-late", "late")];
    client.fields(&trailers, true).await;
    assert_eq!(client.outcome().await, Outcome::Status(200));
    let seen = stage.server.last();
    let all = format!("{}{}", seen.head, seen.body);
    assert!(!all.contains("root") && !all.contains("late"), "{all}");
    assert!(seen.body.contains(PING), "{all}");
}

#[tokio::test]
async fn a_request_that_is_cancelled_is_cancelled_at_the_server() {
    let (stage, bearer) = stage().await;
    for (count, how) in [(1, "events"), (2, "hang")] {
        let mut client = Frames::connect(stage.address).await;
        let hanging = with(&bearer, &[("x-test", how)]);
        client.fields(&hanging, false).await;
        client.data(PING.as_bytes(), true).await;
        while stage.server.seen().len() < count {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        client.reset().await;
        stage.server.left(count).await;
    }
    stage.still_serves().await;
}

#[tokio::test]
async fn a_body_that_is_slow_or_too_large_reaches_no_server() {
    let (stage, bearer) = stage().await;
    let large = with(&bearer, &[("content-length", "5000000")]);
    let mut client = Frames::connect(stage.address).await;
    client.fields(&large, false).await;
    assert_eq!(client.outcome().await, Outcome::Status(413));
    let slow = with(&bearer, &[("content-length", "100")]);
    let mut client = Frames::connect(stage.address).await;
    client.fields(&slow, false).await;
    client.data(b"{", false).await;
    assert_eq!(client.outcome().await, Outcome::Status(408));
    assert_eq!(stage.server.seen().len(), 0);
    stage.still_serves().await;
}

#[tokio::test]
async fn fields_without_an_end_end_the_connection() {
    let (stage, bearer) = stage().await;
    let started = std::time::Instant::now();
    let mut slow = Frames::connect(stage.address).await;
    slow.endless_fields(&with(&bearer, &[]), true).await;
    let mut endless = Frames::connect(stage.address).await;
    let more = [("x-more", "a".repeat(10_000))];
    let more = more.each_ref().map(|(name, value)| (*name, value.as_str()));
    endless.endless_fields(&with(&bearer, &more), true).await;
    let mut frames = 0;
    while endless.endless_fields(&more, false).await {
        frames += 1;
        assert!(frames < 2_000, "20 MB of fields were read");
    }
    slow.until_closed().await;
    assert!(started.elapsed() < std::time::Duration::from_secs(60));
    assert_eq!(stage.server.seen().len(), 0);
    stage.still_serves().await;
}

#[tokio::test]
async fn a_token_in_the_query_does_not_arrive() {
    let (stage, bearer) = stage().await;
    let mut fields = with(&bearer, &[]);
    fields[3] = (":path", "/mcp?access_token=x&a=1");
    assert_eq!(ask(&stage, &fields, PING).await, Outcome::Status(200));
    assert!(
        stage
            .server
            .last()
            .head
            .starts_with("POST /srv?a=1 HTTP/1.1\r\n")
    );
}

/// Nobody asks for more of an answer while its client does not read it.
#[tokio::test]
async fn a_client_that_does_not_read_keeps_nothing() {
    let limits = "[limits]\nper_peer = \"off\"\nrequests = 1\nrequests_per_caller = 2\n";
    let stage = Stage::with("", limits).await;
    let token = stage
        .issuer
        .token(RESOURCE)
        .subject("alice")
        .sign()
        .unwrap();
    let bearer = format!("Bearer {token}");
    let mut stalled = Frames::connect_without_reading(stage.address).await;
    let outcome = stalled.request(&with(&bearer, &[]), PING.as_bytes()).await;
    assert_eq!(outcome, Outcome::Status(200));
    let busy = ask(&stage, &with(&bearer, &[]), PING).await;
    assert_eq!(busy, Outcome::Status(503), "the one place is taken");
    let started = std::time::Instant::now();
    stalled.until_closed().await;
    assert!(started.elapsed() < std::time::Duration::from_secs(60));
    stage.still_serves().await;
}
