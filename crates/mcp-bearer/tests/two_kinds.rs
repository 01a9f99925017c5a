//! An issuer with two kinds of keys: HS256 belongs to the shared secret, every other algorithm to
//! the published keys.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mcp_bearer::keys::{FileKeys, ManualTime, MonotonicClock, RemoteKeys};
use mcp_bearer::{
    Algorithm, BearerAuthProvider, Clock, RejectionKind, TokenCacheSize, TryVerify, UnixTime,
};
use mcp_bearer_testkit::{Behaviour, Forge, JwksServer, Response, SigningKey};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const SECRET: &str = "correct-horse-battery-staple-1234567890";

struct World {
    server: JwksServer,
    time: ManualTime,
    key: SigningKey,
    provider: BearerAuthProvider,
}

impl World {
    /// An issuer that publishes one EC key.
    fn new() -> Self {
        let (server, key) = (JwksServer::start(), SigningKey::ec_p256().with_kid("a"));
        server.set_keys(vec![key.jwk()]);
        let (clock, time) = MonotonicClock::manual();
        let provider = BearerAuthProvider::builder()
            .remote_keys(RemoteKeys::builder(server.url()).clock(clock))
            .shared_secret(SECRET)
            .algorithms([Algorithm::Es256, Algorithm::Rs256, Algorithm::Hs256])
            .issuer(Forge::ISSUER)
            .audience(Forge::AUDIENCE)
            .build()
            .unwrap()
            .with_clock(Clock::new(|| UnixTime::from_secs(NOW)))
            .with_token_cache(TokenCacheSize::default());
        Self {
            server,
            time,
            key,
            provider,
        }
    }

    async fn verify(&self, token: &Forge) -> Result<(), RejectionKind> {
        let verified = self.provider.verify_token(&token.token()).await;
        verified.map(drop).map_err(|rejection| rejection.kind())
    }

    /// A token that makes the source look for newer keys.
    async fn see_new_keys(&self) {
        self.time.advance(Duration::from_secs(20));
        let stranger = Forge::new(&SigningKey::ec_p256().with_kid("unknown"), NOW);
        let _ = self.verify(&stranger).await;
    }

    fn good(&self) -> Forge {
        Forge::new(&self.key, NOW)
    }
}

fn hs256(secret: impl AsRef<[u8]>) -> Forge {
    Forge::new(&SigningKey::hmac(secret), NOW).alg("HS256")
}

/// What anyone can know of a key, as the secret of a forged HS256 token.
fn public_forms(key: &SigningKey) -> Vec<Vec<u8>> {
    let (pem, der, jwk) = (key.public_pem(), key.public_der(), key.jwk());
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let mut forms: Vec<Vec<u8>> = [
        pem.clone(),
        pem.trim_end().to_owned(),
        format!("\n{pem}"),
        pem.replace('\n', "\r\n"),
        pem.replace('\n', ""),
        pem.replace('\n', "\\n"),
        body,
        jwk.to_string(),
        json!({ "keys": [jwk] }).to_string(),
        key.thumbprint(),
    ]
    .map(String::into_bytes)
    .into();
    if key.default_alg() == "RS256" {
        forms.push(key.public_pkcs1_pem().into_bytes());
    }
    forms.extend([der, key.public_bytes()]);
    for name in ["n", "e", "x", "y", "kid"] {
        let Some(text) = jwk[name].as_str() else {
            continue;
        };
        forms.push(text.as_bytes().to_vec());
        if let Ok(bytes) = URL_SAFE_NO_PAD.decode(text) {
            forms.push([&[0][..], &bytes].concat());
            forms.push(bytes);
        }
    }
    let encoded = forms.iter().flat_map(|form| {
        let hex: String = form.iter().map(|byte| format!("{byte:02x}")).collect();
        let texts = [STANDARD.encode(form), URL_SAFE_NO_PAD.encode(form), hex];
        texts.map(String::into_bytes)
    });
    let encoded: Vec<Vec<u8>> = encoded.collect();
    forms.extend(encoded);
    forms.extend([Vec::new(), vec![0], vec![0; 32]]);
    forms
}

fn keys() -> Vec<SigningKey> {
    vec![
        SigningKey::shared_rsa_2048().with_kid("rsa"),
        SigningKey::ec_p256().with_kid("a"),
        SigningKey::ed25519().with_kid("ed"),
    ]
}

