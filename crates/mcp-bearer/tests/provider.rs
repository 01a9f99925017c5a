//! The provider: decisions about issuers, keys and scopes, with tokens that the testkit forged.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::Duration;

use mcp_bearer::signing::RsaKeySize;
use mcp_bearer::{
    Algorithm, BearerAuthProvider, Clock, RejectionKind, RsaKeyPair, TokenRequest, TryVerify,
    UnixTime,
};
use mcp_bearer_testkit::{Forge, JwksServer, SigningKey, TestClock};

const NOW: u64 = 1_800_000_000;
const A: &str = "https://a.example.com/";
const B: &str = "https://b.example.com/";

fn clock() -> Clock {
    Clock::new(|| UnixTime::from_secs(NOW))
}

fn kind(result: Result<mcp_bearer::AccessToken, mcp_bearer::Rejection>) -> RejectionKind {
    result.unwrap_err().kind()
}

fn token(key: &SigningKey, issuer: &str) -> Forge {
    Forge::new(key, NOW)
        .issuer(issuer)
        .audience("https://mcp.example.com/mcp")
}

/// Two issuers with the same `kid` for different keys.
fn two_issuers() -> (SigningKey, SigningKey, BearerAuthProvider) {
    let one = SigningKey::shared_rsa_2048().with_kid("same");
    let other = SigningKey::shared_rsa_2048_b().with_kid("same");
    let entry = |key: &SigningKey, name: &str| {
        BearerAuthProvider::builder()
            .jwks_json(key.jwks().to_string())
            .issuer(name)
            .audience("https://mcp.example.com/mcp")
    };
    let provider = BearerAuthProvider::for_issuers([
        entry(&one, A).required_scopes(["a:read"]),
        entry(&other, B).leeway(Duration::ZERO),
    ]);
    (one, other, provider.unwrap().with_clock(clock()))
}

#[test]
fn issuers_never_see_each_others_keys() {
    let (one, other, provider) = two_issuers();
    let verify = |token: String| provider.try_verify_token(&token).into_result();
    assert_eq!(verify(token(&one, A).token()).unwrap().issuer(), Some(A));
    assert_eq!(verify(token(&other, B).token()).unwrap().issuer(), Some(B));
    assert_eq!(
        kind(verify(token(&one, B).token())),
        RejectionKind::BadSignature
    );
    assert_eq!(
        kind(verify(token(&other, A).token())),
        RejectionKind::BadSignature
    );
}

#[test]
fn with_several_issuers_the_name_is_needed_before_any_key() {
    let (one, _, provider) = two_issuers();
    let verify = |token: String| kind(provider.try_verify_token(&token).into_result());
    assert_eq!(
        verify(token(&one, A).without_claim("iss").token()),
        RejectionKind::MissingClaim
    );
    assert_eq!(
        verify(token(&one, A).claim("iss", 1).token()),
        RejectionKind::InvalidClaim
    );
    assert_eq!(
        verify(token(&one, "https://c.example.com/").token()),
        RejectionKind::WrongIssuer
    );
    assert_eq!(
        verify(token(&one, A).raw_claims("nonsense").token()),
        RejectionKind::Malformed
    );
}

#[test]
fn each_issuer_has_its_own_scopes_and_leeway() {
    let (one, other, provider) = two_issuers();
    let access = |token: String| provider.try_verify_token(&token).into_result();
    let of_a = access(token(&one, A).scope("b:read").token()).unwrap();
    let refused = provider.check_required_scopes(&of_a).unwrap_err();
    assert_eq!(refused.missing_scopes().unwrap().as_str(), "a:read");
    let of_b = access(token(&other, B).scope("b:read").token()).unwrap();
    assert!(provider.check_required_scopes(&of_b).is_ok());

    assert!(
        access(token(&one, A).expires_in(-30).token()).is_ok(),
        "60 s of leeway"
    );
    assert_eq!(
        kind(access(token(&other, B).expires_in(-30).token())),
        RejectionKind::Expired
    );
}

