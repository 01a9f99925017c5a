//! Requests that another server could read differently.

use std::time::Duration;

use crate::support::{Answer, Client, PING, Stage, post};

async fn refused(stage: &Stage, request: &str, statuses: &[u16]) -> Answer {
    let before = stage.server.seen().len();
    let answer = stage.send(request).await;
    let why = format!("{request}\n{answer:?}");
    assert!(statuses.contains(&answer.status), "{why}");
    assert_eq!(stage.server.seen().len(), before, "{why}");
    answer
}

#[tokio::test]
async fn only_the_exact_path_is_served() {
    let stage = Stage::new().await;
    for path in [
        "/",
        "//mcp",
        "/mcp/",
        "/mcp//",
        "/mcp%2f",
        "/%6dcp",
        "/x/../mcp",
        "/./mcp",
        "/MCP",
        "/mcp;a",
        "/mcp/.",
        "/messages?sessionId=1",
        "/sse",
        "/metrics",
        "/healthz",
        "/keys",
        "/.well-known/mcp-bearer/jwks.json",
    ] {
        let request = post(&stage.bearer(), PING).replace("POST /mcp ", &format!("POST {path} "));
        refused(&stage, &request, &[404]).await;
    }
    // The form of proxies is the same place.
    let absolute =
        post(&stage.bearer(), PING).replace("POST /mcp ", "POST http://mcp.example.com/mcp ");
    assert_eq!(stage.send(absolute).await.status, 200);
}

