#![cfg(feature = "http")]

use mcp_bearer_core::operation::{AnonymousSees, HiddenAnswer, RuleDraft, Tasks, Unmatched};

use crate::ConfigError;
use crate::config::{CheckedServer, ServerDraft};

const SERVER: &str = r#"
resource = "https://mcp.example.com/mcp"

[[issuer]]
issuer = "https://idp.example.com/"
required_scopes = ["mcp:read"]
"#;

fn file(text: &str) -> (tempfile::TempDir, ServerDraft) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gateway.toml"), text).unwrap();
    let read = ServerDraft::read_toml(&folder.path().join("gateway.toml"), &[]);
    (folder, read.unwrap().0)
}

fn server(text: &str) -> Result<CheckedServer, ConfigError> {
    let (_folder, draft) = file(text);
    draft.check_server()
}

/// Every problem without the name of the file.
fn problems(text: &str) -> Vec<String> {
    let (folder, draft) = file(text);
    let shown = format!("{}:", folder.path().join("gateway.toml").display());
    let error = draft.check_server().unwrap_err();
    let cut = |words: String| words.strip_prefix(&shown).expect(&words).to_owned();
    error.own_words().into_iter().map(cut).collect()
}

#[test]
fn rules_and_the_keys_around_them_are_read() {
    let text = r#"
unmatched = "deny"
tasks = "bound_by_server"
hidden_answer = "challenge"
anonymous_sees = "all"

[[rule]]
method = "tools/call"
name = "delete_*"
scopes = ["mcp:admin", "mcp:write"]
hide = true

[[rule]]
method = "tools/list"
anonymous = true
"#;
    let (_folder, draft) = file(text);
    let rules = draft.rules;
    let one = RuleDraft::new("tools/call")
        .name("delete_*")
        .scopes(["mcp:admin", "mcp:write"])
        .hide();
    assert_eq!(rules.rules, [one, RuleDraft::new("tools/list").anonymous()]);
    assert_eq!(rules.unmatched, Some(Unmatched::Deny));
    assert_eq!(rules.tasks, Tasks::BoundByServer);
    assert_eq!(rules.hidden, HiddenAnswer::Challenge);
    assert_eq!(rules.anonymous_sees, AnonymousSees::All);
}

#[test]
fn a_file_makes_a_layer() {
    let rule = "[[rule]]\nmethod = \"tools/call\"\nscopes = [\"mcp:admin\"]\n";
    let keys = format!("session_keys = [{:?}]\n", "k".repeat(32));
    let server = server(&format!("unmatched = \"allow\"\n{keys}{SERVER}{rule}")).unwrap();
    assert!(server.session_keys.is_some());
    assert_eq!(server.rules.scopes().as_str(), "mcp:admin");
    let document = server.layer().unwrap().auth().metadata().to_json();
    assert!(
        document.contains(r#"["mcp:read","mcp:admin"]"#),
        "{document}"
    );
}

#[test]
fn every_problem_is_reported_with_its_line() {
    let text = r#"hidden_answer = "gone"
session_keys = ["too short"]
token_header = "Cookie"

[[issuer]]
issuer = "https://idp.example.com/"
any_audience = true

[[rule]]
method = "tools/cal"
name = ""
scopes = ["a b"]
hide = "yes"
nmae = "x"

[[rule]]
scopes = "x"

[[rule]]
method = 7
anonymous = true
scopes = ["x"]
"#;
    let expected = [
        "1: hidden_answer: must be \"not_found\" or \"challenge\"",
        "2: session_keys: a session key has fewer than 32 bytes",
        "3: token_header: cookie has another meaning",
        "3: token_header: tokens for any server are accepted, ",
        "11: rule.name: is empty",
        "12: rule.scopes: ",
        "13: rule.hide: must be true or false",
        "14: rule.\"nmae\" is not known here; known: method, name, scopes, hide, anonymous",
        "16: rule.method: is missing",
        "17: rule.scopes: must be a list of strings",
        "20: rule.method: must be a string",
        "21: rule.anonymous: a caller without a token has no scopes",
    ];
    let problems = problems(text);
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem} is not {expected}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[test]
fn a_rule_that_opens_every_tool_says_so() {
    let open = |name: &str| {
        let rule = format!("[[rule]]\nmethod = \"tools/call\"\n{name}anonymous = true\n");
        format!("unmatched = \"allow\"\n{SERVER}{rule}")
    };
    let told = problems(&open(""));
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("rule.name: is missing"), "{told:#?}");
    assert_eq!(problems(&open("name = 7\n")).len(), 1);
    assert!(server(&open("name = \"*\"\n")).is_ok());
}

#[test]
fn rules_without_a_decision_about_the_rest_are_a_problem_of_the_first() {
    let rule = "[[rule]]\nmethod = \"tools/call\"\nscopes = [\"mcp:admin\"]\n";
    let told = problems(&format!("{SERVER}{rule}"));
    assert_eq!(
        told,
        ["7: unmatched: must be decided where there are rules: allow or deny"]
    );
    let told = problems(&format!("rule = 7\n{SERVER}"));
    assert_eq!(told, ["1: rule: must be written [[rule]], once for each"]);
}

#[test]
fn a_provider_alone_refuses_what_it_would_ignore() {
    let rule = "[[rule]]\nmethod = \"tools/call\"\nscopes = [\"mcp:admin\"]\n";
    let (_folder, draft) = file(&format!(
        "unmatched = \"allow\"\ntoken_header = \"X-Assertion\"\n{SERVER}{rule}"
    ));
    let told = draft.check().unwrap_err().own_words();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].contains("token_header: would do nothing here"),
        "{told:?}"
    );
    assert!(
        told[1].contains("9: rules for operations: would do nothing here"),
        "{told:?}"
    );
    let (_folder, draft) = file(SERVER);
    assert!(draft.check().is_ok());
}

#[test]
fn keys_in_a_file_are_one_per_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session.keys");
    let named = |path: &std::path::Path| format!("session_keys_file = {path:?}\n{SERVER}");
    std::fs::write(
        &path,
        format!("{}\n\n{}\r\n", "a".repeat(32), "b".repeat(40)),
    )
    .unwrap();
    let keys = server(&named(&path)).unwrap().session_keys.unwrap();
    assert_eq!(format!("{keys:?}"), "SessionKeys(2)");
    for (text, why) in [
        ("", "no session key"),
        ("\n", "no session key"),
        ("abc", "fewer than 32"),
    ] {
        std::fs::write(&path, text).unwrap();
        let told = problems(&named(&path));
        assert!(
            told[0].contains(why) && told[0].contains("session.keys"),
            "{told:?}"
        );
    }
    let told = problems(&named(&folder.path().join("none")));
    assert!(told[0].contains("no such file"), "{told:?}");
    let keys = format!("session_keys = [{:?}]\n", "k".repeat(32));
    let told = problems(&format!("{keys}{}", named(&path)));
    assert!(
        told[0].contains("session_keys and session_keys_file given together"),
        "{told:?}"
    );
}

#[test]
fn the_file_of_the_page_makes_a_layer() {
    let page = include_str!("../../../../docs/operations.md");
    let (_, block) = page.split_once("```toml\n").unwrap();
    let (text, _) = block.split_once("```").unwrap();
    let layer = server(text).unwrap().layer().unwrap();
    assert!(layer.auth().metadata().to_json().contains("mcp:admin"));
}
