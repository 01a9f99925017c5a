//! Names of tools and prompts, and why one may be refused.
//!
//! Names are compared by code point. Two spellings that a person cannot tell apart must not be two
//! names, one with a rule and one without.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Why a name cannot be compared, if it cannot.
pub(super) fn fault(name: &str) -> Option<&'static str> {
    // Without an exit from the loop, which would make it slower for names of the usual length.
    let printable = |all, byte| all & matches!(byte, b' '..=b'~');
    if name.bytes().fold(true, printable) {
        return None;
    }
    if name.chars().any(char::is_control) {
        return Some("a name with a control character");
    }
    if !name.is_ascii() && !ComposingNormalizerBorrowed::new_nfc().is_normalized(name) {
        return Some("a name that is not in Unicode Normalization Form C");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn a_name_has_one_spelling() {
        for good in [
            "",
            "delete_all",
            "a b",
            "Löschen",
            "日本語",
            "é",
            "a/b",
            "\u{200b}",
            "😀",
        ] {
            assert_eq!(fault(good), None, "{good:?}");
        }
        for control in ["a\0", "\u{7f}", "a\nb", "\u{85}", "\u{9f}x", "\u{1b}[2J"] {
            assert!(fault(control).unwrap().contains("control"), "{control:?}");
        }
        // Decomposed, singletons (K, Å), Hangul jamo, a wrong order of marks, a composition
        // exclusion.
        for other in [
            "e\u{301}",
            "\u{212a}",
            "\u{212b}",
            "\u{1100}\u{1161}",
            "a\u{301}\u{323}",
            "\u{958}",
        ] {
            assert!(fault(other).unwrap().contains("Form C"), "{other:?}");
        }
    }

    #[test]
    fn a_long_run_of_marks_takes_no_long_time() {
        let name = format!("a{}", "\u{301}\u{323}".repeat(200_000));
        let started = std::time::Instant::now();
        assert!(fault(&name).is_some());
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
    }
}
