//! The closed set of signature algorithms (RFC 7518 section 3.1, RFC 8037, RFC 9864).
//!
//! `none` is not in it, nor is anything that decrypts.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::limits::Limits;

/// A JWS algorithm that this crate can verify.
///
/// `alg` is compared byte for byte: the names are case-sensitive (RFC 7515 section 4.1.1).
///
/// ```
/// use mcp_bearer_core::Algorithm;
/// assert_eq!("RS256".parse(), Ok(Algorithm::Rs256));
/// assert!("none".parse::<Algorithm>().is_err());
/// assert!("rs256".parse::<Algorithm>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, the default (RFC 7518 section 3.3).
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256 (RFC 7518 section 3.5).
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA over P-256 with SHA-256 (RFC 7518 section 3.4).
    Es256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// ECDSA over P-521 with SHA-512.
    Es512,
    /// Edwards-curve signatures over Ed25519 under their first name (RFC 8037).
    EdDsa,
    /// The same under the fully specified name of RFC 9864.
    Ed25519,
    /// HMAC with SHA-256, for an explicit shared secret only (RFC 7518 section 3.2).
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

/// The kind of key an algorithm takes: `kty` with its curve (RFC 7518 section 6.1, RFC 8037 section
/// 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum KeyType {
    Rsa,
    Ec(Curve),
    Ed25519,
    Secret,
}

/// The curves of ECDSA (RFC 7518 section 6.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// The name in `crv`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The length of a coordinate in bytes.
    pub(crate) const fn field_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The one algorithm of its keys (RFC 7518 section 3.4).
    pub(crate) const fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
            Self::P521 => Algorithm::Es512,
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == name)
    }
}

impl Algorithm {
    /// All of them, in the order of RFC 7518.
    pub const ALL: [Self; 14] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Ed25519,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// The name used in `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Whether it is an HMAC, whose key is a secret shared with the issuer.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// The shortest shared secret in bytes: the hash's length (RFC 7518 section 3.2). `None` for
    /// public keys.
    #[must_use]
    pub const fn secret_bytes_min(self) -> Option<usize> {
        match self {
            Self::Hs256 => Some(32),
            Self::Hs384 => Some(48),
            Self::Hs512 => Some(64),
            _ => None,
        }
    }

    pub(crate) const fn key_type(self) -> KeyType {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 => KeyType::Rsa,
            Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyType::Rsa,
            Self::Es256 => KeyType::Ec(Curve::P256),
            Self::Es384 => KeyType::Ec(Curve::P384),
            Self::Es512 => KeyType::Ec(Curve::P521),
            Self::EdDsa | Self::Ed25519 => KeyType::Ed25519,
            Self::Hs256 | Self::Hs384 | Self::Hs512 => KeyType::Secret,
        }
    }

    /// How long a signature is, in bytes: fixed, or for RSA the length of a modulus of 2,048 to
    /// 8,192 bits.
    ///
    /// ```
    /// assert_eq!(mcp_bearer_core::Algorithm::Es256.signature_bytes(), 64..=64);
    /// ```
    #[must_use]
    pub const fn signature_bytes(self) -> RangeInclusive<usize> {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 => {
                Limits::RSA_BITS_MIN / 8..=Limits::RSA_BITS_MAX / 8
            }
            Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                Limits::RSA_BITS_MIN / 8..=Limits::RSA_BITS_MAX / 8
            }
            Self::Es256 | Self::EdDsa | Self::Ed25519 => 64..=64,
            Self::Es384 => 96..=96,
            Self::Es512 => 132..=132,
            Self::Hs256 => 32..=32,
            Self::Hs384 => 48..=48,
            Self::Hs512 => 64..=64,
        }
    }

    /// Whether both names mean one algorithm: `alg` in a JWK may be the older or the newer name
    /// (RFC 9864 section 2.2).
    pub(crate) fn same_as(self, other: Self) -> bool {
        let ed = |a| matches!(a, Self::EdDsa | Self::Ed25519);
        self == other || (ed(self) && ed(other))
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        // As bytes, which the compiler compares as a tree; a test checks it against `name`.
        Ok(match name.as_bytes() {
            b"RS256" => Self::Rs256,
            b"RS384" => Self::Rs384,
            b"RS512" => Self::Rs512,
            b"PS256" => Self::Ps256,
            b"PS384" => Self::Ps384,
            b"PS512" => Self::Ps512,
            b"ES256" => Self::Es256,
            b"ES384" => Self::Es384,
            b"ES512" => Self::Es512,
            b"EdDSA" => Self::EdDsa,
            b"Ed25519" => Self::Ed25519,
            b"HS256" => Self::Hs256,
            b"HS384" => Self::Hs384,
            b"HS512" => Self::Hs512,
            _ => return Err(UnknownAlgorithm),
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not that of an algorithm in the closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm;

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a supported signature algorithm (one of")?;
        for algorithm in Algorithm::ALL {
            write!(f, " {algorithm}")?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for UnknownAlgorithm {}

#[cfg(test)]
mod tests {
    use super::Algorithm;

    /// RFC 7518 sections 3.2 to 3.5, RFC 8032 section 5.1.6.
    #[test]
    fn each_algorithm_has_its_length_of_signature() {
        for algorithm in Algorithm::ALL {
            let name = algorithm.name();
            let expected = match name {
                "ES256" | "EdDSA" | "Ed25519" | "HS512" => 64..=64,
                "ES384" => 96..=96,
                "ES512" => 132..=132,
                "HS256" => 32..=32,
                "HS384" => 48..=48,
                _ => 256..=1024,
            };
            assert_eq!(algorithm.signature_bytes(), expected, "{name}");
        }
    }
}
