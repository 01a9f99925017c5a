//! The rules that every row of the table keeps; the rows themselves are in
//! `vectors/wire/challenges.json`.

use std::time::Duration;

use super::{Challenge, ChallengeContext};
use crate::rejection::{Rejection, RejectionKind};
use crate::scope::{RequestedScopes, Scopes};
use crate::time::UnixTime;

fn every() -> impl Iterator<Item = Rejection> {
    RejectionKind::ALL.into_iter().map(|kind| match kind {
        RejectionKind::KeysUnavailable => Rejection::keys_unavailable("w", Duration::from_secs(5)),
        RejectionKind::ClockUnset => Rejection::clock_unset(UnixTime::EPOCH),
        kind => Rejection::because(kind, "SECRET scope=\"x\" error=\"y\""),
    })
}

#[test]
fn nothing_from_the_token_gets_out() {
    for rejection in every() {
        let challenge = Challenge::new(&rejection, &ChallengeContext::default());
        let header = challenge.www_authenticate.clone().unwrap_or_default();
        assert!(
            !header.contains("SECRET") && !challenge.body.contains("SECRET"),
            "{challenge:?}"
        );
    }
}

#[test]
fn a_description_cannot_be_taken_for_a_parameter() {
    for kind in RejectionKind::ALL {
        let text = super::row(kind).description;
        assert!(
            !text.contains(['"', '\\', '=']) && text.is_ascii(),
            "{text}"
        );
        assert!(text.chars().all(|c| !c.is_control()), "{text}");
    }
}

#[test]
fn machine_parameters_come_before_the_description() {
    let scopes: Scopes = "a b".parse().unwrap();
    let context = ChallengeContext {
        scopes: Some(&scopes),
        requested: None,
        resource_metadata: Some("https://h/x"),
    };
    for rejection in every() {
        let Some(header) = Challenge::new(&rejection, &context).www_authenticate else {
            let kind = rejection.kind();
            assert_eq!(kind.fault(), crate::rejection::Fault::Service, "{kind}");
            continue;
        };
        assert!(header.starts_with("Bearer "), "{header}");
        assert_eq!(header.matches("Bearer").count(), 1, "{header}");
        if let Some(at) = header.find("error_description") {
            assert!(
                header.find("resource_metadata").unwrap() < at
                    && header.find("scope=").unwrap() < at
            );
            assert!(header.starts_with("Bearer error="));
        }
    }
}

#[test]
fn every_challenge_that_names_scopes_names_those_to_request() {
    let requested = RequestedScopes::new(Some("api://id/"), [("write", "urn:write")]).unwrap();
    let scopes: Scopes = "read write offline_access".parse().unwrap();
    let context = ChallengeContext {
        scopes: Some(&scopes),
        requested: Some(&requested),
        resource_metadata: None,
    };
    let own = Rejection::insufficient_scope("admin".parse().unwrap(), "admin".parse().unwrap());
    let asked = [
        (Rejection::missing_credential(), "api://id/read urn:write"),
        (own.clone(), "api://id/admin"),
        (own.requesting("just this".parse().unwrap()), "just this"),
    ];
    for (rejection, asked) in asked {
        let header = Challenge::new(&rejection, &context)
            .www_authenticate
            .unwrap();
        assert!(header.contains(&format!("scope=\"{asked}\"")), "{header}");
    }
}

#[test]
fn a_rejection_knows_its_scopes_better_than_the_context() {
    let scopes: Scopes = "from-context".parse().unwrap();
    let context = ChallengeContext {
        scopes: Some(&scopes),
        ..ChallengeContext::default()
    };
    let own = Rejection::insufficient_scope(
        "needed also offline_access".parse().unwrap(),
        "also".parse().unwrap(),
    );
    let header = Challenge::new(&own, &context).www_authenticate.unwrap();
    assert_eq!(
        header,
        r#"Bearer error="insufficient_scope", scope="needed also", error_description="The token lacks a required permission""#
    );
}

#[test]
fn the_wait_is_rounded_up_and_at_least_a_second() {
    for (wait, seconds) in [
        (0, 1),
        (1, 1),
        (999, 1),
        (1000, 1),
        (1001, 2),
        (1999, 2),
        (29_500, 30),
        (60_000, 60),
    ] {
        let rejection = Rejection::keys_unavailable("w", Duration::from_millis(wait));
        let challenge = Challenge::new(&rejection, &ChallengeContext::default());
        assert_eq!(challenge.retry_after, Some(seconds), "{wait} ms");
        assert_eq!(challenge.status, 503);
        assert_eq!(challenge.www_authenticate, None);
    }
    let longest = Challenge::new(
        &Rejection::keys_unavailable("w", Duration::MAX),
        &ChallengeContext::default(),
    );
    assert_eq!(longest.retry_after, Some(u64::MAX));
}

#[test]
fn only_the_service_answers_503() {
    for kind in RejectionKind::ALL {
        let service = kind.fault() == crate::rejection::Fault::Service;
        assert_eq!(Challenge::status_of(kind) == 503, service, "{kind}");
    }
}
