use http::{HeaderMap, HeaderName};
use mcp_bearer::{AccessToken, BearerAuthProvider, Clock, TokenCacheSize, UnixTime};
use mcp_bearer_testkit::{Forge, SigningKey};

use super::{KnownCaller, LONGEST};
use crate::config::IdentityHeaderNames;

const NOW: u64 = 1_800_000_000;

struct World {
    key: SigningKey,
    provider: BearerAuthProvider,
}

impl World {
    /// With a cache of this many tokens.
    fn new(entries: usize) -> Self {
        let key = SigningKey::shared_rsa_2048();
        let provider = BearerAuthProvider::builder()
            .public_key(key.public_pem())
            .issuer(Forge::ISSUER)
            .audience(Forge::AUDIENCE)
            .build()
            .unwrap()
            .with_clock(Clock::new(|| UnixTime::from_secs(NOW)))
            .with_token_cache(TokenCacheSize::default().with_entries(entries));
        Self { key, provider }
    }

    fn forge(&self) -> Forge {
        Forge::new(&self.key, NOW)
    }

    fn verify(&self, token: &str) -> AccessToken {
        let verified = self.provider.try_verify_token(token);
        verified.into_result().unwrap()
    }
}

fn names(prefix: &str) -> IdentityHeaderNames {
    let name = |fact: &str| HeaderName::try_from(format!("{prefix}-{fact}")).unwrap();
    IdentityHeaderNames {
        subject: name("subject"),
        client_id: name("client-id"),
        scopes: name("scopes"),
        issuer: name("issuer"),
    }
}

/// The names and contents that a server gets, in order.
fn headers(access: &AccessToken, names: &IdentityHeaderNames) -> Vec<(String, String)> {
    let mut headers = HeaderMap::new();
    names
        .set(&mut headers, Some(&KnownCaller::find(access)))
        .unwrap();
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    let all = headers.iter();
    let mut all: Vec<_> = all
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    all.sort();
    all
}

fn expected(prefix: &str, facts: &[(&str, &str)]) -> Vec<(String, String)> {
    let one = |(fact, text): &(&str, &str)| (format!("{prefix}-{fact}"), (*text).to_owned());
    facts.iter().map(one).collect()
}

#[test]
fn each_token_has_its_own_headers_whoever_has_the_same_subject() {
    let world = World::new(10);
    let tokens = [
        world.forge().claim("client_id", "app").scope("read write"),
        world.forge().claim("client_id", "other").scope("read"),
        world.forge(),
    ];
    let tokens = tokens.map(|forge| forge.token());
    let facts: [&[(&str, &str)]; 3] = [
        &[
            ("client-id", "app"),
            ("issuer", Forge::ISSUER),
            ("scopes", "read write"),
            ("subject", Forge::SUBJECT),
        ],
        &[
            ("client-id", "other"),
            ("issuer", Forge::ISSUER),
            ("scopes", "read"),
            ("subject", Forge::SUBJECT),
        ],
        &[("issuer", Forge::ISSUER), ("subject", Forge::SUBJECT)],
    ];
    for _ in 0..3 {
        for (token, facts) in tokens.iter().zip(facts) {
            let access = world.verify(token);
            assert_eq!(headers(&access, &names("x")), expected("x", facts));
        }
    }
}

#[test]
fn a_kept_token_has_its_headers_under_the_names_of_each_configuration() {
    let world = World::new(10);
    let access = world.verify(&world.forge().token());
    let facts = [("issuer", Forge::ISSUER), ("subject", Forge::SUBJECT)];
    for prefix in ["x", "renamed", "x"] {
        assert_eq!(headers(&access, &names(prefix)), expected(prefix, &facts));
    }
}

#[test]
fn the_caller_is_made_once_per_token_and_is_the_same_for_all_its_tokens() {
    let world = World::new(10);
    let token = world.forge().token();
    let [first, second] = [world.verify(&token), world.verify(&token)];
    let [first, second] = [KnownCaller::find(&first), KnownCaller::find(&second)];
    assert!(std::ptr::eq(&raw const *first, &raw const *second));
    let key = |forge: Forge| KnownCaller::find(&world.verify(&forge.token())).key;
    let alice = key(world.forge());
    assert_eq!(alice, key(world.forge().scope("read")));
    assert_ne!(alice, key(world.forge().subject("mallory")));
    assert_ne!(alice, key(world.forge().claim("client_id", "app")));
}

#[test]
fn a_claim_that_no_header_can_hold_is_refused_with_each_request() {
    let world = World::new(10);
    let access = world.verify(&world.forge().subject("\u{e9}").token());
    for _ in 0..3 {
        let mut headers = HeaderMap::new();
        assert!(
            names("x")
                .set(&mut headers, Some(&KnownCaller::find(&access)))
                .is_err()
        );
        assert_eq!(headers.get("x-subject"), None);
    }
}

#[test]
fn a_value_of_another_service_does_not_take_the_place_of_the_caller() {
    let world = World::new(10);
    let access = world.verify(&world.forge().token());
    access.derived(|_| "another").unwrap();
    let facts = [("issuer", Forge::ISSUER), ("subject", Forge::SUBJECT)];
    assert_eq!(headers(&access, &names("x")), expected("x", &facts));
}

#[test]
fn the_longest_tokens_keep_nothing() {
    let world = World::new(10);
    let long = world.forge().claim("more", "x".repeat(LONGEST));
    let access = world.verify(&long.token());
    let facts = [("issuer", Forge::ISSUER), ("subject", Forge::SUBJECT)];
    assert_eq!(headers(&access, &names("x")), expected("x", &facts));
    assert!(access.derived(|_| "its place is free").is_some());
}