#[test]
fn a_token_of_another_provider_meets_every_required_scope() {
    let (one, _, provider) = two_issuers();
    let stranger = BearerAuthProvider::builder()
        .public_key(one.public_pem())
        .any_issuer()
        .any_audience()
        .build()
        .unwrap()
        .with_clock(clock());
    let foreign = token(&one, "https://c.example.com/")
        .scope("b:read")
        .token();
    let access = stranger.try_verify_token(&foreign).into_result().unwrap();
    let refused = provider.check_required_scopes(&access).unwrap_err();
    assert_eq!(refused.kind(), RejectionKind::InsufficientScope);
}

#[test]
fn a_configuration_error_names_every_problem() {
    let hmac = BearerAuthProvider::builder()
        .public_key("not a key")
        .issuers(Vec::<String>::new())
        .audience("")
        .algorithms([Algorithm::Hs256, Algorithm::Rs256])
        .leeway(Duration::from_secs(301))
        .required_scopes(["two words"])
        .build();
    let error = hmac.unwrap_err();
    for word in [
        "public_key: ",
        "issuer: ",
        "audience: ",
        "algorithms: ",
        "leeway: ",
        "required_scopes: ",
    ] {
        assert!(
            error.to_string().contains(word),
            "{word} is missing from: {error}"
        );
    }
}

#[test]
fn each_name_of_many_issuers_finds_its_own_keys_and_scopes() {
    let keys = [SigningKey::ec_p256(), SigningKey::ec_p256()];
    let names = |number: usize| {
        let name = format!("https://{number}.example.com/");
        [format!("{name}v2.0"), name]
    };
    let issuers = (0..100).map(|number| {
        BearerAuthProvider::builder()
            .jwks_json(keys[number % 2].jwks().to_string())
            .issuers(names(number))
            .audience("https://mcp.example.com/mcp")
            .algorithms([Algorithm::Es256])
            .required_scopes([format!("scope:{number}")])
    });
    let provider = BearerAuthProvider::for_issuers(issuers)
        .unwrap()
        .with_clock(clock());
    for number in [0, 1, 50, 99] {
        for name in names(number) {
            let verify = |key| {
                let token = token(key, &name).token();
                provider.try_verify_token(&token).into_result()
            };
            let access = verify(&keys[number % 2]).unwrap();
            let scopes = provider.required_scopes_for(&access);
            assert_eq!(scopes.to_string(), format!("scope:{number}"));
            let of_other = kind(verify(&keys[1 - number % 2]));
            assert_eq!(of_other, RejectionKind::UnknownKey);
        }
    }
    let near = token(&keys[1], "https://99.example.com").token();
    let refused = provider.try_verify_token(&near).into_result().unwrap_err();
    assert_eq!(refused.kind(), RejectionKind::WrongIssuer);
    let text = refused.to_string();
    assert!(text.contains("only by a slash at the end"), "{text}");
}

#[test]
fn several_issuers_must_be_distinguishable() {
    let entry = || BearerAuthProvider::builder().jwks_uri("https://idp.example.com/jwks.json");
    let twice = BearerAuthProvider::for_issuers([
        entry().issuer(A).any_audience(),
        entry().issuer(A).any_audience(),
    ]);
    assert!(twice.unwrap_err().to_string().contains("configured twice"));
    let any = BearerAuthProvider::for_issuers([
        entry().any_issuer().any_audience(),
        entry().issuer(A).any_audience(),
    ]);
    assert!(any.unwrap_err().to_string().contains("any_issuer"));
    assert!(BearerAuthProvider::for_issuers([]).is_err());
}

#[test]
fn a_key_that_serves_no_allowed_algorithm_refuses_to_start() {
    let ec = SigningKey::ec_p256();
    let builder = || BearerAuthProvider::builder().public_key(ec.public_pem());
    let error = builder().any_issuer().any_audience().build().unwrap_err();
    assert!(error.to_string().contains("EC P-256"), "{error}");
    let es256 = builder()
        .any_issuer()
        .any_audience()
        .algorithms([Algorithm::Es256])
        .build();
    assert!(es256.is_ok());
}

