use super::*;

fn problems(draft: &OperationRulesDraft) -> Vec<String> {
    match draft.check() {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

fn problems_of(rule: RuleDraft) -> Vec<String> {
    problems(&OperationRulesDraft {
        unmatched: Some(Unmatched::Allow),
        rules: vec![rule],
        ..OperationRulesDraft::default()
    })
}

#[test]
fn no_rules_are_no_problem_and_decide_nothing() {
    let rules = OperationRulesDraft::default().check().unwrap();
    assert!(rules.is_none() && !rules.may_hide() && !rules.has_anonymous());
    assert!(OperationRules::default().is_none());
    let denies_all = OperationRulesDraft {
        unmatched: Some(Unmatched::Deny),
        ..OperationRulesDraft::default()
    };
    assert!(!denies_all.check().unwrap().is_none());
}

#[test]
fn what_is_unmatched_must_be_decided_once_there_is_a_rule() {
    let draft = OperationRulesDraft {
        rules: vec![RuleDraft::new("tools/call")],
        ..OperationRulesDraft::default()
    };
    let found = problems(&draft);
    assert_eq!(
        found,
        ["unmatched: must be decided where there are rules: allow or deny"]
    );
}

#[test]
fn every_problem_is_reported_with_its_rule_and_field() {
    let draft = OperationRulesDraft {
        rules: vec![
            RuleDraft::default(),
            RuleDraft::new("tools/call").name("x").scopes(["ok"]),
            RuleDraft::new("tools/list")
                .name("x")
                .scopes(["a b", "", "é"])
                .hide(),
            RuleDraft::new("ping").scopes(["s"]).anonymous(),
        ],
        ..OperationRulesDraft::default()
    };
    let error = draft.check().unwrap_err();
    let found: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| (problem.rule(), problem.field()))
        .collect();
    assert_eq!(
        found,
        [
            (None, RuleField::Unmatched),
            (Some(0), RuleField::Method),
            (Some(2), RuleField::Name),
            (Some(2), RuleField::Scopes),
            (Some(2), RuleField::Scopes),
            (Some(2), RuleField::Scopes),
            (Some(2), RuleField::Hide),
            (Some(3), RuleField::Anonymous),
        ]
    );
    assert!(error.to_string().contains("rule 3: scopes: "), "{error}");
    for problem in error.problems() {
        for field in ["unmatched", "method:", "scopes:", "hide:", "anonymous:"] {
            assert!(!problem.fact().contains(field), "{problem}");
        }
    }
}

#[test]
fn good_rules_have_no_problem() {
    for rule in [
        RuleDraft::new("*"),
        RuleDraft::new("*").name("*").scopes(["a", "a", "b"]),
        RuleDraft::new("tools/*").name("delete_*").hide(),
        RuleDraft::new("tools/list").name("*"),
        RuleDraft::new("resources/read")
            .name("file:///a/*")
            .scopes(["x"])
            .hide(),
        RuleDraft::new("resources/*").name("x:e\u{301}"),
        RuleDraft::new("prompts/get").name("日本語"),
        RuleDraft::new("completion/complete").name("p"),
        RuleDraft::new("notifications/*").anonymous(),
        RuleDraft::new("x-vendor/do").scopes(["x"]),
        RuleDraft::new("com.example/*"),
        RuleDraft::new("*call").name("a"),
        RuleDraft::new("tools/call").name("FILE:///../x"),
    ] {
        assert_eq!(problems_of(rule.clone()), Vec::<String>::new(), "{rule:?}");
    }
}

#[test]
fn a_rule_that_demands_or_opens_more_than_was_written_is_a_problem() {
    for method in [
        "tools/call",
        "tools/*",
        "*",
        "resources/read",
        "prompts/get",
        "completion/*",
    ] {
        let open = RuleDraft::new(method).anonymous();
        let found = problems_of(open.clone());
        assert_eq!(found.len(), 1, "{method}: {found:?}");
        assert!(found[0].contains("name: is missing"), "{found:?}");
        assert_eq!(
            problems_of(open.name("*")),
            Vec::<String>::new(),
            "{method}"
        );
        assert_eq!(problems_of(RuleDraft::new(method)), Vec::<String>::new());
    }
    for method in [
        "tools/list",
        "initialize",
        "ping",
        "resources/list",
        "notifications/*",
    ] {
        let found = problems_of(RuleDraft::new(method).anonymous());
        assert_eq!(found, Vec::<String>::new(), "{method}");
    }
    let none: [&str; 0] = [];
    let found = problems_of(RuleDraft::new("tools/call").name("delete_*").scopes(none));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("scopes: set to nothing"), "{found:?}");
}

