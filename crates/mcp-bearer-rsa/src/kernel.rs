//! The kernel: certified Montgomery products. One source, compiled for the processor's instructions
//! and for their emulation.
//!
//! The names are those of the argument in the crate's documentation: columns, window, quotient.

macro_rules! kernel {
    ($lanes:path, $(#[$features:meta])*) => {
        use $lanes as lanes;

        use lanes::Lanes;

        use crate::low_columns;
        use crate::limbs::{LIMB_BITS, LIMB_MASK, Limbs};
        use crate::modulus::{Modulus, Multiple};
        use crate::product_certificate::Factor;

        /// Columns of a product: those below the number of limbs, and those above.
        type Wide<const V: usize> = [[Lanes; V]; 2];

        #[inline]
        $(#[$features])*
        fn loaded<const V: usize>(number: &Limbs<V>) -> [Lanes; V] {
            let mut rows = [lanes::zero(); V];
            for k in 0..V {
                rows[k] = lanes::load(&number.0[k]);
            }
            rows
        }

        /// Moves every column up by one; the highest must be zero before.
        #[inline]
        $(#[$features])*
        fn up_one<const V: usize>(columns: &mut Wide<V>) {
            let mut below = lanes::zero();
            for row in columns.as_flattened_mut() {
                let this = *row;
                *row = lanes::window::<7>(below, this);
                below = this;
            }
        }

        /// The columns without the lowest `N`, followed by those of `then`.
        #[inline]
        $(#[$features])*
        fn down<const N: i32, const V: usize>(columns: &[Lanes; V], then: Lanes) -> [Lanes; V] {
            let mut moved = [lanes::zero(); V];
            for k in 0..V {
                let above = if k + 1 < V { columns[k + 1] } else { then };
                moved[k] = lanes::window::<N>(columns[k], above);
            }
            moved
        }

        /// The columns of `a * b`.
        ///
        /// Limb `lane` of each row of `b` meets all rows of `a` at once. High halves belong one
        /// column up, so they are added before the move.
        #[inline]
        $(#[$features])*
        fn multiply<const V: usize>(a: &Limbs<V>, b: &Limbs<V>) -> Wide<V> {
            let mut sums = [[lanes::zero(); V]; 2];
            let a = loaded(a);
            for lane in (0..8).rev() {
                let sum = sums.as_flattened_mut();
                for q in 0..V {
                    let limb = lanes::splat(b.0[q][lane]);
                    for k in 0..V {
                        sum[q + k] = lanes::add_high(sum[q + k], a[k], limb);
                    }
                }
                up_one(&mut sums);
                let sum = sums.as_flattened_mut();
                for q in 0..V {
                    let limb = lanes::splat(b.0[q][lane]);
                    for k in 0..V {
                        sum[q + k] = lanes::add_low(sum[q + k], a[k], limb);
                    }
                }
            }
            sums
        }

        /// The columns of `a * a`: each product of two different limbs once and doubled, then the
        /// squares.
        #[inline]
        $(#[$features])*
        fn square<const V: usize>(number: &Limbs<V>) -> Wide<V> {
            let mut sums = [[lanes::zero(); V]; 2];
            let a = loaded(number);
            for lane in (0..8).rev() {
                // In its own row a limb meets those above it.
                let above = 0xfe << lane;
                let sum = sums.as_flattened_mut();
                for q in 0..V {
                    let limb = lanes::splat(number.0[q][lane]);
                    for k in 0..V {
                        if k == q {
                            sum[q + k] = lanes::add_high_where(above, sum[q + k], a[k], limb);
                        } else if k > q {
                            sum[q + k] = lanes::add_high(sum[q + k], a[k], limb);
                        }
                    }
                }
                up_one(&mut sums);
                let sum = sums.as_flattened_mut();
                for q in 0..V {
                    let limb = lanes::splat(number.0[q][lane]);
                    for k in 0..V {
                        if k == q {
                            sum[q + k] = lanes::add_low_where(above, sum[q + k], a[k], limb);
                        } else if k > q {
                            sum[q + k] = lanes::add_low(sum[q + k], a[k], limb);
                        }
                    }
                }
            }
            let sum = sums.as_flattened_mut();
            for k in 0..V {
                // The square of limb i belongs to columns 2i and 2i + 1.
                let low = lanes::add_low(lanes::zero(), a[k], a[k]);
                let high = lanes::add_high(lanes::zero(), a[k], a[k]);
                let (even, odd) = (2 * k, 2 * k + 1);
                sum[even] = lanes::add(sum[even], sum[even]);
                sum[even] = lanes::add(sum[even], lanes::interleave_lower(low, high));
                sum[odd] = lanes::add(sum[odd], sum[odd]);
                sum[odd] = lanes::add(sum[odd], lanes::interleave_upper(low, high));
            }
            sums
        }

        /// What two limbs of the quotient add to columns 4 and above. The sum begins at zero, so
        /// that the long chain is one addition and one move per pair, with the multiplications
        /// beside it.
        #[inline]
        $(#[$features])*
        fn add_multiple<const V: usize>(window: &mut [Lanes; V], rows: &[Limbs<V>; 3], limbs: [u64; 2]) {
            let (y, z) = (lanes::splat(limbs[0]), lanes::splat(limbs[1]));
            for k in 0..V {
                let middle = lanes::load(&rows[1].0[k]);
                let more = lanes::add_low(lanes::zero(), lanes::load(&rows[2].0[k]), y);
                let more = lanes::add_high(more, middle, y);
                let more = lanes::add_low(more, middle, z);
                let more = lanes::add_high(more, lanes::load(&rows[0].0[k]), z);
                window[k] = lanes::add(window[k], more);
            }
        }

        /// Montgomery reduction of columns: their sum plus what the quotient adds, over R.
        ///
        /// Both results are written in place: each move through memory would be part of the long
        /// chain.
        #[inline]
        $(#[$features])*
        fn reduce<const V: usize>(
            [low, high]: &Wide<V>,
            modulus: &Modulus<V>,
            product: &mut Limbs<V>,
            quotient: &mut Limbs<V>,
        ) {
            let [mut c0, mut c1, mut c2, mut c3, ..] = lanes::store(low[0]);
            let mut window = down::<4, V>(low, high[0]);
            let (pairs, _) = quotient.0.as_flattened_mut().as_chunks_mut::<2>();
            let last = pairs.len().saturating_sub(1);
            let (friendly, plain): (&Multiple<V>, &Multiple<V>) = (&modulus.friendly, &modulus.plain);
            for pair in &mut pairs[..last] {
                let (columns, limbs) = low_columns::friendly([c0, c1, c2, c3], &friendly.lowest);
                *pair = limbs;
                add_multiple(&mut window, &friendly.rows, limbs);
                ([c0, c1], [c2, c3]) = (columns, lanes::first_two(window[0]));
                window = down::<2, V>(&window, lanes::zero());
            }
            for pair in &mut pairs[last..] {
                let (columns, limbs) = low_columns::plain([c0, c1, c2, c3], &plain.lowest, modulus.k);
                *pair = limbs;
                add_multiple(&mut window, &plain.rows, limbs);
                ([c0, c1], [c2, c3]) = (columns, lanes::first_two(window[0]));
                window = down::<2, V>(&window, lanes::zero());
            }
            let rest = down::<4, V>(high, lanes::zero());
            let mut below = lanes::load(&[0, 0, 0, 0, c0, c1, c2, c3]);
            for k in 0..V {
                let this = lanes::add(window[k], rest[k]);
                window[k] = lanes::window::<4>(below, this);
                below = this;
            }
            carry(&window, product);
        }

        /// Columns as limbs. One round of carries is almost always enough; no secret depends on
        /// whether it was.
        #[inline]
        $(#[$features])*
        fn carry<const V: usize>(columns: &[Lanes; V], limbs: &mut Limbs<V>) {
            let full = lanes::splat(LIMB_MASK);
            let mut below = lanes::zero();
            let mut any = lanes::zero();
            for k in 0..V {
                let over = lanes::above_limb(columns[k]);
                let row = lanes::add(lanes::and(columns[k], full), lanes::window::<7>(below, over));
                any = lanes::or(any, row);
                limbs.0[k] = lanes::store(row);
                below = over;
            }
            if lanes::greater(any, full) != 0 {
                carry_far(limbs);
            }
        }

        /// The remaining carries. A limb above 2^52 - 1 makes one, a limb of 2^52 - 1 passes one
        /// on: adding the two masks finds all limbs that take one.
        #[cold]
        #[inline(never)]
        $(#[$features])*
        fn carry_far<const V: usize>(limbs: &mut Limbs<V>) {
            let full = lanes::splat(LIMB_MASK);
            let (mut makes, mut passes) = (0_u128, 0_u128);
            for k in 0..V {
                let row = lanes::load(&limbs.0[k]);
                makes |= u128::from(lanes::greater(row, full)) << (8 * k);
                passes |= u128::from(lanes::equal(row, full)) << (8 * k);
            }
            let takes = (passes.wrapping_add(makes << 1) ^ passes).to_le_bytes();
            for k in 0..V {
                let row = lanes::add_where(takes[k], lanes::load(&limbs.0[k]), lanes::splat(1));
                limbs.0[k] = lanes::store(lanes::and(row, full));
            }
        }

        /// The sum of limbs times weights: below 2^109.
        #[inline]
        $(#[$features])*
        fn weighed<const V: usize>(weights: &Limbs<V>, number: &Limbs<V>) -> u128 {
            let (mut low, mut high) = (lanes::zero(), lanes::zero());
            for k in 0..V {
                let (row, weights) = (lanes::load(&number.0[k]), lanes::load(&weights.0[k]));
                low = lanes::add_low(low, row, weights);
                high = lanes::add_high(high, row, weights);
            }
            let [low, high] = lanes::sums(low, high).map(u128::from);
            low.wrapping_add(high << LIMB_BITS)
        }

        #[cfg(test)]
        $(#[$features])*
        pub(crate) fn carried<const V: usize>(columns: &Limbs<V>) -> Limbs<V> {
            let mut limbs = Limbs::ZERO;
            carry(&loaded(columns), &mut limbs);
            limbs
        }

        /// [`Engine::weigh`](crate::engine::Engine::weigh)
        $(#[$features])*
        pub(crate) fn weigh<const V: usize>(weights: &Limbs<V>, number: &Limbs<V>) -> u128 {
            weighed(weights, number)
        }

        /// [`Engine::chain`](crate::engine::Engine::chain)
        $(#[$features])*
        pub(crate) fn chain<const V: usize>(
            modulus: &Modulus<V>,
            a: &mut Limbs<V>,
            b: &Factor<V>,
            squarings: u32,
            ends_with_a: bool,
        ) -> Option<Limbs<V>> {
            let certificate = &modulus.certificate;
            let residue_of = |number: &Limbs<V>| certificate.prime.residue(weighed(&certificate.numbers, number));
            let (mut x, mut quotient) = (*a, Limbs::ZERO);
            let mut residue_of_a = 0;
            let mut factors = (0, 0);
            let mut all_hold = true;
            // Only one place multiplies and one squares, so that the compiler keeps columns in
            // registers.
            for step in 0..=squarings.saturating_add(u32::from(ends_with_a)) {
                let is_last = step > squarings;
                let factor = if is_last { &*a } else { &b.number };
                let multiplies = step == 0 || is_last;
                let columns = if multiplies { multiply(&x, factor) } else { square(&x) };
                // The previous product is checked only here, where its quotient has arrived in
                // memory and nothing waits for the answer.
                let residue = residue_of(&x);
                let other = if step == 0 {
                    residue_of_a = residue;
                    b.residue
                } else {
                    all_hold &= certificate.holds(factors, weighed(&certificate.quotients, &quotient), residue);
                    // The memory of `a` is not weighed again: a change since would go unnoticed.
                    if is_last { residue_of_a } else { residue }
                };
                factors = (residue, other);
                reduce(&columns, modulus, &mut x, &mut quotient);
                lanes::disturb(&mut x.0, &mut quotient.0, &mut a.0);
            }
            all_hold &= certificate.holds(factors, weighed(&certificate.quotients, &quotient), residue_of(&x));
            all_hold.then_some(x)
        }
    };
}

#[expect(
    clippy::indexing_slicing,
    reason = "loops over registers are unrolled: every index is a constant, and none is out of bounds"
)]
pub(crate) mod emulated {
    kernel! { crate::lanes::emulated, }
}

#[cfg(target_arch = "x86_64")]
#[expect(
    clippy::indexing_slicing,
    reason = "loops over registers are unrolled: every index is a constant, and none is out of bounds"
)]
pub(crate) mod ifma {
    kernel! { crate::lanes::ifma, #[target_feature(enable = "avx512f,avx512ifma,bmi2")] }
}

#[cfg(test)]
pub(crate) mod faulty {
    kernel! { crate::lanes::faulty, }
}
