//! Signing keys for tests: every kind that a token may be signed with, each with its private and
//! its public side.
//!
//! For tests only: private keys are printable on request, and misuse panics. It does not import the
//! verifier under test.

mod curve;
mod der_pem;

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use aws_lc_rs::{digest, hmac};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Map, Value, json};

use curve::Curve;
use der_pem::{pem, rsa_numbers};

/// A key that signs tokens. Cheap to clone.
///
/// Its `kid` is the RFC 7638 thumbprint unless [`with_kid`](Self::with_kid) or
/// [`without_kid`](Self::without_kid) changed it; [`jwk`](Self::jwk) and the forge both use it.
#[derive(Clone)]
pub struct SigningKey {
    secret: Arc<Secret>,
    kid: Kid,
    jwk_alg: Option<String>,
    jwk_use: Option<String>,
}

impl SigningKey {
    /// A new RSA key of 2048, 3072, 4096 or 8192 bits, exponent 65537.
    /// Prefer the shared ones: generation takes from a tenth of a second to many seconds.
    ///
    /// # Panics
    /// On any other size.
    pub fn rsa(bits: usize) -> Self {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            8192 => KeySize::Rsa8192,
            other => panic!("no RSA key of {other} bits can be generated"),
        };
        Self::new(Secret::Rsa(
            RsaKeyPair::generate(size).expect("RSA generation"),
        ))
    }

    /// A 2048-bit RSA key, `kid` `rsa-a`, made once per process.
    pub fn shared_rsa_2048() -> Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::rsa(2048).with_kid("rsa-a"))
            .clone()
    }

    /// Another 2048-bit RSA key, `kid` `rsa-b`, made once per process.
    pub fn shared_rsa_2048_b() -> Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::rsa(2048).with_kid("rsa-b"))
            .clone()
    }

    /// A 3072-bit RSA key, `kid` `rsa-3072`, made once per process.
    pub fn shared_rsa_3072() -> Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::rsa(3072).with_kid("rsa-3072"))
            .clone()
    }

    /// A 4096-bit RSA key, `kid` `rsa-4096`, made once per process.
    pub fn shared_rsa_4096() -> Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::rsa(4096).with_kid("rsa-4096"))
            .clone()
    }

    /// A new P-256 key, for ES256.
    pub fn ec_p256() -> Self {
        Self::ec(Curve::P256)
    }

    /// A new P-384 key, for ES384.
    pub fn ec_p384() -> Self {
        Self::ec(Curve::P384)
    }

    /// A new P-521 key, for ES512.
    pub fn ec_p521() -> Self {
        Self::ec(Curve::P521)
    }

    /// A new secp256k1 key, for ES256K (RFC 8812), which no verifier of this project accepts.
    pub fn ec_secp256k1() -> Self {
        Self::ec(Curve::Secp256k1)
    }

    /// A new Ed25519 key, for EdDSA (RFC 8037) and Ed25519 (RFC 9864).
    pub fn ed25519() -> Self {
        Self::new(Secret::Ed25519(
            Ed25519KeyPair::generate().expect("Ed25519 generation"),
        ))
    }

    /// A shared secret for HS256, HS384 and HS512. Any length, including the public PEM of another
    /// key: that is the key confusion attack of RFC 8725 section 2.1. It has no `kid`, because its
    /// thumbprint would let it be guessed.
    pub fn hmac(secret: impl AsRef<[u8]>) -> Self {
        Self::new(Secret::Hmac(secret.as_ref().to_vec())).without_kid()
    }

    /// Reads an unencrypted PKCS#8 private key (RFC 5208); the kind is found by trying.
    ///
    /// # Panics
    /// When the bytes are not such a key, or are of a kind or size that cannot be used to sign.
    pub fn from_pkcs8_der(der: &[u8]) -> Self {
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
            return Self::new(Secret::Rsa(pair));
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Self::new(Secret::Ed25519(pair));
        }
        for curve in Curve::ALL {
            if let Ok(pair) = EcdsaKeyPair::from_pkcs8(curve.fixed(), der) {
                return Self::new(Secret::Ec(curve, pair));
            }
        }
        panic!("not a usable PKCS#8 private key")
    }

    /// Reads the first `PRIVATE KEY` block of a PEM text (RFC 7468) as PKCS#8.
    ///
    /// # Panics
    /// As [`from_pkcs8_der`](Self::from_pkcs8_der), and when there is no such block.
    pub fn from_pkcs8_pem(pem: &str) -> Self {
        let (_, rest) = pem
            .split_once("-----BEGIN PRIVATE KEY-----")
            .expect("a PRIVATE KEY block");
        let (body, _) = rest
            .split_once("-----END PRIVATE KEY-----")
            .expect("an END line");
        let text: String = body.split_whitespace().collect();
        Self::from_pkcs8_der(
            &BASE64_STANDARD
                .decode(text)
                .expect("base64 inside the PEM block"),
        )
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Kid::Named(kid.into());
        self
    }

    /// The same key with no `kid` at all: neither its JWK nor a forged header has the member.
    #[must_use]
    pub fn without_kid(mut self) -> Self {
        self.kid = Kid::Absent;
        self
    }

    /// The same key, with `alg` in its JWK.
    #[must_use]
    pub fn with_alg(mut self, alg: impl Into<String>) -> Self {
        self.jwk_alg = Some(alg.into());
        self
    }

    /// The same key, with `use` in its JWK.
    #[must_use]
    pub fn with_use(mut self, usage: impl Into<String>) -> Self {
        self.jwk_use = Some(usage.into());
        self
    }

    /// The `kid` in use, if any.
    pub fn kid(&self) -> Option<String> {
        match &self.kid {
            Kid::Thumbprint => Some(self.thumbprint()),
            Kid::Named(kid) => Some(kid.clone()),
            Kid::Absent => None,
        }
    }

    /// The algorithm that a good token of this key names: RS256, ES256, ES384, ES512, ES256K, EdDSA
    /// or HS256.
    pub fn default_alg(&self) -> &'static str {
        match &*self.secret {
            Secret::Rsa(_) => "RS256",
            Secret::Ec(curve, _) => curve.alg(),
            Secret::Ed25519(_) => "EdDSA",
            Secret::Hmac(_) => "HS256",
        }
    }

    /// The JWK of the public side (of the secret itself for [`hmac`](Self::hmac)), with `kid`,
    /// `alg` and `use` as set. Further members can be added to the value.
    pub fn jwk(&self) -> Value {
        let mut jwk = self.required_members();
        for (name, value) in [
            ("kid", self.kid()),
            ("alg", self.jwk_alg.clone()),
            ("use", self.jwk_use.clone()),
        ] {
            if let Some(value) = value {
                jwk.insert(name.to_owned(), Value::String(value));
            }
        }
        Value::Object(jwk)
    }

    /// A JWKS that holds this key alone.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk()] })
    }

    /// The RFC 7638 thumbprint, SHA-256, base64url.
    pub fn thumbprint(&self) -> String {
        // Built by hand: the order of members must not depend on the features of `serde_json`.
        let mut members: Vec<String> = self
            .required_members()
            .iter()
            .map(|(k, v)| format!("\"{k}\":{v}"))
            .collect();
        members.sort();
        let text = format!("{{{}}}", members.join(","));
        BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }

    /// The public key as DER SubjectPublicKeyInfo (RFC 5280).
    ///
    /// # Panics
    /// For a shared secret.
    pub fn public_der(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match &*self.secret {
            Secret::Rsa(pair) => pair.public_key().as_der(),
            Secret::Ec(_, pair) => pair.public_key().as_der(),
            Secret::Ed25519(pair) => pair.public_key().as_der(),
            Secret::Hmac(_) => panic!("a shared secret has no public side"),
        }
        .expect("SubjectPublicKeyInfo");
        der.as_ref().to_vec()
    }

    /// The public key as a `PUBLIC KEY` block (RFC 7468 section 13).
    ///
    /// # Panics
    /// For a shared secret.
    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.public_der())
    }

    /// The public key as an `RSA PUBLIC KEY` block (RFC 8017 appendix A.1.1).
    ///
    /// # Panics
    /// For any key other than RSA.
    pub fn public_pkcs1_pem(&self) -> String {
        match &*self.secret {
            Secret::Rsa(pair) => pem("RSA PUBLIC KEY", pair.public_key().as_ref()),
            _ => panic!("only an RSA key has a PKCS#1 form"),
        }
    }

    /// The public key as `aws-lc-rs` takes it for verification: PKCS#1 DER, an uncompressed point,
    /// or 32 bytes.
    ///
    /// # Panics
    /// For a shared secret.
    pub fn public_bytes(&self) -> Vec<u8> {
        match &*self.secret {
            Secret::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Secret::Ec(_, pair) => pair.public_key().as_ref().to_vec(),
            Secret::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
            Secret::Hmac(_) => panic!("a shared secret has no public side"),
        }
    }

    /// The private key as an unencrypted PKCS#8 `PRIVATE KEY` block, for programs that read key
    /// files.
    ///
    /// # Panics
    /// For a shared secret.
    pub fn private_pem(&self) -> String {
        let der = match &*self.secret {
            Secret::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair)
                .expect("PKCS#8")
                .as_ref()
                .to_vec(),
            Secret::Ec(_, pair) => pair.to_pkcs8v1().expect("PKCS#8").as_ref().to_vec(),
            Secret::Ed25519(pair) => pair.to_pkcs8v1().expect("PKCS#8").as_ref().to_vec(),
            Secret::Hmac(_) => panic!("a shared secret is not a PKCS#8 key"),
        };
        pem("PRIVATE KEY", &der)
    }

    /// Signs as `alg` says (RFC 7518 section 3.1, RFC 8037, RFC 8812): RS, PS and HS with 256, 384
    /// and 512, ES256, ES384, ES512 and ES256K in the fixed IEEE P1363 form, EdDSA and Ed25519.
    ///
    /// # Panics
    /// When this kind of key cannot sign with it; to forge a mismatch, name another algorithm in
    /// the header.
    pub fn sign(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        match &*self.secret {
            Secret::Rsa(pair) => sign_rsa(pair, alg, message),
            Secret::Ec(curve, pair) if alg == curve.alg() => pair
                .sign(&SystemRandom::new(), message)
                .expect("ECDSA")
                .as_ref()
                .to_vec(),
            Secret::Ed25519(pair) if matches!(alg, "EdDSA" | "Ed25519") => {
                pair.sign(message).as_ref().to_vec()
            }
            Secret::Hmac(secret) => {
                let key = hmac::Key::new(hmac_algorithm(alg), secret);
                hmac::sign(&key, message).as_ref().to_vec()
            }
            _ => panic!("{self:?} cannot sign as {alg}"),
        }
    }

    /// Signs with an elliptic curve key; the signature is in ASN.1 DER as in X.509, a form that RFC
    /// 7518 section 3.4 forbids in a token.
    ///
    /// # Panics
    /// For any other key.
    pub fn sign_ecdsa_der(&self, message: &[u8]) -> Vec<u8> {
        let Secret::Ec(curve, pair) = &*self.secret else {
            panic!("{self:?} is not an elliptic curve key")
        };
        let document = pair.to_pkcs8v1().expect("PKCS#8");
        let pair = EcdsaKeyPair::from_pkcs8(curve.der(), document.as_ref()).expect("the same key");
        pair.sign(&SystemRandom::new(), message)
            .expect("ECDSA")
            .as_ref()
            .to_vec()
    }

    fn new(secret: Secret) -> Self {
        Self {
            secret: Arc::new(secret),
            kid: Kid::Thumbprint,
            jwk_alg: None,
            jwk_use: None,
        }
    }

    fn ec(curve: Curve) -> Self {
        Self::new(Secret::Ec(
            curve,
            EcdsaKeyPair::generate(curve.fixed()).expect("EC generation"),
        ))
    }

    /// The members that RFC 7638 section 3.2 uses for the thumbprint.
    fn required_members(&self) -> Map<String, Value> {
        let b64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let jwk = match &*self.secret {
            Secret::Rsa(pair) => {
                let (n, e) = rsa_numbers(pair.public_key().as_ref());
                json!({ "kty": "RSA", "n": b64(n), "e": b64(e) })
            }
            Secret::Ec(curve, pair) => {
                // SEC 1: one byte 04, then both coordinates in full length.
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": curve.crv(), "x": b64(x), "y": b64(y) })
            }
            Secret::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key().as_ref()) })
            }
            Secret::Hmac(secret) => json!({ "kty": "oct", "k": b64(secret) }),
        };
        let Value::Object(members) = jwk else {
            panic!("every arm above is an object")
        };
        members
    }
}

