//! What is checked when a key is made.

use super::big::{Random, engines};
use crate::engine::Engine;
use crate::key::PublicKey;
use crate::limbs::Limbs;
use crate::modulus::Modulus;
use crate::prime::Prime;

fn modulus<const V: usize>(engine: Engine, bytes: usize) -> Modulus<V> {
    let mut n = Random(21).bytes(bytes);
    n[0] |= 0x80;
    n[bytes - 1] |= 1;
    Modulus::unchecked(engine, &n, Prime::draw().unwrap()).unwrap()
}

#[test]
fn only_three_sizes_and_one_exponent_are_for_the_kernel() {
    let engine = Engine::Emulated;
    let e = [1, 0, 1];
    let whole = [0xff; 600];
    for bytes in 0..600 {
        let key = PublicKey::new(engine, &whole[..bytes], &e);
        assert_eq!(
            key.is_some(),
            [256, 384, 512].contains(&bytes),
            "{bytes} bytes"
        );
    }
    let n = &whole[..256];
    for other in [
        &[][..],
        &[3],
        &[17],
        &[1, 1],
        &[0, 1, 0, 1],
        &[1, 0, 0],
        &[1, 0, 3],
        &[1, 0, 0, 1],
    ] {
        assert!(PublicKey::new(engine, n, other).is_none(), "{other:?}");
    }
    let mut even = [0xff; 256];
    even[255] = 0xfe;
    assert!(PublicKey::new(engine, &even, &e).is_none());
    let mut short = [0xff; 256];
    short[0] = 0x7f;
    assert!(PublicKey::new(engine, &short, &e).is_none());
    short[0] = 0;
    assert!(PublicKey::new(engine, &short, &e).is_none());
    assert!(!crate::has_failed() && !crate::take_failure());
}

#[test]
fn zero_and_wrong_weights_are_caught() {
    for engine in engines() {
        weights_are_caught::<5>(engine, 256);
        weights_are_caught::<8>(engine, 384);
        weights_are_caught::<10>(engine, 512);
    }
}

fn weights_are_caught<const V: usize>(engine: Engine, bytes: usize) {
    let mut random = Random(22);
    let right = || modulus::<V>(engine, bytes);
    assert!(right().is_right(engine));
    let mut wrong = right();
    wrong.certificate.numbers = Limbs::ZERO;
    wrong.certificate.quotients = Limbs::ZERO;
    // With these a certificate proves nothing: anything passes.
    assert!(!wrong.is_right(engine));
    let mut wrong = right();
    wrong.certificate.numbers = Limbs::ZERO;
    assert!(!wrong.is_right(engine));
    let mut wrong = right();
    wrong.certificate.quotients = Limbs::ZERO;
    assert!(!wrong.is_right(engine));
    let mut wrong = right();
    wrong.rr.residue ^= 1;
    assert!(!wrong.is_right(engine));
    for limb in 0..8 * V {
        let bit = random.below(52);
        let mut wrong = right();
        wrong.certificate.numbers.0.as_flattened_mut()[limb] ^= 1 << bit;
        assert!(!wrong.is_right(engine), "limb {limb} bit {bit}");
        let mut wrong = right();
        wrong.certificate.quotients.0.as_flattened_mut()[limb] ^= 1 << bit;
        assert!(!wrong.is_right(engine), "limb {limb} bit {bit}");
    }
}

/// A wrong number for R^2 modulo n passes every certificate: only dividing by R twice finds it.
#[test]
fn a_wrong_r_squared_is_caught() {
    for engine in engines() {
        let right = modulus::<5>(engine, 256);
        for wrong_rr in [
            Limbs::ZERO,
            Limbs::one(),
            right.rr.number.doubled(&right.n),
            right.n,
        ] {
            let mut wrong = modulus::<5>(engine, 256);
            wrong.rr = wrong.certificate.plainly_weighed(wrong_rr).unwrap();
            let mut number = wrong_rr;
            assert!(
                engine
                    .chain(&wrong, &mut number, &wrong.rr, 2, false)
                    .is_some()
            );
            assert!(!wrong.is_right(engine));
        }
    }
}

/// What the kernel multiplies instead of n: a wrong one makes wrong products, which certificates
/// find.
#[test]
fn a_wrong_multiple_or_inverse_is_caught() {
    for engine in engines() {
        let mut random = Random(23);
        let caught = |change: &mut dyn FnMut(&mut Modulus<5>)| {
            let mut wrong = modulus::<5>(engine, 256);
            let (mut n, rr) = (wrong.n, wrong.rr.clone());
            assert!(engine.chain(&wrong, &mut n, &rr, 0, false).is_some());
            change(&mut wrong);
            let mut a = rr.number;
            engine.chain(&wrong, &mut a, &rr, 0, false).is_none() && !wrong.is_right(engine)
        };
        for row in 0..3 {
            for limb in 0..36 {
                let bit = random.below(52);
                assert!(caught(&mut |n| n.friendly.rows[row]
                    .0
                    .as_flattened_mut()[limb] ^= 1 << bit));
                assert!(caught(
                    &mut |n| n.plain.rows[row].0.as_flattened_mut()[limb] ^= 1 << bit
                ));
            }
        }
        for limb in 0..3 {
            assert!(caught(&mut |n| n.friendly.lowest[limb] ^= 1 << 17));
        }
        for limb in 0..4 {
            assert!(caught(&mut |n| n.plain.lowest[limb] ^= 1 << 17));
        }
        assert!(caught(&mut |n| n.k ^= 1 << 50));
    }
}

#[test]
fn debug_shows_no_prime() {
    let key = PublicKey::new(Engine::Emulated, &[0xff; 256], &[1, 0, 1]).unwrap();
    assert_eq!(
        format!("{key:?}"),
        "PublicKey { bits: 2048, engine: Emulated, .. }"
    );
    assert!(key.self_test());
}
