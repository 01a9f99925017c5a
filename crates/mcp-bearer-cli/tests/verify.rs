//! `verify`: its answers, how it reads its input, and what it reports for wrong settings.
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

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use mcp_bearer_testkit::{Behaviour, Forge, JwksServer, SigningKey};
use serde_json::{Value, json};
use support::{Place, Ran, pipe, program, run, run_with};

const NOW: u64 = 1_800_000_000;

/// A key, and rules for tokens that it signed.
struct Setting {
    _place: Place,
    key: SigningKey,
    rules: Vec<String>,
}

impl Setting {
    fn new() -> Self {
        let (place, key) = (Place::new(), SigningKey::shared_rsa_2048());
        let keys = place.write("jwks.json", key.jwks().to_string());
        let now = NOW.to_string();
        let rules = [
            "verify",
            "--jwks",
            &keys,
            "--issuer",
            Forge::ISSUER,
            "--audience",
            Forge::AUDIENCE,
            "--at",
            &now,
        ];
        let rules = rules.map(str::to_owned).to_vec();
        Self {
            _place: place,
            key,
            rules,
        }
    }

    fn forge(&self) -> Forge {
        Forge::new(&self.key, NOW)
    }

    fn verify(&self, more: &[&str], input: &[u8]) -> Ran {
        run_with(program().args(&self.rules).args(more), input)
    }

    /// One refused line, in JSON.
    fn refusal(&self, line: &[u8]) -> (String, String) {
        let ran = self.verify(&["--format", "json"], line);
        let answers = ran.json();
        assert_eq!((ran.code, answers.len()), (Some(1), 1), "{ran:?}");
        let text = |name: &str| answers[0][name].as_str().unwrap().to_owned();
        (text("reason"), text("detail"))
    }
}

/// A transcript without the last member of a refused answer, which describes the token.
fn without_the_token(mut ran: Ran) -> Ran {
    let lines = ran.stdout.lines().map(|line| {
        let start = line.split(r#","inspect":{"verified":false"#).next();
        match start.unwrap() {
            whole if whole.len() == line.len() => format!("{whole}\n"),
            start => format!("{start}}}\n"),
        }
    });
    ran.stdout = lines.collect();
    ran
}

#[test]
fn text_is_one_line_per_token() {
    let setting = Setting::new();
    let good = setting
        .forge()
        .scope("mcp:read mcp:write")
        .claim("client_id", "app")
        .token();
    let input = format!(
        "{good}\n{}\nnonsense\n",
        setting.forge().expires_in(-3600).token()
    );
    setting.verify(&[], input.as_bytes()).is(
        1,
        "accepted: subject \"user-1\", client \"app\", scopes \"mcp:read mcp:write\", expires 2027-01-15T09:00:00Z\n\
         rejected: expired: expired 3600 s ago: exp 1799996400, now 1800000000\n\
         rejected: malformed: 1 segments where a signed token has three (it looks like an opaque token, which only its issuer understands; introspection (RFC 7662) is not supported: ask the issuer for JWT access tokens)\n",
        "",
    );
    let ran = setting.verify(&[&good], b"not read");
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 1));
    let ran = setting.verify(&["-"], good.as_bytes());
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 1));
}

#[test]
fn json_is_one_object_per_token() {
    let setting = Setting::new();
    let claims = format!(
        "{{\"iss\":{:?},\r\n \"aud\":{:?}, \"exp\":1800000001.50 ,\"x\":[1.0,1e2,12345678901234567890],\"b\":\"a\\n \u{2028}\u{9b}\\\" c\"}}\n",
        Forge::ISSUER,
        Forge::AUDIENCE
    );
    let input = format!(
        "{}\n{}\n{}\n",
        setting.forge().raw_claims(claims).token(),
        setting
            .forge()
            .scope("mcp:read")
            .claim("azp", "app")
            .token(),
        setting.forge().expires_in(-3600).token()
    );
    let ran = setting.verify(&["--format", "json"], input.as_bytes());
    without_the_token(ran).is(
        1,
        concat!(
            r#"{"accepted":true,"client_id":null,"subject":null,"scopes":[],"expires_at":1800000001.5,"claims":{"iss":"https://idp.example.com/","aud":"https://mcp.example.com/mcp","exp":1800000001.50,"x":[1.0,1e2,12345678901234567890],"b":"a\n \u2028\u009b\" c"}}"#,
            "\n",
            r#"{"accepted":true,"client_id":"app","subject":"user-1","scopes":["mcp:read"],"expires_at":1800003600,"claims":{"aud":"https://mcp.example.com/mcp","azp":"app","exp":1800003600,"iat":1800000000,"iss":"https://idp.example.com/","scope":"mcp:read","sub":"user-1"}}"#,
            "\n",
            r#"{"accepted":false,"reason":"expired","detail":"expired 3600 s ago: exp 1799996400, now 1800000000","status":401,"www_authenticate":"Bearer error=\"invalid_token\", error_description=\"The token is not valid here\"","faults":[{"reason":"expired","detail":"expired 3600 s ago: exp 1799996400, now 1800000000"}]}"#,
            "\n",
        ),
        "",
    );
}

