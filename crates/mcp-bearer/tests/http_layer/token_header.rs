//! The token in the header of a proxy in front.

use http::{HeaderValue, Request};
use mcp_bearer::http::BearerAuthService;
use mcp_bearer::{BearerAuthLayer, BearerAuthProvider};

use crate::support::{Inner, NoBody, RESOURCE, ask, good, key, provider};

const HEADER: &str = "x-proxy-assertion";

fn service(inner: Inner) -> BearerAuthService<Inner> {
    let auth = BearerAuthLayer::new(provider(&["mcp:read"]));
    let auth = auth.token_header("X-Proxy-Assertion").unwrap();
    auth.resource(RESOURCE).unwrap().layer(inner)
}

fn request(headers: &[(&'static str, &str)]) -> Request<NoBody> {
    let mut request = Request::post("/mcp").body(NoBody::new()).unwrap();
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().append(*name, value);
    }
    request
}

#[tokio::test]
async fn a_raw_token_is_taken_and_no_credential_reaches_the_service() {
    let inner = Inner::default();
    let token = good().token();
    let sent = request(&[
        (HEADER, &token),
        ("authorization", "Basic eDp5"),
        ("x-other", "kept"),
    ]);
    let answer = ask(service(inner.clone()), sent).await;
    assert_eq!(answer.status, 200);
    let got = inner.last().headers;
    assert!(
        !got.contains_key(HEADER) && !got.contains_key("authorization"),
        "{got:?}"
    );
    assert_eq!(got["x-other"], "kept");
}

#[tokio::test]
async fn the_header_contains_exactly_one_token() {
    let token = good().token();
    let bearer = format!("Bearer {token}");
    let both = format!("{token}, {token}");
    for (headers, status) in [
        (vec![], 401),
        (vec![("authorization", bearer.as_str())], 401),
        (vec![(HEADER, "")], 401),
        (vec![(HEADER, bearer.as_str())], 401),
        (vec![(HEADER, both.as_str())], 401),
        (
            vec![(HEADER, token.as_str()), (HEADER, token.as_str())],
            400,
        ),
    ] {
        let answer = ask(service(Inner::default()), request(&headers)).await;
        assert_eq!(answer.status, status, "{headers:?}");
    }
    let large = "a".repeat(100_000);
    let answer = ask(service(Inner::default()), request(&[(HEADER, &large)])).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn no_answer_sends_a_client_to_sign_in() {
    let expired = good().expires_in(-600).token();
    let limited = crate::support::forge().scope("other").token();
    for (token, status) in [(None, 401), (Some(expired), 401), (Some(limited), 403)] {
        let headers: Vec<_> = token.iter().map(|token| (HEADER, token.as_str())).collect();
        let answer = ask(service(Inner::default()), request(&headers)).await;
        assert_eq!(answer.status, status);
        assert!(
            !answer.headers.contains_key("www-authenticate"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_preflight_with_the_header_is_a_request_like_any_other() {
    let preflight = |headers: &[(&'static str, &str)]| {
        let mut request = request(headers);
        *request.method_mut() = http::Method::OPTIONS;
        let headers = request.headers_mut();
        headers.insert(
            "origin",
            HeaderValue::from_static("https://app.example.com"),
        );
        headers.insert(
            "access-control-request-method",
            HeaderValue::from_static("POST"),
        );
        request
    };
    let answer = ask(service(Inner::default()), preflight(&[])).await;
    assert_eq!(answer.status, 200);
    let answer = ask(service(Inner::default()), preflight(&[(HEADER, "x")])).await;
    assert_eq!(answer.status, 401);
}

#[test]
fn names_with_another_meaning_are_refused() {
    for name in [
        "Cookie",
        "connection",
        "Transfer-Encoding",
        "TE",
        "Proxy-Authorization",
        "Authorization",
        "Mcp-Session-Id",
        "Content-Type",
        "Host",
        "",
        "a b",
        "\u{e4}",
    ] {
        let layer = BearerAuthLayer::new(provider(&[])).token_header(name);
        assert!(layer.is_err(), "{name}");
    }
    for name in [
        "Cf-Access-Jwt-Assertion",
        "X-Goog-IAP-JWT-Assertion",
        "X-Pomerium-Jwt-Assertion",
    ] {
        assert!(
            BearerAuthLayer::new(provider(&[]))
                .token_header(name)
                .is_ok()
        );
    }
}

#[test]
fn issuer_and_audience_are_known() {
    let any = BearerAuthProvider::builder()
        .public_key(key().public_pem())
        .any_issuer()
        .any_audience()
        .algorithms([mcp_bearer::Algorithm::Es256])
        .build()
        .unwrap();
    let error = BearerAuthLayer::new(any)
        .token_header("Cookie")
        .unwrap_err();
    assert_eq!(error.problems().len(), 3, "{error}");
}
