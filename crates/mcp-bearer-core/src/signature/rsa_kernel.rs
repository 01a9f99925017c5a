//! The RSA kernel of `mcp-bearer-rsa`, which a key asks before AWS-LC.
//!
//! A verdict is final, because each of its products is certified. The kernel gives none if the
//! feature `rsa-kernel` is off, the processor lacks AVX-512 IFMA, or the key has another size or
//! exponent.

use super::aws_lc::Signed;
use super::public_key::PublicKey;
use crate::algorithm::Algorithm;

/// What the kernel knows about one key, computed on first use.
#[derive(Default)]
pub(super) struct Kernel {
    #[cfg(feature = "rsa-kernel")]
    key: once_cell::race::OnceBox<Option<mcp_bearer_rsa::PublicKey>>,
}

#[cfg(feature = "rsa-kernel")]
impl Kernel {
    /// Whether the signature is the key's; `None` if AWS-LC has to decide.
    pub(super) fn verdict(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        message: &Signed<'_>,
        signature: &[u8],
    ) -> Option<bool> {
        use mcp_bearer_rsa::Verdict;
        let (PublicKey::Rsa { der, .. }, Signed::Digest(digest)) = (key, message) else {
            return None;
        };
        let padding = padding(algorithm)?;
        let key = self.key.get_or_init(|| Box::new(made(der)));
        match key.as_ref()?.verify(padding, digest, signature) {
            Verdict::Valid => Some(true),
            Verdict::Invalid => Some(false),
            Verdict::Undecided => None,
        }
    }
}

#[cfg(feature = "rsa-kernel")]
fn made(der: &[u8]) -> Option<mcp_bearer_rsa::PublicKey> {
    use mcp_bearer_rsa::Engine;
    // Tests run the same code on every processor.
    let emulated = cfg!(test).then_some(Engine::Emulated);
    let engine = Engine::detect().or(emulated)?;
    let (modulus, exponent) = super::rsa_key::parts(der)?;
    mcp_bearer_rsa::PublicKey::new(engine, &modulus, &exponent)
}

#[cfg(feature = "rsa-kernel")]
const fn padding(algorithm: Algorithm) -> Option<mcp_bearer_rsa::Padding> {
    use mcp_bearer_rsa::Padding::{Pkcs1v15, Pss};
    match algorithm {
        Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => Some(Pkcs1v15),
        Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => Some(Pss),
        _ => None,
    }
}

#[cfg(not(feature = "rsa-kernel"))]
impl Kernel {
    /// No verdict: AWS-LC decides.
    #[expect(clippy::unused_self, reason = "the shape of the kernel that is there")]
    pub(super) const fn verdict(
        &self,
        _: &PublicKey,
        _: Algorithm,
        _: &Signed<'_>,
        _: &[u8],
    ) -> Option<bool> {
        None
    }
}
