//! Powers compared with those of a big-number library, for moduli and signatures chosen to be hard.

use num_bigint::BigUint;

use crate::engine::Engine;
use crate::modulus::Modulus;
use crate::prime::Prime;

/// The engines of this processor. Prints which, because without IFMA only the emulation runs.
pub(super) fn engines() -> Vec<Engine> {
    let engines: Vec<Engine> = [Engine::Emulated]
        .into_iter()
        .chain(Engine::detect())
        .collect();
    println!("engines: {engines:?}");
    engines
}

/// A generator that returns the same numbers each time.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn word(&mut self) -> u64 {
        // SplitMix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.word() as u8).collect()
    }
}

pub(super) fn bytes(number: &BigUint, length: usize) -> Vec<u8> {
    let digits = number.to_bytes_be();
    let mut bytes = vec![0; length - digits.len()];
    bytes.extend(digits);
    bytes
}

fn power_of_two(exponent: usize) -> BigUint {
    BigUint::from(1_u8) << exponent
}

/// Odd numbers of exactly `bits` bits.
pub(super) fn moduli(bits: usize, random: &mut Random) -> Vec<BigUint> {
    let whole = power_of_two(bits);
    let half = power_of_two(bits - 1);
    let mut moduli = vec![
        // Close to the top: the smallest and largest of the friendly multiples, quotients of all
        // ones.
        &whole - 1_u8,
        &whole - 3_u8,
        &whole - power_of_two(52) + 1_u8,
        &whole - power_of_two(52) - 1_u8,
        &whole - power_of_two(bits / 2) - 1_u8,
        // Close to the bottom: top limb as small as it can be.
        &half + 1_u8,
        &half + 3_u8,
        &half + power_of_two(52) - 1_u8,
        &half + power_of_two(52) + 1_u8,
        // The lowest limb: 1, 2^52 - 1, 2^51 + 1, 2^51 - 1.
        &whole - power_of_two(208) + 1_u8,
        &half + power_of_two(208) - 1_u8,
        &half + power_of_two(104) + power_of_two(51) + 1_u8,
        &half + power_of_two(104) + power_of_two(51) - 1_u8,
    ];
    // One bit set in the middle, and one limb of all ones or of all zeros.
    for limb in [1, 2, 3, 4, 7, 8, 9, 15, 16, 30, 31, 32, 38, 39] {
        let at = 52 * limb;
        if at + 52 < bits {
            moduli.push(&half + power_of_two(at) + 1_u8);
            moduli.push(&half + ((power_of_two(52) - 1_u8) << at) + 1_u8);
            moduli.push(&whole - 1_u8 - ((power_of_two(52) - 1_u8) << at));
        }
    }
    // Limbs of all ones and of all zeros alternating, and random mixes of both and of noise.
    for pattern in [0x5555_5555_u64, 0xaaaa_aaaa, 0x3333_3333, 0x0f0f_0f0f] {
        let limbs = (0..bits / 52).filter(|limb| pattern >> (limb % 32) & 1 == 1);
        let body = limbs.fold(half.clone(), |body, limb| {
            body | ((power_of_two(52) - 1_u8) << (52 * limb))
        });
        moduli.push(body | BigUint::from(1_u8));
    }
    for _ in 0..8 {
        let body = (0..bits / 52).fold(half.clone(), |body, limb| {
            let digits = match random.below(3) {
                0 => 0,
                1 => (1 << 52) - 1,
                _ => random.word() >> 12,
            };
            body | (BigUint::from(digits) << (52 * limb))
        });
        moduli.push(body | BigUint::from(1_u8));
        moduli.push(
            (BigUint::from_bytes_be(&random.bytes(bits / 8)) % &half) | &half | BigUint::from(1_u8),
        );
    }
    moduli
}

