//! What the operator reads.

use std::io::Write;
use std::sync::{Arc, Mutex};

use mcp_bearer_testkit::Forge;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{LIST, NOW, Server, ask, call, key, layer, post, token, typed};

const OK: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;

/// Everything that this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(log.clone())
            .with_ansi(false)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(ToOwned::to_owned).collect()
    }
}

#[tokio::test]
async fn a_refusal_is_one_line_that_quotes_and_cuts_what_the_client_sent() {
    let (log, _guard) = Log::start();
    let service = layer().layer(Server::json(OK));
    let name = format!("secret_{}", "\\\"x".repeat(1000));
    for (body, reason) in [
        (call(&name), "operation_hidden"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t"}}"#.to_owned(),
            "operation_refused",
        ),
        ("{".to_owned(), "bad_request"),
    ] {
        ask(service.clone(), post(&token("read"), body)).await;
        let lines = log.lines();
        let line = lines.last().unwrap();
        assert!(line.contains("INFO") && line.contains(reason), "{line}");
        assert!(line.len() < 600, "{line}");
        assert!(!line.contains(&token("read")[20..60]), "{line}");
    }
    assert_eq!(log.lines().len(), 3);
    ask(service, post(&token("read"), call("delete_x"))).await;
    assert!(log.lines().last().unwrap().contains("insufficient_scope"));
}

#[tokio::test]
async fn an_answer_that_is_not_passed_on_is_a_warning_once_per_stream() {
    let (log, _guard) = Log::start();
    ask(layer().layer(Server::json("{")), post(&token("read"), LIST)).await;
    let bad = "data: {\"result\":{\"tools\":[1,]}}\n\n";
    ask(
        layer().layer(Server::events(&bad.repeat(3))),
        post(&token("read"), LIST),
    )
    .await;
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines
            .iter()
            .all(|line| line.contains("WARN") && line.contains("server_answer"))
    );
}

#[tokio::test]
async fn a_token_of_nobody_is_a_warning_that_names_the_claims_once() {
    let (log, _guard) = Log::start();
    let service = layer().layer(Server::new(|_| {
        let mut response = typed("application/json", OK);
        response
            .headers_mut()
            .insert("mcp-session-id", "s".parse().unwrap());
        response
    }));
    let nobody = Forge::new(&key(), NOW)
        .scope("read")
        .without_claim("sub")
        .token();
    for _ in 0..3 {
        ask(service.clone(), post(&nobody, call("a"))).await;
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("neither sub nor client_id"));
}