#[test]
fn a_shared_secret_and_public_keys_have_their_own_algorithms() {
    let secret = [7_u8; 32];
    let build = |algorithm: &[Algorithm]| {
        let builder = BearerAuthProvider::builder().shared_secret(secret);
        builder
            .any_issuer()
            .any_audience()
            .algorithms(algorithm.iter().copied())
            .build()
    };
    assert!(build(&[Algorithm::Hs256]).is_ok());
    assert!(build(&[Algorithm::Hs256, Algorithm::Rs256]).is_err());
    assert!(
        build(&[Algorithm::Hs512]).is_err(),
        "32 bytes are too short for HS512"
    );
    let default = BearerAuthProvider::builder()
        .shared_secret(secret)
        .any_issuer()
        .any_audience();
    let provider = default.build().unwrap().with_clock(clock());
    let good = Forge::new(&SigningKey::hmac(secret), NOW)
        .alg("HS256")
        .token();
    assert!(provider.try_verify_token(&good).into_result().is_ok());

    let public =
        BearerAuthProvider::builder().public_key(SigningKey::shared_rsa_2048().public_pem());
    let confused = public
        .any_issuer()
        .any_audience()
        .algorithms([Algorithm::Hs256])
        .build();
    assert!(confused.unwrap_err().to_string().contains("shared secret"));
}

#[test]
fn a_static_key_never_asks_for_newer_ones() {
    let key = SigningKey::shared_rsa_2048();
    let provider = BearerAuthProvider::builder().public_key(key.public_pem());
    let provider = provider
        .any_issuer()
        .any_audience()
        .build()
        .unwrap()
        .with_clock(clock());
    let forged = Forge::new(&SigningKey::shared_rsa_2048_b(), NOW).token();
    assert!(matches!(
        provider.try_verify_token(&forged),
        TryVerify::Rejected(_)
    ));
    let good = Forge::new(&key, NOW).kid("whatever").token();
    assert!(matches!(
        provider.try_verify_token(&good),
        TryVerify::Accepted(_)
    ));
}

#[tokio::test]
async fn keys_are_fetched_when_a_token_needs_them() {
    let key = SigningKey::shared_rsa_2048();
    let server = JwksServer::start();
    server.set_keys(vec![key.jwk()]);
    let provider = BearerAuthProvider::builder()
        .jwks_uri(server.url())
        .issuer(A)
        .any_audience();
    let provider = provider.build().unwrap().with_clock(clock());
    assert_eq!(
        server.total_hits(),
        0,
        "nothing is fetched before it is needed"
    );

    let expired = token(&key, A).expires_in(-3600).token();
    assert_eq!(
        kind(provider.verify_token(&expired).await),
        RejectionKind::Expired
    );
    assert!(
        server.wait_for_hits("/jwks.json", 1, Duration::from_secs(5)),
        "the first plausible token starts the first fetch, and does not wait for it"
    );

    assert!(provider.verify_token(&token(&key, A).token()).await.is_ok());
    assert_eq!(server.total_hits(), 1);
    assert_eq!(
        kind(provider.verify_token(&expired).await),
        RejectionKind::Expired
    );
}

#[tokio::test]
async fn a_rotation_is_followed_by_the_very_first_token() {
    let (old, new) = (
        SigningKey::shared_rsa_2048(),
        SigningKey::shared_rsa_2048_b(),
    );
    let server = JwksServer::start();
    server.set_keys(vec![old.jwk()]);
    let provider = BearerAuthProvider::builder()
        .jwks_uri(server.url())
        .issuer(A)
        .any_audience();
    let provider = provider.build().unwrap().with_clock(clock());
    provider.warm_up().await;
    server.set_keys(vec![new.jwk()]);
    assert!(matches!(
        provider.try_verify_token(&token(&new, A).token()),
        TryVerify::NeedsKeys(_)
    ));
    assert!(provider.verify_token(&token(&new, A).token()).await.is_ok());
    assert_eq!(
        kind(provider.verify_token(&token(&old, A).token()).await),
        RejectionKind::UnknownKey
    );
}