/// Numbers below n.
fn signatures(n: &BigUint, bits: usize, random: &mut Random) -> Vec<BigUint> {
    let mut numbers: Vec<BigUint> = (0_u8..4).map(BigUint::from).collect();
    numbers.extend((1_u8..4).map(|less| n - less));
    numbers.push(n >> 1);
    numbers.push((n >> 1_u8) + 1_u8);
    // Powers of two: of each limb's lowest and highest bits, and of every hundredth.
    let exponents = (0..bits / 52).flat_map(|limb| [52 * limb, 52 * limb + 51]);
    let exponents = exponents
        .filter(|exponent| exponent % 7 < 2)
        .chain((0..bits).step_by(101));
    for exponent in exponents {
        numbers.push(power_of_two(exponent));
        numbers.push(power_of_two(exponent) - 1_u8);
        numbers.push(n - power_of_two(exponent) % n);
    }
    numbers.extend((0..10).map(|_| BigUint::from_bytes_be(&random.bytes(bits / 8))));
    // Limbs of all ones and of all zeros.
    numbers.extend((0..10).map(|_| {
        (0..bits / 52).fold(BigUint::ZERO, |number, limb| {
            let digits = if random.below(2) == 0 {
                0
            } else {
                (1_u64 << 52) - 1
            };
            number | (BigUint::from(digits) << (52 * limb))
        })
    }));
    numbers.into_iter().filter(|number| number < n).collect()
}

fn powers_are_right<const V: usize>(bits: usize, every: usize) {
    let mut random = Random(bits as u64);
    let exponent = BigUint::from(65537_u32);
    let mut tried = 0;
    for n in moduli(bits, &mut random) {
        let n_bytes = bytes(&n, bits / 8);
        let keys: Vec<_> = engines()
            .into_iter()
            .map(|engine| (engine, Modulus::<V>::new(engine, &n_bytes).unwrap()))
            .collect();
        for s in signatures(&n, bits, &mut random).into_iter().step_by(every) {
            let want = bytes(&s.modpow(&exponent, &n), bits / 8);
            for (engine, modulus) in &keys {
                let mut got = vec![0; bits / 8];
                modulus
                    .recover(*engine, &bytes(&s, bits / 8), &mut got)
                    .unwrap();
                assert_eq!(got, want, "{engine:?} n = {n:x} s = {s:x}");
                tried += 1;
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}

#[test]
fn powers_are_right_2048() {
    powers_are_right::<5>(2048, 1);
}

#[test]
fn powers_are_right_3072() {
    powers_are_right::<8>(3072, 5);
}

#[test]
fn powers_are_right_4096() {
    powers_are_right::<10>(4096, 9);
}

/// A wrong prime harms only the certificate's strength, and the smallest and largest work.
#[test]
fn certificates_hold_with_any_prime() {
    let n = [0xff; 256];
    for p in [562_949_953_421_381, 1_125_899_906_842_597] {
        for engine in engines() {
            let prime = Prime::unproven(p);
            let modulus = Modulus::<5>::unchecked(engine, &n, prime).unwrap();
            assert!(modulus.is_right(engine));
        }
    }
}

/// All engines return the same limbs, not only the same number.
#[test]
fn engines_agree_on_limbs() {
    let Some(ifma) = Engine::detect() else {
        println!("no IFMA: nothing to compare");
        return;
    };
    let mut random = Random(7);
    for _ in 0..20 {
        let mut n = random.bytes(256);
        n[0] |= 0x80;
        n[255] |= 1;
        let modulus = Modulus::<5>::new(ifma, &n).unwrap();
        let numbers: Vec<_> = (0..2)
            .map(|_| crate::limbs::Limbs::<5>::from_bytes(&random.bytes(256)))
            .collect();
        let product = |engine: Engine| {
            let factor = modulus.certificate.weighed(engine, numbers[1]);
            engine.chain(&modulus, &mut numbers[0].clone(), &factor, 3, true)
        };
        assert!(product(ifma).is_some() && product(ifma) == product(Engine::Emulated));
    }
}
