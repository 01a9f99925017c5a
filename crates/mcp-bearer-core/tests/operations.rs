//! Runs every case under `vectors/operations/` through the reader, the rules and the list filter,
//! in pieces of every kind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::borrow::Cow;
use std::collections::BTreeSet;

use mcp_bearer_core::operation::{
    AnonymousSees, Answers, Caller, Decision, HeaderField, HiddenAnswer, ListFaultKind, ListFilter,
    OperationReader, OperationRules, OperationRulesDraft, Operations, RequestHeaders, RpcAnswer,
    RuleDraft, Tasks, Unmatched,
};
use mcp_bearer_core::{ScopeHierarchy, Scopes};
use mcp_bearer_testkit::vectors::operations::{
    self, Answer, Bytes, Expect, Format, Headers, ListCase, ListExpect, RequestCase, Rules,
};

fn rules_of(rules: &Rules) -> OperationRules {
    let mut draft = OperationRulesDraft::default();
    draft.unmatched = rules.unmatched.as_deref().map(|word| match word {
        "allow" => Unmatched::Allow,
        "deny" => Unmatched::Deny,
        other => panic!("{other}"),
    });
    if rules.tasks_are_bound {
        draft.tasks = Tasks::BoundByServer;
    }
    if rules.hidden_is_challenged {
        draft.hidden = HiddenAnswer::Challenge;
    }
    if rules.anonymous_sees_all {
        draft.anonymous_sees = AnonymousSees::All;
    }
    for rule in &rules.rules {
        let mut one = RuleDraft::new(&rule.method);
        if !rule.scopes.is_empty() {
            one = one.scopes(&rule.scopes);
        }
        one.name.clone_from(&rule.name);
        one.hide = rule.hide;
        one.anonymous = rule.anonymous;
        draft.rules.push(one);
    }
    draft.check().unwrap()
}

/// What a [`Caller`] borrows from.
struct Held {
    scopes: Option<Scopes>,
    required: Scopes,
    hierarchy: ScopeHierarchy,
    in_bound_session: bool,
}

impl Held {
    fn of(caller: &operations::Caller) -> Self {
        Self {
            scopes: caller.scopes.as_deref().map(|text| text.parse().unwrap()),
            required: caller.required.parse().unwrap(),
            hierarchy: ScopeHierarchy::new(&caller.implies).unwrap(),
            in_bound_session: caller.in_bound_session,
        }
    }

    fn caller(&self) -> Caller<'_> {
        let caller = match &self.scopes {
            Some(scopes) => Caller::with_scopes(scopes, &self.hierarchy, &self.required),
            None => Caller::anonymous(),
        };
        if self.in_bound_session {
            caller.in_bound_session()
        } else {
            caller
        }
    }
}

/// A body in pieces of this many bytes; 0: in one piece.
fn read(case: &RequestCase, piece: usize) -> Result<Operations, RpcAnswer> {
    let values = [
        Headers::bytes(&case.headers.protocol_version),
        Headers::bytes(&case.headers.method),
        Headers::bytes(&case.headers.name),
    ];
    let headers = RequestHeaders {
        protocol_version: HeaderField::of(&values[0]),
        method: HeaderField::of(&values[1]),
        name: HeaderField::of(&values[2]),
    };
    let body = case.body.to_vec();
    if piece == 0 {
        return Operations::read(&body, &headers);
    }
    let mut reader = OperationReader::new();
    for piece in body.chunks(piece) {
        reader.push(piece).unwrap();
    }
    reader.finish(&headers)
}

fn decide(case: &RequestCase, rules: &OperationRules, piece: usize) -> Decision {
    match read(case, piece) {
        Err(answer) => Decision::BadRequest(answer),
        Ok(operations) => rules.judge(&operations, &Held::of(&case.caller).caller()),
    }
}

fn as_expected(decision: &Decision) -> Expect {
    let answer = |answer: &RpcAnswer| Answer {
        status: answer.status(),
        code: answer.code(),
        id: answer.id().map(|id| id.as_json().to_owned()),
    };
    match decision {
        Decision::Allowed => Expect::Allowed,
        Decision::NeedsToken(scopes) => {
            Expect::NeedsToken(scopes.to_request(Cow::Borrowed).to_string())
        }
        Decision::NeedsScopes(scopes) => Expect::NeedsScopes {
            challenge: scopes.to_request(Cow::Borrowed).to_string(),
            missing: scopes.missing().to_string(),
        },
        Decision::Refused(one) => Expect::Refused(answer(one)),
        Decision::Hidden(one) => Expect::Hidden(answer(one)),
        Decision::BadRequest(one) => Expect::BadRequest(answer(one)),
    }
}

