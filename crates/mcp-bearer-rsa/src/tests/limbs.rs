//! Limbs and bytes.

use num_bigint::BigUint;

use super::big::{Random, bytes, engines};
use crate::limbs::{LIMB_MASK, Limbs};

fn value<const V: usize>(limbs: &Limbs<V>) -> BigUint {
    limbs
        .iter()
        .rev()
        .fold(BigUint::ZERO, |value, limb| (value << 52) + limb)
}

fn there_and_back<const V: usize>(length: usize, random: &mut Random) {
    let mut patterns = vec![vec![0; length], vec![0xff; length], random.bytes(length)];
    for bit in 0..8 * length {
        let mut one = vec![0; length];
        one[bit / 8] = 1 << (bit % 8);
        patterns.push(one);
    }
    for pattern in patterns {
        let limbs = Limbs::<V>::from_bytes(&pattern);
        assert_eq!(value(&limbs), BigUint::from_bytes_be(&pattern));
        assert!(limbs.iter().all(|limb| limb <= LIMB_MASK));
        let mut again = vec![0xaa; length];
        assert!(limbs.to_bytes(&mut again));
        assert_eq!(again, pattern);
    }
}

#[test]
fn bytes_become_limbs_and_bytes_again() {
    let mut random = Random(1);
    there_and_back::<5>(256, &mut random);
    there_and_back::<5>(260, &mut random);
    there_and_back::<8>(384, &mut random);
    there_and_back::<10>(512, &mut random);
    there_and_back::<5>(1, &mut random);
}

#[test]
fn a_limb_of_more_than_52_bits_or_a_number_too_large_has_no_bytes() {
    let mut bytes = [0; 256];
    for limb in 0..40 {
        for bit in 0..64 {
            let mut number = Limbs::<5>::one();
            number.0.as_flattened_mut()[limb] = 1 << bit;
            let fits = bit < 52 && 52 * limb + bit < 2048;
            assert_eq!(number.to_bytes(&mut bytes), fits, "limb {limb} bit {bit}");
        }
    }
}

#[test]
fn sums_and_differences() {
    let mut random = Random(2);
    for _ in 0..500 {
        let shorter = random.below(3);
        let (a, b) = (random.bytes(250), random.bytes(250 - shorter));
        let (a, b) = (Limbs::<5>::from_bytes(&a), Limbs::<5>::from_bytes(&b));
        assert_eq!(value(&a.plus(&b)), value(&a) + value(&b));
        let (difference, is_below) = a.minus(&b);
        assert_eq!(is_below, value(&a) < value(&b));
        if !is_below {
            assert_eq!(value(&difference), value(&a) - value(&b));
        }
        let n = a.plus(&Limbs::one());
        assert_eq!(value(&a.doubled(&n)), (value(&a) * 2_u8) % value(&n));
        assert_eq!(a.below(&n), Some(a));
        assert_eq!(n.below(&n), Some(Limbs::ZERO));
        assert_eq!(n.plus(&a).below(&n), Some(a));
        assert_eq!(n.plus(&n).below(&n), None);
    }
}

/// The round of carries that almost never comes: every limb that makes, passes or takes one.
#[test]
fn carries_go_as_far_as_they_must() {
    let mut random = Random(3);
    let full = LIMB_MASK;
    for engine in engines() {
        for round in 0..3000 {
            let mut columns = Limbs::<5>::ZERO;
            for column in columns.0.as_flattened_mut().iter_mut().take(39) {
                *column = match random.below(6) {
                    0 => full,
                    1 => full + 1,
                    2 => full - 1,
                    3 => full + random.word() % 4096,
                    4 => random.word() >> 4,
                    _ => 0,
                };
                if round % 3 == 0 && random.below(4) > 0 {
                    *column = full;
                }
            }
            let carried = engine.carried(&columns);
            assert_eq!(value(&carried), value(&columns), "{engine:?}");
            assert!(carried.iter().all(|limb| limb <= LIMB_MASK), "{engine:?}");
        }
    }
}

#[test]
fn the_length_of_bytes() {
    assert_eq!(bytes(&BigUint::from(258_u32), 4), [0, 0, 1, 2]);
}
