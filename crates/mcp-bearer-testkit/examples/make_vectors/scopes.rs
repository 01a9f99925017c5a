//! Step 19, and the scopes required afterwards.

use std::collections::BTreeMap;

use mcp_bearer_testkit::vectors::{ClaimPlace, PolicyOptions, Setting};
use serde_json::{Value, json};

use crate::{Book, Page, names, rsa, setting, setting_with_policy, usual_with_scopes, with_claim};

pub(crate) fn write(book: &mut Book) {
    form(book);
    asked(book);
    implied(book);
    other_claims(book);
    nested_claims(book);
    all_claims(book);
}

fn form(book: &mut Book) {
    let none = Setting {
        scopes: Vec::new(),
        ..setting()
    };
    let mut page = Page::new(
        "scopes/form.json",
        "Step 19: scope, else scp; a string or an array. A name that is not a scope-token is left out, and no element is split.",
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
    let both = |page: &mut Page, name: &str, value: &Value, scopes: &[&str]| {
        let (scope, scp) = (
            rsa().claim("scope", value.clone()),
            bare().claim("scp", value.clone()),
        );
        page.accept_as(
            "19",
            &format!("scope: {name}"),
            scope,
            usual_with_scopes(scopes),
        );
        page.accept_as(
            "19",
            &format!("scp: {name}"),
            scp,
            usual_with_scopes(scopes),
        );
    };
    for (name, value) in [
        ("null", Value::Null),
        ("a number", json!(1)),
        ("true", json!(true)),
        ("an object", json!({"mcp:read": true})),
        ("an object like an array", json!({"0": "mcp:read"})),
        ("an array with null", json!([null])),
        ("a nested array", json!([["a"]])),
        ("an object in an array", json!([{"scope": "a"}])),
        ("a NUL", json!("a\0")),
        ("a letter with an accent", json!("é")),
        ("a no-break space", json!("a\u{a0}b")),
        ("DEL", json!("a\u{7f}")),
        ("a quote", json!("a\"b")),
        ("a backslash", json!("a\\b")),
        ("a tab", json!("a\tb")),
        ("a line feed", json!("a\nb")),
        ("a carriage return and a line feed", json!("a\r\nb")),
        ("an element with a space", json!(["a b"])),
        ("an element with a tab", json!(["a\tb"])),
        ("an element with a space in front", json!([" a"])),
        ("an element with a space behind", json!(["a "])),
        ("an element with only a space", json!([" "])),
        ("an empty element", json!([""])),
    ] {
        both(&mut page, name, &value, &[]);
    }
    for (name, value, scopes) in [
        ("a number beside a name", json!(["a", 1]), &["a"][..]),
        ("null beside names", json!(["a", null, "b"]), &["a", "b"]),
        ("an empty element beside a name", json!(["", "a"]), &["a"]),
        (
            "an element with a space beside names",
            json!(["a", "b c", "d"]),
            &["a", "d"],
        ),
        ("a tab beside names", json!("a b\tc d"), &["a", "d"]),
        (
            "a letter with an accent beside names",
            json!("a é b"),
            &["a", "b"],
        ),
        ("a quote beside a name", json!("\"a\" b"), &["b"]),
    ] {
        both(&mut page, name, &value, scopes);
    }
    page.accept_as(
        "19",
        "scope null: scp is read",
        rsa().claim("scope", Value::Null).claim("scp", "a"),
        usual_with_scopes(&["a"]),
    );
    page.accept_as(
        "19",
        "a scope of another type before a good scp is present and empty",
        rsa().claim("scope", 7).claim("scp", "a"),
        usual_with_scopes(&[]),
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
        "After step 19: every required scope is present, compared exactly.",
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
    for (name, value) in [
        (
            "an element with a space is not split",
            json!(["mcp:read mcp:write"]),
        ),
        (
            "an element with a tab is not split",
            json!(["mcp:read\tmcp:write"]),
        ),
        ("a tab separates nothing", json!("mcp:read\tmcp:write")),
        (
            "a line feed separates nothing",
            json!("mcp:read\nmcp:write"),
        ),
        (
            "a no-break space separates nothing",
            json!("mcp:read\u{a0}mcp:write"),
        ),
        ("a NUL ends nothing", json!("mcp:read mcp:write\0")),
        ("nothing is trimmed", json!(["mcp:read", "mcp:write "])),
        ("quotes have no meaning", json!("mcp:read \"mcp:write\"")),
        ("a name that looks alike", json!("mcp:read mcp:wr\u{456}te")),
        (
            "names of an object",
            json!({"mcp:read": true, "mcp:write": true}),
        ),
        ("a nested array", json!([["mcp:read", "mcp:write"]])),
        ("null", Value::Null),
    ] {
        page.reject_as("scopes", name, kind, detail, rsa().claim("scope", value));
    }
    page.reject_as(
        "scopes",
        "a scope of another type does not fall back to scp",
        kind,
        detail,
        rsa()
            .claim("scope", true)
            .claim("scp", "mcp:read mcp:write"),
    );
    page.accept_as(
        "scopes",
        "scope null falls back to scp",
        rsa()
            .claim("scope", Value::Null)
            .claim("scp", "mcp:read mcp:write"),
        usual_with_scopes(&both),
    );
    page.accept_as(
        "scopes",
        "both beside a name that is not a scope",
        rsa().claim("scope", json!(["mcp:read", "Read all mail", "mcp:write"])),
        usual_with_scopes(&both),
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

fn names_of(names: &[&str]) -> Option<Vec<ClaimPlace>> {
    let name = |name: &&str| ClaimPlace::Name((*name).to_owned());
    Some(names.iter().map(name).collect())
}

fn other_claims(book: &mut Book) {
    let policy = PolicyOptions {
        scope_claims: names_of(&["permissions", "roles"]),
        ..PolicyOptions::default()
    };
    let mut page = Page::new(
        "scopes/other_claims.json",
        "Step 19: scopes in the claims that the policy names.",
        setting_with_policy(policy),
    );
    let bare = || rsa().without_claim("scope");
    let kind = "insufficient_scope";
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
    page.accept(
        "19",
        "permissions null: roles are read",
        bare()
            .claim("permissions", Value::Null)
            .claim("roles", "mcp:read"),
    );
    page.reject("scopes", "scope is not looked at", kind, rsa());
    page.reject(
        "scopes",
        "empty permissions win over roles",
        kind,
        bare()
            .claim("permissions", json!([]))
            .claim("roles", "mcp:read"),
    );
    page.reject(
        "scopes",
        "permissions of another type win over roles",
        kind,
        bare()
            .claim("permissions", json!({"0": "mcp:read"}))
            .claim("roles", "mcp:read"),
    );
    page.finish(book);
}

fn nested_claims(book: &mut Book) {
    let path = |inside: &[&str]| ClaimPlace::Path(names(inside));
    let policy = PolicyOptions {
        scope_claims: Some(vec![
            path(&["realm_access", "roles"]),
            path(&["resource_access", "https://mcp.example.com/mcp", "roles"]),
            ClaimPlace::Name("https://example.com/roles".to_owned()),
        ]),
        ..PolicyOptions::default()
    };
    let mut page = Page::new(
        "scopes/nested_claims.json",
        "Step 19: scopes in members of nested objects, given as paths of names.",
        setting_with_policy(policy),
    );
    let bare = || rsa().without_claim("scope");
    let kind = "insufficient_scope";
    let good = |page: &mut Page, name: &str, claim: &str, value: Value| {
        page.accept("19", name, bare().claim(claim, value));
    };
    good(
        &mut page,
        "realm roles, as Keycloak has them",
        "realm_access",
        json!({"roles": ["mcp:read"]}),
    );
    good(
        &mut page,
        "roles of a client, three levels deep",
        "resource_access",
        json!({"account": {"roles": ["view-profile"]}, "https://mcp.example.com/mcp": {"roles": ["mcp:read"]}}),
    );
    good(
        &mut page,
        "a claim with dots and slashes in its name",
        "https://example.com/roles",
        json!("mcp:read"),
    );
    page.accept(
        "19",
        "an escaped name inside",
        bare().claims_prefix(r#""realm_access":{"r\u006fles":["mcp:read"]},"#),
    );
    page.accept(
        "19",
        "a claim without the member is passed over",
        bare()
            .claim("realm_access", json!({}))
            .claim("https://example.com/roles", "mcp:read"),
    );
    page.accept(
        "19",
        "a claim that is not an object is skipped",
        bare()
            .claim("realm_access", "mcp:admin")
            .claim("https://example.com/roles", "mcp:read"),
    );
    page.accept(
        "19",
        "a member that is null is passed over",
        bare()
            .claim("realm_access", json!({"roles": null}))
            .claim("https://example.com/roles", "mcp:read"),
    );
    for (name, claim, value) in [
        ("an empty list wins", "realm_access", json!({"roles": []})),
        (
            "another type wins",
            "realm_access",
            json!({"roles": {"mcp:read": true}}),
        ),
        (
            "in another case",
            "realm_access",
            json!({"Roles": ["mcp:read"]}),
        ),
        ("a level too high", "realm_access", json!(["mcp:read"])),
        (
            "a level too low",
            "realm_access",
            json!({"x": {"roles": ["mcp:read"]}}),
        ),
        (
            "inside an array",
            "realm_access",
            json!([{"roles": ["mcp:read"]}]),
        ),
        (
            "the path as one name",
            "realm_access.roles",
            json!(["mcp:read"]),
        ),
        (
            "roles of another client",
            "resource_access",
            json!({"account": {"roles": ["mcp:read"]}}),
        ),
        (
            "the name with dots as a path",
            "https://example",
            json!({"com/roles": ["mcp:read"]}),
        ),
    ] {
        let forge = bare().claim(claim, value);
        let forge = if name.ends_with("wins") {
            forge.claim("https://example.com/roles", "mcp:read")
        } else {
            forge
        };
        page.reject("scopes", name, kind, forge);
    }
    page.reject("scopes", "scope is not looked at", kind, rsa());
    page.finish(book);
}

fn all_claims(book: &mut Book) {
    let policy = PolicyOptions {
        scope_claims: names_of(&["scope", "permissions", "roles"]),
        accept_scopes_beyond_consent: true,
        ..PolicyOptions::default()
    };
    let setting = Setting {
        scopes: names(&["mcp:read", "mcp:write"]),
        ..setting_with_policy(policy)
    };
    let mut page = Page::new(
        "scopes/all_claims.json",
        "Step 19: the scopes of several claims together, by a policy that accepts scopes beyond consent.",
        setting,
    );
    let kind = "insufficient_scope";
    page.accept_as(
        "scopes",
        "one in each claim",
        rsa().claim("permissions", json!(["mcp:write"])),
        usual_with_scopes(&["mcp:read", "mcp:write"]),
    );
    page.accept_as(
        "scopes",
        "in the order of the policy",
        rsa()
            .claim("roles", json!(["mcp:write"]))
            .claim("permissions", json!(["x", "mcp:read"])),
        usual_with_scopes(&["mcp:read", "x", "mcp:read", "mcp:write"]),
    );
    page.accept_as(
        "scopes",
        "an empty claim, null and another type add nothing",
        rsa()
            .claim("scope", "")
            .claim("permissions", Value::Null)
            .claim("roles", "mcp:read mcp:write"),
        usual_with_scopes(&["mcp:read", "mcp:write"]),
    );
    page.reject("scopes", "one claim alone", kind, rsa());
    page.reject(
        "scopes",
        "halves do not make a whole",
        kind,
        rsa()
            .claim("permissions", json!(["mcp:"]))
            .claim("roles", json!(["write"])),
    );
    page.reject(
        "scopes",
        "a claim that the policy does not name",
        kind,
        rsa().claim("groups", json!(["mcp:write"])),
    );
    page.finish(book);
}
