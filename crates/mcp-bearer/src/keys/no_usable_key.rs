//! What is wrong with a key set that has no usable key, in one sentence.

use mcp_bearer_core::KeySet;

/// How many keys are shown with their faults; a set may have a hundred.
const SHOWN: usize = 5;

/// Why no key of this set is usable, key by key.
pub(crate) fn no_usable_key(set: &KeySet) -> String {
    let skipped = set.skipped();
    if skipped.is_empty() {
        return "no usable key; the set is empty".to_owned();
    }
    let mut shown: Vec<String> = skipped
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    if let Some(more) = skipped.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        shown.push(format!("and {more} more"));
    }
    format!("no usable key; {}", shown.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_reason_up_to_a_bound() {
        let set = |keys: &str| KeySet::from_jwks_json(&format!("{{\"keys\":[{keys}]}}")).unwrap();
        assert_eq!(no_usable_key(&set("")), "no usable key; the set is empty");
        let one = r#"{"kty":"AKP"}"#;
        assert_eq!(
            no_usable_key(&set(one)),
            "no usable key; key number 1: the key type \"AKP\" is not known"
        );
        let text = no_usable_key(&set(&[one; 7].join(",")));
        assert!(text.contains("key number 5: "), "{text}");
        assert!(text.ends_with("; and 2 more"), "{text}");
    }
}
