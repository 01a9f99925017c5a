//! `check`: its reports on good and bad issuers, and on wrong configurations.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    unreachable_pub,
    reason = "a test stops at the first surprise"
)]

mod support;

use mcp_bearer_testkit::{Behaviour, JwksServer, Response, SigningKey, weak_keys};
use serde_json::{Value, json};
use support::{Place, run};

const AUDIENCE: &str = "https://mcp.example.com/mcp";

/// An issuer at its own loopback origin, with RFC 8414 metadata.
fn issuer(keys: Vec<Value>) -> JwksServer {
    let server = JwksServer::start();
    let metadata = json!({ "issuer": server.base(), "jwks_uri": server.url() });
    server.serve(
        "/.well-known/oauth-authorization-server",
        Response::json(&metadata),
    );
    server.set_keys(keys);
    server
}

fn rsa(kid: &str) -> Value {
    SigningKey::shared_rsa_2048()
        .with_kid(kid)
        .with_alg("RS256")
        .jwk()
}

fn p256(kid: &str) -> Value {
    SigningKey::ec_p256().with_kid(kid).jwk()
}

#[test]
fn a_file_with_good_issuers_is_ok() {
    let (one, two) = (issuer(vec![rsa("a")]), issuer(vec![p256("b")]));
    let place = Place::new();
    place.write("public.pem", SigningKey::shared_rsa_2048().public_pem());
    let file = place.write(
        "gateway.toml",
        format!(
            r#"
listen = "127.0.0.1:8443"
resource = "{AUDIENCE}"
upstream = "http://127.0.0.1:9000/mcp"
unmatched = "allow"
[[issuer]]
issuer = "{}"
[[issuer]]
issuer = "https://two.example.com/"
jwks_uri = "{}?key=secret"
algorithms = ["ES256"]
audiences = ["one", "two"]
required_scopes = ["mcp:read", "mcp:write"]
[[issuer]]
issuer = "https://three.example.com/"
public_key_file = "public.pem"
[[rule]]
method = "tools/call"
scopes = ["mcp:admin"]
"#,
            one.base(),
            two.url(),
        ),
    );
    run(&["check", "--config", &file]).is(
        0,
        &format!(
            r#"configuration of mcp-bearer gateway
issuer "{}"
  keys from discovery
  audience "{AUDIENCE}"
  algorithms RS256
  usable: key "a", RSA 2048 bits, for RS256
issuer "https://two.example.com/"
  keys from {}
  audience "one", "two"
  algorithms ES256
  scopes mcp:read mcp:write
  usable: key "b", EC P-256, for ES256
issuer "https://three.example.com/"
  keys from {}
  audience "{AUDIENCE}"
  algorithms RS256
  usable: a key without kid, RSA 2048 bits, for RS256, RS384, RS512, PS256, PS384, PS512
ok
"#,
            one.base(),
            two.url(),
            place.path().join("public.pem").display(),
        ),
        "",
    );
    // Each was asked once.
    assert_eq!((one.hits(JwksServer::JWKS_PATH), two.total_hits()), (1, 1));
}

