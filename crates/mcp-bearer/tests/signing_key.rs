//! `SigningKey`: every algorithm signs tokens that the verifier accepts, and every form of a key is
//! read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::process::{Command, Stdio};

use mcp_bearer::config::{IssuerBuilder, Undecided};
use mcp_bearer::signing::RsaKeySize;
use mcp_bearer::{Algorithm, BearerAuthProvider, JwksData, SigningKey, TokenRequest};
use mcp_bearer_testkit::SigningKey as TestKey;

type Builder = IssuerBuilder<mcp_bearer::config::Decided, Undecided, Undecided>;

fn accepts(keys: Builder, algorithm: Algorithm, token: &str) -> bool {
    let provider = keys.any_issuer().any_audience().algorithms([algorithm]);
    let provider = provider.build().unwrap();
    provider.try_verify_token(token).into_result().is_ok()
}

/// The key that verifies, as its owner would publish it.
fn published(key: &SigningKey) -> Builder {
    let builder = BearerAuthProvider::builder();
    match key.secret() {
        Some(secret) => builder.shared_secret(secret),
        None => builder.jwks(JwksData::new(vec![key.public_jwk(None).unwrap()])),
    }
}

#[test]
fn every_algorithm_signs_what_the_verifier_accepts() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let token = key.create_token(&TokenRequest::new()).unwrap();
        assert!(accepts(published(&key), algorithm, &token), "{algorithm}");
        let other = SigningKey::generate(algorithm).unwrap();
        assert!(
            !accepts(published(&other), algorithm, &token),
            "{algorithm}"
        );

        // The written key is the same key.
        let again = match (key.private_key_pem(), key.secret()) {
            (Some(pem), None) => SigningKey::from_private_key_pem(pem, Some(algorithm)),
            (None, Some(secret)) => SigningKey::from_secret(secret, Some(algorithm)),
            both => panic!("{algorithm}: {:?}", both.0.is_some()),
        };
        let again = again.unwrap();
        assert_eq!(again.verifying_key(), key.verifying_key(), "{algorithm}");
        let token = again.create_token(&TokenRequest::new()).unwrap();
        assert!(accepts(published(&key), algorithm, &token), "{algorithm}");
        if let Some(pem) = key.public_key_pem() {
            let keys = BearerAuthProvider::builder().public_key(pem);
            assert!(accepts(keys, algorithm, &token), "{algorithm}");
        }
    }
}

#[test]
fn a_key_has_its_usual_algorithm_unless_another_is_given() {
    for (key, usual) in [
        (TestKey::shared_rsa_2048(), Algorithm::Rs256),
        (TestKey::ec_p256(), Algorithm::Es256),
        (TestKey::ec_p384(), Algorithm::Es384),
        (TestKey::ec_p521(), Algorithm::Es512),
        (TestKey::ed25519(), Algorithm::EdDsa),
    ] {
        let read = SigningKey::from_private_key_pem(&key.private_pem(), None).unwrap();
        assert_eq!(read.algorithm(), usual);
        let jwk = read.public_jwk(Some("k")).unwrap();
        assert_eq!(
            (jwk.alg.as_deref(), jwk.kid.as_deref()),
            (Some(usual.name()), Some("k"))
        );
        let error = SigningKey::from_private_key_pem(&key.private_pem(), Some(Algorithm::Hs256));
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("cannot be used with HS256, only with "),
            "{error}"
        );
    }
    let pss = SigningKey::from_private_key_pem(
        &TestKey::shared_rsa_2048().private_pem(),
        Some(Algorithm::Ps384),
    );
    assert_eq!(pss.unwrap().algorithm(), Algorithm::Ps384);
    let large = SigningKey::generate_rsa(Algorithm::Rs512, RsaKeySize::Bits3072).unwrap();
    assert_eq!(large.verifying_key().rsa_bits(), Some(3072));
    assert!(SigningKey::generate_rsa(Algorithm::Es256, RsaKeySize::Bits2048).is_err());
}

