//! The status page, request by request: what is accepted, and what each page may contain.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http_body_util::Full;
use mcp_bearer::testing::{TestIssuer, TokenFault};
use mcp_bearer::{Algorithm, BearerAuthProvider};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::decision::{Caller, Decision, Outcome};
use crate::metrics::Metrics;

const AUDIENCE: &str = "https://mcp.example.com/mcp";
const HOST: &str = "127.0.0.1:9901";
const ORIGIN: &str = "http://127.0.0.1:9901";
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);
const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&";

struct World {
    issuer: TestIssuer,
    admin: Admin,
    observers: Arc<Observers>,
    secret: String,
    _folder: TempDir,
}

struct Page {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let issuer = TestIssuer::start().unwrap();
        let provider = BearerAuthProvider::builder()
            .jwks_uri(issuer.jwks_uri())
            .issuer(issuer.url())
            .audience(AUDIENCE)
            .algorithms([Algorithm::Rs256, Algorithm::Es256])
            .required_scopes(["mcp:read"])
            .build()
            .unwrap();
        let settings = AdminSettings {
            listen: HOST.parse().unwrap(),
            secret_file: folder.path().join("secret"),
        };
        let observers = Arc::new(Observers::new(Metrics::new().unwrap(), None));
        let current: CurrentProvider = Arc::new(move || provider.clone());
        let admin = Admin::new(&settings, Arc::clone(&observers), current).unwrap();
        let secret = std::fs::read_to_string(&settings.secret_file).unwrap();
        Self {
            issuer,
            admin,
            observers,
            secret: secret.trim_end().to_owned(),
            _folder: folder,
        }
    }

    async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Page {
        let request = request.body(Full::new(body.into())).unwrap();
        let answer = self.admin.answer(request, PEER).await;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let page = Page {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        };
        let header = |name: &str| {
            page.headers
                .get(name)
                .map_or("", |value| value.to_str().unwrap())
        };
        assert_eq!(header("cache-control"), "no-store");
        assert!(header("content-security-policy").starts_with("default-src 'none';"));
        assert!(!header("content-security-policy").contains("unsafe"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(!page.text.contains(&self.secret) && !header("location").contains(&self.secret));
        page
    }

    async fn get(&self, path: &str, cookie: &str) -> Page {
        let request = Request::builder().uri(path).header("host", HOST);
        self.send(request.header("cookie", cookie), "").await
    }

    async fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Page {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.send(post(path).header("cookie", cookie), form).await
    }

    /// The cookie of a session, and its CSRF token.
    async fn signed_in(&self) -> (String, String) {
        let page = self.post("/sign-in", "", &[("secret", &self.secret)]).await;
        assert_eq!(
            (page.status, &page.headers["location"]),
            (303, &HeaderValue::from_static("/"))
        );
        let cookie = page.headers["set-cookie"].to_str().unwrap();
        let (pair, attributes) = cookie.split_once(';').unwrap();
        assert_eq!(
            attributes,
            " Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"
        );
        let text = self.get("/", pair).await.text;
        let csrf = text.split("name=\"csrf\" value=\"").nth(1).unwrap();
        (pair.to_owned(), csrf.split('"').next().unwrap().to_owned())
    }

    async fn explained(&self, token: &str) -> String {
        let (cookie, csrf) = self.signed_in().await;
        let page = self
            .post("/explain", &cookie, &[("csrf", &csrf), ("token", token)])
            .await;
        assert_eq!(page.status, 200);
        page.text
    }
}

fn post(path: &str) -> http::request::Builder {
    let request = Request::builder().method(Method::POST).uri(path);
    let form = "application/x-www-form-urlencoded";
    request
        .header("host", HOST)
        .header("origin", ORIGIN)
        .header("content-type", form)
}

fn denial(text: &str) -> Decision {
    let text = || Some(text.to_owned());
    Decision {
        at: now(),
        outcome: Outcome::Denied,
        reason: "expired",
        detail: text().unwrap(),
        status: 401,
        caller: Caller {
            proven: false,
            issuer: text(),
            subject: text(),
            client_id: text(),
            key_id: text(),
        },
        http_method: text().unwrap(),
        method: text(),
        name: text(),
        peer: PEER.ip(),
    }
}

#[tokio::test]
async fn without_a_session_there_is_only_the_form_for_the_secret() {
    let world = World::new();
    world.observers.record(&denial("mallory"));
    let page = world.get("/", "").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("name=\"secret\""));
    assert!(!page.text.contains("mallory") && !page.text.contains(world.issuer.url()));
    for cookie in ["mcp_bearer_status=", "mcp_bearer_status=guess"] {
        assert!(
            world
                .get("/", cookie)
                .await
                .text
                .contains("name=\"secret\"")
        );
    }
    let keys = world.get("/keys", "").await;
    assert_eq!(
        (keys.status, &keys.headers["www-authenticate"]),
        (401, &HeaderValue::from_static("Bearer realm=\"status\""))
    );
    for path in ["/explain", "/sign-out"] {
        let page = world.post(path, "", &[("token", "x"), ("csrf", "")]).await;
        assert_eq!(page.status, 303);
    }
}

