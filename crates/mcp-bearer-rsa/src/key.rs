//! A public key that the kernel verifies with.

use core::fmt;

use aws_lc_rs::digest::Digest;

use crate::encoding::{self, Padding};
use crate::engine::Engine;
use crate::fault_flag::Fault;
use crate::modulus::{Modulus, Trouble};

/// An RSA public key of 2,048, 3,072 or 4,096 bits with exponent 65537.
///
/// Making one costs some tens of microseconds, plus a self-test of some hundred. Verifying takes no
/// lock. PKCS#1 v1.5 allocates nothing. PSS allocates a digest context of AWS-LC for each block of
/// the mask, and one for the hash: eight for 2,048 bits and SHA-256.
#[cfg_attr(test, derive(Clone))]
pub struct PublicKey {
    engine: Engine,
    fault: &'static Fault,
    modulus: Size,
}

#[cfg_attr(test, derive(Clone))]
enum Size {
    Bits2048(Box<Modulus<5>>),
    Bits3072(Box<Modulus<8>>),
    Bits4096(Box<Modulus<10>>),
}

/// The result for a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The key's owner made it for this digest. Final: every product is certified.
    Valid,
    /// It is not a signature of this digest by this key. Final as well.
    Invalid,
    /// Another implementation has to decide. The digest is outside this kernel's scope, or a result
    /// contradicted another: then this is the answer for the signature and for all later ones of
    /// the process ([`has_failed`](crate::has_failed)).
    Undecided,
}

/// The longest modulus in bytes.
const LONGEST: usize = 512;

impl PublicKey {
    /// A key from its modulus and exponent, big-endian and without leading zeros.
    ///
    /// `None` if it is outside this kernel's scope: another size or exponent, a modulus that is
    /// even or has leading zeros, no randomness available, or a failed self-test, which ends the
    /// kernel for the process ([`has_failed`]). Also `None` if the kernel failed before. Whether
    /// the key is good is not decided here.
    ///
    /// [`has_failed`]: crate::has_failed
    ///
    /// ```
    /// use mcp_bearer_rsa::{Engine, PublicKey};
    ///
    /// let modulus = [0xff; 256];
    /// assert!(PublicKey::new(Engine::Emulated, &modulus, &[1, 0, 1]).is_some());
    /// assert!(PublicKey::new(Engine::Emulated, &modulus, &[3]).is_none());
    /// assert!(PublicKey::new(Engine::Emulated, &modulus[1..], &[1, 0, 1]).is_none());
    /// ```
    #[must_use]
    pub fn new(engine: Engine, modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        Self::with_fault(engine, Fault::of_process(), modulus, exponent)
    }

    pub(crate) fn with_fault(
        engine: Engine,
        fault: &'static Fault,
        modulus: &[u8],
        exponent: &[u8],
    ) -> Option<Self> {
        let has_top_bit = modulus.first().is_some_and(|byte| byte >> 7 == 1);
        let is_odd = modulus.last().is_some_and(|byte| byte & 1 == 1);
        if exponent != [1, 0, 1] || !has_top_bit || !is_odd || fault.happened() {
            return None;
        }
        let made = match modulus.len() {
            256 => Modulus::new(engine, modulus)
                .map(Box::new)
                .map(Size::Bits2048),
            384 => Modulus::new(engine, modulus)
                .map(Box::new)
                .map(Size::Bits3072),
            512 => Modulus::new(engine, modulus)
                .map(Box::new)
                .map(Size::Bits4096),
            _ => return None,
        };
        match made {
            Ok(modulus) => Some(Self {
                engine,
                fault,
                modulus,
            }),
            Err(Trouble::NoRandomness) => None,
            Err(Trouble::Contradiction) => {
                fault.note();
                None
            }
        }
    }

    /// The same key with its own flag.
    #[cfg(test)]
    pub(crate) fn with_own_fault(&self, fault: &'static Fault) -> Self {
        Self {
            fault,
            ..self.clone()
        }
    }

