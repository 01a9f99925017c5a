use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::operation::{Caller, OperationRules, RequestHeaders, RuleDraft, Unmatched};
use crate::scope::{ScopeHierarchy, Scopes};

fn view() -> ListView {
    let rules = OperationRules::new(
        Unmatched::Allow,
        [
            RuleDraft::new("tools/call").name("x*").scopes(["x"]).hide(),
            RuleDraft::new("resources/read")
                .name("x:*")
                .scopes(["x"])
                .hide(),
        ],
    )
    .unwrap();
    let (none, hierarchy) = (Scopes::none(), ScopeHierarchy::default());
    rules
        .list_view(&Caller::with_scopes(&none, &hierarchy, &none))
        .unwrap()
}

fn asked() -> Answers {
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    Answers::to(&Operations::read(body, &RequestHeaders::default()).unwrap())
}

/// The whole output, and whether there was a fault.
fn run(mut filter: ListFilter, input: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<ListFaultKind>) {
    let mut out = Vec::new();
    let mut rest = input;
    for cut in cuts {
        let (piece, behind) = rest.split_at((*cut).min(rest.len()));
        rest = behind;
        if let Err(fault) = filter.push(piece, &mut out) {
            return (out, Some(fault.kind()));
        }
    }
    let ended = filter
        .push(rest, &mut out)
        .and_then(|()| filter.finish(&mut out));
    (out, ended.err().map(|fault| fault.kind()))
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("null".to_owned()),
        Just(r#""x""#.to_owned()),
        Just(r#""a\"}]{\\""#.to_owned()),
        Just("-1.5e3".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let name = prop_oneof![
            "tools",
            "name",
            "result",
            "x",
            "\\\\u0061",
            "content",
            "uri"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::btree_map(name, inner, 0..3).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("\"{name}\" :{value}"))
                    .collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}

fn item() -> impl Strategy<Value = String> {
    let name = prop_oneof!["x1", "a", "\\\\u0078y", "b", "xx", "é"];
    (name, json_text(), any::<bool>()).prop_map(|(name, other, first)| {
        if first {
            format!(r#"{{"name":"{name}","o":{other}}}"#)
        } else {
            format!(r#"{{"o" : {other} , "name":"{name}"}}"#)
        }
    })
}

fn list() -> impl Strategy<Value = String> {
    let space = prop_oneof!["", " ", "\t"];
    (prop::collection::vec(item(), 0..5), space, any::<bool>()).prop_map(|(items, space, scope)| {
        let scope = if scope {
            r#","cacheScope":"public""#
        } else {
            ""
        };
        let items = items.join(&format!("{space},{space}"));
        format!(r#"{{"id":1,"result":{{"tools":[{space}{items}{space}]{scope}}}}}"#)
    })
}

/// What is left of a message according to the definition.
fn by_definition(text: &str) -> Value {
    let mut message: Value = serde_json::from_str(text).unwrap();
    let result = &mut message["result"];
    let seen = |item: &Value| !item["name"].as_str().unwrap().starts_with('x');
    result["tools"].as_array_mut().unwrap().retain(seen);
    if let Some(scope) = result.get_mut("cacheScope") {
        *scope = "private".into();
    }
    message
}

proptest! {
    #[test]
    fn a_list_holds_what_is_seen_and_every_other_byte(text in list(), cuts in prop::collection::vec(0_usize..40, 0..6)) {
        let (out, fault) = run(ListFilter::json(view(), asked()), text.as_bytes(), &cuts);
        prop_assert_eq!(fault, None);
        let left: Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(left, by_definition(&text));
        // The output is a subsequence of the input, except for the cache scope.
        let expected = text.replace("public", "private");
        let mut rest = expected.bytes();
        prop_assert!(out.iter().all(|byte| rest.any(|other| other == *byte)));
    }

    #[test]
    fn an_event_holds_what_the_list_would(text in list(), cuts in prop::collection::vec(0_usize..40, 0..6), end in prop_oneof!["\n", "\r", "\r\n"]) {
        let input = format!(": c{end}id: 1{end}data: {text}{end}{end}");
        let (out, fault) = run(ListFilter::events(Some(view()), asked()), input.as_bytes(), &cuts);
        prop_assert_eq!(fault, None);
        let (list, _) = run(ListFilter::json(view(), asked()), text.as_bytes(), &[]);
        let list = String::from_utf8(list).unwrap();
        prop_assert_eq!(String::from_utf8(out).unwrap(), format!(": c{end}id: 1{end}data: {list}{end}{end}"));
    }

    #[test]
    fn pieces_change_nothing(
        texts in prop::collection::vec(prop_oneof![list(), json_text(), "[ -~]{0,12}"], 0..4),
        ends in prop::collection::vec(prop_oneof!["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n"], 4),
        fields in prop::collection::vec(prop_oneof!["data: ", "data:", "id: ", "id", ": ", "event: ", "", "dat"], 4),
        cuts in prop::collection::vec(0_usize..30, 0..12),
        limit in 1_usize..120,
        was_asked in any::<bool>(),
    ) {
        let input: String = texts
            .iter()
            .zip(&ends)
            .zip(&fields)
            .map(|((text, end), field)| format!("{field}{text}{end}"))
            .collect();
        let answers = || if was_asked { asked() } else { Answers::to_unknown() };
        let events = || {
            ListFilter::events(Some(view()), answers())
                .with_limit(limit)
                .with_event_ids(|id| (!id.contains('a')).then(|| format!("t.{id}")))
        };
        let json = || ListFilter::json(view(), answers()).with_limit(limit);
        let bytes = input.as_bytes();
        let single: Vec<usize> = vec![1; bytes.len()];
        prop_assert_eq!(run(events(), bytes, &cuts), run(events(), bytes, &[]));
        prop_assert_eq!(run(events(), bytes, &single), run(events(), bytes, &[]));
        prop_assert_eq!(run(json(), bytes, &cuts), run(json(), bytes, &[]));
        prop_assert_eq!(run(json(), bytes, &single), run(json(), bytes, &[]));
    }

    #[test]
    fn an_answer_without_a_list_passes_byte_for_byte(
        blocks in prop::collection::vec(prop_oneof!["[ -~]{0,20}", "data: [ -z]{0,20}", ": [ -~]{0,9}"], 0..6),
        end in prop_oneof!["\n", "\r", "\r\n"],
    ) {
        let input = blocks.join(&end) + &end + &end;
        // A batch is not passed on.
        let is_batch = |line: &String| line.strip_prefix("data:").is_some_and(|data| data.trim_start().starts_with('['));
        prop_assume!(!blocks.iter().any(is_batch));
        let (out, fault) = run(ListFilter::events(Some(view()), Answers::to_unknown()), input.as_bytes(), &[3, 5]);
        prop_assert_eq!(fault, None);
        prop_assert_eq!(String::from_utf8(out).unwrap(), input);
    }
}

#[test]
fn a_large_event_is_held_or_passed_in_bounded_memory() {
    let held = |filter: &ListFilter| match &filter.0 {
        Format::Events(filter) => filter.memory_bytes(),
        Format::Json(filter) => filter.memory_bytes(),
    };
    let megabyte = "x".repeat(1 << 20);
    // A list of 1 MB is filtered.
    let list = format!(
        r#"{{"id":1,"result":{{"tools":[{{"name":"a","d":"{megabyte}"}},{{"name":"x"}}]}}}}"#
    );
    let (out, fault) = run(
        ListFilter::events(Some(view()), asked()),
        format!("data: {list}\n\n").as_bytes(),
        &[4096; 200],
    );
    assert_eq!(fault, None);
    assert_eq!(out.len(), list.len() + 8 - r#",{"name":"x"}"#.len());
    // The answer to a call of 40 MB is not held.
    for (mut filter, begin, end) in [
        (
            ListFilter::json(view(), Answers::to_unknown()),
            r#"{"id":1,"result":{"content":[""#,
            r#""]}}"#,
        ),
        (
            ListFilter::events(Some(view()), Answers::to_unknown()),
            r#"data: {"id":1,"result":{"content":[""#,
            "\"]}}\n\n",
        ),
        (
            ListFilter::json(view(), Answers::to_unknown()),
            r#"{"id":1,"result":{"x":[""#,
            r#""]}}"#,
        ),
        (
            ListFilter::events(Some(view()), Answers::to_unknown()),
            r#"data: {"id":1,"result":{"x":[""#,
            "\"]}}\n\n",
        ),
    ] {
        let mut length = 0;
        let mut out = Vec::new();
        filter.push(begin.as_bytes(), &mut out).unwrap();
        for _ in 0..40 {
            filter.push(megabyte.as_bytes(), &mut out).unwrap();
            length += out.len();
            out.clear();
            assert!(
                held(&filter) <= 2 * Limits::LIST_BYTES + 4096,
                "{}",
                held(&filter)
            );
        }
        filter.push(end.as_bytes(), &mut out).unwrap();
        filter.finish(&mut out).unwrap();
        assert_eq!(
            length + out.len(),
            40 * megabyte.len() + begin.len() + end.len()
        );
    }
    // Endless lines without an event are not held either.
    for line in ["data: x\n", "x: y\n", ": c\n", "id: 1\n", "data\n", "x\r"] {
        let mut filter = ListFilter::events(Some(view()), Answers::to_unknown()).with_limit(1000);
        let mut out = Vec::new();
        for _ in 0..10_000 {
            filter.push(line.as_bytes(), &mut out).unwrap();
        }
        assert!(held(&filter) <= 2000, "{line:?}: {}", held(&filter));
    }
}

#[test]
fn a_json_answer_passes_once_it_is_known_to_be_no_list() {
    let mut filter = ListFilter::json(view(), Answers::to_unknown());
    let mut out = Vec::new();
    filter
        .push(br#"{"jsonrpc":"2.0","id":1,"result":{"#, &mut out)
        .unwrap();
    assert!(out.is_empty());
    filter.push(br#""content":"#, &mut out).unwrap();
    assert_eq!(out, br#"{"jsonrpc":"2.0","id":1,"result":{"content":"#);
    let mut list = ListFilter::json(view(), asked());
    out.clear();
    list.push(br#"{"jsonrpc":"2.0","id":1,"result":{"content":"#, &mut out)
        .unwrap();
    assert!(out.is_empty());
}

#[test]
fn a_second_result_or_method_is_looked_at_as_the_first_was() {
    let list = r#""result":{"tools":[{"name":"x"}]}"#;
    for first in [
        r#""result":{"content":[{"text":"}]\"{"}],"a":{"b":[1]}}"#,
        r#""method":"notifications/progress","params":{"tools":[]}"#,
    ] {
        for second in [
            list,
            r#""result":{"content":[]}"#,
            r#""method":"notifications/resources/updated","params":{"uri":"x:"}"#,
            r#""\u0072esult":{}"#,
        ] {
            let text = format!("{{\"id\":1,{first},{second}}}");
            let (out, fault) = run(
                ListFilter::json(view(), Answers::to_unknown()),
                text.as_bytes(),
                &[],
            );
            assert_eq!(fault, Some(ListFaultKind::NotStrict), "{text}");
            assert!(!String::from_utf8(out).unwrap().contains("\"x"), "{text}");
            let event = format!("data: {text}\n\ndata: {{}}\n\n");
            let filter = ListFilter::events(Some(view()), Answers::to_unknown());
            let (out, fault) = run(filter, event.as_bytes(), &[]);
            assert_eq!(fault, Some(ListFaultKind::NotStrict), "{text}");
            assert!(!String::from_utf8(out).unwrap().contains("\"x"), "{text}");
        }
        // Anything that is not a list may hold anything else.
        let text = format!("{{\"id\":1,{first},\"x\":[{{\"result\":1}}],\"y\":\"method\"}}");
        let filter = ListFilter::json(view(), Answers::to_unknown());
        let (out, fault) = run(filter, text.as_bytes(), &[]);
        assert_eq!((out, fault), (text.into_bytes(), None));
    }
}

#[test]
fn events_come_out_as_soon_as_they_are_complete() {
    let mut filter = ListFilter::events(Some(view()), asked());
    let mut out = Vec::new();
    for (input, expected) in [
        (": ping\n", ": ping\n"),
        ("\n", "\n"),
        ("id: 1\n", ""),
        (
            "data: {\"method\":\"notifications/progress\"",
            "id: 1\ndata: {\"method\":\"notifications/progress\"",
        ),
        ("}\n\n", "}\n\n"),
        ("data: {\"id\":1,\"result\":{\"tools\":[]}}\r", ""),
        ("\r", "data: {\"id\":1,\"result\":{\"tools\":[]}}\r\r"),
        ("\n", "\n"),
    ] {
        out.clear();
        filter.push(input.as_bytes(), &mut out).unwrap();
        assert_eq!(String::from_utf8_lossy(&out), expected, "{input:?}");
    }
}

#[test]
fn a_fault_has_an_answer_with_the_id_that_was_asked() {
    let mut filter = ListFilter::json(view(), asked());
    let mut out = Vec::new();
    filter.push(br#"{"result":{"tools":[}"#, &mut out).unwrap();
    let fault = filter.finish(&mut out).unwrap_err();
    assert_eq!(fault.to_string(), "a list that is not strict JSON");
    let answer = fault.answer();
    assert_eq!((answer.status(), answer.code()), (502, -32603));
    assert_eq!(answer.id().unwrap().as_json(), "1");
    assert!(out.is_empty());
    // It stays refused.
    assert!(filter.push(b"}", &mut out).is_err() && filter.finish(&mut out).is_err());
    assert!(out.is_empty());
}

#[test]
fn an_event_stream_remembers_its_last_fault() {
    let mut filter = ListFilter::events(Some(view()), asked());
    let mut out = Vec::new();
    filter
        .push(b"data: {\"result\":{\"tools\":[1,]}}\n\n", &mut out)
        .unwrap();
    assert_eq!(filter.fault().unwrap().kind(), ListFaultKind::NotStrict);
}

#[test]
fn a_rewritten_id_cannot_add_a_line() {
    for rewritten in ["a\ndata: x", "a\rb", "\0", "a\r\n"] {
        let filter = ListFilter::events(None, Answers::to_unknown())
            .with_event_ids(move |_| Some(rewritten.to_owned()));
        let (out, _) = run(filter, b"id: 1\r\ndata: x\r\nid: 2\r\n\r\n", &[7, 1, 1]);
        assert_eq!(out, b"data: x\r\n\r\n", "{rewritten:?}");
    }
}

#[test]
fn without_a_view_only_ids_change() {
    let list = r#"{"id":1,"result":{"tools":[{"name":"x"}]}}"#;
    let input = format!("id: 1\ndata: {list}\n\ndata: [{list}]\n\n");
    let filter = || ListFilter::events(None, asked());
    assert_eq!(run(filter(), input.as_bytes(), &[5]).0, input.as_bytes());
    let tagged = filter().with_event_ids(|id| Some(format!("t.{id}")));
    let out = run(tagged, input.as_bytes(), &[5]).0;
    assert_eq!(
        String::from_utf8(out).unwrap(),
        input.replacen("id: 1", "id: t.1", 1)
    );
}