#[tokio::test]
async fn a_session_shows_the_status_until_it_is_ended() {
    let world = World::new();
    world.observers.record(&denial("mallory"));
    world.observers.record_grant_cheaply();
    let (cookie, csrf) = world.signed_in().await;
    let page = world.get("/", &cookie).await;
    for part in [
        world.issuer.url(),
        "mallory",
        "<code>expired</code>",
        "accepted",
        "(claimed)",
        "What to do",
    ] {
        assert!(page.text.contains(part), "{part}\n{}", page.text);
    }
    assert_eq!(world.get("/keys", &cookie).await.status, 200);

    let page = world.post("/sign-out", &cookie, &[("csrf", &csrf)]).await;
    assert_eq!(page.status, 303);
    assert!(
        page.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    assert!(
        world
            .get("/", &cookie)
            .await
            .text
            .contains("name=\"secret\"")
    );
}

#[tokio::test]
async fn a_form_needs_the_token_of_its_session() {
    let world = World::new();
    let (cookie, csrf) = world.signed_in().await;
    let (_, other) = world.signed_in().await;
    for wrong in ["", "guess", &other, &csrf[1..]] {
        for path in ["/explain", "/sign-out"] {
            let page = world
                .post(path, &cookie, &[("csrf", wrong), ("token", "x")])
                .await;
            assert_eq!(page.status, 403, "{wrong}");
        }
    }
    assert_eq!(world.get("/keys", &cookie).await.status, 200);
}

#[tokio::test]
async fn other_sites_reach_nothing() {
    let world = World::new();
    let (cookie, csrf) = world.signed_in().await;
    for host in ["evil.example.com", "evil.example.com:9901", ""] {
        for path in ["/", "/keys", "/style.css", "/nothing"] {
            let request = Request::builder()
                .uri(path)
                .header("host", host)
                .header("cookie", &cookie);
            assert_eq!(world.send(request, "").await.status, 421, "{host}{path}");
        }
    }
    let form = format!("csrf={csrf}&token=x");
    for origin in ["null", "http://evil.example.com", "http://127.0.0.1:9902"] {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/explain")
            .header("host", HOST);
        let request = request.header("cookie", &cookie).header("origin", origin);
        assert_eq!(
            world.send(request, form.clone()).await.status,
            403,
            "{origin}"
        );
    }
}

#[tokio::test]
async fn wrong_entries_are_slowed_down_and_do_not_end_sessions() {
    let world = World::new();
    let (cookie, _) = world.signed_in().await;
    for _ in 0..5 {
        let page = world.post("/sign-in", "", &[("secret", "guess")]).await;
        assert_eq!(page.status, 403);
        assert!(page.headers.get("set-cookie").is_none());
        let request = Request::builder().uri("/keys").header("host", HOST);
        let page = world
            .send(request.header("authorization", "Bearer guess"), "")
            .await;
        assert_eq!(page.status, 401);
    }
    let page = world
        .post("/sign-in", "", &[("secret", &world.secret)])
        .await;
    assert_eq!(page.status, 429);
    assert!(
        page.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 50
    );
    assert_eq!(world.get("/keys", &cookie).await.status, 200);
}

#[tokio::test]
async fn the_secret_counts_in_the_body_and_never_in_the_address() {
    let world = World::new();
    let path = format!("/sign-in?secret={}", world.secret);
    assert_eq!(world.get(&path, "").await.status, 303);
    assert_eq!(world.post(&path, "", &[]).await.status, 403);
    let path = format!("/keys?secret={}", world.secret);
    assert_eq!(world.get(&path, "").await.status, 401);
}

#[tokio::test]
async fn programs_read_the_keys_with_the_secret() {
    let world = World::new();
    let bearer = format!("Bearer {}", world.secret);
    let keys = async || {
        let request = Request::builder().uri("/keys").header("host", HOST);
        let page = world
            .send(request.header("authorization", &bearer), "")
            .await;
        assert_eq!(
            (page.status, &page.headers["content-type"]),
            (200, &HeaderValue::from_static("application/json"))
        );
        serde_json::from_str::<Value>(&page.text).unwrap()
    };
    let before = keys().await;
    let issuer = &before["issuers"][0];
    assert_eq!(
        (&issuer["usable"], &issuer["keys"]),
        (&false.into(), &Value::Array(Vec::new()))
    );
    assert_eq!(
        issuer["state"],
        "No keys yet: every token is answered with 503"
    );

    world.explained("x.y.z").await;
    let token = world.issuer.token(AUDIENCE).sign().unwrap();
    world.explained(&token).await;
    let after = keys().await;
    let issuer = &after["issuers"][0];
    assert_eq!(
        (&issuer["usable"], &issuer["issuers"][0]),
        (&true.into(), &world.issuer.url().into())
    );
    assert!(
        issuer["next_refresh_seconds"].as_u64().unwrap() > 0,
        "{after}"
    );
    let states: Vec<_> = issuer["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (&key["algorithms"][0], &key["usable"]))
        .collect();
    let state = |name: &str| {
        states
            .iter()
            .find(|(algorithm, _)| *algorithm == name)
            .map(|(_, usable)| (*usable).clone())
    };
    assert_eq!(state("ES256"), Some(true.into()));
    assert_eq!(
        state("EdDSA").or(state("Ed25519")),
        Some(false.into()),
        "{after}"
    );
}

#[tokio::test]
async fn every_value_is_text() {
    let world = World::new();
    world.observers.record(&denial(HOSTILE));
    let (cookie, _) = world.signed_in().await;
    let status = world.get("/", &cookie).await.text;
    let token = world
        .issuer
        .token(AUDIENCE)
        .subject(HOSTILE)
        .scopes(["mcp:read"])
        .claim("client_id", HOSTILE);
    let good = world.explained(&token.sign().unwrap()).await;
    assert!(good.contains("Accepted"));
    let bad = world
        .explained(&world.issuer.token(HOSTILE).sign().unwrap())
        .await;
    assert!(bad.contains("wrong_audience"));
    for page in [&status, &good, &bad] {
        assert!(
            page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
            "{page}"
        );
        // Our own script, and no other element that runs one.
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("<img") && !page.contains(" style=") && !page.contains(" onclick"));
    }
}

#[tokio::test]
async fn a_token_is_explained_step_by_step_and_not_repeated() {
    let world = World::new();
    let good = world
        .issuer
        .token(AUDIENCE)
        .scopes(["mcp:read"])
        .subject("alice");
    let token = good.sign().unwrap();
    for pasted in [
        token.clone(),
        format!("  Authorization: Bearer {token}\r\n"),
        format!("\"{token}\""),
    ] {
        let page = world.explained(&pasted).await;
        for part in ["Accepted", "alice", "key and signature", "required scopes"] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains(&token) && !page.contains(token.rsplit('.').next().unwrap()));
    }
    for fault in TokenFault::ALL {
        let token = good.clone().fault(fault).sign().unwrap();
        let page = world.explained(&token).await;
        let kind = fault.rejection_kind().as_str();
        assert!(
            page.contains("Refused") && page.contains(&format!("<code>{kind}</code>")),
            "{kind}"
        );
        assert!(page.contains("What to do"));
    }
    let missing = world.issuer.token(AUDIENCE).sign().unwrap();
    assert!(
        world
            .explained(&missing)
            .await
            .contains("insufficient_scope")
    );
}