#[tokio::test]
async fn a_request_names_one_host_and_one_that_is_served() {
    let stage = Stage::new().await;
    let good = post(&stage.bearer(), PING);
    for (host, status) in [
        ("Host: evil.example\r\n", 421),
        ("Host: mcp.example.com:8080\r\n", 421),
        ("Host: mcp.example.com\r\nHost: mcp.example.com\r\n", 400),
        ("Host: mcp.example.com\r\nHost: evil.example\r\n", 400),
        ("", 400),
        ("Host: \r\n", 421),
        ("Host: mcp.example.com, evil.example\r\n", 421),
    ] {
        let request = good.replace("Host: mcp.example.com\r\n", host);
        refused(&stage, &request, &[status]).await;
    }
    let request = good.replace("POST /mcp ", "POST http://evil.example/mcp ");
    refused(&stage, &request, &[400]).await;
    for host in ["MCP.example.com", "mcp.example.com:443"] {
        let request = good.replace("Host: mcp.example.com", &format!("Host: {host}"));
        assert_eq!(stage.send(request).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn ambiguous_framing_is_refused_and_ends_the_connection() {
    let stage = Stage::new().await;
    let bearer = stage.bearer();
    let smuggled = "GET /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nX-Smuggled: yes\r\n\r\n";
    let base = format!(
        "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nContent-Type: application/json\r\n{bearer}"
    );
    let chunked = format!("{:x}\r\n{PING}\r\n0\r\n\r\n", PING.len());
    let cases = [
        format!("{base}Transfer-Encoding: chunked, identity\r\n\r\n{chunked}{smuggled}"),
        format!("{base}Transfer-Encoding: identity\r\n\r\n{chunked}{smuggled}"),
        format!("{base}Transfer-Encoding: gzip, chunked\r\n\r\n{chunked}{smuggled}"),
        format!("{base}Transfer-Encoding: xchunked\r\n\r\n{chunked}{smuggled}"),
        format!(
            "{base}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}{smuggled}"
        ),
        format!("{base}Transfer-Encoding: \u{b}chunked\r\n\r\n{chunked}{smuggled}"),
        format!("{base}Transfer-Encoding : chunked\r\n\r\n{chunked}{smuggled}"),
        format!("{base}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{PING}{smuggled}"),
        format!("{base}Content-Length: +5\r\n\r\n{PING}{smuggled}"),
        format!("{base}Content-Length: 5, 5\r\n\r\n{PING}{smuggled}"),
        format!("{base}Content-Length: 0x5\r\n\r\n{PING}{smuggled}"),
        format!("{base}Content-Length: -1\r\n\r\n{PING}{smuggled}"),
        format!("{base}X-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
        format!("{base}X-Nul: a\0b\r\nContent-Length: 0\r\n\r\n"),
        format!("{base}X Space: a\r\nContent-Length: 0\r\n\r\n"),
        format!("{base}: nameless\r\nContent-Length: 0\r\n\r\n"),
        base.replace("HTTP/1.1", "HTTP/1.0")
            + &format!("Transfer-Encoding: chunked\r\n\r\n{chunked}"),
        base.replace("HTTP/1.1", "HTTP/1.2") + "Content-Length: 0\r\n\r\n",
        base.replace("POST /mcp", "POST  /mcp") + "Content-Length: 0\r\n\r\n",
        base.replace("POST", "P\u{1}ST") + "Content-Length: 0\r\n\r\n",
    ];
    for request in cases {
        let mut client = Client::connect(stage.address).await;
        client.write(&request).await;
        let answer = client.answer().await;
        assert!(
            matches!(answer.status, 0 | 400 | 505),
            "{request:?}\n{answer:?}"
        );
        // Nothing behind it is read as a request.
        while !client.is_closed().await {}
        let left = String::from_utf8_lossy(client.left()).into_owned();
        assert!(!left.contains("HTTP/1.1 2"), "{request:?}\n{left}");
    }
    // With both lengths the chunks count, and the connection ends (RFC 9112 section 6.1).
    for both in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let mut client = Client::connect(stage.address).await;
        client
            .write(format!("{base}{both}\r\n{chunked}{smuggled}"))
            .await;
        let answer = client.answer().await;
        assert!(matches!(answer.status, 200 | 400), "{answer:?}");
        assert!(client.is_closed().await, "{:?}", client.left());
        assert!(stage.server.last().body.contains(PING));
    }
    let seen = stage.server.seen();
    assert!(
        seen.iter().all(|seen| seen.field("x-smuggled").is_none()),
        "{seen:?}"
    );
    stage.still_serves().await;
}

#[tokio::test]
async fn chunks_and_trailers_arrive_as_a_plain_body() {
    let stage = Stage::new().await;
    let bearer = stage.bearer();
    let base = format!(
        "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nContent-Type: application/json\r\n{bearer}Transfer-Encoding: chunked\r\nTrailer: X-Auth-Subject\r\n\r\n"
    );
    let (one, two) = PING.split_at(10);
    let body = format!(
        "{:x};name=\"value\"\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\nX-Auth-Subject: root\r\nX-Late: late\r\n\r\n",
        one.len(),
        two.len()
    );
    let answer = stage.send(format!("{base}{body}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = stage.server.last();
    let all = format!("{}{}", seen.head, seen.body);
    assert!(
        !all.contains("root") && !all.contains("late") && !all.contains("name="),
        "{all}"
    );
    assert_eq!(seen.field("trailer"), None);
    // Extensions without end are no way to keep a connection.
    let long = format!("{base}1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(1_000_000));
    let answer = stage.send(long).await;
    assert!(matches!(answer.status, 0 | 400 | 502), "{answer:?}");
    stage.still_serves().await;
}

#[tokio::test]
async fn a_connection_is_not_upgraded() {
    let stage = Stage::new().await;
    let bearer = stage.bearer();
    for fields in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        "Upgrade: h2c\r\n",
    ] {
        refused(&stage, &post(&format!("{bearer}{fields}"), PING), &[400]).await;
    }
    let good = post(&bearer, PING);
    for method in ["TRACE", "PUT", "PATCH", "post", "SEARCH"] {
        refused(&stage, &good.replace("POST", method), &[405]).await;
    }
    let connect = "CONNECT mcp.example.com:443 HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n";
    refused(&stage, connect, &[405, 400]).await;
}

#[tokio::test]
async fn fields_of_the_connection_go_before_anything_is_judged() {
    let stage = Stage::new().await;
    // With its token named there, a request has none.
    let fields = format!("{}Connection: close, Authorization\r\n", stage.bearer());
    refused(&stage, &post(&fields, PING), &[401]).await;
    let fields = format!(
        "{}Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: 1\r\n",
        stage.bearer()
    );
    assert_eq!(stage.send(post(&fields, PING)).await.status, 200);
    let head = stage.server.last().head.to_lowercase();
    for gone in ["x-hop", "keep-alive", "te:", "proxy-connection"] {
        assert!(!head.contains(gone), "{head}");
    }
}

#[tokio::test]
async fn an_encoded_body_and_an_unknown_expectation_are_refused() {
    let stage = Stage::new().await;
    let bearer = stage.bearer();
    for encoding in ["gzip", "br", "identity, gzip", "deflate"] {
        let fields = format!("{bearer}Content-Encoding: {encoding}\r\n");
        refused(&stage, &post(&fields, PING), &[415]).await;
    }
    let fields = format!("{bearer}Expect: 200-ok\r\n");
    refused(&stage, &post(&fields, PING), &[417]).await;
}

#[tokio::test]
async fn a_token_in_the_query_is_neither_a_credential_nor_forwarded() {
    let stage = Stage::new().await;
    let token = stage.token().sign().unwrap();
    let good = post("", PING);
    let request = good.replace("POST /mcp ", &format!("POST /mcp?access_token={token} "));
    refused(&stage, &request, &[401]).await;
    let good = post(&stage.bearer(), PING);
    let query = format!("POST /mcp?a=1&access%5Ftoken={token}&b=2 ");
    let answer = stage.send(good.replace("POST /mcp ", &query)).await;
    assert_eq!(answer.status, 200);
    let head = stage.server.last().head;
    assert!(head.starts_with("POST /srv?a=1&b=2 HTTP/1.1\r\n"), "{head}");
}

#[tokio::test]
async fn a_page_that_may_not_call_is_refused_first() {
    let origins = "allowed_origins = [\"https://app.example.com\"]";
    let stage = Stage::with(origins, "").await;
    let bearer = stage.bearer();
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "https://app.example.com/",
        "https://mcp.example.com",
    ] {
        for fields in [
            format!("Origin: {origin}\r\n"),
            format!("{bearer}Origin: {origin}\r\n"),
        ] {
            let answer = refused(&stage, &post(&fields, PING), &[403]).await;
            assert_eq!(answer.field("www-authenticate"), None);
            assert_eq!(answer.field("access-control-allow-origin"), None);
        }
    }
    let twice = "Origin: https://app.example.com\r\nOrigin: https://app.example.com\r\n";
    refused(&stage, &post(&format!("{bearer}{twice}"), PING), &[403]).await;
    let fields = format!("{bearer}Origin: https://app.example.com\r\nX-Test: cors\r\n");
    let answer = stage.send(post(&fields, PING)).await;
    assert_eq!(answer.status, 200);
    let origin = answer.field("access-control-allow-origin");
    assert_eq!(origin, Some("https://app.example.com"));
    let exposed = answer.field("access-control-expose-headers").unwrap();
    assert!(exposed.contains("WWW-Authenticate") && exposed.contains("Mcp-Session-Id"));
    assert_eq!(answer.field("access-control-allow-credentials"), None);
    let preflight = "OPTIONS /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nOrigin: https://app.example.com\r\nAccess-Control-Request-Method: POST\r\n\r\n";
    let before = stage.server.seen().len();
    let answer = stage.send(preflight).await;
    assert_eq!(answer.status, 204);
    assert!(
        answer
            .field("access-control-allow-headers")
            .unwrap()
            .contains("Authorization")
    );
    assert_eq!(stage.server.seen().len(), before);
    // Without pages that may call, a preflight is a request without a token.
    let closed = Stage::new().await;
    refused(&closed, preflight, &[403]).await;
}

/// Without CORS fields a browser hides the status and `Retry-After` from the page.
#[tokio::test]
async fn a_page_that_may_call_can_read_every_refusal() {
    let origins = "allowed_origins = [\"https://app.example.com\"]";
    let bad = "Authorization: Bearer x\r\n";
    let blocked = "[audit]\nfile = \"/dev/full\"\n";
    for (limits, tables, good, statuses) in [
        ("per_peer = \"1/h\"", "", true, [200, 200, 429]),
        ("denials_per_peer = \"1/h\"", "", false, [401, 401, 429]),
        ("per_caller = \"1/h\"", "", true, [200, 200, 429]),
        ("requests = 1000", blocked, false, [401, 503, 503]),
    ] {
        let tables = format!("[limits]\n{limits}\n{tables}");
        let stage = Stage::with(origins, &tables).await;
        let bearer = stage.bearer();
        for status in statuses {
            if status == 503 {
                // The log fails in a thread of its own.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let token = if good { bearer.as_str() } else { bad };
            let fields = format!("{token}Origin: https://app.example.com\r\n");
            let answer = stage.send(post(&fields, PING)).await;
            assert_eq!(answer.status, status, "{limits}: {answer:?}");
            let origin = answer.field("access-control-allow-origin");
            assert_eq!(origin, Some("https://app.example.com"), "{answer:?}");
            let exposed = answer.field("access-control-expose-headers").unwrap();
            assert!(exposed.contains("Retry-After"), "{exposed}");
            assert_eq!(answer.field("vary"), Some("Origin"));
        }
        let fields = format!("{bad}Origin: https://evil.example\r\n");
        let answer = stage.send(post(&fields, PING)).await;
        let origin = answer.field("access-control-allow-origin");
        assert_eq!(origin, None, "{answer:?}");
    }
}

/// The first bytes decide the protocol; a client may send them one at a time.
#[tokio::test]
async fn a_request_whose_first_bytes_come_slowly_is_served() {
    let stage = Stage::new().await;
    let request = post(&stage.bearer(), PING);
    for pieces in [1, 2, 3, 4, 24] {
        let mut client = Client::connect(stage.address).await;
        let (first, rest) = request.split_at(pieces);
        for byte in first.as_bytes() {
            client.write([*byte]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        client.write(rest).await;
        assert_eq!(client.answer().await.status, 200, "{pieces}");
    }
    // What begins as HTTP/2 does and is none of it.
    for nonsense in [
        "PRI",
        "PR / HTTP/1.1\r\n\r\n",
        "PRI * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = Client::connect(stage.address).await;
        client.write(nonsense).await;
        stage.still_serves().await;
    }
}

#[tokio::test]
async fn large_and_slow_fields_are_cut_off() {
    let stage = Stage::new().await;
    let large = format!("{}X-Large: {}\r\n", stage.bearer(), "a".repeat(20_000));
    refused(&stage, &post(&large, PING), &[431, 0]).await;
    let many: String = (0..500).map(|at| format!("X-{at}: a\r\n")).collect();
    refused(
        &stage,
        &post(&format!("{}{many}", stage.bearer()), PING),
        &[431, 400, 0],
    )
    .await;
    let started = std::time::Instant::now();
    let mut slow = Client::connect(stage.address).await;
    let mut silent = Client::connect(stage.address).await;
    slow.write("POST /mcp HTTP/1.1\r\nHost: mcp.exa").await;
    while !slow.is_closed().await {}
    while !silent.is_closed().await {}
    let took = started.elapsed();
    assert!(
        took > Duration::from_secs(5) && took < Duration::from_secs(25),
        "{took:?}"
    );
    stage.still_serves().await;
}
