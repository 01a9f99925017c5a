//! What an RSA public key must satisfy before it may verify anything, and its PKCS#1 form (RFC 8017
//! appendix A.1.1).
//!
//! Nothing is repaired here: a key that is too small, too large or malformed is refused with its
//! reason.

use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};

use super::key_error::KeyError;
use crate::limits::Limits;

#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

/// Modulus and exponent without leading zeros, and the modulus' size in bits.
pub(super) fn check<'a>(
    modulus: &'a [u8],
    exponent: &'a [u8],
) -> Result<(&'a [u8], &'a [u8], usize), KeyError> {
    let (modulus, exponent) = (without_zeros(modulus), without_zeros(exponent));
    let bits = bit_length(modulus);
    if bits < Limits::RSA_BITS_MIN {
        let least = Limits::RSA_BITS_MIN;
        return Err(KeyError::weak(format!(
            "the RSA modulus has {bits} bits, at least {least} are needed (RFC 7518 section 3.3)"
        )));
    }
    if bits > Limits::RSA_BITS_MAX {
        let most = Limits::RSA_BITS_MAX;
        return Err(KeyError::too_large(format!(
            "the RSA modulus has {bits} bits, at most {most} are verified"
        )));
    }
    if modulus.last().is_none_or(|last| last & 1 == 0) {
        return Err(KeyError::weak("the RSA modulus is even"));
    }
    let small = match exponent {
        [] => true,
        [only] => *only < 3,
        _ => false,
    };
    if small || exponent.last().is_none_or(|last| last & 1 == 0) || bit_length(exponent) > 32 {
        return Err(KeyError::weak(
            "the RSA exponent must be odd, from 3 up to 2^32",
        ));
    }
    if has_roca_mark(modulus) {
        return Err(KeyError::weak(
            "the RSA modulus bears the mark of ROCA (CVE-2017-15361)",
        ));
    }
    Ok((modulus, exponent, bits))
}

pub(super) fn der(modulus: &[u8], exponent: &[u8]) -> Result<Box<[u8]>, KeyError> {
    let key = UintRef::new(modulus).and_then(|modulus| {
        let public_exponent = UintRef::new(exponent)?;
        RsaPublicKey {
            modulus,
            public_exponent,
        }
        .to_der()
    });
    key.map(Vec::into_boxed_slice)
        .map_err(|_| KeyError::malformed("not an RSA public key"))
}

/// Modulus and exponent of a PKCS#1 key.
pub(super) fn parts(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let key = RsaPublicKey::from_der(der).ok()?;
    Some((
        key.modulus.as_bytes().to_vec(),
        key.public_exponent.as_bytes().to_vec(),
    ))
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn bit_length(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |first| first.leading_zeros());
    (number.len() * 8).saturating_sub(usize::try_from(leading).unwrap_or_default())
}

/// The fingerprint of keys made by one vendor's faulty library: for each small prime the modulus is
/// a power of 65537.
///
/// Source: Nemec et al., "The Return of Coppersmith's Attack", 2017, section 3.2. A sound key has
/// it by chance once in about 2^27.
fn has_roca_mark(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 17] = [
        11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
    ];
    PRIMES.into_iter().all(|prime| {
        let remainder = modulus
            .iter()
            .fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let step = 65_537 % prime;
        let mut power = 1;
        (0..prime).any(|_| {
            let hit = power == remainder;
            power = power * step % prime;
            hit
        })
    })
}
