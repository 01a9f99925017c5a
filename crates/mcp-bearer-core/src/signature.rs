//! Verifying keys, and the one small function behind which the crypto library lives.
//!
//! A parsed key of the library is bound to one algorithm, so each is parsed on first use per algorithm and kept. A key
//! here must never be used with an algorithm of another type, a secret must never be shown, and nothing of ours may wait for
//! another thread: a child of `fork` would wait for ever. (The library has one such lock left, of the whole process: each thread
//! takes it for some nanoseconds with its first refused signature, and when it ends.)

mod ed25519;
mod rsa;
mod secret;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{self as aws, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use once_cell::race::OnceBox;
use zeroize::Zeroizing;

use crate::algorithm::{Algorithm, KeyType};

/// A key that verifies signatures: an RSA, EC or Ed25519 public key, or an explicit shared secret.
///
/// Cheap to clone. Its `Debug` names the type and the fingerprint, never a secret.
#[derive(Clone)]
pub struct VerifyingKey(Arc<Inner>);

struct Inner {
    material: Material,
    fingerprint: [u8; 32],
    /// Threads that come at once each parse, and the first one's is kept.
    parsed: [OnceBox<ParsedKey>; 6],
}

/// A key as the library wants it for one algorithm.
struct ParsedKey {
    key: ParsedPublicKey,
    hash: Option<&'static digest::Algorithm>,
}

enum Material {
    /// A PKCS#1 `RSAPublicKey` in DER.
    Rsa {
        der: Box<[u8]>,
        bits: usize,
    },
    /// An uncompressed point.
    Ec {
        curve: KeyType,
        point: Box<[u8]>,
    },
    Ed25519([u8; 32]),
    Secret(Zeroizing<Box<[u8]>>),
}

/// Why a key cannot be used: its [`kind`](Self::kind), and the cause with the next step, where there is one, in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    kind: KeyErrorKind,
    why: Box<str>,
}

/// The kinds of [`KeyError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// The text is no PEM, JWK or JWK Set, or a parameter of the key is missing or malformed.
    Malformed,
    /// The document is longer, or has more keys, than is read.
    TooLarge,
    /// A type, curve or algorithm that this crate does not verify with.
    Unsupported,
    /// Too short, or of a kind that can be broken.
    Weak,
    /// A private or secret key where a public one is needed.
    Private,
    /// Published for something else than verifying (RFC 7517 sections 4.2 to 4.4).
    WrongPurpose,
    /// A key document that was given as a shared secret.
    NotASecret,
}

impl KeyError {
    pub(crate) fn new(why: impl Into<Box<str>>) -> Self {
        Self::of(KeyErrorKind::Malformed, why)
    }

    pub(crate) fn too_large(why: impl Into<Box<str>>) -> Self {
        Self::of(KeyErrorKind::TooLarge, why)
    }

    pub(crate) fn unsupported(why: impl Into<Box<str>>) -> Self {
        Self::of(KeyErrorKind::Unsupported, why)
    }

    pub(crate) fn weak(why: impl Into<Box<str>>) -> Self {
        Self::of(KeyErrorKind::Weak, why)
    }

    pub(crate) fn private(why: impl Into<Box<str>>) -> Self {
        Self::of(KeyErrorKind::Private, why)
    }

