//! Public key parameters that have been checked, in the form the crypto library reads.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::key_error::KeyError;
use super::{ed25519_key, rsa_key};
use crate::algorithm::{Algorithm, Curve, KeyType};
use crate::thumbprint::Thumbprint;

pub(super) enum PublicKey {
    /// A PKCS#1 `RSAPublicKey` in DER.
    Rsa {
        der: Box<[u8]>,
        bits: usize,
    },
    /// An uncompressed point.
    Ec {
        curve: Curve,
        point: Box<[u8]>,
    },
    Ed25519([u8; 32]),
}

/// The members of a JWK that identify its public key (RFC 7638 section 3.2), in base64url.
pub(crate) enum JwkMembers {
    Rsa { n: String, e: String },
    Ec { curve: Curve, x: String, y: String },
    Ed25519 { x: String },
}

impl PublicKey {
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let (modulus, exponent, bits) = rsa_key::check(modulus, exponent)?;
        let der = rsa_key::der(modulus, exponent)?;
        Ok(Self::Rsa { der, bits })
    }

    pub(super) fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let (name, size) = (curve.name(), curve.field_bytes());
        if x.len() != size || y.len() != size {
            let why = format!("a coordinate of {name} has {size} bytes (RFC 7518 section 6.2.1)");
            return Err(KeyError::malformed(why));
        }
        let point = [&[4], x, y].concat().into();
        Ok(Self::Ec { curve, point })
    }

    pub(super) fn ed25519(x: &[u8]) -> Result<Self, KeyError> {
        let Ok(bytes) = <[u8; 32]>::try_from(x) else {
            return Err(KeyError::malformed(
                "an Ed25519 key has 32 bytes (RFC 8032)",
            ));
        };
        match ed25519_key::fault(&bytes) {
            Some(why) => Err(KeyError::weak(why)),
            None => Ok(Self::Ed25519(bytes)),
        }
    }

    pub(super) const fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa { .. } => KeyType::Rsa,
            Self::Ec { curve, .. } => KeyType::Ec(*curve),
            Self::Ed25519(_) => KeyType::Ed25519,
        }
    }

    /// One of the algorithms it verifies.
    pub(super) const fn any_algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::Ec { curve, .. } => curve.algorithm(),
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Rsa { der, .. } => der,
            Self::Ec { point, .. } => point,
            Self::Ed25519(bytes) => bytes,
        }
    }

    /// How long a signature must be for the library to look at it at all.
    pub(super) const fn signature_bytes(&self) -> usize {
        match self {
            Self::Rsa { bits, .. } => bits.div_ceil(8),
            Self::Ec { curve, .. } => 2 * curve.field_bytes(),
            Self::Ed25519(_) => 64,
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Rsa { bits, .. } => format!("RSA {bits} bits"),
            Self::Ec { curve, .. } => format!("EC {}", curve.name()),
            Self::Ed25519(_) => "OKP Ed25519".into(),
        }
    }

    pub(super) fn jwk_members(&self) -> JwkMembers {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa { der, .. } => {
                // We wrote this DER, so it can be read.
                let (n, e) = rsa_key::parts(der).unwrap_or_default();
                JwkMembers::Rsa {
                    n: text(&n),
                    e: text(&e),
                }
            }
            Self::Ec { curve, point } => {
                let coordinates = point.get(1..).unwrap_or_default();
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                JwkMembers::Ec {
                    curve: *curve,
                    x: text(x),
                    y: text(y),
                }
            }
            Self::Ed25519(x) => JwkMembers::Ed25519 { x: text(x) },
        }
    }
}

impl JwkMembers {
    /// The names in their order and without white space (RFC 7638 section 3).
    pub(super) fn thumbprint(&self) -> Thumbprint {
        let text = match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Ec { curve, x, y } => {
                let crv = curve.name();
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
        };
        Thumbprint::of_public_key(&text)
    }
}
