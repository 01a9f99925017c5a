//! Finds the bytes that end or change a JSON string, eight at a time.

const ONES: u64 = 0x0101_0101_0101_0101;

/// The first quote.
#[inline]
pub(super) fn first_quote(bytes: &[u8]) -> Option<usize> {
    first(bytes, |word| equal(word, b'"'), |byte| byte == b'"')
}

/// The first quote, backslash or control character.
#[inline]
pub(super) fn first_special(bytes: &[u8]) -> Option<usize> {
    let special = |byte| matches!(byte, b'"' | b'\\' | 0..0x20);
    let marks = |word| equal(word, b'"') | equal(word, b'\\') | below(word, 0x20);
    first(bytes, marks, special)
}

/// The first byte of a kind, searched for eight bytes at a time.
#[inline]
fn first(
    bytes: &[u8],
    marks: impl Fn(u64) -> u64,
    is_special: impl Fn(u8) -> bool,
) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = marks(u64::from_le_bytes(*word));
        if special != 0 {
            let byte = usize::try_from(special.trailing_zeros() / 8).unwrap_or_default();
            return Some(index * 8 + byte);
        }
    }
    rest.iter()
        .position(|byte| is_special(*byte))
        .map(|at| words.len() * 8 + at)
}

/// The lowest set bit marks the first byte below the limit; higher bits may be wrong.
const fn below(word: u64, limit: u64) -> u64 {
    const HIGHS: u64 = ONES * 0x80;
    word.wrapping_sub(ONES * limit) & !word & HIGHS
}

/// The lowest set bit marks the first byte equal to this one; higher bits may be wrong.
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * u64::from(byte)), 1)
}
