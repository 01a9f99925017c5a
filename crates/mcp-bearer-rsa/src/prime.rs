//! The prime of a certificate, drawn at random, and residues modulo it.

use crate::words;

/// A prime of exactly 50 bits, which nobody outside the process knows.
#[derive(Clone, Copy)]
pub(crate) struct Prime {
    p: u64,
    /// 2^113 / p, rounded down: below 2^64, because p is above 2^49.
    inverse: u64,
}

/// How many numbers are tried. One in 17 odd numbers of 50 bits is prime, so this many fail with a
/// probability of less than 10^-200 while the generator works.
const TRIES: usize = 10_000;

/// Miller and Rabin's test with these bases makes no mistake below 3.8 * 10^18 (Jiang and Deng,
/// 2014).
const BASES: [u64; 9] = [2, 3, 5, 7, 11, 13, 17, 19, 23];

impl Prime {
    /// Draws one, each with the same probability: odd numbers of 50 bits from the system's
    /// generator until one is prime.
    pub(crate) fn draw() -> Option<Self> {
        let mut random = [0; 512];
        for _ in 0..TRIES.div_ceil(random.len() / 8) {
            getrandom::fill(&mut random).ok()?;
            let (words, _) = random.as_chunks::<8>();
            let candidates = words.iter().map(|bytes| {
                let free = u64::from_le_bytes(*bytes) >> 16;
                Self::unproven(1 << 49 | free << 1 | 1)
            });
            if let Some(prime) = candidates.into_iter().find(Self::is_prime) {
                return Some(prime);
            }
        }
        None
    }

    /// `p` must be between 2^49 and 2^50.
    pub(crate) fn unproven(p: u64) -> Self {
        let inverse = words::low((1_u128 << 113) / u128::from(p.max(1 << 49)));
        Self { p, inverse }
    }

    pub(crate) fn get(self) -> u64 {
        self.p
    }

    /// `number` modulo p, for numbers below 2^113 (Barrett's reduction).
    ///
    /// The estimate of the quotient is at most 2 too small: `number >> 49` loses less than 2^49 / p
    /// < 1 of it, and the rounded inverse less than number / 2^113 <= 1. So two subtractions are
    /// enough.
    #[inline]
    pub(crate) fn residue(&self, number: u128) -> u64 {
        let (_, quotient) = words::multiply(words::low(number >> 49), self.inverse);
        let rest = words::low(number).wrapping_sub(quotient.wrapping_mul(self.p));
        self.less(self.less(rest))
    }

    #[inline]
    fn less(&self, number: u64) -> u64 {
        if number >= self.p {
            number.wrapping_sub(self.p)
        } else {
            number
        }
    }

    #[inline]
    pub(crate) fn product(&self, a: u64, b: u64) -> u64 {
        self.residue(u128::from(a) * u128::from(b))
    }

    /// The residue of big-endian bytes, one by one and by division: the plain method, which shares
    /// nothing with the kernel.
    pub(crate) fn plain_residue(&self, bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |residue, byte| {
            // Below 2^50 * 2^8.
            (residue << 8 | u64::from(*byte)) % self.p
        })
    }

    fn is_prime(&self) -> bool {
        let exponent = (self.p - 1) >> (self.p - 1).trailing_zeros();
        BASES.iter().all(|base| {
            !self.p.is_multiple_of(*base)
                && self.is_witnessed(self.power(*base, exponent), exponent)
        })
    }

    /// Whether `power`, squared until the exponent is p - 1, is as it is for primes.
    fn is_witnessed(&self, mut power: u64, mut exponent: u64) -> bool {
        if power == 1 {
            return true;
        }
        while exponent < self.p - 1 {
            if power == self.p - 1 {
                return true;
            }
            power = self.product(power, power);
            exponent <<= 1;
        }
        false
    }

    fn power(&self, base: u64, exponent: u64) -> u64 {
        let bits = (0..u64::BITS - exponent.leading_zeros()).rev();
        bits.fold(1, |power, bit| {
            let square = self.product(power, power);
            if exponent >> bit & 1 == 1 {
                self.product(square, base)
            } else {
                square
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_prime_by_division(n: u64) -> bool {
        (2..)
            .take_while(|d| d * d <= n)
            .all(|d| !n.is_multiple_of(d))
    }

    #[test]
    fn primes_are_what_trial_division_finds() {
        // The ends of the range, and a stretch in its middle.
        for from in [(1 << 49) + 1, (1 << 49) + 0x5555_5555_5555, (1 << 50) - 201] {
            for p in (from..from + 100).step_by(2) {
                assert_eq!(
                    Prime::unproven(p).is_prime(),
                    is_prime_by_division(p),
                    "{p}"
                );
            }
        }
    }

    #[test]
    fn strong_pseudoprimes_and_carmichael_numbers_are_refused() {
        // Psi(5), psi(6) and psi(7) of OEIS A014233 that have 50 bits or fewer are below the range;
        // these are products of two primes q and 2q - 1, the form that most of them have, and of
        // three.
        let mut tried = 0;
        for q in (16_777_259..16_800_000_u64)
            .step_by(2)
            .filter(|q| is_prime_by_division(*q))
        {
            let other = 2 * q - 1;
            let n = q * other;
            if n > 1 << 49 && n < 1 << 50 && is_prime_by_division(other) {
                assert!(!Prime::unproven(n).is_prime(), "{n}");
                tried += 1;
            }
        }
        for k in 13_000..14_000_u64 {
            let (a, b, c) = (6 * k + 1, 12 * k + 1, 18 * k + 1);
            let n = a * b * c;
            if n > 1 << 49 && n < 1 << 50 && [a, b, c].into_iter().all(is_prime_by_division) {
                assert!(!Prime::unproven(n).is_prime(), "{n}");
                tried += 1;
            }
        }
        assert!(tried > 10, "{tried}");
    }

    #[test]
    fn drawn_numbers_are_primes_of_50_bits_and_differ() {
        let drawn: Vec<u64> = (0..50).map(|_| Prime::draw().unwrap().get()).collect();
        for p in &drawn {
            assert_eq!(u64::BITS - p.leading_zeros(), 50);
            assert!((2..100_000).all(|d| p % d != 0));
        }
        let mut unique = drawn.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), drawn.len());
    }

    #[test]
    fn residues_are_those_of_division() {
        let mut state = 1_u128;
        for p in [
            (1_u64 << 49) + 1,
            (1 << 49) + 69,
            1_125_899_906_842_597,
            (1 << 50) - 1,
        ] {
            let prime = Prime::unproven(p);
            let edges = (0..113).flat_map(|bit| {
                let power = 1_u128 << bit;
                let multiple = power - power % u128::from(p);
                [
                    power - 1,
                    power,
                    power + 1,
                    multiple,
                    multiple.saturating_sub(1),
                ]
            });
            let random = std::iter::repeat_with(|| {
                state = state
                    .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
                    .wrapping_add(1);
                state >> 15
            });
            for number in edges.chain([(1 << 113) - 1]).chain(random.take(10_000)) {
                assert_eq!(
                    u128::from(prime.residue(number)),
                    number % u128::from(p),
                    "{number} {p}"
                );
            }
        }
    }

    #[test]
    fn the_plain_residue_of_bytes() {
        let prime = Prime::unproven(1_125_899_906_842_597);
        let number = u128::MAX - 12_345;
        let want = words::low(number % 1_125_899_906_842_597);
        assert_eq!(prime.plain_residue(&number.to_be_bytes()), want);
        assert_eq!(prime.plain_residue(&[]), 0);
    }
}