    pub(crate) fn of(kind: KeyErrorKind, why: impl Into<Box<str>>) -> Self {
        let why = why.into();
        Self { kind, why }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> KeyErrorKind {
        self.kind
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for KeyError {}

impl VerifyingKey {
    /// A secret shared with the issuer, for HS256, HS384 and HS512 (RFC 7518 section 3.2).
    ///
    /// Whoever can verify with it can also sign with it: use public keys where you can.
    ///
    /// # Errors
    /// When it is shorter than 32 bytes, the length of the shortest hash, or is a key document: PEM, a JWK or JWK Set, DER (also
    /// in base64), or a line of OpenSSH.
    pub fn shared_secret(secret: &[u8]) -> Result<Self, KeyError> {
        secret::check(secret)?;
        // Long enough from the start: a string that grows leaves its old text behind.
        let mut text = Zeroizing::new(String::with_capacity(secret.len() * 4 / 3 + 32));
        text.push_str(r#"{"k":""#);
        URL_SAFE_NO_PAD.encode_string(secret, &mut text);
        text.push_str(r#"","kty":"oct"}"#);
        let fingerprint = sha256(text.as_bytes());
        Ok(Self::checked(
            Material::Secret(Zeroizing::new(secret.into())),
            fingerprint,
        ))
    }

    /// An RSA key from its modulus and exponent, big-endian.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let (modulus, exponent, bits) = rsa::check(modulus, exponent)?;
        let text = format!(
            r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
            URL_SAFE_NO_PAD.encode(exponent),
            URL_SAFE_NO_PAD.encode(modulus)
        );
        let material = Material::Rsa {
            der: rsa::der(modulus, exponent)?,
            bits,
        };
        Self::checked(material, sha256(text.as_bytes())).usable("the RSA key")
    }

    /// An RSA key from its PKCS#1 form.
    pub(crate) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let parts = rsa::parts(der).ok_or_else(|| KeyError::new("not a DER RSAPublicKey"))?;
        Self::rsa(&parts.0, &parts.1)
    }

    /// An EC key from its coordinates, each exactly as long as the curve's field.
    pub(crate) fn ec(curve: KeyType, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let (name, size) = match curve {
            KeyType::P256 => ("P-256", 32),
            KeyType::P384 => ("P-384", 48),
            KeyType::P521 => ("P-521", 66),
            KeyType::Rsa | KeyType::Ed25519 | KeyType::Secret => {
                return Err(KeyError::unsupported("not an elliptic curve of RFC 7518"));
            }
        };
        if x.len() != size || y.len() != size {
            let text = format!("a coordinate of {name} has {size} bytes (RFC 7518 section 6.2.1)");
            return Err(KeyError::new(text));
        }
        let text = format!(
            r#"{{"crv":"{name}","kty":"EC","x":"{}","y":"{}"}}"#,
            URL_SAFE_NO_PAD.encode(x),
            URL_SAFE_NO_PAD.encode(y)
        );
        let material = Material::Ec {
            curve,
            point: [&[4], x, y].concat().into(),
        };
        Self::checked(material, sha256(text.as_bytes())).usable("the point on the curve")
    }

    /// An Ed25519 key from its 32 bytes.
    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, KeyError> {
        let Ok(bytes) = <[u8; 32]>::try_from(x) else {
            return Err(KeyError::new("an Ed25519 key has 32 bytes (RFC 8032)"));
        };
        if let Some(why) = ed25519::fault(&bytes) {
            return Err(KeyError::weak(why));
        }
        let text = format!(
            r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
            URL_SAFE_NO_PAD.encode(x)
        );
        let material = Material::Ed25519(bytes);
        Self::checked(material, sha256(text.as_bytes())).usable("the Ed25519 key")
    }

    fn checked(material: Material, fingerprint: [u8; 32]) -> Self {
        Self(Arc::new(Inner {
            material,
            fingerprint,
            parsed: Default::default(),
        }))
    }

    /// Parses once, so that a key the library refuses is refused when it is read and not when it is used.
    fn usable(self, what: &str) -> Result<Self, KeyError> {
        let algorithm = match &self.0.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::Ec {
                curve: KeyType::P256,
                ..
            } => Algorithm::Es256,
            Material::Ec {
                curve: KeyType::P384,
                ..
            } => Algorithm::Es384,
            Material::Ec { .. } => Algorithm::Es512,
            Material::Ed25519(_) => Algorithm::EdDsa,
            Material::Secret(_) => return Ok(self),
        };
        match self.parsed(algorithm) {
            Some(_) => Ok(self),
            None => Err(KeyError::new(format!("{what} is not valid"))),
        }
    }

    /// The SHA-256 of the key's parameters: the JWK thumbprint of RFC 7638. It says which key, whatever its `kid`.
    ///
    /// For a shared secret it is a hash of the secret: do not publish it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.0.fingerprint
    }

    /// The fingerprint in base64url, as RFC 7638 section 3.1 writes it: the usual `kid` of a public key.
    ///
    /// For a shared secret it is a hash of the secret: do not publish it.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.fingerprint)
    }

