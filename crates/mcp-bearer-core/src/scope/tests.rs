//! Scopes and their hierarchy (RFC 6749 section 3.3).

use super::{HierarchyFault, ScopeHierarchy, Scopes};

#[test]
fn a_string_is_split_on_spaces_alone() {
    for (text, names) in [
        ("", [].as_slice()),
        ("   ", &[]),
        ("a", &["a"]),
        (" a  b ", &["a", "b"]),
        ("a a", &["a", "a"]),
        (
            "mcp:read https://x/.default",
            &["mcp:read", "https://x/.default"],
        ),
    ] {
        let scopes = Scopes::parse(text).unwrap();
        assert_eq!(scopes.iter().collect::<Vec<_>>(), names);
        assert_eq!(scopes.len(), names.len());
        assert_eq!(scopes.is_empty(), names.is_empty());
        assert_eq!(scopes.to_string(), names.join(" "));
        assert_eq!(Scopes::parse(&scopes.to_string()), Ok(scopes));
    }
}

#[test]
fn each_character_is_allowed_or_not_as_the_rfc_says() {
    for character in (0..=0x2ff).filter_map(char::from_u32) {
        let allowed = matches!(character, '\u{21}' | '\u{23}'..='\u{5b}' | '\u{5d}'..='\u{7e}');
        let text = format!("a{character}b");
        let expected = allowed || character == ' ';
        assert_eq!(Scopes::parse(&text).is_ok(), expected, "{character:?}");
        assert_eq!(
            Scopes::from_names([&text]).is_ok(),
            allowed,
            "{character:?}"
        );
    }
    assert!(Scopes::from_names([""]).is_err());
    assert!(Scopes::from_names(["a", ""]).is_err());
    assert!(Scopes::from_names(Vec::<String>::new()).unwrap().is_empty());
}

#[test]
fn a_bad_piece_is_shown_quoted_and_cut() {
    let text = format!("\"\n\u{202e}{}", "x".repeat(500));
    let shown = Scopes::parse(&text).unwrap_err().to_string();
    assert!(
        shown.starts_with(r#""\"\n\u{202e}xxx"#) && shown.len() < 220,
        "{shown}"
    );
}

#[test]
fn a_scope_is_compared_whole_and_with_case() {
    let scopes = Scopes::parse("mcp:read mcp:write").unwrap();
    assert!(scopes.contains("mcp:read") && scopes.contains("mcp:write"));
    for other in [
        "",
        " ",
        "mcp",
        "mcp:",
        "mcp:rea",
        "MCP:READ",
        "mcp:read mcp:write",
        "mcp:read ",
        "read",
        ":",
    ] {
        assert!(!scopes.contains(other), "{other:?}");
    }
    assert_eq!(format!("{scopes:?}"), r#"["mcp:read", "mcp:write"]"#);
    assert_eq!(scopes.without("mcp:read").as_str(), "mcp:write");
    assert_eq!(scopes.without("mcp").as_str(), "mcp:read mcp:write");
    assert!(Scopes::none().is_empty());
}

#[test]
fn implication_is_transitive_and_has_one_direction() {
    let tree = ScopeHierarchy::new([
        ("admin", vec!["write", "audit"]),
        ("write", vec!["read"]),
        ("read", vec!["list"]),
    ])
    .unwrap();
    let holds = |held: &str, required| tree.satisfies(&Scopes::parse(held).unwrap(), required);
    for required in ["admin", "write", "audit", "read", "list"] {
        assert!(holds("admin", required), "{required}");
    }
    assert!(holds("x write", "list") && holds("read", "list"));
    assert!(!holds("write", "admin") && !holds("write", "audit") && !holds("list", "read"));
    assert!(
        !holds("", "list")
            && !holds("adm", "read")
            && !holds("ADMIN", "read")
            && !holds("admin", "")
    );
    assert!(ScopeHierarchy::default().is_empty() && !tree.is_empty());
    let mut names: Vec<&str> = tree.names().collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, ["admin", "audit", "list", "read", "write"]);
}

#[test]
fn the_same_scope_twice_adds_up() {
    let tree = ScopeHierarchy::new([("a", vec!["b"]), ("a", vec!["c"])]).unwrap();
    let held = Scopes::parse("a").unwrap();
    assert!(tree.satisfies(&held, "b") && tree.satisfies(&held, "c"));
}

#[test]
fn cycles_and_bad_names_are_all_reported() {
    let cyclic = [
        ("a", vec!["b"]),
        ("b", vec!["c"]),
        ("c", vec!["a"]),
        ("d", vec!["a"]),
        ("e", vec!["e"]),
    ];
    let error = ScopeHierarchy::new(cyclic).unwrap_err();
    let expected = ["a", "b", "c", "e"].map(|name| HierarchyFault::Cycle(name.to_owned()));
    assert_eq!(error.faults(), expected);
    let first = "\"a\" implies itself through a cycle; ";
    assert!(error.to_string().starts_with(first), "{error}");
    let error = ScopeHierarchy::new([("a b", vec!["c"]), ("d", vec!["", "é"])]).unwrap_err();
    assert_eq!(error.faults().len(), 3, "{error}");
}
