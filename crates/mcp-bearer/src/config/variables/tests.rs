use std::collections::BTreeMap;

use super::*;
use crate::RsaKeyPair;

fn from(variables: &[(&str, &str)]) -> Result<BearerAuthProvider, ConfigError> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    from_variables(|name| variables.get(name).map(|value| (*value).to_owned()))
}

#[test]
fn the_names_of_fastmcp_keep_issuer_and_audience_optional() {
    let pem = RsaKeyPair::generate().unwrap();
    let provider = from(&[("FASTMCP_AUTH_BEARER_PUBLIC_KEY", pem.public_key_pem())]).unwrap();
    assert_eq!(provider.issuer_names().count(), 0);
    let token = pem.create_token(&crate::TokenRequest::new()).unwrap();
    assert!(provider.try_verify_token(&token).into_result().is_ok());
    let none = from(&[
        ("FASTMCP_AUTH_BEARER_PUBLIC_KEY", pem.public_key_pem()),
        ("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES", "[]"),
    ]);
    assert!(none.unwrap().required_scopes().is_empty());
}

#[test]
fn errors_about_the_names_of_fastmcp_use_its_words() {
    let none = from(&[("FASTMCP_AUTH_BEARER_ISSUER", "https://idp.example.com/")]);
    assert_eq!(
        none.unwrap_err().to_string(),
        "Either FASTMCP_AUTH_BEARER_PUBLIC_KEY or FASTMCP_AUTH_BEARER_JWKS_URI must be provided"
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
        "Provide either FASTMCP_AUTH_BEARER_PUBLIC_KEY or FASTMCP_AUTH_BEARER_JWKS_URI, not both"
    );
}

#[test]
fn our_names_require_a_decision_and_every_problem_is_reported() {
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
        "LEEWAY_SECONDS: ",
        "TOKEN_TYPE: ",
        "ALGORITHMS: ",
        "REQUIRED_SCOPES: ",
    ] {
        assert!(
            all.contains(&format!("MCP_BEARER_{name}")),
            "{name} is missing from: {all}"
        );
    }
    assert_eq!(error.problems().len(), 6, "{all}");
    let nothing = from(&[]).unwrap_err();
    assert_eq!(nothing.problems().len(), 3, "{nothing}");
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
    let error = from(&[base.as_slice(), &any, &both].concat()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "MCP_BEARER_ISSUER and MCP_BEARER_ANY_ISSUER contradict each other; choose one"
    );
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
    assert_eq!(provider.required_scopes().as_str(), "mcp:read mcp:write");
    assert_eq!(provider.policies().next().unwrap().algorithms().len(), 2);
}

#[test]
fn a_secret_comes_from_a_file_and_is_in_no_error() {
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
        assert_eq!(
            error,
            format!("{name}: there is no such file; check the path")
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
        error.unwrap_err().own_words(),
        [
            "FASTMCP_AUTH_BEARER_REQUIRED_SCOPES: would do nothing beside MCP_BEARER_JWKS_URI; use the names of one family"
        ]
    );
}

#[test]
fn a_variable_that_is_set_to_nothing_is_refused() {
    let rest = [
        ("MCP_BEARER_JWKS_URI", "https://idp.example.com/jwks.json"),
        ("MCP_BEARER_ANY_ISSUER", "true"),
        ("MCP_BEARER_ANY_AUDIENCE", "true"),
    ];
    for setting in Setting::ALL {
        let Some(name) = setting.name(Entrance::Variable) else {
            continue;
        };
        for nothing in ["", " ", "\t"] {
            let error = from(&[rest.as_slice(), &[(name, nothing)]].concat()).unwrap_err();
            let expected = format!("{name}: set to nothing");
            let told = error.own_words();
            let told = told.iter().filter(|words| words.starts_with(&expected));
            assert_eq!(told.count(), 1, "{error}");
        }
    }
    let key = ("FASTMCP_AUTH_BEARER_JWKS_URI", rest[0].1);
    for setting in Setting::ALL {
        let Some(name) = setting.name(Entrance::FastMcpVariable) else {
            continue;
        };
        let error = from(&[key, (name, "")]).unwrap_err().to_string();
        assert!(
            error.contains(&format!("{name}: set to nothing")),
            "{error}"
        );
    }
    // An empty list of scopes is an explicit decision to require none.
    let scopes = [("MCP_BEARER_REQUIRED_SCOPES", "[]")];
    assert!(from(&[rest.as_slice(), &scopes].concat()).is_ok());
    for name in ["ALLOWED_CLIENT_IDS", "SCOPE_CLAIMS", "ALGORITHMS"] {
        let name = format!("MCP_BEARER_{name}");
        let error = from(&[rest.as_slice(), &[(&name, "[]")]].concat()).unwrap_err();
        assert!(error.to_string().contains("an empty list"), "{error}");
    }
}

