//! `demo`, driven by raw HTTP: what any client sees of the server, its issuer and its challenges.
#![cfg(unix)]
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

use serde_json::json;
use support::{Demo, Place, program, run, run_with};

#[test]
fn a_token_is_accepted_and_names_its_subject() {
    let demo = Demo::start(&[], "info");
    let members: Vec<&String> = demo.line.as_object().unwrap().keys().collect();
    assert_eq!(members, ["expires_at", "metadata_url", "token", "url"]);
    assert!(demo.line["expires_at"].as_u64().unwrap() > 1_700_000_000);

    let bearer = format!("Authorization: Bearer {}", demo.token());
    let answer = demo.call("whoami", "{}", &[&bearer]);
    assert_eq!(answer.status(), 200, "{answer:?}");
    let result = &answer.json()["result"];
    let who = json!({"subject": "demo-user", "client_id": "demo-client", "scopes": ["mcp:read"]});
    assert_eq!(result["structuredContent"], who);
    assert_eq!(result["isError"], json!(false));

    let answer = demo.call("add", r#"{"a":40,"b":2}"#, &[&bearer]);
    assert_eq!(
        answer.json()["result"]["structuredContent"],
        json!({"sum": 42})
    );
    let answer = demo.call("add", &format!(r#"{{"a":{},"b":1}}"#, i64::MAX), &[&bearer]);
    assert_eq!(
        answer.json()["error"]["message"],
        json!("the sum is too large")
    );

    let ran = demo.terminate();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    assert!(ran.stderr.ends_with("Stopped.\n"), "{}", ran.stderr);
}

#[test]
fn the_required_scopes_can_be_others_or_none() {
    let bearer = |demo: &Demo| format!("Authorization: Bearer {}", demo.token());
    let demo = Demo::start(
        &["--scope", "a:b", "--scope", "c", "--scope", "a:b"],
        "info",
    );
    let answer = demo.call("whoami", "{}", &[&bearer(&demo)]);
    let who = answer.json()["result"]["structuredContent"].clone();
    assert_eq!(who["scopes"], json!(["a:b", "c"]));
    let challenge = demo.call("whoami", "{}", &[]);
    let wanted = challenge.header("www-authenticate").unwrap().to_owned();
    assert!(wanted.contains("scope=\"a:b c\""), "{wanted}");

    let demo = Demo::start(&["--no-scope"], "info");
    let answer = demo.call("whoami", "{}", &[&bearer(&demo)]);
    let who = answer.json()["result"]["structuredContent"].clone();
    assert_eq!((answer.status(), &who["scopes"]), (200, &json!([])));
    let challenge = demo.call("whoami", "{}", &[]);
    let wanted = challenge.header("www-authenticate").unwrap().to_owned();
    assert!(!wanted.contains("scope="), "{wanted}");

    let both = run(&["demo", "--no-scope", "--scope", "a"]);
    assert_eq!(both.code, Some(2), "{both:?}");
    let bad = run(&["demo", "--scope", "two words"]);
    assert_eq!(bad.code, Some(2), "{bad:?}");
    assert!(bad.stderr.starts_with("error: --scope: "), "{bad:?}");
}

#[test]
fn another_issuers_tokens_are_accepted_if_it_is_named() {
    use mcp_bearer_testkit::{Forge, JwksServer, Response, SigningKey};
    let issuer = JwksServer::start();
    let key = SigningKey::ec_p256().with_kid("other");
    issuer.set_keys(vec![key.jwk()]);
    let metadata = json!({ "issuer": issuer.base(), "jwks_uri": issuer.url() });
    issuer.serve(
        "/.well-known/oauth-authorization-server",
        Response::json(&metadata),
    );
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let name = issuer.base();
    let demo = Demo::start(&["--also-issuer", &name], "info");
    let token = Forge::new(&key, now.as_secs())
        .issuer(&name)
        .audience(demo.url())
        .scope("mcp:read");
    let bearer = |token: &Forge| format!("Authorization: Bearer {}", token.clone().token());
    assert_eq!(demo.call("whoami", "{}", &[&bearer(&token)]).status(), 200);
    let own = format!("Authorization: Bearer {}", demo.token());
    assert_eq!(demo.call("whoami", "{}", &[&own]).status(), 200);
    // Each issuer's keys are its own, and clients see both names.
    let forged = token.clone().issuer(demo.origin());
    assert_eq!(demo.call("whoami", "{}", &[&bearer(&forged)]).status(), 401);
    let elsewhere = token.audience("https://mcp.example.com/mcp");
    assert_eq!(
        demo.call("whoami", "{}", &[&bearer(&elsewhere)]).status(),
        401
    );

    run(&["demo", "--listen", "127.0.0.1:0", "--also-issuer", "http://idp.example.com/"]).is(
        2,
        "",
        "error: --also-issuer: http is allowed on loopback only; use https\nFor help: mcp-bearer demo --help\n",
    );
}

#[test]
fn refusals_follow_the_specification() {
    let place = Place::new();
    assert_eq!(run(&["keygen", "--out", &place.file("keys")]).code, Some(0));
    let key = place.file("keys/private.pem");
    let demo = Demo::start(&["--private-key", &key], "info");
    let sign = |more: &[&str]| {
        let mut command = program();
        command.args([
            "token",
            "--private-key",
            &key,
            "--issuer",
            demo.origin(),
            "--audience",
            demo.url(),
        ]);
        let ran = run_with(command.args(more), b"");
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        format!("Authorization: Bearer {}", ran.stdout.trim_end())
    };
    let metadata = demo.line["metadata_url"].as_str().unwrap();

    let answer = demo.call("whoami", "{}", &[]);
    assert_eq!(answer.status(), 401);
    let challenge = format!(r#"Bearer scope="mcp:read", resource_metadata="{metadata}""#);
    assert_eq!(answer.header("WWW-Authenticate"), Some(challenge.as_str()));
    assert_eq!(answer.body, "");

    let answer = demo.call(
        "whoami",
        "{}",
        &[&sign(&["--scope", "mcp:read", "--expires-in", "-1h"])],
    );
    assert_eq!(answer.status(), 401);
    let challenge = format!(
        r#"Bearer error="invalid_token", scope="mcp:read", resource_metadata="{metadata}", error_description="The token is not valid here""#
    );
    assert_eq!(answer.header("WWW-Authenticate"), Some(challenge.as_str()));

    let answer = demo.call("whoami", "{}", &[&sign(&["--scope", "mcp:write"])]);
    assert_eq!(answer.status(), 403);
    let challenge = format!(
        r#"Bearer error="insufficient_scope", scope="mcp:read", resource_metadata="{metadata}", error_description="The token lacks a required permission""#
    );
    assert_eq!(answer.header("WWW-Authenticate"), Some(challenge.as_str()));

    let good = sign(&["--scope", "mcp:read", "--subject", "bob"]);
    let answer = demo.call("whoami", "{}", &[&good]);
    assert_eq!(
        answer.json()["result"]["structuredContent"]["subject"],
        json!("bob")
    );
    // No browser should call it, whatever token it has.
    assert_eq!(
        demo.call("whoami", "{}", &[&good, "Origin: http://localhost:3000"])
            .status(),
        403
    );
}

#[test]
fn documents_are_where_clients_look() {
    let demo = Demo::start(&[], "info");
    let answer = demo.get("/.well-known/oauth-protected-resource/mcp");
    assert_eq!(
        format!("{}/.well-known/oauth-protected-resource/mcp", demo.origin()),
        demo.line["metadata_url"]
    );
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.json(),
        json!({
            "resource": demo.url(),
            "authorization_servers": [demo.origin()],
            "scopes_supported": ["mcp:read", "mcp:admin"],
            "bearer_methods_supported": ["header"],
            "resource_name": "mcp-bearer demo",
        })
    );

    let answer = demo.get("/.well-known/oauth-authorization-server");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.json()["issuer"], json!(demo.origin()));
    let keys = answer.json()["jwks_uri"].as_str().unwrap().to_owned();
    let jwks = demo.get(keys.strip_prefix(demo.origin()).unwrap()).json();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    assert_eq!(jwks["keys"][0]["alg"], json!("RS256"));
    assert_eq!(jwks["keys"][0].get("d"), None);

    // The token verifies with what is published, and with nothing else.
    let (origin, url) = (demo.origin(), demo.url());
    let rules = [
        "verify",
        "--jwks-uri",
        &keys,
        "--issuer",
        origin,
        "--audience",
        url,
        "--scope",
        "mcp:read",
    ];
    let ran = support::pipe(&rules, demo.token().as_bytes());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stdout
            .starts_with(r#"accepted: subject "demo-user", client "demo-client", "#),
        "{ran:?}"
    );

    for path in [
        "/",
        "/mcp/",
        "/mcp/x",
        "/.well-known/oauth-protected-resource",
        "/.well-known/openid-configuration",
    ] {
        assert_eq!(demo.get(path).status(), 404, "{path}");
    }
}

#[test]
fn text_has_commands_to_paste() {
    use std::io::{BufRead, BufReader};
    let mut child = program()
        .args(["demo", "--listen", "127.0.0.1:0"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let text: Vec<String> = lines
        .take_while(|line| line != "Ctrl-C stops it.")
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        text[0].starts_with("MCP server  http://127.0.0.1:"),
        "{text:?}"
    );
    for start in [
        "TOKEN=eyJ",
        "call() { curl -sS -w '\\n' http://127.0.0.1:",
        "call whoami",
        "echo $TOKEN | mcp-bearer verify --jwks-uri http://",
    ] {
        assert!(
            text.iter().any(|line| line.starts_with(start)),
            "{start}: {text:?}"
        );
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    run(&["demo", "--listen", "0.0.0.0:8000", "--private-key", "no-such.pem"]).is(
        2,
        "",
        "error: --listen: 0.0.0.0:8000: the demo serves only this machine, because anyone may paste its token; use 127.0.0.1:8000 or [::1]:8000\n\
         error: --private-key: no-such.pem: there is no such file; check the path\n\
         For help: mcp-bearer demo --help\n",
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = run(&["demo", "--listen", &address]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("choose another port"), "{}", ran.stderr);
}

#[test]
fn a_trace_log_holds_no_secret() {
    let place = Place::new();
    run(&["keygen", "--out", &place.file("keys")]);
    let demo = Demo::start(&["--private-key", &place.file("keys/private.pem")], "trace");
    let token = demo.token().to_owned();
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(demo.call("whoami", "{}", &[&bearer]).status(), 200);
    // One character of the signature changed, and a header that carries the token wrongly.
    let wrong = format!("{bearer}A");
    assert_eq!(demo.call("whoami", "{}", &[&wrong]).status(), 401);
    assert_eq!(demo.call("whoami", "{}", &[&bearer, &bearer]).status(), 400);
    assert_eq!(
        demo.call(
            "whoami",
            "{}",
            &[&format!("Authorization: Bearer {token},{token}")]
        )
        .status(),
        401
    );
    assert_eq!(
        demo.call("whoami", "{}", &[&format!("Authorization: Basic {token}")])
            .status(),
        401
    );
    let log = demo.terminate().stderr;
    assert!(
        log.contains("TRACE") && log.contains("bad_signature"),
        "{log}"
    );
    for segment in token.split('.') {
        assert!(!log.contains(segment), "{log}");
    }
    let private = std::fs::read_to_string(place.file("keys/private.pem")).unwrap();
    for line in private.lines() {
        assert!(!log.contains(line), "{log}");
    }
}
