//! Every example of `--help` can be pasted, from a terminal of 80 or 100 columns and from a pipe,
//! and works.
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

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mcp_bearer_testkit::{JwksServer, Response, SigningKey};
use serde_json::json;
use support::{Place, Ran, program, run, run_with};

const ISSUER: &str = "https://idp.example.com/";
const AUDIENCE: &str = "https://mcp.example.com/mcp";

fn help(command: &[String], columns: Option<u16>) -> String {
    let mut program = program();
    program.args(command).arg("--help").env_remove("COLUMNS");
    if let Some(columns) = columns {
        program.env("COLUMNS", columns.to_string());
    }
    let ran = run_with(&mut program, b"");
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(0), ""),
        "{command:?}"
    );
    ran.stdout
}

/// The commands of the program, as its own help lists them.
fn commands() -> Vec<String> {
    let help = help(&[], None);
    let (_, list) = help.split_once("\nCommands:\n").unwrap();
    let names = list.lines().take_while(|line| !line.is_empty());
    let names = names.filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' '));
    let names = names.map(|line| line.split(' ').next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}

/// The examples in a help text, each with its lines as they are pasted.
fn examples(help: &str) -> Vec<String> {
    let (_, tail) = help.split_once("\nExample").expect(help);
    let (_, tail) = tail.split_once(":\n").expect(help);
    let mut examples: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in tail.lines().take_while(|line| line.starts_with("  ")) {
        let text = line.trim_start();
        if goes_on {
            let last = examples.last_mut().unwrap();
            last.push('\n');
            last.push_str(line);
        } else if text.starts_with("mcp-bearer ") {
            examples.push(line.to_owned());
        } else {
            assert!(
                text.starts_with("# "),
                "a line that a shell would run: {line:?}"
            );
        }
        goes_on = line.ends_with('\\');
    }
    assert!(!goes_on && !examples.is_empty(), "{tail}");
    examples
}

/// An issuer on loopback, and a directory with everything that examples name.
struct Stage {
    server: JwksServer,
    place: Place,
}

impl Stage {
    fn new() -> Self {
        let (server, place) = (JwksServer::start(), Place::new());
        let key = SigningKey::shared_rsa_2048();
        server.set_keys(vec![key.jwk()]);
        let issuer = format!("{}/", server.base());
        let metadata = json!({"issuer": issuer, "jwks_uri": server.url()});
        let path = "/.well-known/oauth-authorization-server";
        server.serve(path, Response::json(&metadata));

        std::fs::create_dir(place.path().join("keys")).unwrap();
        std::fs::create_dir(place.path().join("shared")).unwrap();
        place.write_private("keys/private.pem", key.private_pem());
        place.write("keys/public.pem", key.public_pem());
        place.write("keys/jwks.json", key.jwks().to_string());
        let authz = format!(
            "listen = \"127.0.0.1:0\"\nresource = {AUDIENCE:?}\n[[issuer]]\ndiscover = {issuer:?}\n[authz]\nproxy_timeout = \"200ms\"\n"
        );
        place.write("authz.toml", authz);
        place.write("next-key.pem", SigningKey::ec_p256().public_pem());
        place.write_private(
            "shared/secret.txt",
            "s".repeat(20) + &"0123456789abcdef".repeat(4),
        );
        let sign = |issuer: &str, audience: &str| {
            let key = place.file("keys/private.pem");
            let mut arguments = vec!["token", "--private-key", &key, "--scope", "mcp:read"];
            arguments.extend(["--issuer", issuer, "--audience", audience]);
            run(&arguments).stdout
        };
        place.write("token.txt", sign(&issuer, AUDIENCE));
        place.write("tokens.txt", sign("I", "A").repeat(2));
        let config = format!(
            "listen = \"127.0.0.1:0\"\nresource = {AUDIENCE:?}\nupstream = \"http://127.0.0.1:9000/mcp\"\n[[issuer]]\nissuer = {issuer:?}\naudiences = [{AUDIENCE:?}]\n"
        );
        place.write("gateway.toml", config);
        Self { server, place }
    }