#[test]
fn a_missing_scope_is_403() {
    let setting = Setting::new();
    let input = setting.forge().scope("mcp:read").token();
    let rules = [
        "--scope",
        "mcp:read",
        "--scope",
        "mcp:write",
        "--format",
        "json",
    ];
    without_the_token(setting.verify(&rules, input.as_bytes())).is(
        1,
        concat!(
            r#"{"accepted":false,"reason":"insufficient_scope","detail":"the operation needs the scopes \"mcp:read mcp:write\", the token lacks \"mcp:write\": claim \"scope\" holds \"mcp:read\"","status":403,"www_authenticate":"Bearer error=\"insufficient_scope\", scope=\"mcp:read mcp:write\", error_description=\"The token lacks a required permission\"","faults":[{"reason":"insufficient_scope","detail":"the operation needs the scopes \"mcp:read mcp:write\", the token lacks \"mcp:write\": claim \"scope\" holds \"mcp:read\""}]}"#,
            "\n",
        ),
        "",
    );
}

#[test]
fn every_line_gets_one_answer() {
    let setting = Setting::new();
    let good = setting.forge().token();
    let (reason, detail) = setting.refusal(b"\n");
    assert_eq!(reason, "malformed");
    assert!(detail.ends_with("(the line is empty)"), "{detail}");

    let (reason, detail) = setting.refusal(format!("{good}\r\n").as_bytes());
    assert_eq!(reason, "malformed");
    assert!(
        detail.ends_with("(the line ends in CR LF; write LF alone)"),
        "{detail}"
    );

    for line in [
        &b"\xff\n"[..],
        b"a.b.\xc3",
        &[good.as_bytes(), b"\x80\n"].concat(),
        &[0xff; 16_384],
    ] {
        let (reason, detail) = setting.refusal(line);
        assert_eq!(reason, "malformed");
        assert!(detail.ends_with("(the line is not UTF-8)"), "{detail}");
    }
    for spoiled in [
        format!("Bearer {good}"),
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\0"),
        format!("{good}é"),
    ] {
        assert_eq!(
            setting.refusal(spoiled.as_bytes()).0,
            "malformed",
            "{spoiled:?}"
        );
    }

    // In order, and the last line needs no line feed.
    let input = [
        b"\n\r\n\xff\xfe\n\n",
        good.as_bytes(),
        b"\n\x0b\x0c\x85\n",
        good.as_bytes(),
    ]
    .concat();
    let ran = setting.verify(&["--format", "json"], &input);
    let accepted: Vec<bool> = ran
        .json()
        .iter()
        .map(|answer| answer["accepted"].as_bool().unwrap())
        .collect();
    assert_eq!(accepted, [false, false, false, false, true, false, true]);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn a_long_line_is_refused_by_its_length() {
    let setting = Setting::new();
    let good = setting.forge().token();
    let mut input = vec![b'a'; 20_000_000];
    input.push(b'\n');
    input.extend(good.as_bytes());
    input.push(b'\n');
    input.extend([0xff; 16_385]);
    let answers = setting.verify(&["--format", "json"], &input).json();
    let details: Vec<&Value> = answers.iter().map(|answer| &answer["detail"]).collect();
    let too_large = |bytes: usize| {
        json!(format!(
            "the token is {bytes} bytes long where at most 16384 are allowed"
        ))
    };
    assert_eq!(
        details,
        [&too_large(20_000_000), &Value::Null, &too_large(16_385)]
    );
    assert_eq!(
        (&answers[0]["reason"], &answers[0]["status"]),
        (&json!("token_too_large"), &json!(400))
    );
    assert_eq!(answers[1]["accepted"], json!(true));
}

#[test]
fn answers_come_as_the_lines_do() {
    let setting = Setting::new();
    let mut child = program()
        .args(&setting.rules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, answers) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    for _ in 0..3 {
        writeln!(stdin, "{}", setting.forge().token()).unwrap();
        let answer = answers.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(answer.starts_with("accepted: "), "{answer}");
    }
    drop(stdin);
    assert!(answers.recv().is_err());
    assert!(child.wait().unwrap().success());
}

#[test]
fn explain_lists_every_step() {
    let setting = Setting::new();
    let input = setting
        .forge()
        .scope("mcp:read")
        .audience("https://other.example.com")
        .token();
    let length = input.len();
    let key = format!("{:?}", setting.key.kid().unwrap());
    let ran = setting.verify(&["--explain", "--scope", "mcp:read"], input.as_bytes());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let expected = [
        format!("     1  passed       length and alphabet: {length} bytes"),
        "     2  passed       three segments of base64url: ".to_owned(),
        "     3  passed       header is one JSON object: \"alg\" \"kid\" \"typ\"".to_owned(),
        "     4  passed       claims are one JSON object: \"aud\" \"exp\" \"iat\" \"iss\" \"scope\" \"sub\"".to_owned(),
        "    4a  skipped      choose among several issuers: one issuer is configured".to_owned(),
        "     5  passed       algorithm: RS256".to_owned(),
        "     6  passed       critical extensions: none".to_owned(),
        "     7  passed       token type: ".to_owned(),
        format!("     8  passed       key id: {key}"),
        "     9  passed       key and signature: ".to_owned(),
        "    10  passed       claims, reported after the signature: one JSON object".to_owned(),
        "    11  passed       expiry: exp 1800003600".to_owned(),
        "    12  passed       not before, issued at: nbf absent, iat 1800000000".to_owned(),
        "    13  passed       issuer: \"https://idp.example.com/\"".to_owned(),
        "    14  failed       audience: audience \"https://other.example.com\" does not hold the expected [\"https://mcp.example.com/mcp\"]".to_owned(),
        "rejected: wrong_audience: audience \"https://other.example.com\" does not hold the expected [\"https://mcp.example.com/mcp\"]".to_owned(),
        "the peer sees: 401, WWW-Authenticate: Bearer error=\"invalid_token\", scope=\"mcp:read\", error_description=\"The token is not valid here\"".to_owned(),
    ];
    let below = lines.get(expected.len()).copied();
    let block = "  NOT VERIFIED: anyone can write such a token";
    assert_eq!(below, Some(block), "{}", ran.stdout);
    for (line, start) in lines.iter().zip(&expected) {
        assert!(line.starts_with(start), "{line:?} is not {start:?}");
    }
}

#[test]
fn explain_in_json_is_an_array_of_steps() {
    let setting = Setting::new();
    let input = format!("{}\n{}\n", setting.forge().token(), "a".repeat(20_000));
    let answers = setting
        .verify(&["--explain", "--format", "json"], input.as_bytes())
        .json();
    let outcomes = |answer: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let steps = answer["steps"].as_array().unwrap().iter();
        steps
            .map(|step| (text(&step["number"]), text(&step["outcome"])))
            .collect()
    };
    let numbers: Vec<String> = outcomes(&answers[0])
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    let all = "1 2 3 4 4a 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 scopes";
    assert_eq!(numbers.join(" "), all);
    for (number, outcome) in outcomes(&answers[0]) {
        let skipped = ["4a", "scopes"].contains(&number.as_str());
        assert_eq!(
            outcome,
            if skipped { "skipped" } else { "passed" },
            "{number}"
        );
    }
    for (number, outcome) in outcomes(&answers[1]) {
        assert_eq!(
            outcome,
            if number == "1" {
                "failed"
            } else {
                "not_reached"
            },
            "{number}"
        );
    }
    assert_eq!(
        answers[0]["steps"][0]["title"],
        json!("length and alphabet")
    );
}