#[test]
fn flags_replace_a_file() {
    let server = issuer(vec![rsa("a"), weak_keys::akp()]);
    let base = server.base();
    let ran = run(&[
        "check",
        "--discover",
        &base,
        "--audience",
        AUDIENCE,
        "--scope",
        "mcp:read",
        "--format",
        "json",
    ]);
    let reason = ran.json()[0]["issuers"][0]["keys"][1]["reason"].clone();
    assert!(reason.as_str().unwrap().contains("AKP"), "{ran:?}");
    let expected = json!({
        "ok": true,
        "kind": null,
        "resource": null,
        "issuers": [{
            "issuer": base,
            "keys_from": "discovery",
            "audiences": [AUDIENCE],
            "algorithms": ["RS256"],
            "required_scopes": ["mcp:read"], "scopes_to_request": ["mcp:read"],
            "keys": [
                { "usable": true, "kid": "a", "thumbprint": SigningKey::shared_rsa_2048().thumbprint(), "type": "RSA 2048 bits", "note": null, "algorithms": ["RS256"] },
                { "usable": false, "kid": weak_keys::akp()["kid"], "number": 2, "reason": reason },
            ],
            "problems": [],
            "notes": [],
        }],
    });
    assert_eq!(ran.json(), [expected]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));

    let url = server.url();
    let ran = run(&[
        "check",
        "--jwks-uri",
        &url,
        "--issuer",
        "I",
        "--audience",
        AUDIENCE,
    ]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn an_issuer_that_cannot_be_reached_is_a_problem() {
    let server = issuer(vec![rsa("a")]);
    let base = server.base();
    drop(server);
    let ran = run(&["check", "--discover", &base, "--audience", AUDIENCE]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        lines[4].starts_with("  problem: no keys, so every request will get a 503: "),
        "{ran:?}"
    );
    assert!(lines[4].contains("refused"), "{ran:?}");
    assert_eq!(lines[5], "1 problem");
}

/// The report on an issuer with one fault.
fn problem(server: &JwksServer, more: &[&str]) -> String {
    let base = server.base();
    let mut arguments = vec!["check", "--discover", &base, "--audience", AUDIENCE];
    arguments.extend(more);
    arguments.extend(["--format", "json"]);
    let ran = run(&arguments);
    let report = ran.json()[0].clone();
    assert_eq!(
        (ran.code, &report["ok"]),
        (Some(1), &json!(false)),
        "{ran:?}"
    );
    let problems = report["issuers"][0]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{ran:?}");
    problems[0].as_str().unwrap().to_owned()
}

#[test]
fn what_would_go_wrong_is_reported() {
    let server = issuer(vec![weak_keys::akp()]);
    assert!(problem(&server, &[]).contains("no usable key"));

    server.set_behaviour_at(JwksServer::JWKS_PATH, Behaviour::Html200);
    assert!(problem(&server, &[]).contains("not a JWK Set"));

    let other = json!({ "issuer": "https://other.example.com/", "jwks_uri": server.url() });
    let path = "/.well-known/oauth-authorization-server";
    server.serve(path, Response::json(&other));
    let told = problem(&server, &[]);
    assert!(told.contains("https://other.example.com/"), "{told}");

    let server = issuer(vec![p256("a"), SigningKey::ed25519().with_kid("b").jwk()]);
    let told = problem(&server, &[]);
    assert!(told.contains("no key can be used with RS256"), "{told}");
    assert!(told.contains("ES256"), "{told}");

    server.set_keys((0..5).map(|_| p256("same")).collect());
    let told = problem(&server, &["--algorithm", "ES256"]);
    assert!(told.starts_with("5 keys have the kid \"same\""), "{told}");

    let nameless = SigningKey::ec_p256().without_kid().jwk();
    let mut keys: Vec<Value> = ["a", "b", "c", "d"].map(p256).into();
    keys.push(nameless);
    server.set_keys(keys);
    let told = problem(&server, &["--algorithm", "ES256"]);
    assert!(
        told.starts_with("ES256 tokens of a key without kid are refused"),
        "{told}"
    );
}

#[test]
fn what_is_worth_knowing_is_noted() {
    let server = issuer(vec![rsa("a"), p256("b\u{1b}[2J")]);
    let base = server.base();
    let ran = run(&[
        "check",
        "--discover",
        &base,
        "--audience",
        AUDIENCE,
        "--algorithm",
        "RS256",
        "--algorithm",
        "PS512",
    ]);
    assert_eq!(ran.code, Some(0));
    let notes: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| line.contains("note: "))
        .collect();
    assert_eq!(
        notes,
        [
            "  note: PS512 is allowed, and no key can be used with it",
            "  note: tokens signed with key \"b\\u{1b}[2J\" are refused: the key can be used with ES256, not among the allowed algorithms",
        ]
    );
}

