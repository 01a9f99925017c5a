//! Products of 64-bit words, in the two halves that a machine multiplication gives.

/// The low 64 bits.
#[inline]
pub(crate) const fn low(wide: u128) -> u64 {
    #[expect(clippy::as_conversions, reason = "the high half is dropped on purpose")]
    {
        wide as u64
    }
}

/// The low and the high 64 bits of `a * b`.
#[inline]
pub(crate) fn multiply(a: u64, b: u64) -> (u64, u64) {
    let product = u128::from(a) * u128::from(b);
    let halves = [low(product), low(product >> 64)];
    #[cfg(test)]
    let halves = crate::lanes::faulty::words(halves);
    halves.into()
}