impl fmt::Debug for SigningKey {
    /// The kind and the `kid`, never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SigningKey({}, kid {:?})",
            self.default_alg(),
            self.kid()
        )
    }
}

enum Secret {
    Rsa(RsaKeyPair),
    Ec(Curve, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Hmac(Vec<u8>),
}

#[derive(Clone)]
enum Kid {
    Thumbprint,
    Named(String),
    Absent,
}

fn sign_rsa(pair: &RsaKeyPair, alg: &str, message: &[u8]) -> Vec<u8> {
    let padding: &'static dyn signature::RsaEncoding = match alg {
        "RS256" => &signature::RSA_PKCS1_SHA256,
        "RS384" => &signature::RSA_PKCS1_SHA384,
        "RS512" => &signature::RSA_PKCS1_SHA512,
        "PS256" => &signature::RSA_PSS_SHA256,
        "PS384" => &signature::RSA_PSS_SHA384,
        "PS512" => &signature::RSA_PSS_SHA512,
        other => panic!("an RSA key cannot sign as {other}"),
    };
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(padding, &SystemRandom::new(), message, &mut signature)
        .expect("RSA");
    signature
}

fn hmac_algorithm(alg: &str) -> hmac::Algorithm {
    match alg {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        other => panic!("a shared secret cannot sign as {other}"),
    }
}

#[cfg(test)]
mod tests;
