//! Extracts exactly one token from headers.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use mcp_bearer::config::Limits;
use mcp_bearer::http::bearer_token;
use mcp_bearer::{BearerAuthLayer, Rejection, RejectionKind, TokenCacheSize};
use mcp_bearer_testkit::vectors::{self, Credential};
use proptest::prelude::*;

use crate::support::{Inner, NoBody, ask, good, layer, provider, with_authorization};

fn headers<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        headers.append(AUTHORIZATION, value);
    }
    headers
}

fn outcome(headers: &HeaderMap) -> Result<&str, RejectionKind> {
    bearer_token(headers, &Limits::default()).map_err(|rejection| rejection.kind())
}

#[test]
fn every_row_of_the_authorization_vectors() {
    for case in vectors::authorizations() {
        // Each character is one byte.
        let bytes = |text: &String| text.chars().map(|c| u8::try_from(c).unwrap()).collect();
        let values: Vec<Vec<u8>> = case.headers.iter().map(bytes).collect();
        let expected = match &case.expect {
            Credential::Token(token) => Ok(token.as_str()),
            Credential::MissingCredential => Err(RejectionKind::MissingCredential),
            Credential::Malformed => Err(RejectionKind::Malformed),
            Credential::BadCredential => Err(RejectionKind::BadCredential),
        };
        assert_eq!(outcome(&headers(values)), expected, "{}", case.name);
    }
}

#[test]
fn what_the_vectors_leave_out() {
    let malformed = Err(RejectionKind::Malformed);
    let missing = Err(RejectionKind::MissingCredential);
    for (value, expected) in [
        (&b"Bearer a"[..], Ok("a")),
        (b"Bearer\ta", malformed),
        (b"Bearer,", malformed),
        (b"Bearer, Bearer a", malformed),
        (b"Bearer a \t ", Ok("a")),
        (b"Bearer   ", missing),
        (b"Bearer\t", missing),
        (b"Bearer \ta", malformed),
        (b" \tBearer a", Ok("a")),
        (b"", missing),
        (b"   ", missing),
        (b"\xff", missing),
        (b"\xff\xff\xff\xff\xff\xff a", missing),
        (b"Bearer\xff", malformed),
        (b"Bearer \xff\xfe", malformed),
        (b"Bearer \xc3\xa9", malformed),
        (b"Bearer a,b", malformed),
        (b"Bearer ,", malformed),
        (b"Digest realm=\"Bearer a\"", missing),
        (b"Basic \xff", missing),
        (b"Beare", missing),
    ] {
        assert_eq!(outcome(&headers([value])), expected, "{value:?}");
    }
    let bad = Err(RejectionKind::BadCredential);
    assert_eq!(outcome(&headers(["Basic a", "Basic a"])), bad);
    assert_eq!(outcome(&headers(["Bearer a", ""])), bad);
}

#[test]
fn the_log_names_what_is_wrong_with_the_header() {
    for (value, detail) in [
        ("Bearer", "no bearer token in the request"),
        ("Bearer   ", "no bearer token in the request"),
        ("", "no bearer token in the request"),
        (
            "Bearer a b",
            "the bearer token holds a character that no token has",
        ),
    ] {
        let headers = headers([value]);
        let rejection = bearer_token(&headers, &Limits::default()).unwrap_err();
        assert_eq!(rejection.to_string(), detail, "{value:?}");
    }
}

#[test]
fn the_limit_is_on_the_credential() {
    let limits = Limits::default().with_token_bytes(10);
    let kind = |headers: &HeaderMap| bearer_token(headers, &limits).map_err(|r| r.kind()).err();
    assert_eq!(kind(&headers(["Bearer 0123456789"])), None);
    let too_large = Some(RejectionKind::TokenTooLarge);
    assert_eq!(kind(&headers(["Bearer 01234567890"])), too_large);
    // Whatever the characters are: only the length counts.
    assert_eq!(kind(&headers(["Bearer ,,,,,,,,,,,"])), too_large);
    assert_eq!(kind(&headers(["Bearer            "])), too_large);
    let said = bearer_token(&headers(["Bearer 01234567890"]), &limits).unwrap_err();
    assert_eq!(
        said.to_string(),
        "the token is 11 bytes long where at most 10 are allowed"
    );
}

#[test]
fn ten_megabytes_are_refused_by_their_length_alone() {
    const SIZE: usize = 10 * 1024 * 1024;
    for (start, filler, expected) in [
        ("Bearer ", b'a', RejectionKind::TokenTooLarge),
        ("Bearer ", b' ', RejectionKind::TokenTooLarge),
        ("Bearer ", b'.', RejectionKind::TokenTooLarge),
        ("Bearer ", 0xFF, RejectionKind::TokenTooLarge),
        ("Basic ", b'a', RejectionKind::MissingCredential),
        ("", b'a', RejectionKind::MissingCredential),
    ] {
        let mut value = start.as_bytes().to_vec();
        value.resize(SIZE, filler);
        let headers = headers([value]);
        // The best of many: another process may interrupt any one of them.
        let best = (0..50).map(|_| {
            let started = Instant::now();
            assert_eq!(outcome(&headers), Err(expected));
            started.elapsed()
        });
        assert!(best.min().unwrap() < Duration::from_micros(200));
    }
}

