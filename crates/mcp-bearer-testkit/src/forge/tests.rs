//! The forge writes what it is asked to, and signs what it sends.

use aws_lc_rs::signature::{self as sig, ParsedPublicKey};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::json;

use super::*;

const NOW: u64 = 1_800_000_000;

fn key() -> SigningKey {
    SigningKey::shared_rsa_2048()
}

fn good() -> Forge {
    Forge::new(&key(), NOW)
}

fn segments(token: &str) -> Vec<&str> {
    token.split('.').collect()
}

fn decoded(segment: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(segment).unwrap()
}

fn signature_is_good(token: &str) -> bool {
    let (input, signature) = token.rsplit_once('.').unwrap();
    ParsedPublicKey::new(&sig::RSA_PKCS1_2048_8192_SHA256, key().public_bytes())
        .unwrap()
        .verify_sig(input.as_bytes(), &decoded(signature))
        .is_ok()
}

#[test]
fn the_default_is_a_good_token() {
    let token = good().token();
    assert!(signature_is_good(&token));
    let parts = segments(&token);
    let header: Value = serde_json::from_slice(&decoded(parts[0])).unwrap();
    let claims: Value = serde_json::from_slice(&decoded(parts[1])).unwrap();
    assert_eq!(
        header,
        json!({ "alg": "RS256", "typ": "JWT", "kid": "rsa-a" })
    );
    assert_eq!(
        claims,
        json!({ "iss": Forge::ISSUER, "sub": Forge::SUBJECT, "aud": Forge::AUDIENCE, "iat": NOW,
            "exp": NOW + 3600 })
    );
}

#[test]
fn members_are_set_and_removed() {
    let forge = good()
        .header("crit", json!(["b64"]))
        .without_header("typ")
        .claim("aud", json!(["a", "b"]))
        .without_claim("sub")
        .scope("a b")
        .expires_in(-60)
        .not_before_in(30)
        .issued_in(-10);
    let header: Value = serde_json::from_slice(&forge.header_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&forge.claims_bytes()).unwrap();
    assert_eq!(
        header,
        json!({ "alg": "RS256", "kid": "rsa-a", "crit": ["b64"] })
    );
    assert_eq!(
        claims,
        json!({ "iss": Forge::ISSUER, "aud": ["a", "b"], "iat": NOW - 10, "exp": NOW - 60,
            "nbf": NOW + 30, "scope": "a b" })
    );
    assert!(signature_is_good(&forge.token()));
}

#[test]
fn a_key_without_kid_gives_a_header_without_it() {
    let forge = Forge::new(&SigningKey::ec_p256().without_kid(), NOW);
    let header: Value = serde_json::from_slice(&forge.header_bytes()).unwrap();
    assert_eq!(header, json!({ "alg": "ES256", "typ": "JWT" }));
}

#[test]
fn the_header_can_name_another_algorithm_than_the_signature() {
    let forge = good().alg_name("HS256");
    assert!(signature_is_good(&forge.token()));
    let header: Value = serde_json::from_slice(&forge.header_bytes()).unwrap();
    assert_eq!(header["alg"], "HS256");
    assert!(!signature_is_good(&good().sign_as("RS512").token()));
    assert!(!signature_is_good(&good().alg("PS256").token()));
    assert!(!signature_is_good(
        &good().sign_with(&SigningKey::shared_rsa_2048_b()).token()
    ));
}

#[test]
fn key_confusion_is_signed_with_the_public_pem() {
    let secret = SigningKey::hmac(key().public_pem());
    let forge = good().alg_name("HS256").sign_with(&secret);
    assert_eq!(
        forge.signature_bytes(),
        secret.sign("HS256", &forge.signing_input())
    );
}

#[test]
fn raw_bytes_are_sent_and_signed_as_they_are() {
    let token = good()
        .raw_claims(b"\xef\xbb\xbf{\"a\":\xff}".to_vec())
        .token();
    assert_eq!(decoded(segments(&token)[1]), b"\xef\xbb\xbf{\"a\":\xff}");
    assert!(signature_is_good(&token));
}

