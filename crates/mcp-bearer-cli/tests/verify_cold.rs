//! `verify` fetches first and then judges: a token's own fault is named whether the issuer is up or
//! down.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test stops at the first surprise"
)]

mod support;

use mcp_bearer_testkit::{Behaviour, Forge, JwksServer, Response, SigningKey};
use serde_json::json;
use support::{Ran, pipe, program, run_with};

const NOW: u64 = 1_800_000_000;

/// How the keys are found.
#[derive(Clone, Copy, Debug)]
enum Keys {
    Address,
    Discovery,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Issuer {
    Up,
    Down,
}

struct Setting {
    server: JwksServer,
    key: SigningKey,
    keys: Keys,
}

impl Setting {
    fn new(keys: Keys, issuer: Issuer) -> Self {
        let (server, key) = (JwksServer::start(), SigningKey::shared_rsa_2048());
        server.set_keys(vec![key.jwk()]);
        let document = json!({"issuer": server.base(), "jwks_uri": server.url()});
        let path = "/.well-known/oauth-authorization-server";
        server.serve(path, Response::json(&document));
        if issuer == Issuer::Down {
            server.set_behaviour(Behaviour::Status(500));
            server.set_behaviour_at(path, Behaviour::Status(500));
        }
        Self { server, key, keys }
    }

    fn token(&self) -> Forge {
        Forge::new(&self.key, NOW).issuer(&self.server.base())
    }

    fn verify(&self, more: &[&str], input: &str) -> Ran {
        let (url, base, now) = (self.server.url(), self.server.base(), NOW.to_string());
        let keys = match self.keys {
            Keys::Address => ["--jwks-uri", &url],
            Keys::Discovery => ["--discover", &base],
        };
        let rules = ["verify", "--issuer", &base, "--audience", Forge::AUDIENCE];
        let mut command = program();
        command
            .args(rules)
            .args(keys)
            .args(["--at", &now])
            .args(more);
        run_with(&mut command, input.as_bytes())
    }
}

fn condemned(setting: &Setting) -> Vec<(&'static str, Forge)> {
    let token = || setting.token();
    let slash = format!("{}/", setting.server.base());
    vec![
        ("expired", token().expires_in(-3600)),
        ("not_yet_valid", token().not_before_in(3600)),
        (
            "wrong_audience",
            token().audience("https://other.example.com/"),
        ),
        ("wrong_issuer", token().issuer(&slash)),
        ("missing_claim", token().without_claim("exp")),
        (
            "sender_constrained",
            token().claim("cnf", json!({"jkt": "a"})),
        ),
        ("wrong_token_type", token().claim("at_hash", "a")),
    ]
}

#[test]
fn a_condemned_token_is_refused_for_its_own_fault() {
    for keys in [Keys::Address, Keys::Discovery] {
        for issuer in [Issuer::Up, Issuer::Down] {
            for (reason, _) in condemned(&Setting::new(keys, issuer)) {
                let setting = Setting::new(keys, issuer);
                let mut tokens = condemned(&setting).into_iter();
                let (_, token) = tokens.find(|(other, _)| *other == reason).unwrap();
                let ran = setting.verify(&["--format", "json"], &token.token());
                let label = format!("{reason}, {keys:?}, {issuer:?}: {ran:?}");
                let answer = &ran.json()[0];
                assert_eq!(
                    (ran.code, &answer["reason"]),
                    (Some(1), &json!(reason)),
                    "{label}"
                );
                assert_eq!(answer["status"], 401, "{label}");
                let told = answer.get("verified").is_some_and(|told| told == false);
                assert_eq!(told, issuer == Issuer::Down, "{label}");
                let detail = answer["detail"].as_str().unwrap();
                assert_eq!(
                    detail.contains("not verified"),
                    issuer == Issuer::Down,
                    "{label}"
                );
                assert!(setting.server.hits("/jwks.json") <= 1, "{label}");
            }
        }
    }
}

#[test]
fn explain_reaches_every_step_that_it_can() {
    for keys in [Keys::Address, Keys::Discovery] {
        let up = Setting::new(keys, Issuer::Up);
        let expired = up.token().expires_in(-3600).token();
        let ran = up.verify(&["--explain"], &expired);
        assert!(
            ran.stdout.contains("9  passed       key and signature: "),
            "{ran:?}"
        );
        assert!(
            ran.stdout.contains("11  failed       expiry: expired"),
            "{ran:?}"
        );
        assert_eq!((ran.code, up.server.hits("/jwks.json")), (Some(1), 1));

        let down = Setting::new(keys, Issuer::Down);
        let expired = down.token().expires_in(-3600).token();
        let ran = down.verify(&["--explain"], &expired);
        let skipped = "9  skipped      key and signature: no keys to verify with";
        assert!(ran.stdout.contains(skipped), "{ran:?}");
        assert!(
            ran.stdout.contains("11  failed       expiry: expired"),
            "{ran:?}"
        );
        assert_eq!(ran.code, Some(1));

        let good = down.token().token();
        let ran = down.verify(&["--explain"], &good);
        let failed = "9  failed       key and signature: no keys to verify with: ";
        assert!(ran.stdout.contains(failed), "{ran:?}");
        assert!(!ran.stdout.contains("next attempt"), "{ran:?}");
        assert_eq!(ran.code, Some(2));
    }
}

#[test]
fn the_worst_of_several_lines_counts_and_a_failed_fetch_is_not_repeated() {
    let down = Setting::new(Keys::Address, Issuer::Down);
    let expired = down.token().expires_in(-3600).token();
    let ran = down.verify(&[], &format!("{expired}\n{expired}\n{expired}\n"));
    assert_eq!(
        (ran.code, down.server.total_hits()),
        (Some(1), 1),
        "{ran:?}"
    );
    let good = down.token().token();
    for input in [
        format!("{good}\n{expired}\n"),
        format!("{expired}\n{good}\n"),
    ] {
        let ran = down.verify(&[], &input);
        assert_eq!(
            (ran.code, ran.stdout.lines().count()),
            (Some(2), 2),
            "{ran:?}"
        );
    }
}

#[test]
fn an_empty_standard_input_gives_no_answer() {
    let up = Setting::new(Keys::Address, Issuer::Up);
    for more in [&[][..], &["--format", "json"], &["--explain"], &["-"]] {
        let ran = up.verify(more, "");
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{more:?}");
        assert!(
            ran.stderr.starts_with("error: no token on standard input"),
            "{ran:?}"
        );
    }
    // An empty line is a line, and gets an answer.
    let ran = up.verify(&[], "\n");
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(1), 1));
    let help = pipe(&["verify", "--help"], b"").stdout;
    assert!(help.contains("no token at all"), "{help}");
}
