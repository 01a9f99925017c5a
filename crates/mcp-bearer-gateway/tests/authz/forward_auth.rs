//! Forward authentication over HTTP: the answers of each preset.

use mcp_bearer::testing::TokenFault;

use crate::support::{Answer, Stage};

/// What each proxy sends for a POST to the endpoint.
const PRESETS: [(&str, &str); 4] = [
    (
        "GET /nginx",
        "X-Original-Method: POST\r\nX-Original-URI: /mcp\r\n",
    ),
    (
        "GET /caddy",
        "X-Forwarded-Method: POST\r\nX-Forwarded-Uri: /mcp\r\n",
    ),
    (
        "GET /traefik",
        "X-Forwarded-Method: POST\r\nX-Forwarded-Uri: /mcp\r\n",
    ),
    ("POST /envoy/mcp", "Content-Length: 0\r\n"),
];

async fn ask(stage: &Stage, preset: usize, more: &str) -> Answer {
    let (line, fields) = PRESETS[preset];
    let head = format!("{line} HTTP/1.1\r\n{fields}{more}");
    stage.send(&head, "").await
}

#[tokio::test]
async fn a_good_token_passes_with_every_identity_header() {
    let stage = Stage::new().await;
    let authorization = format!("Authorization: {}\r\n", stage.bearer());
    for preset in 0..PRESETS.len() {
        let answer = ask(&stage, preset, &authorization).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.field("x-auth-subject"), Some("alice"));
        assert_eq!(
            answer.field("x-auth-scopes"),
            Some(""),
            "it replaces the client's"
        );
        assert_eq!(answer.field("x-auth-client-id"), Some("test-client"));
        assert_eq!(answer.field("x-auth-issuer"), Some(stage.issuer.url()));
        assert_eq!(answer.body, "");
    }
}

