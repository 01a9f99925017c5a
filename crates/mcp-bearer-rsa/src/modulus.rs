//! A modulus of the kernel: what is computed once per key, and checked before it is used.

use crate::engine::Engine;
use crate::limbs::{LIMB_BITS, LIMB_MASK, Limbs};
use crate::prime::Prime;
use crate::product_certificate::{Certificate, Factor};
use crate::words;

/// An odd number of exactly as many bits as `8 * V` limbs are used for, and what the kernel needs
/// with it.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Modulus<const V: usize> {
    bytes: Box<[u8]>,
    pub(crate) n: Limbs<V>,
    /// `(k * n + 1) / 2^52`, for all pairs of steps but the last.
    pub(crate) friendly: Multiple<V>,
    /// `n`, for the last two steps.
    pub(crate) plain: Multiple<V>,
    /// -1 / n modulo 2^52.
    pub(crate) k: u64,
    /// R^2 modulo n.
    pub(crate) rr: Factor<V>,
    pub(crate) certificate: Certificate<V>,
}

/// A number that the quotient multiplies, laid out for the kernel.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Multiple<const V: usize> {
    /// Without its lowest limbs, as many as it takes to put the halves of products beside the
    /// columns from 4 on that they belong to: high halves of the second step, low halves of it and
    /// high halves of the first, low halves of the first.
    pub(crate) rows: [Limbs<V>; 3],
    pub(crate) lowest: [u64; 4],
}

