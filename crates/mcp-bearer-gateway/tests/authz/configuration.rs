//! What `authz` refuses to start with.

use mcp_bearer_gateway::{ConfigKind, GatewayDraft};

fn problems(top: &str, tables: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authz.toml");
    let text = format!(
        "resource = \"https://mcp.example.com/mcp\"\n{top}\n\
         [[issuer]]\ndiscover = \"https://idp.example.com/\"\n{tables}"
    );
    std::fs::write(&path, text).unwrap();
    let checked = GatewayDraft::read_toml(&path).unwrap().check_authz();
    checked.map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn what_cannot_be_enforced_is_refused_all_at_once() {
    assert_eq!(problems("", ""), "");
    let top = "session_keys = [\"0123456789abcdef0123456789abcdef\"]\nrequire_body_hash = true\n\
               unmatched = \"allow\"";
    let rules = "[[rule]]\nmethod = \"tools/call\"\nname = \"a\"\nscopes = [\"b\"]\nhide = true\n\
                 [[rule]]\nmethod = \"ping\"\nanonymous = true\n";
    let words = problems(top, rules);
    for part in [
        "cannot hide",
        "without a token",
        "bind sessions",
        "require_body_hash",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let plain = "[[rule]]\nmethod = \"tools/call\"\nname = \"a\"\nscopes = [\"b\"]\n";
    assert_eq!(problems("unmatched = \"allow\"", plain), "");
}

#[test]
fn settings_of_the_gateway_do_not_apply() {
    let top = "upstream = \"http://127.0.0.1:9000/mcp\"\nallowed_hosts = [\"a\"]";
    let words = problems(
        top,
        "[limits]\nper_peer = \"1/s\"\n[assertion]\nissuer = \"a\"\n",
    );
    for setting in [
        "upstream:",
        "allowed_hosts:",
        "limits.per_peer:",
        "assertion.issuer:",
    ] {
        let part = format!("{setting} does not apply to `mcp-bearer authz`");
        assert!(words.contains(&part), "{part}: {words}");
    }
}

#[test]
fn the_gateway_has_no_settings_of_authz() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let text = "resource = \"https://mcp.example.com/mcp\"\nupstream = \"http://127.0.0.1:9000/mcp\"\n\
                [[issuer]]\ndiscover = \"https://idp.example.com/\"\n[authz]\npass_preflights = true\n";
    std::fs::write(&path, text).unwrap();
    let draft = GatewayDraft::read_toml(&path).unwrap();
    assert_eq!(draft.kind(), ConfigKind::Authz);
    let words = draft.check().unwrap_err().to_string();
    assert!(
        words.contains("authz.pass_preflights: only for `mcp-bearer authz`"),
        "{words}"
    );
}

#[test]
fn the_time_of_the_proxy_must_allow_an_answer() {
    for (limit, fine) in [
        ("200ms", true),
        ("51ms", true),
        ("50ms", false),
        ("0s", false),
    ] {
        let words = problems("", &format!("[authz]\nproxy_timeout = \"{limit}\"\n"));
        assert_eq!(words.is_empty(), fine, "{limit}: {words}");
    }
}