#[test]
fn every_request_has_its_decision_in_pieces_of_any_size() {
    let mut wrong = Vec::new();
    for file in operations::requests() {
        let rules = rules_of(&file.rules);
        for case in &file.cases {
            for piece in [0, 1, 2, 7, 64] {
                let decision = decide(case, &rules, piece);
                if as_expected(&decision) != case.expect {
                    wrong.push(format!(
                        "{}: {} (pieces of {piece}): {decision:?}\n  instead of {:?}",
                        file.path, case.name, case.expect
                    ));
                    break;
                }
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

#[test]
fn every_answer_is_json_rpc_and_shows_no_scope() {
    for file in operations::requests() {
        let rules = rules_of(&file.rules);
        for case in &file.cases {
            let decision = decide(case, &rules, 0);
            let answer = match &decision {
                Decision::Refused(answer) | Decision::Hidden(answer) => answer,
                Decision::BadRequest(answer) => answer,
                _ => continue,
            };
            let label = format!("{}: {}", file.path, case.name);
            let body: serde_json::Value = serde_json::from_str(&answer.body()).expect(&label);
            let errors = body
                .as_array()
                .map_or(vec![&body], |list| list.iter().collect());
            assert!(!errors.is_empty(), "{label}");
            for error in errors {
                assert_eq!(error["jsonrpc"], "2.0", "{label}");
                assert!(error["error"]["code"].is_i64(), "{label}");
                assert!(error["error"]["message"].is_string(), "{label}");
                assert_ne!(error.get("id"), Some(&serde_json::Value::Null), "{label}");
            }
            for scope in rules.scopes().iter().filter(|scope| scope.len() > 4) {
                let asked = String::from_utf8_lossy(&case.body.to_vec()).contains(scope);
                assert!(asked || !answer.body().contains(scope), "{label}: {scope}");
            }
        }
    }
}

#[test]
fn every_decision_is_met() {
    let met: BTreeSet<_> = operations::requests()
        .iter()
        .flat_map(|file| &file.cases)
        .map(|case| std::mem::discriminant(&case.expect))
        .map(|one| format!("{one:?}"))
        .collect();
    assert_eq!(met.len(), 6);
}

/// A list in pieces of this many bytes, and the kind of fault that ended it.
fn filter(
    case: &ListCase,
    rules: &OperationRules,
    piece: usize,
) -> (Vec<u8>, Option<&'static str>) {
    let held = Held::of(&case.caller);
    let view = rules.list_view(&held.caller());
    let method = if case.list_was_asked_for {
        "tools/list"
    } else {
        "ping"
    };
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
    let asked = Operations::read(body.as_bytes(), &RequestHeaders::default()).unwrap();
    let answers = if case.list_was_asked_for {
        Answers::to(&asked)
    } else {
        Answers::to_unknown()
    };
    let mut filter = match (case.format, view) {
        (Format::Json, None) => return (case.input.to_vec(), None),
        (Format::Json, Some(view)) => ListFilter::json(view, answers),
        (Format::Events, view) => ListFilter::events(view, answers),
    };
    if let Some(limit) = case.limit {
        filter = filter.with_limit(limit);
    }
    if case.ids_are_tagged {
        filter = filter.with_event_ids(|id| Some(format!("tag.{id}")));
    }
    let input = case.input.to_vec();
    let mut out = Vec::new();
    let pieces: Vec<&[u8]> = if piece == 0 {
        vec![&input]
    } else {
        input.chunks(piece).collect()
    };
    let kind = |fault: mcp_bearer_core::operation::ListFault| match fault.kind() {
        ListFaultKind::TooLarge => "too_large",
        ListFaultKind::Cut => "cut",
        ListFaultKind::NotStrict => "not_strict",
    };
    for piece in pieces {
        if let Err(fault) = filter.push(piece, &mut out) {
            return (out, Some(kind(fault)));
        }
    }
    let finished = filter.finish(&mut out);
    (out, finished.err().map(kind))
}

#[test]
fn every_list_comes_out_as_written_in_pieces_of_any_size() {
    let mut wrong = Vec::new();
    for file in operations::lists() {
        let rules = rules_of(&file.rules);
        for case in &file.cases {
            let expected = match &case.expect {
                ListExpect::Unchanged => Ok(case.input.to_vec()),
                ListExpect::Changed(bytes) => Ok(bytes.to_vec()),
                ListExpect::Fault(kind) => Err(kind.as_str()),
            };
            let whole = filter(case, &rules, 0);
            for piece in [0, 1, 2, 3, 5, 16, 100] {
                let (out, fault) = filter(case, &rules, piece);
                let right = match (&expected, fault) {
                    (Ok(expected), None) => out == *expected,
                    (Err(expected), Some(fault)) => *expected == fault,
                    _ => false,
                };
                if !right || (&out, fault) != (&whole.0, whole.1) {
                    wrong.push(format!(
                        "{}: {} (pieces of {piece}): {fault:?}\n  {:?}\n  instead of {:?}",
                        file.path,
                        case.name,
                        String::from_utf8_lossy(&out),
                        case.expect
                    ));
                    break;
                }
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

/// No byte of a hidden name is in any output, not even before a fault.
#[test]
fn no_output_shows_a_hidden_name() {
    let mut seen = 0;
    for file in operations::lists() {
        let rules = rules_of(&file.rules);
        for case in &file.cases {
            let hidden_in_input = contains(&case.input.to_vec(), b"admin_x");
            let is_other = matches!(case.expect, ListExpect::Unchanged);
            if !hidden_in_input || is_other || case.caller.scopes.as_deref() != Some("read") {
                continue;
            }
            let (out, _) = filter(case, &rules, 1);
            // A cursor is not a name, whatever it says.
            let out = String::from_utf8_lossy(&out).replace(r#""nextCursor":"admin_x""#, "");
            let asked_for = case.name.contains("a question") || case.name.contains("goes on");
            assert!(
                asked_for || !out.contains("admin_x"),
                "{}: {out}",
                case.name
            );
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn bytes_are_text_or_hexadecimal() {
    assert_eq!(Bytes::of(b"\xff\x00").to_vec(), b"\xff\x00");
    assert_eq!(Bytes::of("ä".as_bytes()), Bytes::Text("ä".to_owned()));
}