#[test]
fn keys_of_every_kind_and_place() {
    let place = Place::new();
    let rules = |more: &[&str], token: &str| {
        let now = NOW.to_string();
        let mut command = program();
        command
            .args(["verify", "--any-issuer", "--any-audience", "--at", &now])
            .args(more);
        run_with(&mut command, token.as_bytes())
    };
    let (ec, ed) = (SigningKey::ec_p256(), SigningKey::ed25519());
    let pem = place.write("ec.pem", ec.public_pem());
    let token = Forge::new(&ec, NOW).token();
    assert_eq!(
        rules(&["--public-key", &pem, "--algorithm", "ES256"], &token).code,
        Some(0)
    );
    let set = place.write(
        "set.json",
        json!({"keys": [ec.jwk(), ed.jwk()]}).to_string(),
    );
    let both = format!("{token}\n{}\n", Forge::new(&ed, NOW).token());
    let ran = rules(
        &[
            "--jwks",
            &set,
            "--algorithm",
            "ES256",
            "--algorithm",
            "EdDSA",
        ],
        &both,
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");

    let secret = "a secret that is as long as it has to be";
    let file = place.write("secret", secret);
    let token = Forge::new(&SigningKey::hmac(secret), NOW).token();
    rules(&["--secret-file", &file], &token).is(
        0,
        &rules(&["--secret-file", &file, "--algorithm", "HS256"], &token).stdout,
        "",
    );
    let file = place.write("secret-line", format!("{secret}\n"));
    rules(&["--secret-file", &file], &token).is(
        0,
        &rules(&["--secret-file", &file, "--algorithm", "HS256"], &token).stdout,
        "",
    );
    let binary = place.write("secret-bytes", format!("\u{1}{secret}\n"));
    let ran = rules(&["--secret-file", &binary], &token);
    let first = ran.stdout.lines().next();
    let told = "rejected: bad_signature: the signature does not verify with the key";
    assert_eq!((ran.code, first), (Some(1), Some(told)), "{ran:?}");
}

#[test]
fn unusable_keys_of_a_set_are_reported_on_stderr() {
    let place = Place::new();
    let key = SigningKey::shared_rsa_2048();
    let other = json!({"kty": "AKP", "kid": "pq"});
    let set = place.write("set.json", json!({"keys": [key.jwk(), other]}).to_string());
    let ran = pipe(
        &["verify", "--jwks", &set, "--any-issuer", "--any-audience"],
        b"nonsense",
    );
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr
            .contains("not used: key number 2 (\"pq\"): the key type \"AKP\" is not known"),
        "{}",
        ran.stderr
    );
}

