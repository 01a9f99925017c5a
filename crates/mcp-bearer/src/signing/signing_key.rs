//! [`SigningKey`]: a key of any kind that signs tokens, for development, tests and small control
//! planes.
//!
//! The copies of secrets that are kept here are wiped when dropped, and are in no `Debug` and no
//! error. A parser and the signing library must wipe their own copies.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_bearer_core::{Algorithm, JwkData, VerifyingKey};
use zeroize::Zeroizing;

use super::error::{KeyPairError, KeyPairErrorKind, error, failed};
use super::material::Material;
use super::request::TokenRequest;
use super::rsa_key_pair::RsaKeySize;
use crate::config::secret_file;

/// A key that signs access tokens with one of the algorithms that this library verifies.
///
/// [`RsaKeyPair`](crate::RsaKeyPair) has FastMCP's shape, for RS256 alone.
///
/// ```
/// use mcp_bearer::{Algorithm, SigningKey, TokenRequest};
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let token = key.create_token(&TokenRequest::new().scopes(["mcp:read"]))?;
/// assert_eq!(token.split('.').count(), 3);
/// assert_eq!(key.public_jwk(None)?.alg.as_deref(), Some("ES256"));
/// # Ok::<(), mcp_bearer::signing::KeyPairError>(())
/// ```
pub struct SigningKey {
    material: Material,
    algorithm: Algorithm,
    verifying: VerifyingKey,
    private_pem: Option<Zeroizing<String>>,
    public_pem: Option<String>,
}

impl SigningKey {
    /// A new key for this algorithm: RSA of 2048 bits, the curve that the algorithm names, or a
    /// secret of 64 random bytes, written as 86 characters of base64url.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyPairError> {
        Self::of(Material::generate(algorithm)?, Some(algorithm))
    }

    /// A new RSA key of this size, for an RSA algorithm such as RS256.
    ///
    /// # Errors
    /// When the algorithm does not use RSA, or the system has no randomness.
    pub fn generate_rsa(algorithm: Algorithm, size: RsaKeySize) -> Result<Self, KeyPairError> {
        Self::of(Material::generate_rsa(size)?, Some(algorithm))
    }

    /// A key from its private key in PEM: PKCS#8 `PRIVATE KEY`, PKCS#1 `RSA PRIVATE KEY` or SEC 1
    /// `EC PRIVATE KEY`.
    ///
    /// By default the algorithm is the usual one for the key: RS256, ES256, ES384, ES512 or EdDSA.
    ///
    /// # Errors
    /// When the text is not exactly one such block, the key is of an unsupported kind (supported:
    /// RSA of 2048 to 8192 bits, P-256, P-384, P-521, Ed25519), or it does not fit the algorithm.
    pub fn from_private_key_pem(
        text: &str,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, KeyPairError> {
        Self::of(Material::from_pem(text)?, algorithm)
    }

    /// A secret shared with the verifier, for HS256, HS384 and HS512; HS256 by default.
    ///
    /// # Errors
    /// When the secret is too short for the algorithm, or is a key document (RFC 7518 section 3.2).
    pub fn from_secret(secret: &[u8], algorithm: Option<Algorithm>) -> Result<Self, KeyPairError> {
        let secret = Zeroizing::new(secret.to_vec());
        Self::of(Material::Secret(secret), algorithm)
    }

    /// Like `from_secret`, from a file; a line end is not part of a secret of printable text.
    ///
    /// # Errors
    /// Those of [`from_secret`](Self::from_secret), and read errors with the file's name.
    pub fn from_secret_file(
        path: impl AsRef<Path>,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, KeyPairError> {
        let path = path.as_ref();
        let of_file = |kind, why: &str| error(kind, &format!("{}: {why}", path.display()));
        let secret =
            secret_file::read(path).map_err(|why| of_file(KeyPairErrorKind::Unreadable, &why))?;
        Self::of(Material::Secret(secret), algorithm)
            .map_err(|error| of_file(error.kind(), &error.to_string()))
    }

    fn of(material: Material, algorithm: Option<Algorithm>) -> Result<Self, KeyPairError> {
        let (private_pem, public_pem) = material.pem()?;
        let verifying = match (&material, &public_pem) {
            (Material::Secret(secret), _) => VerifyingKey::shared_secret(secret),
            (_, public) => VerifyingKey::from_pem(public.as_deref().unwrap_or_default()),
        };
        let verifying =
            verifying.map_err(|why| error(KeyPairErrorKind::Unsupported, &why.to_string()))?;
        let algorithm = match algorithm {
            Some(algorithm) if verifying.fits(algorithm) => algorithm,
            Some(algorithm) => {
                let serves: Vec<&str> = verifying.algorithms().map(Algorithm::name).collect();
                let why = format!(
                    "{} cannot be used with {algorithm}, only with {}",
                    verifying.describe(),
                    serves.join(", ")
                );
                return Err(error(KeyPairErrorKind::Unsupported, &why));
            }
            // The first is the usual one.
            None => verifying
                .algorithms()
                .next()
                .ok_or_else(|| failed("a key that no algorithm can use"))?,
        };
        Ok(Self {
            material,
            algorithm,
            verifying,
            private_pem,
            public_pem,
        })
    }

    /// The algorithm that its tokens are signed with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key to verify with. That of a shared secret can also sign.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The private key in PEM (PKCS#8, RFC 5208), to be kept secret; `None` for a shared secret.
    #[must_use]
    pub fn private_key_pem(&self) -> Option<&str> {
        self.private_pem.as_ref().map(|pem| pem.as_str())
    }

    /// The public key in PEM (SPKI, RFC 5280 section 4.1.2.7); `None` for a shared secret.
    #[must_use]
    pub fn public_key_pem(&self) -> Option<&str> {
        self.public_pem.as_deref()
    }

    /// The shared secret, to be kept secret; `None` for other keys.
    #[must_use]
    pub fn secret(&self) -> Option<&[u8]> {
        match &self.material {
            Material::Secret(secret) => Some(secret),
            _ => None,
        }
    }

    /// The public key as a JWK for signatures of this algorithm; `kid` is its RFC 7638 thumbprint
    /// by default.
    ///
    /// # Errors
    /// For a shared secret, which is never published.
    pub fn public_jwk(&self, kid: Option<&str>) -> Result<JwkData, KeyPairError> {
        let published = JwkData::from_key(&self.verifying);
        let mut jwk = published.ok_or_else(|| {
            let why = "a shared secret is never published";
            error(KeyPairErrorKind::Unsupported, why)
        })?;
        jwk.kid = Some(kid.map_or_else(
            || self.verifying.thumbprint().to_string(),
            ToOwned::to_owned,
        ));
        jwk.alg = Some(self.algorithm.name().to_owned());
        jwk.use_ = Some("sig".to_owned());
        Ok(jwk)
    }

    /// Signs a token (RFC 7515 section 7.1).
    ///
    /// # Errors
    /// When signing fails.
    pub fn create_token(&self, request: &TokenRequest) -> Result<String, KeyPairError> {
        let mut token = URL_SAFE_NO_PAD.encode(request.header_json(self.algorithm));
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(request.claims_json(), &mut token);
        let signature = self.material.sign(self.algorithm, token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token)
    }
}

/// Prints the kind of key, not the key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("kind", &self.verifying.describe())
            .finish_non_exhaustive()
    }
}
