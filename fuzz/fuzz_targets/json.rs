//! JSON: what ours accepts `serde_json` accepts with the same value; what only `serde_json` accepts
//! breaks one of the extra rules. The tokenizer has no public function, so it is reached through a
//! JWK.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_bearer_core::JwkData;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    compare(text);
    compare(&format!(r#"{{"kty":"","other":{text}}}"#));
    compare(&format!(r#"{{"kty":"",{text}}}"#));
    compare(&format!(r#"{{"kty":"{text}"}}"#));
});

fn compare(text: &str) {
    let theirs = serde_json::from_str::<Value>(text);
    match (JwkData::from_json(text), theirs) {
        (Ok(ours), Ok(theirs)) => {
            let printed = serde_json::to_value(&ours).unwrap();
            assert_eq!(printed, theirs);
            let again = JwkData::from_json(&printed.to_string()).unwrap();
            assert_eq!(serde_json::to_value(&again).unwrap(), again_of(&printed));
        }
        (Ok(_), Err(error)) => panic!("only ours accepts: {error}"),
        (Err(error), Ok(_)) => {
            let why = error.to_string();
            let extra = [
                "twice",
                "not an object",
                "nested deeper",
                "is not a string",
                "array of strings",
                "is missing",
            ];
            assert!(
                extra.iter().any(|rule| why.contains(rule)),
                "only theirs accepts: {why}"
            );
        }
        (Err(_), Err(_)) => {}
    }
}

/// `serde_json` sometimes prints and reads a double with an error of one bit: compare with what it
/// reads itself.
fn again_of(value: &Value) -> Value {
    serde_json::from_str(&value.to_string()).unwrap()
}