#[tokio::test]
async fn every_bad_token_gets_a_full_challenge() {
    let stage = Stage::with("required_scopes = [\"mcp:read\"]", "").await;
    for preset in 0..PRESETS.len() {
        let missing = ask(&stage, preset, "").await;
        assert_eq!(missing.status, 401, "{missing:?}");
        let challenge = missing.field("www-authenticate").unwrap();
        assert!(challenge.contains("resource_metadata="), "{challenge}");
        let few = format!("Authorization: {}\r\n", stage.bearer());
        let few = ask(&stage, preset, &few).await;
        assert_eq!(few.status, 403, "{few:?}");
        let challenge = few.field("www-authenticate").unwrap();
        assert!(challenge.contains("insufficient_scope"), "{challenge}");
        assert!(challenge.contains("mcp:read"), "{challenge}");
        for fault in TokenFault::ALL {
            let token = stage.token().scopes(["mcp:read"]).fault(fault).sign();
            let fields = format!("Authorization: Bearer {}\r\n", token.unwrap());
            let answer = ask(&stage, preset, &fields).await;
            assert_eq!(answer.status, 401, "{fault:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn headers_of_other_proxies_and_forged_ones_change_nothing() {
    let stage = Stage::with(
        "allowed_origins = [\"https://app.example.com\"]",
        "pass_preflights = true",
    )
    .await;
    let forged = "X-Auth-Subject: root\r\nX-Original-Method: OPTIONS\r\nX-Original-URI: /open\r\n\
                  X-Forwarded-Method: OPTIONS\r\nX-Forwarded-Uri: /open\r\n\
                  X-HTTP-Method-Override: OPTIONS\r\nOrigin: https://app.example.com\r\n\
                  Access-Control-Request-Method: POST\r\n";
    for (preset, (_, fields)) in PRESETS.iter().enumerate() {
        // Beside those of the proxy: where it overwrites them, only the others remain.
        let own: Vec<&str> = fields
            .lines()
            .filter_map(|line| line.split(':').next())
            .collect();
        let others: String = forged
            .split_inclusive("\r\n")
            .filter(|line| !own.iter().any(|name| line.starts_with(name)))
            .collect();
        let answer = ask(&stage, preset, &others).await;
        assert_eq!(answer.status, 401, "{preset}: {answer:?}");
        let good = format!("{others}Authorization: {}\r\n", stage.bearer());
        let answer = ask(&stage, preset, &good).await;
        assert_eq!(answer.status, 200, "{preset}: {answer:?}");
        assert_eq!(answer.field("x-auth-subject"), Some("alice"));
        // A proxy that adds its own and keeps the client's is refused.
        if preset < 3 {
            let answer = ask(&stage, preset, &format!("{good}{forged}")).await;
            assert_eq!(answer.status, 403, "{preset}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_names_nothing_is_refused() {
    let stage = Stage::new().await;
    let bearer = stage.bearer();
    for path in ["/nginx", "/caddy", "/traefik"] {
        let head = format!("GET {path} HTTP/1.1\r\nAuthorization: {bearer}\r\n");
        assert_eq!(stage.send(&head, "").await.status, 403, "{path}");
    }
    for path in ["/", "/mcp", "/envoy", "/envoy/", "/envoy/other", "/nginx/"] {
        let head = format!("POST {path} HTTP/1.1\r\nAuthorization: {bearer}\r\n");
        assert_eq!(stage.send(&head, "").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_preflight_passes_only_by_the_header_of_the_preset() {
    let fields = "Origin: https://app.example.com\r\nAccess-Control-Request-Method: POST\r\n";
    let origins = "allowed_origins = [\"https://app.example.com\"]";
    let ask = async |stage: &Stage, name: &str| {
        let head = format!("GET /{name} HTTP/1.1\r\n");
        let named = match name {
            "nginx" => "X-Original-Method: OPTIONS\r\nX-Original-URI: /mcp\r\n",
            _ => "X-Forwarded-Method: OPTIONS\r\nX-Forwarded-Uri: /mcp\r\n",
        };
        stage
            .send(&format!("{head}{named}{fields}"), "")
            .await
            .status
    };
    let refusing = Stage::with(origins, "").await;
    let passing = Stage::with(origins, "pass_preflights = true").await;
    for name in ["nginx", "caddy", "traefik"] {
        assert_eq!(ask(&refusing, name).await, 401, "{name}");
        assert_eq!(ask(&passing, name).await, 200, "{name}");
    }
    let head = format!("OPTIONS /envoy/mcp HTTP/1.1\r\nContent-Length: 0\r\n{fields}");
    assert_eq!(passing.send(&head, "").await.status, 200);
}

#[tokio::test]
async fn a_partial_or_missing_body_is_refused_where_rules_need_it() {
    let stage = Stage::with_rules("").await;
    let bearer = stage.bearer();
    let body = crate::support::PING;
    let head = |more: &str, length: usize| {
        format!(
            "POST /envoy/mcp HTTP/1.1\r\nContent-Type: application/json\r\nAuthorization: {bearer}\r\n\
             {more}Content-Length: {length}\r\n"
        )
    };
    assert_eq!(stage.send(&head("", body.len()), body).await.status, 200);
    assert_eq!(stage.send(&head("", 0), "").await.status, 403);
    let partial = head("X-Envoy-Auth-Partial-Body: true\r\n", body.len());
    assert_eq!(stage.send(&partial, body).await.status, 403);
    let unfinished = head("", body.len() + 1);
    assert_eq!(stage.send(&unfinished, body).await.status, 403);
    for preset in [0, 1] {
        let more = format!("Authorization: {bearer}\r\n");
        assert_eq!(ask(&stage, preset, &more).await.status, 403);
    }
}

#[tokio::test]
async fn the_metadata_document_is_for_everybody() {
    let stage = Stage::new().await;
    let head = "GET /.well-known/oauth-protected-resource/mcp HTTP/1.1\r\n";
    let answer = stage.send(head, "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("authorization_servers"), "{answer:?}");
}
