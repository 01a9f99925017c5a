//! From an issuer to its keys.

mod moves;

use mcp_bearer::keys::{KeySource, ManualTime, Miss, MonotonicClock, Refreshed, RemoteKeys};
use mcp_bearer_testkit::{Behaviour, JwksServer, Response};
use serde_json::json;

use crate::{eventually, key, kids, secs, unknown};

const RFC_8414: &str = "/.well-known/oauth-authorization-server/tenant";
const OIDC_INSERTED: &str = "/.well-known/openid-configuration/tenant";
const OIDC_APPENDED: &str = "/tenant/.well-known/openid-configuration";

struct Issuer {
    server: JwksServer,
    issuer: String,
    keys: RemoteKeys,
    time: ManualTime,
}

fn issuer() -> Issuer {
    let server = JwksServer::start();
    server.set_keys(vec![key("a").jwk()]);
    let issuer = server.url_of("/tenant/");
    let (clock, time) = MonotonicClock::manual();
    let keys = RemoteKeys::discover(&issuer).clock(clock).build().unwrap();
    Issuer {
        server,
        issuer,
        keys,
        time,
    }
}

impl Issuer {
    fn document(&self, issuer: &str, jwks_uri: &str) -> Response {
        Response::json(&json!({ "issuer": issuer, "jwks_uri": jwks_uri }))
    }

    fn serve(&self, path: &str) {
        self.server
            .serve(path, self.document(&self.issuer, &self.server.url()));
    }

    fn paths(&self) -> Vec<String> {
        self.server
            .requests()
            .into_iter()
            .map(|request| request.path)
            .collect()
    }

    async fn fetch(&self) -> Refreshed {
        self.keys.refresh(Miss::no_keys()).await
    }

    async fn failure(&self) -> String {
        assert_eq!(self.fetch().await, Refreshed::Unchanged);
        self.keys.status().last_failure.unwrap()
    }
}

