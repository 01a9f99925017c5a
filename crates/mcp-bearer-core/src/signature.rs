//! Verifying keys: what each algorithm needs, parsed once.
//!
//! The library binds a parsed key to one algorithm, so each key is parsed on first use per
//! algorithm and kept. A key is never used with an algorithm of another type, and a secret is never
//! shown. None of our code waits for another thread: a child of `fork` would wait forever. (The
//! library has one such lock left, for the whole process: each thread takes it for some nanoseconds
//! with its first refused signature, and when it ends.)

mod aws_lc;
mod ed25519_key;
mod key_error;
mod public_key;
mod rsa_kernel;
mod rsa_key;
mod secret;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use once_cell::race::OnceBox;
use zeroize::Zeroizing;

use aws_lc::{Backend, ParsedKey, PublicKeyBackend};
pub use key_error::{KeyError, KeyErrorKind};
pub(crate) use public_key::JwkMembers;
use public_key::PublicKey;
use rsa_kernel::Kernel;

use crate::algorithm::{Algorithm, Curve};
use crate::thumbprint::Thumbprint;

/// A key that verifies signatures: an RSA, EC or Ed25519 public key, or an explicit shared secret.
///
/// Cheap to clone. Its `Debug` names the type and the thumbprint, never a secret.
#[derive(Clone)]
pub struct VerifyingKey(Arc<Inner>);

struct Inner {
    material: Material,
    thumbprint: Thumbprint,
    /// If several threads parse it at the same time, the first result is kept.
    parsed: [OnceBox<ParsedKey>; aws_lc::SLOTS],
    kernel: Kernel,
}

enum Material {
    Public(PublicKey),
    Secret(Zeroizing<Box<[u8]>>),
}

impl VerifyingKey {
    /// A secret shared with the issuer, for HS256, HS384 and HS512 (RFC 7518 section 3.2).
    ///
    /// Anyone who can verify with it can also sign with it: use public keys where you can.
    ///
    /// # Errors
    /// When it is shorter than 32 bytes, the length of the shortest hash, or is a key document:
    /// PEM, a JWK or JWK Set, DER, a form of OpenSSH, SSH2, PuTTY or XML, or a point on a curve,
    /// also in base64, hexadecimal and other wrappings.
    pub fn shared_secret(secret: &[u8]) -> Result<Self, KeyError> {
        secret::check(secret)?;
        // Reserve enough from the start: a string that grows leaves its old text behind.
        let mut text = Zeroizing::new(String::with_capacity(secret.len() * 4 / 3 + 32));
        text.push_str(r#"{"k":""#);
        URL_SAFE_NO_PAD.encode_string(secret, &mut text);
        text.push_str(r#"","kty":"oct"}"#);
        let thumbprint = Thumbprint::of_shared_secret(&text);
        let material = Material::Secret(Zeroizing::new(secret.into()));
        Ok(Self::with(material, thumbprint))
    }

    /// An RSA key from its modulus and exponent, big-endian.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        Self::public(PublicKey::rsa(modulus, exponent)?, "the RSA key")
    }

    /// An RSA key from its PKCS#1 form.
    pub(crate) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let parts =
            rsa_key::parts(der).ok_or_else(|| KeyError::malformed("not a DER RSAPublicKey"))?;
        Self::rsa(&parts.0, &parts.1)
    }