impl<const V: usize> Multiple<V> {
    fn new(number: &Limbs<V>, first: usize) -> Self {
        Self {
            rows: core::array::from_fn(|more| number.without_lowest(first + more)),
            lowest: number.lowest(),
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The system's generator returned nothing: AWS-LC decides.
    NoRandomness,
    /// A result contradicts another: the kernel or the processor is at fault.
    Contradiction,
}

impl<const V: usize> Modulus<V> {
    /// `bytes` are big-endian, begin with their top bit, and end with an odd byte. R, which is
    /// 2^(52 * 8 * V), must have at least 32 bits more than n: the bounds of section 3 of the
    /// argument need that.
    pub(crate) fn new(engine: Engine, bytes: &[u8]) -> Result<Self, Trouble> {
        let prime = Prime::draw().ok_or(Trouble::NoRandomness)?;
        let modulus = Self::unchecked(engine, bytes, prime).ok_or(Trouble::Contradiction)?;
        if !modulus.is_right(engine) {
            return Err(Trouble::Contradiction);
        }
        Ok(modulus)
    }

    /// The modulus with everything computed. The conversion of `n`, its friendly multiple and the
    /// products have been checked.
    pub(crate) fn unchecked(engine: Engine, bytes: &[u8], prime: Prime) -> Option<Self> {
        let n = converted(bytes)?;
        let k = negative_inverse(n.lowest()[0]);
        let friendly = friendly_multiple(&n, k)?;
        let mut modulus = Self {
            bytes: bytes.into(),
            n,
            friendly: Multiple::new(&friendly, 1),
            plain: Multiple::new(&n, 2),
            k,
            rr: Factor::ZERO,
            certificate: Certificate::new(prime, bytes, k),
        };
        let rr = modulus.r_squared(engine)?;
        modulus.rr = modulus.certificate.plainly_weighed(rr)?;
        Some(modulus)
    }

    /// The self-test: the engine weighs correctly with these weights, and `rr` is R^2 modulo n.
    pub(crate) fn is_right(&self, engine: Engine) -> bool {
        // R^2 / R / R: a wrong `rr` passes every other check.
        let divided_twice = || {
            let one = Factor::one();
            let mut rr = self.rr.number;
            let mut r = engine.chain(self, &mut rr, &one, 0, false)?;
            engine.chain(self, &mut r, &one, 0, false)?.below(&self.n)
        };
        self.certificate
            .weighs_right(engine, &self.n, &self.rr, self.k)
            && divided_twice() == Some(Limbs::one())
    }

    /// R^2 modulo n: from R, which is 2^0 * R, by the binary digits of R's exponent to 2^exponent *
    /// R.
    fn r_squared(&self, engine: Engine) -> Option<Limbs<V>> {
        let bits = self.bytes.len() * 8;
        let exponent = LIMB_BITS * Limbs::<V>::COUNT;
        // 2^bits - n, which is below n, because n has its top bit and is odd.
        let power = Limbs::collect((0..Limbs::<V>::COUNT).map(|limb| {
            if limb == bits / LIMB_BITS {
                1 << (bits % LIMB_BITS)
            } else {
                0
            }
        }));
        let (mut number, _) = power.minus(&self.n);
        for _ in bits..exponent {
            number = number.doubled(&self.n);
        }
        for digit in (0..usize::BITS - exponent.leading_zeros()).rev() {
            let factor = self.certificate.weighed(engine, number);
            number = engine
                .chain(self, &mut number, &factor, 0, false)?
                .below(&self.n)?;
            if exponent >> digit & 1 == 1 {
                number = number.doubled(&self.n);
            }
        }
        Some(number)
    }

    /// `signature` to the power of 65537 modulo n, into `message`. Both have the length of n, and
    /// `signature` is below n, which [`Modulus::is_above`] checks.
    pub(crate) fn recover(
        &self,
        engine: Engine,
        signature: &[u8],
        message: &mut [u8],
    ) -> Result<(), Trouble> {
        let mut power = || {
            let mut s = Limbs::from_bytes(signature);
            let power = engine.chain(self, &mut s, &self.rr, 16, true)?;
            // Only now: this covers the conversion, and the number's memory until its last use.
            if !is_number_of(core::hint::black_box(&s), signature) {
                return None;
            }
            let reduced = power.below(&self.n)?;
            // Almost never: nothing else would notice that `n` in memory is not n any more.
            if reduced != power && !is_number_of(&self.n, &self.bytes) {
                return None;
            }
            let is_right = reduced.to_bytes(message)
                && Limbs::from_bytes(message) == reduced
                && self.is_above(message);
            is_right.then_some(())
        };
        power().ok_or(Trouble::Contradiction)
    }

    /// Whether n is larger than a number of the same length in bytes.
    pub(crate) fn is_above(&self, number: &[u8]) -> bool {
        number < &*self.bytes
    }
}

/// Bytes as limbs, converted back and compared.
fn converted<const V: usize>(bytes: &[u8]) -> Option<Limbs<V>> {
    let number = Limbs::from_bytes(bytes);
    is_number_of(&number, bytes).then_some(number)
}

/// Whether the number, converted back, has these bytes.
fn is_number_of<const V: usize>(number: &Limbs<V>, bytes: &[u8]) -> bool {
    let mut again = [[0; 52]; V];
    let again = again.as_flattened_mut().get_mut(..bytes.len());
    again.is_some_and(|again| number.to_bytes(again) && *again == *bytes)
}

/// `-1 / n` modulo 2^52, for odd n: each round of Newton's method doubles the correct digits,
/// starting from three.
fn negative_inverse(n: u64) -> u64 {
    let inverse = (0..5).fold(n, |inverse, _| {
        inverse.wrapping_mul(2_u64.wrapping_sub(n.wrapping_mul(inverse)))
    });
    inverse.wrapping_neg() & LIMB_MASK
}

/// `(k * n + 1) / 2^52`; `None` if that is not a whole number.
fn friendly_multiple<const V: usize>(n: &Limbs<V>, k: u64) -> Option<Limbs<V>> {
    let mut carry = 1_u128;
    let mut lowest = 0;
    let mut limbs = n.iter().map(|limb| {
        // Below 2^104 + 2^53.
        carry += u128::from(limb) * u128::from(k);
        let limb = words::low(carry) & LIMB_MASK;
        carry >>= LIMB_BITS;
        limb
    });
    lowest |= limbs.next()?;
    let multiple = Limbs::collect(
        limbs
            .collect::<Vec<_>>()
            .into_iter()
            .chain([words::low(carry)]),
    );
    (lowest == 0).then_some(multiple)
}