    /// Whether the key can verify this algorithm at all.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        let long_enough = match (&self.0.material, algorithm.secret_bytes_min()) {
            (Material::Secret(secret), Some(least)) => secret.len() >= least,
            (Material::Secret(_), None) => false,
            _ => true,
        };
        long_enough && self.key_type() == algorithm.key_type()
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

    /// The type in words, such as `RSA 2048 bits`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.0.material {
            Material::Rsa { bits, .. } => format!("RSA {bits} bits"),
            Material::Ec {
                curve: KeyType::P256,
                ..
            } => "EC P-256".into(),
            Material::Ec {
                curve: KeyType::P384,
                ..
            } => "EC P-384".into(),
            Material::Ec { .. } => "EC P-521".into(),
            Material::Ed25519(_) => "OKP Ed25519".into(),
            Material::Secret(secret) => format!("shared secret of {} bytes", secret.len()),
        }
    }

    /// The size of an RSA modulus in bits; `None` for other keys.
    #[must_use]
    pub fn rsa_bits(&self) -> Option<usize> {
        match &self.0.material {
            Material::Rsa { bits, .. } => Some(*bits),
            _ => None,
        }
    }

    /// The public parameters as JWK members; nothing for a shared secret.
    pub(crate) fn public_members(&self) -> Option<Vec<(&'static str, String)>> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.0.material {
            Material::Rsa { der, .. } => {
                let (n, e) = rsa::parts(der)?;
                Some(vec![
                    ("kty", "RSA".into()),
                    ("n", text(&n)),
                    ("e", text(&e)),
                ])
            }
            Material::Ec { curve, point } => {
                let crv = match curve {
                    KeyType::P256 => "P-256",
                    KeyType::P384 => "P-384",
                    _ => "P-521",
                };
                let (x, y) = point.get(1..)?.split_at_checked(point.len() / 2)?;
                let members = [("kty", "EC".into()), ("crv", crv.into())];
                Some(
                    members
                        .into_iter()
                        .chain([("x", text(x)), ("y", text(y))])
                        .collect(),
                )
            }
            Material::Ed25519(x) => Some(vec![
                ("kty", "OKP".into()),
                ("crv", "Ed25519".into()),
                ("x", text(x)),
            ]),
            Material::Secret(_) => None,
        }
    }

    fn key_type(&self) -> KeyType {
        match &self.0.material {
            Material::Rsa { .. } => KeyType::Rsa,
            Material::Ec { curve, .. } => *curve,
            Material::Ed25519(_) => KeyType::Ed25519,
            Material::Secret(_) => KeyType::Secret,
        }
    }

    /// Whether `signature` is this key's over exactly these bytes. A key that does not fit the algorithm says no.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        if let Material::Secret(secret) = &self.0.material {
            return secret::verifies(algorithm, secret, message, signature);
        }
        self.parsed(algorithm)
            .is_some_and(|parsed| parsed.verifies(message, signature))
    }

    fn parsed(&self, algorithm: Algorithm) -> Option<&ParsedKey> {
        let (slot, backend, hash) = backend(algorithm)?;
        let bytes: &[u8] = match &self.0.material {
            Material::Rsa { der, .. } => der,
            Material::Ec { point, .. } => point,
            Material::Ed25519(bytes) => bytes,
            Material::Secret(_) => return None,
        };
        let parse = || {
            let key = ParsedPublicKey::new(backend, bytes)?;
            let parsed = ParsedKey { key, hash };
            // The library prepares an RSA key on its first check, under a lock of that key, which it takes for reading only from
            // then on. No other thread has it yet.
            parsed.verifies(b"", &vec![0; self.signature_bytes()]);
            Ok::<_, KeyRejected>(Box::new(parsed))
        };
        self.0.parsed.get(slot)?.get_or_try_init(parse).ok()
    }

    /// How long a signature must be to be looked at by the library at all.
    fn signature_bytes(&self) -> usize {
        match &self.0.material {
            Material::Rsa { bits, .. } => bits.div_ceil(8),
            Material::Ec { point, .. } => point.len() - 1,
            Material::Ed25519(_) => 64,
            Material::Secret(_) => 0,
        }
    }
}

impl ParsedKey {
    /// The library's work and nothing else: never inlined, so that a profile can tell it from ours.
    #[inline(never)]
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self.hash {
            // Half a percent faster than to let the library hash, which makes a context for it.
            Some(hash) => {
                let digest = digest::digest(hash, message);
                self.key.verify_digest_sig(&digest, signature)
            }
            None => self.key.verify_sig(message, signature),
        };
        verified.is_ok()
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.fingerprint == other.0.fingerprint
    }
}

impl Eq for VerifyingKey {}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_secret() {
            return f.write_str("VerifyingKey(shared secret)");
        }
        let fingerprint = URL_SAFE_NO_PAD.encode(self.0.fingerprint);
        write!(f, "VerifyingKey({}, {fingerprint})", self.describe())
    }
}

type Backend = (
    usize,
    &'static dyn VerificationAlgorithm,
    Option<&'static digest::Algorithm>,
);

/// The one place that names the crypto library's algorithms: where the parsed key is kept, how it verifies, and the hash of
/// the message where the algorithm takes one.
fn backend(algorithm: Algorithm) -> Option<Backend> {
    let sha256 = Some(&digest::SHA256);
    let sha384 = Some(&digest::SHA384);
    let sha512 = Some(&digest::SHA512);
    Some(match algorithm {
        Algorithm::Rs256 => (0, &aws::RSA_PKCS1_2048_8192_SHA256, sha256),
        Algorithm::Rs384 => (1, &aws::RSA_PKCS1_2048_8192_SHA384, sha384),
        Algorithm::Rs512 => (2, &aws::RSA_PKCS1_2048_8192_SHA512, sha512),
        Algorithm::Ps256 => (3, &aws::RSA_PSS_2048_8192_SHA256, sha256),
        Algorithm::Ps384 => (4, &aws::RSA_PSS_2048_8192_SHA384, sha384),
        Algorithm::Ps512 => (5, &aws::RSA_PSS_2048_8192_SHA512, sha512),
        Algorithm::Es256 => (0, &aws::ECDSA_P256_SHA256_FIXED, sha256),
        Algorithm::Es384 => (0, &aws::ECDSA_P384_SHA384_FIXED, sha384),
        Algorithm::Es512 => (0, &aws::ECDSA_P521_SHA512_FIXED, sha512),
        Algorithm::EdDsa | Algorithm::Ed25519 => (0, &aws::ED25519, None),
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => return None,
    })
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (to, from) in hash
        .iter_mut()
        .zip(digest::digest(&digest::SHA256, bytes).as_ref())
    {
        *to = *from;
    }
    hash
}