    /// What was computed when the key was made, for tests that change it.
    #[cfg(test)]
    pub(crate) fn modulus_2048(&mut self) -> Option<&mut Modulus<5>> {
        match &mut self.modulus {
            Size::Bits2048(modulus) => Some(modulus),
            _ => None,
        }
    }

    /// Whether `signature` is one of `digest`, whose algorithm must be SHA-256, SHA-384 or SHA-512:
    /// RSASSA-PKCS1-v1_5 verification (RFC 8017 section 8.2.2) or RSASSA-PSS verification (section
    /// 8.1.2), after the hash.
    ///
    /// ```
    /// use aws_lc_rs::digest::{SHA256, digest};
    /// use mcp_bearer_rsa::{Engine, Padding, PublicKey, Verdict};
    ///
    /// let key = PublicKey::new(Engine::Emulated, &[0xff; 256], &[1, 0, 1]).unwrap();
    /// let verdict = key.verify(Padding::Pkcs1v15, &digest(&SHA256, b"message"), &[1; 256]);
    /// assert_eq!(verdict, Verdict::Invalid);
    /// ```
    pub fn verify(&self, padding: Padding, digest: &Digest, signature: &[u8]) -> Verdict {
        if self.fault.happened() {
            return Verdict::Undecided;
        }
        let verdict = self.judge(padding, digest, signature);
        // Another thread may have found a contradiction in the meantime.
        if self.fault.happened() {
            return Verdict::Undecided;
        }
        verdict
    }

    fn judge(&self, padding: Padding, digest: &Digest, signature: &[u8]) -> Verdict {
        let Some(info) = encoding::digest_info(digest.algorithm()) else {
            return Verdict::Undecided;
        };
        let mut message = [0; LONGEST];
        let Some(message) = message.get_mut(..self.bytes()) else {
            return Verdict::Undecided;
        };
        let is_number_below = signature.len() == self.bytes()
            && match &self.modulus {
                Size::Bits2048(n) => n.is_above(signature),
                Size::Bits3072(n) => n.is_above(signature),
                Size::Bits4096(n) => n.is_above(signature),
            };
        if !is_number_below {
            return Verdict::Invalid;
        }
        let recovered = match &self.modulus {
            Size::Bits2048(n) => n.recover(self.engine, signature, message),
            Size::Bits3072(n) => n.recover(self.engine, signature, message),
            Size::Bits4096(n) => n.recover(self.engine, signature, message),
        };
        if recovered.is_err() {
            self.fault.note();
            return Verdict::Undecided;
        }
        if encoding::encodes(padding, info, digest, message) {
            Verdict::Valid
        } else {
            Verdict::Invalid
        }
    }

    /// Repeats the self-test of [`PublicKey::new`]: whether the engine still agrees with plain
    /// arithmetic. A failure ends the kernel for the process, as it does there.
    ///
    /// ```
    /// use mcp_bearer_rsa::{Engine, PublicKey};
    ///
    /// let key = PublicKey::new(Engine::Emulated, &[0xff; 256], &[1, 0, 1]).unwrap();
    /// assert!(key.self_test());
    /// ```
    #[must_use]
    pub fn self_test(&self) -> bool {
        let is_right = match &self.modulus {
            Size::Bits2048(n) => n.is_right(self.engine),
            Size::Bits3072(n) => n.is_right(self.engine),
            Size::Bits4096(n) => n.is_right(self.engine),
        };
        if !is_right {
            self.fault.note();
        }
        is_right
    }

    /// The length of the modulus.
    fn bytes(&self) -> usize {
        match &self.modulus {
            Size::Bits2048(_) => 256,
            Size::Bits3072(_) => 384,
            Size::Bits4096(_) => 512,
        }
    }
}

/// Names the size and the engine. The prime of the certificates is not shown.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("bits", &(8 * self.bytes()))
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}
