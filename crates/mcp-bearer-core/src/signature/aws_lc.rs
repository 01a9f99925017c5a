//! The one place that names the crypto library's algorithms.

use aws_lc_rs::digest;
use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self as aws, ParsedPublicKey, VerificationAlgorithm};

use crate::algorithm::Algorithm;

/// How the library verifies an algorithm.
pub(super) enum Backend {
    PublicKey(PublicKeyBackend),
    Hmac(hmac::Algorithm),
}

/// For an algorithm with a public key: where the parsed key is kept, how it verifies, and the hash
/// of the message where the algorithm takes one.
pub(super) struct PublicKeyBackend {
    pub(super) slot: usize,
    verification: &'static dyn VerificationAlgorithm,
    hash: Option<&'static digest::Algorithm>,
}

/// A message as an algorithm signs it. Hashed once, whichever code verifies.
pub(super) enum Signed<'a> {
    Digest(digest::Digest),
    Whole(&'a [u8]),
}

/// How many algorithms one public key has at most.
pub(super) const SLOTS: usize = 6;

impl Backend {
    pub(super) fn of(algorithm: Algorithm) -> Self {
        let sha256 = Some(&digest::SHA256);
        let sha384 = Some(&digest::SHA384);
        let sha512 = Some(&digest::SHA512);
        match algorithm {
            Algorithm::Rs256 => Self::public_key(0, &aws::RSA_PKCS1_2048_8192_SHA256, sha256),
            Algorithm::Rs384 => Self::public_key(1, &aws::RSA_PKCS1_2048_8192_SHA384, sha384),
            Algorithm::Rs512 => Self::public_key(2, &aws::RSA_PKCS1_2048_8192_SHA512, sha512),
            Algorithm::Ps256 => Self::public_key(3, &aws::RSA_PSS_2048_8192_SHA256, sha256),
            Algorithm::Ps384 => Self::public_key(4, &aws::RSA_PSS_2048_8192_SHA384, sha384),
            Algorithm::Ps512 => Self::public_key(5, &aws::RSA_PSS_2048_8192_SHA512, sha512),
            Algorithm::Es256 => Self::public_key(0, &aws::ECDSA_P256_SHA256_FIXED, sha256),
            Algorithm::Es384 => Self::public_key(0, &aws::ECDSA_P384_SHA384_FIXED, sha384),
            Algorithm::Es512 => Self::public_key(0, &aws::ECDSA_P521_SHA512_FIXED, sha512),
            Algorithm::EdDsa | Algorithm::Ed25519 => Self::public_key(0, &aws::ED25519, None),
            Algorithm::Hs256 => Self::Hmac(hmac::HMAC_SHA256),
            Algorithm::Hs384 => Self::Hmac(hmac::HMAC_SHA384),
            Algorithm::Hs512 => Self::Hmac(hmac::HMAC_SHA512),
        }
    }

    /// How an algorithm with a public key is verified; `None` for HMAC.
    pub(super) fn of_public_key(algorithm: Algorithm) -> Option<PublicKeyBackend> {
        match Self::of(algorithm) {
            Self::PublicKey(backend) => Some(backend),
            Self::Hmac(_) => None,
        }
    }

    const fn public_key(
        slot: usize,
        verification: &'static dyn VerificationAlgorithm,
        hash: Option<&'static digest::Algorithm>,
    ) -> Self {
        Self::PublicKey(PublicKeyBackend {
            slot,
            verification,
            hash,
        })
    }
}

impl PublicKeyBackend {
    /// Half a percent faster than letting the library hash, which makes a context for it.
    pub(super) fn signed<'a>(&self, message: &'a [u8]) -> Signed<'a> {
        match self.hash {
            Some(hash) => Signed::Digest(digest::digest(hash, message)),
            None => Signed::Whole(message),
        }
    }
}

/// A public key in the library's form for one algorithm.
pub(super) struct ParsedKey(ParsedPublicKey);

impl ParsedKey {
    /// Parses a key and uses it once, on a signature of the length that the library checks.
    ///
    /// The library prepares an RSA key on its first check, under a lock of that key, which it takes
    /// only for reading from then on. Here no other thread has the key yet.
    pub(super) fn new(
        backend: &PublicKeyBackend,
        key: &[u8],
        signature_bytes: usize,
    ) -> Result<Self, KeyRejected> {
        let parsed = Self(ParsedPublicKey::new(backend.verification, key)?);
        parsed.verifies(&backend.signed(b""), &vec![0; signature_bytes]);
        Ok(parsed)
    }

    pub(super) fn verifies(&self, message: &Signed<'_>, signature: &[u8]) -> bool {
        let verified = match message {
            Signed::Digest(digest) => self.0.verify_digest_sig(digest, signature),
            Signed::Whole(message) => self.0.verify_sig(message, signature),
        };
        verified.is_ok()
    }
}
