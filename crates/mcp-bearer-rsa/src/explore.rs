use num_bigint::BigUint;
use crate::certificate::*;
use crate::key::*;
use crate::limbs::*;
pub struct K<const V: usize>(Modulus<V>);
fn limbs<const V: usize>(x: &BigUint) -> Limbs<V> {
    let mut l = Limbs::ZERO; let mask = BigUint::from(LIMB_MASK);
    for (i, w) in l.0.as_flattened_mut().iter_mut().enumerate() { let d = (x >> (52*i)) & &mask; *w = d.iter_u64_digits().next().unwrap_or(0); }
    l
}
fn big<const V: usize>(l: &Limbs<V>) -> BigUint { l.0.as_flattened().iter().rev().fold(BigUint::from(0u8), |a, w| (a << 52) + *w) }
pub fn key<const V: usize>(n: &BigUint, p: u64) -> K<V> {
    let r = BigUint::from(1u8) << (52 * 8 * V);
    let rr = limbs::<V>(&((&r * &r) % n));
    let nl = limbs::<V>(n);
    let n0 = nl.0[0][0];
    let mut inv = 1u64; for _ in 0..6 { inv = inv.wrapping_mul(2u64.wrapping_sub(n0.wrapping_mul(inv))); }
    let k12 = inv.wrapping_neg() << 12;
    let kk = inv.wrapping_neg() & LIMB_MASK;
    let friendly: BigUint = (n * kk + 1u8) >> 52; assert_eq!(&friendly << 52, n * kk + 1u8);
    let fl = limbs::<V>(&friendly);
    let friendly = Friendly { from_1: limbs(&(&friendly >> 52)), from_2: limbs(&(&friendly >> 104)), from_3: limbs(&(&friendly >> 156)), low: [fl.0[0][0], fl.0[0][1], fl.0[0][2]] };
    let prime = Prime::new(p);
    let mut weights = Limbs::ZERO; let mut w = 1u128;
    for x in weights.0.as_flattened_mut() { *x = w as u64; w = (w << 52) % p as u128; }
    let mut quotient_weights = weights; for x in quotient_weights.0.as_flattened_mut().iter_mut().take(8 * V - 2) { *x = (*x as u128 * kk as u128 % p as u128) as u64; }
    let pb = BigUint::from(p);
    let md = |x: &BigUint| (x % &pb).iter_u64_digits().next().unwrap_or(0);
    let residue_rr = md(&big(&rr));
    let certificate = Certificate { prime, weights, quotient_weights, n: md(n), r: md(&r) };
    K(Modulus { n_from_2: limbs(&(n >> 104)), n_from_3: limbs(&(n >> 156)), n_from_4: limbs(&(n >> 208)), n_low: [n0, nl.0[0][1], nl.0[0][2], nl.0[0][3]], k12, friendly, rr, residue_rr, certificate })
}
pub fn run<const V: usize>(k: &K<V>, s: &BigUint) -> Option<BigUint> {
    let s = limbs(s);
    unsafe { crate::kernel::ifma::chain(&k.0, &s, &k.0.rr, 16, Some(&s)) }.map(|x| big(&x))
}
pub fn emu<const V: usize>(k: &K<V>, s: &BigUint) -> Option<BigUint> {
    crate::kernel::emulated::chain(&k.0, &limbs(s), &k.0.rr, 16, Some(&limbs(s))).map(|x| big(&x))
}
pub struct S<const V: usize>(Limbs<V>);
pub fn sig<const V: usize>(s: &BigUint) -> S<V> { S(limbs(s)) }
#[inline(never)]
pub fn raw<const V: usize>(k: &K<V>, s: &S<V>) -> bool { unsafe { crate::kernel::ifma::chain(&k.0, &s.0, &k.0.rr, 16, Some(&s.0)) }.is_some() }