#[test]
fn every_problem_of_an_invalid_configuration_is_reported() {
    let place = Place::new();
    let file = place.write(
        "gateway.toml",
        "resource = \"https://mcp.example.com/mcp\"\n[[issuer]]\nissuer = \"http://idp.example.com/\"\nleeway = \"10m\"\n\
         [[issuer]]\nissuer = \"b\"\njwks_file = \"none.json\"\n",
    );
    let ran = run(&["check", "--config", &file]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    for told in [
        "gateway.toml:3: issuer.issuer: http is allowed on loopback only; use https\n",
        "gateway.toml:4: issuer.leeway: more than 300 s",
        "gateway.toml:7: issuer.jwks_file: ",
        "none.json: there is no such file",
        "For help: mcp-bearer check --help",
    ] {
        assert!(ran.stderr.contains(told), "{told} in {ran:?}");
    }

    let file = place.write(
        "typo.toml",
        "[[issuer]]\nissuer = \"a\"\naudience = \"x\"\n",
    );
    let ran = run(&["check", "--config", &file]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr
            .contains("typo.toml:3: issuer.\"audience\" is not known here"),
        "{ran:?}"
    );

    let twice = "[[issuer]]\nissuer = \"https://a.example/\"\njwks_uri = \"https://a.example/\"\naudiences = [\"x\"]\n";
    let file = place.write("twice.toml", twice.repeat(2));
    let ran = run(&["check", "--config", &file]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("is configured twice"), "{ran:?}");

    let ran = run(&["check"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr
            .starts_with("error: nothing to check: give --config FILE"),
        "{ran:?}"
    );
    let ran = run(&[
        "check",
        "--discover",
        "https://b.example/",
        "--issuer",
        "c",
        "--algorithm",
        "none",
        "--leeway",
        "x",
    ]);
    assert_eq!(
        (ran.code, ran.stderr.lines().count()),
        (Some(2), 5),
        "{ran:?}"
    );
    let two = "error: --discover and --issuer: name two issuers: ";
    assert!(ran.stderr.contains(two), "{ran:?}");
    let sources = ["--jwks-uri", "https://a.example/", "--discover", "b"];
    let ran = run(&[&["check"][..], &sources].concat());
    let both = "error: --jwks-uri and --discover given together: ";
    assert!(ran.stderr.contains(both), "{ran:?}");
    let ran = run(&[
        "check",
        "--config",
        &file,
        "--discover",
        "https://b.example/",
    ]);
    assert_eq!(ran.code, Some(2));
}

#[test]
fn rules_for_operations_are_checked_too() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gateway.toml");
    let text = format!(
        r#"resource = "{AUDIENCE}"
[[issuer]]
issuer = "https://idp.example.com/"
[[rule]]
method = "tool/call"
"#
    );
    std::fs::write(&file, text).unwrap();
    let shown = file.to_str().unwrap();
    let ran = run(&["check", "--config", shown]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    for expected in [
        format!("{shown}:4: unmatched: must be decided where there are rules: allow or deny"),
        format!(
            "{shown}:5: rule.method: \"tool/call\" is not a method; did you mean \"tools/call\"?"
        ),
    ] {
        assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
    }
}

#[test]
fn the_settings_of_a_file_decide_which_program_it_is_for() {
    let server = issuer(vec![rsa("a")]);
    let place = Place::new();
    let kinds = [
        ("layer", "a server with the layer", "", ""),
        (
            "authz",
            "mcp-bearer authz",
            "",
            "[authz]\nproxy_timeout = \"1s\"\n",
        ),
        (
            "authz",
            "mcp-bearer authz",
            "listen = \"127.0.0.1:9191\"\n",
            "",
        ),
        (
            "authz",
            "mcp-bearer authz",
            "",
            "[health]\nlisten = \"127.0.0.1:9902\"\n",
        ),
        (
            "gateway",
            "mcp-bearer gateway",
            "upstream = \"http://127.0.0.1:9000/mcp\"\n",
            "",
        ),
    ];
    for (kind, words, top, tables) in kinds {
        let text = format!(
            "resource = \"{AUDIENCE}\"\n{top}[[issuer]]\nissuer = \"{}\"\n{tables}",
            server.base()
        );
        let file = place.write("server.toml", text);
        let ran = run(&["check", "--config", &file]);
        let first = ran.stdout.lines().next().unwrap_or_default();
        assert_eq!(
            first,
            format!("configuration of {words}"),
            "{tables}: {ran:?}"
        );
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let ran = run(&["check", "--config", &file, "--format", "json"]);
        assert_eq!(ran.json()[0]["kind"], kind, "{ran:?}");
    }
}
