//! Public keys from PEM text (RFC 7468): `PUBLIC KEY`, `RSA PUBLIC KEY`, `CERTIFICATE`.
//!
//! Only the key is taken from a certificate: its dates, names and issuer are not looked at. A
//! private key is refused, because a verifier must not be able to sign.

use der::{Decode, Encode};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use x509_cert::Certificate;

use crate::algorithm::Curve;
use crate::limits::Limits;
use crate::signature::{KeyError, VerifyingKey};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

impl VerifyingKey {
    /// One public key from PEM text: SPKI `PUBLIC KEY`, PKCS#1 `RSA PUBLIC KEY`, or the key of an
    /// X.509 `CERTIFICATE`.
    ///
    /// ```
    /// use mcp_bearer_core::VerifyingKey;
    /// let key = VerifyingKey::from_pem(
    ///     "-----BEGIN PUBLIC KEY-----\n\
    ///      MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    ///      -----END PUBLIC KEY-----\n",
    /// )?;
    /// assert_eq!(key.describe(), "OKP Ed25519");
    /// # Ok::<(), mcp_bearer_core::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// When the text is not exactly one such block and white space, or the key cannot be used; the
    /// text of the error says why.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        if text.len() > Limits::PEM_BYTES {
            let why = "the PEM text is longer than 64 KiB";
            return Err(KeyError::too_large(why));
        }
        if text.contains("PRIVATE KEY-----") {
            return Err(KeyError::private(
                "this is a private key; a verifier needs the public key only (openssl pkey -pubout)",
            ));
        }
        let blocks = pem::parse_many(text).map_err(|_| {
            KeyError::malformed("not PEM text; it begins with -----BEGIN PUBLIC KEY-----")
        })?;
        let block = match blocks.as_slice() {
            [] => {
                let why = "no PEM block found; a public key begins with -----BEGIN PUBLIC KEY-----";
                return Err(KeyError::malformed(why));
            }
            [block] => block,
            _ => {
                return Err(KeyError::malformed(
                    "more than one PEM block; several keys go into a JWKS",
                ));
            }
        };
        if !is_nothing_but(text, block) {
            return Err(KeyError::malformed(
                "there is other text beside the one PEM block, or in its header; remove it",
            ));
        }
        match block.tag() {
            "PUBLIC KEY" => from_spki(block.contents()),
            "RSA PUBLIC KEY" => VerifyingKey::from_pkcs1(block.contents()),
            "CERTIFICATE" => from_certificate(block.contents()),
            _ => Err(KeyError::malformed(
                "the PEM text has neither a PUBLIC KEY, an RSA PUBLIC KEY nor a CERTIFICATE",
            )),
        }
    }
}

/// Whether the text is this block with white space around it. A block that lost its end may be a
/// key that should not be there.
fn is_nothing_but(text: &str, block: &pem::Pem) -> bool {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text).trim();
    let (begin, end) = (
        format!("-----BEGIN {}-----", block.tag()),
        format!("-----END {}-----", block.tag()),
    );
    let body = text
        .strip_prefix(&begin)
        .and_then(|rest| rest.strip_suffix(&end));
    body.is_some_and(|body| !body.contains("-----")) && block.headers().iter().next().is_none()
}

fn from_certificate(der: &[u8]) -> Result<VerifyingKey, KeyError> {
    let certificate =
        Certificate::from_der(der).map_err(|_| KeyError::malformed("not a DER certificate"))?;
    let spki = certificate
        .tbs_certificate()
        .subject_public_key_info()
        .to_der();
    from_spki(&spki.map_err(|_| KeyError::malformed("not a DER certificate"))?)
}

fn from_spki(der: &[u8]) -> Result<VerifyingKey, KeyError> {
    let invalid = || KeyError::malformed("not a DER SubjectPublicKeyInfo");
    let spki = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| invalid())?;
    let bits = spki.subject_public_key.as_bytes().ok_or_else(invalid)?;
    let oid = spki.algorithm.oid;
    if oid == RSA {
        VerifyingKey::from_pkcs1(bits)
    } else if oid == ED25519 {
        VerifyingKey::ed25519(bits)
    } else if oid == EC {
        let curve = match spki.algorithm.parameters_oid().map_err(|_| invalid())? {
            P256 => Curve::P256,
            P384 => Curve::P384,
            P521 => Curve::P521,
            _ => {
                let why = "the curve is none of P-256, P-384 and P-521";
                return Err(KeyError::unsupported(why));
            }
        };
        let (Some(4), Some(point)) = (bits.first(), bits.get(1..)) else {
            return Err(KeyError::unsupported("the point is not uncompressed"));
        };
        let (x, y) = point
            .split_at_checked(point.len() / 2)
            .ok_or_else(invalid)?;
        VerifyingKey::ec(curve, x, y)
    } else {
        Err(KeyError::unsupported(
            "the key is none of RSA, EC and Ed25519",
        ))
    }
}

#[cfg(test)]
mod tests;
