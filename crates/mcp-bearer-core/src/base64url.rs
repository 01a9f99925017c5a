//! The one base64url decoder: the URL-safe alphabet, no padding, no trailing bits (RFC 4648 section
//! 5, RFC 7515 section 2).
//!
//! No value has two accepted spellings.

use base64::DecodeError;
use base64::Engine;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn engine() -> &'static impl Engine {
    use base64::engine::Simd;
    use base64::engine::general_purpose::NO_PAD;
    use once_cell::race::OnceBox;

    /// Detected once, by the first thread to get here; no thread waits for another.
    static STRICT: OnceBox<Simd> = OnceBox::new();
    STRICT.get_or_init(|| Box::new(Simd::url_safe(NO_PAD)))
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn engine() -> &'static impl Engine {
    &base64::engine::general_purpose::URL_SAFE_NO_PAD
}

/// The bytes that a text encodes.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    // Reserve first: zeroed memory straight from the allocator takes its slow path.
    let mut bytes = Vec::with_capacity(base64::decoded_len_estimate(text.len()));
    engine().decode_vec(text, &mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn every_text_it_accepts_is_the_one_spelling_of_its_value() {
        use base64::Engine;
        let plain = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let alphabet: Vec<u8> = (0..=255).collect();
        for length in 0..200_usize {
            let bytes: Vec<u8> = alphabet
                .iter()
                .cycle()
                .skip(length * 7)
                .take(length)
                .copied()
                .collect();
            let text = plain.encode(&bytes);
            assert_eq!(decode(&text).as_deref(), Ok(bytes.as_slice()));
            for place in [0, text.len() / 2, text.len().saturating_sub(1)] {
                for wrong in ["+", "/", "=", " ", "\n", ".", "\0", "é"] {
                    let mut changed = text.clone();
                    if place < changed.len() {
                        changed.replace_range(place..=place, wrong);
                        assert!(decode(&changed).is_err(), "{changed}");
                    }
                }
            }
            assert!(decode(&format!("{text}=")).is_err());
        }
    }

    #[test]
    fn trailing_bits_and_impossible_lengths_are_refused() {
        for text in ["A", "AB", "AAB", "AAAAB", "AAAAAB", "AAAAAAB"] {
            assert!(decode(text).is_err(), "{text}");
        }
        let long = "A".repeat(96);
        for tail in ["A", "AB", "AAB"] {
            assert!(decode(&format!("{long}{tail}")).is_err(), "{tail}");
        }
    }
}
