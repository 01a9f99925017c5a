//! The emulation of a faulty processor, for tests: it flips one bit where a test requests it.

use std::cell::Cell;

use super::emulated as right;
use crate::limbs::Row;

pub(crate) use right::Lanes;

/// Where a bit is flipped, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flip {
    /// In a limb of the n-th product.
    Product {
        product: usize,
        limb: usize,
        bit: u32,
    },
    /// In a limb of the n-th product's quotient.
    Quotient {
        product: usize,
        limb: usize,
        bit: u32,
    },
    /// In a limb of the chain's first number, after the n-th product.
    First {
        product: usize,
        limb: usize,
        bit: u32,
    },
    /// In a lane, a mask's bit or a word of the n-th instruction's result.
    Instruction {
        instruction: usize,
        lane: usize,
        bit: u32,
    },
}

/// After which product, and what.
type Call = (usize, fn());

thread_local! {
    static FLIP: Cell<Option<Flip>> = const { Cell::new(None) };
    static CALL: Cell<Option<Call>> = const { Cell::new(None) };
    static PRODUCTS: Cell<usize> = const { Cell::new(0) };
    static INSTRUCTIONS: Cell<usize> = const { Cell::new(0) };
}

/// Runs `f` with a fault, and returns its result and the number of instructions that ran.
pub(crate) fn with<T>(flip: Option<Flip>, f: impl FnOnce() -> T) -> (T, usize) {
    FLIP.set(flip);
    PRODUCTS.set(0);
    INSTRUCTIONS.set(0);
    let answer = f();
    FLIP.set(None);
    (answer, INSTRUCTIONS.get())
}

/// Runs `f`, and `call` after its n-th product: what another thread might do at that time.
pub(crate) fn with_call<T>(product: usize, call: fn(), f: impl FnOnce() -> T) -> T {
    CALL.set(Some((product, call)));
    let (answer, _) = with(None, f);
    CALL.set(None);
    answer
}

pub(crate) fn disturb(product: &mut [Row], quotient: &mut [Row], first: &mut [Row]) {
    let this = PRODUCTS.replace(PRODUCTS.get() + 1);
    if let Some((n, call)) = CALL.get()
        && n == this
    {
        call();
    }
    match FLIP.get() {
        Some(Flip::Product {
            product: n,
            limb,
            bit,
        }) if n == this => {
            product.as_flattened_mut()[limb] ^= 1 << bit;
        }
        Some(Flip::Quotient {
            product: n,
            limb,
            bit,
        }) if n == this => {
            quotient.as_flattened_mut()[limb] ^= 1 << bit;
        }
        Some(Flip::First {
            product: n,
            limb,
            bit,
        }) if n == this => {
            first.as_flattened_mut()[limb] ^= 1 << bit;
        }
        _ => {}
    }
}

/// The lane and the bit to flip in the result of the instruction that runs now.
fn flip_of_instruction() -> Option<(usize, u32)> {
    let this = INSTRUCTIONS.replace(INSTRUCTIONS.get() + 1);
    match FLIP.get() {
        Some(Flip::Instruction {
            instruction,
            lane,
            bit,
        }) if instruction == this => Some((lane, bit)),
        _ => None,
    }
}

fn done_mask(mask: u8) -> u8 {
    flip_of_instruction().map_or(mask, |(lane, _)| mask ^ 1 << lane)
}

/// The result of an instruction outside the vector registers.
pub(crate) fn words<const N: usize>(mut words: [u64; N]) -> [u64; N] {
    if let Some((lane, bit)) = flip_of_instruction() {
        words[lane % N] ^= 1 << bit;
    }
    words
}

pub(crate) fn zero() -> Lanes {
    words(right::zero())
}

pub(crate) fn splat(word: u64) -> Lanes {
    words(right::splat(word))
}

pub(crate) fn load(row: &Row) -> Lanes {
    words(right::load(row))
}

pub(crate) fn store(lanes: Lanes) -> Row {
    words(right::store(lanes))
}

pub(crate) fn first_two(lanes: Lanes) -> [u64; 2] {
    words(right::first_two(lanes))
}

pub(crate) fn sums(a: Lanes, b: Lanes) -> [u64; 2] {
    words(right::sums(a, b))
}

pub(crate) fn add(a: Lanes, b: Lanes) -> Lanes {
    words(right::add(a, b))
}

pub(crate) fn add_where(mask: u8, a: Lanes, b: Lanes) -> Lanes {
    words(right::add_where(mask, a, b))
}

pub(crate) fn and(a: Lanes, b: Lanes) -> Lanes {
    words(right::and(a, b))
}

pub(crate) fn or(a: Lanes, b: Lanes) -> Lanes {
    words(right::or(a, b))
}

pub(crate) fn greater(a: Lanes, b: Lanes) -> u8 {
    done_mask(right::greater(a, b))
}

pub(crate) fn equal(a: Lanes, b: Lanes) -> u8 {
    done_mask(right::equal(a, b))
}

pub(crate) fn above_limb(a: Lanes) -> Lanes {
    words(right::above_limb(a))
}

pub(crate) fn window<const N: i32>(low: Lanes, high: Lanes) -> Lanes {
    words(right::window::<N>(low, high))
}

pub(crate) fn interleave_lower(a: Lanes, b: Lanes) -> Lanes {
    words(right::interleave_lower(a, b))
}

pub(crate) fn interleave_upper(a: Lanes, b: Lanes) -> Lanes {
    words(right::interleave_upper(a, b))
}

pub(crate) fn add_low(sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
    words(right::add_low(sum, a, b))
}

pub(crate) fn add_high(sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
    words(right::add_high(sum, a, b))
}

pub(crate) fn add_low_where(mask: u8, sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
    words(right::add_low_where(mask, sum, a, b))
}

pub(crate) fn add_high_where(mask: u8, sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
    words(right::add_high_where(mask, sum, a, b))
}