#[test]
fn keys_from_an_address() {
    let key = SigningKey::shared_rsa_2048();
    let server = JwksServer::start();
    server.set_keys(vec![key.jwk()]);
    let url = server.url();
    let now = NOW.to_string();
    let rules = [
        "verify",
        "--jwks-uri",
        &url,
        "--any-issuer",
        "--any-audience",
        "--at",
        &now,
        "--format",
        "json",
    ];
    let good = Forge::new(&key, NOW).token();
    let ran = pipe(&rules, format!("{good}\nnonsense\n{good}\n").as_bytes());
    let accepted: Vec<bool> = ran
        .json()
        .iter()
        .map(|answer| answer["accepted"].as_bool().unwrap())
        .collect();
    assert_eq!(
        (accepted, server.total_hits()),
        (vec![true, false, true], 1)
    );
    // A token that no key could save causes no fetch.
    assert_eq!(pipe(&rules, b"nonsense\n").code, Some(1));
    assert_eq!(server.total_hits(), 1);
    let ran = run_with(program().args(rules).arg("--explain"), good.as_bytes());
    assert_eq!(
        (ran.code, ran.json()[0]["accepted"].as_bool()),
        (Some(0), Some(true))
    );

    server.set_behaviour(Behaviour::Respond(mcp_bearer_testkit::Response::empty(500)));
    let ran = pipe(&rules, good.as_bytes());
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let answer = &ran.json()[0];
    assert_eq!(
        (&answer["reason"], &answer["status"]),
        (&json!("keys_unavailable"), &json!(503))
    );
    assert_eq!(answer["www_authenticate"], Value::Null);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    run(&["verify", "--algorithm", "none", "--leeway", "x", "--at", "-", "--scope", "a b"]).is(
        2,
        "",
        "error: no keys: give one of --public-key, --jwks, --jwks-uri, --discover, --secret-file\n\
         error: no issuer: name the accepted one with --issuer, or --any-issuer if that is intended\n\
         error: no audience: give the URL of the MCP server with --audience, or --any-audience if that is intended\n\
         error: --algorithm: \"none\": not a supported signature algorithm (one of RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519 HS256 HS384 HS512)\n\
         error: --scope: \"a b\" is not a scope: one or more printable ASCII characters, without space, quote or backslash\n\
         error: --leeway: \"x\": expected number at 0; write it like 60s or 2m\n\
         error: --at: \"-\" is not a number of seconds since 1970; write it like 1800000000\n\
         For help: mcp-bearer verify --help\n",
    );
    let place = Place::new();
    let key = SigningKey::shared_rsa_2048();
    let (set, pem) = (
        place.write("set", key.jwks().to_string()),
        place.write("pem", key.public_pem()),
    );
    let (private, short) = (
        place.write("private", key.private_pem()),
        place.write("short", "short"),
    );
    let any = ["--any-issuer", "--any-audience"];
    let wrong: [(&[&str], &str); 12] = [
        (
            &["--public-key", "no-such"],
            "--public-key: no-such: there is no such file; check the path",
        ),
        (
            &["--public-key", &pem, "--jwks", &set],
            "--public-key and --jwks given together",
        ),
        (
            &["--public-key", &set],
            "this looks like a JWK Set; use --jwks",
        ),
        (&["--jwks", &pem], "this looks like PEM; use --public-key"),
        (
            &["--public-key", &private],
            "--public-key: this is a private key",
        ),
        (
            &["--public-key", &pem, "--algorithm", "ES256"],
            "--algorithm: no key (RSA 2048 bits) can be used with ES256",
        ),
        (
            &["--public-key", &pem, "--algorithm", "HS256"],
            "--algorithm: HS256, HS384 and HS512 need a shared secret",
        ),
        (
            &["--secret-file", &short],
            "--secret-file: the shared secret has 5 bytes",
        ),
        (
            &["--secret-file", &pem],
            "--secret-file: the shared secret is a key in PEM",
        ),
        (&["--jwks-uri", "http://idp.example.com/"], "--jwks-uri: "),
        (
            &["--public-key", &pem, "--leeway", "10m"],
            "--leeway: more than 300 s",
        ),
        (
            &["--public-key", &pem, "--issuer", "I"],
            "--issuer and --any-issuer contradict each other",
        ),
    ];
    for (arguments, text) in wrong {
        let ran = run_with(
            program().arg("verify").args(any).args(arguments),
            b"token\n",
        );
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(ran.stderr.contains(text), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        // No name of another entrance: they have `_` in them.
        assert!(!ran.stderr.contains('_'), "{}", ran.stderr);
    }
}

#[test]
fn a_trace_log_and_an_explanation_hold_no_token() {
    let setting = Setting::new();
    let (good, bad) = (
        setting.forge().token(),
        setting.forge().flip_signature_bit(7).token(),
    );
    let input = format!("{good}\n{bad}\nBearer {good}\n{good}\r\n{good}.{good}\n");
    let ran = setting.verify(&["--explain", "--log", "trace"], input.as_bytes());
    assert_eq!(ran.code, Some(1));
    for token in [good, bad] {
        for segment in token.split('.') {
            assert!(
                !ran.stderr.contains(segment) && !ran.stdout.contains(segment),
                "{ran:?}"
            );
        }
    }
}

#[test]
fn text_of_a_token_cannot_move_the_cursor() {
    let setting = Setting::new();
    let hostile = "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\n";
    let forge = setting.forge().subject(hostile).claim("client_id", hostile);
    let input = format!("{}\n{}\n", forge.token(), forge.issuer(hostile).token());
    for format in ["text", "json"] {
        let ran = setting.verify(&["--explain", "--format", format], input.as_bytes());
        let hostile = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!ran.stdout.contains(hostile), "{ran:?}");
        assert_eq!(ran.code, Some(1));
    }
}

