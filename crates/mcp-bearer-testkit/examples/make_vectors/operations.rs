//! Requests under rules, and lists: everything under `vectors/operations/`.
//!
//! The expectations come from the MCP specification and the documentation of the rules.

mod faults;
mod judged;
mod lists;
mod read;

use std::fs;

use mcp_bearer_testkit::vectors::operations::{
    Answer, Bytes, Caller, Expect, Format, Headers, ListCase, ListExpect, ListFile, RequestCase,
    RequestFile, Rule, Rules, folder,
};
use serde::Serialize;

pub(crate) fn write() {
    let mut cases = 0;
    for file in [read::files(), judged::files()].concat() {
        cases += file.cases.len();
        save(&file.path, &file);
    }
    for file in [lists::files(), faults::files()].concat() {
        cases += file.cases.len();
        save(&file.path, &file);
    }
    println!("{cases} requests and lists");
}

fn save(path: &str, file: &impl Serialize) {
    let path = folder().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, serde_json::to_string_pretty(file).unwrap() + "\n").unwrap();
}

/// A file of requests that is being written.
struct Requests(RequestFile);

impl Requests {
    fn new(path: &str, about: &str, rules: Rules) -> Self {
        Self(RequestFile {
            path: format!("requests/{path}"),
            about: about.to_owned(),
            rules,
            cases: Vec::new(),
        })
    }

    fn case(
        &mut self,
        name: &str,
        headers: Headers,
        body: impl AsRef<[u8]>,
        caller: Caller,
        expect: Expect,
    ) {
        self.0.cases.push(RequestCase {
            name: name.to_owned(),
            headers,
            body: Bytes::of(body.as_ref()),
            caller,
            expect,
        });
    }

    /// A request without headers, from a caller with the scope `read`.
    fn plain(&mut self, name: &str, body: impl AsRef<[u8]>, expect: Expect) {
        self.case(name, Headers::default(), body, token("read"), expect);
    }

    fn finish(self) -> RequestFile {
        self.0
    }
}

/// A file of lists that is being written.
struct Lists(ListFile);

impl Lists {
    fn new(path: &str, about: &str, rules: Rules) -> Self {
        Self(ListFile {
            path: format!("lists/{path}"),
            about: about.to_owned(),
            rules,
            cases: Vec::new(),
        })
    }

    fn push(&mut self, name: &str, format: Format, input: impl AsRef<[u8]>, expect: ListExpect) {
        self.0.cases.push(ListCase {
            name: name.to_owned(),
            format,
            list_was_asked_for: false,
            limit: None,
            ids_are_tagged: false,
            caller: token("read"),
            input: Bytes::of(input.as_ref()),
            expect,
        });
    }

    /// Changes the case that was added last.
    fn last(&mut self) -> &mut ListCase {
        self.0.cases.last_mut().unwrap()
    }

    fn finish(self) -> ListFile {
        self.0
    }
}

fn rules(unmatched: &str, rules: Vec<Rule>) -> Rules {
    Rules {
        unmatched: Some(unmatched.to_owned()),
        rules,
        ..Rules::default()
    }
}

fn rule(method: &str, name: &str, scopes: &str) -> Rule {
    Rule {
        method: method.to_owned(),
        name: (!name.is_empty()).then(|| name.to_owned()),
        scopes: scopes.split_whitespace().map(ToOwned::to_owned).collect(),
        ..Rule::default()
    }
}

fn hide(rule: Rule) -> Rule {
    Rule { hide: true, ..rule }
}

fn open(method: &str, name: &str) -> Rule {
    Rule {
        anonymous: true,
        ..rule(method, name, "")
    }
}

fn token(scopes: &str) -> Caller {
    Caller {
        scopes: Some(scopes.to_owned()),
        ..Caller::default()
    }
}

fn stranger() -> Caller {
    Caller::default()
}

fn version(version: &str) -> Headers {
    Headers {
        protocol_version: vec![version.to_owned()],
        ..Headers::default()
    }
}

/// The headers of 2026-07-28.
fn modern(method: &str, name: &str) -> Headers {
    let list = |value: &str| match value {
        "" => Vec::new(),
        _ => vec![value.to_owned()],
    };
    Headers {
        protocol_version: vec!["2026-07-28".to_owned()],
        method: list(method),
        name: list(name),
    }
}

fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}

/// The same with the `_meta` of 2026-07-28; `params` are members without braces.
fn modern_request(method: &str, params: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    request(
        method,
        &format!(
            r#"{{{params}{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}"#
        ),
    )
}

fn call(name: &str) -> String {
    request(
        "tools/call",
        &format!(r#"{{"name":"{name}","arguments":{{}}}}"#),
    )
}

fn needs(challenge: &str, missing: &str) -> Expect {
    Expect::NeedsScopes {
        challenge: challenge.to_owned(),
        missing: missing.to_owned(),
    }
}

fn answer(status: u16, code: i32, id: &str) -> Answer {
    Answer {
        status,
        code,
        id: (!id.is_empty()).then(|| id.to_owned()),
    }
}

/// 400 for the request with the id 1.
fn bad(code: i32) -> Expect {
    Expect::BadRequest(answer(400, code, "1"))
}

/// 400 with no id known.
fn bad_without_id(code: i32) -> Expect {
    Expect::BadRequest(answer(400, code, ""))
}