#[tokio::test]
async fn the_first_valid_document_is_used() {
    for (at, asked) in [
        (RFC_8414, &[RFC_8414][..]),
        (OIDC_INSERTED, &[RFC_8414, OIDC_INSERTED]),
        (OIDC_APPENDED, &[RFC_8414, OIDC_INSERTED, OIDC_APPENDED]),
    ] {
        let issuer = issuer();
        issuer.serve(at);
        assert_eq!(issuer.fetch().await, Refreshed::NewKeys, "{at}");
        assert_eq!(kids(&issuer.keys.snapshot()), ["a"]);
        let mut expected = asked.to_vec();
        expected.push(JwksServer::JWKS_PATH);
        assert_eq!(issuer.paths(), expected);
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_one_document_the_next_is_tried() {
    for behaviour in [
        Behaviour::Status(500),
        Behaviour::Html200,
        Behaviour::EmptyObject,
        Behaviour::CloseAtOnce,
        Behaviour::NotModifiedWithoutSet,
        Behaviour::GzipBomb,
        Behaviour::RedirectTo("https://idp.example.com/".to_owned()),
        Behaviour::Respond(Response::json(
            &json!({ "issuer": null, "jwks_uri": "https://x/" }),
        )),
        Behaviour::Respond(Response::json(
            &json!({ "issuer": "https://evil.example.com/", "jwks_uri": "https://x/" }),
        )),
    ] {
        let issuer = issuer();
        issuer.serve(OIDC_INSERTED);
        issuer.server.serve(RFC_8414, Response::empty(404));
        issuer.server.set_behaviour_at(RFC_8414, behaviour.clone());
        assert_eq!(issuer.fetch().await, Refreshed::NewKeys, "{behaviour:?}");
    }
}

#[tokio::test]
async fn the_issuer_must_be_the_same_byte_for_byte() {
    for (named, advice) in [
        ("http://HOST/tenant", "slash"),
        ("http://HOST/Tenant/", "another issuer"),
        ("https://HOST/tenant/", "another issuer"),
        ("http://HOST/{tenantid}/", "template"),
        ("", "another issuer"),
    ] {
        let issuer = issuer();
        let named = named.replace("HOST", &issuer.server.address().to_string());
        let document = issuer.document(&named, &issuer.server.url());
        issuer.server.serve(RFC_8414, document);
        let failure = issuer.failure().await;
        assert!(failure.contains(advice), "{named}: {failure}");
        assert_eq!(issuer.server.hits(JwksServer::JWKS_PATH), 0);
    }
}

#[tokio::test]
async fn a_document_without_a_good_address_says_so() {
    let issuer_at = issuer();
    let document = Response::json(&json!({ "issuer": issuer_at.issuer }));
    issuer_at.server.serve(RFC_8414, document);
    assert!(issuer_at.failure().await.contains("no jwks_uri"));
    for uri in [
        "http://idp.example.com/jwks",
        "file:///etc/passwd",
        "/jwks.json",
        "https://u:p@h/",
    ] {
        let issuer = issuer();
        let document = issuer.document(&issuer.issuer, uri);
        issuer.server.serve(RFC_8414, document);
        let failure = issuer.failure().await;
        assert!(failure.contains("its jwks_uri"), "{failure}");
    }
}

#[tokio::test]
async fn without_a_document_the_failure_names_every_address() {
    let issuer = issuer();
    let failure = issuer.failure().await;
    for path in [RFC_8414, OIDC_INSERTED, OIDC_APPENDED] {
        assert!(failure.contains(path), "{failure}");
    }
}

#[tokio::test]
async fn the_keys_may_be_on_another_host_and_move() {
    for gone in [404, 410, 301] {
        moves(gone).await;
    }
}

async fn moves(gone: u16) {
    let issuer = issuer();
    let (old, new) = (JwksServer::start(), JwksServer::start());
    old.set_keys(vec![key("old").jwk()]);
    old.set_behaviour(Behaviour::ok_with([("ETag", "\"1\"")]));
    new.set_keys(vec![key("new").jwk()]);
    let document = issuer.document(&issuer.issuer, &old.url());
    issuer.server.serve(RFC_8414, document);
    assert_eq!(issuer.fetch().await, Refreshed::NewKeys);
    assert_eq!(kids(&issuer.keys.snapshot()), ["old"]);

    // Gone: the document is read again at once, and conditions for the old address are not sent to
    // the new one.
    let document = issuer.document(&issuer.issuer, &new.url());
    issuer.server.serve(RFC_8414, document);
    old.set_behaviour(Behaviour::Status(gone));
    let refreshed = issuer.keys.refresh(unknown(&issuer.keys, "new")).await;
    assert_eq!(refreshed, Refreshed::NewKeys);
    assert_eq!(kids(&issuer.keys.snapshot()), ["new"]);
    assert!(new.requests()[0].header("if-none-match").is_none());
    assert_eq!(old.total_hits(), 2);
}

#[tokio::test]
async fn a_304_from_an_address_that_was_asked_without_conditions_confirms_nothing() {
    let issuer = issuer();
    let etag = Behaviour::ok_with([("ETag", "\"1\"")]);
    issuer.server.set_behaviour_at(JwksServer::JWKS_PATH, etag);
    issuer.serve(RFC_8414);
    issuer.fetch().await;
    issuer
        .server
        .set_behaviour_at("/moved", Behaviour::NotModifiedWithoutSet);
    issuer
        .server
        .set_behaviour_at(JwksServer::JWKS_PATH, Behaviour::Status(410));
    let document = issuer.document(&issuer.issuer, &issuer.server.url_of("/moved"));
    issuer.server.serve(RFC_8414, document);
    let refreshed = issuer.keys.refresh(unknown(&issuer.keys, "x")).await;
    let status = issuer.keys.status();
    assert_eq!((refreshed, status.not_modified), (Refreshed::Unchanged, 0));
    assert!(status.last_failure.unwrap().contains("304"));
}

#[tokio::test]
async fn after_a_failure_of_another_kind_the_next_attempt_reads_the_document() {
    let issuer = issuer();
    issuer.serve(RFC_8414);
    issuer.fetch().await;
    issuer
        .server
        .set_behaviour_at(JwksServer::JWKS_PATH, Behaviour::Status(500));
    assert_eq!(
        issuer.keys.refresh(unknown(&issuer.keys, "x")).await,
        Refreshed::Unchanged
    );
    assert_eq!(issuer.server.hits(RFC_8414), 1);
    issuer.server.set_behaviour_at("/moved", Behaviour::ok());
    let document = issuer.document(&issuer.issuer, &issuer.server.url_of("/moved"));
    issuer.server.serve(RFC_8414, document);
    issuer.keys.refresh(unknown(&issuer.keys, "y")).await;
    assert_eq!(
        (issuer.server.hits(RFC_8414), issuer.server.hits("/moved")),
        (2, 1)
    );
    assert_eq!(issuer.keys.status().fetched, 2);
}

#[tokio::test]
async fn a_document_that_cannot_be_read_again_leaves_the_address_in_use() {
    let issuer = issuer();
    issuer.serve(RFC_8414);
    issuer.fetch().await;
    issuer
        .server
        .set_behaviour_at(JwksServer::JWKS_PATH, Behaviour::Status(500));
    issuer.keys.refresh(unknown(&issuer.keys, "x")).await;
    issuer
        .server
        .set_behaviour_at(JwksServer::JWKS_PATH, Behaviour::ok());
    issuer
        .server
        .set_behaviour_at(RFC_8414, Behaviour::Status(500));
    issuer.server.set_keys(vec![key("b").jwk()]);
    assert_eq!(
        issuer.keys.refresh(unknown(&issuer.keys, "b")).await,
        Refreshed::NewKeys
    );
    assert_eq!(kids(&issuer.keys.snapshot()), ["b"]);
}

#[tokio::test]
async fn an_old_document_is_read_again_with_a_scheduled_refresh() {
    let issuer = issuer();
    issuer.serve(RFC_8414);
    issuer.fetch().await;
    let document = issuer.document(&issuer.issuer, &issuer.server.url_of("/moved"));
    issuer.server.serve(RFC_8414, document);
    issuer.server.set_behaviour_at("/moved", Behaviour::ok());
    issuer.time.advance(secs(3600));
    eventually("the document is read", || issuer.server.hits("/moved") == 1).await;
}

#[tokio::test]
async fn a_move_is_noticed_though_the_old_address_answers_and_made_up_kids_come() {
    let issuer = issuer();
    issuer.serve(RFC_8414);
    issuer.fetch().await;
    let new = JwksServer::start();
    new.set_keys(vec![key("new").jwk()]);
    let document = issuer.document(&issuer.issuer, &new.url());
    issuer.server.serve(RFC_8414, document);
    // Each request delays the next scheduled refresh.
    for number in 0..2 {
        issuer.time.advance(secs(1800));
        let junk = unknown(&issuer.keys, &format!("junk-{number}"));
        issuer.keys.refresh(junk).await;
    }
    eventually("the new keys are there", || {
        kids(&issuer.keys.snapshot()) == ["new"]
    })
    .await;
    assert_eq!(issuer.server.hits(RFC_8414), 2);
}

#[tokio::test]
async fn a_document_that_hangs_delays_no_keys_and_is_reported() {
    for doubtful in [false, true] {
        let issuer = issuer();
        issuer.serve(RFC_8414);
        issuer.fetch().await;
        let jwks = |behaviour| {
            let server = &issuer.server;
            server.set_behaviour_at(JwksServer::JWKS_PATH, behaviour);
        };
        for path in [RFC_8414, OIDC_INSERTED, OIDC_APPENDED] {
            issuer
                .server
                .set_behaviour_at(path, Behaviour::HangBeforeHeaders);
        }
        if doubtful {
            jwks(Behaviour::CloseAtOnce);
            let asked = issuer.keys.refresh(unknown(&issuer.keys, "x"));
            asked.await;
            jwks(Behaviour::ok());
            issuer.time.advance(secs(20));
        } else {
            issuer.time.advance(secs(3600));
        }
        issuer.server.set_keys(vec![key("b").jwk()]);
        let start = std::time::Instant::now();
        let refreshed = issuer.keys.refresh(unknown(&issuer.keys, "b")).await;
        assert_eq!(refreshed, Refreshed::NewKeys);
        assert!(start.elapsed() < secs(2), "{:?}", start.elapsed());
        if !doubtful {
            eventually("the failure is reported", || {
                issuer.time.advance(secs(6)); // for one candidate after the other
                let failure = issuer.keys.status().last_failure.unwrap_or_default();
                failure.contains("timed out")
            })
            .await;
        }
    }
}

#[tokio::test]
async fn two_issuers_with_one_kid_never_see_each_others_keys() {
    let (one, two) = (issuer(), issuer());
    one.serve(RFC_8414);
    two.serve(RFC_8414);
    let other = mcp_bearer_testkit::SigningKey::ec_p256().with_kid("a");
    two.server.set_keys(vec![other.jwk()]);
    one.fetch().await;
    two.fetch().await;
    let thumbprint = |of: &Issuer| of.keys.snapshot().set.keys().next().unwrap().thumbprint;
    assert_ne!(thumbprint(&one), thumbprint(&two));
}