#[tokio::test]
async fn an_issuer_that_is_down_is_not_the_tokens_fault() {
    let server = JwksServer::start();
    server.set_behaviour(mcp_bearer_testkit::Behaviour::Status(500));
    let provider = BearerAuthProvider::builder()
        .jwks_uri(server.url())
        .issuer(A)
        .any_audience();
    let provider = provider.build().unwrap().with_clock(clock());
    let rejection = provider
        .verify_token(&token(&SigningKey::shared_rsa_2048(), A).token())
        .await
        .unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::KeysUnavailable);
    assert!(rejection.retry_after().unwrap() >= Duration::from_secs(1));
    // The reason is the result of the fetch, not what was known before.
    assert!(
        rejection.to_string().contains("status 500"),
        "{rejection:?}"
    );
    // A token that could never be good does not look like an outage.
    let none = token(&SigningKey::shared_rsa_2048(), A)
        .alg_name("none")
        .token();
    assert_eq!(
        kind(provider.verify_token(&none).await),
        RejectionKind::AlgorithmNotAllowed
    );
}

#[test]
fn the_time_is_that_of_the_clock() {
    let test = TestClock::new(NOW);
    let key = SigningKey::shared_rsa_2048();
    let provider = BearerAuthProvider::builder().public_key(key.public_pem());
    let provider = provider.any_issuer().any_audience().build().unwrap();
    let provider = provider.with_clock(Clock::new(test.as_fn()));
    let token = Forge::new(&key, NOW).expires_in(100).token();
    assert!(provider.try_verify_token(&token).into_result().is_ok());
    test.advance(Duration::from_secs(159));
    assert!(provider.try_verify_token(&token).into_result().is_ok());
    test.advance(Duration::from_secs(1));
    assert_eq!(
        kind(provider.try_verify_token(&token).into_result()),
        RejectionKind::Expired
    );
}

#[test]
fn the_key_pair_makes_what_fastmcp_makes() {
    let pair = RsaKeyPair::generate().unwrap();
    let token = pair.create_token(&TokenRequest::new()).unwrap();
    let provider = BearerAuthProvider::builder()
        .public_key(pair.public_key_pem())
        .issuer("https://fastmcp.example.com")
        .any_audience()
        .build()
        .unwrap();
    let access = provider.try_verify_token(&token).into_result().unwrap();
    assert_eq!(access.subject(), Some("fastmcp-user"));
    assert_eq!(access.client_id(), None);
    assert_eq!(access.client_id_or_subject(), "fastmcp-user");
    assert!(access.scopes().is_empty() && access.audiences().is_empty());
    let lifetime =
        access.expires_at().unwrap().as_secs_f64() - access.claim::<f64>("iat").unwrap().unwrap();
    assert!((lifetime - 3600.0).abs() < 0.5);

    let expires_at = access.expires_at().unwrap().to_unix_time().unwrap();
    let an_hour_ago = UnixTime::from_secs(expires_at.as_secs() - 7200);
    let custom = TokenRequest::new()
        .issued_at(an_hour_ago)
        .audiences(["one", "two"])
        .scopes(["read", "write"])
        .claim("sub", "overridden")
        .claim("tenant", 7)
        .kid("k")
        .expires_in_seconds(-30);
    let expired = pair.create_token(&custom).unwrap();
    let result = provider.try_verify_token(&expired).into_result();
    let provider = provider.with_clock(Clock::new(move || an_hour_ago));
    assert_eq!(kind(result), RejectionKind::Expired);
    let early = provider.try_verify_token(&expired).into_result().unwrap();
    assert_eq!(early.subject(), Some("overridden"));
    assert_eq!(early.audiences(), ["one", "two"]);
    assert_eq!(early.scopes().as_str(), "read write");
    assert_eq!(early.claim::<u8>("tenant").unwrap(), Some(7));
}

#[test]
fn a_key_pair_is_read_back_and_shows_no_secret() {
    for (size, bits) in [
        (RsaKeySize::Bits2048, 2048),
        (RsaKeySize::Bits3072, 3072),
        (RsaKeySize::Bits4096, 4096),
    ] {
        let pair = RsaKeyPair::generate_of_size(size).unwrap();
        assert_eq!(pair.bits(), bits);
        let again = RsaKeyPair::from_private_key_pem(pair.private_key_pem()).unwrap();
        assert_eq!(again.public_key_pem(), pair.public_key_pem());
        let shown = format!("{pair:?}");
        assert!(shown.len() < 60 && !shown.contains("KEY"), "{shown}");
    }
    let public = RsaKeyPair::generate().unwrap();
    let error = RsaKeyPair::from_private_key_pem(public.public_key_pem()).unwrap_err();
    assert!(error.to_string().contains("public key"));
}

