//! How the segments of a token are written: as RFC 7515 section 2 requires, and in the ways it
//! forbids.

use base64::prelude::{
    BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD, Engine as _,
};

/// One of the three segments of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first.
    Header,
    /// The second.
    Claims,
    /// The third.
    Signature,
}

/// How the bytes of a segment are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// base64url without padding, as RFC 7515 section 2 requires.
    Good,
    /// base64url with padding. Bytes that would need none get one space more (JSON parts only).
    Padded,
    /// The standard alphabet with `+` and `/`, no padding. The bytes are not changed, so it may
    /// equal `Good`.
    Standard,
    /// The standard alphabet with padding.
    StandardPadded,
    /// base64url whose unused last bits are not zero. Bytes that would leave none get one space
    /// more (JSON parts only).
    TrailingBits,
    /// base64url with a line feed in the middle.
    LineFeed,
    /// base64url with a space in the middle.
    Space,
}

impl Encoding {
    /// Writes bytes in this encoding.
    ///
    /// # Panics
    /// `TrailingBits` for a number of bytes divisible by three, which leaves no unused bits.
    pub fn write(self, bytes: &[u8]) -> Vec<u8> {
        let good = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Good => good,
            Self::Padded => BASE64_URL_SAFE.encode(bytes),
            Self::Standard => BASE64_STANDARD_NO_PAD.encode(bytes),
            Self::StandardPadded => BASE64_STANDARD.encode(bytes),
            Self::TrailingBits => with_trailing_bits(&good),
            Self::LineFeed => insert_in_the_middle(good, '\n'),
            Self::Space => insert_in_the_middle(good, ' '),
        }
        .into_bytes()
    }
}

/// The next character of the alphabet in the last place: it differs in the lowest bit, which is
/// unused.
fn with_trailing_bits(good: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_ne!(
        good.len() % 4,
        0,
        "these bytes leave no unused bits in base64"
    );
    let (rest, last) = good.split_at(good.len() - 1);
    let at = ALPHABET
        .iter()
        .position(|c| *c == last.as_bytes()[0])
        .expect("base64url");
    format!("{rest}{}", char::from(ALPHABET[at | 1]))
}

fn insert_in_the_middle(mut text: String, c: char) -> String {
    text.insert(text.len() / 2, c);
    text
}
