//! Numbers in radix 2^52, and the way from bytes and back.

use crate::words;

/// Eight limbs: one register.
pub(crate) type Row = [u64; 8];

pub(crate) const LIMB_BITS: usize = 52;
pub(crate) const LIMB_MASK: u64 = (1 << LIMB_BITS) - 1;

/// Two limbs are 104 bits, which is a whole number of bytes.
const PAIR_BYTES: usize = 13;

/// A number of `8 * V` limbs of 52 bits, the lowest first.
///
/// The instructions read the low 52 bits of a limb. Bits above them are no part of the number, and
/// [`Limbs::to_bytes`] refuses them.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Limbs<const V: usize>(pub(crate) [Row; V]);

impl<const V: usize> Limbs<V> {
    pub(crate) const ZERO: Self = Self([[0; 8]; V]);

    /// How many limbs.
    pub(crate) const COUNT: usize = 8 * V;

    /// The number one.
    pub(crate) fn one() -> Self {
        let mut one = Self::ZERO;
        one.0
            .as_flattened_mut()
            .iter_mut()
            .take(1)
            .for_each(|limb| *limb = 1);
        one
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator + '_ {
        self.0.as_flattened().iter().copied()
    }

    /// From limbs in order; those that are not given are zero.
    pub(crate) fn collect(limbs: impl IntoIterator<Item = u64>) -> Self {
        let mut number = Self::ZERO;
        for (to, limb) in number.0.as_flattened_mut().iter_mut().zip(limbs) {
            *to = limb;
        }
        number
    }

    /// The number without its `count` lowest limbs.
    pub(crate) fn without_lowest(&self, count: usize) -> Self {
        Self::collect(self.iter().skip(count))
    }

    /// The four lowest limbs.
    pub(crate) fn lowest(&self) -> [u64; 4] {
        match self.0.first() {
            Some(&[a, b, c, d, ..]) => [a, b, c, d],
            None => [0; 4],
        }
    }

    /// From big-endian bytes, at most as many as the limbs hold.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let (rest, pairs) = bytes.as_rchunks::<PAIR_BYTES>();
        let mut highest = [0; PAIR_BYTES];
        for (to, byte) in highest.iter_mut().rev().zip(rest.iter().rev()) {
            *to = *byte;
        }
        let pairs = pairs.iter().rev().chain(core::iter::once(&highest));
        let mut number = Self::ZERO;
        let (targets, _) = number.0.as_flattened_mut().as_chunks_mut::<2>();
        for ([low, high], bytes) in targets.iter_mut().zip(pairs) {
            let mut wide = [0; 16];
            for (to, byte) in wide.iter_mut().skip(16 - PAIR_BYTES).zip(bytes) {
                *to = *byte;
            }
            let wide = u128::from_be_bytes(wide);
            *low = words::low(wide) & LIMB_MASK;
            *high = words::low(wide >> LIMB_BITS);
        }
        number
    }

    /// Writes the number into `bytes`, big-endian. `false` when it does not fit, or a limb has more than 52 bits.
    #[must_use]
    pub(crate) fn to_bytes(self, bytes: &mut [u8]) -> bool {
        let (rest, pairs) = bytes.as_rchunks_mut::<PAIR_BYTES>();
        let (limbs, _) = self.0.as_flattened().as_chunks::<2>();
        let mut limbs = limbs.iter();
        let mut beyond = 0;
        for bytes in pairs.iter_mut().rev() {
            let Some(pair) = limbs.next() else {
                return false;
            };
            let (above, wide) = joined(pair);
            beyond |= above;
            for (to, byte) in bytes.iter_mut().zip(wide.iter().skip(16 - PAIR_BYTES)) {
                *to = *byte;
            }
        }
        let (above, mut wide) = limbs.next().map_or((0, [0; 16]), joined);
        beyond |= above;
        for (to, byte) in rest.iter_mut().rev().zip(wide.iter_mut().rev()) {
            *to = core::mem::take(byte);
        }
        let unwritten = wide.iter().fold(0, |all, byte| all | *byte);
        beyond == 0
            && unwritten == 0
            && limbs
                .as_slice()
                .as_flattened()
                .iter()
                .all(|limb| *limb == 0)
    }

    /// `self - other`, and whether `other` is the larger one, in which case the difference is worth nothing.
    pub(crate) fn minus(&self, other: &Self) -> (Self, bool) {
        let mut borrow = 0;
        let difference = Self::collect(self.iter().zip(other.iter()).map(|(a, b)| {
            let limb = a.wrapping_sub(b).wrapping_sub(borrow);
            borrow = limb >> 63;
            limb & LIMB_MASK
        }));
        (difference, borrow == 1)
    }

    /// `self + other`, which must fit.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        let mut carry = 0;
        Self::collect(self.iter().zip(other.iter()).map(|(a, b)| {
            let limb = a.wrapping_add(b).wrapping_add(carry);
            carry = limb >> LIMB_BITS;
            limb & LIMB_MASK
        }))
    }

    /// The number modulo `n`, for numbers below `2 * n`; `None` when adding `n` again does not give the number back.
    pub(crate) fn below(&self, n: &Self) -> Option<Self> {
        let (difference, is_below) = self.minus(n);
        if is_below {
            return Some(*self);
        }
        (difference.plus(n) == *self).then_some(difference)
    }
}

/// Bits above the 52 of each limb, and both limbs as one big-endian number.
fn joined([low, high]: &[u64; 2]) -> (u64, [u8; 16]) {
    let above = (low | high) >> LIMB_BITS;
    (
        above,
        (u128::from(*low) | u128::from(*high) << LIMB_BITS).to_be_bytes(),
    )
}
