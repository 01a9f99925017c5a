//! Runs every case under `vectors/` through the verifier, and checks that each step has cases on
//! both sides.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::{Ready, limits, ready, run};
use mcp_bearer_core::{
    Challenge, ChallengeContext, NumericDate, Observer, Rejection, RejectionKind, Scopes, Step,
    UnixTime, UnverifiedToken,
};
use mcp_bearer_testkit::vectors::{self, Accepted, Case, Expect, VectorFile};

#[test]
fn every_vector_has_its_outcome() {
    let mut wrong = Vec::new();
    for file in vectors::all() {
        let ready: Vec<Ready> = file.settings.iter().map(ready).collect();
        for case in &file.cases {
            if let Err(why) = check(&file, &ready, case) {
                wrong.push(format!("{}: {why}", file.label(case)));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn check(file: &VectorFile, ready: &[Ready], case: &Case) -> Result<(), String> {
    let outcome = run(file, ready, &case.token);
    match (&case.expect, outcome) {
        (Expect::Accept(expected), Ok(token)) => {
            let own = |text: Option<&str>| text.map(ToOwned::to_owned);
            let got = Accepted {
                subject: own(token.subject()),
                client_id: own(token.client_id()),
                scopes: token.scopes().iter().map(ToOwned::to_owned).collect(),
                expires_at: token.expires_at().map(NumericDate::as_secs_f64),
            };
            if got == *expected {
                Ok(())
            } else {
                Err(format!("says {got:?} instead of {expected:?}"))
            }
        }
        (Expect::Reject(expected), Err(rejection)) => {
            let text = rejection.to_string();
            let detail = expected.detail.as_deref().unwrap_or_default();
            if rejection.kind().as_str() == expected.kind && text.contains(detail) {
                Ok(())
            } else {
                Err(format!(
                    "is refused as {rejection:?} instead of {expected:?}"
                ))
            }
        }
        (Expect::Accept(_), Err(rejection)) => Err(format!("is refused: {rejection:?}")),
        (Expect::Reject(expected), Ok(_)) => Err(format!("is accepted instead of {expected:?}")),
    }
}

/// The first step that failed.
#[derive(Default)]
struct Watch {
    failed: Option<Step>,
    passed: Vec<Step>,
}

impl Observer for Watch {
    fn passed(&mut self, step: Step, facts: std::fmt::Arguments<'_>) {
        let _ = facts.to_string();
        self.passed.push(step);
    }
    fn skipped(&mut self, _: Step, _: &'static str) {}
    fn failed(&mut self, step: Step, _: &Rejection) {
        assert_eq!(self.failed, None, "two failures in one verification");
        self.failed = Some(step);
    }
}

#[test]
fn an_observer_sees_the_step_that_failed_and_changes_nothing() {
    for file in vectors::all() {
        let ready: Vec<Ready> = file.settings.iter().map(ready).collect();
        for case in &file.cases {
            let mut watch = Watch::default();
            let observed = (|| {
                let token =
                    UnverifiedToken::parse_observed(&case.token, &limits(&file), &mut watch)?;
                let chosen = match ready.as_slice() {
                    [only] => only,
                    several => {
                        let entries = several.iter().map(|one| (one.issuer.as_str(), one));
                        token.choose_issuer_observed(entries, &mut watch)?
                    }
                };
                let now = UnixTime::from_secs(file.now);
                token.verify_observed(&chosen.keys, &chosen.policy, now, &mut watch)
            })();
            let label = file.label(case);
            if case.step == "scopes" {
                assert!(observed.is_ok() && watch.failed.is_none(), "{label}");
                continue;
            }
            match &case.expect {
                Expect::Accept(_) => {
                    assert!(observed.is_ok() && watch.failed.is_none(), "{label}");
                    assert_eq!(watch.passed.last(), Some(&Step::Scopes), "{label}");
                    assert!(watch.passed.is_sorted(), "{label}: {:?}", watch.passed);
                }
                Expect::Reject(_) => {
                    assert!(observed.is_err(), "{label}");
                    let failed = watch.failed.unwrap_or_else(|| panic!("{label}: no step"));
                    assert_eq!(failed.number(), case.step, "{label}: {:?}", observed.err());
                }
            }
        }
    }
}

#[test]
fn every_step_has_an_accepted_and_a_refused_case() {
    let mut seen: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for file in vectors::all() {
        for case in &file.cases {
            let count = seen.entry(case.step.clone()).or_default();
            match case.expect {
                Expect::Accept(_) => count.0 += 1,
                Expect::Reject(_) => count.1 += 1,
            }
        }
    }
    let mut steps: Vec<String> = (1..=19).map(|step| step.to_string()).collect();
    steps.extend(["4a".to_owned(), "scopes".to_owned()]);
    for step in &steps {
        let (accepted, refused) = seen.get(step).copied().unwrap_or_default();
        assert!(accepted > 0, "step {step} has no accepted case");
        // A fault in the claims is found in step 4 and reported in step 10. Step 19 only reads.
        assert!(
            refused > 0 || step == "4" || step == "19",
            "step {step} has no refused case"
        );
    }
    let known: BTreeSet<&String> = steps.iter().collect();
    for step in seen.keys() {
        assert!(known.contains(step), "{step} is not a step");
    }
}

#[test]
fn every_kind_that_a_token_can_meet_is_met() {
    let met: BTreeSet<String> = vectors::all()
        .iter()
        .flat_map(|file| &file.cases)
        .filter_map(|case| Some(case.rejected()?.kind.clone()))
        .collect();
    for kind in RejectionKind::ALL {
        let by_no_token = matches!(
            kind,
            RejectionKind::MissingCredential
                | RejectionKind::BadCredential
                | RejectionKind::ClockUnset
        );
        assert_eq!(met.contains(kind.as_str()), !by_no_token, "{kind}");
    }
}

/// Neither the operator's sentence nor the peer's answer holds a piece of the token, or a control
/// character.
#[test]
fn no_refusal_shows_the_token() {
    for file in vectors::all() {
        let ready: Vec<Ready> = file.settings.iter().map(ready).collect();
        for case in &file.cases {
            let Err(rejection) = run(&file, &ready, &case.token) else {
                continue;
            };
            let label = file.label(case);
            let texts = [rejection.to_string(), format!("{rejection:?}")];
            for text in &texts {
                for segment in case.token.split('.').filter(|segment| segment.len() > 12) {
                    assert!(!text.contains(segment), "{label}: {text}");
                }
                assert!(text.len() < 1200, "{label}: {} bytes", text.len());
                assert!(!text.chars().any(char::is_control), "{label}: {text:?}");
            }
            let sentence = &texts[0];
            let first = sentence.chars().next().unwrap();
            assert!(
                !first.is_uppercase() && !sentence.ends_with('.') || sentence.ends_with("..."),
                "{label}: {sentence}"
            );
            let challenge = Challenge::new(&rejection, &ChallengeContext::default());
            assert_eq!(challenge.status, Challenge::status_of(rejection.kind()));
        }
    }
}

/// Never worth a fetch: a token that would fail steps 5 to 8 or 10 to 17 anyway.
#[test]
fn only_tokens_that_keys_could_help_are_worth_a_fetch() {
    let early: BTreeSet<&str> = [
        "5", "6", "7", "8", "10", "11", "12", "13", "14", "15", "16", "17",
    ]
    .into();
    let late: BTreeSet<&str> = ["18", "19", "scopes"].into();
    for file in vectors::all()
        .iter()
        .filter(|file| file.settings.len() == 1)
    {
        let ready = ready(&file.settings[0]);
        for case in &file.cases {
            let Ok(token) = UnverifiedToken::parse(&case.token, &limits(file)) else {
                continue;
            };
            let worth = token.worth_a_fetch(&ready.policy, UnixTime::from_secs(file.now));
            let label = file.label(case);
            if case.accepted().is_some() {
                assert!(worth, "{label}");
            } else if early.contains(case.step.as_str()) {
                assert!(!worth, "{label}");
            } else if late.contains(case.step.as_str()) {
                assert!(worth, "{label}");
            }
        }
    }
}

#[test]
fn the_wire_table_is_as_written() {
    let rows = vectors::challenges();
    let scopes =
        |text: &Option<String>| text.as_deref().map(|text| text.parse::<Scopes>().unwrap());
    let mut seen = BTreeSet::new();
    for row in &rows {
        let kind = *RejectionKind::ALL
            .iter()
            .find(|kind| kind.as_str() == row.kind)
            .unwrap_or_else(|| panic!("no kind {}", row.kind));
        seen.insert(kind.as_str());
        let scopes = scopes(&row.scopes);
        let context = ChallengeContext {
            scopes: scopes.as_ref(),
            requested: None,
            resource_metadata: row.resource_metadata.as_deref(),
        };
        let challenge = Challenge::new(&sample(kind), &context);
        assert_eq!(challenge.status, row.status, "{row:?}");
        assert_eq!(challenge.www_authenticate, row.www_authenticate, "{row:?}");
        assert_eq!(challenge.retry_after, row.retry_after, "{row:?}");
        assert_eq!(challenge.body, row.body, "{row:?}");
    }
    for kind in RejectionKind::ALL {
        assert!(seen.contains(kind.as_str()), "no row for {kind}");
    }
}

/// A rejection of each kind, from the first vector that meets it.
fn sample(kind: RejectionKind) -> Rejection {
    match kind {
        RejectionKind::MissingCredential => return Rejection::missing_credential(),
        RejectionKind::ClockUnset => return Rejection::clock_unset(UnixTime::EPOCH),
        RejectionKind::BadCredential => return Rejection::bad_credential("two headers"),
        RejectionKind::KeysUnavailable => {
            return Rejection::keys_unavailable("a reason", Duration::from_secs(30));
        }
        _ => {}
    }
    for file in vectors::all() {
        let wanted = |case: &&Case| case.rejected().is_some_and(|r| r.kind == kind.as_str());
        if let Some(case) = file.cases.iter().find(wanted) {
            let mut ready: Vec<Ready> = file.settings.iter().map(ready).collect();
            if kind == RejectionKind::InsufficientScope {
                ready[0].scopes = "mcp:read mcp:write".parse().unwrap();
            }
            return run(&file, &ready, &case.token).unwrap_err();
        }
    }
    panic!("no vector of {kind}")
}
