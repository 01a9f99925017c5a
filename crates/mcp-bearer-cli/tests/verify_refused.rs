//! What `verify` prints for a refused token below the verdict: what is broken in the line,
//! everything that is wrong, and the token's contents.
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

use mcp_bearer_testkit::{Forge, SigningKey};
use serde_json::{Value, json};
use support::{Place, Ran, pipe, program, run_with};

const NOW: u64 = 1_800_000_000;

struct Setting {
    place: Place,
    key: SigningKey,
    keys: String,
}

impl Setting {
    fn new() -> Self {
        let (place, key) = (Place::new(), SigningKey::ec_p256().with_kid("key-1"));
        let keys = place.write("jwks.json", key.jwks().to_string());
        Self { place, key, keys }
    }

    fn forge(&self) -> Forge {
        Forge::new(&self.key, NOW)
    }

    fn verify(&self, more: &[&str], input: impl AsRef<[u8]>) -> Ran {
        let mut command = program();
        command
            .args(["verify", "--jwks", &self.keys, "--algorithm", "ES256"])
            .args(["--issuer", Forge::ISSUER, "--audience", Forge::AUDIENCE])
            .args(["--scope", "mcp:write", "--at", &NOW.to_string()])
            .args(more);
        run_with(&mut command, input.as_ref())
    }

    /// Expired, for another audience, and without the scope.
    fn hopeless(&self) -> String {
        let forge = self.forge().expires_in(-3600).scope("mcp:read");
        forge.audience("https://other.example.com/mcp").token()
    }
}

const FAULTS: [(&str, &str); 3] = [
    (
        "expired",
        "expired 3600 s ago: exp 1799996400, now 1800000000",
    ),
    (
        "wrong_audience",
        "audience \"https://other.example.com/mcp\" does not hold the expected [\"https://mcp.example.com/mcp\"]",
    ),
    (
        "insufficient_scope",
        "the operation needs the scopes \"mcp:write\", the token lacks \"mcp:write\": claim \"scope\" holds \"mcp:read\"",
    ),
];

#[test]
fn json_has_every_fault_and_the_object_of_inspect() {
    let setting = Setting::new();
    let token = setting.hopeless();
    let inspected = pipe(
        &["inspect", "--format", "json", "--at", "1800000000"],
        token.as_bytes(),
    );
    for (arguments, input) in [(&[token.as_str()][..], ""), (&[], token.as_str())] {
        let mut all = vec!["--format", "json"];
        all.extend(arguments);
        let ran = setting.verify(&all, input);
        assert_eq!(ran.code, Some(1));
        let answer = &ran.json()[0];
        assert_eq!(answer["reason"], json!("expired"));
        let faults = FAULTS.map(|(reason, detail)| json!({"reason": reason, "detail": detail}));
        assert_eq!(answer["faults"], json!(faults));
        assert_eq!(answer["inspect"], inspected.json()[0]);
    }
    let good = setting.forge().scope("mcp:write").token();
    let ran = setting.verify(&["--format", "json"], &good);
    let answer = &ran.json()[0];
    assert_eq!(answer["accepted"], json!(true));
    assert!(answer.get("faults").is_none() && answer.get("inspect").is_none());
}

#[test]
fn text_has_the_verdict_the_other_faults_and_the_block_of_inspect() {
    let setting = Setting::new();
    let token = setting.hopeless();
    let inspected = pipe(&["inspect", "--at", "1800000000"], token.as_bytes());
    let [first, second, third] = FAULTS.map(|(reason, detail)| format!("{reason}: {detail}"));
    let mut expected = format!("rejected: {first}\n  also: {second}\n  also: {third}\n");
    for line in inspected.stdout.lines() {
        expected.push_str(&format!("  {line}\n"));
    }
    setting.verify(&[&token], "").is(1, &expected, "");
    // A single token on standard input is as good as an argument.
    setting
        .verify(&[], format!("{token}\n"))
        .is(1, &expected, "");
    // If there are several, each has one line.
    let several = format!("{token}\n\n{token}\n");
    let lines = format!(
        "rejected: {first}\nrejected: malformed: 1 segments where a signed token has three (the line is empty)\nrejected: {first}\n"
    );
    setting.verify(&[], &several).is(1, &lines, "");
    let explained = setting.verify(&["--explain"], &several).stdout;
    assert_eq!(explained.matches("\n  also: wrong_audience").count(), 2);
    assert_eq!(explained.matches("\n  NOT VERIFIED").count(), 2);
}

#[test]
fn the_failing_step_is_the_last_one() {
    let setting = Setting::new();
    let ran = setting.verify(&["--explain"], setting.hopeless());
    let steps: Vec<&str> = ran
        .stdout
        .lines()
        .take_while(|line| !line.starts_with("rejected: "))
        .collect();
    assert!(
        steps.last().unwrap().contains("failed       expiry"),
        "{ran:?}"
    );
    assert!(!ran.stdout.contains("not reached"), "{ran:?}");
    // JSON has all steps, as before.
    let ran = setting.verify(&["--explain", "--format", "json"], setting.hopeless());
    assert_eq!(ran.json()[0]["steps"].as_array().unwrap().len(), 21);
}

