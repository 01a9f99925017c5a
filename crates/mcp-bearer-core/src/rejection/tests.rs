//! What a rejection contains, and what it never contains.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Fault, Rejection, RejectionKind, Shown};
use crate::limits::Limits;
use crate::time::{NumericDate, UnixTime};

#[test]
fn names_are_in_snake_case_and_differ() {
    let names: BTreeSet<&str> = RejectionKind::ALL
        .into_iter()
        .map(RejectionKind::as_str)
        .collect();
    assert_eq!(names.len(), RejectionKind::ALL.len());
    for kind in RejectionKind::ALL {
        let name = kind.as_str();
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
        assert_eq!(kind.to_string(), name);
        let from_debug: String = format!("{kind:?}")
            .chars()
            .flat_map(|c| {
                if c.is_uppercase() {
                    vec!['_', c.to_ascii_lowercase()]
                } else {
                    vec![c]
                }
            })
            .collect();
        assert_eq!(from_debug.trim_start_matches('_'), name);
        let service = [RejectionKind::KeysUnavailable, RejectionKind::ClockUnset];
        let fault = match service.contains(&kind) {
            true => Fault::Service,
            false => Fault::Caller,
        };
        assert_eq!(kind.fault(), fault);
    }
}

#[test]
fn sentences_are_exact() {
    let kind = RejectionKind::Expired;
    let (date, now) = (NumericDate::from_secs_f64, UnixTime::from_secs(200));
    for (rejection, text) in [
        (
            Rejection::missing_credential(),
            "no bearer token in the request",
        ),
        (Rejection::bad_credential("two headers"), "two headers"),
        (
            Rejection::token_too_large(9, 8),
            "the token is 9 bytes long where at most 8 are allowed",
        ),
        (
            Rejection::at("padding", "header segment", 3),
            "header segment: padding at byte 3",
        ),
        (
            Rejection::claim(kind, "aud", "is missing"),
            "claim \"aud\" is missing",
        ),
        (
            Rejection::time(kind, "exp", date(100.5), now),
            "expired 100 s ago: exp 100.5, now 200",
        ),
        (
            Rejection::time(RejectionKind::TooOld, "iat", date(100.0), now),
            "issued 100 s ago, which is too long: iat 100, now 200",
        ),
        (
            Rejection::time(RejectionKind::NotYetValid, "nbf", date(300.0), now),
            "not valid for another 100 s: nbf 300, now 200",
        ),
        (
            Rejection::keys_unavailable("timeout", Duration::from_secs(7)),
            "no keys to verify with: timeout",
        ),
        (
            Rejection::clock_unset(UnixTime::from_secs(7)),
            "the system's clock shows 7 s since 1970, before 2020, so no token's times can be judged; set it",
        ),
        (
            Rejection::insufficient_scope("a b".parse().unwrap(), "b".parse().unwrap()),
            "the operation needs the scopes \"a b\", the token lacks \"b\"",
        ),
    ] {
        assert_eq!(rejection.to_string(), text);
        assert_eq!(
            format!("{rejection:?}"),
            format!("Rejection({}: {text})", rejection.kind())
        );
    }
}

#[test]
fn facts_are_there_to_branch_on() {
    let keys = Rejection::keys_unavailable("w", Duration::ZERO);
    assert_eq!(keys.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(keys.required_scopes(), None);
    let scopes = Rejection::insufficient_scope("a b".parse().unwrap(), "b".parse().unwrap());
    assert_eq!(scopes.required_scopes().unwrap().as_str(), "a b");
    assert_eq!(scopes.missing_scopes().unwrap().as_str(), "b");
    assert_eq!(scopes.retry_after(), None);
    assert_eq!(Rejection::missing_credential().missing_scopes(), None);
}

#[test]
fn attacker_text_is_quoted_escaped_and_cut() {
    let show = |text: &str| Shown(text).to_string();
    assert_eq!(show("a"), r#""a""#);
    assert_eq!(
        show("a\"b\\c\r\nd\0e\u{1b}[31m"),
        r#""a\"b\\c\r\nd\0e\u{1b}[31m""#
    );
    assert_eq!(
        show("\u{202e}\u{200b}\u{feff}"),
        r#""\u{202e}\u{200b}\u{feff}""#
    );
    let exactly = "é".repeat(Limits::SHOWN_CHARS);
    assert_eq!(show(&exactly), format!("\"{exactly}\""));
    assert_eq!(show(&format!("{exactly}x")), format!("\"{exactly}\"..."));
    assert_eq!(show(&"\0".repeat(10_000)).len(), 64 * 2 + 5);
}

#[test]
fn a_rejection_is_an_error_that_threads_can_share() {
    fn travels<T: std::error::Error + Send + Sync + Clone + 'static>(_: &T) {}
    travels(&Rejection::missing_credential());
}
