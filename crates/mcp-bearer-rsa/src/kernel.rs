macro_rules! kernel {
    ($lanes:path, $(#[$features:meta])*) => {
        use $lanes as lanes;
        use lanes::Lanes;
        use crate::certificate::Prime;
        use crate::key::Modulus;
        use crate::limbs::{LIMB_MASK, Limbs};
        use crate::words;

        type Wide<const V: usize> = [[Lanes; V]; 2];

        /// a^2
        #[inline]
        $(#[$features])*
        fn square<const V: usize>(number: &Limbs<V>) -> Wide<V> {
            let mut sums = [[lanes::zero(); V]; 2];
            let a = loaded(number);
            for lane in (0..8).rev() {
                let above = 0xfe << lane;
                let at = sums.as_flattened_mut();
                for q in 0..V {
                    let b = lanes::splat(number.0[q][lane]);
                    for k in 0..V {
                        if k == q {
                            at[q + k] = lanes::add_high_where(above, at[q + k], a[k], b);
                        } else if k > q {
                            at[q + k] = lanes::add_high(at[q + k], a[k], b);
                        }
                    }
                }
                one_up(&mut sums);
                let at = sums.as_flattened_mut();
                for q in 0..V {
                    let b = lanes::splat(number.0[q][lane]);
                    for k in 0..V {
                        if k == q {
                            at[q + k] = lanes::add_low_where(above, at[q + k], a[k], b);
                        } else if k > q {
                            at[q + k] = lanes::add_low(at[q + k], a[k], b);
                        }
                    }
                }
            }
            let at = sums.as_flattened_mut();
            for k in 0..V {
                let low = lanes::add_low(lanes::zero(), a[k], a[k]);
                let high = lanes::add_high(lanes::zero(), a[k], a[k]);
                at[2 * k] = lanes::add(lanes::add(at[2 * k], at[2 * k]), lanes::interleave_lower(low, high));
                at[2 * k + 1] = lanes::add(lanes::add(at[2 * k + 1], at[2 * k + 1]), lanes::interleave_upper(low, high));
            }
            sums
        }

        #[inline]
        $(#[$features])*
        fn loaded<const V: usize>(number: &Limbs<V>) -> [Lanes; V] {
            let mut out = [lanes::zero(); V];
            for k in 0..V {
                out[k] = lanes::load(&number.0[k]);
            }
            out
        }

        #[inline]
        $(#[$features])*
        fn multiply<const V: usize>(a: &Limbs<V>, b: &Limbs<V>) -> Wide<V> {
            let mut sums = [[lanes::zero(); V]; 2];
            let a = loaded(a);
            for lane in (0..8).rev() {
                let at = sums.as_flattened_mut();
                for q in 0..V {
                    let b = lanes::splat(b.0[q][lane]);
                    for k in 0..V {
                        at[q + k] = lanes::add_high(at[q + k], a[k], b);
                    }
                }
                one_up(&mut sums);
                let at = sums.as_flattened_mut();
                for q in 0..V {
                    let b = lanes::splat(b.0[q][lane]);
                    for k in 0..V {
                        at[q + k] = lanes::add_low(at[q + k], a[k], b);
                    }
                }
            }
            sums
        }

        #[inline]
        $(#[$features])*
        fn one_up<const V: usize>(sums: &mut Wide<V>) {
            let mut below = lanes::zero();
            for sum in sums.as_flattened_mut() {
                let this = *sum;
                *sum = lanes::window::<7>(below, this);
                below = this;
            }
        }

        #[inline]
        $(#[$features])*
        fn shifted_down<const N: i32, const V: usize>(low: &[Lanes; V], then: Lanes) -> [Lanes; V] {
            let mut out = [lanes::zero(); V];
            let mut above = then;
            for (to, from) in out.iter_mut().zip(low).rev() {
                *to = lanes::window::<N>(*from, above);
                above = *from;
            }
            out
        }

        /// Montgomery reduction
        #[inline]
        $(#[$features])*
        fn reduce<const V: usize>(sums: &Wide<V>, key: &Modulus<V>) -> (Limbs<V>, Limbs<V>) {
            let [low, high] = sums;
            let [mut c0, mut c1, mut c2, mut c3, ..] = lanes::store(low[0]);
            let mut window = shifted_down::<4, V>(low, high[0]);
            let [n0, n1, n2] = key.friendly.low;
            let mut quotient = Limbs::ZERO;
            let (pairs, _) = quotient.0.as_flattened_mut().as_chunks_mut::<2>();
            let Some((last, pairs)) = pairs.split_last_mut() else { return (Limbs::ZERO, Limbs::ZERO) };
            for pair in pairs {
                let u = c0;
                let y = c0 << 12;
                c1 = c1.wrapping_add(c0 >> 52).wrapping_add(c0.wrapping_mul(n0) & LIMB_MASK);
                let v = c1;
                let z = c1 << 12;
                let (_, h0) = words::multiply(y, n0);
                let (l1, h1) = words::multiply(y, n1);
                let l2 = y.wrapping_mul(n2);
                c2 = c2.wrapping_add(h0).wrapping_add(l1 >> 12);
                c0 = c2.wrapping_add(c1 >> 52).wrapping_add(c1.wrapping_mul(n0) & LIMB_MASK);
                let (_, h0) = words::multiply(z, n0);
                let l1 = z.wrapping_mul(n1);
                c1 = c3.wrapping_add(h1).wrapping_add(l2 >> 12).wrapping_add(h0).wrapping_add(l1 >> 12);
                *pair = [u, v];
                let (y, z) = (lanes::splat(u), lanes::splat(v));
                for k in 0..V {
                    let more = lanes::add_low(lanes::zero(), lanes::load(&key.friendly.from_3.0[k]), y);
                    let more = lanes::add_high(more, lanes::load(&key.friendly.from_2.0[k]), y);
                    let more = lanes::add_low(more, lanes::load(&key.friendly.from_2.0[k]), z);
                    let more = lanes::add_high(more, lanes::load(&key.friendly.from_1.0[k]), z);
                    window[k] = lanes::add(window[k], more);
                }
                c2 = lanes::first(window[0]);
                c3 = lanes::second(window[0]);
                window = shifted_down::<2, V>(&window, lanes::zero());
            }
            let [n0, n1, n2, n3] = key.n_low;
            {
                let pair = last;
                let y = c0.wrapping_mul(key.k12);
                let carry = c0.wrapping_add(LIMB_MASK) >> 52;
                let (_, h0) = words::multiply(y, n0);
                let (l1, h1) = words::multiply(y, n1);
                let (l2, h2) = words::multiply(y, n2);
                let l3 = y.wrapping_mul(n3);
                c1 = c1.wrapping_add(carry).wrapping_add(h0).wrapping_add(l1 >> 12);
                let z = c1.wrapping_mul(key.k12);
                let carry = c1.wrapping_add(LIMB_MASK) >> 52;
                c2 = c2.wrapping_add(h1).wrapping_add(l2 >> 12);
                c3 = c3.wrapping_add(h2).wrapping_add(l3 >> 12);
                let (_, h0) = words::multiply(z, n0);
                let (l1, h1) = words::multiply(z, n1);
                let l2 = z.wrapping_mul(n2);
                c0 = c2.wrapping_add(carry).wrapping_add(h0).wrapping_add(l1 >> 12);
                c1 = c3.wrapping_add(h1).wrapping_add(l2 >> 12);
                *pair = [y >> 12, z >> 12];
                let (y, z) = (lanes::splat(y >> 12), lanes::splat(z >> 12));
                for k in 0..V {
                    window[k] = lanes::add_low(window[k], lanes::load(&key.n_from_4.0[k]), y);
                    window[k] = lanes::add_high(window[k], lanes::load(&key.n_from_3.0[k]), y);
                    window[k] = lanes::add_low(window[k], lanes::load(&key.n_from_3.0[k]), z);
                    window[k] = lanes::add_high(window[k], lanes::load(&key.n_from_2.0[k]), z);
                }
                c2 = lanes::first(window[0]);
                c3 = lanes::second(window[0]);
                window = shifted_down::<2, V>(&window, lanes::zero());
            }
            let rest = shifted_down::<4, V>(high, lanes::zero());
            for (sum, more) in window.iter_mut().zip(&rest) {
                *sum = lanes::add(*sum, *more);
            }
            let mut below = lanes::load(&[0, 0, 0, 0, c0, c1, c2, c3]);
            for sum in &mut window {
                let this = *sum;
                *sum = lanes::window::<4>(below, this);
                below = this;
            }
            (carried(&window), quotient)
        }

        #[inline]
        $(#[$features])*
        fn carried<const V: usize>(sums: &[Lanes; V]) -> Limbs<V> {
            let full = lanes::splat(LIMB_MASK);
            let mut out = *sums;
            let mut over = lanes::zero();
            let mut rows = [[0; 8]; V];
            for i in 0..V {
                let below = if i == 0 { lanes::zero() } else { lanes::above_52(sums[i - 1]) };
                let above = lanes::above_52(sums[i]);
                out[i] = lanes::add(lanes::and(sums[i], full), lanes::window::<7>(below, above));
                over = lanes::or(over, out[i]);
                rows[i] = lanes::store(out[i]);
            }
            if lanes::greater(over, full) == 0 {
                return Limbs(rows);
            }
            Limbs(carried_slowly(&out))
        }

        #[inline(never)]
        #[cold]
        $(#[$features])*
        fn carried_slowly<const V: usize>(out: &[Lanes; V]) -> [crate::limbs::Row; V] {
            let full = lanes::splat(LIMB_MASK);
            let (mut makes, mut passes) = (0_u128, 0_u128);
            for i in 0..V {
                makes |= u128::from(lanes::greater(out[i], full)) << (8 * i);
                passes |= u128::from(lanes::equal(out[i], full)) << (8 * i);
            }
            let takes = passes.wrapping_add(makes << 1) ^ passes;
            let one = lanes::splat(1);
            let mut rows = [[0; 8]; V];
            let masks = takes.to_le_bytes();
            for i in 0..V {
                rows[i] = lanes::store(lanes::and(lanes::add_where(masks[i], out[i], one), full));
            }
            rows
        }

        $(#[$features])*
        #[inline]
        fn dot<const V: usize>(prime: &Prime, weights: &Limbs<V>, number: &Limbs<V>) -> u64 {
            let (mut low, mut high) = (lanes::zero(), lanes::zero());
            for k in 0..V {
                let (row, weights) = (lanes::load(&number.0[k]), lanes::load(&weights.0[k]));
                low = lanes::add_low(low, row, weights);
                high = lanes::add_high(high, row, weights);
            }
            prime.residue(u128::from(lanes::sum(low)) + (u128::from(lanes::sum(high)) << 52))
        }

        $(#[$features])*
        pub(crate) fn chain<const V: usize>(key: &Modulus<V>, a: &Limbs<V>, b: &Limbs<V>, squarings: u32, last: Option<&Limbs<V>>) -> Option<Limbs<V>> {
            let certificate = &key.certificate;
            let prime = &certificate.prime;
            let mut good = true;
            let mut x = *a;
            let mut by = b;
            let mut rx = dot(prime, &certificate.weights, &x);
            for step in 0..=squarings + u32::from(last.is_some()) {
                let squares = step != 0 && step <= squarings;
                if step > squarings && let Some(last) = last { by = last; }
                let (sums, ry) = if squares { (square(&x), rx) } else {
                    (multiply(&x, by), dot(prime, &certificate.weights, by))
                };
                let (y, m) = reduce(&sums, key);
                let rm = dot(prime, &certificate.quotient_weights, &m);
                let r = dot(prime, &certificate.weights, &y);
                good &= certificate.holds((rx, ry), rm, r);
                (x, rx) = (y, r);
            }
            good.then_some(x)
        }

    };
}

pub(crate) mod emulated {
    kernel! { crate::lanes::emulated, }
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod ifma {
    kernel! { crate::lanes::ifma, #[target_feature(enable = "avx512f,avx512ifma,bmi2")] }
}
