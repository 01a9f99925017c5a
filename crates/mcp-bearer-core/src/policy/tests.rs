//! Every problem of a policy, one by one and all at once.

use std::time::Duration;

use super::{ConfigError, Decided, Policy, PolicyBuilder};
use crate::algorithm::Algorithm;

fn good() -> PolicyBuilder<Decided, Decided> {
    Policy::builder().issuer("i").audience("a")
}

fn problems(builder: PolicyBuilder<Decided, Decided>) -> Vec<String> {
    builder.build().unwrap_err().problems().to_vec()
}

#[test]
fn defaults() {
    let policy = good().build().unwrap();
    assert_eq!(policy.algorithms(), [Algorithm::Rs256]);
    assert_eq!(policy.leeway(), Duration::from_secs(60));
    assert_eq!(policy.issuers(), Some(&["i".to_owned()][..]));
    assert_eq!(policy.audiences(), Some(&["a".to_owned()][..]));
    assert!(policy.scope_hierarchy().is_empty());
    let any = Policy::builder()
        .any_issuer()
        .any_audience()
        .build()
        .unwrap();
    assert_eq!((any.issuers(), any.audiences()), (None, None));
}

#[test]
fn each_problem_is_told_by_its_setting() {
    let none: [&str; 0] = [];
    let cases: [(&str, PolicyBuilder<Decided, Decided>); 20] = [
        ("issuer: ", Policy::builder().issuer("").audience("a")),
        ("issuer: ", Policy::builder().issuers(none).audience("a")),
        (
            "issuer: ",
            Policy::builder().issuers(["i", ""]).audience("a"),
        ),
        ("audience: ", Policy::builder().issuer("i").audience("")),
        ("audience: ", Policy::builder().issuer("i").audiences(none)),
        (
            "audience: ",
            Policy::builder().issuer("i").audiences(["", "a"]),
        ),
        ("algorithms: ", good().algorithms([])),
        (
            "algorithms: ",
            good().algorithms([Algorithm::Rs256, Algorithm::Hs256]),
        ),
        (
            "algorithms: ",
            good().algorithms([Algorithm::Hs512, Algorithm::EdDsa]),
        ),
        ("leeway: ", good().leeway(Duration::from_millis(300_001))),
        ("leeway: ", good().leeway(Duration::MAX)),
        ("max_age: ", good().max_age(Duration::ZERO)),
        ("required_claims: ", good().required_claim("x", none)),
        ("required_claims: ", good().required_claim("", ["x"])),
        ("allowed_client_ids: ", good().allowed_client_ids(none)),
        ("allowed_client_ids: ", good().allowed_client_ids(["a", ""])),
        ("scope_claims: ", good().scope_claims(none)),
        ("scope_claims: ", good().scope_claims(["scope", ""])),
        ("scope_implies: ", good().scope_implies("a", ["a"])),
        ("scope_implies: ", good().scope_implies("a b", ["c"])),
    ];
    for (index, (setting, builder)) in cases.into_iter().enumerate() {
        let found = problems(builder);
        assert_eq!(found.len(), 1, "{index}: {found:?}");
        let problem = &found[0];
        assert!(problem.starts_with(setting), "{index}: {problem}");
        assert!(!problem.ends_with('.'), "{index}: {problem}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let none: [&str; 0] = [];
    let builder = Policy::builder()
        .issuers(none)
        .audiences([""])
        .algorithms([])
        .leeway(Duration::from_secs(301))
        .max_age(Duration::ZERO)
        .required_claim("x", none)
        .allowed_client_ids(none)
        .scope_claims(none)
        .scope_implies("a", ["b"])
        .scope_implies("b", ["a"]);
    let found = problems(builder);
    assert_eq!(found.len(), 10, "{found:?}");
}

#[test]
fn what_is_just_allowed_is_allowed() {
    let builder = good()
        .leeway(Duration::from_secs(300))
        .max_age(Duration::from_nanos(1))
        .algorithms([Algorithm::Hs256, Algorithm::Hs512])
        .scope_implies("a", ["b", "c"])
        .scope_implies("b", ["c"]);
    assert!(builder.build().is_ok());
    assert!(good().leeway(Duration::ZERO).build().is_ok());
}

#[test]
fn an_error_is_all_its_sentences() {
    let error = ConfigError::new(vec!["a: b".into(), "c: d".into()]);
    assert_eq!(error.to_string(), "a: b; c: d");
    assert!(ConfigError::unless_empty(Vec::new()).is_ok());
    assert_eq!(
        ConfigError::unless_empty(vec!["a: b".into(), "c: d".into()]),
        Err(error)
    );
}
