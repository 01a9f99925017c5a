//! Challenges and documents name what clients must request, if that differs from what tokens hold.

use http::Request;
use mcp_bearer::config::{Decided, IssuerBuilder};
use mcp_bearer::{Algorithm, BearerAuthLayer, BearerAuthProvider, Rejection};
use mcp_bearer_testkit::{Forge, SigningKey};
use serde_json::{Value, json};

use crate::support::{Inner, NOW, NoBody, RESOURCE, ask, clock, forge, key, with_authorization};

fn issuer(name: &str, key: &SigningKey) -> IssuerBuilder<Decided, Decided, Decided> {
    BearerAuthProvider::builder()
        .jwks_json(key.jwks().to_string())
        .issuer(name)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Es256])
        .required_scopes(["read"])
}

fn layer(issuers: Vec<IssuerBuilder<Decided, Decided, Decided>>) -> BearerAuthLayer {
    let provider = BearerAuthProvider::for_issuers(issuers).unwrap();
    BearerAuthLayer::new(provider.with_clock(clock()))
}

fn entra() -> BearerAuthLayer {
    let issuer = issuer(Forge::ISSUER, &key());
    layer(vec![
        issuer
            .requested_scope_prefix("api://id/")
            .requested_scope("admin", "urn:admin"),
    ])
}

async fn challenge(auth: &BearerAuthLayer, token: &Forge) -> String {
    let request = with_authorization(token.clone().authorization());
    let answer = ask(auth.layer(Inner::default()), request).await;
    answer.challenge().unwrap().to_owned()
}

fn supported(auth: BearerAuthLayer) -> Value {
    let document = auth.resource(RESOURCE).unwrap().metadata().to_json();
    serde_json::from_str::<Value>(&document).unwrap()["scopes_supported"].clone()
}

#[tokio::test]
async fn every_challenge_of_the_layer_is_in_the_words_of_the_identity_provider() {
    let auth = entra();
    let asked = r#"scope="api://id/read""#;
    let nothing = ask(auth.layer(Inner::default()), Request::new(NoBody::new())).await;
    assert!(nothing.challenge().unwrap().contains(asked));
    let lacking = forge().scope("api://id/read");
    for token in [forge().expires_in(-600), lacking] {
        let challenge = challenge(&auth, &token).await;
        assert!(challenge.contains(asked), "{challenge}");
    }
    let good = with_authorization(forge().scope("read").authorization());
    assert_eq!(ask(auth.layer(Inner::default()), good).await.status, 200);
}

#[tokio::test]
async fn a_handler_that_asks_for_more_names_what_must_be_requested_for_it() {
    let auth = entra();
    let token = forge().scope("read").token();
    let access = auth.provider().verify_token(&token).await.unwrap();
    let more = "write admin".parse().unwrap();
    let refused = auth.require_scopes(&access, &more).unwrap_err();
    assert_eq!(
        refused.required_scopes().unwrap().as_str(),
        "read write admin"
    );
    assert!(refused.to_string().contains("write admin"), "{refused}");
    let own = Rejection::insufficient_scope(more.clone(), more);
    for (rejection, asked) in [
        (refused, "api://id/read api://id/write urn:admin"),
        (own, "api://id/write urn:admin"),
    ] {
        let answer = auth.challenge(&rejection);
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
        assert!(
            challenge.contains(&format!("scope=\"{asked}\"")),
            "{challenge}"
        );
    }
}

#[test]
fn the_document_names_what_clients_must_request() {
    assert_eq!(supported(entra()), json!(["api://id/read"]));
    let more = entra().scopes_supported(["read", "admin", "offline_access", "openid"]);
    let expected = json!(["api://id/read", "urn:admin", "openid"]);
    assert_eq!(supported(more), expected);
}

#[tokio::test]
async fn each_of_several_issuers_has_its_own_words() {
    let (one, other) = (SigningKey::ec_p256(), SigningKey::ec_p256());
    let (first, second) = ("https://one.example/", "https://other.example/");
    let auth = layer(vec![
        issuer(first, &one).requested_scope_prefix("api://id/"),
        issuer(second, &other),
    ]);
    let token = |key: &SigningKey, name: &str| {
        let forge = Forge::new(key, NOW).issuer(name);
        forge.audience(Forge::AUDIENCE).scope("x")
    };
    for (token, asked) in [
        (token(&one, first), "api://id/read"),
        (token(&other, second), "read"),
    ] {
        for token in [token.clone(), token.expires_in(-600)] {
            let challenge = challenge(&auth, &token).await;
            assert!(
                challenge.contains(&format!("scope=\"{asked}\"")),
                "{challenge}"
            );
        }
    }
    // Without a token the issuer is unknown, and so are its scope names.
    let nothing = ask(auth.layer(Inner::default()), Request::new(NoBody::new())).await;
    assert!(!nothing.challenge().unwrap().contains("scope="));
    assert_eq!(supported(auth), json!(["api://id/read", "read"]));
}
