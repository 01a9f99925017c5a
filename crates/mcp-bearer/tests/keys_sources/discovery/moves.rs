//! A JWKS that moves while one address or the other hangs.

use super::*;

impl Issuer {
    fn jwks(&self, behaviour: Behaviour) {
        self.server
            .set_behaviour_at(JwksServer::JWKS_PATH, behaviour);
    }

    fn hangs(&self, paths: &[&str]) {
        for path in paths {
            self.server
                .set_behaviour_at(path, Behaviour::HangBeforeHeaders);
        }
    }

    /// The document at `path` now names another address, whose only key is `kid`.
    fn moves(&self, path: &str, kid: &str) {
        let document = self.document(&self.issuer, &self.server.url_of("/moved"));
        self.server.serve(path, document);
        self.server.set_keys(vec![key(kid).jwk()]);
        self.server.set_behaviour_at("/moved", Behaviour::ok());
    }

    async fn holds(&self, kid: &str) {
        eventually("the key is there", || kids(&self.keys.snapshot()) == [kid]).await;
    }
}

async fn holding() -> Issuer {
    let issuer = issuer();
    issuer.serve(RFC_8414);
    issuer.fetch().await;
    issuer
}

#[tokio::test]
async fn a_move_is_followed_at_once_though_the_old_address_hangs() {
    let issuer = holding().await;
    issuer.hangs(&[JwksServer::JWKS_PATH]);
    issuer.moves(RFC_8414, "b");
    let first = issuer.keys.refresh(unknown(&issuer.keys, "b"));
    eventually("the old address is asked", || {
        issuer.server.hits(JwksServer::JWKS_PATH) == 2
    })
    .await;
    issuer.time.advance(secs(5));
    first.await;
    eventually("it has failed", || issuer.keys.status().failed == 1).await;
    // The document is read at the same time.
    let start = std::time::Instant::now();
    let second = issuer.keys.refresh(unknown(&issuer.keys, "b")).await;
    assert_eq!(second, Refreshed::NewKeys);
    assert!(start.elapsed() < secs(2), "{:?}", start.elapsed());
    assert_eq!(kids(&issuer.keys.snapshot()), ["b"]);
}

#[tokio::test]
async fn a_document_that_hangs_holds_no_attempt_for_longer_than_an_exchange() {
    let issuer = holding().await;
    issuer.hangs(&[RFC_8414, OIDC_INSERTED, OIDC_APPENDED]);
    issuer.jwks(Behaviour::Status(503));
    issuer.keys.refresh(unknown(&issuer.keys, "x")).await;
    let asked = issuer.keys.refresh(unknown(&issuer.keys, "y"));
    eventually("the address is asked again", || {
        issuer.server.hits(JwksServer::JWKS_PATH) == 3
    })
    .await;
    // From here on the issuer works, and has a new key.
    issuer.jwks(Behaviour::ok());
    issuer.server.set_keys(vec![key("b").jwk()]);
    let mut seconds = 0;
    while kids(&issuer.keys.snapshot()) != ["b"] {
        assert!(seconds <= 11, "longer than a cooldown and one exchange");
        let asked = issuer.keys.refresh(unknown(&issuer.keys, "b"));
        let wait = std::time::Duration::from_secs(1);
        let _ = tokio::time::timeout(wait, asked).await;
        issuer.time.advance(secs(1));
        seconds += 1;
    }
    drop(asked);
}

#[tokio::test]
async fn a_document_that_takes_longer_than_an_attempt_is_read_on_beside_the_fetches() {
    let issuer = holding().await;
    issuer.jwks(Behaviour::Status(410));
    issuer.hangs(&[RFC_8414]);
    issuer.moves(OIDC_INSERTED, "b");
    let asked = issuer.keys.refresh(unknown(&issuer.keys, "b"));
    eventually("the document is asked for", || {
        issuer.server.hits(RFC_8414) == 2
    })
    .await;
    issuer.time.advance(secs(5));
    assert_eq!(asked.await, Refreshed::Unchanged);
    eventually("and again, after the attempt", || {
        issuer.server.hits(RFC_8414) == 3
    })
    .await;
    issuer.time.advance(secs(5));
    // There are no requests, and the next refresh is an hour away.
    issuer.holds("b").await;
}

#[tokio::test]
async fn a_document_that_cannot_be_had_is_asked_for_once_a_minute_beside_the_fetches() {
    let issuer = holding().await;
    issuer
        .server
        .set_behaviour_at(RFC_8414, Behaviour::Status(500));
    issuer.time.advance(secs(3600));
    let junk = async |number: u32| {
        let junk = unknown(&issuer.keys, &format!("junk-{number}"));
        issuer.keys.refresh(junk).await
    };
    junk(0).await;
    eventually("the failure is reported", || {
        let failure = issuer.keys.status().last_failure;
        failure.is_some_and(|reason| reason.contains("500"))
    })
    .await;
    assert_eq!(issuer.server.hits(RFC_8414), 2);
    issuer.time.advance(secs(30));
    junk(1).await;
    // Long enough for a request that should not be made.
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(issuer.server.hits(RFC_8414), 2);
    issuer.time.advance(secs(31));
    junk(2).await;
    eventually("it is asked for again", || {
        issuer.server.hits(RFC_8414) == 3
    })
    .await;
}

#[tokio::test]
async fn the_conditions_of_one_address_are_not_sent_to_another_that_failed_once() {
    let issuer = issuer();
    let tagged = Behaviour::ok_with([("ETag", "\"1\"")]);
    issuer.jwks(tagged.clone());
    issuer.serve(RFC_8414);
    issuer.fetch().await;
    issuer.jwks(Behaviour::Status(410));
    issuer.moves(RFC_8414, "b");
    issuer
        .server
        .set_behaviour_at("/moved", Behaviour::Status(500));
    issuer.keys.refresh(unknown(&issuer.keys, "x")).await;
    // The server answers 304 for any set with this tag.
    issuer.server.set_behaviour_at("/moved", tagged);
    issuer.keys.refresh(unknown(&issuer.keys, "b")).await;
    assert_eq!(kids(&issuer.keys.snapshot()), ["b"]);
}

#[tokio::test]
async fn an_issuer_that_is_asked_too_much_is_asked_for_nothing_more() {
    let issuer = holding().await;
    issuer.jwks(Behaviour::Status(429));
    for (kid, asked) in [("x", 2), ("y", 3)] {
        issuer.keys.refresh(unknown(&issuer.keys, kid)).await;
        assert_eq!(issuer.server.hits(JwksServer::JWKS_PATH), asked);
        assert_eq!(issuer.server.hits(RFC_8414), 1);
    }
}
