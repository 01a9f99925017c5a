//! Numbers in radix 2^52.

/// Eight limbs: one register.
pub(crate) type Row = [u64; 8];

pub(crate) const LIMB_MASK: u64 = (1 << 52) - 1;

/// A number of `8 * V` limbs of 52 bits, the lowest first.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Limbs<const V: usize>(pub(crate) [Row; V]);

impl<const V: usize> Limbs<V> {
    pub(crate) const ZERO: Self = Self([[0; 8]; V]);
}