/// An issuer whose metadata leads to its keys.
fn discoverable(key: &SigningKey) -> JwksServer {
    let server = JwksServer::start();
    server.set_keys(vec![key.jwk()]);
    let metadata = json!({ "issuer": server.base(), "jwks_uri": server.url() });
    let path = "/.well-known/oauth-authorization-server";
    server.serve(path, mcp_bearer_testkit::Response::json(&metadata));
    server
}

#[test]
fn keys_are_discovered_and_decide_the_issuer() {
    let key = SigningKey::shared_rsa_2048();
    let server = discoverable(&key);
    let base = server.base();
    let rules = [
        "verify",
        "--discover",
        &base,
        "--audience",
        Forge::AUDIENCE,
        "--at",
        "1800000000",
    ];
    let own = Forge::new(&key, NOW).issuer(&base).token();
    let foreign = Forge::new(&key, NOW).token();
    let ran = pipe(&rules, format!("{own}\n{foreign}\n").as_bytes());
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("accepted: "), "{ran:?}");
    assert!(lines[1].starts_with("rejected: wrong_issuer: "), "{ran:?}");
    assert_eq!(ran.code, Some(1));
    assert_eq!(server.hits(JwksServer::JWKS_PATH), 1);

    // An explicit choice overrides the default.
    let mut other = rules.to_vec();
    other.extend(["--issuer", Forge::ISSUER]);
    let ran = pipe(&other, format!("{foreign}\n{own}\n").as_bytes());
    assert!(ran.stdout.starts_with("accepted: "), "{ran:?}");
    assert!(ran.stdout.contains("\nrejected: wrong_issuer: "), "{ran:?}");
    let mut any = rules.to_vec();
    any.push("--any-issuer");
    let ran = pipe(&any, format!("{foreign}\n{own}\n").as_bytes());
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn an_issuer_that_cannot_be_discovered_is_not_the_tokens_fault() {
    let key = SigningKey::shared_rsa_2048();
    let server = discoverable(&key);
    let slash = format!("{}/", server.base());
    let token = Forge::new(&key, NOW).issuer(&slash).token();
    let rules = [
        "verify",
        "--any-audience",
        "--at",
        "1800000000",
        "--discover",
    ];
    let mut wrong = rules.to_vec();
    wrong.push(&slash);
    let ran = pipe(&wrong, token.as_bytes());
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.stdout.starts_with("rejected: keys_unavailable: "),
        "{ran:?}"
    );

    let mut plain = rules.to_vec();
    plain.push("http://idp.example.com/");
    let ran = pipe(&plain, token.as_bytes());
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.stderr
            .starts_with("error: --discover: http is allowed on loopback only; use https\n"),
        "{ran:?}"
    );
}

