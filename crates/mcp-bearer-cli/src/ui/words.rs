//! The library names settings; people who typed a command know them as flags.

/// A sentence of the library in the words of this program.
pub(crate) fn in_flags(sentence: &str) -> String {
    let sentence = sentence.replace("the setting ca_file", "--ca-file");
    match sentence.split_once("jwks_uri = \"") {
        Some((before, rest)) => match rest.split_once('"') {
            Some((url, after)) => format!("{before}--jwks-uri {url}{after}"),
            None => sentence,
        },
        None => sentence,
    }
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
            (
                "give jwks_uri = \"https://idp.example.com/jwks\" instead",
                "give --jwks-uri https://idp.example.com/jwks instead",
            ),
            ("anything else", "anything else"),
        ] {
            assert_eq!(in_flags(sentence), words);
        }
    }
}
