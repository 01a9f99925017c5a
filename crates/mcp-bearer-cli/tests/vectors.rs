//! Every case under `vectors/` that the command line can express gives the same answer through
//! `verify`.
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

use std::path::Path;

use mcp_bearer_testkit::vectors::{self, Case, Expect, VectorFile};
use serde_json::{Value, json};
use support::{Place, pipe};

/// Settings with which no token could be good: the program reports that and does not start.
const CANNOT_START: [(&str, &str); 5] = [
    (
        "signature/confusion_jwks.json",
        "HS256, HS384 and HS512 need a shared secret",
    ),
    (
        "signature/confusion_pem.json",
        "HS256, HS384 and HS512 need a shared secret",
    ),
    ("signature/no_keys.json", "--jwks: no usable key"),
    (
        "signature/oct_in_jwks_hs256.json",
        "HS256, HS384 and HS512 need a shared secret",
    ),
    ("signature/secret_short.json", "cannot be used with HS384"),
];

#[test]
fn every_case_is_answered_as_its_file_says() {
    let place = Place::new();
    let (mut answered, mut refused) = (0, Vec::new());
    for file in vectors::all() {
        let setting = &file.settings[0];
        let Some(text) = setting.keys.text() else {
            continue;
        };
        let keys = place.write("keys", text);
        let Some(mut arguments) = file.cli_arguments(Path::new(&keys)) else {
            continue;
        };
        arguments.insert(0, "verify".to_owned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let cases: Vec<&Case> = file
            .cases
            .iter()
            .filter(|case| case.is_one_line())
            .collect();
        let input: Vec<&str> = cases.iter().map(|case| case.token.as_str()).collect();
        let ran = pipe(&arguments, format!("{}\n", input.join("\n")).as_bytes());
        if ran.code == Some(2) {
            assert_eq!(ran.stdout, "", "{}", file.path);
            refused.push((file.path, ran.stderr));
            continue;
        }
        assert!(
            matches!(ran.code, Some(0 | 1)),
            "{}: {}",
            file.path,
            ran.stderr
        );
        let answers: Vec<Value> = ran.stdout.split_terminator('\n').map(answer).collect();
        assert_eq!(answers.len(), cases.len(), "{}", file.path);
        for (case, answer) in cases.iter().zip(&answers) {
            check(&file, case, answer);
            answered += 1;
        }
        let all_good = cases.iter().all(|case| case.accepted().is_some());
        assert_eq!(ran.code, Some(i32::from(!all_good)), "{}", file.path);
    }
    let paths: Vec<&str> = refused.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, CANNOT_START.map(|(path, _)| path));
    for ((path, why), (_, stderr)) in CANNOT_START.iter().zip(&refused) {
        assert!(stderr.contains(why), "{path}: {stderr}");
    }
    assert!(answered > 100, "only {answered} cases");
}

/// The claims may be as deep as `serde_json` reads, so the object around them would be one level
/// too deep for it.
fn answer(line: &str) -> Value {
    // The claims of a refused token are shown with a depth that every JSON reader accepts.
    if line.starts_with("{\"accepted\":false,") {
        return serde_json::from_str(line).expect(line);
    }
    // A quote inside a string would be escaped, so this is the member itself.
    let (start, claims) = line.split_once(",\"claims\":").expect(line);
    let mut answer: Value = serde_json::from_str(&format!("{start}}}")).expect(line);
    let claims = claims.strip_suffix('}').expect(line);
    answer["claims"] = serde_json::from_str(claims).expect(line);
    answer
}

fn check(file: &VectorFile, case: &Case, answer: &Value) {
    let label = file.label(case);
    match &case.expect {
        Expect::Accept(accepted) => {
            assert_eq!(answer["accepted"], json!(true), "{label}: {answer}");
            assert_eq!(answer["subject"], json!(accepted.subject), "{label}");
            assert_eq!(answer["client_id"], json!(accepted.client_id), "{label}");
            assert_eq!(answer["scopes"], json!(accepted.scopes), "{label}");
            assert_eq!(
                answer["expires_at"].as_f64(),
                accepted.expires_at,
                "{label}"
            );
            assert!(answer["claims"].is_object(), "{label}");
        }
        Expect::Reject(rejected) => {
            assert_eq!(answer["accepted"], json!(false), "{label}: {answer}");
            assert_eq!(answer["reason"], json!(rejected.kind), "{label}: {answer}");
            let first = &answer["faults"][0]["reason"];
            assert_eq!(*first, json!(rejected.kind), "{label}: {answer}");
            assert_eq!(answer["inspect"]["verified"], json!(false), "{label}");
            let detail = answer["detail"].as_str().unwrap();
            let piece = rejected.detail.as_deref().unwrap_or_default();
            assert!(detail.contains(piece), "{label}: {detail}");
            let status = match rejected.kind.as_str() {
                "token_too_large" => 400,
                "insufficient_scope" => 403,
                "keys_unavailable" | "clock_unset" => 503,
                _ => 401,
            };
            assert_eq!(answer["status"], json!(status), "{label}");
            assert_eq!(
                answer["www_authenticate"].is_null(),
                status == 503,
                "{label}"
            );
        }
    }
}
