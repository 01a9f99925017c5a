//! The error of a failed fetch names settings as the library does. This program names them as
//! flags.

/// A sentence of the library in the words of this program.
pub(crate) fn in_flags(sentence: &str) -> String {
    sentence.replace("the setting ca_file", "--ca-file")
}

#[cfg(test)]
mod tests {
    use super::in_flags;

    #[test]
    fn settings_become_flags() {
        for (sentence, words) in [
            (
                "add its CA with the setting ca_file",
                "add its CA with --ca-file",
            ),
            ("anything else", "anything else"),
        ] {
            assert_eq!(in_flags(sentence), words);
        }
    }
}
