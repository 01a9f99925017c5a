//! Eight lanes of 64 bits in plain Rust, which truncate as the instructions do.

use crate::limbs::{LIMB_MASK, Row};
use crate::words;

pub(crate) type Lanes = Row;

fn each(f: impl Fn(usize) -> u64) -> Lanes {
    core::array::from_fn(f)
}

fn at(lanes: &Lanes, lane: usize) -> u64 {
    lanes.get(lane).copied().unwrap_or(0)
}

fn is_set(mask: u8, lane: usize) -> bool {
    mask >> lane & 1 == 1
}

fn mask(f: impl Fn(usize) -> bool) -> u8 {
    (0..8).fold(0, |mask, lane| mask | u8::from(f(lane)) << lane)
}

/// `vpmadd52luq` and `vpmadd52huq` read the low 52 bits of both factors.
fn product(a: u64, b: u64) -> u128 {
    u128::from(a & LIMB_MASK) * u128::from(b & LIMB_MASK)
}

pub(crate) fn zero() -> Lanes {
    [0; 8]
}

pub(crate) fn splat(word: u64) -> Lanes {
    [word; 8]
}

pub(crate) fn load(row: &Row) -> Lanes {
    *row
}

pub(crate) fn store(lanes: Lanes) -> Row {
    lanes
}

pub(crate) fn first_two(lanes: Lanes) -> [u64; 2] {
    [at(&lanes, 0), at(&lanes, 1)]
}

pub(crate) fn sums(a: Lanes, b: Lanes) -> [u64; 2] {
    [a, b].map(|lanes| {
        lanes
            .iter()
            .fold(0_u64, |sum, lane| sum.wrapping_add(*lane))
    })
}

pub(crate) fn add(a: Lanes, b: Lanes) -> Lanes {
    each(|i| at(&a, i).wrapping_add(at(&b, i)))
}

pub(crate) fn add_where(mask: u8, a: Lanes, b: Lanes) -> Lanes {
    each(|i| {
        if is_set(mask, i) {
            at(&a, i).wrapping_add(at(&b, i))
        } else {
            at(&a, i)
        }
    })
}

pub(crate) fn and(a: Lanes, b: Lanes) -> Lanes {
    each(|i| at(&a, i) & at(&b, i))
}

pub(crate) fn or(a: Lanes, b: Lanes) -> Lanes {
    each(|i| at(&a, i) | at(&b, i))
}

pub(crate) fn above_limb(a: Lanes) -> Lanes {
    each(|i| at(&a, i) >> 52)
}

pub(crate) fn greater(a: Lanes, b: Lanes) -> u8 {
    mask(|i| at(&a, i) > at(&b, i))
}

pub(crate) fn equal(a: Lanes, b: Lanes) -> u8 {
    mask(|i| at(&a, i) == at(&b, i))
}

pub(crate) fn window<const N: i32>(low: Lanes, high: Lanes) -> Lanes {
    let from = usize::try_from(N).unwrap_or(0);
    each(|i| {
        if i + from < 8 {
            at(&low, i + from)
        } else {
            at(&high, i + from - 8)
        }
    })
}

pub(crate) fn interleave_lower(a: Lanes, b: Lanes) -> Lanes {
    each(|i| at(if i % 2 == 0 { &a } else { &b }, i / 2))
}

pub(crate) fn interleave_upper(a: Lanes, b: Lanes) -> Lanes {
    each(|i| at(if i % 2 == 0 { &a } else { &b }, 4 + i / 2))
}

pub(crate) fn add_low(sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
    add_low_where(0xff, sum, a, b)
}

pub(crate) fn add_high(sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
    add_high_where(0xff, sum, a, b)
}

pub(crate) fn add_low_where(mask: u8, sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
    let low = each(|i| words::low(product(at(&a, i), at(&b, i))) & LIMB_MASK);
    add_where(mask, sum, low)
}

pub(crate) fn add_high_where(mask: u8, sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
    let high = each(|i| words::low(product(at(&a, i), at(&b, i)) >> 52));
    add_where(mask, sum, high)
}

/// Does nothing: tests put faults in here.
#[inline]
pub(crate) fn disturb(_product: &mut [Row], _quotient: &mut [Row], _first: &mut [Row]) {}
