//! What a server answers before it has any keys, and when it cannot get them.
//!
//! A token that no key could save gets the answer for its own fault in every state. An outage
//! affects only tokens that keys could save.

use std::time::Duration;

use mcp_bearer::keys::{MonotonicClock, RemoteKeys};
use mcp_bearer::{Algorithm, BearerAuthLayer, BearerAuthProvider, TokenCacheSize};
use mcp_bearer_testkit::{Behaviour, Forge, JwksServer, SigningKey};
use serde_json::json;

use crate::support::{Answer, Inner, Recorder, ask, clock, forge, good, key, with_authorization};

const OTHER: &str = "https://other.example.com/";

/// What the issuer does while the tokens come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Issuer {
    Held,
    Up,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    One,
    Several,
}

/// Tokens that their own claims rule out, and the reason for which each is refused.
fn condemned() -> Vec<(&'static str, Forge)> {
    vec![
        ("expired", good().expires_in(-3600)),
        ("not_yet_valid", good().not_before_in(3600)),
        (
            "wrong_audience",
            good().audience("https://mcp.example.com/mcp/"),
        ),
        (
            "wrong_issuer",
            good().issuer(Forge::ISSUER.trim_end_matches('/')),
        ),
        ("missing_claim", good().without_claim("exp")),
        (
            "sender_constrained",
            good().claim("cnf", json!({"jkt": "a"})),
        ),
        ("wrong_token_type", good().claim("at_hash", "a")),
        ("invalid_claim", good().claim("sub", 7)),
    ]
}

/// A server that has fetched nothing yet, and its issuer.
struct Cold {
    server: JwksServer,
    provider: BearerAuthProvider,
    auth: BearerAuthLayer,
}

impl Cold {
    fn new(issuer: Issuer, count: Count) -> Self {
        let server = JwksServer::start();
        server.set_keys(vec![key().jwk()]);
        server.set_behaviour(match issuer {
            Issuer::Held => Behaviour::ok().held(),
            Issuer::Up => Behaviour::ok(),
            Issuer::Down => Behaviour::Status(500),
        });
        let named = |name: &str, url: String| {
            BearerAuthProvider::builder()
                .jwks_uri(url)
                .issuer(name)
                .audience(Forge::AUDIENCE)
                .algorithms([Algorithm::Es256])
                .required_scopes(["mcp:read"])
        };
        let first = named(Forge::ISSUER, server.url());
        let provider = match count {
            Count::One => first.build(),
            Count::Several => {
                BearerAuthProvider::for_issuers([first, named(OTHER, server.url_of("/other.json"))])
            }
        };
        let provider = provider.unwrap().with_clock(clock());
        let provider = provider.with_token_cache(TokenCacheSize::default());
        Self {
            server,
            auth: BearerAuthLayer::new(provider.clone()),
            provider,
        }
    }

    async fn ask(&self, token: &Forge) -> Answer {
        let request = with_authorization(token.authorization());
        ask(self.auth.layer(Inner::default()), request).await
    }

    fn attempts(&self) -> u64 {
        let all = self.provider.key_status();
        all.iter().map(|keys| keys.fetched + keys.failed).sum()
    }

    /// Waits until the background fetch has ended.
    async fn fetched(&self) {
        for _ in 0..500 {
            if self.attempts() > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no attempt to fetch keys has ended");
    }
}

fn assert_own_fault(answer: &Answer, reason: &str, label: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.reason()),
        (401, reason),
        "{label}"
    );
    let challenge = answer.challenge().expect(label);
    assert!(
        challenge.contains("error=\"invalid_token\""),
        "{label}: {challenge}"
    );
    assert!(!answer.headers.contains_key("retry-after"), "{label}");
}

fn detail(answer: &Answer) -> String {
    answer.rejection.as_ref().expect("a rejection").to_string()
}

