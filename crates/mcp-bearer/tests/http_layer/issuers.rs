//! Several issuers, each with its own keys over HTTP, behind one layer.

use std::time::Duration;

use http::header;
use mcp_bearer::keys::RemoteKeys;
use mcp_bearer::{Algorithm, BearerAuthLayer, BearerAuthProvider};
use mcp_bearer_testkit::{Behaviour, Forge, JwksServer, Response, SigningKey};
use serde_json::json;

use crate::support::{Answer, Inner, NOW, ask, clock, with_authorization};

const STAFF: &str = "https://staff.example.com/";

/// Staff are known by the address of their keys, customers by discovery. Their keys have the same
/// name.
struct World {
    staff: JwksServer,
    staff_key: SigningKey,
    customers: JwksServer,
    customer_key: SigningKey,
    auth: BearerAuthLayer,
}

impl World {
    fn new() -> Self {
        let staff_key = SigningKey::ec_p256().with_kid("same");
        let customer_key = SigningKey::shared_rsa_2048().with_kid("same");
        let (staff, customers) = (JwksServer::start(), JwksServer::start());
        staff.set_keys(vec![staff_key.jwk()]);
        customers.set_keys(vec![customer_key.jwk()]);
        let metadata = json!({ "issuer": customers.base(), "jwks_uri": customers.url() });
        let path = "/.well-known/oauth-authorization-server";
        customers.serve(path, Response::json(&metadata));
        let provider = BearerAuthProvider::for_issuers([
            BearerAuthProvider::builder()
                .jwks_uri(staff.url())
                .issuer(STAFF)
                .audience("https://mcp.example.com/admin")
                .algorithms([Algorithm::Es256])
                .required_scopes(["mcp:admin"])
                .leeway(Duration::ZERO),
            BearerAuthProvider::builder()
                .remote_keys(RemoteKeys::discover(customers.base()))
                .issuer(customers.base())
                .audience(Forge::AUDIENCE)
                .algorithms([Algorithm::Rs256]),
        ]);
        Self {
            auth: BearerAuthLayer::new(provider.unwrap().with_clock(clock())),
            staff,
            staff_key,
            customers,
            customer_key,
        }
    }

    fn of_staff(&self) -> Forge {
        Forge::new(&self.staff_key, NOW)
            .issuer(STAFF)
            .audience("https://mcp.example.com/admin")
            .scope("mcp:admin")
            .subject("alice")
    }

    fn of_customers(&self) -> Forge {
        Forge::new(&self.customer_key, NOW)
            .issuer(&self.customers.base())
            .subject("bob")
    }

    async fn ask(&self, token: &Forge) -> Answer {
        let request = with_authorization(token.clone().authorization());
        ask(self.auth.layer(Inner::default()), request).await
    }

    async fn is_refused(&self, token: &Forge, status: u16, reason: &str) {
        let answer = self.ask(token).await;
        assert_eq!((answer.status.as_u16(), answer.reason()), (status, reason));
    }

    /// How often the keys of staff and of customers were requested.
    fn hits(&self) -> (usize, usize) {
        let hits = |server: &JwksServer| server.hits(JwksServer::JWKS_PATH);
        (hits(&self.staff), hits(&self.customers))
    }
}