#[test]
fn a_rule_that_nothing_can_match_is_a_problem() {
    for (rule, word) in [
        (RuleDraft::new(""), "method: is missing"),
        (RuleDraft::new("tools/call\n"), "control character"),
        (RuleDraft::new("tools/call").name(""), "name: is empty"),
        (RuleDraft::new("tools/list").name("x"), "names nothing"),
        (RuleDraft::new("x-vendor/do").name("x"), "names nothing"),
        (RuleDraft::new("tools/call").name("e\u{301}"), "Form C"),
        (
            RuleDraft::new("tools/call").name("a\0"),
            "control character",
        ),
        (
            RuleDraft::new("resources/read").name("x:\n"),
            "control character",
        ),
        (
            RuleDraft::new("resources/read").name("FILE:///x"),
            "upper-case scheme",
        ),
        (
            RuleDraft::new("resources/*").name("file:///a/../*"),
            "dot segment",
        ),
        (
            RuleDraft::new("resources/read").name("file:///%41*"),
            "needs no encoding",
        ),
        (RuleDraft::new("tools/list").hide(), "hide: "),
        (RuleDraft::new("resources/subscribe").hide(), "hide: "),
        (
            RuleDraft::new("tools/call").scopes(["offline_access"]),
            "no operation needs it",
        ),
        (
            RuleDraft::new("tasks/get").scopes(["x"]),
            "tasks are refused",
        ),
    ] {
        let found = problems_of(rule.clone());
        assert_eq!(found.len(), 1, "{rule:?}: {found:?}");
        assert!(found[0].contains(word), "{rule:?}: {found:?}");
    }
}

#[test]
fn a_method_that_looks_like_a_known_one_is_a_problem() {
    for (method, meant) in [
        ("tool/call", "tools/call"),
        ("tools.call", "tools/call"),
        ("Tools/Call", "tools/call"),
        ("tools/calls", "tools/call"),
        ("tools_call", "tools/call"),
        ("tools/call ", "tools/call"),
        ("tool/*", "tools/list"),
        ("prompt/get", "prompts/get"),
        ("resource/read", "resources/read"),
        ("logging/setlevel", "logging/setLevel"),
        ("resources/template/list", "resources/templates/list"),
        ("Initialize", "initialize"),
    ] {
        let found = problems_of(RuleDraft::new(method));
        assert_eq!(found.len(), 1, "{method}: {found:?}");
        assert!(
            found[0].contains(&format!("did you mean {meant:?}?")),
            "{found:?}"
        );
    }
}

#[test]
fn tasks_may_have_rules_where_the_server_binds_them() {
    let draft = OperationRulesDraft {
        unmatched: Some(Unmatched::Deny),
        tasks: Tasks::BoundByServer,
        rules: vec![RuleDraft::new("tasks/*").name("t-*").scopes(["x"])],
        ..OperationRulesDraft::default()
    };
    assert_eq!(problems(&draft), Vec::<String>::new());
}

#[test]
fn a_long_pattern_is_cut_where_it_is_shown() {
    let found = problems_of(RuleDraft::new("tools/list").name("x".repeat(10_000)));
    assert!(found[0].len() < 200, "{found:?}");
}

#[test]
fn what_rules_need_and_may_do_is_known() {
    let rules = OperationRules::new(
        Unmatched::Allow,
        [
            RuleDraft::new("tools/call")
                .name("a")
                .scopes(["x", "y", "x"]),
            RuleDraft::new("prompts/get").scopes(["y", "z"]).hide(),
        ],
    )
    .unwrap();
    assert_eq!(rules.scopes().as_str(), "x y z");
    assert!(rules.may_hide() && !rules.has_anonymous() && !rules.is_none());
    let open = OperationRules::new(Unmatched::Allow, [RuleDraft::new("ping").anonymous()]).unwrap();
    assert!(open.has_anonymous() && open.may_hide());
    let draft = OperationRulesDraft {
        unmatched: Some(Unmatched::Allow),
        anonymous_sees: AnonymousSees::All,
        rules: vec![RuleDraft::new("ping").anonymous()],
        ..OperationRulesDraft::default()
    };
    assert!(!draft.check().unwrap().may_hide());
}
