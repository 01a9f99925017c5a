//! What the peer sees: every row of the wire table, from both sides.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER,
};
use http::{Request, StatusCode};
use mcp_bearer::core::Scopes;
use mcp_bearer::keys::KeySet;
use mcp_bearer::keys::StaticKeys;
use mcp_bearer::{Algorithm, BearerAuthLayer, BearerAuthProvider, FromExtensions, Rejection};
use mcp_bearer_testkit::Forge;

use crate::support::{
    Answer, Inner, METADATA_URL, NoBody, RESOURCE, ask, clock, forge, good, key, layer, provider,
    with_authorization,
};

/// What every denial has in common.
fn assert_denial(answer: &Answer, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.reason(), reason);
    assert_eq!(answer.header(CACHE_CONTROL), Some("no-store"));
    let exposed = answer.header(ACCESS_CONTROL_EXPOSE_HEADERS);
    assert_eq!(exposed, Some("WWW-Authenticate"));
    let json = (!answer.body.is_empty()).then_some("application/json");
    assert_eq!(answer.header(CONTENT_TYPE), json);
    assert_eq!(answer.header(RETRY_AFTER).is_some(), status == 503);
    assert_eq!(answer.challenge().is_some(), status != 503);
}

#[tokio::test]
async fn a_good_token_is_accepted_and_the_answer_is_the_inner_services() {
    let inner = Inner::default();
    let service = layer().layer(inner.clone());
    let answer = ask(service, with_authorization(good().authorization())).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, Forge::SUBJECT);
    assert!(answer.headers.is_empty());
    assert!(answer.rejection.is_none());
    assert_eq!(inner.calls(), 1);
}

