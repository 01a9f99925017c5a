//! Requests: whatever is read strictly is read the same way by another JSON reader, headers agree
//! with it, and no call that the rules refuse is allowed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mcp_bearer_core::operation::{
    Caller, Decision, HeaderField, MessageKind, OperationReader, OperationRules, Operations,
    RequestHeaders, RuleDraft, Unmatched,
};
use mcp_bearer_core::{ScopeHierarchy, Scopes};
use serde_json::Value;

static RULES: LazyLock<OperationRules> = LazyLock::new(|| {
    OperationRules::new(
        Unmatched::Allow,
        [
            RuleDraft::new("tools/call").name("d*").scopes(["d"]),
            RuleDraft::new("prompts/get")
                .name("d*")
                .scopes(["d"])
                .hide(),
            RuleDraft::new("resources/read")
                .name("x:d*")
                .scopes(["d"])
                .hide(),
            RuleDraft::new("*").name("a*").anonymous(),
        ],
    )
    .unwrap()
});

// Lines with version, method and name, then the body.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let mut header = || {
        let value = parts.next().filter(|value| !value.is_empty());
        value.map_or(HeaderField::Absent, HeaderField::Once)
    };
    let (protocol_version, method, name) = (header(), header(), header());
    let headers = RequestHeaders {
        protocol_version,
        method,
        name,
    };
    check(parts.next().unwrap_or_default(), &headers);
    check(data, &RequestHeaders::default());
});

fn check(body: &[u8], headers: &RequestHeaders<'_>) {
    let read = Operations::read(body, headers);
    let mut reader = OperationReader::new();
    for piece in body.chunks(3) {
        reader.push(piece).unwrap();
    }
    assert_eq!(reader.finish(headers), read);
    let operations = match read {
        Ok(operations) => operations,
        Err(answer) => {
            assert!(matches!(answer.status(), 400 | 413));
            let body: Value = serde_json::from_str(&answer.body()).unwrap();
            assert!(body["error"]["code"].is_i64());
            return;
        }
    };
    let tree: Value = match serde_json::from_slice(body) {
        Ok(tree) => tree,
        // A number that no double can hold is JSON, and decides nothing.
        Err(error) if error.to_string().contains("out of range") => return,
        Err(error) => panic!("what we accept is JSON: {error}"),
    };
    let messages = match &tree {
        Value::Array(messages) => messages.iter().collect(),
        message => vec![message],
    };
    assert_eq!(operations.iter().count(), messages.len());
    let mut closed = false;
    for (operation, message) in operations.iter().zip(messages) {
        assert_eq!(message["jsonrpc"], "2.0");
        if operation.kind() == MessageKind::Response {
            assert!(message.get("method").is_none());
            continue;
        }
        assert_eq!(message["method"], operation.method());
        assert!(message.get("result").is_none() && message.get("error").is_none());
        let id = operation
            .id()
            .map(|id| serde_json::from_str(id.as_json()).unwrap());
        assert_eq!(message.get("id").cloned(), id);
        if let HeaderField::Once(method) = headers.method {
            assert_eq!(
                method.trim_ascii(),
                operation.method().as_bytes().trim_ascii()
            );
        }
        let params = &message["params"];
        let named = match operation.method() {
            "tools/call" | "prompts/get" => &params["name"],
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => &params["uri"],
            _ => continue,
        };
        let named = named.as_str().expect("a name");
        assert_eq!(operation.targets()[0].name(), named);
        closed |= match operation.method() {
            "tools/call" | "prompts/get" => named.starts_with('d'),
            _ => named.starts_with("x:d"),
        };
    }
    let (none, hierarchy) = (Scopes::none(), ScopeHierarchy::default());
    let token = RULES.judge(&operations, &Caller::with_scopes(&none, &hierarchy, &none));
    let stranger = RULES.judge(&operations, &Caller::anonymous());
    assert!(!closed || token != Decision::Allowed);
    assert!(!closed || stranger != Decision::Allowed);
    for decision in [token, stranger] {
        if let Decision::Refused(answer) | Decision::Hidden(answer) = decision {
            assert!(matches!(answer.status(), 200 | 400));
            serde_json::from_str::<Value>(&answer.body()).unwrap();
        }
    }
}
