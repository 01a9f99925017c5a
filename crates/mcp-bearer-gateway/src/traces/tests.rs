//! Traces as a collector gets them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http::StatusCode;
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span as SentSpan;
use prost::Message;
use tokio::net::TcpListener;

use super::*;
use crate::decision::{Caller, now};
use crate::own_server;

const CLIENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER: &str = "00-11111111111111111111111111111111-2222222222222222-00";

mod through_the_gateway;

/// A collector on loopback, and what it got.
struct Collector {
    got: Arc<Mutex<Vec<SentSpan>>>,
    endpoint: String,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&got);
        let answer = move |request: http::Request<hyper::body::Incoming>, _| {
            let into = Arc::clone(&into);
            async move {
                assert_eq!(request.uri().path(), "/v1/traces");
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let sent = ExportTraceServiceRequest::decode(body).unwrap();
                let scopes = sent
                    .resource_spans
                    .into_iter()
                    .flat_map(|one| one.scope_spans);
                into.lock()
                    .unwrap()
                    .extend(scopes.flat_map(|one| one.spans));
                own_server::text(StatusCode::OK, "")
            }
        };
        tokio::spawn(own_server::serve(listener, answer, std::future::pending()));
        Self { got, endpoint }
    }

    fn traces(&self, sampled: f64) -> Traces {
        traces(&self.endpoint, sampled)
    }

    fn got(&self) -> Vec<SentSpan> {
        self.got.lock().unwrap().clone()
    }
}

fn traces(endpoint: &str, sampled: f64) -> Traces {
    let settings = TracesSettings {
        endpoint: endpoint.parse().unwrap(),
        sampled,
    };
    Traces::new(&settings, Handle::current()).unwrap()
}

fn decision(outcome: Outcome) -> Decision {
    Decision {
        at: now(),
        outcome,
        reason: "expired",
        detail: "exp was 5 s ago".to_owned(),
        status: 401,
        caller: Caller {
            proven: true,
            subject: Some("alice".to_owned()),
            ..Caller::default()
        },
        http_method: "POST".to_owned(),
        method: Some("tools/call".to_owned()),
        name: Some("a\nb\u{202e}".repeat(10_000)),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

fn headers(values: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn attribute(span: &SentSpan, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|one| one.key == name)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_collector_gets_the_decision_and_a_link_to_the_client() {
    let collector = Collector::start().await;
    let traces = collector.traces(1.0);
    let mut span = traces.begin(&headers(&[(TRACEPARENT, CLIENT)]));
    span.link(OTHER);
    span.end(&decision(Outcome::Denied));
    traces
        .begin(&HeaderMap::new())
        .end(&decision(Outcome::Failed));
    traces.shutdown(Duration::from_secs(5)).await;

    let got = collector.got();
    assert_eq!(got.len(), 2);
    let span = &got[0];
    for (name, value) in [
        ("mcp_bearer.outcome", "denied"),
        ("mcp_bearer.reason", "expired"),
        ("http.response.status_code", "401"),
        ("http.request.method", "POST"),
        ("mcp.method.name", "tools/call"),
        ("client.address", "127.0.0.1"),
    ] {
        assert_eq!(attribute(span, name).as_deref(), Some(value), "{name}");
    }
    let target = attribute(span, "mcp.target").unwrap();
    assert!(
        target.len() < 1100 && target.starts_with("a\\nb\\u{202e}a"),
        "{target}"
    );
    assert!(!format!("{span:?}").contains("alice"));
    // Linked, and not continued.
    let links: Vec<_> = span.links.iter().map(|link| hex(&link.trace_id)).collect();
    assert_eq!(links, [&CLIENT[3..35], &OTHER[3..35]]);
    assert!(span.parent_span_id.is_empty());
    assert_ne!(hex(&span.trace_id), CLIENT[3..35]);
    assert_ne!(span.trace_id, got[1].trace_id);
    assert_eq!(span.status.as_ref().map_or(0, |status| status.code), 0);
    assert_eq!(got[1].status.as_ref().map(|status| status.code), Some(2));
}

#[tokio::test]
async fn clients_do_not_decide_what_is_sampled() {
    let collector = Collector::start().await;
    let traces = collector.traces(0.0);
    for _ in 0..100 {
        let span = traces.begin(&headers(&[(TRACEPARENT, CLIENT)]));
        span.end(&decision(Outcome::Granted));
    }
    traces.shutdown(Duration::from_secs(5)).await;
    assert_eq!(collector.got(), []);

    let traces = collector.traces(1.0);
    let unsampled = CLIENT.replace("-01", "-00");
    traces
        .begin(&headers(&[(TRACEPARENT, &unsampled)]))
        .end(&decision(Outcome::Granted));
    traces.shutdown(Duration::from_secs(5)).await;
    assert_eq!(collector.got().len(), 1);
}

#[tokio::test]
async fn what_is_no_trace_context_is_ignored() {
    let collector = Collector::start().await;
    let traces = collector.traces(1.0);
    let nonsense = [
        "",
        "00",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        &"0".repeat(10_000),
    ];
    for text in nonsense {
        traces
            .begin(&headers(&[(TRACEPARENT, text)]))
            .end(&decision(Outcome::Denied));
    }
    let two = headers(&[(TRACEPARENT, CLIENT), (TRACEPARENT, OTHER)]);
    traces.begin(&two).end(&decision(Outcome::Denied));
    let mut many = traces.begin(&HeaderMap::new());
    for _ in 0..1000 {
        many.link(CLIENT);
    }
    many.end(&decision(Outcome::Denied));
    traces.shutdown(Duration::from_secs(5)).await;
    let got = collector.got();
    assert_eq!(got.len(), nonsense.len() + 2);
    let (many, rest) = got.split_last().unwrap();
    assert_eq!(many.links.len(), 16);
    for span in rest {
        assert_eq!(span.links, [], "{span:?}");
    }
}

#[tokio::test]
async fn the_server_gets_our_span_and_nothing_of_the_clients() {
    let collector = Collector::start().await;
    let traces = collector.traces(1.0);
    let client = [
        (TRACEPARENT, CLIENT),
        (TRACESTATE, "a=b"),
        (BAGGAGE, "user=alice"),
    ];
    let span = traces.begin(&headers(&client));
    let mut passed = headers(&client);
    span.propagate(&mut passed);
    let ours = passed.remove(TRACEPARENT).unwrap();
    assert_eq!(passed.len(), 0);
    span.end(&decision(Outcome::Granted));
    traces.shutdown(Duration::from_secs(5)).await;
    let got = collector.got();
    let expected = format!("00-{}-{}-01", hex(&got[0].trace_id), hex(&got[0].span_id));
    assert_eq!(ours, expected);

    let mut passed = headers(&client);
    without_context(&mut passed);
    assert_eq!(passed.len(), 0);
}

#[tokio::test]
async fn without_a_collector_requests_go_on_and_the_end_comes_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    for endpoint in ["http://127.0.0.1:9/v1/traces", &silent] {
        let traces = traces(endpoint, 1.0);
        let started = Instant::now();
        for _ in 0..10_000 {
            traces
                .begin(&HeaderMap::new())
                .end(&decision(Outcome::Granted));
        }
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{:?}",
            started.elapsed()
        );
        let started = Instant::now();
        traces.shutdown(Duration::from_secs(2)).await;
        assert!(
            started.elapsed() < Duration::from_secs(8),
            "{:?}",
            started.elapsed()
        );
    }
}
