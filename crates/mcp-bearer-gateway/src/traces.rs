//! Traces by OpenTelemetry: one span per request, with the decision and its reason.
//!
//! A trace of a client is only linked: it neither becomes the parent of ours nor affects sampling,
//! because anyone can send a `traceparent`.

mod exporter;
mod meta;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    Span, SpanContext, SpanKind, Status, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

use crate::config::TracesSettings;
use crate::decision::{Decision, Outcome};
use crate::shown;

pub(crate) use self::meta::InBody;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
/// Links per span: the header, and MCP's `_meta` in each message of a short batch.
const LINKS: u32 = 16;

/// Spans on their way to a collector.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// The span of one request. If it is dropped without [`end`](Self::end), it ends without a
/// decision.
pub(crate) struct RequestSpan(opentelemetry_sdk::trace::Span);

impl Traces {
    /// Starts the exporter. Its requests are made on `runtime`.
    ///
    /// # Errors
    /// When the exporter cannot be made, with the reason.
    pub(crate) fn new(settings: &TracesSettings, runtime: Handle) -> Result<Self, String> {
        let exporter = exporter::to(&settings.endpoint, runtime)?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            // Not `ParentBased`: a client would decide.
            .with_sampler(Sampler::TraceIdRatioBased(settings.sampled))
            .with_max_links_per_span(LINKS)
            .with_resource(
                Resource::builder_empty()
                    .with_service_name("mcp-bearer-gateway")
                    .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
                    .build(),
            )
            .build();
        let tracer = provider.tracer("mcp-bearer-gateway");
        Ok(Self { provider, tracer })
    }

    /// Starts the span of a request, with a link to the client's span.
    pub(crate) fn begin(&self, headers: &HeaderMap) -> RequestSpan {
        let span = self
            .tracer
            .span_builder("mcp request")
            .with_kind(SpanKind::Server);
        let mut span = RequestSpan(span.start_with_context(&self.tracer, &Context::new()));
        let mut values = headers.get_all(&TRACEPARENT).iter();
        if let (Some(value), None) = (values.next(), values.next()) {
            span.link(value.to_str().unwrap_or_default());
        }
        span
    }

    /// Sends what is left, for at most this time.
    pub(crate) async fn shutdown(&self, within: Duration) {
        let provider = self.provider.clone();
        // It blocks its thread, while the exporter needs those of the runtime.
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(within));
        if !matches!(ended.await, Ok(Ok(()))) {
            tracing::warn!(target: "mcp_bearer::traces", "the last traces were not sent");
        }
    }
}

impl RequestSpan {
    /// Adds a link to a client's span, by its `traceparent` (W3C Trace Context). Anything else is
    /// ignored.
    fn link(&mut self, traceparent: &str) {
        let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
        let client = context.span().span_context().clone();
        if client.is_valid() {
            self.0.add_link(client, Vec::new());
        }
    }

    /// Asks for the `traceparent`s in the body of this request, for
    /// [`link_body`](Self::link_body). Nobody parses it for a span that is not recorded.
    pub(crate) fn ask_body(&self, request: &mut Extensions) {
        if self.0.is_recording() {
            InBody::ask(request);
        }
    }

    /// Adds links to what the body of the request named.
    pub(crate) fn link_body(&mut self, answer: &Extensions) {
        for traceparent in InBody::of(answer) {
            self.link(traceparent);
        }
    }

    /// Names this span to the server, and nothing of the client's trace: `baggage` and `tracestate`
    /// are removed.
    pub(crate) fn propagate(&self, headers: &mut HeaderMap) {
        without_context(headers);
        let context: &SpanContext = self.0.span_context();
        let flags = u8::from(context.is_sampled());
        let value = format!(
            "00-{}-{}-{flags:02x}",
            context.trace_id(),
            context.span_id()
        );
        if let (true, Ok(value)) = (context.is_valid(), HeaderValue::from_str(&value)) {
            headers.insert(TRACEPARENT, value);
        }
    }

    /// Ends the span with the decision. It names no caller.
    pub(crate) fn end(mut self, decision: &Decision) {
        if !self.0.is_recording() {
            return;
        }
        let shown = shown::decision(decision);
        let mut set = |name: &'static str, value: String| {
            self.0.set_attribute(KeyValue::new(name, value));
        };
        set("mcp_bearer.outcome", decision.outcome.as_str().to_owned());
        set("mcp_bearer.reason", decision.reason.to_owned());
        set("http.request.method", shown.http_method);
        set("client.address", shown.peer.to_string());
        if let Some(method) = shown.method {
            set("mcp.method.name", method);
        }
        if let Some(name) = shown.name {
            set("mcp.target", name);
        }
        let status = i64::from(decision.status);
        self.0
            .set_attribute(KeyValue::new("http.response.status_code", status));
        if matches!(decision.outcome, Outcome::Failed | Outcome::Unanswered) {
            self.0.set_status(Status::error(decision.reason));
        }
        self.0.end();
    }
}

/// Removes a client's trace context from what is passed on.
pub(crate) fn without_context(headers: &mut HeaderMap) {
    for name in [TRACEPARENT, TRACESTATE, BAGGAGE] {
        headers.remove(name);
    }
}

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}