#[tokio::test]
async fn no_form_of_a_public_key_signs_hs256_cold_warm_or_after_a_rotation() {
    let (first, second) = (keys(), keys());
    let jwks = |keys: &[SigningKey]| keys.iter().map(SigningKey::jwk).collect::<Vec<Value>>();
    let world = World::new();
    world.server.set_keys(jwks(&first));
    let forged = |keys: &[SigningKey]| -> Vec<Forge> {
        let forms = keys.iter().flat_map(|key| {
            let kid = key.kid().unwrap();
            let forms = public_forms(key).into_iter();
            forms.map(move |form| hs256(form).kid(&kid))
        });
        forms.collect()
    };
    // Cold: none may be accepted without a set.
    for token in forged(&first).iter().step_by(7) {
        let cold = World::new();
        cold.server.set_keys(jwks(&first));
        let outcome = cold.provider.try_verify_token(&token.token());
        assert!(!matches!(outcome, TryVerify::Accepted(_)));
        assert_eq!(cold.verify(token).await, Err(RejectionKind::BadSignature));
    }
    for (keys, others) in [(&first, &second), (&second, &first)] {
        world.server.set_keys(jwks(keys));
        world.see_new_keys().await;
        let rsa = Forge::new(&keys[0], NOW);
        assert_eq!(world.verify(&rsa).await, Ok(()));
        for token in forged(keys).into_iter().chain(forged(others)) {
            assert_eq!(world.verify(&token).await, Err(RejectionKind::BadSignature));
        }
        assert_eq!(world.verify(&hs256(SECRET)).await, Ok(()));
    }
}

#[tokio::test]
async fn both_kinds_are_accepted_once_a_set_was_seen() {
    let world = World::new();
    // It is not yet known whether the set contains the secret.
    let outcome = world.provider.try_verify_token(&hs256(SECRET).token());
    assert!(matches!(outcome, TryVerify::NeedsKeys(_)), "{outcome:?}");
    assert_eq!(world.verify(&hs256(SECRET)).await, Ok(()));
    assert_eq!(world.verify(&world.good()).await, Ok(()));
    // Which key an HS256 token names makes no difference.
    assert_eq!(world.verify(&hs256(SECRET).kid("a")).await, Ok(()));
    assert_eq!(
        world.verify(&hs256(SECRET).without_header("kid")).await,
        Ok(())
    );
    assert_eq!(world.server.total_hits(), 1);
    // The name of one for the other's signature.
    let mixed = [
        world.good().alg_name("HS256"),
        hs256(SECRET).alg_name("ES256").kid("a"),
        world.good().sign_with(&SigningKey::hmac(SECRET)),
    ];
    for token in mixed {
        assert_eq!(world.verify(&token).await, Err(RejectionKind::BadSignature));
    }
}

#[tokio::test]
async fn an_issuer_that_is_down_is_an_outage_of_both_kinds_until_a_set_was_seen() {
    let world = World::new();
    world.server.set_behaviour(Behaviour::Status(500));
    for token in [hs256(SECRET), world.good()] {
        assert_eq!(
            world.verify(&token).await,
            Err(RejectionKind::KeysUnavailable)
        );
    }
    let expired = hs256(SECRET).expires_in(-600);
    assert_eq!(world.verify(&expired).await, Err(RejectionKind::Expired));
    world.server.set_behaviour(Behaviour::ok());
    world.time.advance(Duration::from_secs(5));
    assert_eq!(world.verify(&hs256(SECRET)).await, Ok(()));
    world.server.set_behaviour(Behaviour::Status(500));
    assert_eq!(world.verify(&hs256(SECRET).subject("other")).await, Ok(()));
}

