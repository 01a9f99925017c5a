//! Lists: pieces change nothing, and a reader that knows nothing about the filter finds no hidden
//! name in the output.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mcp_bearer_core::operation::{
    Answers, Caller, ListFault, ListFilter, ListView, OperationRules, Operations, RequestHeaders,
    RuleDraft, Unmatched,
};
use mcp_bearer_core::{ScopeHierarchy, Scopes};
use serde_json::Value;

static VIEW: LazyLock<ListView> = LazyLock::new(|| {
    let rules = [
        RuleDraft::new("tools/call").name("x*").scopes(["x"]).hide(),
        RuleDraft::new("prompts/get").scopes(["x"]).hide(),
        RuleDraft::new("resources/read")
            .name("x:*")
            .scopes(["x"])
            .hide(),
    ];
    let rules = OperationRules::new(Unmatched::Allow, rules).unwrap();
    let (none, hierarchy) = (Scopes::none(), ScopeHierarchy::default());
    rules
        .list_view(&Caller::with_scopes(&none, &hierarchy, &none))
        .unwrap()
});

// One byte for the choice, one for the limit, one for the pieces, then the answer.
fuzz_target!(|data: &[u8]| {
    let [choice, limit, piece, input @ ..] = data else {
        return;
    };
    let asked = choice & 1 == 1;
    let limit = if choice & 2 == 2 {
        usize::from(*limit) + 1
    } else {
        1 << 20
    };
    let piece = usize::from(*piece) + 1;
    if choice & 4 == 4 {
        let make = || ListFilter::json(VIEW.clone(), answers(asked)).with_limit(limit);
        let (out, fault) = same_in_pieces(make, input, piece);
        if fault.is_none() {
            if let Ok(tree) = serde_json::from_slice::<Value>(&out) {
                assert_nothing_hidden(&tree, asked);
            }
        }
    } else {
        let make = || {
            ListFilter::events(Some(VIEW.clone()), answers(asked))
                .with_limit(limit)
                .with_event_ids(|id| (!id.contains('a')).then(|| format!("t.{id}")))
        };
        let (out, _) = same_in_pieces(make, input, piece);
        for message in messages(&out) {
            if let Ok(tree) = serde_json::from_slice::<Value>(&message) {
                assert_nothing_hidden(&tree, asked);
            }
        }
    }
});

fn answers(asked: bool) -> Answers {
    if !asked {
        return Answers::to_unknown();
    }
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    Answers::to(&Operations::read(body, &RequestHeaders::default()).unwrap())
}

fn run(mut filter: ListFilter, input: &[u8], piece: usize) -> (Vec<u8>, Option<ListFault>) {
    let mut out = Vec::new();
    for piece in input.chunks(piece) {
        if let Err(fault) = filter.push(piece, &mut out) {
            return (out, Some(fault));
        }
    }
    let fault = filter.finish(&mut out).err();
    (out, fault)
}

fn same_in_pieces(
    make: impl Fn() -> ListFilter,
    input: &[u8],
    piece: usize,
) -> (Vec<u8>, Option<ListFault>) {
    let whole = run(make(), input, input.len().max(1));
    assert_eq!(run(make(), input, piece), whole);
    assert_eq!(run(make(), input, 1), whole);
    whole
}

fn assert_nothing_hidden(tree: &Value, asked: bool) {
    if let Value::Array(messages) = tree {
        messages
            .iter()
            .for_each(|message| assert_nothing_hidden(message, asked));
        return;
    }
    let method = tree["method"].as_str().unwrap_or_default();
    assert_ne!(method, "notifications/prompts/list_changed");
    if method == "notifications/resources/updated" {
        assert!(!tree["params"]["uri"].as_str().unwrap().starts_with("x:"));
    }
    let result = &tree["result"];
    let others = [
        "content",
        "structuredContent",
        "messages",
        "contents",
        "completion",
    ];
    let is_other = others.iter().any(|name| result.get(name).is_some());
    if !method.is_empty() || (is_other && !asked) {
        return;
    }
    let names = |list: &str, name: &str| -> Vec<String> {
        let items = result[list].as_array().into_iter().flatten();
        items
            .filter_map(|item| Some(item[name].as_str()?.to_owned()))
            .collect()
    };
    assert!(
        names("tools", "name")
            .iter()
            .all(|name| !name.starts_with('x'))
    );
    assert!(names("prompts", "name").is_empty());
    for (list, name) in [("resources", "uri"), ("resourceTemplates", "uriTemplate")] {
        assert!(names(list, name).iter().all(|name| !name.starts_with("x:")));
    }
}

/// The data of every event, as read by a client that follows the standard, and of the last one even
/// if it is incomplete.
fn messages(stream: &[u8]) -> Vec<Vec<u8>> {
    let stream = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let text = String::from_utf8_lossy(stream)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let mut messages = Vec::new();
    let mut data: Vec<&str> = Vec::new();
    for line in text.split('\n').chain([""]) {
        if line.is_empty() {
            messages.push(data.join("\n").into_bytes());
            data.clear();
        } else if line == "data" {
            data.push("");
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push(value.strip_prefix(' ').unwrap_or(value));
        }
    }
    messages
}
