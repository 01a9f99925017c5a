//! What operators see of the sources: log events and counters, with the stable names listed in
//! the documentation of `keys`.
//!
//! A released name never changes. Untrusted text is quoted and cut before it gets here.

use std::fmt;

use mcp_bearer_core::{Algorithm, KeyInfo, KeySet, Limits};

const TARGET: &str = "mcp_bearer::keys";

/// Something that happened to a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyEvent {
    Fetched {
        changed: bool,
    },
    NotModified,
    Failed(String),
    /// Other keys are skipped than before.
    Skipped,
    Added(KeyInfo),
    Removed(KeyInfo),
    /// The set contains the shared secret that was configured with it.
    SecretPublished,
    /// The set is past its staleness bound and no longer used.
    Stale,
}

/// Logs and counts an event of a source that now holds this set.
pub(super) fn report(source: &str, set: Option<&KeySet>, event: &KeyEvent) {
    match event {
        KeyEvent::Fetched { changed } => {
            count_fetch(source, "fetched");
            let keys = set.map_or(0, KeySet::len);
            tracing::info!(target: TARGET, event = "fetched", source, keys, changed, "keys fetched");
        }
        KeyEvent::NotModified => {
            count_fetch(source, "not_modified");
            tracing::debug!(target: TARGET, event = "not_modified", source, "keys not modified");
        }
        KeyEvent::Failed(reason) => {
            count_fetch(source, "failed");
            tracing::warn!(target: TARGET, event = "failed", source, %reason, "keys not fetched");
        }
        KeyEvent::Skipped => {
            if let Some(set) = set {
                report_skipped(source, set);
            }
        }
        KeyEvent::Added(key) => {
            count_change(source, "added");
            let (kid, alg, thumbprint) = names(key);
            tracing::info!(target: TARGET, event = "key_added", source, kid, alg, thumbprint, "key added");
        }
        KeyEvent::Removed(key) => {
            count_change(source, "removed");
            let (kid, alg, thumbprint) = names(key);
            tracing::info!(target: TARGET, event = "key_removed", source, kid, alg, thumbprint, "key removed");
        }
        KeyEvent::SecretPublished => {
            tracing::error!(
                target: TARGET,
                event = "secret_published",
                source,
                "the issuer publishes the shared secret: HS256, HS384 and HS512 are switched off; replace the secret"
            );
        }
        KeyEvent::Stale => {
            #[cfg(feature = "metrics")]
            metrics::counter!("mcp_bearer_key_sets_stale_total", "source" => source.to_owned())
                .increment(1);
            tracing::error!(target: TARGET, event = "stale", source, "keys too old to be used");
        }
    }
}

/// Logs that a fetch starts, and its cause, which explains it if there are too many fetches.
pub(super) fn fetch_started(source: &str, cause: impl fmt::Debug) {
    tracing::debug!(target: TARGET, source, ?cause, "fetching keys");
}

/// A discovery document could not be read again; the keys still come from the known address.
pub(super) fn document_failed(source: &str, reason: &str) {
    tracing::warn!(target: TARGET, event = "document_failed", source, %reason, "discovery document not read");
}

/// Untrusted text, quoted and cut so that it can be shown.
pub(super) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(Limits::SHOWN_CHARS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}

fn report_skipped(source: &str, set: &KeySet) {
    for key in set.skipped() {
        count_change(source, "skipped");
        let kid = key.kid.as_deref().map(shown);
        let (number, reason) = (key.number, &key.reason);
        tracing::warn!(target: TARGET, event = "key_skipped", source, number, kid, %reason, "key skipped");
    }
}

fn names(key: &KeyInfo) -> (Option<String>, Option<&'static str>, String) {
    let algorithm = key.algorithm.map(Algorithm::name);
    (
        key.kid.as_deref().map(shown),
        algorithm,
        key.thumbprint.to_string(),
    )
}

fn count_fetch(source: &str, result: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("mcp_bearer_key_fetches_total", "source" => source.to_owned(), "result" => result)
        .increment(1);
    let _ = (source, result);
}

