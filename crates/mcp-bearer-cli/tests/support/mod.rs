//! Runs the program as a user would and shows what came out where.
//!
//! It kills only what it started.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// The result of a run of the program.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// One JSON object per line of stdout.
    pub fn json(&self) -> Vec<Value> {
        let lines = self.stdout.split_terminator('\n');
        lines
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }

    /// The exit code, stdout and stderr, for a comparison with a transcript.
    pub fn is(&self, code: i32, stdout: &str, stderr: &str) {
        assert_eq!(
            (self.stdout.as_str(), self.stderr.as_str()),
            (stdout, stderr)
        );
        assert_eq!(self.code, Some(code));
    }
}

/// The program, without any of the caller's environment that it would read.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-bearer"));
    let read = [
        "MCP_BEARER_LOG",
        "RUST_BACKTRACE",
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "COLUMNS",
        // On CI `anstream` colours a dumb terminal too.
        "CI",
    ];
    for name in read {
        command.env_remove(name);
    }
    command
}

/// Runs the program with no input.
pub fn run(arguments: &[&str]) -> Ran {
    run_with(program().args(arguments), b"")
}

/// Runs the program with this input.
pub fn pipe(arguments: &[&str], input: &[u8]) -> Ran {
    run_with(program().args(arguments), input)
}

pub fn run_with(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A program that does not read its input may exit before all is written.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    });
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A test's own directory, with the names of files in it.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A file that nobody else may read.
    pub fn write_private(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.write(name, text);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, mode).unwrap();
        }
        path
    }
}

/// A running demo; killed when it is dropped.
pub struct Demo {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub line: Value,
}

/// What each request says about its client, as there is no session.
const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

impl Demo {
    /// Starts it and waits until it accepts connections.
    pub fn start(arguments: &[&str], log: &str) -> Self {
        let mut child = program()
            .args(["demo", "--listen", "127.0.0.1:0", "--format", "json"])
            .args(arguments)
            .env("MCP_BEARER_LOG", log)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let line = serde_json::from_str(&line).expect(&line);
        Self {
            child,
            stdout,
            line,
        }
    }

    pub fn url(&self) -> &str {
        self.line["url"].as_str().unwrap()
    }

    pub fn origin(&self) -> &str {
        self.url().strip_suffix("/mcp").unwrap()
    }

    pub fn token(&self) -> &str {
        self.line["token"].as_str().unwrap()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.host()
        ))
    }

    /// Calls a tool as the walk-through does.
    pub fn call(&self, tool: &str, arguments: &str, headers: &[&str]) -> Answer {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{META}}}}}"#
        );
        let headers: String = headers
            .iter()
            .map(|header| format!("{header}\r\n"))
            .collect();
        self.send(&format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
             Mcp-Method: tools/call\r\nMcp-Name: {tool}\r\n\
             Content-Length: {}\r\n{headers}\r\n{body}",
            self.host(),
            body.len()
        ))
    }

    pub fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.host()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect(&text);
        Answer {
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub fn host(&self) -> &str {
        self.origin().strip_prefix("http://").unwrap()
    }

    /// Asks it to end, as a service manager does. Returns the exit code, the rest of stdout, and
    /// stderr.
    #[cfg(unix)]
    pub fn terminate(mut self) -> Ran {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let code = self.child.wait().unwrap().code();
        Ran {
            code,
            stdout,
            stderr,
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        lines
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect(&self.body)
    }
}