#[tokio::test]
async fn a_set_that_holds_the_secret_switches_hmac_off_for_cached_tokens_too_and_on_again() {
    let oct = SigningKey::hmac(SECRET).with_kid("oct").jwk();
    let in_disguise = json!({ "kty": "RSA", "n": "AQAB", "kid": STANDARD.encode(SECRET) });
    for leak in [oct, in_disguise] {
        let world = World::new();
        let (old, new) = (hs256(SECRET), hs256(SECRET).subject("another"));
        assert_eq!(world.verify(&old).await, Ok(()));
        assert_eq!(world.provider.cached_tokens(), Some(1));
        // The usable keys stay the same.
        world.server.set_keys(vec![world.key.jwk(), leak.clone()]);
        world.see_new_keys().await;
        for token in [&old, &new, &old.clone().kid("oct")] {
            assert_eq!(world.verify(token).await, Err(RejectionKind::UnknownKey));
        }
        assert_eq!(world.verify(&world.good()).await, Ok(()));
        let status = &world.provider.key_status()[0];
        assert!(status.snapshot.set.publishes_the_secret());
        // Only another set turns it on again.
        world.server.set_keys(vec![world.key.jwk()]);
        world.see_new_keys().await;
        assert_eq!(world.verify(&new).await, Ok(()));
        // Cold, with the first set that is seen.
        let cold = World::new();
        cold.server.set_keys(vec![cold.key.jwk(), leak]);
        assert_eq!(cold.verify(&old).await, Err(RejectionKind::UnknownKey));
        assert_eq!(cold.verify(&cold.good()).await, Ok(()));
    }
}