#[tokio::test]
async fn an_explanation_has_every_step_and_the_required_scopes() {
    use mcp_bearer::Rejection;
    use mcp_bearer::explain::{Explanation, Step, StepOutcome};
    let (one, _, provider) = two_issuers();
    let numbers = |explained: &Explanation, outcome: StepOutcome| {
        let steps = explained.steps.iter();
        let steps = steps.filter(|step| step.outcome == outcome);
        steps.map(|step| step.number).collect::<Vec<_>>().join(" ")
    };
    let scoped = token(&one, A).scope("a:read").token();
    let explained = provider.explain_token(&scoped).await;
    assert!(explained.verdict.is_ok());
    assert_eq!(explained.steps.len(), Step::ALL.len() + 1);
    assert_eq!(numbers(&explained, StepOutcome::NotReached), "");
    assert_eq!(numbers(&explained, StepOutcome::Failed), "");

    let explained = provider.explain_token(&token(&one, A).token()).await;
    assert_eq!(
        kind(explained.verdict.clone()),
        RejectionKind::InsufficientScope
    );
    assert_eq!(numbers(&explained, StepOutcome::Failed), "scopes");

    let expired = token(&one, A).expires_in(-3600).token();
    let explained = provider.explain_token(&expired).await;
    assert_eq!(numbers(&explained, StepOutcome::Failed), "11");
    let after = "12 13 14 15 16 17 18 19 scopes";
    assert_eq!(numbers(&explained, StepOutcome::NotReached), after);
    let all = format!("{explained:?}");
    assert!(expired.split('.').all(|segment| !all.contains(segment)));

    let refused = Explanation::refused(Step::Length, Rejection::token_too_large(9, 8));
    assert_eq!(numbers(&refused, StepOutcome::Failed), "1");
    assert!(refused.verdict.is_err());
}

#[test]
fn a_key_pair_error_has_the_kind_of_its_cause() {
    use mcp_bearer::signing::KeyPairErrorKind;
    let pair = RsaKeyPair::generate().unwrap();
    let twice = pair.private_key_pem().repeat(2);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (text, kind) in [
        ("nonsense", KeyPairErrorKind::Malformed),
        (&twice, KeyPairErrorKind::Malformed),
        (encrypted, KeyPairErrorKind::Encrypted),
        (pair.public_key_pem(), KeyPairErrorKind::NotPrivate),
        (no_key, KeyPairErrorKind::Unsupported),
    ] {
        let error = RsaKeyPair::from_private_key_pem(text).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn required_scopes_can_be_replaced_and_the_cache_is_shared() {
    let key = SigningKey::ec_p256();
    let provider = BearerAuthProvider::builder()
        .public_key(key.public_pem())
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Es256])
        .required_scopes(["read"])
        .build()
        .unwrap()
        .with_clock(clock())
        .with_token_cache(mcp_bearer::TokenCacheSize::default());
    let other = provider
        .clone()
        .with_required_scopes(&"write".parse().unwrap());
    let token = Forge::new(&key, NOW).scope("read").token();
    let access = other.try_verify_token(&token).into_result().unwrap();
    assert_eq!(provider.cached_tokens(), Some(1));
    assert_eq!(other.required_scopes().as_str(), "write");
    // A token remembers that it passed, but only for those scopes.
    let third = provider
        .clone()
        .with_required_scopes(&"admin".parse().unwrap());
    let back = other.clone().with_required_scopes(&"read".parse().unwrap());
    for _ in 0..3 {
        assert!(provider.check_required_scopes(&access).is_ok());
        assert!(other.check_required_scopes(&access).is_err());
        assert!(third.check_required_scopes(&access).is_err());
        assert!(back.check_required_scopes(&access).is_ok());
    }
    let alone = provider.issuers().next().unwrap();
    assert!(alone.check_required_scopes(&access).is_ok());
    let alone = other.issuers().next().unwrap();
    assert!(alone.check_required_scopes(&access).is_err());
}
