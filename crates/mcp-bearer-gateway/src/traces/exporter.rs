//! Sends batches of spans to the collector: OTLP over HTTP, by hyper.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use tokio::runtime::Handle;
use url::Url;

/// For one batch, with its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// An answer lists the spans that were not taken; nothing reads it.
const ANSWER_BYTES: usize = 64 * 1024;

pub(super) fn to(endpoint: &Url, runtime: Handle) -> Result<SpanExporter, String> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    SpanExporter::builder()
        .with_http()
        .with_http_client(Collector { client, runtime })
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint.as_str())
        .with_timeout(PATIENCE)
        .build()
        .map_err(|error| format!("traces: {error}"))
}

/// The exporter has a thread of its own without a runtime, so requests are made on the program's.
#[derive(Debug)]
struct Collector {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let exchange = async move {
            let (parts, body) = client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        // The timer, too, needs the runtime.
        let answer = self
            .runtime
            .spawn(async { tokio::time::timeout(PATIENCE, exchange).await });
        answer.await??
    }
}
