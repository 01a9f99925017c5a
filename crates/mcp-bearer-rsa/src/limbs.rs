//! Numbers in radix 2^52, and their conversion from bytes and back.

use crate::words;

/// Eight limbs: one register.
pub(crate) type Row = [u64; 8];

pub(crate) const LIMB_BITS: usize = 52;
pub(crate) const LIMB_MASK: u64 = (1 << LIMB_BITS) - 1;

/// Two limbs are 104 bits, which is a whole number of bytes.
const PAIR_BYTES: usize = 13;

/// A number of `8 * V` limbs of 52 bits, the lowest first.
///
/// The instructions read the low 52 bits of a limb. Bits above them are not part of the number, and
/// [`Limbs::to_bytes`] refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// From limbs in order; missing ones are zero.
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
        let mut number = Self::ZERO;
        let (limbs, _) = number.0.as_flattened_mut().as_chunks_mut::<2>();
        let mut limbs = limbs.iter_mut();
        for (bytes, pair) in pairs.iter().rev().zip(limbs.by_ref()) {
            *pair = split(bytes);
        }
        if let Some(pair) = limbs.next() {
            *pair = split(&highest);
        }
        number
    }

    /// Writes the number into `bytes`, big-endian. `false` if it does not fit, or a limb has more
    /// than 52 bits.
    #[must_use]
    pub(crate) fn to_bytes(self, bytes: &mut [u8]) -> bool {
        let (rest, pairs) = bytes.as_rchunks_mut::<PAIR_BYTES>();
        let (limbs, _) = self.0.as_flattened().as_chunks::<2>();
        let Some((low, high)) = limbs.split_at_checked(pairs.len()) else {
            return false;
        };
        let mut beyond = 0;
        for (bytes, pair) in pairs.iter_mut().rev().zip(low) {
            let above;
            (above, *bytes) = joined(pair);
            beyond |= above;
        }
        let (highest, more) = high.split_first().unwrap_or((&[0; 2], &[]));
        let (above, mut highest) = joined(highest);
        for (to, byte) in rest.iter_mut().rev().zip(highest.iter_mut().rev()) {
            *to = core::mem::take(byte);
        }
        beyond |= above | more.as_flattened().iter().fold(0, |all, limb| all | limb);
        beyond == 0 && highest == [0; PAIR_BYTES]
    }

    /// `self - other`, and whether `other` is larger, in which case the difference is meaningless.
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

    /// The number modulo `n`, for numbers below `2 * n`. `None` for others, and if adding `n` again
    /// does not give back the number.
    pub(crate) fn below(&self, n: &Self) -> Option<Self> {
        let (difference, is_below) = self.minus(n);
        if is_below {
            return Some(*self);
        }
        let (_, is_below) = difference.minus(n);
        (is_below && difference.plus(n) == *self).then_some(difference)
    }

    /// Twice the number modulo `n`, for numbers below `n`.
    pub(crate) fn doubled(&self, n: &Self) -> Self {
        let (mut carry, mut borrow) = (0, 0);
        let (mut double, mut reduced) = (Self::ZERO, Self::ZERO);
        let results = double
            .0
            .as_flattened_mut()
            .iter_mut()
            .zip(reduced.0.as_flattened_mut());
        for ((double, reduced), (limb, n)) in results.zip(self.iter().zip(n.iter())) {
            let twice = limb << 1 | carry;
            carry = twice >> LIMB_BITS;
            *double = twice & LIMB_MASK;
            let rest = double.wrapping_sub(n).wrapping_sub(borrow);
            borrow = rest >> 63;
            *reduced = rest & LIMB_MASK;
        }
        if borrow == 1 { double } else { reduced }
    }
}

fn split(bytes: &[u8; PAIR_BYTES]) -> [u64; 2] {
    let mut wide = [0; 16];
    let [_, _, _, lower @ ..] = &mut wide;
    *lower = *bytes;
    let wide = u128::from_be_bytes(wide);
    [words::low(wide) & LIMB_MASK, words::low(wide >> LIMB_BITS)]
}

/// Bits above the 52 of each limb, and both limbs in bytes.
fn joined([low, high]: &[u64; 2]) -> (u64, [u8; PAIR_BYTES]) {
    let above = (low | high) >> LIMB_BITS;
    let [_, _, _, bytes @ ..] = (u128::from(*low) | u128::from(*high) << LIMB_BITS).to_be_bytes();
    (above, bytes)
}
