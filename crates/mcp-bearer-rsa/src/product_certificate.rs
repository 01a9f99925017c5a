//! The certificate of a product: its identity, checked modulo a secret prime.

use crate::engine::Engine;
use crate::limbs::{LIMB_MASK, Limbs};
use crate::prime::Prime;

/// The prime of one key, and everything modulo it.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Certificate<const V: usize> {
    pub(crate) prime: Prime,
    /// The weights of a number's limbs: limb i has 2^(52 i).
    pub(crate) numbers: Limbs<V>,
    /// The weights of a quotient's limbs: `n` times as much, and for all but the last two `k` times
    /// that, because they multiply `k * n`.
    pub(crate) quotients: Limbs<V>,
    /// Minus R.
    minus_r: u64,
}

/// A number with its residue. Whatever happens to the number in memory afterwards, a product with
/// it is certified only if it is the number that the residue was taken of.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Factor<const V: usize> {
    pub(crate) number: Limbs<V>,
    pub(crate) residue: u64,
}

impl<const V: usize> Factor<V> {
    pub(crate) const ZERO: Self = Self {
        number: Limbs::ZERO,
        residue: 0,
    };

    /// The number one.
    pub(crate) fn one() -> Self {
        Self {
            number: Limbs::one(),
            residue: 1,
        }
    }
}

/// How many random numbers the self-test weighs, in addition to the fixed ones.
const SAMPLES: usize = 64;

impl<const V: usize> Certificate<V> {
    /// Limbs of the quotient that multiply `k * n`.
    const FRIENDLY: usize = Limbs::<V>::COUNT.saturating_sub(2);

    /// `n` in bytes, big-endian; `k` is -1 / n modulo 2^52.
    pub(crate) fn new(prime: Prime, n: &[u8], k: u64) -> Self {
        let base = prime.residue(1 << 52);
        let mut power = 1;
        let numbers = Limbs::collect((0..Limbs::<V>::COUNT).map(|_| {
            let this = power;
            power = prime.product(power, base);
            this
        }));
        let n = prime.plain_residue(n);
        let k_times_n = prime.product(prime.residue(u128::from(k)), n);
        let quotients = numbers.iter().enumerate().map(|(limb, weight)| {
            prime.product(weight, if limb < Self::FRIENDLY { k_times_n } else { n })
        });
        Self {
            prime,
            numbers,
            quotients: Limbs::collect(quotients),
            minus_r: prime.get() - power,
        }
    }

    /// Whether `a * b + m * n = x * R`, modulo the prime. Three are given as residues, below 2^50,
    /// and `m * n` as the weight of a quotient, below 2^109.
    #[inline]
    pub(crate) fn holds(&self, (a, b): (u64, u64), m_times_n: u128, x: u64) -> bool {
        let left = u128::from(a)
            .wrapping_mul(u128::from(b))
            .wrapping_add(m_times_n);
        let minus_right = u128::from(x).wrapping_mul(u128::from(self.minus_r));
        self.prime.residue(left.wrapping_add(minus_right)) == 0
    }

    /// A number with its residue, which the engine weighs.
    pub(crate) fn weighed(&self, engine: Engine, number: Limbs<V>) -> Factor<V> {
        let residue = self.prime.residue(engine.weigh(&self.numbers, &number));
        Factor { number, residue }
    }

    /// A number with its residue, by bytes and by division. `None` if a limb has more than 52 bits.
    pub(crate) fn plainly_weighed(&self, number: Limbs<V>) -> Option<Factor<V>> {
        let residue = self.residue_of_bytes(&number)?;
        Some(Factor { number, residue })
    }

    /// Whether the engine weighs correctly: `n`, `rr`, a number of all ones and 64 random ones, as
    /// numbers and as quotients, against plain arithmetic over their bytes. And whether the residue
    /// of `rr` is still right.
    pub(crate) fn weighs_right(
        &self,
        engine: Engine,
        n: &Limbs<V>,
        rr: &Factor<V>,
        k: u64,
    ) -> bool {
        if self.residue_of_bytes(&rr.number) != Some(rr.residue) {
            return false;
        }
        let ones = Limbs([[LIMB_MASK; 8]; V]);
        let fixed = [*n, rr.number, ones].into_iter().map(Some);
        let random = (0..SAMPLES).map(|_| random_number());
        let Some(residue_of_n) = self.residue_of_bytes(n) else {
            return false;
        };
        fixed.chain(random).all(|sample| {
            sample.is_some_and(|sample| {
                let as_number = self.prime.residue(engine.weigh(&self.numbers, &sample));
                let as_quotient = self.prime.residue(engine.weigh(&self.quotients, &sample));
                self.residue_of_bytes(&sample) == Some(as_number)
                    && self.quotient_of_bytes(&sample, k, residue_of_n) == Some(as_quotient)
            })
        })
    }

    /// What a quotient adds, by bytes and by division.
    fn quotient_of_bytes(&self, quotient: &Limbs<V>, k: u64, residue_of_n: u64) -> Option<u64> {
        let low = Limbs::collect(quotient.iter().take(Self::FRIENDLY));
        let (high, _) = quotient.minus(&low);
        let low = u128::from(self.residue_of_bytes(&low)?);
        let high = u128::from(self.residue_of_bytes(&high)?);
        let p = u128::from(self.prime.get());
        u64::try_from((low * u128::from(k) + high) % p * u128::from(residue_of_n) % p).ok()
    }

    fn residue_of_bytes(&self, number: &Limbs<V>) -> Option<u64> {
        // 416 bits, or 52 bytes, per row.
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
    getrandom::fill(bytes.as_flattened_mut()).ok()?;
    let (words, _) = bytes.as_flattened().as_chunks::<8>();
    Some(Limbs::collect(
        words
            .iter()
            .map(|word| u64::from_le_bytes(*word) & LIMB_MASK),
    ))
}
