//! Encoded messages: PKCS#1 v1.5 (RFC 8017 section 9.2) and PSS (section 9.1).

use aws_lc_rs::digest::{self, Digest};

/// How the digest is encoded in the contents of the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// RSASSA-PKCS1-v1_5: RS256, RS384 and RS512.
    Pkcs1v15,
    /// RSASSA-PSS with MGF1 of the same hash and a salt of the hash's length: PS256, PS384 and
    /// PS512.
    Pss,
}

/// DER of `DigestInfo` up to the digest (RFC 8017 section 9.2, note 1).
const SHA256_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
const SHA384_INFO: [u8; 19] = [
    0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05,
    0x00, 0x04, 0x30,
];
const SHA512_INFO: [u8; 19] = [
    0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05,
    0x00, 0x04, 0x40,
];

/// The hashes of RFC 7518 section 3.1. `None` for others.
pub(crate) fn digest_info(algorithm: &'static digest::Algorithm) -> Option<&'static [u8]> {
    if *algorithm == digest::SHA256 {
        Some(&SHA256_INFO)
    } else if *algorithm == digest::SHA384 {
        Some(&SHA384_INFO)
    } else if *algorithm == digest::SHA512 {
        Some(&SHA512_INFO)
    } else {
        None
    }
}

/// Whether `message`, which has the modulus' length, encodes the digest.
pub(crate) fn encodes(padding: Padding, info: &[u8], digest: &Digest, message: &mut [u8]) -> bool {
    match padding {
        Padding::Pkcs1v15 => is_pkcs1(info, digest.as_ref(), message),
        Padding::Pss => is_pss(digest, message).is_some(),
    }
}

/// Nothing is parsed: the only encoding of the digest is compared byte by byte.
fn is_pkcs1(info: &[u8], digest: &[u8], message: &[u8]) -> bool {
    let Some((head, message_digest)) =
        message.split_at_checked(message.len().wrapping_sub(digest.len()))
    else {
        return false;
    };
    let Some((head, message_info)) = head.split_at_checked(head.len().wrapping_sub(info.len()))
    else {
        return false;
    };
    let ([0, 1, filling @ .., 0], 11..) = (head, head.len()) else {
        return false;
    };
    filling.iter().all(|byte| *byte == 0xff) && message_info == info && message_digest == digest
}

/// RFC 8017 section 9.1.2, for a modulus whose bits are whole bytes: one bit of the message is not
/// used. `Some` when the message encodes the digest.
fn is_pss(digest: &Digest, message: &mut [u8]) -> Option<()> {
    let algorithm = digest.algorithm();
    let length = algorithm.output_len();
    let (0xbc, message) = message.split_last_mut()? else {
        return None;
    };
    let (block, hash) = message.split_at_mut_checked(message.len().checked_sub(length)?)?;
    if block.first()? >> 7 != 0 {
        return None;
    }
    for (counter, masked) in (0_u32..).zip(block.chunks_mut(length)) {
        let mut mask = digest::Context::new(algorithm);
        mask.update(hash);
        mask.update(&counter.to_be_bytes());
        for (byte, mask) in masked.iter_mut().zip(mask.finish().as_ref()) {
            *byte ^= mask;
        }
    }
    *block.first_mut()? &= 0x7f;
    let (filling, salt) = block.split_at_checked(block.len().checked_sub(length)?)?;
    let (1, zeros) = filling.split_last()? else {
        return None;
    };
    if zeros.iter().any(|byte| *byte != 0) {
        return None;
    }
    let mut again = digest::Context::new(algorithm);
    again.update(&[0; 8]);
    again.update(digest.as_ref());
    again.update(salt);
    (again.finish().as_ref() == hash).then_some(())
}
