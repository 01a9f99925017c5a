//! Envoy's external authorization over gRPC.

use mcp_bearer::testing::TokenFault;

use crate::support::{Checked, PING, Question, Stage};

#[tokio::test]
async fn a_good_token_passes_with_identity_headers_and_is_removed() {
    let stage = Stage::new().await;
    let token = stage.token().scopes(["mcp:read", "mcp:admin"]);
    let token = token.claim("client_id", "app").sign().unwrap();
    let answer = stage
        .check(Question::post(&format!("Bearer {token}")))
        .await;
    assert!(answer.passes, "{answer:?}");
    assert_eq!(answer.headers["x-auth-subject"], "alice");
    assert_eq!(answer.headers["x-auth-client-id"], "app");
    assert_eq!(answer.headers["x-auth-scopes"], "mcp:read mcp:admin");
    assert_eq!(answer.headers["x-auth-issuer"], stage.issuer.url());
    assert_eq!(answer.removed, ["authorization"]);
}

#[tokio::test]
async fn what_is_not_known_is_an_empty_header() {
    let stage = Stage::new().await;
    let answer = stage.check(Question::post(&stage.bearer())).await;
    assert_eq!(answer.headers["x-auth-scopes"], "");
    assert_eq!(answer.headers.len(), 4);
}

#[tokio::test]
async fn a_caller_whom_no_header_can_name_does_not_pass_as_nobody() {
    let stage = Stage::new().await;
    for subject in ["é", " alice", "a\r\nb"] {
        let token = stage.token().subject(subject).sign().unwrap();
        let question = Question::post(&format!("Bearer {token}"));
        let answer = stage.check(question).await;
        assert!(!answer.passes && answer.status == 403, "{answer:?}");
    }
}

#[tokio::test]
async fn every_bad_token_gets_a_full_challenge() {
    let stage = Stage::new().await;
    for fault in TokenFault::ALL {
        let token = stage.token().fault(fault).sign().unwrap();
        let answer = stage
            .check(Question::post(&format!("Bearer {token}")))
            .await;
        assert_eq!(answer.status, 401, "{fault:?}: {answer:?}");
        assert!(!answer.passes);
        let challenge = answer.challenge();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(challenge.contains("resource_metadata="), "{challenge}");
        assert!(!answer.body.contains(&token));
    }
    let missing = stage.check(Question::new("POST", "/mcp")).await;
    assert_eq!(missing.status, 401);
    assert!(missing.challenge().starts_with("Bearer "), "{missing:?}");
    assert!(!missing.challenge().contains("error="), "{missing:?}");
    for bad in ["Bearer", "Basic YTpi", "Bearer a b", "Bearer a,Bearer b"] {
        let answer = stage.check(Question::post(bad)).await;
        assert!(!answer.passes && answer.status < 500, "{bad}: {answer:?}");
    }
}

#[tokio::test]
async fn forged_headers_change_nothing_and_are_removed() {
    let stage = Stage::new().await;
    let forged = [
        "x-auth-subject",
        "x_auth_subject",
        "x-auth_client-id",
        "x_forwarded_for",
        "x-original-uri",
        "x-original-method",
        "x_original_uri",
        "x-real-ip",
    ];
    let with_all = |question: Question| {
        let mut names = forged.into_iter();
        let value = |name: &str| match name {
            "x-original-method" => "OPTIONS",
            _ => "root",
        };
        names.try_fold(question, |question, name| {
            Some(question.header(name, value(name)))
        })
    };
    let answer = stage
        .check(with_all(Question::post(&stage.bearer())).unwrap())
        .await;
    assert!(answer.passes);
    assert_eq!(answer.headers["x-auth-subject"], "alice");
    assert!(answer.headers.values().all(|value| value != "root"));
    for name in forged {
        let replaced = answer.headers.contains_key(name);
        let removed = answer.removed.iter().any(|own| own == name);
        assert!(replaced || removed, "{name}: {answer:?}");
    }
    let without_token = with_all(Question::new("POST", "/mcp")).unwrap();
    let without_token = without_token
        .header("origin-method", "OPTIONS")
        .header("x-forwarded-method", "OPTIONS")
        .header("x-http-method-override", "OPTIONS");
    assert_eq!(stage.check(without_token).await.status, 401);
}