#[test]
fn the_argument_is_understood_as_inspect_does() {
    let setting = Setting::new();
    let token = setting.forge().scope("mcp:write").token();
    let lines: Vec<&str> = token
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let file = setting.place.write("token.txt", format!("{token}\n"));
    for (argument, note) in [
        (token.clone(), ""),
        (format!("'{token}'"), "quotes"),
        (format!("Bearer {token}"), "the word Bearer"),
        (
            format!("{{\"access_token\":\"{token}\"}}"),
            "its access_token is taken",
        ),
        (lines.join("\n"), "are joined"),
        (
            format!("https://x.example.com/?access_token={token}"),
            "an address (URL)",
        ),
        (file.clone(), "its contents are taken"),
    ] {
        let ran = setting.verify(&[&argument], "not read");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.starts_with("accepted: "), "{ran:?}");
        assert_eq!(ran.stderr.is_empty(), note.is_empty(), "{ran:?}");
        assert!(ran.stderr.contains(note), "{note}: {}", ran.stderr);
    }
    // Without a token there is no answer.
    for argument in [
        "",
        "{\"error\":\"invalid_grant\"}",
        "no-such.txt",
        &setting.keys,
    ] {
        let ran = setting.verify(&[argument], "");
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.starts_with("error: TOKEN: "), "{ran:?}");
    }
    let ran = setting.verify(&["ya29.a0AfB_byC"], "");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("an access token of Google"), "{ran:?}");
    // Each problem is printed once.
    assert_eq!(ran.stdout.matches("introspection").count(), 1, "{ran:?}");
}

#[test]
fn a_line_of_standard_input_stays_one_answer_that_names_what_is_broken() {
    let setting = Setting::new();
    let token = setting.forge().scope("mcp:write").token();
    let cut = &token[..token.len() - 40];
    let two_parts = token.rsplit_once('.').unwrap().0;
    let lines = [
        (
            format!("\"{token}\""),
            "the quotes do not belong to the token",
        ),
        (
            format!("Bearer {token}"),
            "the word Bearer belongs to the header",
        ),
        (
            format!("Authorization: Bearer {token}"),
            "the header's name",
        ),
        (
            format!("{{\"access_token\":\"{token}\"}}"),
            "give its access_token alone",
        ),
        (
            format!("https://x.example.com/?t={token}"),
            "the line is an address",
        ),
        (format!("{token} x"), "holds more than the token"),
        (token[..76].to_owned(), "76 columns"),
        (cut.to_owned(), "the token is cut off"),
        (two_parts.to_owned(), "its signature is missing"),
        ("2YotnFZFEjr1zCsicMWpAA".to_owned(), "an opaque token"),
        ("{\"keys\":[]}".to_owned(), "a JWK Set"),
    ];
    let input: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    let ran = setting.verify(&["--format", "json"], &input);
    let answers = ran.json();
    assert_eq!((ran.code, answers.len()), (Some(1), lines.len()));
    for ((line, what), answer) in lines.iter().zip(&answers) {
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains(what), "{line}: {detail}");
    }
    // What the line contains is shown nevertheless.
    assert_eq!(answers[1]["inspect"]["claims"]["iss"], json!(Forge::ISSUER));
    // A well-formed token has no such hint.
    let ran = setting.verify(&["--format", "json"], setting.hopeless());
    assert_eq!(ran.json()[0]["detail"], json!(FAULTS[0].1));
}

#[test]
fn only_the_length_of_a_line_that_is_too_long_is_shown() {
    let setting = Setting::new();
    let input = "a".repeat(3_000_000);
    let answer = setting
        .verify(&["--format", "json"], &input)
        .json()
        .remove(0);
    assert_eq!(answer["faults"][0]["reason"], json!("token_too_large"));
    assert_eq!(answer["inspect"]["bytes"], json!(3_000_000));
    assert_eq!(answer["inspect"]["header"], Value::Null);
    // A longer token that is given as an argument is inspected, but not verified.
    let long = setting.forge().at_least_bytes(20_000).token();
    let file = setting.place.write("long.txt", &long);
    let answer = setting
        .verify(&["--format", "json", &file], "")
        .json()
        .remove(0);
    assert_eq!(answer["reason"], json!("token_too_large"));
    assert_eq!(answer["inspect"]["key_id"], json!("key-1"));
}

#[test]
fn no_answer_repeats_the_token() {
    let setting = Setting::new();
    let token = setting.hopeless();
    let inner = setting
        .forge()
        .claim("actor_token", token.as_str())
        .expires_in(-1000);
    for input in [
        token.clone(),
        format!("Bearer {token}"),
        format!("{token}x"),
        inner.token(),
    ] {
        for format in ["text", "json"] {
            for arguments in [&["--format", format][..], &["--format", format, &input]] {
                let ran = setting.verify(arguments, &input);
                for segment in token.split('.').chain(input.split('.').skip(1)) {
                    let start = &segment[..segment.len().min(50)];
                    assert!(!ran.stdout.contains(start), "{start}: {ran:?}");
                    assert!(!ran.stderr.contains(start), "{start}: {ran:?}");
                }
            }
        }
    }
}