#[test]
fn a_secret_is_read_as_verification_reads_it_and_never_published() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("secret");
    let text = "a secret that is as long as it has to be";
    std::fs::write(&path, format!("{text}\n")).unwrap();
    let key = SigningKey::from_secret_file(&path, None).unwrap();
    assert_eq!(
        (key.algorithm(), key.secret()),
        (Algorithm::Hs256, Some(text.as_bytes()))
    );
    let token = key.create_token(&TokenRequest::new()).unwrap();
    let keys = BearerAuthProvider::builder().shared_secret_file(&path);
    assert!(accepts(keys, Algorithm::Hs256, &token));
    let error = key.public_jwk(None).unwrap_err().to_string();
    assert_eq!(error, "a shared secret is never published");
    assert!(key.private_key_pem().is_none() && key.public_key_pem().is_none());

    std::fs::write(&path, "short").unwrap();
    let error = SigningKey::from_secret_file(&path, None).unwrap_err();
    let name = path.display().to_string();
    assert!(
        error.to_string().starts_with(&format!("{name}: ")),
        "{error}"
    );
    let error = SigningKey::from_secret(text.as_bytes(), Some(Algorithm::Hs512)).unwrap_err();
    assert!(error.to_string().contains("HS512"), "{error}");
    let public = TestKey::shared_rsa_2048().public_pem();
    assert!(SigningKey::from_secret(public.as_bytes(), None).is_err());
}

#[test]
fn a_text_that_is_not_a_private_key_is_named() {
    let key = TestKey::shared_rsa_2048();
    let two = format!("{}{}", key.private_pem(), key.private_pem());
    let encrypted = key.private_pem().replace("PRIVATE", "ENCRYPTED PRIVATE");
    for (text, why) in [
        (String::new(), "one PEM block is needed"),
        (two, "one PEM block is needed"),
        (key.public_pem(), "this is a public key"),
        (encrypted, "encrypted"),
        (
            TestKey::ec_secp256k1().private_pem(),
            "not a private key of RSA",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned(),
            "not a private key of RSA",
        ),
        (
            "-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n".to_owned(),
            "none of",
        ),
    ] {
        let error = SigningKey::from_private_key_pem(&text, None).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn nothing_of_a_key_is_shown() {
    for algorithm in [
        Algorithm::Rs256,
        Algorithm::Es256,
        Algorithm::EdDsa,
        Algorithm::Hs512,
    ] {
        let key = SigningKey::generate(algorithm).unwrap();
        let debug = format!("{key:?}");
        assert!(debug.starts_with("SigningKey { algorithm: "), "{debug}");
        let secret = match (key.private_key_pem(), key.secret()) {
            (Some(pem), _) => pem.lines().nth(1).unwrap().to_owned(),
            (None, Some(secret)) => String::from_utf8(secret.to_vec()).unwrap(),
            (None, None) => panic!("{algorithm} has no secret"),
        };
        assert!(!debug.contains(&secret), "{debug}");
    }
    let key = SigningKey::generate(Algorithm::Hs256).unwrap();
    assert_eq!(key.secret().unwrap().len(), 86);
}

/// OpenSSL writes the same keys in other forms; a machine without it still runs the other tests.
#[test]
fn keys_that_openssl_writes_are_read() {
    let openssl = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("openssl")
            .args(arguments)
            .stderr(Stdio::null())
            .output()
            .ok()?;
        assert!(output.status.success(), "{arguments:?}");
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let ways: [(&[&str], Algorithm); 5] = [
        (
            &["ecparam", "-genkey", "-name", "prime256v1"],
            Algorithm::Es256,
        ),
        (
            &["ecparam", "-genkey", "-name", "secp521r1", "-noout"],
            Algorithm::Es512,
        ),
        (&["genpkey", "-algorithm", "ed25519"], Algorithm::EdDsa),
        (&["genrsa", "-traditional", "2048"], Algorithm::Rs256),
        (
            &[
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
            ],
            Algorithm::Rs256,
        ),
    ];
    for (arguments, algorithm) in ways {
        let Some(pem) = openssl(arguments) else {
            eprintln!("NOT TRIED: this machine has no openssl");
            return;
        };
        let key = SigningKey::from_private_key_pem(&pem, None).unwrap();
        assert_eq!(key.algorithm(), algorithm, "{arguments:?}");
        let token = key.create_token(&TokenRequest::new()).unwrap();
        assert!(accepts(published(&key), algorithm, &token), "{arguments:?}");
    }
}
