//! Every signature verifies with `aws-lc-rs`' own verifier, and every form of a key reads back.

use aws_lc_rs::signature::{
    self as sig, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm,
};

use super::*;

const MESSAGE: &[u8] = b"header.claims";

fn verifies(key: &SigningKey, alg: &'static dyn VerificationAlgorithm, signature: &[u8]) -> bool {
    ParsedPublicKey::new(alg, key.public_bytes())
        .unwrap()
        .verify_sig(MESSAGE, signature)
        .is_ok()
}

#[test]
fn every_rsa_signature_verifies() {
    let algorithms: [(&str, &'static sig::RsaParameters); 6] = [
        ("RS256", &sig::RSA_PKCS1_2048_8192_SHA256),
        ("RS384", &sig::RSA_PKCS1_2048_8192_SHA384),
        ("RS512", &sig::RSA_PKCS1_2048_8192_SHA512),
        ("PS256", &sig::RSA_PSS_2048_8192_SHA256),
        ("PS384", &sig::RSA_PSS_2048_8192_SHA384),
        ("PS512", &sig::RSA_PSS_2048_8192_SHA512),
    ];
    let key = SigningKey::shared_rsa_2048();
    for (alg, verifier) in algorithms {
        let signature = key.sign(alg, MESSAGE);
        assert!(verifies(&key, verifier, &signature), "{alg}");
        assert!(
            !verifies(&SigningKey::shared_rsa_2048_b(), verifier, &signature),
            "{alg}"
        );
        for (other, verifier) in algorithms {
            assert_eq!(
                other == alg,
                verifies(&key, verifier, &signature),
                "{alg} as {other}"
            );
        }
    }
}

#[test]
fn every_ecdsa_signature_verifies_and_has_the_fixed_length() {
    let cases: [(
        SigningKey,
        &str,
        &'static sig::EcdsaVerificationAlgorithm,
        usize,
    ); 4] = [
        (
            SigningKey::ec_p256(),
            "ES256",
            &sig::ECDSA_P256_SHA256_FIXED,
            64,
        ),
        (
            SigningKey::ec_p384(),
            "ES384",
            &sig::ECDSA_P384_SHA384_FIXED,
            96,
        ),
        (
            SigningKey::ec_p521(),
            "ES512",
            &sig::ECDSA_P521_SHA512_FIXED,
            132,
        ),
        (
            SigningKey::ec_secp256k1(),
            "ES256K",
            &sig::ECDSA_P256K1_SHA256_FIXED,
            64,
        ),
    ];
    for (key, alg, verifier, length) in cases {
        let signature = key.sign(alg, MESSAGE);
        assert_eq!(signature.len(), length, "{alg}");
        assert!(verifies(&key, verifier, &signature), "{alg}");
        assert!(
            !verifies(&key, verifier, &key.sign_ecdsa_der(MESSAGE)),
            "{alg}"
        );
    }
}

#[test]
fn the_der_form_of_an_ecdsa_signature_is_a_signature() {
    let key = SigningKey::ec_p256();
    assert!(verifies(
        &key,
        &sig::ECDSA_P256_SHA256_ASN1,
        &key.sign_ecdsa_der(MESSAGE)
    ));
}

#[test]
fn every_eddsa_signature_verifies() {
    let key = SigningKey::ed25519();
    for alg in ["EdDSA", "Ed25519"] {
        assert!(verifies(&key, &sig::ED25519, &key.sign(alg, MESSAGE)));
    }
}

#[test]
fn every_hmac_verifies() {
    for (alg, algorithm) in [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
    ] {
        let tag = SigningKey::hmac(b"a secret").sign(alg, MESSAGE);
        hmac::verify(&hmac::Key::new(algorithm, b"a secret"), MESSAGE, &tag).unwrap();
    }
}

#[test]
#[should_panic(expected = "cannot sign as ES256")]
fn a_key_of_another_kind_refuses_to_sign() {
    SigningKey::ec_p384().sign("ES256", MESSAGE);
}

#[test]
fn shared_keys_are_made_once_and_differ() {
    let a = SigningKey::shared_rsa_2048();
    assert_eq!(a.public_der(), SigningKey::shared_rsa_2048().public_der());
    assert_ne!(a.public_der(), SigningKey::shared_rsa_2048_b().public_der());
    assert_eq!(a.kid().unwrap(), "rsa-a");
}

#[test]
fn larger_rsa_keys_have_their_size() {
    for (key, bytes) in [
        (SigningKey::shared_rsa_3072(), 384),
        (SigningKey::shared_rsa_4096(), 512),
    ] {
        assert_eq!(key.sign("RS256", MESSAGE).len(), bytes);
    }
}

#[test]
fn private_keys_read_back() {
    for key in [
        SigningKey::shared_rsa_2048(),
        SigningKey::ec_p256(),
        SigningKey::ec_p384(),
        SigningKey::ec_p521(),
        SigningKey::ec_secp256k1(),
        SigningKey::ed25519(),
    ] {
        let again = SigningKey::from_pkcs8_pem(&key.private_pem());
        assert_eq!(again.public_pem(), key.public_pem(), "{key:?}");
        assert_eq!(again.thumbprint(), key.thumbprint(), "{key:?}");
    }
}

#[test]
fn pem_blocks_have_their_labels_and_short_lines() {
    let key = SigningKey::shared_rsa_2048();
    let spki = key.public_pem();
    assert!(spki.starts_with("-----BEGIN PUBLIC KEY-----\nMII"));
    assert!(spki.ends_with("\n-----END PUBLIC KEY-----\n"));
    assert!(spki.lines().all(|line| line.len() <= 64));
    assert!(
        key.public_pkcs1_pem()
            .starts_with("-----BEGIN RSA PUBLIC KEY-----\nMII")
    );
    assert!(
        key.private_pem()
            .starts_with("-----BEGIN PRIVATE KEY-----\nMII")
    );
}

#[test]
fn the_rsa_jwk_holds_the_numbers_of_the_key() {
    let key = SigningKey::shared_rsa_2048()
        .with_alg("RS256")
        .with_use("sig");
    let jwk = key.jwk();
    let number = |name: &str| {
        BASE64_URL_SAFE_NO_PAD
            .decode(jwk[name].as_str().unwrap())
            .unwrap()
    };
    assert_eq!(number("e"), [1, 0, 1]);
    assert_eq!(number("n").len(), 256);
    let public = RsaPublicKeyComponents {
        n: number("n"),
        e: number("e"),
    };
    public
        .verify(
            &sig::RSA_PKCS1_2048_8192_SHA256,
            MESSAGE,
            &key.sign("RS256", MESSAGE),
        )
        .unwrap();
    assert_eq!(jwk["kty"], "RSA");
    assert_eq!(jwk["kid"], "rsa-a");
    assert_eq!(jwk["alg"], "RS256");
    assert_eq!(jwk["use"], "sig");
}

#[test]
fn the_curve_jwks_hold_the_points_of_the_keys() {
    for (key, crv, length) in [
        (SigningKey::ec_p256(), "P-256", 32),
        (SigningKey::ec_p384(), "P-384", 48),
        (SigningKey::ec_p521(), "P-521", 66),
    ] {
        let jwk = key.jwk();
        let mut point = vec![4];
        for name in ["x", "y"] {
            let bytes = BASE64_URL_SAFE_NO_PAD
                .decode(jwk[name].as_str().unwrap())
                .unwrap();
            assert_eq!(bytes.len(), length);
            point.extend(bytes);
        }
        assert_eq!(
            (jwk["kty"].as_str(), jwk["crv"].as_str()),
            (Some("EC"), Some(crv))
        );
        assert_eq!(point, key.public_bytes());
    }
}

#[test]
fn the_kid_is_the_thumbprint_unless_said_otherwise() {
    let key = SigningKey::ed25519();
    assert_eq!(key.jwk()["kid"].as_str().unwrap(), key.thumbprint());
    assert_eq!(key.clone().with_kid("k1").jwk()["kid"], "k1");
    assert!(key.without_kid().jwk().get("kid").is_none());
}

#[test]
fn the_thumbprint_is_that_of_rfc_8037() {
    // RFC 8037 appendix A.1 gives the private key, A.3 the thumbprint.
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    let seed = BASE64_URL_SAFE_NO_PAD
        .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
        .unwrap();
    der.extend(seed);
    let key = SigningKey::from_pkcs8_der(&der);
    assert_eq!(
        key.jwk()["x"],
        "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    );
    assert_eq!(
        key.thumbprint(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
}

#[test]
fn debug_shows_no_key() {
    let key = SigningKey::hmac(b"very secret").with_kid("k");
    assert_eq!(format!("{key:?}"), "SigningKey(HS256, kid Some(\"k\"))");
    // The thumbprint of a shared secret would let it be guessed.
    assert_eq!(SigningKey::hmac(b"guessable").kid(), None);
}