#[tokio::test]
async fn what_is_no_form_or_no_token_is_answered_too() {
    let world = World::new();
    let (cookie, csrf) = world.signed_in().await;
    for nonsense in [
        "",
        "x",
        "\u{202e}é",
        "Bearer",
        "authorization:",
        &"x".repeat(20_000),
    ] {
        let page = world.explained(nonsense).await;
        assert!(page.contains("Refused"), "{nonsense}");
    }
    let large = format!("csrf={csrf}&token={}", "x".repeat(100_000));
    let page = world
        .send(post("/explain").header("cookie", &cookie), large)
        .await;
    assert_eq!(page.status, 413);
    let json = Request::builder()
        .method(Method::POST)
        .uri("/explain")
        .header("host", HOST);
    let json = json
        .header("origin", ORIGIN)
        .header("content-type", "application/json")
        .header("cookie", &cookie);
    assert_eq!(world.send(json, "{}").await.status, 415);
    for (method, path, status) in [
        ("POST", "/", 405),
        ("DELETE", "/keys", 405),
        ("PUT", "/explain", 405),
        ("GET", "/explain", 303),
        ("GET", "/nothing", 404),
        ("GET", "//", 404),
        ("HEAD", "/", 200),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST)
            .header("origin", ORIGIN);
        assert_eq!(
            world.send(request, "").await.status,
            status,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn an_issuer_without_answer_is_shown_with_the_reason() {
    let world = World::new();
    world.issuer.go_down();
    let token = world.issuer.token(AUDIENCE).sign().unwrap();
    let page = world.explained(&token).await;
    assert!(page.contains("keys_unavailable"), "{page}");
    let (cookie, _) = world.signed_in().await;
    let page = world.get("/", &cookie).await.text;
    for part in ["No keys yet", "The last fetch failed", "0 of 1"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}