#[tokio::test]
async fn no_other_path_and_no_other_origin_passes() {
    let stage = Stage::with("allowed_origins = [\"https://app.example.com\"]", "").await;
    let bearer = stage.bearer();
    for path in [
        "/",
        "/mcp/",
        "/mcp/../mcp",
        "//mcp",
        "/MCP",
        "/%6dcp",
        "/admin",
        "",
    ] {
        let question = Question::new("POST", path).header("authorization", &bearer);
        let answer = stage.check(question).await;
        assert!(!answer.passes, "{path:?}: {answer:?}");
    }
    for (origin, passes) in [
        ("https://app.example.com", true),
        ("https://evil.example.com", false),
        ("null", false),
        ("https://app.example.com,https://app.example.com", false),
    ] {
        let question = Question::post(&bearer).header("origin", origin);
        assert_eq!(stage.check(question).await.passes, passes, "{origin}");
    }
    let query = Question::new("POST", "/mcp?a=b").header("authorization", &bearer);
    assert!(stage.check(query).await.passes);
}

#[tokio::test]
async fn a_preflight_passes_only_if_configured_and_real() {
    let preflight = |method: &str| {
        Question::new(method, "/mcp")
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", "POST")
    };
    let origins = "allowed_origins = [\"https://app.example.com\"]";
    let stage = Stage::with(origins, "").await;
    assert_eq!(stage.check(preflight("OPTIONS")).await.status, 401);
    let stage = Stage::with(origins, "pass_preflights = true").await;
    let answer = stage.check(preflight("OPTIONS")).await;
    assert!(answer.passes, "{answer:?}");
    assert!(answer.headers.values().all(String::is_empty), "{answer:?}");
    assert_eq!(stage.check(preflight("POST")).await.status, 401);
    let with_body = preflight("OPTIONS").body(PING);
    assert!(!stage.check(with_body).await.passes);
    let declared = preflight("OPTIONS").header("content-length", "7");
    assert!(!stage.check(declared).await.passes);
    let foreign = preflight("OPTIONS").header("origin", "https://evil.example.com");
    assert_eq!(stage.check(foreign).await.status, 403);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    let empty = client
        .check(envoy_types::ext_authz::v3::pb::CheckRequest::default())
        .await
        .unwrap();
    assert_eq!(Checked::of(empty.into_inner()).status, 400);
    let bearer = stage.bearer();
    for question in [
        Question::post(&bearer).header("a b", "c"),
        Question::post(&bearer).header("a", "b\r\nc: d"),
        Question::new("PO ST", "/mcp").header("authorization", &bearer),
        Question::new("POST", "mcp\u{7f}").header("authorization", &bearer),
    ] {
        let answer = stage.check(question.clone()).await;
        assert_eq!(answer.status, 400, "{question:?}: {answer:?}");
    }
    let put = Question::new("PUT", "/mcp").header("authorization", &bearer);
    assert_eq!(stage.check(put).await.status, 405);
}

#[tokio::test]
async fn the_metadata_document_is_for_everybody() {
    let stage = Stage::new().await;
    let path = "/.well-known/oauth-protected-resource/mcp";
    let answer = stage.check(Question::new("GET", path)).await;
    // Envoy gives it to the client, and forwards nothing.
    assert_eq!((answer.status, answer.passes), (200, false));
    let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(document["resource"], crate::support::RESOURCE);
    let post = stage.check(Question::new("POST", path)).await;
    assert!(!post.passes && post.status == 405, "{post:?}");
}

#[tokio::test]
async fn headers_in_the_raw_form_decide_too() {
    let stage = Stage::with_rules("").await;
    let bearer = stage.bearer();
    let ping = || Question::post(&bearer).body(PING);
    let answer = stage.check(ping().raw()).await;
    assert!(answer.passes, "{answer:?}");
    assert_eq!(answer.headers["x-auth-subject"], "alice");
    let partial = ping().header("x-envoy-auth-partial-body", "true").raw();
    assert_eq!(stage.check(partial).await.status, 403);
    let mut two = ping().raw();
    let headers = &mut two.http.header_map.as_mut().unwrap().headers;
    let authorization = headers.iter().find(|field| field.key == "authorization");
    headers.extend(authorization.cloned());
    let answer = stage.check(two).await;
    assert!(!answer.passes, "two tokens: {answer:?}");
    for value in [&b"a\nb"[..], b"a\0"] {
        let mut broken = ping().header("x-other", "a").raw();
        let headers = &mut broken.http.header_map.as_mut().unwrap().headers;
        for field in headers.iter_mut().filter(|field| field.key == "x-other") {
            field.raw_value = value.to_vec();
        }
        assert_eq!(stage.check(broken).await.status, 400, "{value:?}");
    }
}
