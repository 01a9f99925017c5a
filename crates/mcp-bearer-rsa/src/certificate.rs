use crate::limbs::Limbs;
use crate::words;

pub(crate) struct Prime { pub(crate) p: u64, pub(crate) inverse: u64 }
impl Prime {
    pub(crate) fn new(p: u64) -> Self { Self { p, inverse: words::low((1_u128 << 113) / u128::from(p)) } }
    #[inline]
    pub(crate) fn residue(&self, z: u128) -> u64 {
        let (_, q) = words::multiply(words::low(z >> 49), self.inverse);
        let mut r = words::low(z).wrapping_sub(q.wrapping_mul(self.p));
        if r >= self.p { r = r.wrapping_sub(self.p); }
        if r >= self.p { r = r.wrapping_sub(self.p); }
        r
    }
}
pub(crate) struct Certificate<const V: usize> {
    pub(crate) prime: Prime,
    pub(crate) weights: Limbs<V>,
    pub(crate) quotient_weights: Limbs<V>,
    pub(crate) n: u64,
    pub(crate) r: u64,
}
impl<const V: usize> Certificate<V> {
    #[inline]
    pub(crate) fn holds(&self, (a, b): (u64, u64), m: u64, x: u64) -> bool {
        let left = u128::from(a) * u128::from(b) + u128::from(m) * u128::from(self.n);
        let right = u128::from(x) * u128::from(self.r);
        self.prime.residue(left) == self.prime.residue(right)
    }
}