    /// An EC key from its coordinates, each exactly as long as the curve's field.
    pub(crate) fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        Self::public(PublicKey::ec(curve, x, y)?, "the point on the curve")
    }

    /// An Ed25519 key from its 32 bytes.
    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, KeyError> {
        Self::public(PublicKey::ed25519(x)?, "the Ed25519 key")
    }

    /// Parses once, so that a key the library refuses is refused when it is read, not when it is
    /// used.
    fn public(key: PublicKey, what: &str) -> Result<Self, KeyError> {
        let (algorithm, thumbprint) = (key.any_algorithm(), key.jwk_members().thumbprint());
        let new = Self::with(Material::Public(key), thumbprint);
        let parsed = match (&new.0.material, Backend::of_public_key(algorithm)) {
            (Material::Public(key), Some(backend)) => new.parsed(key, &backend).is_some(),
            _ => false,
        };
        if parsed {
            Ok(new)
        } else {
            Err(KeyError::malformed(format!("{what} is not valid")))
        }
    }

    fn with(material: Material, thumbprint: Thumbprint) -> Self {
        Self(Arc::new(Inner {
            material,
            thumbprint,
            parsed: Default::default(),
            kernel: Kernel::default(),
        }))
    }

    /// Identifies the key, whatever its `kid`: the JWK thumbprint of RFC 7638.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.0.thumbprint
    }

    /// Whether the key can verify this algorithm at all.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        match &self.0.material {
            Material::Public(key) => key.key_type() == algorithm.key_type(),
            Material::Secret(secret) => algorithm
                .secret_bytes_min()
                .is_some_and(|least| secret.len() >= least),
        }
    }

    /// The algorithms the key can verify.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> + '_ {
        Algorithm::ALL
            .into_iter()
            .filter(|algorithm| self.fits(*algorithm))
    }

    /// Whether it is a shared secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self.0.material, Material::Secret(_))
    }

    /// Why a shared secret that is long enough is still easily guessed, in a lower-case sentence:
    /// it has fewer than 8 different bytes, or repeats a unit of at most 8 bytes. It is accepted,
    /// but the operator should be warned.
    ///
    /// ```
    /// use mcp_bearer_core::VerifyingKey;
    /// let weak = VerifyingKey::shared_secret(b"secret42secret42secret42secret42")?;
    /// assert!(weak.weakness().is_some());
    /// let better = VerifyingKey::shared_secret(b"0fG7c2Qp9vXn4LsRtYwZ1aBeDhJkMuTi")?;
    /// assert!(better.weakness().is_none());
    /// # Ok::<(), mcp_bearer_core::KeyError>(())
    /// ```
    #[must_use]
    pub fn weakness(&self) -> Option<&'static str> {
        match &self.0.material {
            Material::Public(_) => None,
            Material::Secret(secret) => secret::weakness(secret),
        }
    }

    /// Whether it is a shared secret that can be read in this text, JSON or not.
    ///
    /// It is found as it is, in base64, hexadecimal, percent encoding, escapes and as a list of
    /// byte numbers, with anything around it; in UTF-16 and in nested encodings where a JSON
    /// string of at most 64 KiB is nothing else. It is not found when it is divided among strings,
    /// in base32, compressed or encrypted.
    ///
    /// ```
    /// use mcp_bearer_core::VerifyingKey;
    /// let secret = VerifyingKey::shared_secret(b"0fG7c2Qp9vXn4LsRtYwZ1aBeDhJkMuTi")?;
    /// assert!(secret.is_secret_in(r#"["0fG7c2Qp9vXn4LsRtYwZ1aBeDhJkMuTi"]"#));
    /// assert!(!secret.is_secret_in("{}"));
    /// # Ok::<(), mcp_bearer_core::KeyError>(())
    /// ```
    #[must_use]
    pub fn is_secret_in(&self, text: &str) -> bool {
        match &self.0.material {
            Material::Public(_) => false,
            Material::Secret(secret) => secret::is_in(secret, text),
        }
    }

    /// The type in words, such as `RSA 2048 bits`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.0.material {
            Material::Public(key) => key.describe(),
            Material::Secret(secret) => format!("shared secret of {} bytes", secret.len()),
        }
    }

    /// The size of an RSA modulus in bits; `None` for other keys.
    #[must_use]
    pub fn rsa_bits(&self) -> Option<usize> {
        match &self.0.material {
            Material::Public(PublicKey::Rsa { bits, .. }) => Some(*bits),
            _ => None,
        }
    }

    /// The public parameters as JWK members; nothing for a shared secret.
    pub(crate) fn jwk_members(&self) -> Option<JwkMembers> {
        match &self.0.material {
            Material::Public(key) => Some(key.jwk_members()),
            Material::Secret(_) => None,
        }
    }

    /// Whether `signature` is this key's over exactly these bytes. False for a key that does not
    /// fit the algorithm.
    pub(crate) fn verifies(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
        rsa: RsaBackend,
    ) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        match &self.0.material {
            Material::Public(key) => self.is_signed(key, algorithm, message, signature, rsa),
            Material::Secret(secret) => secret::verifies(algorithm, secret, message, signature),
        }
    }

    /// Only the work of the crypto libraries: never inlined, so that a profile can distinguish it
    /// from ours.
    #[inline(never)]
    fn is_signed(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
        rsa: RsaBackend,
    ) -> bool {
        let Some(backend) = Backend::of_public_key(algorithm) else {
            return false;
        };
        let message = backend.signed(message);
        if rsa == RsaBackend::Fastest
            && let Some(verdict) = self.0.kernel.verdict(key, algorithm, &message, signature)
        {
            return verdict;
        }
        self.parsed(key, &backend)
            .is_some_and(|parsed| parsed.verifies(&message, signature))
    }

    /// A public key in the library's form for one algorithm, parsed on first use.
    fn parsed(&self, key: &PublicKey, backend: &PublicKeyBackend) -> Option<&ParsedKey> {
        let parse = || ParsedKey::new(backend, key.bytes(), key.signature_bytes()).map(Box::new);
        let slot = self.0.parsed.get(backend.slot)?;
        slot.get_or_try_init(parse).ok()
    }
}

/// What may verify RSA signatures, according to a [`Policy`](crate::Policy).
///
/// ```
/// use mcp_bearer_core::{Expected, Policy, RsaBackend};
/// let policy = Policy::builder(Expected::Any, Expected::Any);
/// assert_eq!(policy.clone().build()?.rsa_backend(), RsaBackend::Fastest);
/// assert_eq!(policy.without_rsa_kernel().build()?.rsa_backend(), RsaBackend::AwsLc);
/// # Ok::<(), mcp_bearer_core::RuleError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RsaBackend {
    /// The kernel of `mcp-bearer-rsa`, if the feature `rsa-kernel` is on, the processor has
    /// AVX-512 IFMA, and the key has 2,048, 3,072 or 4,096 bits and exponent 65537; AWS-LC for
    /// everything else.
    #[default]
    Fastest,
    /// AWS-LC alone.
    AwsLc,
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.thumbprint == other.0.thumbprint
    }
}

impl Eq for VerifyingKey {}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_secret() {
            return f.write_str("VerifyingKey(shared secret)");
        }
        write!(
            f,
            "VerifyingKey({}, {})",
            self.describe(),
            self.0.thumbprint
        )
    }
}
