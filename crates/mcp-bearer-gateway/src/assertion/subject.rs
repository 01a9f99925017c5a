//! The `sub` of an assertion.

/// A name for a caller that no other caller of any issuer has: `ISSUER|SUBJECT`, with `%` and `|`
/// inside each written as `%25` and `%7C`. So the only `|` is the one between them, and two pairs
/// never have the same name: `https://a|b` of an issuer `i` is not `b` of `i|https://a`. A caller
/// without an issuer has no `|` at all.
pub(super) fn subject(issuer: Option<&str>, subject: &str) -> String {
    let mut name = String::new();
    if let Some(issuer) = issuer {
        push(&mut name, issuer);
        name.push('|');
    }
    push(&mut name, subject);
    name
}

fn push(name: &mut String, part: &str) {
    for char in part.chars() {
        match char {
            '%' => name.push_str("%25"),
            '|' => name.push_str("%7C"),
            other => name.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::subject;

    #[test]
    fn it_reads_well_for_usual_names() {
        let issuer = Some("https://idp.example.com/");
        assert_eq!(subject(issuer, "alice"), "https://idp.example.com/|alice");
        assert_eq!(
            subject(issuer, "auth0|5f7c"),
            "https://idp.example.com/|auth0%7C5f7c"
        );
        assert_eq!(subject(None, "alice"), "alice");
    }

    #[test]
    fn no_two_callers_have_the_same_name() {
        let alphabet = ["", "a", "|", "%", "%7C", "%25", "7C", "a|b", "|a", "a|"];
        let parts: Vec<String> = alphabet
            .iter()
            .flat_map(|one| alphabet.iter().map(move |two| format!("{one}{two}")))
            .collect();
        let issuers: Vec<_> = [None].into_iter().chain(parts.iter().map(Some)).collect();
        let mut seen = HashMap::new();
        for issuer in issuers {
            for name in &parts {
                let caller = (issuer, name);
                let other = seen.insert(subject(issuer.map(String::as_str), name), caller);
                assert!(
                    other.is_none_or(|other| other == caller),
                    "{other:?} {caller:?}"
                );
            }
        }
    }
}
