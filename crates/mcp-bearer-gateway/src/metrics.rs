//! The metrics of `/metrics`.
//!
//! Every label comes from a closed set: an outcome, a reason, an issuer or a source of the
//! configuration. Nothing in a request can make a new series.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mcp_bearer::BearerAuthProvider;
use mcp_bearer::core::Policy;
use mcp_bearer::keys::KeyStatus;
use metrics::{Counter, Histogram, Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_util::MetricKindMask;

use crate::audit::DROPPED_LINES;
use crate::health::is_usable;
use crate::history::Kind;

const REQUESTS: &str = "mcp_bearer_gateway_requests_total";
const DECISION: &str = "mcp_bearer_gateway_decision_seconds";
const CONNECTIONS: &str = "mcp_bearer_gateway_connections";
const CONNECTIONS_REFUSED: &str = "mcp_bearer_gateway_connections_refused_total";
const SERVER_FAILURES: &str = "mcp_bearer_gateway_server_failures_total";
const STREAMS: &str = "mcp_bearer_gateway_streams";
const CACHED_TOKENS: &str = "mcp_bearer_gateway_cached_tokens";
const KEY_SET_AGE: &str = "mcp_bearer_gateway_key_set_age_seconds";
const KEY_SET_KEYS: &str = "mcp_bearer_gateway_key_set_keys";
const KEY_SET_USABLE: &str = "mcp_bearer_gateway_key_set_usable";

/// Signature checks take 20 us to 1 ms; a fetch of keys up to 5 s.
const BUCKETS: [f64; 11] = [
    0.000_001, 0.000_003, 0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.01, 0.1, 1.0, 5.0,
];
/// Gauges are set with each scrape. Those of an issuer that a reload removed end after this.
const IDLE: Duration = Duration::from_secs(60);

static METADATA: Metadata<'static> = Metadata::new("mcp_bearer::gateway", Level::INFO, None);

/// The recorder and what is counted outside it.
pub(crate) struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    decision: Histogram,
    connections: Arc<AtomicU64>,
    streams: Arc<AtomicU64>,
}

/// Something in progress, counted until this is dropped.
#[must_use]
#[derive(Debug)]
pub(crate) struct Active(Arc<AtomicU64>);

impl Metrics {
    /// A recorder of its own.
    ///
    /// # Errors
    /// Never with the buckets of this file.
    pub(crate) fn new() -> Result<Self, String> {
        let builder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .map_err(|error| format!("metrics: {error}"))?
            .idle_timeout(MetricKindMask::GAUGE, Some(IDLE));
        let recorder = builder.build_recorder();
        describe(&recorder);
        let decision = recorder.register_histogram(&Key::from_static_name(DECISION), &METADATA);
        Ok(Self {
            handle: recorder.handle(),
            recorder: Arc::new(recorder),
            decision,
            connections: Arc::default(),
            streams: Arc::default(),
        })
    }

    /// Makes this the process's recorder, so that the counters of the library are in it too.
    ///
    /// # Errors
    /// When the process has one already.
    pub(crate) fn install(&self) -> Result<(), String> {
        metrics::set_global_recorder(Arc::clone(&self.recorder))
            .map_err(|_| "metrics: this process has another recorder already".to_owned())
    }

    /// Counts a decision.
    pub(crate) fn count(&self, kind: Kind) {
        self.requests(kind).increment(1);
    }

    fn requests(&self, (outcome, reason): Kind) -> Counter {
        let labels = vec![
            Label::from_static_parts("outcome", outcome.as_str()),
            Label::from_static_parts("reason", reason),
        ];
        let key = Key::from_parts(REQUESTS, labels);
        self.recorder.register_counter(&key, &METADATA)
    }

    /// Counts a granted request that the server did not answer, or not in a way that clients may
    /// see.
    pub(crate) fn server_failed(&self, reason: &'static str) {
        let labels = vec![Label::from_static_parts("reason", reason)];
        let key = Key::from_parts(SERVER_FAILURES, labels);
        let counter = self.recorder.register_counter(&key, &METADATA);
        counter.increment(1);
    }

