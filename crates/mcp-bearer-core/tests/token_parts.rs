//! `TokenParts`: what can be read from a text, whatever is broken in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use mcp_bearer_core::{Limits, RejectionKind, TokenParts};
use mcp_bearer_testkit::vectors;
use mcp_bearer_testkit::{Forge, SigningKey};

const NOW: u64 = 1_800_000_000;

fn read(text: &str) -> TokenParts {
    TokenParts::read(text, &Limits::default()).unwrap()
}

/// Header and claims as `name=value`, or the reason why not.
fn shown(text: &str) -> [Result<String, String>; 2] {
    let parts = read(text);
    let join = |members: &mut dyn Iterator<Item = (std::borrow::Cow<'_, str>, &str)>| {
        let members: Vec<String> = members
            .map(|(name, json)| format!("{name}={json}"))
            .collect();
        members.join(" ")
    };
    [
        parts
            .header()
            .map(|mut members| join(&mut members))
            .map_err(|error| error.to_string()),
        parts
            .claims()
            .map(|mut members| join(&mut members))
            .map_err(|error| error.to_string()),
    ]
}

fn forge() -> Forge {
    Forge::new(&SigningKey::hmac("x".repeat(32)), NOW)
        .raw_header(r#"{"alg":"HS256", "a\u0062" : [1.50, {}]}"#)
        .raw_claims(r#"{ "z":1e400,"a":"b\"" }"#)
}

#[test]
fn members_keep_their_order_and_their_spelling() {
    let [header, claims] = shown(&forge().token());
    assert_eq!(header.unwrap(), r#"alg="HS256" ab=[1.50, {}]"#);
    assert_eq!(claims.unwrap(), r#"z=1e400 a="b\"""#);
    let parts = read(&forge().token());
    assert_eq!((parts.count(), parts.signature_bytes()), (3, Ok(32)));
    assert_eq!(parts.bytes(), forge().token().len());
}

#[test]
fn a_part_that_is_broken_hides_no_other() {
    let token = forge().token();
    let (header, rest) = token.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let one = shown(header);
    assert!(one[0].is_ok());
    assert_eq!(
        one[1].clone().unwrap_err(),
        "claims segment: missing at byte 0"
    );
    let two = shown(&format!("{header}.{claims}"));
    assert!(two[0].is_ok() && two[1].is_ok());
    let error = read(&format!("{header}.{claims}")).signature_bytes();
    assert_eq!(
        error.unwrap_err().to_string(),
        "signature segment: missing at byte 0"
    );
    let broken = shown(&format!("!{header}.{claims}.{signature}"));
    assert!(broken[0].is_err() && broken[1].is_ok(), "{broken:?}");
    let broken = shown(&format!("{header}.{claims}=.{signature}"));
    assert!(broken[0].is_ok() && broken[1].is_err(), "{broken:?}");
    let twice = shown(&forge().raw_claims(r#"{"a":1,"a":2}"#).token());
    assert!(twice[0].is_ok() && twice[1].is_err(), "{twice:?}");
    let empty = shown("");
    assert!(empty[0].is_err() && empty[1].is_err(), "{empty:?}");
    assert!(shown(&"é".repeat(99))[0].is_err());
}

#[test]
fn an_encrypted_token_has_a_header_and_nothing_else() {
    let header = forge().token();
    let header = header.split('.').next().unwrap();
    let parts = read(&format!("{header}.e30.e30.e30.e30"));
    assert_eq!((parts.count(), parts.header().is_ok()), (5, true));
    let error = parts.claims().err().unwrap();
    assert!(error.to_string().contains("JWE"), "{error}");
    assert!(parts.signature_bytes().is_err());
}

#[test]
fn a_text_beyond_the_limit_is_not_looked_at() {
    let error = TokenParts::read(&"a".repeat(16_385), &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), RejectionKind::TokenTooLarge);
    let dots = ".".repeat(16_384);
    assert_eq!(read(&dots).count(), 16_385);
}

#[test]
fn what_the_verifier_reads_is_read_here_too_and_nothing_is_shown() {
    let mut read_too = 0;
    for file in vectors::all() {
        for case in &file.cases {
            let limits = Limits::default().with_token_bytes(usize::MAX);
            let parts = TokenParts::read(&case.token, &limits).unwrap();
            if matches!(case.expect, vectors::Expect::Accept(_)) {
                assert!(parts.header().is_ok() && parts.claims().is_ok());
                read_too += 1;
            }
            let debug = format!("{parts:?}");
            assert!(debug.len() < 80, "{debug}");
        }
    }
    assert!(read_too > 50);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", at in 0_usize..400, with in ".{0,3}") {
        let _ = shown(&text);
        let mut token = forge().token();
        let at = at.min(token.len());
        token.insert_str(at, &with);
        let _ = shown(&token);
        token.truncate(at);
        let _ = shown(&token);
    }
}