/// Answers with the secret that no source takes as keys, at least not at once.
fn refused_leaks() -> Vec<(&'static str, Vec<u8>)> {
    let oct = SigningKey::hmac(SECRET).with_kid("oct").jwk();
    let set = |keys: Value| json!({ "keys": keys }).to_string().into_bytes();
    let broken = json!({ "kty": "RSA", "n": "?", "e": "AQAB" });
    let private = json!({ "kty": "OKP", "crv": "Ed25519", "x": "?", "d": "?" });
    let many = vec![json!({ "kty": "oct", "k": STANDARD.encode(SECRET) }); 101];
    let double = format!(r#"{{"keys":[],"keys":[{oct}]}}"#);
    let binary = [&b"\xFF"[..], &set(json!([oct]))].concat();
    vec![
        ("a broken key", set(json!([broken, oct]))),
        ("a private key", set(json!([private, oct]))),
        ("the secret alone", set(json!([oct]))),
        ("too many keys", set(json!(many))),
        ("a member twice", double.into_bytes()),
        ("not UTF-8", binary),
        ("no key set", json!([SECRET]).to_string().into_bytes()),
    ]
}

#[tokio::test]
async fn an_answer_that_is_not_taken_and_holds_the_secret_switches_hmac_off() {
    for (name, body) in refused_leaks() {
        let world = World::new();
        let (old, new) = (hs256(SECRET), hs256(SECRET).subject("another"));
        assert_eq!(world.verify(&old).await, Ok(()));
        let serve = |body: Vec<u8>| {
            let answer = Response::new(200, "application/json", body);
            world.server.serve(JwksServer::JWKS_PATH, answer);
        };
        serve(body);
        world.see_new_keys().await;
        for token in [&old, &new] {
            let verified = world.verify(token).await;
            assert_eq!(verified, Err(RejectionKind::UnknownKey), "{name}");
        }
        assert_eq!(world.verify(&world.good()).await, Ok(()), "{name}");
        // Another answer that is not taken proves nothing.
        serve(b"{}".to_vec());
        world.see_new_keys().await;
        let verified = world.verify(&new).await;
        assert_eq!(verified, Err(RejectionKind::UnknownKey), "{name}");
        let good = json!({ "keys": [world.key.jwk()] }).to_string();
        serve(good.into_bytes());
        world.see_new_keys().await;
        assert_eq!(world.verify(&new).await, Ok(()), "{name}");
        assert_eq!(world.verify(&old).await, Ok(()), "{name}");
    }
}

#[tokio::test]
async fn a_key_file_that_is_not_taken_and_holds_the_secret_switches_hmac_off() {
    let key = SigningKey::ec_p256().with_kid("a");
    let good = json!({ "keys": [key.jwk()] }).to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, &good).unwrap();
    let (clock, time) = MonotonicClock::manual();
    let keys = FileKeys::open_with_clock(&path, clock).unwrap();
    let provider = BearerAuthProvider::builder()
        .key_source(Arc::new(keys))
        .shared_secret(SECRET)
        .algorithms([Algorithm::Es256, Algorithm::Hs256])
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .build()
        .unwrap()
        .with_clock(Clock::new(|| UnixTime::from_secs(NOW)))
        .with_token_cache(TokenCacheSize::default());
    let verify = |token: &Forge| {
        let verified = provider.try_verify_token(&token.token()).into_result();
        verified.map(drop).map_err(|rejection| rejection.kind())
    };
    let (old, new) = (hs256(SECRET), hs256(SECRET).subject("another"));
    let mut leaks = refused_leaks();
    let long = format!("[{:?},{:?}]", SECRET, " ".repeat(600_000));
    leaks.push(("too long", long.into_bytes()));
    for (name, body) in leaks {
        assert_eq!(verify(&old), Ok(()), "{name}");
        for (text, expected) in [
            (body, Err(RejectionKind::UnknownKey)),
            (good.clone().into_bytes(), Ok(())),
        ] {
            std::fs::write(&path, text).unwrap();
            for _ in 0..1000 {
                if verify(&old) == expected {
                    break;
                }
                time.advance(Duration::from_secs(2));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(verify(&old), expected, "{name}");
            assert_eq!(verify(&new), expected, "{name}");
            assert_eq!(verify(&Forge::new(&key, NOW)), Ok(()), "{name}");
        }
    }
}

#[tokio::test]
async fn a_rotation_replaces_the_public_keys_and_leaves_the_secret() {
    let world = World::new();
    let (old, hmac) = (world.good(), hs256(SECRET));
    assert_eq!(world.verify(&old).await, Ok(()));
    assert_eq!(world.verify(&hmac).await, Ok(()));
    let next = SigningKey::ec_p256().with_kid("b");
    world.server.set_keys(vec![next.jwk()]);
    assert_eq!(world.verify(&Forge::new(&next, NOW)).await, Ok(()));
    assert_eq!(world.verify(&hmac).await, Ok(()));
    assert_eq!(world.verify(&old).await, Err(RejectionKind::UnknownKey));
}

#[test]
fn two_issuers_share_no_secret() {
    let issuer = |name: &str, secret: &str| {
        BearerAuthProvider::builder()
            .jwks_json(SigningKey::ec_p256().jwks().to_string())
            .shared_secret(secret)
            .algorithms([Algorithm::Es256, Algorithm::Hs256])
            .issuer(name)
            .audience(Forge::AUDIENCE)
    };
    let other = "another secret that is as long as it must be";
    let provider = BearerAuthProvider::for_issuers([issuer("one", SECRET), issuer("other", other)]);
    let provider = provider
        .unwrap()
        .with_clock(Clock::new(|| UnixTime::from_secs(NOW)));
    let verify = |token: Forge| {
        let verified = provider.try_verify_token(&token.token()).into_result();
        verified.map(drop).map_err(|rejection| rejection.kind())
    };
    assert_eq!(verify(hs256(SECRET).issuer("one")), Ok(()));
    assert_eq!(verify(hs256(other).issuer("other")), Ok(()));
    let bad = Err(RejectionKind::BadSignature);
    assert_eq!(verify(hs256(SECRET).issuer("other")), bad);
    assert_eq!(verify(hs256(other).issuer("one")), bad);
}

#[test]
fn a_published_secret_is_an_error_in_the_log_once_and_a_weak_one_a_warning() {
    let log = Log::default();
    let to = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || to.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new();
            let leak = SigningKey::hmac(SECRET).jwk();
            world.server.set_keys(vec![world.key.jwk(), leak]);
            for _ in 0..3 {
                let _ = world.verify(&hs256(SECRET)).await;
            }
            // The next answers hold it too, and are not taken.
            for (_, body) in refused_leaks() {
                let answer = Response::new(200, "application/json", body);
                world.server.serve(JwksServer::JWKS_PATH, answer);
                world.see_new_keys().await;
                let _ = world.verify(&hs256(SECRET)).await;
            }
        });
        let weak = "secret42secret42secret42secret42";
        let built = BearerAuthProvider::builder().shared_secret(weak);
        assert!(built.any_issuer().any_audience().build().is_ok());
    });
    let log = log.text();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{log}");
    assert!(errors[0].contains("event=\"secret_published\""), "{log}");
    let weak = |line: &&str| line.contains("WARN") && line.contains("easily guessed");
    assert_eq!(log.lines().filter(weak).count(), 1, "{log}");
    assert!(
        !log.contains("correct-horse") && !log.contains("secret42"),
        "{log}"
    );
}

#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