#[tokio::test]
async fn no_credential_or_another_scheme_is_a_401_without_error() {
    let inner = Inner::default();
    for request in [
        Request::new(NoBody::new()),
        with_authorization("Basic dXNlcjpwYXNz"),
    ] {
        let answer = ask(layer().layer(inner.clone()), request).await;
        assert_denial(&answer, 401, "missing_credential");
        assert_eq!(answer.challenge(), Some(r#"Bearer scope="mcp:read""#));
        assert_eq!(answer.body, "");
    }
    assert_eq!(inner.calls(), 0);
}

/// The body of a refused request is never read, so the connection cannot be used again, and the
/// answer says so.
#[tokio::test]
async fn a_denial_of_a_request_with_a_body_closes_the_connection() {
    for (version, body, closes) in [
        (http::Version::HTTP_11, "{}", true),
        (http::Version::HTTP_10, "{}", true),
        (http::Version::HTTP_11, "", false),
        (http::Version::HTTP_2, "{}", false),
    ] {
        for authorization in ["Bearer a.b.c".to_owned(), good().authorization()] {
            let refused = !authorization.starts_with("Bearer eyJ");
            let mut request = with_authorization(authorization)
                .map(|_| http_body_util::Full::new(bytes::Bytes::from(body)));
            *request.version_mut() = version;
            let answer = ask(layer().layer(Inner::default()), request).await;
            let told = answer.header(http::header::CONNECTION);
            assert_eq!(
                told,
                (closes && refused).then_some("close"),
                "{version:?} {body:?}"
            );
        }
    }
}

#[tokio::test]
async fn two_credentials_are_a_400() {
    let inner = Inner::default();
    let mut twice = with_authorization(good().authorization());
    let value = twice.headers()["authorization"].clone();
    twice.headers_mut().append("authorization", value);
    let answer = ask(layer().layer(inner.clone()), twice).await;
    assert_denial(&answer, 400, "bad_credential");
    let challenge = r#"Bearer error="invalid_request", scope="mcp:read", error_description="The credential is malformed""#;
    assert_eq!(answer.challenge(), Some(challenge));
    let body = r#"{"error":"invalid_request","error_description":"The credential is malformed"}"#;
    assert_eq!(answer.body, body);
    let long = format!("Bearer {}", "a".repeat(16 * 1024 + 1));
    let answer = ask(layer().layer(inner.clone()), with_authorization(long)).await;
    assert_denial(&answer, 400, "token_too_large");
    assert_eq!(inner.calls(), 0);
}

#[tokio::test]
async fn a_token_fault_is_a_401_that_does_not_say_which() {
    let inner = Inner::default();
    let challenge = r#"Bearer error="invalid_token", scope="mcp:read", error_description="The token is not valid here""#;
    let body = r#"{"error":"invalid_token","error_description":"The token is not valid here"}"#;
    for (token, reason) in [
        (good().expires_in(-3600).token(), "expired"),
        (
            good().issuer("https://evil.example.com/").token(),
            "wrong_issuer",
        ),
        (
            good().audience("https://other.example.com/").token(),
            "wrong_audience",
        ),
        (good().flip_signature_bit(5).token(), "bad_signature"),
        (good().without_claim("exp").token(), "missing_claim"),
        (good().alg_name("none").token(), "algorithm_not_allowed"),
        ("a.b".to_owned(), "malformed"),
    ] {
        let request = with_authorization(format!("Bearer {token}"));
        let answer = ask(layer().layer(inner.clone()), request).await;
        assert_denial(&answer, 401, reason);
        assert_eq!(answer.challenge(), Some(challenge));
        assert_eq!(answer.body, body);
    }
    assert_eq!(inner.calls(), 0);
}

#[tokio::test]
async fn too_few_scopes_are_a_403_that_names_them_all() {
    let inner = Inner::default();
    let auth = BearerAuthLayer::new(provider(&["mcp:read", "mcp:write"]));
    for scopes in ["mcp:read", "", "MCP:READ mcp:write", "mcp:readmcp:write"] {
        let request = with_authorization(forge().scope(scopes).authorization());
        let answer = ask(auth.layer(inner.clone()), request).await;
        assert_denial(&answer, 403, "insufficient_scope");
        let challenge = r#"Bearer error="insufficient_scope", scope="mcp:read mcp:write", error_description="The token lacks a required permission""#;
        assert_eq!(answer.challenge(), Some(challenge));
    }
    assert_eq!(inner.calls(), 0);
    let request = with_authorization(forge().scope("x mcp:write mcp:read").authorization());
    assert_eq!(ask(auth.layer(inner), request).await.status, 200);
}

#[tokio::test]
async fn no_keys_are_a_503_without_challenge() {
    let keys = KeySet::unavailable("the disk is gone", std::time::Duration::from_secs(7));
    let provider = BearerAuthProvider::builder()
        .key_source(Arc::new(StaticKeys::new(keys)))
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Es256])
        .build()
        .unwrap()
        .with_clock(clock());
    let auth = BearerAuthLayer::new(provider);
    let inner = Inner::default();
    let request = with_authorization(good().authorization());
    let answer = ask(auth.layer(inner.clone()), request).await;
    assert_denial(&answer, 503, "keys_unavailable");
    assert_eq!(answer.header(RETRY_AFTER), Some("7"));
    assert_eq!(answer.body, r#"{"error":"temporarily_unavailable"}"#);
    // A token that no keys could save does not learn of the outage.
    let answer = ask(
        auth.layer(inner.clone()),
        with_authorization("Bearer a.b.c"),
    )
    .await;
    assert_denial(&answer, 401, "malformed");
    assert_eq!(inner.calls(), 0);
}

#[tokio::test]
async fn the_metadata_url_is_named_exactly_when_there_is_a_resource() {
    let bare = r#"Bearer scope="mcp:read""#;
    let auth = BearerAuthLayer::new(provider(&["mcp:read"]));
    let before = auth.clone().layer(Inner::default());
    let auth = auth.resource(RESOURCE).unwrap();
    assert_eq!(auth.metadata().url(), METADATA_URL);
    let answer = ask(before, Request::new(NoBody::new())).await;
    assert_eq!(answer.challenge(), Some(bare), "it has no resource");

    let full = format!(r#"{bare}, resource_metadata="{METADATA_URL}""#);
    let answer = ask(auth.layer(Inner::default()), Request::new(NoBody::new())).await;
    assert_eq!(answer.challenge(), Some(full.as_str()));
    let refused = with_authorization(forge().authorization());
    let answer = ask(auth.layer(Inner::default()), refused).await;
    assert_eq!(
        answer.challenge(),
        Some(
            format!(
                r#"Bearer error="insufficient_scope", scope="mcp:read", resource_metadata="{METADATA_URL}", error_description="The token lacks a required permission""#
            )
            .as_str()
        )
    );
}

#[tokio::test]
async fn a_challenge_always_has_a_parameter() {
    let auth = BearerAuthLayer::new(provider(&[]));
    let answer = ask(auth.layer(Inner::default()), Request::new(NoBody::new())).await;
    assert_eq!(answer.challenge(), Some(r#"Bearer realm="mcp""#));
}

/// Two issuers with these required scopes.
fn two_issuers(first: &[&str], second: &[&str]) -> BearerAuthLayer {
    let issuer = |name: &str, scopes: &[&str]| {
        BearerAuthProvider::builder()
            .public_key(key().public_pem())
            .issuer(name)
            .audience(Forge::AUDIENCE)
            .algorithms([Algorithm::Es256])
            .required_scopes(scopes.iter().copied())
    };
    let issuers = [
        issuer("https://a.example/", first),
        issuer("https://b.example/", second),
    ];
    let provider = BearerAuthProvider::for_issuers(issuers).unwrap();
    BearerAuthLayer::new(provider.with_clock(clock()))
}

#[tokio::test]
async fn several_issuers_name_scopes_before_a_token_only_when_they_agree() {
    let agreeing = two_issuers(&["mcp:read"], &["mcp:read"]);
    let answer = ask(
        agreeing.layer(Inner::default()),
        Request::new(NoBody::new()),
    )
    .await;
    assert_eq!(answer.challenge(), Some(r#"Bearer scope="mcp:read""#));

    let auth = two_issuers(&["mcp:read"], &["mcp:write"]);
    let answer = ask(auth.layer(Inner::default()), Request::new(NoBody::new())).await;
    assert_eq!(answer.challenge(), Some(r#"Bearer realm="mcp""#));

    // With a token, those of its issuer.
    for (issuer, needed) in [
        ("https://a.example/", "mcp:read"),
        ("https://b.example/", "mcp:write"),
    ] {
        let token = forge().issuer(issuer);
        let request = with_authorization(token.clone().scope("x").authorization());
        let answer = ask(auth.layer(Inner::default()), request).await;
        assert_denial(&answer, 403, "insufficient_scope");
        assert!(
            answer
                .challenge()
                .unwrap()
                .contains(&format!(r#"scope="{needed}""#))
        );
        let request = with_authorization(token.scope(needed).authorization());
        assert_eq!(ask(auth.layer(Inner::default()), request).await.status, 200);
    }
}

#[tokio::test]
async fn a_handler_answers_a_rejection_of_its_own() {
    let auth = BearerAuthLayer::new(provider(&["mcp:read"]))
        .resource(RESOURCE)
        .unwrap();
    let access = auth.provider().verify_token(&good().token()).await.unwrap();
    let admin: Scopes = "mcp:admin mcp:read".parse().unwrap();
    let rejection = auth.require_scopes(&access, &admin).unwrap_err();
    assert_eq!(rejection.missing_scopes().unwrap().as_str(), "mcp:admin");
    let response = auth.challenge(&rejection);
    assert_eq!(response.status(), 403);
    let challenge = format!(
        r#"Bearer error="insufficient_scope", scope="mcp:read mcp:admin", resource_metadata="{METADATA_URL}", error_description="The token lacks a required permission""#
    );
    assert_eq!(response.headers()["www-authenticate"], challenge);
    assert_eq!(
        Rejection::from_extensions(response.extensions()),
        Some(&rejection)
    );
    let body = r#"{"error":"insufficient_scope","error_description":"The token lacks a required permission"}"#;
    assert_eq!(response.body().as_bytes(), body.as_bytes());

    assert!(
        auth.require_scopes(&access, &"mcp:read".parse().unwrap())
            .is_ok()
    );
    // The required scopes of the issuer are checked too, whatever accepted the token.
    let other = auth
        .provider()
        .verify_token(&forge().scope("mcp:admin").token())
        .await
        .unwrap();
    assert!(
        auth.require_scopes(&other, &"mcp:admin".parse().unwrap())
            .is_err()
    );
    let free = BearerAuthLayer::new(provider(&[]));
    assert!(
        free.require_scopes(&other, &"mcp:admin".parse().unwrap())
            .is_ok()
    );
    assert!(
        free.require_scopes(&other, &"mcp:write".parse().unwrap())
            .is_err()
    );
}

#[tokio::test]
async fn the_peer_learns_nothing_of_the_token() {
    let token = good()
        .claim("sub", "secret-subject")
        .expires_in(-9999)
        .token();
    let request = with_authorization(format!("Bearer {token}"));
    let answer = ask(layer().layer(Inner::default()), request).await;
    let all = format!("{:?} {}", answer.headers, answer.body);
    for piece in token
        .split('.')
        .chain(["secret-subject", "expired", "key-1", Forge::ISSUER])
    {
        assert!(!all.contains(piece), "{piece} in {all}");
    }
    let _: Option<&HeaderName> = answer.headers.keys().next();
}
