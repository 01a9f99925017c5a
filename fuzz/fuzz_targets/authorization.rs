//! `Authorization` headers: exactly one Bearer credential of token68, or a refusal that contains
//! none of the text.
#![no_main]

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use mcp_bearer::RejectionKind;
use mcp_bearer::config::Limits;
use mcp_bearer::http::bearer_token;

fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    // No value can contain a line feed, so it separates several headers.
    for value in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(AUTHORIZATION, value);
        }
    }
    check(&headers);
    let mut with_scheme = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", data].concat()) {
        with_scheme.append(AUTHORIZATION, value);
    }
    check(&with_scheme);
});

fn check(headers: &HeaderMap) {
    let limits = Limits::default();
    let values: Vec<&[u8]> = headers
        .get_all(AUTHORIZATION)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    match bearer_token(headers, &limits) {
        Ok(token) => {
            let [value] = values.as_slice() else {
                panic!("a token out of {} headers", values.len());
            };
            assert!(!token.is_empty() && token.len() <= limits.token_bytes);
            let body = token.trim_end_matches('=');
            let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert!(!body.is_empty() && body.bytes().all(in_alphabet));
            let (scheme, rest) = value.trim_ascii().split_at(6);
            assert!(scheme.eq_ignore_ascii_case(b"bearer") && rest[0] == b' ');
            assert_eq!(rest.trim_ascii_start().trim_ascii_end(), token.as_bytes());
        }
        Err(refused) => match refused.kind() {
            RejectionKind::MissingCredential => assert!(values.len() <= 1),
            RejectionKind::BadCredential => assert!(values.len() > 1),
            RejectionKind::Malformed => assert!(values.len() == 1),
            RejectionKind::TokenTooLarge => assert!(values[0].len() > limits.token_bytes),
            kind => panic!("{kind}"),
        },
    }
}
