//! Eight lanes of 64 bits in one register: the processor's own instructions.

use core::arch::x86_64::{
    __m512i, _mm_add_epi64, _mm_cvtsi128_si64, _mm_extract_epi64, _mm256_add_epi64,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm512_add_epi64, _mm512_alignr_epi64,
    _mm512_and_si512, _mm512_castsi512_si128, _mm512_castsi512_si256, _mm512_cmpeq_epu64_mask,
    _mm512_cmpgt_epu64_mask, _mm512_extracti64x4_epi64, _mm512_madd52hi_epu64,
    _mm512_madd52lo_epu64, _mm512_mask_add_epi64, _mm512_mask_madd52hi_epu64,
    _mm512_mask_madd52lo_epu64, _mm512_or_si512, _mm512_permutex2var_epi64, _mm512_set1_epi64,
    _mm512_setr_epi64, _mm512_setzero_si512, _mm512_srli_epi64, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi64,
};

use crate::limbs::Row;

pub(crate) type Lanes = __m512i;

macro_rules! instructions {
    ($($(#[$doc:meta])* fn $name:ident $(<const $n:ident: i32>)? ($($arg:ident: $type:ty),*) -> $out:ty $body:block)*) => {$(
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = "avx512f,avx512ifma,bmi2")]
        pub(crate) fn $name $(<const $n: i32>)? ($($arg: $type),*) -> $out $body
    )*};
}

instructions! {
    fn zero() -> Lanes {
        _mm512_setzero_si512()
    }

    fn splat(word: u64) -> Lanes {
        _mm512_set1_epi64(word.cast_signed())
    }

    fn load(row: &Row) -> Lanes {
        bytemuck::cast(*row)
    }

    fn store(lanes: Lanes) -> Row {
        bytemuck::cast(lanes)
    }

    fn first_two(lanes: Lanes) -> [u64; 2] {
        let two = _mm512_castsi512_si128(lanes);
        [_mm_cvtsi128_si64(two).cast_unsigned(), _mm_extract_epi64::<1>(two).cast_unsigned()]
    }

    /// The sums of all lanes, of both at once.
    fn sums(a: Lanes, b: Lanes) -> [u64; 2] {
        // Sums of `a` and of `b` alternate.
        let eight = _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
        let four = _mm256_add_epi64(
            _mm512_castsi512_si256(eight),
            _mm512_extracti64x4_epi64::<1>(eight),
        );
        let two = _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256::<1>(four));
        [_mm_cvtsi128_si64(two).cast_unsigned(), _mm_extract_epi64::<1>(two).cast_unsigned()]
    }

    fn add(a: Lanes, b: Lanes) -> Lanes {
        _mm512_add_epi64(a, b)
    }

    fn add_where(mask: u8, a: Lanes, b: Lanes) -> Lanes {
        _mm512_mask_add_epi64(a, mask, a, b)
    }

    fn and(a: Lanes, b: Lanes) -> Lanes {
        _mm512_and_si512(a, b)
    }

    fn or(a: Lanes, b: Lanes) -> Lanes {
        _mm512_or_si512(a, b)
    }

    /// The bits above the 52 of a limb.
    fn above_limb(a: Lanes) -> Lanes {
        _mm512_srli_epi64::<52>(a)
    }

    fn greater(a: Lanes, b: Lanes) -> u8 {
        _mm512_cmpgt_epu64_mask(a, b)
    }

    fn equal(a: Lanes, b: Lanes) -> u8 {
        _mm512_cmpeq_epu64_mask(a, b)
    }

    /// Eight lanes from lane N on of `low`, followed by `high`.
    fn window<const N: i32>(low: Lanes, high: Lanes) -> Lanes {
        _mm512_alignr_epi64::<N>(high, low)
    }

    /// Lanes 0 to 3 of both, alternating.
    fn interleave_lower(a: Lanes, b: Lanes) -> Lanes {
        _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), b)
    }

    /// Lanes 4 to 7 of both, alternating.
    fn interleave_upper(a: Lanes, b: Lanes) -> Lanes {
        _mm512_permutex2var_epi64(a, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), b)
    }

    /// Adds the low 52 bits of products of the low 52 bits of each lane.
    fn add_low(sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
        _mm512_madd52lo_epu64(sum, a, b)
    }

    /// Adds the high 52 bits of those products.
    fn add_high(sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
        _mm512_madd52hi_epu64(sum, a, b)
    }

    fn add_low_where(mask: u8, sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
        _mm512_mask_madd52lo_epu64(sum, mask, a, b)
    }

    fn add_high_where(mask: u8, sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
        _mm512_mask_madd52hi_epu64(sum, mask, a, b)
    }
}

/// Does nothing: tests put faults in here.
#[inline]
pub(crate) fn disturb(_product: &mut [Row], _quotient: &mut [Row], _first: &mut [Row]) {}
