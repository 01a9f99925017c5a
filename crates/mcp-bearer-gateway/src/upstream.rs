//! The connection to the MCP server: a client of one address, whose connections are reused.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::InvalidHeaderValue;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use mcp_bearer::http::OperationBody;
use url::Url;

use crate::connect_timeout::WithinTime;
use crate::query;
use crate::tls::upstream_tls;
use crate::without_trailers::WithoutTrailers;

/// How long a connection may take, from the server's name to the end of the TLS handshake.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an idle connection is kept. uvicorn closes after 5 s, and a POST would meet a
/// connection that is being closed.
const IDLE: Duration = Duration::from_secs(4);

/// How much an idle connection may hold in its buffer.
const BUFFER: usize = 64 * 1024;

/// With one client for both, a connection without TLS would hold the 1 KB of state that TLS needs.
#[derive(Debug)]
enum Connections<B> {
    Plain(Client<WithinTime<HttpConnector>, B>),
    Tls(Client<WithinTime<HttpsConnector<HttpConnector>>, B>),
}

#[derive(Debug)]
pub(crate) struct Upstream<B = OperationBody<Incoming>> {
    connections: Connections<WithoutTrailers<B>>,
    scheme: Scheme,
    authority: Authority,
    path: String,
    host: HeaderValue,
    /// For requests without a query, which are nearly all.
    without_query: Uri,
}

impl<B> Clone for Upstream<B> {
    fn clone(&self) -> Self {
        Self {
            connections: match &self.connections {
                Connections::Plain(client) => Connections::Plain(client.clone()),
                Connections::Tls(client) => Connections::Tls(client.clone()),
            },
            scheme: self.scheme.clone(),
            authority: self.authority.clone(),
            path: self.path.clone(),
            host: self.host.clone(),
            without_query: self.without_query.clone(),
        }
    }
}

impl<B> Upstream<B>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static,
{
    /// # Errors
    /// When the CA file cannot be used, or the URL names no host.
    pub(crate) fn new(url: &Url, ca_file: Option<&Path>) -> Result<Self, String> {
        let uri: Uri = url
            .as_str()
            .parse()
            .map_err(|error| format!("upstream: {error}"))?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err("upstream: the URL names no host".to_owned());
        };
        let mut http = HttpConnector::new();
        // The connector with TLS asks it for `https` addresses too.
        let is_https = scheme == Scheme::HTTPS;
        http.enforce_http(!is_https);
        http.set_connect_timeout(Some(CONNECT));
        http.set_nodelay(true);
        // Without TLS no CA store is needed; a CA file that cannot be used is a mistake anyway.
        let tls = (is_https || ca_file.is_some()).then(|| upstream_tls(ca_file));
        let tls = tls.transpose()?.filter(|_| is_https);
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http1_max_buf_size(BUFFER);
        let connections = if let Some(tls) = tls {
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(tls)
                .https_only()
                .enable_http1()
                .wrap_connector(http);
            Connections::Tls(builder.build(WithinTime::new(connector, CONNECT)))
        } else {
            Connections::Plain(builder.build(WithinTime::new(http, CONNECT)))
        };
        let path = url.path().to_owned();
        let without_query = join(&scheme, &authority, &path);
        let without_query = without_query.map_err(|error| format!("upstream: {error}"))?;
        let host = host_of(&scheme, &authority);
        let host = host.map_err(|error| format!("upstream: {error}"))?;
        Ok(Self {
            connections,
            scheme,
            authority,
            path,
            host,
            without_query,
        })
    }

    /// The address that a request with this query goes to.
    pub(crate) fn uri(&self, query: Option<&str>) -> Result<Uri, http::Error> {
        match query.map(query::without_token) {
            Some(query) if !query.is_empty() => {
                let path = format!("{}?{query}", self.path);
                join(&self.scheme, &self.authority, &path)
            }
            _ => Ok(self.without_query.clone()),
        }
    }

    /// The value of `Host`. The client would make it anew for each request.
    pub(crate) fn host(&self) -> HeaderValue {
        self.host.clone()
    }

    pub(crate) fn send(&self, request: Request<WithoutTrailers<B>>) -> ResponseFuture {
        match &self.connections {
            Connections::Plain(client) => client.request(request),
            Connections::Tls(client) => client.request(request),
        }
    }
}

/// The port is left out if it is the scheme's own (RFC 9110 section 4.2.3).
fn host_of(scheme: &Scheme, authority: &Authority) -> Result<HeaderValue, InvalidHeaderValue> {
    let usual = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    match authority.port_u16().filter(|port| *port != usual) {
        Some(port) => HeaderValue::try_from(format!("{}:{port}", authority.host())),
        None => HeaderValue::try_from(authority.host()),
    }
}

fn join(scheme: &Scheme, authority: &Authority, path: &str) -> Result<Uri, http::Error> {
    Uri::builder()
        .scheme(scheme.clone())
        .authority(authority.clone())
        .path_and_query(PathAndQuery::try_from(path)?)
        .build()
}

#[cfg(test)]
mod tests {
    use http_body_util::combinators::UnsyncBoxBody;
    use http_body_util::{BodyExt as _, Empty};
    use tokio::net::TcpListener;

    use super::*;

    type NoBody = UnsyncBoxBody<Bytes, hyper::Error>;

    #[tokio::test]
    async fn a_server_that_is_silent_in_the_handshake_is_given_up() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/mcp", silent.local_addr().unwrap());
        let upstream = Upstream::<NoBody>::new(&url.parse().unwrap(), None).unwrap();
        let body = Empty::new().map_err(|never| match never {});
        let body = WithoutTrailers::new(body.boxed_unsync());
        let request = Request::get(upstream.uri(None).unwrap())
            .body(body)
            .unwrap();
        let sent = tokio::time::timeout(2 * CONNECT, upstream.send(request));
        let error = sent.await.expect("it was given up").unwrap_err();
        assert!(error.is_connect(), "{error:?}");
    }
}