/// The library's advice names its own option, which this program does not have.
#[cfg(target_os = "linux")]
#[test]
fn without_a_ca_store_the_error_names_what_helps_here() {
    let token = Forge::new(&SigningKey::shared_rsa_2048(), NOW)
        .without_claim("iat")
        .token();
    let rules = ["verify", "--any-issuer", "--any-audience", "--explain"];
    let keys = ["--jwks-uri", "https://127.0.0.1:1/jwks.json"];
    let mut command = program();
    command.args(rules).args(keys);
    command.env("SSL_CERT_FILE", "/nonexistent");
    command.env_remove("SSL_CERT_DIR");
    let ran = run_with(&mut command, token.as_bytes());
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for line in ran.stdout.lines().filter(|line| line.contains("CA store")) {
        assert!(!line.contains("ca_file"), "{line}");
    }
    assert!(ran.stdout.contains("rejected: keys_unavailable"), "{ran:?}");
    let last = "; install a CA store, or name one by SSL_CERT_FILE";
    assert!(ran.stdout.contains(last), "{ran:?}");

    let mut command = program();
    command
        .args(["check", "--audience", "a", "--issuer", "i"])
        .args(keys);
    command.env("SSL_CERT_FILE", "/nonexistent");
    command.env_remove("SSL_CERT_DIR");
    let ran = run_with(&mut command, b"");
    assert!(ran.stdout.contains(&format!("{last}\n")), "{ran:?}");
}

#[test]
fn an_accepted_token_with_an_exp_in_milliseconds_gets_a_note() {
    let setting = Setting::new();
    let late = setting.forge().claim("exp", (NOW + 3600) * 1000).token();
    let note = "its exp is more than 10 years away: is it in milliseconds instead of seconds?";
    let ran = setting.verify(&[], late.as_bytes());
    assert_eq!(
        (ran.code, ran.stdout.lines().count()),
        (Some(0), 1),
        "{ran:?}"
    );
    assert!(
        ran.stdout.ends_with(&format!("; note: {note}\n")),
        "{ran:?}"
    );
    let ran = setting.verify(&["--format", "json"], late.as_bytes());
    assert_eq!(ran.json()[0]["notes"], json!([note]));
    let ran = setting.verify(&["--explain"], late.as_bytes());
    assert!(ran.stdout.contains(note), "{ran:?}");
    // In a refused answer it is a note about the token.
    let other = Forge::new(&SigningKey::shared_rsa_2048_b(), NOW).claim("exp", (NOW + 3600) * 1000);
    let ran = setting.verify(&["--format", "json"], other.token().as_bytes());
    assert_eq!(ran.json()[0]["inspect"]["notes"], json!([note]));
    let usual = setting.verify(&["--format", "json"], setting.forge().token().as_bytes());
    assert_eq!(usual.json()[0].get("notes"), None);
}
