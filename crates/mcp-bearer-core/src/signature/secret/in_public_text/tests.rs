//! A secret is found in the usual encodings, and no other text is taken for it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{is_in, strings};

/// Bytes that differ from each other and produce `+` and `/` in base64.
const BINARY: [u8; 40] = {
    let mut bytes = [255; 40];
    let mut index = 1;
    while index < bytes.len() {
        bytes[index] = bytes[index - 1] - 6;
        index += 1;
    }
    bytes
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encodings(secret: &[u8]) -> Vec<String> {
    let utf16: Vec<u8> = secret.iter().flat_map(|byte| [*byte, 0]).collect();
    let percent: String = secret.iter().map(|byte| format!("%{byte:02X}")).collect();
    let colons: Vec<String> = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![
        URL_SAFE_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        hex(secret),
        hex(secret).to_uppercase(),
        colons.join(":"),
        percent,
        STANDARD.encode(utf16),
        STANDARD.encode(STANDARD.encode(secret)),
        STANDARD.encode(hex(secret)),
        hex(STANDARD.encode(secret).as_bytes()),
        STANDARD.encode([b"before ", secret, b" behind"].concat()),
        format!("{}\n", STANDARD.encode(secret)),
    ];
    if let Ok(text) = std::str::from_utf8(secret) {
        all.extend([
            text.to_owned(),
            format!("the secret is {text}."),
            format!(" {text}\n"),
        ]);
    }
    all
}

#[test]
fn a_secret_is_found_in_every_encoding_and_place() {
    let text = b"correct-horse-battery-staple-1234567890";
    let coded = STANDARD.encode(BINARY);
    for secret in [
        &text[..],
        &BINARY,
        coded.as_bytes(),
        b"correct-horse-battery-staple-1234567\n",
    ] {
        for encoding in encodings(secret) {
            for set in [
                json!({ "keys": [{ "kty": "oct", "k": encoding }] }),
                json!({ "keys": [{ "kty": "RSA", "n": "AQAB", "kid": encoding }] }),
                json!({ "keys": [], "note": { "deep": ["x", encoding] } }),
                json!({ "keys": [], &encoding: 1 }),
            ] {
                assert!(is_in(secret, &set.to_string()), "{set}");
            }
        }
    }
}

#[test]
fn an_escape_hides_nothing() {
    let secret = "correct-horse-battery-staple-1234567890";
    let escaped: String = secret
        .chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect();
    let set = format!(r#"{{"keys":[{{"kty":"oct","k":"{escaped}"}}]}}"#);
    assert!(is_in(secret.as_bytes(), &set));
    let quoted = "correct\"horse\\battery\"staple\\1234567890";
    let set = json!({ "keys": [], "a\"b\\": "c", "k": quoted }).to_string();
    assert!(is_in(quoted.as_bytes(), &set));
}

#[test]
fn a_secret_is_found_with_anything_around_it() {
    for secret in [
        &b"correct-horse-battery-staple-1234567890"[..],
        &BINARY,
        &BINARY[1..],
    ] {
        let numbers: Vec<u8> = [b"before", secret, b"behind"].concat();
        let urls = [
            STANDARD.encode(secret),
            URL_SAFE.encode(secret),
            hex(secret),
        ];
        let mut texts = vec![
            json!({ "k": numbers }).to_string(),
            json!([[secret]]).to_string(),
        ];
        for coded in &urls {
            let percent = coded
                .replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3D");
            let jwk = json!({ "kty": "oct", "k": coded }).to_string();
            texts.extend([
                json!({ "note": format!("secret: {coded}") }).to_string(),
                json!({ "note": format!("https://idp.example.com/?k={coded}&x=1") }).to_string(),
                json!({ "note": format!("https://idp.example.com/?k={percent}&x=1") }).to_string(),
                json!({ "note": format!("data:;base64,{coded}") }).to_string(),
                json!({ "note": jwk }).to_string(),
                json!({ "note": json!({ "inner": jwk }).to_string() }).to_string(),
                json!({ "note": coded }).to_string().replace('/', "\\/"),
                format!("no JSON at all, but {coded}"),
                coded.clone(),
            ]);
        }
        for before in 0..4 {
            let long = ["x".repeat(100_000 + before).as_bytes(), secret, b"yz"].concat();
            for coded in [
                STANDARD.encode(&long),
                URL_SAFE_NO_PAD.encode(&long),
                hex(&long),
            ] {
                texts.push(json!({ "x5c": [coded] }).to_string());
                let lines: Vec<&str> = coded
                    .as_bytes()
                    .chunks(64)
                    .map(|line| std::str::from_utf8(line).unwrap())
                    .collect();
                texts.push(json!({ "pem": lines.join("\r\n") }).to_string());
            }
        }
        for text in texts {
            assert!(is_in(secret, &text), "{}", &text[..text.len().min(400)]);
        }
    }
    let digits = "31415926535897932384626433832795";
    assert!(is_in(digits.as_bytes(), &format!(r#"{{"k":{digits}}}"#)));
}

#[test]
fn a_backslash_before_any_character_hides_nothing_behind_it() {
    let secret = b"correct-horse-battery-staple-1234567890";
    let coded: String = STANDARD
        .encode(secret)
        .chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect();
    assert!(is_in(secret, &format!("\\é {coded}")));
}

#[test]
fn another_text_is_not_taken_for_it() {
    let secret = b"correct-horse-battery-staple-1234567890";
    let mut near = secret.to_vec();
    near[5] ^= 1;
    for other in [&near[..], &secret[..31], b"short", b"", &[0; 64]] {
        let set = json!({ "keys": [{ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(other) }] });
        assert!(!is_in(secret, &set.to_string()), "{set}");
    }
    assert!(!is_in(secret, ""));
    assert!(!is_in(secret, "\"unfinished"));
    assert!(!is_in(secret, r#"{"keys":[{"kty":"RSA","e":"AQAB"}]}"#));
}

#[test]
fn a_secret_that_has_a_public_part_inside_is_found() {
    let modulus = [7_u8, 9, 200, 31].repeat(64);
    let set = json!({ "keys": [{ "n": URL_SAFE_NO_PAD.encode(&modulus) }] }).to_string();
    let with_sign = [&[0][..], &modulus].concat();
    let in_hex = hex(&modulus);
    for secret in [&modulus[..], &with_sign, in_hex.as_bytes()] {
        assert!(is_in(secret, &set));
    }
}

#[test]
fn a_set_of_the_largest_size_takes_bounded_work() {
    let filling = "QUJD".repeat(16_000);
    let keys: Vec<Value> = (0..8).map(|_| json!({ "k": filling })).collect();
    let set = json!({ "keys": keys }).to_string();
    let started = std::time::Instant::now();
    assert!(!is_in(&BINARY, &set));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn strings_end_where_json_ends_them() {
    let found: Vec<&str> = strings(r#"{"a":"b\"c","d\\":"","e":1}"#).collect();
    assert_eq!(found, ["a", r#"b\"c"#, r"d\\", "", "e"]);
}
