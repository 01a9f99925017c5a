//! The issuer that users test their servers with: every kind of token in every state of the keys.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mcp_bearer::keys::RemoteKeys;
use mcp_bearer::testing::{TestIssuer, TokenFault};
use mcp_bearer::{Algorithm, BearerAuthProvider, JwksData, RejectionKind, UnixTime};

const AUDIENCE: &str = "https://mcp.example.com/mcp";
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

fn provider_for(issuer: &TestIssuer) -> BearerAuthProvider {
    BearerAuthProvider::builder()
        .jwks_uri(issuer.jwks_uri())
        .issuer(issuer.url())
        .audience(AUDIENCE)
        .algorithms(ALGORITHMS)
        .build()
        .unwrap()
}

#[tokio::test]
async fn each_fault_is_refused_for_its_reason_whatever_keys_are_held() {
    let issuer = TestIssuer::start().unwrap();
    for algorithm in ALGORITHMS {
        for fault in TokenFault::ALL {
            let good = issuer.token(AUDIENCE).algorithm(algorithm);
            let bad = good.clone().fault(fault).sign().unwrap();
            let cold = provider_for(&issuer);
            let warm = provider_for(&issuer).with_token_cache(Default::default());
            warm.warm_up().await;
            for provider in [cold, warm] {
                for _ in 0..2 {
                    let rejection = provider.verify_token(&bad).await.unwrap_err();
                    let label = format!("{fault:?} with {algorithm:?}: {rejection}");
                    assert_eq!(rejection.kind(), fault.rejection_kind(), "{label}");
                }
                // The fault is the only one: the same token without it is good.
                let access = provider.verify_token(&good.sign().unwrap()).await.unwrap();
                assert_eq!(access.subject(), Some("test-user"));
                assert_eq!(access.client_id(), Some("test-client"));
            }
        }
    }
}

#[tokio::test]
async fn all_its_algorithms_sign_and_others_are_an_error() {
    let issuer = TestIssuer::start().unwrap();
    let provider = BearerAuthProvider::builder()
        .remote_keys(RemoteKeys::discover(issuer.url()))
        .issuer(issuer.url())
        .audience(AUDIENCE);
    let algorithms = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es256,
        Algorithm::EdDsa,
        Algorithm::Ed25519,
    ];
    let provider = provider.algorithms(algorithms).build().unwrap();
    for algorithm in algorithms {
        let token = issuer.token(AUDIENCE).algorithm(algorithm).sign().unwrap();
        assert!(provider.verify_token(&token).await.is_ok(), "{algorithm:?}");
    }
    for algorithm in [Algorithm::Es384, Algorithm::Es512, Algorithm::Hs256] {
        let error = issuer
            .token(AUDIENCE)
            .algorithm(algorithm)
            .sign()
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        assert!(error.to_string().contains(algorithm.name()), "{error}");
    }
}

#[tokio::test]
async fn a_rotation_withdraws_the_old_keys_and_an_outage_leaves_the_new_ones() {
    let issuer = TestIssuer::start().unwrap();
    let provider = provider_for(&issuer);
    let old = issuer.token(AUDIENCE);
    provider.verify_token(&old.sign().unwrap()).await.unwrap();
    assert_eq!(issuer.key_requests(), 1);

    issuer.rotate().unwrap();
    let new = issuer.token(AUDIENCE).sign().unwrap();
    provider.verify_token(&new).await.unwrap();
    assert_eq!(issuer.key_requests(), 2);
    let rejection = provider.verify_token(&old.sign().unwrap()).await;
    assert_eq!(rejection.unwrap_err().kind(), RejectionKind::UnknownKey);

    issuer.go_down();
    provider.verify_token(&new).await.unwrap();
    let cold = provider_for(&issuer);
    let rejection = cold.verify_token(&new).await.unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::KeysUnavailable);
    assert!(
        issuer.key_requests() > 2,
        "a request while it is down counts"
    );

    issuer.come_back();
    provider_for(&issuer).verify_token(&new).await.unwrap();
}

#[tokio::test]
async fn two_issuers_share_no_key() {
    let (one, other) = (TestIssuer::start().unwrap(), TestIssuer::start().unwrap());
    let provider = BearerAuthProvider::for_issuers([&one, &other].map(|issuer| {
        BearerAuthProvider::builder()
            .jwks_uri(issuer.jwks_uri())
            .issuer(issuer.url())
            .audience(AUDIENCE)
    }))
    .unwrap();
    for issuer in [&one, &other] {
        let token = issuer.token(AUDIENCE).sign().unwrap();
        provider.verify_token(&token).await.unwrap();
        let stolen = issuer.token(AUDIENCE).fault(TokenFault::WrongIssuer);
        let rejection = provider.verify_token(&stolen.sign().unwrap()).await;
        assert_eq!(rejection.unwrap_err().kind(), RejectionKind::WrongIssuer);
    }
    let posing = one.token(AUDIENCE).claim("iss", other.url());
    let rejection = provider.verify_token(&posing.sign().unwrap()).await;
    assert_eq!(rejection.unwrap_err().kind(), RejectionKind::UnknownKey);
}

