//! Step 19, and the scopes asked for afterwards.

use std::collections::BTreeMap;

use mcp_bearer_testkit::vectors::{PolicyOptions, Setting};
use serde_json::{Value, json};

use crate::{Book, Page, names, rsa, setting, setting_with_policy, usual_with_scopes, with_claim};

pub(crate) fn write(book: &mut Book) {
    form(book);
    asked(book);
    implied(book);
    other_claims(book);
}

fn form(book: &mut Book) {
    let none = Setting {
        scopes: Vec::new(),
        ..setting()
    };
    let mut page = Page::new(
        "scopes/form.json",
        "Step 19: scope, else scp; a string or an array of scope-tokens.",
        none,
    );
    let mut good = |name: &str, forge, scopes: &[&str]| {
        page.accept_as("19", name, forge, usual_with_scopes(scopes))
    };
    let bare = || rsa().without_claim("scope");
    good("one", rsa(), &["mcp:read"]);
    good("several", rsa().scope("a b c"), &["a", "b", "c"]);
    good("no scope at all", bare(), &[]);
    good("an empty string", rsa().scope(""), &[]);
    good("only spaces", rsa().scope("   "), &[]);
    good(
        "spaces around and doubled",
        rsa().scope(" a   b "),
        &["a", "b"],
    );
    good("the same twice", rsa().scope("a a"), &["a", "a"]);
    good(
        "every character allowed",
        rsa().scope("!#$%&'()*+,-./:;<=>?@[]^_`{|}~ azAZ09"),
        &["!#$%&'()*+,-./:;<=>?@[]^_`{|}~", "azAZ09"],
    );
    good(
        "an escaped space",
        with_claim("scope", r#""a\u0020b""#),
        &["a", "b"],
    );
    good(
        "scope as an array",
        bare().claim("scope", json!(["a", "b"])),
        &["a", "b"],
    );
    good("an empty array", bare().claim("scope", json!([])), &[]);
    good("scp as a string", bare().claim("scp", "a b"), &["a", "b"]);
    good(
        "scp as an array",
        bare().claim("scp", json!(["a", "b"])),
        &["a", "b"],
    );
    good(
        "scope before scp",
        rsa().scope("a").claim("scp", "b"),
        &["a"],
    );
    good(
        "an empty scope before scp",
        rsa().scope("").claim("scp", "mcp:admin"),
        &[],
    );
    good(
        "an empty array before scp",
        bare().claim("scope", json!([])).claim("scp", "mcp:admin"),
        &[],
    );
    good(
        "a bad scp behind a scope is not looked at",
        rsa().scope("a").claim("scp", 7),
        &["a"],
    );
    good(
        "a URL",
        rsa().scope("https://graph.example.com/.default"),
        &["https://graph.example.com/.default"],
    );
    good("two hundred", rsa().scope(&"s ".repeat(200)), &["s"; 200]);
    good(
        "roles are not scopes",
        bare()
            .claim("roles", json!(["mcp:admin"]))
            .claim("permissions", json!(["x"])),
        &[],
    );
    for (name, value) in [
        ("null", Value::Null),
        ("a number", json!(1)),
        ("true", json!(true)),
        ("an object", json!({"mcp:read": true})),
        ("an array with a number", json!(["a", 1])),
        ("an array with null", json!([null])),
        ("a nested array", json!([["a"]])),
        ("a tab", json!("a\tb")),
        ("a line feed", json!("a\nb")),
        ("a NUL", json!("a\0")),
        ("a quote", json!("a\"b")),
        ("a backslash", json!("a\\b")),
        ("a letter with an accent", json!("é")),
        ("a no-break space", json!("a\u{a0}b")),
        ("DEL", json!("a\u{7f}")),
        ("an empty element", json!(["a", ""])),
        ("an element with a space", json!(["a b"])),
        ("an element with only a space", json!([" "])),
    ] {
        page.reject(
            "19",
            &format!("scope: {name}"),
            "invalid_claim",
            rsa().claim("scope", value.clone()),
        );
        page.reject(
            "19",
            &format!("scp: {name}"),
            "invalid_claim",
            rsa().without_claim("scope").claim("scp", value),
        );
    }
    page.reject(
        "19",
        "a bad scope before a good scp",
        "invalid_claim",
        rsa().claim("scope", 7).claim("scp", "a"),
    );
    page.finish(book);
}

fn asked(book: &mut Book) {
    let two = Setting {
        scopes: names(&["mcp:read", "mcp:write"]),
        ..setting()
    };
    let mut page = Page::new(
        "scopes/required.json",
        "After step 19: every scope asked for is present, whole and with case.",
        two,
    );
    let kind = "insufficient_scope";
    let detail = "mcp:write";
    let both = ["mcp:read", "mcp:write"];
    page.accept_as(
        "scopes",
        "both",
        rsa().scope("mcp:read mcp:write"),
        usual_with_scopes(&both),
    );
    page.accept_as(
        "scopes",
        "in another order, among others",
        rsa().scope("x mcp:write mcp:read"),
        usual_with_scopes(&["x", "mcp:write", "mcp:read"]),
    );
    page.accept_as(
        "scopes",
        "as an array",
        rsa().claim("scope", json!(both)),
        usual_with_scopes(&both),
    );
    page.accept_as(
        "scopes",
        "as scp",
        rsa().without_claim("scope").claim("scp", json!(both)),
        usual_with_scopes(&both),
    );
    page.reject_as("scopes", "one of them", kind, detail, rsa());
    page.reject_as("scopes", "none", kind, detail, rsa().without_claim("scope"));
    page.reject_as("scopes", "empty", kind, detail, rsa().scope(""));
    for scope in [
        "mcp:read MCP:WRITE",
        "mcp:read mcp:writ",
        "mcp:read mcp:write2",
        "mcp:read mcp:*",
        "mcp:read *",
        "mcp",
        "mcp:read,mcp:write",
        "mcp:read amcp:write",
        "mcp:readmcp:write",
        "mcp:read mcp:write/x",
        "mcp:read mcp:write.",
    ] {
        page.reject_as(
            "scopes",
            &format!("{scope:?}"),
            kind,
            detail,
            rsa().scope(scope),
        );
    }
    page.reject_as(
        "scopes",
        "an empty scope does not fall back to scp",
        kind,
        detail,
        rsa().scope("").claim("scp", "mcp:read mcp:write"),
    );
    page.reject(
        "11",
        "expired: told before the scopes",
        "expired",
        rsa().scope("").expires_in(-3600),
    );
    page.finish(book);
}

fn implied(book: &mut Book) {
    let policy = PolicyOptions {
        scope_implies: BTreeMap::from([
            ("mcp:admin".to_owned(), names(&["mcp:write"])),
            ("mcp:write".to_owned(), names(&["mcp:read"])),
        ]),
        ..PolicyOptions::default()
    };
    let mut page = Page::new(
        "scopes/implied.json",
        "After step 19: a scope may imply others, as the policy says.",
        setting_with_policy(policy),
    );
    page.accept("scopes", "itself", rsa());
    page.accept_as(
        "scopes",
        "implied",
        rsa().scope("mcp:write"),
        usual_with_scopes(&["mcp:write"]),
    );
    page.accept_as(
        "scopes",
        "implied through another",
        rsa().scope("mcp:admin"),
        usual_with_scopes(&["mcp:admin"]),
    );
    page.reject(
        "scopes",
        "a prefix of one that implies",
        "insufficient_scope",
        rsa().scope("mcp:adm"),
    );
    page.reject(
        "scopes",
        "in another case",
        "insufficient_scope",
        rsa().scope("MCP:ADMIN"),
    );
    page.reject("scopes", "nothing", "insufficient_scope", rsa().scope(""));
    page.finish(book);

    let policy = PolicyOptions {
        scope_implies: BTreeMap::from([("mcp:read".to_owned(), names(&["mcp:list"]))]),
        ..PolicyOptions::default()
    };
    let mut page = Page::new(
        "scopes/implied_one_way.json",
        "After step 19: implication has one direction.",
        setting_with_policy(policy),
    );
    page.accept("scopes", "the implying one", rsa());
    page.reject(
        "scopes",
        "only the implied one",
        "insufficient_scope",
        rsa().scope("mcp:list"),
    );
    page.finish(book);
}

fn other_claims(book: &mut Book) {
    let policy = PolicyOptions {
        scope_claims: Some(names(&["permissions", "roles"])),
        ..PolicyOptions::default()
    };
    let mut page = Page::new(
        "scopes/other_claims.json",
        "Step 19: scopes in the claims that the policy names.",
        setting_with_policy(policy),
    );
    let bare = || rsa().without_claim("scope");
    page.accept(
        "19",
        "permissions",
        bare().claim("permissions", json!(["mcp:read"])),
    );
    page.accept(
        "19",
        "roles, when there are no permissions",
        bare().claim("roles", "mcp:read"),
    );
    page.accept(
        "19",
        "a bad scope claim is not looked at",
        bare().claim("scope", 7).claim("roles", "mcp:read"),
    );
    page.reject(
        "scopes",
        "scope is not looked at",
        "insufficient_scope",
        rsa(),
    );
    page.reject(
        "scopes",
        "empty permissions win over roles",
        "insufficient_scope",
        bare()
            .claim("permissions", json!([]))
            .claim("roles", "mcp:read"),
    );
    page.reject(
        "19",
        "permissions null",
        "invalid_claim",
        bare()
            .claim("permissions", Value::Null)
            .claim("roles", "mcp:read"),
    );
    page.finish(book);
}
