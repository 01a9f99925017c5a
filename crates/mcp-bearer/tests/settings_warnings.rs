//! What works but may not be intended is logged once, at WARN, when a provider is made: checks that
//! nobody decided about, and shared secrets that are easily guessed.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::Write;
use std::sync::{Arc, Mutex};

use mcp_bearer::config::from_variables;
use mcp_bearer::{BearerAuthProvider, ConfigError};
use tracing::Level;

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

/// The lines that are logged at WARN or above while a provider is made.
fn warnings(make: impl FnOnce() -> Result<BearerAuthProvider, ConfigError>) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::WARN)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || make().map(drop)).unwrap();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn of_variables(variables: &[(&str, &str)]) -> Vec<String> {
    warnings(|| {
        from_variables(|name| {
            let given = variables.iter().find(|(given, _)| *given == name)?;
            Some(given.1.to_owned())
        })
    })
}

const URI: (&str, &str) = (
    "FASTMCP_AUTH_BEARER_JWKS_URI",
    "https://idp.example.com/jwks.json",
);
const ISSUER: (&str, &str) = ("FASTMCP_AUTH_BEARER_ISSUER", "https://idp.example.com/");
const AUDIENCE: (&str, &str) = (
    "FASTMCP_AUTH_BEARER_AUDIENCE",
    "https://mcp.example.com/mcp",
);

#[test]
fn what_nobody_decided_to_check_is_named_in_one_line_with_the_way_to_decide() {
    for (variables, unchecked) in [
        (vec![URI], &["ISSUER", "AUDIENCE"][..]),
        (vec![URI, ISSUER], &["AUDIENCE"]),
        (vec![URI, AUDIENCE], &["ISSUER"]),
        (vec![URI, ISSUER, AUDIENCE], &[]),
    ] {
        let lines = of_variables(&variables);
        assert_eq!(lines.len(), usize::from(!unchecked.is_empty()), "{lines:?}");
        let line = lines.concat();
        assert!(
            line.is_empty() || line.contains("WARN mcp_bearer::config"),
            "{line}"
        );
        for name in ["ISSUER", "AUDIENCE"] {
            let of = |prefix: &str| line.contains(&format!("{prefix}{name}"));
            let named = unchecked.contains(&name);
            assert_eq!(of("decide with FASTMCP_AUTH_BEARER_"), named, "{line}");
            assert_eq!(of("MCP_BEARER_ANY_"), named, "{line}");
        }
    }
}

#[test]
fn a_decision_is_not_warned_about() {
    let any = of_variables(&[
        ("MCP_BEARER_JWKS_URI", URI.1),
        ("MCP_BEARER_ANY_ISSUER", "true"),
        ("MCP_BEARER_ANY_AUDIENCE", "true"),
    ]);
    assert!(any.is_empty(), "{any:?}");
    let built = warnings(|| {
        let builder = BearerAuthProvider::builder().jwks_uri(URI.1);
        builder.any_issuer().any_audience().build()
    });
    assert!(built.is_empty(), "{built:?}");
}

#[test]
fn a_secret_that_is_easily_guessed_is_warned_about_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    for (secret, weak) in [
        ("hunter22".repeat(5), true),
        ("abcabcb".repeat(9), true),
        ("correct horse battery staple and more".to_owned(), false),
    ] {
        std::fs::write(&file, &secret).unwrap();
        let builder = || BearerAuthProvider::builder().any_audience().any_issuer();
        for lines in [
            warnings(|| builder().shared_secret(&secret).build()),
            warnings(|| builder().shared_secret_file(&file).build()),
            of_variables(&[
                ("MCP_BEARER_SHARED_SECRET", &secret),
                ("MCP_BEARER_ANY_ISSUER", "true"),
                ("MCP_BEARER_ANY_AUDIENCE", "true"),
            ]),
        ] {
            let line = lines.join("\n");
            assert_eq!(lines.len(), usize::from(weak), "{line}");
            assert_eq!(line.contains("easily guessed"), weak, "{line}");
            let setting = line.to_lowercase().contains("shared_secret");
            assert!(
                setting == weak && !line.contains("hunter22hunter22"),
                "{line}"
            );
        }
    }
}