#[tokio::test]
async fn a_token_has_the_requested_contents() {
    let issuer = TestIssuer::start().unwrap();
    let provider = provider_for(&issuer);
    let token = issuer
        .token(AUDIENCE)
        .subject("alice")
        .scopes(["mcp:read", "mcp:write"])
        .claim("tenant", "blue")
        .without_claim("client_id")
        .sign()
        .unwrap();
    let access = provider.verify_token(&token).await.unwrap();
    assert_eq!(access.subject(), Some("alice"));
    assert_eq!(access.client_id(), None);
    assert_eq!(access.scopes().as_str(), "mcp:read mcp:write");
    let tenant: Option<String> = access.claim("tenant").unwrap();
    assert_eq!(tenant.as_deref(), Some("blue"));

    for (name, kind) in [
        ("exp", RejectionKind::MissingClaim),
        ("aud", RejectionKind::MissingClaim),
        ("iss", RejectionKind::MissingClaim),
    ] {
        let token = issuer.token(AUDIENCE).without_claim(name).sign().unwrap();
        let rejection = provider.verify_token(&token).await.unwrap_err();
        assert_eq!(rejection.kind(), kind, "{name}");
    }
    for token in [
        issuer.token(AUDIENCE).expires_in_seconds(-3600),
        issuer.token(AUDIENCE).claim("exp", 1),
        issuer
            .token(AUDIENCE)
            .issued_at(UnixTime::from_secs(1_000_000_000)),
    ] {
        let rejection = provider.verify_token(&token.sign().unwrap()).await;
        assert_eq!(rejection.unwrap_err().kind(), RejectionKind::Expired);
    }
}

#[test]
fn it_listens_on_loopback_alone_and_stops_when_it_is_dropped() {
    let issuer = TestIssuer::start().unwrap();
    let address = issuer.url().strip_prefix("http://").unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    drop(issuer);
    let refused = TcpStream::connect_timeout(&address.parse().unwrap(), Duration::from_secs(1));
    assert!(refused.is_err());
}

#[test]
fn it_answers_get_with_its_documents_and_nothing_else() {
    let issuer = TestIssuer::start().unwrap();
    let (head, jwks) = ask(&issuer, "GET /jwks.json?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let jwks = JwksData::from_json(&jwks).unwrap();
    assert_eq!(jwks.keys.len(), 3);
    assert!(
        jwks.keys
            .iter()
            .all(|key| key.kid.is_some() && !key.is_private())
    );
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ] {
        let (_, metadata) = ask(&issuer, &format!("GET {path} HTTP/1.1\r\n\r\n"));
        let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
        assert_eq!(metadata["issuer"], issuer.url());
        assert_eq!(metadata["jwks_uri"], issuer.jwks_uri());
    }
    assert!(
        ask(&issuer, "GET /other HTTP/1.1\r\n\r\n")
            .0
            .starts_with("HTTP/1.1 404 ")
    );
    for nonsense in [
        "POST /jwks.json HTTP/1.1\r\n\r\n",
        "\r\n\r\n",
        "GET /jwks.json\r\n\r\n",
    ] {
        assert_eq!(ask(&issuer, nonsense).0, "", "{nonsense:?}");
    }
    assert_eq!(issuer.key_requests(), 1);
    issuer.go_down();
    assert_eq!(ask(&issuer, "GET /jwks.json HTTP/1.1\r\n\r\n").0, "");
    assert_eq!(issuer.key_requests(), 2);
}

#[test]
fn a_silent_client_delays_nobody() {
    let issuer = TestIssuer::start().unwrap();
    let address = issuer.url().strip_prefix("http://").unwrap().to_owned();
    let silent: Vec<TcpStream> = (0..8)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    let (head, _) = ask(&issuer, "GET /jwks.json HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    drop(silent);
}

#[test]
fn nothing_of_a_private_key_is_printed() {
    let issuer = TestIssuer::start().unwrap();
    let token = issuer.token(AUDIENCE);
    let printed = format!("{issuer:?} {token:?}");
    assert!(!printed.to_lowercase().contains("key"), "{printed}");
}

/// What comes back on one connection: head and body.
fn ask(issuer: &TestIssuer, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(issuer.url().strip_prefix("http://").unwrap()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    // A connection that is reset gives an error and no answer.
    let _ = stream.read_to_string(&mut text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (head.to_owned(), body.to_owned())
}
