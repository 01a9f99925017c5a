//! Every problem of a policy, one by one and all at once.

use std::time::Duration;

use super::{Expected, Policy, PolicyBuilder, Rule};
use crate::algorithm::Algorithm;

fn good() -> PolicyBuilder {
    Policy::builder("i", "a")
}

fn problems(builder: PolicyBuilder) -> Vec<(Rule, String)> {
    builder.build().unwrap_err().problems().to_vec()
}

#[test]
fn defaults() {
    let policy = good().build().unwrap();
    assert_eq!(policy.algorithms(), [Algorithm::Rs256]);
    assert_eq!(policy.leeway(), Duration::from_secs(60));
    assert_eq!(policy.issuers(), &Expected::OneOf(vec!["i".to_owned()]));
    assert_eq!(policy.audiences().listed(), ["a"]);
    assert!(policy.scope_hierarchy().is_empty());
    let any = Policy::builder(Expected::Any, Expected::Any)
        .build()
        .unwrap();
    assert_eq!(
        (any.issuers(), any.audiences()),
        (&Expected::Any, &Expected::Any)
    );
}

#[test]
fn each_problem_is_reported_with_its_rule() {
    let none: [&str; 0] = [];
    let cases: [(Rule, PolicyBuilder); 26] = [
        (Rule::Issuers, Policy::builder("", "a")),
        (Rule::Issuers, Policy::builder(none, "a")),
        (Rule::Issuers, Policy::builder(["i", ""], "a")),
        (Rule::Audiences, Policy::builder("i", "")),
        (Rule::Audiences, Policy::builder("i", none)),
        (Rule::Audiences, Policy::builder("i", ["", "a"])),
        (Rule::Algorithms, good().algorithms([])),
        (
            Rule::RequestedScopePrefix,
            good().requested_scope_prefix(""),
        ),
        (
            Rule::RequestedScopePrefix,
            good().requested_scope_prefix("api://a b/"),
        ),
        (Rule::RequestedScopes, good().requested_scope("a", "b c")),
        (
            Rule::RequestedScopes,
            good().requested_scope("a", "b").requested_scope("a", "c"),
        ),
        (Rule::Leeway, good().leeway(Duration::from_millis(300_001))),
        (Rule::Leeway, good().leeway(Duration::MAX)),
        (Rule::MaxAge, good().max_age(Duration::ZERO)),
        (Rule::RequiredClaims, good().required_claim("x", none)),
        (Rule::RequiredClaims, good().required_claim("", ["x"])),
        (Rule::RequiredClaims, good().required_claim(" ", ["x"])),
        (
            Rule::RequiredClaimsContaining,
            good().required_claim_containing("x", none),
        ),
        (Rule::Issuers, Policy::builder(" ", "a")),
        (Rule::AllowedClientIds, good().allowed_client_ids(["\t"])),
        (Rule::AllowedClientIds, good().allowed_client_ids(none)),
        (Rule::AllowedClientIds, good().allowed_client_ids(["a", ""])),
        (Rule::ScopeClaims, good().scope_claims(none)),
        (Rule::ScopeClaims, good().scope_claims(["scope", ""])),
        (Rule::ScopeImplies, good().scope_implies("a", ["a"])),
        (Rule::ScopeImplies, good().scope_implies("a b", ["c"])),
    ];
    for (index, (rule, builder)) in cases.into_iter().enumerate() {
        let found = problems(builder);
        let [(of, fact)] = found.as_slice() else {
            panic!("{index}: {found:?}");
        };
        assert_eq!(*of, rule, "{index}: {fact}");
        assert!(
            !fact.ends_with('.') && !fact.contains('_'),
            "{index}: {fact}"
        );
    }
}

#[test]
fn all_problems_come_at_once() {
    let none: [&str; 0] = [];
    let builder = Policy::builder(none, [""])
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
    let error = good().max_age(Duration::ZERO).algorithms([]).build();
    assert_eq!(
        error.unwrap_err().to_string(),
        "algorithms: the list is empty; max_age: zero"
    );
}