#[tokio::test]
async fn ten_megabytes_are_a_400_for_the_peer() {
    let inner = Inner::default();
    let mut value = b"Bearer ".to_vec();
    value.resize(10 * 1024 * 1024, b'a');
    let answer = ask(layer().layer(inner.clone()), with_authorization(value)).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.reason(), "token_too_large");
    assert_eq!(inner.calls(), 0);
}

#[tokio::test]
async fn a_token_in_the_query_or_a_cookie_is_ignored() {
    let inner = Inner::default();
    let token = good().token();
    let request = http::Request::builder()
        .uri(format!("/mcp?access_token={token}"))
        .header("cookie", format!("access_token={token}"))
        .header("x-authorization", format!("Bearer {token}"))
        .header("proxy-authorization", format!("Bearer {token}"))
        .body(NoBody::new())
        .unwrap();
    let answer = ask(layer().layer(inner.clone()), request).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.reason(), "missing_credential");
    assert_eq!(inner.calls(), 0);
}

/// A value of any bytes that a header can hold, often close to a credential.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let start = prop::sample::select(vec!["Bearer ", "bearer", "Bear", "Basic ", ""]);
    let rest = proptest::collection::vec(any::<u8>(), 0..40);
    (start, rest).prop_map(|(start, rest)| {
        let rest = rest
            .into_iter()
            .filter(|byte| *byte == b'\t' || (*byte >= 32 && *byte != 127));
        start.bytes().chain(rest).collect()
    })
}

proptest! {
    #[test]
    fn any_headers_give_a_token68_or_a_rejection(
        values in proptest::collection::vec(any_value(), 0..3),
    ) {
        let headers = headers(&values);
        match bearer_token(&headers, &Limits::default()) {
            Ok(token) => {
                prop_assert_eq!(values.len(), 1);
                // White space around a value is not part of it.
                let value = values[0].trim_ascii();
                prop_assert!(value.ends_with(token.as_bytes()));
                prop_assert!(value.to_ascii_lowercase().starts_with(b"bearer "));
                let good = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
                prop_assert!(!token.is_empty() && token.chars().all(good));
            }
            Err(rejection) => {
                let status = mcp_bearer::http::Challenge::status_of(rejection.kind());
                prop_assert!(status == 400 || status == 401);
            }
        }
    }

    #[test]
    fn every_token68_is_found(token in "[A-Za-z0-9._~+/-]{1,40}={0,3}", scheme in "(?i)bearer {1,3}") {
        let headers = headers([format!("{scheme}{token}")]);
        prop_assert_eq!(bearer_token(&headers, &Limits::default()).unwrap(), token);
    }
}

/// A cached token is looked up before the characters of a credential are checked.
#[tokio::test]
async fn a_cache_that_holds_the_token_changes_no_answer_to_a_changed_one() {
    let token = good().token();
    let provider = || provider(&["mcp:read"]);
    let plain = BearerAuthLayer::new(provider());
    let warm = BearerAuthLayer::new(provider().with_token_cache(TokenCacheSize::default()));
    let mut values = vec![format!("Bearer {token}").into_bytes()];
    let last = values[0].len();
    for at in [7, 8, last / 2, last - 40, last - 1] {
        for byte in [b' ', b'\t', b'"', b'=', b'.', b'A', 0xC3, 0xFF] {
            let mut changed = values[0].clone();
            changed[at] = byte;
            values.push(changed);
            let mut longer = values[0].clone();
            longer.insert(at, byte);
            values.push(longer);
        }
    }
    for value in [&b"Bearer"[..], b"Bearer ", b"Bearer =", b"Basic x", b""] {
        values.push(value.to_vec());
    }
    for value in values.iter().chain(&values) {
        let [plain, warm] = [&plain, &warm].map(|layer| layer.layer(Inner::default()));
        let plain = ask(plain, with_authorization(value)).await;
        let warm = ask(warm, with_authorization(value)).await;
        assert_eq!(plain.status, warm.status, "{value:?}");
        assert_eq!(plain.headers, warm.headers, "{value:?}");
        let kind = |rejection: &Option<Rejection>| rejection.as_ref().map(Rejection::kind);
        assert_eq!(kind(&plain.rejection), kind(&warm.rejection), "{value:?}");
    }
    assert_eq!(warm.provider().cached_tokens(), Some(1));
}
