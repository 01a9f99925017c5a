//! Finds the byte that ends or changes a JSON string, many bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES * 0x80;

/// The bytes that are looked at together in a long string; compilers use vector registers for them.
const WIDE: usize = 32;

/// How many bytes at the beginning are certainly no quote, backslash or control character: at most
/// 16, and 0 of fewer than eight.
#[inline(always)]
pub(super) fn quiet_start(bytes: &[u8]) -> usize {
    let Some((one, rest)) = bytes.split_first_chunk::<8>() else {
        return 0;
    };
    if let Some(at) = first_in_word(*one) {
        return at;
    }
    let two = rest.first_chunk::<8>();
    8 + two.map_or(0, |two| first_in_word(*two).unwrap_or(8))
}

/// The first quote, backslash or control character.
#[inline]
pub(super) fn first_special(bytes: &[u8]) -> Option<usize> {
    // Where one byte is special, others are often near.
    if let Some(at) = bytes.first_chunk().and_then(|word| first_in_word(*word)) {
        return Some(at);
    }
    let (wide, rest) = bytes.as_chunks::<WIDE>();
    let quiet = wide.iter().take_while(|chunk| !any_special(chunk)).count();
    let at = match wide.get(quiet) {
        Some(chunk) => first_in_words(chunk),
        None => first_in_words(rest),
    };
    Some(quiet * WIDE + at?)
}

#[inline]
fn first_in_words(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        if let Some(byte) = first_in_word(*word) {
            return Some(index * 8 + byte);
        }
    }
    let at = rest.iter().position(|byte| is_special(*byte))?;
    Some(words.len() * 8 + at)
}

/// Without an exit from the loop, and with bytes for truth values: so it is vectorised.
#[inline]
fn any_special(chunk: &[u8; WIDE]) -> bool {
    let special = |byte: &u8| u8::from(is_special(*byte));
    chunk.iter().fold(0, |any, byte| any | special(byte)) != 0
}

const fn is_special(byte: u8) -> bool {
    // As in `marks`.
    ((byte ^ 0x02) < 0x21) | (byte == b'\\')
}

/// Sets the highest bit of each of these bytes. The lowest set bit marks the first one; higher bits
/// may be wrong, because a subtraction borrows from the next byte.
const fn marks(word: u64) -> u64 {
    // Exchanges a quote with a space, and control characters with each other: what was a quote or a
    // control character is then below `!`.
    let quotes_and_controls = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslashes = (word ^ (ONES * 0x5C)).wrapping_sub(ONES);
    (quotes_and_controls | backslashes) & !word & HIGHS
}

#[inline]
fn first_in_word(word: [u8; 8]) -> Option<usize> {
    let marks = marks(u64::from_le_bytes(word));
    if marks == 0 {
        return None;
    }
    usize::try_from(marks.trailing_zeros() / 8).ok()
}