    /// The time until a request was passed on: its token, its body, its rules.
    pub(crate) fn decided_in(&self, time: Duration) {
        self.decision.record(time.as_secs_f64());
    }

    /// Counts a connection until the result is dropped.
    pub(crate) fn connection(&self) -> Active {
        Active::new(&self.connections)
    }

    /// Counts a connection that was closed at once.
    pub(crate) fn connection_refused(&self) {
        let key = Key::from_static_name(CONNECTIONS_REFUSED);
        let counter = self.recorder.register_counter(&key, &METADATA);
        counter.increment(1);
    }

    /// Counts a long stream until the result is dropped.
    pub(crate) fn stream(&self) -> Active {
        Active::new(&self.streams)
    }

    /// Connections and long streams in progress.
    pub(crate) fn active(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.connections), read(&self.streams))
    }

    /// Sorts new measurements into their buckets, which would otherwise wait in memory for the next
    /// scrape. To be called every few seconds.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// The text for Prometheus.
    pub(crate) fn render(
        &self,
        provider: &BearerAuthProvider,
        (granted, count): (Kind, u64),
    ) -> String {
        self.requests(granted).absolute(count);
        let (connections, streams) = self.active();
        self.set(CONNECTIONS, Vec::new(), number(connections));
        self.set(STREAMS, Vec::new(), number(streams));
        if let Some(tokens) = provider.cached_tokens() {
            self.set(CACHED_TOKENS, Vec::new(), number(tokens));
        }
        for (policy, status) in provider.policies().zip(provider.key_status()) {
            self.set_keys(policy, &status);
        }
        self.handle.render()
    }

    fn set_keys(&self, policy: &Policy, status: &KeyStatus) {
        let issuer = policy
            .issuers()
            .listed()
            .first()
            .map_or("any", String::as_str);
        let labels = || {
            vec![
                Label::new("issuer", issuer.to_owned()),
                Label::new("source", status.source.clone()),
            ]
        };
        let usable = is_usable(status);
        self.set(KEY_SET_USABLE, labels(), if usable { 1.0 } else { 0.0 });
        self.set(KEY_SET_KEYS, labels(), number(status.snapshot.set.len()));
        if let Some(age) = status.age {
            self.set(KEY_SET_AGE, labels(), age.as_secs_f64());
        }
    }

    fn set(&self, name: &'static str, labels: Vec<Label>, value: f64) {
        let key = Key::from_parts(name, labels);
        self.recorder.register_gauge(&key, &METADATA).set(value);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Active {
    fn new(count: &Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts are far below the 53 bits that are exact.
fn number(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}

fn describe(recorder: &PrometheusRecorder) {
    let counter = |name: &'static str, what: &'static str| {
        recorder.describe_counter(name.into(), None, what.into());
    };
    counter(REQUESTS, "Requests by outcome and reason");
    counter(
        CONNECTIONS_REFUSED,
        "Connections that were closed at once because their peer had too many",
    );
    counter(
        SERVER_FAILURES,
        "Granted requests that the server did not answer, by reason",
    );
    counter(
        DROPPED_LINES,
        "Lines that are missing in the audit log because it could not be written",
    );
    counter(
        "mcp_bearer_key_fetches_total",
        "Fetches of keys by source and result",
    );
    counter(
        "mcp_bearer_key_changes_total",
        "Keys added, removed or skipped, by source",
    );
    counter(
        "mcp_bearer_key_sets_stale_total",
        "Times that the keys of a source became too old to be used",
    );
    let gauge = |name: &'static str, what: &'static str| {
        recorder.describe_gauge(name.into(), None, what.into());
    };
    gauge(CONNECTIONS, "Connections of clients");
    gauge(STREAMS, "Long streams (GET, subscriptions/listen)");
    gauge(CACHED_TOKENS, "Tokens in the cache");
    gauge(
        KEY_SET_AGE,
        "Seconds since the source of the keys last confirmed them",
    );
    gauge(KEY_SET_KEYS, "Usable keys");
    gauge(
        KEY_SET_USABLE,
        "Whether tokens of the issuer can be verified",
    );
    let what = "How long it took until a request was passed on: token, body and rules";
    recorder.describe_histogram(DECISION.into(), Some(Unit::Seconds), what.into());
}

#[cfg(test)]
mod tests {
    use mcp_bearer::{RsaKeyPair, TokenCacheSize};

    use super::*;
    use crate::decision::Outcome;

    const GRANTED: Kind = (Outcome::Granted, "accepted");

    fn provider(issuer: &str) -> BearerAuthProvider {
        let key = RsaKeyPair::generate().unwrap();
        let builder = BearerAuthProvider::builder().public_key(key.public_key_pem());
        builder
            .issuer(issuer)
            .audience("https://mcp.example.com/mcp")
            .build()
            .unwrap()
    }

    fn has(text: &str, line: &str) {
        assert!(
            text.lines().any(|other| other == line),
            "{line} is not in\n{text}"
        );
    }

    #[test]
    fn every_metric_is_rendered_with_its_description() {
        let metrics = Metrics::new().unwrap();
        metrics.count((Outcome::Denied, "expired"));
        metrics.count((Outcome::Denied, "expired"));
        metrics.count((Outcome::Failed, "keys_unavailable"));
        metrics.decided_in(Duration::from_micros(40));
        let connections = [metrics.connection(), metrics.connection()];
        let stream = metrics.stream();
        let provider =
            provider("https://idp.example.com/").with_token_cache(TokenCacheSize::default());
        let text = metrics.render(&provider, (GRANTED, 7));
        for line in [
            r#"mcp_bearer_gateway_requests_total{outcome="denied",reason="expired"} 2"#,
            r#"mcp_bearer_gateway_requests_total{outcome="failed",reason="keys_unavailable"} 1"#,
            r#"mcp_bearer_gateway_requests_total{outcome="granted",reason="accepted"} 7"#,
            r#"mcp_bearer_gateway_decision_seconds_bucket{le="0.00003"} 0"#,
            r#"mcp_bearer_gateway_decision_seconds_bucket{le="0.0001"} 1"#,
            "mcp_bearer_gateway_connections 2",
            "mcp_bearer_gateway_streams 1",
            "mcp_bearer_gateway_cached_tokens 0",
            r#"mcp_bearer_gateway_key_set_keys{issuer="https://idp.example.com/",source="static"} 1"#,
            r#"mcp_bearer_gateway_key_set_usable{issuer="https://idp.example.com/",source="static"} 1"#,
            "# HELP mcp_bearer_gateway_requests_total Requests by outcome and reason",
            "# TYPE mcp_bearer_gateway_requests_total counter",
            "# TYPE mcp_bearer_gateway_decision_seconds histogram",
        ] {
            has(&text, line);
        }
        drop((connections, stream));
        let text = metrics.render(&provider, (GRANTED, 8));
        has(&text, "mcp_bearer_gateway_connections 0");
        has(&text, "mcp_bearer_gateway_streams 0");
        has(
            &text,
            r#"mcp_bearer_gateway_requests_total{outcome="granted",reason="accepted"} 8"#,
        );
    }

    #[test]
    fn a_source_without_keys_is_not_usable() {
        let metrics = Metrics::new().unwrap();
        let provider = BearerAuthProvider::builder()
            .jwks_uri("http://127.0.0.1:9/jwks.json")
            .issuer("a\"b\\c\nd")
            .audience("https://mcp.example.com/mcp")
            .build()
            .unwrap();
        let text = metrics.render(&provider, (GRANTED, 0));
        let labels = r#"{issuer="a\"b\\c\nd",source="http://127.0.0.1:9/jwks.json"}"#;
        has(
            &text,
            &format!("mcp_bearer_gateway_key_set_usable{labels} 0"),
        );
        has(&text, &format!("mcp_bearer_gateway_key_set_keys{labels} 0"));
        assert!(!text.contains("key_set_age"), "{text}");
    }

    #[test]
    fn measurements_do_not_wait_in_memory_for_a_scrape() {
        let metrics = Metrics::new().unwrap();
        for _ in 0..10 {
            metrics.decided_in(Duration::from_millis(2));
            metrics.upkeep();
        }
        let text = metrics.render(&provider("https://idp.example.com/"), (GRANTED, 0));
        has(&text, "mcp_bearer_gateway_decision_seconds_count 10");
    }
}
