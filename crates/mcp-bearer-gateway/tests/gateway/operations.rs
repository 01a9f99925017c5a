//! Rules, lists and sessions behind the gateway: the layer decides, and the gateway adds no way
//! around it.

use crate::support::{Answer, PING, Stage, post};

const TOP: &str = "unmatched = \"allow\"\nsession_keys = [\"0123456789abcdef0123456789abcdef\"]";
const RULES: &str =
    "[[rule]]\nmethod = \"tools/call\"\nname = \"delete_*\"\nscopes = [\"mcp:admin\"]\n";

async fn stage() -> Stage {
    Stage::with(TOP, RULES).await
}

fn call(name: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{{\"name\":\"{name}\"}}}}"
    )
}

async fn send(stage: &Stage, fields: &str, body: &str) -> (Answer, bool) {
    let before = stage.server.seen().len();
    let answer = stage
        .send(post(&format!("{}{fields}", stage.bearer()), body))
        .await;
    (answer, stage.server.seen().len() > before)
}

#[tokio::test]
async fn a_call_without_its_scope_is_asked_for_that_scope() {
    let stage = stage().await;
    let (answer, reached) = send(&stage, "", &call("delete_all")).await;
    assert_eq!((answer.status, reached), (403, false));
    let challenge = answer.field("www-authenticate").unwrap();
    assert!(challenge.contains("insufficient_scope") && challenge.contains("mcp:admin"));
    let (answer, reached) = send(&stage, "", &call("add")).await;
    assert_eq!((answer.status, reached), (200, true));
    assert_eq!(stage.server.last().body, call("add"));
    let token = stage.token().scopes(["mcp:admin"]).sign().unwrap();
    let fields = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(
        stage.send(post(&fields, &call("delete_all"))).await.status,
        200
    );
}

#[tokio::test]
async fn no_spelling_of_a_call_passes_its_rule() {
    let stage = stage().await;
    let forbidden = call("delete_all");
    let twice = forbidden.replace("\"name\"", "\"name\":\"add\",\"name\"");
    let bodies = [
        (call("\\u0064elete_all"), 403),
        (call("delete_\\u0061ll"), 403),
        (twice, 400),
        (
            forbidden.replace("\"method\"", "\"method\":\"ping\",\"method\""),
            400,
        ),
        (
            forbidden.replace("\"params\"", "\"params\":{},\"params\""),
            400,
        ),
        (format!("\u{feff}{forbidden}"), 400),
        (format!("[{PING},{forbidden}]"), 400),
        (
            forbidden
                .replace("{\"name\"", "{\"n\":1,\"name\"")
                .replace("}}", ",}}"),
            400,
        ),
        (format!("{forbidden}{forbidden}"), 400),
    ];
    for (body, status) in bodies {
        let (answer, reached) = send(&stage, "", &body).await;
        assert!(!reached, "{body}");
        let fits = answer.status == status || (status == 400 && answer.status == 403);
        assert!(fits, "{body}: {answer:?}");
    }
    // Batches exist in one version only, and each message is judged.
    let batch = format!("[{PING},{forbidden}]");
    let version = "MCP-Protocol-Version: 2025-03-26\r\n";
    let (answer, reached) = send(&stage, version, &batch).await;
    assert_eq!((answer.status, reached), (403, false));
    // A body that is larger than what is judged.
    let padding = " ".repeat(5 * 1024 * 1024);
    let (answer, reached) = send(&stage, "", &format!("{padding}{forbidden}")).await;
    assert_eq!((answer.status, reached), (413, false));
    stage.still_serves().await;
}

#[tokio::test]
async fn a_header_that_lies_about_the_body_passes_in_no_version() {
    let stage = stage().await;
    for version in [
        "2024-11-05",
        "2025-03-26",
        "2025-06-18",
        "2025-11-25",
        "2026-07-28",
        "",
    ] {
        let named = match version {
            "" => String::new(),
            version => format!("MCP-Protocol-Version: {version}\r\n"),
        };
        let fields = format!("{named}Mcp-Method: tools/call\r\nMcp-Name: add\r\n");
        let (answer, reached) = send(&stage, &fields, &call("delete_all")).await;
        assert!(!reached, "{version}");
        assert!(matches!(answer.status, 400 | 403), "{version}: {answer:?}");
        // Nor does a field that another field asks to remove.
        let fields = format!("{fields}Connection: Mcp-Name, Mcp-Method\r\n");
        let (answer, reached) = send(&stage, &fields, &call("delete_all")).await;
        assert!(!reached, "{version}: {answer:?}");
    }
}

#[tokio::test]
async fn a_session_belongs_to_its_principal() {
    let stage = stage().await;
    let fields = format!("{}X-Test: session\r\n", stage.bearer());
    let answer = stage.send(post(&fields, PING)).await;
    let id = answer.field("mcp-session-id").unwrap().to_owned();
    assert_ne!(id, "upstream-1");
    let with = |subject: &str, method: &str, id: &str| {
        let fields = format!("{}Mcp-Session-Id: {id}\r\n", stage.bearer_of(subject));
        match method {
            "POST" => post(&fields, PING),
            method => format!("{method} /mcp HTTP/1.1\r\nHost: mcp.example.com\r\n{fields}\r\n"),
        }
    };
    for method in ["POST", "GET", "DELETE"] {
        let before = stage.server.seen().len();
        let foreign = stage.send(with("bob", method, &id)).await;
        assert_eq!(foreign.status, 404, "{method}");
        for forged in ["upstream-1", &format!("{id}x"), &id[..id.len() - 1], ""] {
            assert_eq!(
                stage.send(with("alice", method, forged)).await.status,
                404,
                "{forged}"
            );
        }
        assert_eq!(stage.server.seen().len(), before, "{method}");
        assert_eq!(
            stage.send(with("alice", method, &id)).await.status,
            200,
            "{method}"
        );
        assert_eq!(
            stage.server.last().field("mcp-session-id"),
            Some("upstream-1")
        );
    }
}
