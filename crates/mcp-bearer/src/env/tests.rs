use std::collections::BTreeMap;

use super::*;
use crate::RsaKeyPair;

fn from(variables: &[(&str, &str)]) -> Result<BearerAuthProvider, EnvError> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    from_variables(|name| variables.get(name).map(|value| (*value).to_owned()))
}

#[test]
fn the_reference_names_keep_issuer_and_audience_optional() {
    let pem = RsaKeyPair::generate().unwrap();
    let provider = from(&[("FASTMCP_AUTH_BEARER_PUBLIC_KEY", pem.public_key_pem())]).unwrap();
    assert_eq!(provider.issuer_names().count(), 0);
    let token = pem.create_token(&crate::TokenRequest::new()).unwrap();
    assert!(provider.try_verify_token(&token).into_result().is_ok());
}

#[test]
fn the_reference_names_complain_in_its_words() {
    let none = from(&[]).unwrap_err();
    assert_eq!(
        none.to_string(),
        "Either public_key or jwks_uri must be provided"
    );
    let both = from(&[
        ("FASTMCP_AUTH_BEARER_PUBLIC_KEY", "x"),
        (
            "FASTMCP_AUTH_BEARER_JWKS_URI",
            "https://idp.example.com/jwks",
        ),
    ]);
    assert_eq!(
        both.unwrap_err().to_string(),
        "Provide either public_key or jwks_uri, not both"
    );
}

#[test]
fn our_names_want_a_decision_and_show_every_problem() {
    let error = from(&[
        ("MCP_BEARER_JWKS_URI", "https://idp.example.com/jwks"),
        ("MCP_BEARER_LEEWAY_SECONDS", "soon"),
        ("MCP_BEARER_TOKEN_TYPE", "id"),
        ("MCP_BEARER_ALGORITHMS", "RS256 none"),
        ("MCP_BEARER_REQUIRED_SCOPES", "[1]"),
    ])
    .unwrap_err();
    let all = error.to_string();
    for name in [
        "ISSUER",
        "AUDIENCE",
        "LEEWAY_SECONDS",
        "TOKEN_TYPE",
        "ALGORITHMS",
        "REQUIRED_SCOPES",
    ] {
        assert!(
            all.contains(&format!("MCP_BEARER_{name}: ")),
            "{name} is missing from: {all}"
        );
    }
}

#[test]
fn any_is_spelled_out_and_cannot_contradict() {
    let base = [("MCP_BEARER_JWKS_URI", "https://idp.example.com/jwks")];
    let any = [
        ("MCP_BEARER_ANY_ISSUER", "true"),
        ("MCP_BEARER_ANY_AUDIENCE", "true"),
    ];
    assert!(from(&[base.as_slice(), &any].concat()).is_ok());
    let both = [("MCP_BEARER_ISSUER", "https://idp.example.com/")];
    assert!(from(&[base.as_slice(), &any, &both].concat()).is_err());
}

#[test]
fn lists_are_json_or_words() {
    let provider = from(&[
        ("MCP_BEARER_JWKS_URI", "https://idp.example.com/jwks"),
        (
            "MCP_BEARER_ISSUER",
            r#"["https://a.example/", "https://b.example/"]"#,
        ),
        ("MCP_BEARER_AUDIENCE", "https://mcp.example.com/mcp"),
        ("MCP_BEARER_REQUIRED_SCOPES", "mcp:read mcp:write"),
        ("MCP_BEARER_ALGORITHMS", "RS256,ES256"),
        ("MCP_BEARER_LEEWAY_SECONDS", "5"),
    ])
    .unwrap();
    assert_eq!(provider.issuer_names().count(), 2);
    assert_eq!(
        provider.all_required_scopes().as_str(),
        "mcp:read mcp:write"
    );
    assert_eq!(provider.policies().next().unwrap().algorithms().len(), 2);
}

#[test]
fn a_secret_comes_from_a_file_and_stands_in_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    std::fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
    let path = path.to_str().unwrap();
    let rest = [
        ("MCP_BEARER_ANY_ISSUER", "true"),
        ("MCP_BEARER_ANY_AUDIENCE", "true"),
    ];
    let file = [("MCP_BEARER_SHARED_SECRET_FILE", path)];
    assert!(from(&[file.as_slice(), &rest].concat()).is_ok());
    let short = [("MCP_BEARER_SHARED_SECRET", "hunter2")];
    let error = from(&[short.as_slice(), &rest].concat())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("MCP_BEARER_SHARED_SECRET: ") && !error.contains("hunter2"),
        "{error}"
    );
    for name in ["SHARED_SECRET_FILE", "PUBLIC_KEY_FILE", "JWKS_FILE"] {
        let name = format!("MCP_BEARER_{name}");
        let mistaken = [(name.as_str(), "hunter2-hunter2-hunter2-hunter2-hunter2")];
        let error = from(&[mistaken.as_slice(), &rest].concat())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("{name}: cannot be read")) && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[test]
fn the_names_of_two_families_do_not_mix() {
    let error = from(&[
        ("MCP_BEARER_JWKS_URI", "https://idp.example.com/jwks.json"),
        ("MCP_BEARER_ANY_ISSUER", "true"),
        ("MCP_BEARER_ANY_AUDIENCE", "true"),
        ("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES", r#"["mcp:admin"]"#),
    ]);
    assert_eq!(
        error.unwrap_err().problems(),
        [
            "FASTMCP_AUTH_BEARER_REQUIRED_SCOPES: would do nothing beside MCP_BEARER_JWKS_URI; use the names of one family"
        ]
    );
}

#[test]
fn an_empty_variable_is_not_set() {
    assert!(
        from(&[
            ("MCP_BEARER_PUBLIC_KEY", ""),
            ("FASTMCP_AUTH_BEARER_ISSUER", "x")
        ])
        .is_err()
    );
}

#[test]
fn a_rule_that_would_do_nothing_is_a_problem() {
    let found = |name: &str, value: &str| misread(&[(name.into(), value.into())]).len();
    assert_eq!(found("MCP_BEARER_REQUIRED_SCOPES", "mcp:read"), 0);
    assert_eq!(found("MCP_BEARER_LOG", "debug"), 0);
    assert_eq!(found("PATH", ""), 0);
    assert_eq!(found("MCP_BEARER_REQUIRED_SCOPE", "mcp:read"), 1);
    assert_eq!(found("MCP_BEARER_MAX_AGE", "60"), 1);
    assert_eq!(found("MCP_BEARER_ALLOWED_CLIENT_IDS", ""), 1);
    assert_eq!(found("FASTMCP_AUTH_BEARER_REQUIRED_SCOPE", "[]"), 1);
    assert_eq!(found("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES", ""), 1);
    assert_eq!(found("FASTMCP_AUTH_BEARER_ISSUER", ""), 0);
    assert_eq!(found("fastmcp_auth_bearer_audience", "x"), 1);
    assert_eq!(found("MCP_bearer_ISSUER", "x"), 1);
    let rest = [
        ("MCP_BEARER_JWKS_URI", "https://idp.example.com/jwks.json"),
        ("MCP_BEARER_ANY_ISSUER", "true"),
        ("MCP_BEARER_ANY_AUDIENCE", "true"),
    ];
    for empty in [" ", "[]", " [ ] "] {
        let rule = [("MCP_BEARER_REQUIRED_SCOPES", empty)];
        let error = from(&[rule.as_slice(), &rest].concat())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("MCP_BEARER_REQUIRED_SCOPES: an empty list"),
            "{error}"
        );
    }
}
