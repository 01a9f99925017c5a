//! CORS preflights: what counts as one, how little of it passes, and the other choices.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use mcp_bearer::BearerAuthLayer;
use mcp_bearer::http::{Cors, Preflight};

use crate::support::{Inner, NoBody, ask, good, layer, provider};

const ORIGIN: &str = "https://app.example.com";

fn options(headers: &[(&str, &str)]) -> Request<NoBody> {
    let mut request = Request::options("/mcp").body(NoBody::new()).unwrap();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().append(name, value);
    }
    request
}

const PREFLIGHT: [(&str, &str); 2] = [
    ("origin", ORIGIN),
    ("access-control-request-method", "POST"),
];

fn preflight() -> Request<NoBody> {
    options(&PREFLIGHT)
}

fn answering(cors: Cors) -> BearerAuthLayer {
    BearerAuthLayer::new(provider(&["mcp:read"])).preflight(Preflight::Answer(cors))
}

#[tokio::test]
async fn a_preflight_passes_with_what_cors_needs_and_nothing_else() {
    let inner = Inner::default();
    let request = options(&[
        PREFLIGHT[0],
        PREFLIGHT[1],
        (
            "access-control-request-headers",
            "authorization, mcp-session-id",
        ),
        ("host", "mcp.example.com"),
        ("cookie", "a=b"),
        ("mcp-session-id", "stolen"),
        ("x-auth-subject", "admin"),
    ]);
    let answer = ask(layer().layer(inner.clone()), request).await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (200, "anonymous")
    );
    let seen = inner.last().headers;
    let mut names: Vec<&str> = seen.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "access-control-request-headers",
            "access-control-request-method",
            "host",
            "origin"
        ]
    );
}

#[tokio::test]
async fn any_other_options_request_is_judged_like_any_request() {
    let bearer = good().authorization();
    let bad = "Bearer a.b.c";
    for (label, headers) in [
        ("no headers", vec![]),
        ("no origin", vec![PREFLIGHT[1]]),
        ("an empty origin", vec![("origin", ""), PREFLIGHT[1]]),
        ("no method", vec![PREFLIGHT[0]]),
        (
            "an empty method",
            vec![PREFLIGHT[0], ("access-control-request-method", "")],
        ),
        (
            "no method name",
            vec![PREFLIGHT[0], ("access-control-request-method", "a b")],
        ),
        (
            "two origins",
            vec![PREFLIGHT[0], PREFLIGHT[0], PREFLIGHT[1]],
        ),
        (
            "two methods",
            vec![PREFLIGHT[0], PREFLIGHT[1], PREFLIGHT[1]],
        ),
        (
            "a bad token",
            vec![PREFLIGHT[0], PREFLIGHT[1], ("authorization", bad)],
        ),
        (
            "an empty token",
            vec![PREFLIGHT[0], PREFLIGHT[1], ("authorization", "")],
        ),
    ] {
        let inner = Inner::default();
        let answer = ask(layer().layer(inner.clone()), options(&headers)).await;
        assert_eq!((answer.status.as_u16(), inner.calls()), (401, 0), "{label}");
    }
    let inner = Inner::default();
    let with_token = options(&[PREFLIGHT[0], PREFLIGHT[1], ("authorization", &bearer)]);
    let answer = ask(layer().layer(inner.clone()), with_token).await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (200, "user-1")
    );
    for method in ["GET", "POST", "DELETE", "HEAD", "options"] {
        let mut request = preflight();
        *request.method_mut() = method.parse().unwrap();
        let answer = ask(layer().layer(Inner::default()), request).await;
        assert_eq!(answer.status, 401, "{method}");
    }
}

#[tokio::test]
async fn a_request_with_a_body_is_not_a_preflight() {
    for preflights in [Preflight::PassOn, Preflight::Answer(Cors::any_origin())] {
        let inner = Inner::default();
        let request = preflight().map(|_| Full::new(Bytes::from_static(b"{}")));
        let layer = BearerAuthLayer::new(provider(&[])).preflight(preflights);
        let answer = ask(layer.layer(inner.clone()), request).await;
        assert_eq!((answer.status.as_u16(), inner.calls()), (401, 0));
    }
}

#[tokio::test]
async fn the_layer_can_refuse_them() {
    let inner = Inner::default();
    let layer = BearerAuthLayer::new(provider(&[])).preflight(Preflight::Refuse);
    let answer = ask(layer.layer(inner.clone()), preflight()).await;
    assert_eq!((answer.status.as_u16(), inner.calls()), (401, 0));
}

#[tokio::test]
async fn the_layer_can_answer_them() {
    let listed = answering(Cors::origins([ORIGIN]).unwrap());
    for (layer, origin, allowed) in [
        (&listed, ORIGIN, Some(ORIGIN)),
        (&listed, "https://evil.example.com", None),
        (&listed, "null", None),
        (
            &answering(Cors::any_origin()),
            "https://evil.example.com",
            Some("*"),
        ),
    ] {
        let inner = Inner::default();
        let request = options(&[("origin", origin), PREFLIGHT[1]]);
        let answer = ask(layer.layer(inner.clone()), request).await;
        assert_eq!((answer.status.as_u16(), inner.calls()), (204, 0));
        let header = |name: &str| {
            answer
                .headers
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        assert_eq!(header("access-control-allow-origin"), allowed, "{origin}");
        assert_eq!(
            header("access-control-allow-methods").is_some(),
            allowed.is_some()
        );
        assert_eq!(header("access-control-allow-credentials"), None);
        assert_eq!(header("vary"), Some("Origin"));

        // Every other answer says the same: a script could not read the challenge otherwise.
        for authorization in ["Bearer a.b.c", &good().authorization()] {
            let request = options(&[("origin", origin), ("authorization", authorization)]);
            let answer = ask(layer.layer(Inner::default()), request).await;
            let told = answer.headers.get("access-control-allow-origin");
            assert_eq!(
                told.map(|value| value.to_str().unwrap()),
                allowed,
                "{origin}"
            );
            if allowed.is_some() {
                let exposed = answer.headers["access-control-expose-headers"]
                    .to_str()
                    .unwrap();
                assert!(exposed.contains("WWW-Authenticate") && exposed.contains("Mcp-Session-Id"));
            }
        }
    }
}

#[test]
fn an_origin_that_no_browser_sends_is_refused() {
    for bad in [
        "https://app.example.com/",
        "app.example.com",
        "*",
        "null",
        "https://App.example.com",
        "",
    ] {
        assert!(Cors::origins([bad]).is_err(), "{bad}");
    }
    assert!(Cors::origins(Vec::<String>::new()).is_err());
    for good in [
        "https://app.example.com",
        "http://localhost:6274",
        "http://[::1]:80a".trim_end_matches("0a"),
    ] {
        assert!(Cors::origins([good]).is_ok(), "{good}");
    }
}