    /// A shell in that directory, with the program on its path.
    fn shell(&self, script: &str) -> Command {
        let bin = self.place.path().join("bin");
        if !bin.exists() {
            std::fs::create_dir(&bin).unwrap();
            let program = Path::new(env!("CARGO_BIN_EXE_mcp-bearer"));
            std::os::unix::fs::symlink(program, bin.join("mcp-bearer")).unwrap();
        }
        let here = script.replace(ISSUER, &format!("{}/", self.server.base()));
        let mut command = Command::new("sh");
        command
            .args(["-ec", &here])
            .current_dir(self.place.path())
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env_remove("MCP_BEARER_LOG");
        command
    }

    fn run(&self, script: &str) -> Ran {
        run_with(&mut self.shell(script), b"")
    }

    /// Starts a command that does not end by itself, and returns its first line on stdout.
    fn first_line(&self, script: &str) -> String {
        let script = format!("exec {}", script.trim_start());
        let mut shell = self.shell(&script);
        shell.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = shell.stdin(Stdio::null()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        first_line(child, stdout)
    }

    /// The same for a gateway on a free port, which writes to stderr, as its log does.
    fn first_note(&self, script: &str) -> String {
        let script = format!("exec {}", script.trim_start());
        let mut shell = self.shell(&script);
        if !script.contains("--config") {
            shell.env("MCP_BEARER_LISTEN", "127.0.0.1:0");
        }
        shell.env("MCP_BEARER_LOG", "error");
        shell.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = shell.stdin(Stdio::null()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        first_line(child, stderr)
    }
}

fn first_line(mut child: Child, output: impl Read + Send + 'static) -> String {
    let mut output = BufReader::new(output);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = output.read_line(&mut line);
        let _ = sender.send(line);
    });
    let line = receiver.recv_timeout(Duration::from_secs(60));
    child.kill().unwrap();
    child.wait().unwrap();
    line.unwrap()
}

#[test]
fn the_width_breaks_no_example() {
    let commands = commands();
    assert!(commands.len() >= 7, "{commands:?}");
    for command in commands {
        let command = [command];
        let piped = examples(&help(&command, None));
        for columns in [80, 100] {
            assert_eq!(examples(&help(&command, Some(columns))), piped, "{columns}");
        }
    }
}

#[test]
fn every_example_works() {
    for command in commands() {
        for example in examples(&help(&[command], Some(80))) {
            // Each example has its own issuer and directory.
            let stage = Stage::new();
            if example.contains("mcp-bearer authz") {
                let line = stage.first_line(&format!("{example} --log error 2>&1"));
                assert!(line.starts_with("Deciding about"), "{example}: {line:?}");
                continue;
            }
            if example.contains("mcp-bearer demo") {
                let line = stage.first_line(&format!("{example} --listen 127.0.0.1:0"));
                assert!(
                    line.starts_with("MCP server  http://127.0.0.1:"),
                    "{example}: {line:?}"
                );
                continue;
            }
            if example.contains("mcp-bearer gateway") && !example.contains("--example") {
                let line = stage.first_note(&example);
                assert!(line.starts_with("Serving https://"), "{example}: {line:?}");
                continue;
            }
            if example.contains("mcp-bearer keygen") {
                std::fs::remove_dir_all(stage.place.path().join("keys")).unwrap();
                std::fs::remove_dir_all(stage.place.path().join("shared")).unwrap();
            }
            let ran = stage.run(&example);
            assert_eq!(ran.code, Some(0), "{example}\n{ran:?}");
            let silent = example.contains(" > ") || example.contains("HS256");
            assert_eq!(ran.stdout.is_empty(), silent, "{example}\n{ran:?}");
        }
    }
}
