//! The four lowest columns of a reduction, in scalar registers, where the chain of dependent steps
//! is.
//!
//! A vector register would add its own latency to each step. The kernel has columns 4 and above;
//! the argument in the crate's documentation uses the same names.

#[cfg(test)]
use crate::lanes::faulty;
use crate::limbs::LIMB_MASK;
use crate::words;

/// The low 52 bits of `a * b`, where `a` is given times 2^12.
#[inline]
fn low_half(a12: u64, b: u64) -> u64 {
    a12.wrapping_mul(b) >> 12
}

/// The bits of `a * b` above the low 52, where `a` is given times 2^12.
#[inline]
fn high_half(a12: u64, b: u64) -> u64 {
    words::multiply(a12, b).1
}

/// The columns and the limbs of two steps. Tests put faults in here.
#[inline]
fn results(columns: [u64; 2], limbs: [u64; 2]) -> ([u64; 2], [u64; 2]) {
    #[cfg(test)]
    let (columns, limbs) = (faulty::words(columns), faulty::words(limbs));
    (columns, limbs)
}

/// Two steps with the friendly multiple `N = k * n`, whose lowest limb is 2^52 - 1: the quotient's
/// limbs are the columns themselves. `f` are the lowest limbs of `(N + 1) / 2^52`.
///
/// Returns what the next two lowest columns become, and two numbers whose low 52 bits are limbs of
/// the quotient.
#[inline]
pub(crate) fn friendly(
    [c0, c1, c2, c3]: [u64; 4],
    [f0, f1, f2, _]: &[u64; 4],
) -> ([u64; 2], [u64; 2]) {
    let y = c0;
    let y12 = y << 12;
    // Column 1, complete: the multiple's low half needs no shift.
    let z = c1
        .wrapping_add(c0 >> 52)
        .wrapping_add(y.wrapping_mul(*f0) & LIMB_MASK);
    let z12 = z << 12;
    let next = c2
        .wrapping_add(high_half(y12, *f0))
        .wrapping_add(low_half(y12, *f1))
        .wrapping_add(z >> 52)
        .wrapping_add(z.wrapping_mul(*f0) & LIMB_MASK);
    let after = c3
        .wrapping_add(high_half(y12, *f1))
        .wrapping_add(low_half(y12, *f2))
        .wrapping_add(high_half(z12, *f0))
        .wrapping_add(low_half(z12, *f1));
    results([next, after], [y, z])
}

/// Two steps with `n` itself, whose lowest limbs are given: the quotient's limbs are the columns
/// times `k`, which is -1 / n modulo 2^52.
#[inline]
pub(crate) fn plain(
    [c0, c1, c2, c3]: [u64; 4],
    [n0, n1, n2, n3]: &[u64; 4],
    k: u64,
) -> ([u64; 2], [u64; 2]) {
    let y = c0.wrapping_mul(k);
    let y12 = y << 12;
    let column_1 = c1
        .wrapping_add(c0.wrapping_add(LIMB_MASK) >> 52)
        .wrapping_add(high_half(y12, *n0))
        .wrapping_add(low_half(y12, *n1));
    let z = column_1.wrapping_mul(k);
    let z12 = z << 12;
    let next = c2
        .wrapping_add(column_1.wrapping_add(LIMB_MASK) >> 52)
        .wrapping_add(high_half(y12, *n1))
        .wrapping_add(low_half(y12, *n2))
        .wrapping_add(high_half(z12, *n0))
        .wrapping_add(low_half(z12, *n1));
    let after = c3
        .wrapping_add(high_half(y12, *n2))
        .wrapping_add(low_half(y12, *n3))
        .wrapping_add(high_half(z12, *n1))
        .wrapping_add(low_half(z12, *n2));
    results([next, after], [y, z])
}
