//! [`SigningKeys`]: one generation of a test issuer's keys, one per type, and what they sign and
//! publish.

use std::io;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding,
    RsaKeyPair,
};
use mcp_bearer_core::{Algorithm, JwkData, JwksData, VerifyingKey};

/// Keys for RS256 to RS512 and PS256 to PS512, for ES256, and for EdDSA.
pub(crate) struct SigningKeys {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    published: [Published; 3],
}

#[derive(Clone)]
struct Published {
    kid: String,
    jwk: JwkData,
}

impl SigningKeys {
    pub(crate) fn generate() -> io::Result<Self> {
        let failed = |_| io::Error::other("no key could be generated");
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
        let ed25519 = Ed25519KeyPair::generate().map_err(failed)?;
        let published = [
            Published::new(rsa.public_key())?,
            Published::new(ec.public_key())?,
            Published::new(ed25519.public_key())?,
        ];
        Ok(Self {
            rsa,
            ec,
            ed25519,
            published,
        })
    }

    /// The public keys, as the issuer publishes them.
    pub(crate) fn jwks(&self) -> JwksData {
        JwksData::new(self.published.iter().map(|key| key.jwk.clone()).collect())
    }

    /// The `kid` of the key that signs with this algorithm: its RFC 7638 thumbprint.
    pub(crate) fn kid(&self, algorithm: Algorithm) -> Option<&str> {
        let [rsa, ec, ed25519] = &self.published;
        let key = match algorithm {
            Algorithm::Es256 => ec,
            Algorithm::EdDsa | Algorithm::Ed25519 => ed25519,
            other => rsa_encoding(other).map(|_| rsa)?,
        };
        Some(&key.kid)
    }

    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> io::Result<Vec<u8>> {
        let failed = |_| io::Error::other("the token could not be signed");
        let random = SystemRandom::new();
        match algorithm {
            Algorithm::Es256 => {
                let signature = self.ec.sign(&random, message).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
            Algorithm::EdDsa | Algorithm::Ed25519 => {
                let signature = self.ed25519.try_sign(message).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
            other => {
                let encoding = rsa_encoding(other).ok_or_else(|| {
                    let text = format!("a test issuer has no key for {}", other.name());
                    io::Error::new(io::ErrorKind::Unsupported, text)
                })?;
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa
                    .sign(encoding, &random, message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl Published {
    fn new(key: &impl AsDer<PublicKeyX509Der<'static>>) -> io::Result<Self> {
        let failed = || io::Error::other("the public key could not be written");
        let der = key.as_der().map_err(|_| failed())?;
        let text = pem::encode(&pem::Pem::new("PUBLIC KEY", der.as_ref()));
        let key = VerifyingKey::from_pem(&text).map_err(|_| failed())?;
        let kid = key.thumbprint().to_string();
        let mut jwk = JwkData::from_key(&key).ok_or_else(failed)?;
        jwk.kid = Some(kid.clone());
        jwk.use_ = Some("sig".to_owned());
        Ok(Self { kid, jwk })
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        _ => return None,
    })
}
