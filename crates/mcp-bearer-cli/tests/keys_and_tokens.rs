//! `keygen`, `token` and `jwks`, and what holds for every command: help, exit codes, streams.
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

use mcp_bearer_testkit::SigningKey;
use serde_json::{Value, json};
use support::{Place, pipe, program, run, run_with};

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        "demo", "keygen", "token", "jwks", "verify", "check", "inspect",
    ] {
        let ran = run(&[command, "--help"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{command}");
        assert!(ran.stdout.contains("Example"), "{command}: {}", ran.stdout);
        assert!(
            ran.stdout.contains(&format!("\n  mcp-bearer {command}")),
            "{command}: {}",
            ran.stdout
        );
    }
    let ran = run(&["--help"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(
        ran.stdout
            .contains("Exit codes: 0 done; 1 the answer is no (a token was rejected); 2 usage"),
        "{}",
        ran.stdout
    );
    assert_eq!(
        run(&["--version"]).stdout,
        format!("mcp-bearer {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn usage_errors_go_to_stderr_and_exit_with_2() {
    for arguments in [
        &[][..],
        &["no-such-command"],
        &["keygen"],
        &["token"],
        &["jwks"],
        &["verify", "--no-such"],
    ] {
        let ran = run(arguments);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(
            ran.stderr.contains("Usage: mcp-bearer"),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
    for (filter, why) in [
        ("a=b=c", ""),
        ("", "set to nothing"),
        (" ", "set to nothing"),
    ] {
        let ran = run(&["--log", filter, "jwks", "x"]);
        assert_eq!(ran.code, Some(2));
        let expected = format!("error: --log, MCP_BEARER_LOG: {why}");
        assert!(ran.stderr.starts_with(&expected), "{}", ran.stderr);
    }
}

#[test]
fn a_token_in_a_wrong_place_is_not_repeated() {
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
    let wrong: [&[&str]; 4] = [
        &[token],
        &["verify", "a", token],
        &["jwks", token],
        &["verify", "--public-key", token, "--at", token],
    ];
    for arguments in wrong {
        let ran = run(arguments);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(
            ran.stderr.contains("eyJ...") && !ran.stderr.contains("c2lnbm"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn keygen_writes_three_files_that_belong_together() {
    let place = Place::new();
    let out = place.file("new/keys");
    let ran = run(&["keygen", "--out", &out]);
    let kid = ran.stdout.trim_end();
    ran.is(
        0,
        &format!("{kid}\n"),
        &format!(
            "{out}/private.pem: signs tokens; keep it secret\n\
             {out}/public.pem: verifies them (verify --public-key)\n\
             {out}/jwks.json: the same key to publish (verify --jwks)\n\
             The key id:\n"
        ),
    );
    let text = |name: &str| std::fs::read_to_string(format!("{out}/{name}")).unwrap();
    assert!(text("private.pem").starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(text("public.pem").starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let jwks: Value = serde_json::from_str(&text("jwks.json")).unwrap();
    assert_eq!(jwks["keys"][0]["kid"], json!(kid));
    run(&["jwks", &format!("{out}/public.pem")]).is(0, &text("jwks.json"), "");

    let signed = run(&["token", "--private-key", &format!("{out}/private.pem")]).stdout;
    for keys in [["--public-key", "public.pem"], ["--jwks", "jwks.json"]] {
        let file = format!("{out}/{}", keys[1]);
        let ran = pipe(
            &["verify", keys[0], &file, "--any-issuer", "--any-audience"],
            signed.as_bytes(),
        );
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_a_private_key() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let mode = |name: &str| {
        std::fs::metadata(place.file(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        run(&["keygen", "--out", place.path().to_str().unwrap()]).code,
        Some(0)
    );
    assert_eq!(mode("private.pem"), 0o600);
    // Also if the file that it replaces was open to everyone.
    std::fs::set_permissions(place.file("private.pem"), PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(
        run(&["keygen", "--force", "--out", place.path().to_str().unwrap()]).code,
        Some(0)
    );
    assert_eq!(mode("private.pem"), 0o600);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 3);
}

#[test]
fn keygen_overwrites_nothing_unasked() {
    for name in ["private.pem", "public.pem", "jwks.json"] {
        let place = Place::new();
        let path = place.write(name, "precious");
        run(&["keygen", "--out", place.path().to_str().unwrap()]).is(
            2,
            "",
            &format!(
                "error: {path} exists; choose another --out, or overwrite it with --force\n\
                 For help: mcp-bearer keygen --help\n"
            ),
        );
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        assert_eq!(
            run(&["keygen", "--force", "--out", place.path().to_str().unwrap()]).code,
            Some(0)
        );
        assert_ne!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
    let place = Place::new();
    let file = place.write("file", "");
    let ran = run(&["keygen", "--out", &file]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(
        ran.stderr
            .contains("choose a directory that can be written"),
        "{}",
        ran.stderr
    );
}

#[test]
fn keygen_takes_a_size_and_a_key_id() {
    let place = Place::new();
    let ran = run(&[
        "keygen",
        "--out",
        place.path().to_str().unwrap(),
        "--bits",
        "3072",
        "--kid",
        "k 1",
    ]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "k 1\n"));
    let jwks: Value =
        serde_json::from_slice(&std::fs::read(place.file("jwks.json")).unwrap()).unwrap();
    assert_eq!(jwks["keys"][0]["kid"], json!("k 1"));
    assert_eq!(jwks["keys"][0]["n"].as_str().unwrap().len(), 512);
    assert_eq!(
        run(&["keygen", "--out", "x", "--bits", "1024"]).code,
        Some(2)
    );
}

/// A token's header and claims, read without any code under test.
fn taken_apart(token: &str) -> (Value, Value) {
    let mut parts = token.trim_end().split('.').map(|part| {
        let mut bits = 0_u32;
        let mut bytes = Vec::new();
        for (index, letter) in part.bytes().enumerate() {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            bits = bits << 6 | alphabet.iter().position(|other| *other == letter).unwrap() as u32;
            if index % 4 != 0 {
                bytes.push((bits >> (6 - 2 * (index % 4))) as u8);
            }
        }
        bytes
    });
    let mut json = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (json(), json())
}

#[test]
fn token_signs_the_given_claims() {
    let place = Place::new();
    let key = place.write_private("key.pem", SigningKey::shared_rsa_2048().private_pem());
    let ran = run(&["token", "--private-key", &key]);
    assert_eq!(
        (ran.code, ran.stderr.as_str(), ran.stdout.lines().count()),
        (Some(0), "", 1)
    );
    let (header, claims) = taken_apart(&ran.stdout);
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
    let issued = claims["iat"].as_i64().unwrap();
    let defaults = json!({"iss": "https://fastmcp.example.com", "sub": "fastmcp-user", "iat": issued, "exp": issued + 3600});
    assert_eq!(claims, defaults);

    let ran = run(&[
        "token",
        "--private-key",
        &key,
        "--subject",
        "alice",
        "--issuer",
        "I",
        "--audience",
        "A",
        "--audience",
        "B",
        "--scope",
        "mcp:read",
        "--scope",
        "mcp:write",
        "--expires-in",
        "-1h",
        "--kid",
        "k1",
        "--claim",
        r#"client_id="c""#,
        "--claim",
        "level=3",
        "--claim",
        r#"list=["=",{}]"#,
        "--claim",
        "iss=null",
    ]);
    let (header, claims) = taken_apart(&ran.stdout);
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let issued = claims["iat"].as_i64().unwrap();
    let told = json!({
        "iss": null, "sub": "alice", "aud": ["A", "B"], "scope": "mcp:read mcp:write", "iat": issued,
        "exp": issued - 3600, "client_id": "c", "level": 3, "list": ["=", {}],
    });
    assert_eq!(claims, told);
    let ran = run(&["token", "--private-key", &key, "--expires-in=-1h"]);
    assert_eq!(ran.code, Some(0));
}

#[test]
fn token_reports_all_mistakes_at_once() {
    let place = Place::new();
    let public = place.write_private("public.pem", SigningKey::shared_rsa_2048().public_pem());
    run(&[
        "token", "--private-key", &public, "--expires-in", "soon", "--scope", "a b", "--claim", "tenant=blue", "--claim",
        "x", "--claim", "y=1", "--claim", "y=2",
    ])
    .is(
        2,
        "",
        &format!(
            "error: --private-key: {public}: this is a public key; signing needs the private key; mcp-bearer keygen makes one\n\
             error: --expires-in: \"soon\": expected number at 0; write it like 90s, 1h, 7days or -1h\n\
             error: --scope: \"a b\" is not a scope: one or more printable ASCII characters, without space, quote or backslash; give --scope once for each\n\
             error: --claim: the value of \"tenant\" is not JSON; a string needs quotes of its own: --claim 'tenant=\"blue\"'\n\
             error: --claim: \"x\" is not NAME=JSON; write it like --claim 'level=3'\n\
             error: --claim: \"y\" is given twice; several values go into a JSON array\n\
             For help: mcp-bearer token --help\n"
        ),
    );
    let ran = run(&["token", "--private-key", "no-such.pem"]);
    ran.is(
        2,
        "",
        "error: --private-key: no-such.pem: there is no such file; check the path\nFor help: mcp-bearer token --help\n",
    );
}

#[test]
fn jwks_of_every_kind_of_key() {
    let place = Place::new();
    let keys = [
        (SigningKey::shared_rsa_2048(), "RSA", "RS256"),
        (SigningKey::ec_p256(), "EC", "ES256"),
        (SigningKey::ec_p384(), "EC", "ES384"),
        (SigningKey::ec_p521(), "EC", "ES512"),
        (SigningKey::ed25519(), "OKP", "EdDSA"),
    ];
    let files: Vec<String> = keys
        .iter()
        .enumerate()
        .map(|(index, (key, ..))| place.write(&index.to_string(), key.public_pem()))
        .collect();
    let mut arguments = vec!["jwks"];
    arguments.extend(files.iter().map(String::as_str));
    let ran = run(&arguments);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let set: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(set["keys"].as_array().unwrap().len(), keys.len());
    for ((key, kty, alg), jwk) in keys.iter().zip(set["keys"].as_array().unwrap()) {
        assert_eq!(
            (&jwk["kty"], &jwk["alg"], &jwk["use"]),
            (&json!(kty), &json!(alg), &json!("sig"))
        );
        assert_eq!(jwk["kid"], json!(key.thumbprint()));
        for (name, value) in key.jwk().as_object().unwrap() {
            if !["kid", "alg", "use"].contains(&name.as_str()) {
                assert_eq!(jwk[name], *value, "{kty} {name}");
            }
        }
    }
    let ran = run(&["jwks", &files[0], &files[1], "--kid", "a", "--kid", "b"]);
    let set: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&set["keys"][0]["kid"], &set["keys"][1]["kid"]),
        (&json!("a"), &json!("b"))
    );
    let ran = run(&["jwks", &files[0], "--algorithm", "PS256"]);
    let set: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(set["keys"][0]["alg"], json!("PS256"));
}

#[test]
fn jwks_refuses_what_must_not_be_published() {
    let place = Place::new();
    let key = SigningKey::shared_rsa_2048();
    let (private, public) = (
        place.write("a", key.private_pem()),
        place.write("b", key.public_pem()),
    );
    let (empty, binary) = (place.write("c", ""), place.write("d", b"\xff\xfe"));
    let kid = key.thumbprint();
    run(&["jwks", &private, &public, &public, &empty, &binary, "no-such"]).is(
        2,
        "",
        &format!(
            "error: {private}: this is a private key; a verifier needs the public key only (openssl pkey -pubout)\n\
             error: {public}: the key id \"{kid}\" is taken; a set needs a different one for each key\n\
             error: {empty}: no PEM block found; a public key begins with -----BEGIN PUBLIC KEY-----\n\
             error: {binary}: not UTF-8 text; convert a DER key with: openssl pkey -inform DER\n\
             error: no-such: there is no such file; check the path\n\
             For help: mcp-bearer jwks --help\n"
        ),
    );
    run(&["jwks", &public, "--kid", "a", "--kid", "b", "--algorithm", "ES256"]).is(
        2,
        "",
        &format!(
            "error: --kid: 2 given for 1 files; give it once for each file, or not at all\n\
             error: {public}: --algorithm: RSA 2048 bits cannot be used with ES256, only with RS256, RS384, RS512, PS256, PS384, PS512\n\
             For help: mcp-bearer jwks --help\n"
        ),
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let place = Place::new();
    let public = place.write("b", SigningKey::shared_rsa_2048().public_pem());
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut child = program()
        .args(["jwks", &public])
        .stdout(full)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    let place = Place::new();
    let public = place.write("key.pem", SigningKey::shared_rsa_2048().public_pem());
    let program = env!("CARGO_BIN_EXE_mcp-bearer");
    let script = format!(
        "{{ yes x | '{program}' verify --public-key '{public}' --any-issuer --any-audience; echo $? >&2; }} | head -n 1; \
         {{ sleep 0.3; '{program}' verify --help; }} | true"
    );
    let mut shell = std::process::Command::new("sh");
    let ran = run_with(shell.args(["-c", &script]), b"");
    assert_eq!(
        (ran.stdout.lines().count(), ran.stderr.as_str()),
        (1, "141\n")
    );
}
