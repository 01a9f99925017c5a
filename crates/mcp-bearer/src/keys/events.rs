//! What operators see of the sources: log events and counters with stable names (listed in the module above).
//! A name, once released, must not change. Texts of strangers are quoted and cut before they get here.

use std::sync::atomic::{AtomicU64, Ordering};

use mcp_bearer_core::{Algorithm, KeySet, Limits};

use super::{
    board::Tally,
    rotation::{Cause, KeyIdentity, Notice},
};

const TARGET: &str = "mcp_bearer::keys";

/// Tells what happened to the source of this label.
pub(super) fn tell(source: &str, tally: &Tally, set: Option<&KeySet>, notice: &Notice) {
    match notice {
        Notice::Fetched { changed } => {
            add(&tally.fetched, source, "fetched");
            let keys = set.map_or(0, KeySet::len);
            tracing::info!(target: TARGET, event = "fetched", source, keys, changed, "keys fetched");
        }
        Notice::NotModified => {
            add(&tally.not_modified, source, "not_modified");
            tracing::debug!(target: TARGET, event = "not_modified", source, "keys not modified");
        }
        Notice::Failed(reason) => {
            add(&tally.failed, source, "failed");
            tracing::warn!(target: TARGET, event = "failed", source, %reason, "keys not fetched");
        }
        Notice::Skipped => {
            if let Some(set) = set {
                tell_skipped(source, set);
            }
        }
        Notice::Added(key) => {
            count_change(source, "added");
            let (kid, alg, fingerprint) = names(key);
            tracing::info!(target: TARGET, event = "key_added", source, kid, alg, fingerprint, "key added");
        }
        Notice::Removed(key) => {
            count_change(source, "removed");
            let (kid, alg, fingerprint) = names(key);
            tracing::info!(target: TARGET, event = "key_removed", source, kid, alg, fingerprint, "key removed");
        }
        Notice::Stale => {
            #[cfg(feature = "metrics")]
            metrics::counter!("mcp_bearer_key_sets_stale_total", "source" => source.to_owned())
                .increment(1);
            tracing::error!(target: TARGET, event = "stale", source, "keys too old to be used");
        }
    }
}

/// For who wonders what drives the fetches.
pub(super) fn begun(source: &str, cause: Cause) {
    tracing::debug!(target: TARGET, source, ?cause, "fetching keys");
}

/// The keys go on coming from the address that is known.
pub(super) fn document_failed(source: &str, reason: &str) {
    tracing::warn!(target: TARGET, event = "document_failed", source, %reason, "discovery document not read");
}

/// A text of a stranger or an issuer, quoted and cut so that it can be shown.
pub(super) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(Limits::SHOWN_CHARS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}

fn tell_skipped(source: &str, set: &KeySet) {
    for key in set.skipped() {
        count_change(source, "skipped");
        let kid = key.kid.as_deref().map(shown);
        let (number, reason) = (key.number, &key.reason);
        tracing::warn!(target: TARGET, event = "key_skipped", source, number, kid, %reason, "key skipped");
    }
}

fn names(key: &KeyIdentity) -> (Option<String>, Option<&'static str>, String) {
    let fingerprint = key.fingerprint.iter().take(8);
    let fingerprint = fingerprint.map(|byte| format!("{byte:02x}")).collect();
    let algorithm = key.algorithm.map(Algorithm::name);
    (key.kid.as_deref().map(shown), algorithm, fingerprint)
}

fn add(tally: &AtomicU64, source: &str, result: &'static str) {
    tally.fetch_add(1, Ordering::Relaxed);
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

    use mcp_bearer_core::{Algorithm, KeySet};

    use super::{Notice, Tally, shown, tell};
    use crate::keys::rotation::KeyIdentity;

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

    fn logged(notice: &Notice) -> String {
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
            tell(
                "https://idp.example.com/jwks",
                &Tally::default(),
                Some(&set),
                notice,
            );
        });
        let bytes = log.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_event_has_its_stable_name_and_its_source() {
        let key = KeyIdentity {
            kid: Some("a\n".repeat(100)),
            algorithm: Some(Algorithm::Rs256),
            fingerprint: [0xab; 32],
        };
        for (notice, names) in [
            (Notice::Fetched { changed: true }, &["fetched"][..]),
            (Notice::Skipped, &["key_skipped"]),
            (Notice::NotModified, &["not_modified"]),
            (Notice::Failed("down".to_owned()), &["failed"]),
            (Notice::Added(key.clone()), &["key_added"]),
            (Notice::Removed(key), &["key_removed"]),
            (Notice::Stale, &["stale"]),
        ] {
            let log = logged(&notice);
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
    fn a_strangers_text_is_quoted_and_cut() {
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

        use super::super::{Notice, Tally, tell};

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
            let key = super::KeyIdentity {
                kid: None,
                algorithm: None,
                fingerprint: [0; 32],
            };
            for (notice, name) in [
                (
                    Notice::Fetched { changed: false },
                    "mcp_bearer_key_fetches_total source=s result=fetched",
                ),
                (
                    Notice::NotModified,
                    "mcp_bearer_key_fetches_total source=s result=not_modified",
                ),
                (
                    Notice::Failed("down".to_owned()),
                    "mcp_bearer_key_fetches_total source=s result=failed",
                ),
                (
                    Notice::Added(key.clone()),
                    "mcp_bearer_key_changes_total source=s change=added",
                ),
                (
                    Notice::Removed(key),
                    "mcp_bearer_key_changes_total source=s change=removed",
                ),
                (Notice::Stale, "mcp_bearer_key_sets_stale_total source=s"),
            ] {
                let counts = Counts::default();
                metrics::with_local_recorder(&counts, || {
                    tell("s", &Tally::default(), None, &notice);
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