#[test]
fn a_rule_that_would_do_nothing_is_a_problem() {
    let found = |name: &str, value: &str| {
        let variable = (name.to_owned(), Ok(value.to_owned()));
        Variables::read([variable]).problems.len()
    };
    assert_eq!(found("MCP_BEARER_REQUIRED_SCOPES", "mcp:read"), 0);
    assert_eq!(found("MCP_BEARER_LOG", "debug"), 0);
    assert_eq!(found("MCP_BEARER_LOG", ""), 0);
    assert_eq!(found("PATH", ""), 0);
    assert_eq!(found("MCP_BEARER_REQUIRED_SCOPE", "mcp:read"), 1);
    assert_eq!(found("MCP_BEARER_MAX_AGE", "60"), 1);
    assert_eq!(found("MCP_BEARER_ALLOWED_CLIENT_IDS", ""), 1);
    assert_eq!(found("FASTMCP_AUTH_BEARER_REQUIRED_SCOPE", "[]"), 1);
    assert_eq!(found("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES", ""), 1);
    assert_eq!(found("FASTMCP_AUTH_BEARER_ISSUER", ""), 1);
    assert_eq!(found("fastmcp_auth_bearer_audience", "x"), 1);
    assert_eq!(found("MCP_bearer_ISSUER", "x"), 1);
    assert_eq!(found("\"MCP_BEARER_ISSUER\"", "x"), 1);
    let not_unicode = (
        "MCP_BEARER_ISSUER".to_owned(),
        Err("not Unicode".to_owned()),
    );
    let read = Variables::read([not_unicode]);
    let error = ConfigError::new(read.problems);
    assert_eq!(error.to_string(), "MCP_BEARER_ISSUER: not Unicode");
}

#[test]
fn two_members_with_one_name_are_both_kept() {
    let rest = [
        ("MCP_BEARER_JWKS_URI", "https://idp.example.com/jwks.json"),
        ("MCP_BEARER_ANY_ISSUER", "true"),
        ("MCP_BEARER_ANY_AUDIENCE", "true"),
    ];
    let cycle = [(
        "MCP_BEARER_SCOPE_IMPLIES",
        r#"{"a": "b", "b": ["c"], "a": "a"}"#,
    )];
    let error = from(&[rest.as_slice(), &cycle].concat()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "MCP_BEARER_SCOPE_IMPLIES: \"a\" implies itself through a cycle"
    );
}

#[test]
fn an_invalid_value_is_in_no_error() {
    let values = [
        "hunter2",
        "hunter2 x",
        "hunter2\u{e4}",
        "hunter2\"",
        "hunter2://x",
        "http://hunter2.example/",
        "[\"hunter2 x\", \"\"]",
        "[\"hunter2 x\", 1]",
        "[hunter2",
        "{\"hunter2\": 7",
    ];
    for family in [Entrance::Variable, Entrance::FastMcpVariable] {
        for setting in Setting::ALL {
            let Some(name) = setting.name(family) else {
                continue;
            };
            for value in values {
                let error = from(&[(name, value)]).err();
                let words = error.map(|error| error.to_string()).unwrap_or_default();
                // The address of a document that everyone can read.
                let public = *setting == Setting::Resource;
                assert!(public || !words.contains("hunter2"), "{words}");
            }
        }
    }
}
