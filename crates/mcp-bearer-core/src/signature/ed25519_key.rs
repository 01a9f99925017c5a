//! What an Ed25519 public key must satisfy before it may verify anything (RFC 8032 section 5.1.3).
//!
//! The library accepts any 32 bytes. A point of small order is refused: its multiples by the hash
//! of a message fall on so few points that anyone can make a signature by trying.

/// The y coordinates of the points of order 1, 2, 4 and 8, little-endian; the sign of x does not
/// matter.
///
/// Source: the list of libsodium's `ge25519_has_small_order`; a test forges a signature for each.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
    [0; 32],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// Why these bytes cannot be a key.
pub(super) fn fault(key: &[u8; 32]) -> Option<&'static str> {
    let mut y = *key;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    if is_beyond_field(&y) {
        return Some("the Ed25519 key is not in canonical form (RFC 8032 section 5.1.3)");
    }
    if SMALL_ORDER.contains(&y) {
        return Some("the Ed25519 key is a point of small order, for which anybody can sign");
    }
    None
}

/// Whether y is 2^255 - 19 or more.
fn is_beyond_field(y: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = y;
    *first >= 0xed && middle.iter().all(|byte| *byte == 0xff) && *last == 0x7f
}