#[tokio::test]
async fn a_condemned_token_gets_the_answer_of_its_own_fault_in_every_state() {
    for count in [Count::One, Count::Several] {
        for issuer in [Issuer::Held, Issuer::Up, Issuer::Down] {
            for (reason, token) in condemned() {
                let label = format!("{reason}, {count:?}, {issuer:?}");
                let cold = Cold::new(issuer, count);
                let recorder = Recorder::start();
                let answer = cold.ask(&token).await;
                assert_own_fault(&answer, reason, &label);
                // With several issuers, a token that names none of them has no keys to fetch.
                let nobody = reason == "wrong_issuer" && count == Count::Several;
                assert_eq!(detail(&answer).contains("not verified"), !nobody, "{label}");
                let logged = recorder.denials();
                assert_eq!(logged.len(), 1, "{label}");
                assert_eq!(logged[0].field("reason"), Some(reason), "{label}");
                let told = logged[0].field("detail").unwrap_or_default();
                assert!(!told.contains("next attempt"), "{label}: {told}");
                if nobody {
                    assert_eq!(cold.server.total_hits(), 0, "{label}");
                    continue;
                }
                let wait = Duration::from_secs(5);
                assert!(cold.server.wait_for_hits("/jwks.json", 1, wait), "{label}");
                if issuer != Issuer::Held {
                    cold.fetched().await;
                }
                let again = cold.ask(&token).await;
                assert_own_fault(&again, reason, &label);
                let verified = issuer == Issuer::Up;
                assert_eq!(
                    detail(&again).contains("not verified"),
                    !verified,
                    "{label}"
                );
                assert_eq!(cold.server.total_hits(), 1, "{label}");
            }
        }
    }
}

#[tokio::test]
async fn good_tokens_are_answered_as_before() {
    for count in [Count::One, Count::Several] {
        let up = Cold::new(Issuer::Up, count);
        assert_eq!(up.ask(&good()).await.status, 200, "{count:?}");
        let down = Cold::new(Issuer::Down, count);
        let answer = down.ask(&good()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.reason()),
            (503, "keys_unavailable")
        );
        assert!(answer.challenge().is_none() && answer.headers.contains_key("retry-after"));
        let held = Cold::new(Issuer::Held, count);
        let token = good();
        let (asked, ()) = tokio::join!(held.ask(&token), async {
            while held.server.total_hits() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            held.server.release();
        });
        assert_eq!(asked.status, 200, "{count:?}");
    }
}

/// Scopes, required claims and clients show what this server requires: a stranger must not learn
/// it.
#[tokio::test]
async fn what_the_server_requires_is_not_revealed_before_a_signature_was_checked() {
    let cold = Cold::new(Issuer::Down, Count::One);
    let answer = cold.ask(&forge().scope("nothing:useful")).await;
    assert_eq!(answer.reason(), "keys_unavailable");
    let picky = BearerAuthProvider::builder()
        .jwks_uri(cold.server.url())
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Es256])
        .required_claim("tenant", ["ours"])
        .allowed_client_ids(["app"])
        .build()
        .unwrap()
        .with_clock(clock());
    let auth = BearerAuthLayer::new(picky);
    let stranger = good().claim("tenant", "theirs").claim("client_id", "other");
    let request = with_authorization(stranger.authorization());
    let answer = ask(auth.layer(Inner::default()), request).await;
    assert_eq!(
        (answer.status.as_u16(), answer.reason()),
        (503, "keys_unavailable")
    );
    assert_eq!(
        cold.server.total_hits(),
        2,
        "each source was asked for a token that keys could save"
    );
}

#[tokio::test]
async fn a_flood_of_condemned_tokens_starts_one_fetch() {
    let cold = Cold::new(Issuer::Held, Count::One);
    for index in 0..300 {
        let token = good().expires_in(-3600 - index);
        assert_eq!(cold.ask(&token).await.reason(), "expired");
    }
    assert!(
        cold.server
            .wait_for_hits("/jwks.json", 1, Duration::from_secs(5))
    );
    // They take none of the 64 places to wait: 64 good tokens are accepted by the same fetch.
    let tokens: Vec<Forge> = (0..64)
        .map(|index| good().claim("jti", index.to_string()))
        .collect();
    let asked = futures_util::future::join_all(tokens.iter().map(|token| cold.ask(token)));
    let (answers, ()) = tokio::join!(asked, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cold.server.release();
    });
    let let_in = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((let_in, cold.server.total_hits()), (64, 1));
}