fn count_change(source: &str, change: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("mcp_bearer_key_changes_total", "source" => source.to_owned(), "change" => change)
        .increment(1);
    let _ = (source, change);
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use mcp_bearer_core::{KeyInfo, KeySet};
    use mcp_bearer_testkit::SigningKey;

    use super::{KeyEvent, report, shown};

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

    fn logged(event: &KeyEvent) -> String {
        let log = Log::default();
        let to = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || to.clone())
            .finish();
        let set =
            KeySet::from_jwks_json(r#"{"keys":[{"kty":"AKP","kid":"post-quantum"}]}"#).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            report("https://idp.example.com/jwks", Some(&set), event);
        });
        let bytes = log.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn info(kid: &str) -> KeyInfo {
        let jwks = SigningKey::ed25519().with_kid(kid).jwks().to_string();
        let set = KeySet::from_jwks_json(&jwks).unwrap();
        set.keys().next().unwrap()
    }

    #[test]
    fn every_event_has_its_stable_name_and_its_source() {
        let key = info(&"a\n".repeat(100));
        for (event, names) in [
            (KeyEvent::Fetched { changed: true }, &["fetched"][..]),
            (KeyEvent::Skipped, &["key_skipped"]),
            (KeyEvent::NotModified, &["not_modified"]),
            (KeyEvent::Failed("down".to_owned()), &["failed"]),
            (KeyEvent::Added(key.clone()), &["key_added"]),
            (KeyEvent::Removed(key), &["key_removed"]),
            (KeyEvent::SecretPublished, &["secret_published"]),
            (KeyEvent::Stale, &["stale"]),
        ] {
            let log = logged(&event);
            assert_eq!(log.lines().count(), names.len(), "{log}");
            for (line, name) in log.lines().zip(names) {
                assert!(line.contains("mcp_bearer::keys"), "{line}");
                assert!(line.contains(&format!("event=\"{name}\"")), "{line}");
                assert!(
                    line.contains("source=\"https://idp.example.com/jwks\""),
                    "{line}"
                );
                assert!(line.len() < 600, "{line}");
            }
        }
    }

    #[test]
    fn untrusted_text_is_quoted_and_cut() {
        assert_eq!(shown("a\u{1b}[31m\n"), r#""a\u{1b}[31m\n""#);
        assert!(shown(&"x".repeat(1000)).chars().count() < 80);
    }

    #[cfg(feature = "metrics")]
    mod counters {
        use std::sync::{
            Arc, Mutex,
            atomic::{AtomicU64, Ordering},
        };

        use metrics::{
            Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
        };

        use super::super::{KeyEvent, report};

        #[derive(Default)]
        struct Counts(Mutex<Vec<(String, Arc<AtomicU64>)>>);

        impl Recorder for Counts {
            fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
            fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
            fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

            fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
                let labels = key
                    .labels()
                    .map(|label| format!(" {}={}", label.key(), label.value()));
                let name = format!("{}{}", key.name(), labels.collect::<String>());
                let count = Arc::new(AtomicU64::new(0));
                self.0.lock().unwrap().push((name, Arc::clone(&count)));
                Counter::from_arc(count)
            }

            fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
                Gauge::noop()
            }

            fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
                Histogram::noop()
            }
        }

        #[test]
        fn every_counter_has_its_stable_name_and_labels() {
            let key = super::info("a");
            for (event, name) in [
                (
                    KeyEvent::Fetched { changed: false },
                    "mcp_bearer_key_fetches_total source=s result=fetched",
                ),
                (
                    KeyEvent::NotModified,
                    "mcp_bearer_key_fetches_total source=s result=not_modified",
                ),
                (
                    KeyEvent::Failed("down".to_owned()),
                    "mcp_bearer_key_fetches_total source=s result=failed",
                ),
                (
                    KeyEvent::Added(key.clone()),
                    "mcp_bearer_key_changes_total source=s change=added",
                ),
                (
                    KeyEvent::Removed(key),
                    "mcp_bearer_key_changes_total source=s change=removed",
                ),
                (KeyEvent::Stale, "mcp_bearer_key_sets_stale_total source=s"),
            ] {
                let counts = Counts::default();
                metrics::with_local_recorder(&counts, || {
                    report("s", None, &event);
                });
                let counts = counts.0.lock().unwrap();
                assert_eq!(counts.len(), 1);
                assert_eq!(
                    (counts[0].0.as_str(), counts[0].1.load(Ordering::Relaxed)),
                    (name, 1)
                );
            }
        }
    }
}
