//! `demo` with tools of different scopes, and with sessions that belong to their users.
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
use support::{Answer, Demo, Place, program, run, run_with};

struct World {
    demo: Demo,
    place: Place,
}

impl World {
    fn start() -> Self {
        let place = Place::new();
        assert_eq!(run(&["keygen", "--out", &place.file("keys")]).code, Some(0));
        let demo = Demo::start(&["--private-key", &place.file("keys/private.pem")], "info");
        Self { demo, place }
    }

    /// The header with a token of this subject, which has these scopes.
    fn bearer(&self, subject: &str, scopes: &[&str]) -> String {
        let mut command = program();
        let key = self.place.file("keys/private.pem");
        command.args(["token", "--private-key", &key, "--subject", subject]);
        command.args([
            "--issuer",
            self.demo.origin(),
            "--audience",
            self.demo.url(),
        ]);
        for scope in scopes {
            command.args(["--scope", scope]);
        }
        let ran = run_with(&mut command, b"");
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        format!("Authorization: Bearer {}", ran.stdout.trim_end())
    }

    /// A request of the last protocol version with sessions.
    fn in_session(&self, method: &str, headers: &[&str], body: &str) -> Answer {
        let headers: String = headers
            .iter()
            .map(|header| format!("{header}\r\n"))
            .collect();
        self.demo.send(&format!(
            "{method} /mcp HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n\
             Content-Length: {}\r\n{headers}\r\n{body}",
            self.demo.host(),
            body.len()
        ))
    }
}

#[test]
fn a_tool_can_need_a_scope_of_its_own() {
    let world = World::start();
    let metadata = world.demo.line["metadata_url"].as_str().unwrap();
    let answer = world
        .demo
        .call("delete_all", "{}", &[&world.bearer("bob", &["mcp:read"])]);
    assert_eq!(answer.status(), 403);
    let challenge = format!(
        r#"Bearer error="insufficient_scope", scope="mcp:read mcp:admin", resource_metadata="{metadata}", error_description="The token lacks a required permission""#
    );
    assert_eq!(answer.header("WWW-Authenticate"), Some(challenge.as_str()));
    let both = world.bearer("bob", &["mcp:read", "mcp:admin"]);
    let answer = world.demo.call("delete_all", "{}", &[&both]);
    assert_eq!(
        answer.json()["result"]["structuredContent"],
        json!({"deleted": 0})
    );
}

#[test]
fn a_session_belongs_to_the_user_that_started_it() {
    let world = World::start();
    let (alice, bob) = (
        world.bearer("alice", &["mcp:read"]),
        world.bearer("bob", &["mcp:read"]),
    );
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let begun = world.in_session("POST", &[&alice], initialize);
    assert_eq!(begun.status(), 200, "{begun:?}");
    let session = begun.header("Mcp-Session-Id").expect("a session");
    let session = format!("Mcp-Session-Id: {session}");
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    // A new token of the same user is as good as the first.
    let refreshed = world.bearer("alice", &["mcp:read", "mcp:admin"]);
    let answer = world.in_session("POST", &[&refreshed, &session], initialized);
    assert_eq!(answer.status(), 202, "{answer:?}");
    for method in ["POST", "GET", "DELETE"] {
        let body = if method == "POST" { initialized } else { "" };
        let answer = world.in_session(method, &[&bob, &session], body);
        assert_eq!(answer.status(), 404, "{method}");
        assert_eq!(
            answer.json()["error"]["message"],
            json!("Session not found")
        );
    }
    let answer = world.in_session("DELETE", &[&alice, &session], "");
    assert!((200..300).contains(&answer.status()), "{answer:?}");
}