#[tokio::test]
async fn while_the_issuer_is_down_only_tokens_that_keys_could_save_ask_again() {
    let cold = Cold::new(Issuer::Down, Count::One);
    assert_eq!(
        cold.ask(&good().expires_in(-3600)).await.reason(),
        "expired"
    );
    cold.fetched().await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for (reason, token) in condemned() {
        assert_eq!(cold.ask(&token).await.reason(), reason);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(cold.server.total_hits(), 1);
    assert_eq!(cold.ask(&good()).await.reason(), "keys_unavailable");
    assert_eq!(cold.server.total_hits(), 2);
    // A source that a good token asked first has also been asked.
    let other = Cold::new(Issuer::Down, Count::One);
    assert_eq!(other.ask(&good()).await.reason(), "keys_unavailable");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let expired = good().expires_in(-3600);
    assert_eq!(other.ask(&expired).await.reason(), "expired");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(other.server.total_hits(), 1);
    cold.server.set_behaviour(Behaviour::ok());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(cold.ask(&good()).await.status, 200);
}

/// No key has such signatures, so they start no fetch, not even the first.
#[tokio::test]
async fn a_signature_of_an_impossible_length_is_bad_and_starts_no_fetch() {
    for issuer in [Issuer::Held, Issuer::Up, Issuer::Down] {
        let cold = Cold::new(issuer, Count::One);
        for bytes in [1, 63, 65, 256] {
            for token in [good(), good().expires_in(-3600), good().kid("made-up")] {
                let answer = cold.ask(&token.raw_signature(vec![7; bytes])).await;
                assert_own_fault(
                    &answer,
                    "bad_signature",
                    &format!("{issuer:?}, {bytes} bytes"),
                );
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(cold.server.total_hits(), 0, "{issuer:?}");
    }
    let warm = Cold::new(Issuer::Up, Count::One);
    assert_eq!(warm.ask(&good()).await.status, 200);
    let answer = warm
        .ask(&good().kid("made-up").raw_signature(vec![7; 63]))
        .await;
    assert_own_fault(&answer, "bad_signature", "warm");
    assert_eq!(warm.server.total_hits(), 1);
}

#[tokio::test]
async fn tokens_that_are_not_plausible_start_no_fetch() {
    let cold = Cold::new(Issuer::Up, Count::One);
    for (reason, token) in [
        ("malformed", good().raw_claims("[]")),
        ("malformed", good().empty_signature()),
        // As long as an ES256 signature.
        ("algorithm_not_allowed", good().alg_name("EdDSA")),
        ("algorithm_not_allowed", good().alg_name("RS256")),
        ("malformed", good().header("kid", 7)),
        ("algorithm_not_allowed", good().alg_name("none")),
    ] {
        assert_eq!(cold.ask(&token).await.reason(), reason);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(cold.server.total_hits(), 0);
}

/// With keys at hand the signature is checked first, before and after a rotation.
#[tokio::test]
async fn a_warm_server_looks_at_the_signature_first() {
    let stranger = SigningKey::ec_p256();
    let warm = Cold::new(Issuer::Up, Count::One);
    warm.provider.warm_up().await;
    let forged = good().expires_in(-3600).sign_with(&stranger);
    assert_eq!(warm.ask(&forged).await.reason(), "bad_signature");
    assert_eq!(
        warm.ask(&good().expires_in(-3600)).await.reason(),
        "expired"
    );
    let next = SigningKey::ec_p256().with_kid("key-2");
    warm.server.set_keys(vec![next.jwk()]);
    let token = Forge::new(&next, crate::support::NOW).scope("mcp:read");
    assert_eq!(warm.ask(&token).await.status, 200);
    assert_eq!(warm.ask(&token.expires_in(-3600)).await.reason(), "expired");
    assert_eq!(warm.ask(&good()).await.reason(), "unknown_key");
    assert_eq!(
        warm.ask(&good().expires_in(-3600)).await.reason(),
        "unknown_key"
    );
}

/// All sources fetch at the same time: one that hangs delays no other.
#[tokio::test]
async fn a_warm_up_asks_every_issuer_at_once() {
    let cold = Cold::new(Issuer::Held, Count::Several);
    cold.server
        .set_behaviour_at("/other.json", Behaviour::ok().held());
    let ((), ()) = tokio::join!(cold.provider.warm_up(), async {
        for _ in 0..200 {
            if cold.server.total_hits() == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(cold.server.total_hits(), 2);
        cold.server.release();
    });
}

/// Keys that are too old to be used count as none.
#[tokio::test]
async fn after_a_long_outage_the_own_fault_still_counts() {
    let server = JwksServer::start();
    server.set_keys(vec![key().jwk()]);
    let (monotonic, time) = MonotonicClock::manual();
    let keys = RemoteKeys::builder(server.url()).clock(monotonic);
    let provider = BearerAuthProvider::builder()
        .remote_keys(keys)
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Es256])
        .build()
        .unwrap()
        .with_clock(clock());
    let auth = BearerAuthLayer::new(provider.clone());
    let answer = async |token: Forge| {
        let request = with_authorization(token.authorization());
        ask(auth.layer(Inner::default()), request).await
    };
    provider.warm_up().await;
    assert_eq!(answer(good()).await.status, 200);
    server.set_behaviour(Behaviour::Status(500));
    time.advance(Duration::from_secs(26 * 3600));
    for (reason, token) in condemned() {
        let refused = answer(token).await;
        assert_own_fault(&refused, reason, reason);
        assert!(detail(&refused).contains("not verified"), "{reason}");
    }
    assert_eq!(answer(good()).await.reason(), "keys_unavailable");
}