#[test]
fn duplicates_are_made_by_prefix() {
    let forge = good()
        .claims_prefix(r#""sub":"root","#)
        .header_prefix(r#""alg":"none","#);
    let (claims, header) = (forge.claims_bytes(), forge.header_bytes());
    // The order of the good members depends on the features of `serde_json`.
    let rest = |bytes: &[u8], prefix: &str| {
        let rest = bytes
            .strip_prefix(prefix.as_bytes())
            .expect("the prefix comes first");
        serde_json::from_str::<Value>(&format!("{{{}", std::str::from_utf8(rest).unwrap())).unwrap()
    };
    assert_eq!(rest(&claims, r#"{"sub":"root","#)["sub"], Forge::SUBJECT);
    assert_eq!(rest(&header, r#"{"alg":"none","#)["alg"], "RS256");
    assert!(signature_is_good(&forge.token()));
}

#[test]
fn wrong_encodings_are_wrong_for_a_strict_decoder_and_signed_nevertheless() {
    for part in [Part::Header, Part::Claims] {
        for encoding in [
            Encoding::Padded,
            Encoding::TrailingBits,
            Encoding::LineFeed,
            Encoding::Space,
        ] {
            let token = good().encoding(part, encoding).token();
            let segment = segments(&token)[part as usize];
            assert!(
                BASE64_URL_SAFE_NO_PAD.decode(segment).is_err(),
                "{part:?} {encoding:?}"
            );
            assert!(signature_is_good(&token), "{part:?} {encoding:?}");
        }
    }
    let forge = good()
        .raw_claims(r#"{"a":"???>>>"}"#)
        .encoding(Part::Claims, Encoding::Standard);
    assert!(
        BASE64_URL_SAFE_NO_PAD
            .decode(segments(&forge.token())[1])
            .is_err()
    );
}

#[test]
fn the_encodings_of_a_signature_decode_to_it_when_read_loosely() {
    let bytes = good().signature_bytes();
    for encoding in [Encoding::Padded, Encoding::StandardPadded] {
        let text = encoding.write(&bytes);
        assert!(text.ends_with(b"=="));
    }
    let spoiled = Encoding::TrailingBits.write(&bytes);
    let good = Encoding::Good.write(&bytes);
    assert_eq!(spoiled[..good.len() - 1], good[..good.len() - 1]);
    assert_ne!(spoiled, good);
}

#[test]
fn segments_are_replaced_added_and_dropped() {
    assert_eq!(
        good().segment(Part::Header, "a").token().split('.').next(),
        Some("a")
    );
    assert!(good().empty_signature().token().ends_with('.'));
    assert_eq!(
        segments(&good().append_segment("x").append_segment("y").token()).len(),
        5
    );
    assert_eq!(segments(&good().keep_segments(2).token()).len(), 2);
    assert_eq!(good().keep_segments(0).token(), "");
    assert_eq!(
        good()
            .keep_segments(0)
            .append_segment("x")
            .prefix("<")
            .suffix(">")
            .token(),
        "<x>"
    );
    assert!(good().suffix(vec![0xff]).token_bytes().ends_with(&[0xff]));
}

#[test]
fn a_detached_token_verifies_with_its_claims_put_back() {
    let token = good().detached().token();
    let parts = segments(&token);
    assert_eq!(parts[1], "");
    let claims = BASE64_URL_SAFE_NO_PAD.encode(good().claims_bytes());
    assert!(signature_is_good(&format!(
        "{}.{claims}.{}",
        parts[0], parts[2]
    )));
}

#[test]
fn one_flipped_bit_spoils_the_signature() {
    let spoiled = good().flip_signature_bit(2047).signature_bytes();
    let mut bytes = good().signature_bytes();
    bytes[255] ^= 1;
    assert_eq!(spoiled, bytes);
    assert!(!signature_is_good(&good().flip_signature_bit(0).token()));
    // Having nothing to flip is not a failure.
    assert!(
        good()
            .raw_signature("")
            .flip_signature_bit(5)
            .token()
            .ends_with('.')
    );
}

#[test]
fn a_token_grows_to_the_length_asked_for() {
    let token = good().at_least_bytes(20_000).token();
    assert!((20_000..30_000).contains(&token.len()));
    assert!(signature_is_good(&token));
}

#[test]
fn the_authorization_value_is_bearer_and_the_token() {
    assert_eq!(good().authorization(), format!("Bearer {}", good().token()));
}