#[tokio::test]
async fn each_token_meets_its_own_issuers_keys_and_rules() {
    let world = World::new();
    let answer = world.ask(&world.of_staff()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (200, "alice")
    );
    assert_eq!(world.hits(), (1, 0));
    let answer = world.ask(&world.of_customers()).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "bob"));
    assert_eq!(world.hits(), (1, 1));

    // A challenge names the scopes of the issuer that the token names; without a token it names
    // none, because the issuers do not agree.
    let challenge = |answer: &Answer| {
        let value = answer.headers.get(header::WWW_AUTHENTICATE).unwrap();
        value.to_str().unwrap().to_owned()
    };
    let answer = world.ask(&world.of_staff().expires_in(-3600)).await;
    assert!(
        challenge(&answer).contains("scope=\"mcp:admin\""),
        "{answer:?}"
    );
    let answer = world.ask(&world.of_customers().expires_in(-3600)).await;
    assert!(!challenge(&answer).contains("scope="), "{answer:?}");
    let answer = world
        .ask(&world.of_staff().issuer("https://other.example.com/"))
        .await;
    assert!(!challenge(&answer).contains("scope="), "{answer:?}");

    // Scopes, audience, algorithms and leeway are those of the issuer.
    let (staff, customers) = (world.of_staff(), world.of_customers());
    world
        .is_refused(&staff.clone().scope("mcp:read"), 403, "insufficient_scope")
        .await;
    world
        .is_refused(
            &staff.clone().audience(Forge::AUDIENCE),
            401,
            "wrong_audience",
        )
        .await;
    world
        .is_refused(
            &staff
                .clone()
                .sign_with(&world.customer_key)
                .alg_name("RS256"),
            401,
            "algorithm_not_allowed",
        )
        .await;
    world
        .is_refused(&staff.clone().expires_in(-30), 401, "expired")
        .await;
    assert_eq!(world.ask(&customers.expires_in(-30)).await.status, 200);
    assert_eq!(world.hits(), (1, 1));
}

#[tokio::test]
async fn one_issuers_key_never_serves_another() {
    let world = World::new();
    world.ask(&world.of_staff()).await;
    world.ask(&world.of_customers()).await;
    // The kid is known there, but the signature does not verify: the named issuer may have a new
    // key, so it is asked.
    let forged = world
        .of_customers()
        .sign_with(&SigningKey::shared_rsa_2048_b());
    world.is_refused(&forged, 401, "bad_signature").await;
    assert_eq!(world.hits(), (1, 2));
    let crossed = world.of_staff().sign_with(&SigningKey::ec_p256());
    world.is_refused(&crossed, 401, "bad_signature").await;
    assert_eq!(world.hits(), (2, 2));
}

#[tokio::test]
async fn an_unknown_issuer_causes_no_request() {
    let world = World::new();
    for token in [world.of_staff(), world.of_customers()] {
        let unknown = token.clone().issuer("https://evil.example.com/");
        world.is_refused(&unknown, 401, "wrong_issuer").await;
        world
            .is_refused(&token.without_claim("iss"), 401, "missing_claim")
            .await;
    }
    assert_eq!(
        (world.staff.total_hits(), world.customers.total_hits()),
        (0, 0)
    );
}

#[tokio::test]
async fn an_issuer_that_is_down_is_its_own_tokens_outage_alone() {
    let world = World::new();
    world.staff.set_behaviour(Behaviour::Status(500));
    let answer = world.ask(&world.of_staff()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.reason()),
        (503, "keys_unavailable")
    );
    assert_eq!(answer.header(header::RETRY_AFTER), Some("1"));
    assert_eq!(answer.challenge(), None);
    assert_eq!(answer.body, r#"{"error":"temporarily_unavailable"}"#);
    assert_eq!(world.ask(&world.of_customers()).await.status, 200);

    // Back again: with one request per second, it is served within two.
    world.staff.set_behaviour(Behaviour::ok());
    let mut statuses = Vec::new();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        statuses.push(world.ask(&world.of_staff()).await.status.as_u16());
    }
    assert_eq!(statuses[1], 200, "{statuses:?}");
}

#[tokio::test]
async fn a_forged_token_cannot_look_like_an_outage_while_keys_are_held() {
    let world = World::new();
    assert_eq!(world.ask(&world.of_staff()).await.status, 200);
    world.staff.set_behaviour(Behaviour::Status(500));
    let token = world.of_staff();
    world
        .is_refused(&token.clone().kid("made-up"), 401, "unknown_key")
        .await;
    world
        .is_refused(&token.clone().flip_signature_bit(3), 401, "bad_signature")
        .await;
    world
        .is_refused(&token.clone().kid("another"), 401, "unknown_key")
        .await;
    assert_eq!(world.ask(&token).await.status, 200);
}
