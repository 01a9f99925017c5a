//! [`RsaKeyPair`]: an RSA key pair that signs tokens, for development, tests and small control
//! planes.
//!
//! The copy of the private key that is kept here is wiped when dropped, and is in no `Debug` and no
//! error. A parser and the signing library must wipe their own copies.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair as Signer};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_bearer_core::{Algorithm, JwkData, VerifyingKey};
use zeroize::Zeroizing;

use super::error::{KeyPairError, KeyPairErrorKind, error, failed};
use super::request::TokenRequest;

/// An RSA key pair that signs access tokens with RS256.
///
/// ```
/// use mcp_bearer::{RsaKeyPair, TokenRequest};
/// let keys = RsaKeyPair::generate()?;
/// let token = keys.create_token(&TokenRequest::new().scopes(["mcp:read"]))?;
/// assert_eq!(token.split('.').count(), 3);
/// assert!(keys.public_key_pem().starts_with("-----BEGIN PUBLIC KEY-----"));
/// # Ok::<(), mcp_bearer::signing::KeyPairError>(())
/// ```
pub struct RsaKeyPair {
    signer: Signer,
    private_pem: Zeroizing<String>,
    public_pem: String,
}

/// The size of the modulus. Larger is slower: a 4096-bit signature takes about six times as long as
/// a 2048-bit one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RsaKeySize {
    /// 2048 bits, the default (RFC 7518 section 3.3 requires at least that).
    #[default]
    Bits2048,
    /// 3072 bits.
    Bits3072,
    /// 4096 bits.
    Bits4096,
}

impl RsaKeyPair {
    /// A new key pair of 2048 bits with the exponent 65537.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, KeyPairError> {
        Self::generate_of_size(RsaKeySize::default())
    }

    /// A new key pair of this size.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate_of_size(size: RsaKeySize) -> Result<Self, KeyPairError> {
        let size = match size {
            RsaKeySize::Bits2048 => KeySize::Rsa2048,
            RsaKeySize::Bits3072 => KeySize::Rsa3072,
            RsaKeySize::Bits4096 => KeySize::Rsa4096,
        };
        let signer =
            Signer::generate(size).map_err(|_| failed("the key could not be generated"))?;
        Self::from_signer(signer)
    }

    /// A key pair from its private key in PEM: PKCS#8 `PRIVATE KEY` or PKCS#1 `RSA PRIVATE KEY`.
    ///
    /// # Errors
    /// When the text is not exactly one such block, or the key is not an RSA key of 2048 to 8192
    /// bits.
    pub fn from_private_key_pem(text: &str) -> Result<Self, KeyPairError> {
        use KeyPairErrorKind::{Encrypted, Malformed, NotPrivate, Unsupported};
        let unreadable = || {
            let why = "not PEM text; it begins with -----BEGIN PRIVATE KEY-----";
            error(Malformed, why)
        };
        let blocks = pem::parse_many(text).map_err(|_| unreadable())?;
        let [block] = blocks.as_slice() else {
            return Err(error(Malformed, "one PEM block is needed, the private key"));
        };
        let invalid = |_| error(Unsupported, "not an RSA private key of 2048 to 8192 bits");
        let signer = match block.tag() {
            "PRIVATE KEY" => Signer::from_pkcs8(block.contents()).map_err(invalid)?,
            "RSA PRIVATE KEY" => Signer::from_der(block.contents()).map_err(invalid)?,
            "ENCRYPTED PRIVATE KEY" => {
                let why = "the private key is encrypted; decrypt it first (openssl pkey)";
                return Err(error(Encrypted, why));
            }
            tag if tag.ends_with("PUBLIC KEY") => {
                let why = "this is a public key; signing needs the private key";
                return Err(error(NotPrivate, why));
            }
            _ => {
                let why = "neither PRIVATE KEY nor RSA PRIVATE KEY";
                return Err(error(NotPrivate, why));
            }
        };
        Self::from_signer(signer)
    }

    fn from_signer(signer: Signer) -> Result<Self, KeyPairError> {
        let lost = |_| failed("the key could not be written");
        let private: Pkcs8V1Der<'_> = signer.as_der().map_err(lost)?;
        let public: PublicKeyX509Der<'_> = signer.public_key().as_der().map_err(lost)?;
        let private_pem = pem("PRIVATE KEY", private.as_ref());
        let public_pem = pem("PUBLIC KEY", public.as_ref());
        Ok(Self {
            signer,
            private_pem: Zeroizing::new(private_pem),
            public_pem,
        })
    }

    /// The public key in PEM (SPKI, RFC 5280 section 4.1.2.7).
    #[must_use]
    pub fn public_key_pem(&self) -> &str {
        &self.public_pem
    }

    /// The private key in PEM (PKCS#8, RFC 5208). Keep it secret.
    #[must_use]
    pub fn private_key_pem(&self) -> &str {
        &self.private_pem
    }

    /// The size of the modulus in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.signer.public_modulus_len() * 8
    }

    /// The public key as a JWK for RS256 signatures; `kid` is its RFC 7638 thumbprint by default.
    ///
    /// # Errors
    /// When this crate would not verify with the key.
    pub fn public_jwk(&self, kid: Option<&str>) -> Result<JwkData, KeyPairError> {
        let key = self.verifying_key()?;
        let thumbprint = || key.thumbprint().to_string();
        let mut jwk = JwkData::from_key(&key).ok_or_else(|| failed("not a public key"))?;
        jwk.kid = Some(kid.map_or_else(thumbprint, ToOwned::to_owned));
        jwk.alg = Some("RS256".to_owned());
        jwk.use_ = Some("sig".to_owned());
        Ok(jwk)
    }

    /// The public key, to verify with.
    ///
    /// # Errors
    /// When this crate would not verify with the key.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyPairError> {
        VerifyingKey::from_pem(&self.public_pem)
            .map_err(|why| error(KeyPairErrorKind::Unsupported, &why.to_string()))
    }

    /// Signs a token with RS256 (RFC 7515 section 7.1).
    ///
    /// # Errors
    /// When signing fails.
    pub fn create_token(&self, request: &TokenRequest) -> Result<String, KeyPairError> {
        let mut token = URL_SAFE_NO_PAD.encode(request.header_json(Algorithm::Rs256));
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(request.claims_json(), &mut token);
        let mut signature = vec![0; self.signer.public_modulus_len()];
        let random = SystemRandom::new();
        self.signer
            .sign(&RSA_PKCS1_SHA256, &random, token.as_bytes(), &mut signature)
            .map_err(|_| failed("the token could not be signed"))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token)
    }
}

/// Prints the public key, not the private one.
impl fmt::Debug for RsaKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaKeyPair")
            .field("bits", &self.bits())
            .finish_non_exhaustive()
    }
}

pub(crate) fn pem(tag: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}
