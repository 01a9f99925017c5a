//! What makes a product of the kernel worth belief: its identity, checked modulo a prime that nobody knows.

use aws_lc_rs::rand;

use crate::engine::Engine;
use crate::limbs::{LIMB_MASK, Limbs};
use crate::prime::Prime;

/// The prime of one key, and everything modulo it.
#[derive(Clone)]
pub(crate) struct Certificate<const V: usize> {
    pub(crate) prime: Prime,
    numbers: Limbs<V>,
    quotients: Limbs<V>,
    n: u64,
    r: u64,
    k: u64,
}

/// What a row of limbs stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weights {
    /// A number: limb i weighs 2^(52 i).
    OfNumbers,
    /// The quotient of a reduction: all limbs but the last two weigh k times as much, because they multiply `k * n`.
    OfQuotients,
}

/// How many random numbers the self-test weighs, besides the fixed ones.
const SAMPLES: usize = 64;

impl<const V: usize> Certificate<V> {
    /// `n` in bytes, big-endian; `k` is -1 / n modulo 2^52.
    pub(crate) fn new(prime: Prime, n: &[u8], k: u64) -> Self {
        let base = prime.residue(1 << 52);
        let mut power = 1;
        let numbers = Limbs::collect((0..Limbs::<V>::COUNT).map(|_| {
            let this = power;
            power = prime.product(power, base);
            this
        }));
        let k = prime.residue(u128::from(k));
        let friendly = Limbs::<V>::COUNT.saturating_sub(2);
        let quotients = numbers.iter().enumerate().map(|(i, weight)| {
            if i < friendly {
                prime.product(weight, k)
            } else {
                weight
            }
        });
        Self {
            prime,
            numbers,
            quotients: Limbs::collect(quotients),
            n: prime.plain_residue(n),
            r: power,
            k,
        }
    }

    pub(crate) fn weights(&self, weights: Weights) -> &Limbs<V> {
        match weights {
            Weights::OfNumbers => &self.numbers,
            Weights::OfQuotients => &self.quotients,
        }
    }

    /// Whether `a * b + m * n = x * R`, modulo the prime. All four are residues, below 2^50, so that no sum reaches 2^101.
    #[inline]
    pub(crate) fn holds(&self, a: u64, b: u64, m: u64, x: u64) -> bool {
        let left = u128::from(a) * u128::from(b) + u128::from(m) * u128::from(self.n);
        let right = u128::from(x) * u128::from(self.r);
        self.prime.residue(left) == self.prime.residue(right)
    }

    /// Whether the engine weighs right: `n`, `rr`, a number of all ones and 64 random ones, each with both weights,
    /// against plain arithmetic over their bytes.
    pub(crate) fn weighs_right(&self, engine: Engine, n: &Limbs<V>, rr: &Limbs<V>) -> bool {
        let ones = Limbs([[LIMB_MASK; 8]; V]);
        let fixed = [*n, *rr, ones].into_iter().map(Some);
        let random = (0..SAMPLES).map(|_| random_number());
        fixed.chain(random).all(|number| {
            number.is_some_and(|number| {
                [Weights::OfNumbers, Weights::OfQuotients]
                    .into_iter()
                    .all(|weights| {
                        let plain = self.weigh_plainly(weights, &number);
                        plain == Some(engine.weigh(self, weights, &number))
                    })
            })
        })
    }

    /// The same by bytes and division.
    fn weigh_plainly(&self, weights: Weights, number: &Limbs<V>) -> Option<u64> {
        match weights {
            Weights::OfNumbers => self.residue_of_bytes(number),
            Weights::OfQuotients => {
                let friendly = Limbs::<V>::COUNT.saturating_sub(2);
                let low = Limbs::collect(number.iter().take(friendly));
                let (high, _) = number.minus(&low);
                let low = u128::from(self.residue_of_bytes(&low)?);
                let high = u128::from(self.residue_of_bytes(&high)?);
                let p = u128::from(self.prime.get());
                u64::try_from((low * u128::from(self.k) + high) % p).ok()
            }
        }
    }

    fn residue_of_bytes(&self, number: &Limbs<V>) -> Option<u64> {
        // 416 bits, or 52 bytes, for each row.
        let mut bytes = [[0; 52]; V];
        let bytes = bytes.as_flattened_mut();
        number
            .to_bytes(bytes)
            .then(|| self.prime.plain_residue(bytes))
    }
}

/// Limbs of 52 random bits each.
fn random_number<const V: usize>() -> Option<Limbs<V>> {
    let mut bytes = [[0; 64]; V];
    rand::fill(bytes.as_flattened_mut()).ok()?;
    let (words, _) = bytes.as_flattened().as_chunks::<8>();
    Some(Limbs::collect(
        words
            .iter()
            .map(|word| u64::from_le_bytes(*word) & LIMB_MASK),
    ))
}
