//! The call that rules for operations are measured with, and the rules.

use mcp_bearer::operation::{OperationRules, RuleDraft, Unmatched};
use serde_json::json;

/// 20 rules: some name the method of the call, one of those matches it.
#[must_use]
pub fn rules() -> OperationRules {
    let call = |name: &str| RuleDraft::new("tools/call").name(name);
    let mut rules: Vec<RuleDraft> = (0..16)
        .map(|number| call(&format!("group{number}_*")).scopes(["mcp:write"]))
        .collect();
    rules.push(call("search_*").scopes(["mcp:read"]));
    rules.push(call("*_odd").scopes(["mcp:admin"]).hide());
    rules.push(RuleDraft::new("resources/*").scopes(["mcp:write"]));
    rules.push(RuleDraft::new("prompts/get").scopes(["mcp:write"]));
    OperationRules::new(Unmatched::Allow, rules).unwrap()
}

/// A call of 1 KB.
#[must_use]
pub fn call() -> Vec<u8> {
    let arguments = json!({
        "query": "the quarterly report \u{e9} \"final\"",
        "filters": { "after": "2026-01-01", "tags": ["finance", "board", "draft"], "limit": 25 },
        "text": "Lorem ipsum dolor sit amet, consectetur adipiscing elit. ".repeat(12),
    });
    let meta = json!({ "progressToken": 7 });
    let params = json!({ "name": "search_documents", "arguments": arguments, "_meta": meta });
    let message = json!({ "jsonrpc": "2.0", "id": 41, "method": "tools/call", "params": params });
    message.to_string().into()
}
