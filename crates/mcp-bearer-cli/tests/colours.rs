//! Colours: on a terminal, not in a pipe, and never with `NO_COLOR`.
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

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use mcp_bearer_testkit::{Forge, SigningKey};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use support::{Place, program, run_with};

const NOW: u64 = 1_800_000_000;
const ESCAPE: char = '\u{1b}';

struct Setting {
    _place: Place,
    arguments: Vec<String>,
    good: String,
    bad: String,
}

impl Setting {
    fn new() -> Self {
        let (place, key) = (Place::new(), SigningKey::ec_p256());
        let keys = place.write("jwks.json", key.jwks().to_string());
        let now = NOW.to_string();
        let arguments = [
            "verify",
            "--jwks",
            &keys,
            "--algorithm",
            "ES256",
            "--any-issuer",
            "--any-audience",
            "--at",
            &now,
        ];
        Self {
            arguments: arguments.map(str::to_owned).to_vec(),
            good: Forge::new(&key, NOW).token(),
            bad: Forge::new(&key, NOW).expires_in(-3600).token(),
            _place: place,
        }
    }

    /// Every kind of output: an acceptance, a refusal with its block, steps, an inspection, an
    /// error.
    fn commands(&self) -> Vec<Vec<&str>> {
        let verify = |more: &[&'static str], token| {
            let mut all: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
            all.extend(more);
            all.push(token);
            all
        };
        vec![
            verify(&[], &self.good),
            verify(&[], &self.bad),
            verify(&["--explain"], &self.bad),
            vec!["inspect", &self.good],
            vec!["inspect", "no-such.txt"],
            vec!["keygen", "--out", "x", "--algorithm", "none"],
        ]
    }
}

fn piped(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = program();
    command.args(arguments).envs(variables.iter().copied());
    let ran = run_with(&mut command, b"");
    ran.stdout + &ran.stderr
}

/// What a terminal shows of both streams.
fn on_a_terminal(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let terminal = File::options().read(true).write(true).open(name).unwrap();
    let mut command = program();
    command
        .args(arguments)
        .env("TERM", "xterm-256color")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(terminal.try_clone().unwrap())
        .stderr(terminal);
    let mut child = command.spawn().unwrap();
    // Closes our ends of the terminal, so that reading ends when the program does.
    drop(command);
    let (mut shown, mut bytes) = (Vec::new(), [0; 4096]);
    let mut master = File::from(master);
    while let Ok(length @ 1..) = master.read(&mut bytes) {
        shown.extend_from_slice(&bytes[..length]);
    }
    child.wait().unwrap();
    String::from_utf8(shown).unwrap()
}

#[test]
fn a_terminal_has_colours_unless_they_are_turned_off() {
    let setting = Setting::new();
    for arguments in setting.commands() {
        let shown = on_a_terminal(&arguments, &[]);
        assert!(shown.contains(ESCAPE), "{arguments:?}: {shown}");
        for none in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let shown = on_a_terminal(&arguments, &[none]);
            assert!(!shown.is_empty() && !shown.contains(ESCAPE), "{shown}");
        }
    }
    let shown = on_a_terminal(&setting.commands()[1], &[]);
    assert!(
        shown.contains("\u{1b}[31mrejected\u{1b}[0m: expired: "),
        "{shown:?}"
    );
    let shown = on_a_terminal(&setting.commands()[0], &[]);
    assert!(shown.contains("\u{1b}[32maccepted\u{1b}[0m: "), "{shown:?}");
}

#[test]
fn a_pipe_has_no_colours_unless_they_are_forced() {
    let setting = Setting::new();
    for arguments in setting.commands() {
        let plain = piped(&arguments, &[]);
        assert!(!plain.contains(ESCAPE), "{arguments:?}: {plain}");
        let forced = piped(&arguments, &[("CLICOLOR_FORCE", "1")]);
        assert!(forced.contains(ESCAPE), "{arguments:?}: {forced}");
        let both = [("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")];
        assert_eq!(piped(&arguments, &both), plain);
    }
}

#[test]
fn json_has_no_colours_on_a_terminal_either() {
    let setting = Setting::new();
    for mut arguments in setting.commands().into_iter().take(4) {
        arguments.extend(["--format", "json"]);
        let shown = on_a_terminal(&arguments, &[]);
        assert!(shown.starts_with('{') && !shown.contains(ESCAPE), "{shown}");
    }
}

#[test]
fn text_of_a_token_brings_no_colour() {
    let key = SigningKey::ec_p256();
    let token = Forge::new(&key, NOW)
        .subject("\u{1b}[31mred")
        .kid("\u{1b}[32m");
    let token = token.token();
    let shown = on_a_terminal(&["inspect", &token], &[("NO_COLOR", "1")]);
    assert!(shown.contains("red") && !shown.contains(ESCAPE), "{shown}");
}
