//! `gateway`: a signal that comes while it starts.
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

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use mcp_bearer_testkit::SigningKey;
use support::{Place, program};

/// Killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(name: &str, id: u32) {
    let id = id.to_string();
    let sent = Command::new("kill").args([name, &id]).status().unwrap();
    assert!(sent.success());
}

/// The key is a named pipe, so that the program waits in the middle of its start until the test has
/// written the key.
#[test]
fn a_hang_up_during_the_start_reads_the_file_again_and_ends_nothing() {
    let place = Place::new();
    place.write("public.pem", SigningKey::shared_rsa_2048().public_pem());
    let key = place.file("assertion.pem");
    let made = Command::new("mkfifo").arg(&key).status().unwrap();
    assert!(made.success());
    let file = place.write(
        "gateway.toml",
        "listen = \"127.0.0.1:0\"\nresource = \"https://mcp.example.com/mcp\"\n\
         upstream = \"http://127.0.0.1:9/mcp\"\n\
         [[issuer]]\nissuer = \"https://idp.example.com/\"\npublic_key_file = \"public.pem\"\n\
         [assertion]\nprivate_key_file = \"assertion.pem\"\n",
    );
    let child = program()
        .args(["gateway", "--config", &file])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let id = running.0.id();
    // This waits until the program reads the pipe.
    let mut pipe = fs::OpenOptions::new().write(true).open(&key).unwrap();
    signal("-HUP", id);
    // Later reads get a file.
    let pem = SigningKey::ec_p256().private_pem();
    fs::rename(place.write("new.pem", &pem), &key).unwrap();
    pipe.write_all(pem.as_bytes()).unwrap();
    drop(pipe);
    let mut lines = BufReader::new(running.0.stderr.take().unwrap()).lines();
    let mut seen = Vec::new();
    let mut until = |what: &str| loop {
        let Some(line) = lines.next() else {
            panic!("ended before {what:?}: {seen:#?}");
        };
        seen.push(line.unwrap());
        if seen.last().is_some_and(|line| line.contains(what)) {
            return;
        }
    };
    until("Serving https://mcp.example.com/mcp on 127.0.0.1:");
    until("gateway.toml is served now");
    signal("-TERM", id);
    until("Stopped.");
    assert!(running.0.wait().unwrap().success());
}
