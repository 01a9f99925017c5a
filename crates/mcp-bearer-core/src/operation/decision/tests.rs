use super::*;
use crate::challenge::{Challenge, ChallengeContext};
use crate::operation::{RequestHeaders, RuleDraft};
use crate::rejection::RejectionKind;
use crate::scope::{RequestedScopes, ScopeHierarchy};

fn operations(body: &str) -> Operations {
    Operations::read(body.as_bytes(), &RequestHeaders::default()).unwrap()
}

fn needed(rules: &[RuleDraft], body: &str, held: &str, required: &str) -> NeededScopes {
    let rules = OperationRules::new(Unmatched::Allow, rules.to_vec()).unwrap();
    let (held, required) = (held.parse().unwrap(), required.parse().unwrap());
    let hierarchy = ScopeHierarchy::default();
    let caller = Caller::with_scopes(&held, &hierarchy, &required);
    match rules.judge(&operations(body), &caller) {
        Decision::NeedsScopes(scopes) => scopes,
        other => panic!("{other:?}"),
    }
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;

#[test]
fn a_challenge_is_translated_and_names_each_scope_once() {
    let rules = [
        RuleDraft::new("tools/call").scopes(["write", "same1"]),
        RuleDraft::new("prompts/get").scopes(["same2", "prompts"]),
    ];
    let scopes = needed(&rules, CALL, "read same2 prompts other", "read");
    assert_eq!(scopes.needed().as_str(), "read write same1");
    assert_eq!(scopes.missing().as_str(), "write same1");
    assert_eq!(scopes.held().as_str(), "same2 prompts");
    let translated = scopes.to_request(|scope| match scope {
        "read" => "api://id/read".into(),
        "same1" | "same2" => "same".into(),
        // A result that is not a scope, or is only for clients, is not sent.
        "write" => "a b".into(),
        "prompts" => "offline_access".into(),
        other => other.into(),
    });
    assert_eq!(translated.as_str(), "api://id/read write same");
}

#[test]
fn the_rejection_names_what_to_request_and_what_is_missing() {
    let rules = [RuleDraft::new("tools/call").scopes(["write"])];
    let scopes = needed(&rules, CALL, "read", "read");
    let rejection = scopes.rejection(|scope| Cow::Owned(format!("x:{scope}")));
    assert_eq!(rejection.kind(), RejectionKind::InsufficientScope);
    assert_eq!(rejection.required_scopes().unwrap().as_str(), "read write");
    assert_eq!(rejection.missing_scopes().unwrap().as_str(), "write");
    assert_eq!(asked_for(&rejection), "x:read x:write");
    let requested = RequestedScopes::new(Some("api://id/"), [("write", "urn:write")]).unwrap();
    let rejection = scopes.rejection(|scope| requested.of(scope));
    assert_eq!(asked_for(&rejection), "api://id/read urn:write");
}

/// The scopes of the challenge, which the context's map must not change again.
fn asked_for(rejection: &Rejection) -> String {
    let again = RequestedScopes::new(Some("again:"), [("x:read", "again")]).unwrap();
    let context = ChallengeContext {
        requested: Some(&again),
        ..ChallengeContext::default()
    };
    let header = Challenge::new(rejection, &context)
        .www_authenticate
        .unwrap();
    let (_, behind) = header.split_once("scope=\"").unwrap();
    behind.split_once('"').unwrap().0.to_owned()
}

#[test]
fn what_is_hidden_is_answered_in_the_words_of_the_specification() {
    let rules = OperationRules::new(
        Unmatched::Allow,
        [RuleDraft::new("*").name("*hidden*").scopes(["x"]).hide()],
    )
    .unwrap();
    let (none, hierarchy) = (Scopes::none(), ScopeHierarchy::default());
    let caller = Caller::with_scopes(&none, &hierarchy, &none);
    for (method, params, error) in [
        (
            "tools/call",
            r#"{"name":"hidden\"<"}"#,
            r#"{"code":-32602,"message":"Unknown tool: hidden\"<"}"#,
        ),
        (
            "prompts/get",
            r#"{"name":"hidden"}"#,
            r#"{"code":-32602,"message":"Unknown prompt: hidden"}"#,
        ),
        (
            "resources/read",
            r#"{"uri":"x:hidden"}"#,
            r#"{"code":-32002,"message":"Resource not found","data":{"uri":"x:hidden"}}"#,
        ),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let Decision::Hidden(answer) = rules.judge(&operations(&body), &caller) else {
            panic!("{method}");
        };
        let expected = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&answer.body()), value(&expected));
    }
}

