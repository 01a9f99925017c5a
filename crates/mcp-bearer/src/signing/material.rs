//! The keys of the signing library: how each is made, read, written and used.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{hmac, signature};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_bearer_core::Algorithm;
use zeroize::Zeroizing;

use super::error::{KeyPairError, KeyPairErrorKind, error, failed};
use super::rsa_key_pair::{RsaKeySize, pem};

/// The key that signs.
pub(super) enum Material {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Secret(Zeroizing<Vec<u8>>),
}

/// The curves of RFC 7518 section 3.4, each with its one algorithm.
const CURVES: [&EcdsaSigningAlgorithm; 3] = [
    &ECDSA_P256_SHA256_FIXED_SIGNING,
    &ECDSA_P384_SHA384_FIXED_SIGNING,
    &ECDSA_P521_SHA512_FIXED_SIGNING,
];

impl Material {
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self, KeyPairError> {
        let ec = |curve| EcdsaKeyPair::generate(curve).map(Self::Ec).map_err(no_key);
        match algorithm {
            Algorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Es512 => ec(&ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDsa | Algorithm::Ed25519 => Ed25519KeyPair::generate()
                .map(Self::Ed25519)
                .map_err(no_key),
            hmac if hmac.is_symmetric() => secret(),
            _ => Self::generate_rsa(RsaKeySize::default()),
        }
    }

    pub(super) fn generate_rsa(size: RsaKeySize) -> Result<Self, KeyPairError> {
        let size = match size {
            RsaKeySize::Bits2048 => KeySize::Rsa2048,
            RsaKeySize::Bits3072 => KeySize::Rsa3072,
            RsaKeySize::Bits4096 => KeySize::Rsa4096,
        };
        RsaKeyPair::generate(size).map(Self::Rsa).map_err(no_key)
    }

    pub(super) fn from_pem(text: &str) -> Result<Self, KeyPairError> {
        use KeyPairErrorKind::{Encrypted, Malformed, NotPrivate, Unsupported};
        let unreadable = || {
            let why = "not PEM text; it begins with -----BEGIN PRIVATE KEY-----";
            error(Malformed, why)
        };
        let mut blocks = ::pem::parse_many(text).map_err(|_| unreadable())?;
        // OpenSSL writes the curve in a separate block, and in the key as well.
        blocks.retain(|block| block.tag() != "EC PARAMETERS");
        let [block] = blocks.as_slice() else {
            return Err(error(Malformed, "one PEM block is needed, the private key"));
        };
        let der = block.contents();
        match block.tag() {
            "PRIVATE KEY" => from_pkcs8(der),
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(der).map(Self::Rsa).ok(),
            "EC PRIVATE KEY" => {
                let read = |curve: &&'static _| EcdsaKeyPair::from_private_key_der(curve, der).ok();
                CURVES.iter().find_map(read).map(Self::Ec)
            }
            "ENCRYPTED PRIVATE KEY" => {
                let why = "the private key is encrypted; decrypt it first (openssl pkey)";
                return Err(error(Encrypted, why));
            }
            tag if tag.ends_with("PUBLIC KEY") || tag == "CERTIFICATE" => {
                let why = "this is a public key; signing needs the private key";
                return Err(error(NotPrivate, why));
            }
            _ => {
                let why = "none of PRIVATE KEY, RSA PRIVATE KEY and EC PRIVATE KEY";
                return Err(error(NotPrivate, why));
            }
        }
        .ok_or_else(|| {
            let why =
                "not a private key of RSA (2048 to 8192 bits), P-256, P-384, P-521 or Ed25519";
            error(Unsupported, why)
        })
    }

    /// The private key and the public key in PEM; neither for a secret.
    pub(super) fn pem(&self) -> Result<(Option<Zeroizing<String>>, Option<String>), KeyPairError> {
        let lost = |_: Unspecified| failed("the key could not be written");
        let (private, public): (Zeroizing<String>, PublicKeyX509Der<'_>) = match self {
            Self::Rsa(pair) => {
                let private: Pkcs8V1Der<'_> = pair.as_der().map_err(lost)?;
                (
                    private_pem(private.as_ref()),
                    pair.public_key().as_der().map_err(lost)?,
                )
            }
            Self::Ec(pair) => {
                let private = pair.to_pkcs8v1().map_err(lost)?;
                (
                    private_pem(private.as_ref()),
                    pair.public_key().as_der().map_err(lost)?,
                )
            }
            Self::Ed25519(pair) => {
                let private = pair.to_pkcs8v1().map_err(lost)?;
                (
                    private_pem(private.as_ref()),
                    pair.public_key().as_der().map_err(lost)?,
                )
            }
            Self::Secret(_) => return Ok((None, None)),
        };
        Ok((Some(private), Some(pem("PUBLIC KEY", public.as_ref()))))
    }

    /// The signature over these bytes, in the form of RFC 7518 section 3 and RFC 8037 section 3.1.
    pub(super) fn sign(
        &self,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, KeyPairError> {
        let unsigned = |_: Unspecified| failed("the token could not be signed");
        let owned = |signature: signature::Signature| signature.as_ref().to_vec();
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let padding = padding(algorithm).ok_or_else(|| unsigned(Unspecified))?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature)
                    .map_err(unsigned)?;
                Ok(signature)
            }
            Self::Ec(pair) => pair.sign(&random, message).map(owned).map_err(unsigned),
            Self::Ed25519(pair) => pair.try_sign(message).map(owned).map_err(unsigned),
            Self::Secret(secret) => {
                let hash = match algorithm {
                    Algorithm::Hs256 => hmac::HMAC_SHA256,
                    Algorithm::Hs384 => hmac::HMAC_SHA384,
                    Algorithm::Hs512 => hmac::HMAC_SHA512,
                    _ => return Err(unsigned(Unspecified)),
                };
                let tag = hmac::sign(&hmac::Key::new(hash, secret), message);
                Ok(tag.as_ref().to_vec())
            }
        }
    }
}

fn from_pkcs8(der: &[u8]) -> Option<Material> {
    if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
        return Some(Material::Rsa(pair));
    }
    // OpenSSL writes version 1, which has no public key.
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        return Some(Material::Ed25519(pair));
    }
    let read = |curve: &&'static _| EcdsaKeyPair::from_pkcs8(curve, der).ok();
    CURVES.iter().find_map(read).map(Material::Ec)
}

fn secret() -> Result<Material, KeyPairError> {
    let mut bytes = Zeroizing::new([0; 64]);
    rand::fill(bytes.as_mut()).map_err(no_key)?;
    // Long enough from the start: a string that grows leaves its old text in memory.
    let mut text = String::with_capacity(88);
    URL_SAFE_NO_PAD.encode_string(bytes.as_ref(), &mut text);
    Ok(Material::Secret(Zeroizing::new(text.into_bytes())))
}

fn padding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Ps384 => &RSA_PSS_SHA384,
        Algorithm::Ps512 => &RSA_PSS_SHA512,
        _ => return None,
    })
}

fn private_pem(der: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(pem("PRIVATE KEY", der))
}

fn no_key(_: Unspecified) -> KeyPairError {
    failed("the key could not be generated")
}