#[test]
fn a_refused_batch_is_answered_for_each_of_its_requests() {
    let rules = OperationRules::new(
        Unmatched::Deny,
        [
            RuleDraft::new("tools/call").name("a"),
            RuleDraft::new("ping"),
        ],
    )
    .unwrap();
    let (none, hierarchy) = (Scopes::none(), ScopeHierarchy::default());
    let caller = Caller::with_scopes(&none, &hierarchy, &none);
    let body = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},
        {"jsonrpc":"2.0","method":"notifications/x"},
        {"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"b"}}]"#;
    let Decision::Refused(answer) = rules.judge(&operations(body), &caller) else {
        panic!();
    };
    assert_eq!(answer.status(), 200);
    let answers: serde_json::Value = serde_json::from_str(&answer.body()).unwrap();
    let answers = answers.as_array().unwrap();
    let ids: Vec<String> = answers.iter().map(|one| one["id"].to_string()).collect();
    assert_eq!(ids, ["\"b\"", "1"]);
}

/// A restrictive rule can only restrict more, whatever rules come before or after it.
#[test]
fn the_order_of_rules_means_nothing_and_a_further_rule_opens_nothing_that_one_closes() {
    use proptest::prelude::*;
    let pieces = || {
        (
            prop_oneof![
                "tools/call",
                "tools/\\*",
                "\\*",
                "prompts/get",
                "completion/complete"
            ],
            prop_oneof!["a", "a\\*", "\\*b", "ab", "\\*"],
            prop_oneof!["", "x", "y", "x y"],
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(|(method, name, scopes, hide, anonymous)| {
                let mut rule = RuleDraft::new(method).name(name);
                if !scopes.is_empty() {
                    rule = rule.scopes(scopes.split_whitespace());
                }
                rule.anonymous = anonymous && rule.scopes.is_none();
                rule.hide = hide && rule.method.as_deref() != Some("completion/complete");
                rule
            })
    };
    let bodies = [
        CALL.to_owned(),
        CALL.replace("\"a\"", "\"ab\""),
        CALL.replace("tools/call", "prompts/get"),
        r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"ab"}}}"#.to_owned(),
    ];
    let hierarchy = ScopeHierarchy::default();
    proptest!(|(drafts in prop::collection::vec(pieces(), 1..5), extra in pieces(), held in prop_oneof!["", "x", "y", "x y"], deny in any::<bool>())| {
        let unmatched = if deny { Unmatched::Deny } else { Unmatched::Allow };
        let rules = OperationRules::new(unmatched, drafts.clone()).unwrap();
        let reversed = OperationRules::new(unmatched, drafts.iter().rev().cloned()).unwrap();
        let more = OperationRules::new(unmatched, drafts.iter().cloned().chain([extra])).unwrap();
        let (held, none) = (held.parse::<Scopes>().unwrap(), Scopes::none());
        for body in &bodies {
            let asked = operations(body);
            for caller in [Caller::anonymous(), Caller::with_scopes(&held, &hierarchy, &none)] {
                let judge = |rules: &OperationRules| rules.judge(&asked, &caller);
                let kind = |decision: &Decision| std::mem::discriminant(decision);
                prop_assert_eq!(kind(&judge(&rules)), kind(&judge(&reversed)));
                let was_needed = matches!(judge(&rules), Decision::NeedsScopes(_) | Decision::Hidden(_));
                if was_needed {
                    prop_assert_ne!(judge(&more), Decision::Allowed);
                }
            }
        }
    });
}
