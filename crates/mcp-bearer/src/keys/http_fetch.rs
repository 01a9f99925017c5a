//! `Fetch` over HTTP/1.1 with rustls.
//! It must never follow a redirect, read the environment, keep a connection, hold more than the allowed body, or work on the
//! thread of whoever asks: of an answer whose head has no end the HTTP client reads megabytes without a pause.

use std::{
    error::Error,
    fmt::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use reqwest::{Certificate, Client, Proxy, Response, header};

use super::{
    Fetch, FetchError, FetchRequest, FetchResponse,
    apart::apart,
    ssrf::PublicResolver,
    tls_error::in_plain_words,
    transport::{Guard, Plain, Transport, label_of},
};
use crate::of_process::OfProcess;

/// Name resolution, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(3);
/// From the beginning of the connection to the end of the body.
const EXCHANGE: Duration = Duration::from_secs(5);
/// A CA file larger than this is not one.
const CA_BYTES: u64 = 4 * 1024 * 1024;
/// The headers that sources look at.
const HEADERS: [header::HeaderName; 5] = [
    header::CACHE_CONTROL,
    header::AGE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
];

/// Fetches over HTTP.
///
/// Proxies of the environment are not used: which machine sees the issuer's answers is the operator's
/// decision, made with [`HttpFetchBuilder::proxy`]. Every exchange uses a connection of its own, since they
/// are an hour apart. The client is made on first use, with the machine's CA store (on Linux the variables
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` can name another); on a machine without one each fetch
/// fails and says so. Each exchange has a thread of its own, so that no runtime is needed and no other source waits for it.
pub struct HttpFetch(Arc<Exchanger>);

struct Exchanger {
    options: HttpFetchBuilder,
    tls: Slot,
    plain: Slot,
}

/// How an [`HttpFetch`] is to be made.
#[derive(Clone, Default)]
#[must_use = "nothing is made before `build`"]
pub struct HttpFetchBuilder {
    ca_file: Option<PathBuf>,
    proxy: Option<String>,
    transport: Transport,
}

impl HttpFetch {
    /// A fetcher with the machine's CA store, without proxy and without guard.
    pub fn builder() -> HttpFetchBuilder {
        HttpFetchBuilder::default()
    }
}

impl Exchanger {
    fn client(&self, purpose: Purpose) -> Result<Client, FetchError> {
        let slot = match purpose {
            Purpose::Tls => &self.tls,
            Purpose::Plain => &self.plain,
        };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = self.options.client(purpose)?;
        // A CA file is read again for each exchange, so that it can be replaced.
        if purpose == Purpose::Plain || self.options.ca_file.is_none() {
            slot.set(client.clone());
        }
        Ok(client)
    }

    async fn exchange(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let url = self
            .options
            .transport
            .check(&request.url)
            .map_err(FetchError::new)?;
        let purpose = match url.scheme() {
            "https" => Purpose::Tls,
            _ => Purpose::Plain,
        };
        let mut sending = self
            .client(purpose)?
            .get(url)
            .header(header::ACCEPT, "application/jwk-set+json, application/json");
        if let Some(etag) = &request.if_none_match {
            sending = sending.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(date) = &request.if_modified_since {
            sending = sending.header(header::IF_MODIFIED_SINCE, date);
        }
        let response = sending.send().await.map_err(describe)?;
        let status = response.status().as_u16();
        let kept: Vec<(String, String)> = HEADERS
            .iter()
            .flat_map(|name| {
                response
                    .headers()
                    .get_all(name)
                    .iter()
                    .map(move |value| (name, value))
            })
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect();
        // Only a 200 has a body that anyone reads.
        let body = match status {
            200 => read(response, request.max_body_bytes).await?,
            _ => Vec::new(),
        };
        let answer = FetchResponse::new(status, body);
        Ok(kept.iter().fold(answer, |answer, (name, value)| {
            answer.with_header(name, value)
        }))
    }
}

impl Fetch for HttpFetch {
    fn fetch(&self, request: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>> {
        let exchanger = Arc::clone(&self.0);
        Box::pin(async move {
            apart(async move { exchanger.exchange(request).await })
                .await
                .unwrap_or_else(|error| Err(FetchError::new(format!("no thread for it: {error}"))))
        })
    }
}

impl HttpFetchBuilder {
    /// Trusts the certificates in this PEM file, and no others; it is read again for each exchange.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Goes through this proxy for https (`http://host:port`). Not together with the guard: the proxy
    /// resolves names on its own.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Connects to public unicast addresses only.
    pub fn ssrf_guard(mut self) -> Self {
        self.transport.guard = Guard::PublicOnly;
        self
    }

    /// Allows http beyond loopback. Whoever stands between can then replace the keys and mint tokens.
    pub fn insecure_allow_http(mut self) -> Self {
        self.transport.plain = Plain::Anywhere;
        self
    }

    /// Makes the fetcher. Connects to nothing.
    ///
    /// # Errors
    /// Every problem with the options, as a sentence each.
    pub fn build(self) -> Result<HttpFetch, Vec<String>> {
        let mut problems = Vec::new();
        if let Some(path) = &self.ca_file
            && let Err(error) = certificates(path)
        {
            problems.push(error.to_string());
        }
        if let Some(Err(error)) = self.proxy.as_deref().map(proxy) {
            problems.push(error);
        }
        if self.proxy.is_some() && self.transport.guard == Guard::PublicOnly {
            problems.push(
                "proxy: not together with the SSRF guard, which cannot see where a proxy connects to"
                    .to_owned(),
            );
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(HttpFetch(Arc::new(Exchanger {
            options: self,
            tls: Slot::default(),
            plain: Slot::default(),
        })))
    }

    fn client(&self, purpose: Purpose) -> Result<Client, FetchError> {
        // What other crates of the program switch on in reqwest must not change what is done here.
        let mut builder = Client::builder()
            .tls_backend_rustls()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .no_hickory_dns()
            .gzip(true)
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT)
            .timeout(EXCHANGE)
            .user_agent(concat!("mcp-bearer/", env!("CARGO_PKG_VERSION")));
        builder = match (purpose, &self.ca_file) {
            // Without TLS there is nobody to trust; a machine without a CA store can still do this.
            (Purpose::Plain, _) => builder.tls_certs_only([]),
            (Purpose::Tls, Some(path)) => builder.tls_certs_only(certificates(path)?),
            (Purpose::Tls, None) => builder,
        };
        builder = match self.transport.guard {
            Guard::PublicOnly => builder.dns_resolver(PublicResolver),
            // The rule for http says loopback, and a resolver may say anything.
            Guard::Off => builder.resolve_to_addrs(
                "localhost",
                &[
                    (std::net::Ipv4Addr::LOCALHOST, 0).into(),
                    (std::net::Ipv6Addr::LOCALHOST, 0).into(),
                ],
            ),
        };
        if let (Purpose::Tls, Some(url)) = (purpose, self.proxy.as_deref()) {
            builder = builder.proxy(proxy(url).map_err(FetchError::new)?);
        }
        builder.build().map_err(|error| {
            FetchError::new(format!(
                "no TLS client: {}; install a CA store, or name one by SSL_CERT_FILE or the option ca_file",
                describe(error)
            ))
        })
    }
}

/// The options only: a client would show the proxy with its password.
impl fmt::Debug for HttpFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFetch")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

/// The proxy without its password.
impl fmt::Debug for HttpFetchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFetchBuilder")
            .field("ca_file", &self.ca_file)
            .field("proxy", &self.proxy.as_deref().map(label_of))
            .field("transport", &self.transport)
            .finish()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Tls,
    Plain,
}

/// A client that belongs to one process: a forked child makes its own.
#[derive(Default)]
struct Slot(ArcSwapOption<OfProcess<Client>>);

impl Slot {
    fn get(&self) -> Option<Client> {
        self.0.load().as_ref()?.get().cloned()
    }

    fn set(&self, client: Client) {
        self.0.store(Some(Arc::new(OfProcess::new(client))));
    }
}

/// Reads inflated chunks and stops at the limit, so that a small gzip cannot become a large body.
async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(describe)? {
        if chunk.len() > limit - body.len() {
            return Err(FetchError::new(format!(
                "the body is longer than {limit} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, FetchError> {
    let fault = |what: &str| FetchError::new(format!("ca_file {}: {what}", path.display()));
    let about = std::fs::metadata(path).map_err(|error| fault(&error.to_string()))?;
    if !about.is_file() || about.len() > CA_BYTES {
        return Err(fault("not a file of certificates"));
    }
    let text = std::fs::read(path).map_err(|error| fault(&error.to_string()))?;
    let found = Certificate::from_pem_bundle(&text).map_err(|_| fault("not a PEM file"))?;
    if found.is_empty() {
        return Err(fault("it holds no certificate"));
    }
    Ok(found)
}

fn proxy(url: &str) -> Result<Proxy, String> {
    // The address may hold a password, and reqwest's error would show it.
    Proxy::https(url).map_err(|_| "proxy: not a proxy's address".to_owned())
}

/// The error and its causes in one line, without the address: its query may be a secret.
fn describe(error: reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::new("timed out");
    }
    let text = in_plain_words(&error).unwrap_or_else(|| with_causes(error));
    let plain: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
    FetchError::new(plain)
}

fn with_causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        // Formatting into a string cannot fail.
        let _ = write!(text, ": {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use mcp_bearer_testkit::JwksServer;

    use super::{Fetch, FetchRequest, HttpFetch, Purpose};

    #[tokio::test]
    async fn the_guard_stands_between_a_name_and_its_addresses() {
        let server = JwksServer::start();
        let guarded = HttpFetch::builder().ssrf_guard();
        // Without the look at the name, which would end this sooner.
        let client = guarded.client(Purpose::Plain).unwrap();
        let url = server.url().replace("127.0.0.1", "localhost");
        let error = super::describe(client.get(&url).send().await.unwrap_err());
        assert!(error.to_string().contains("SSRF guard"), "{error}");
        assert_eq!(server.total_hits(), 0);

        let open = HttpFetch::builder().client(Purpose::Plain).unwrap();
        assert_eq!(open.get(&url).send().await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn the_guard_looks_at_literal_addresses() {
        let server = JwksServer::start();
        let guarded = HttpFetch::builder().ssrf_guard().build().unwrap();
        let error = guarded
            .fetch(FetchRequest::new(server.url(), 1000))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("SSRF guard"), "{error}");
        assert_eq!(server.total_hits(), 0);
    }

    #[test]
    fn no_runtime_is_needed() {
        let server = JwksServer::start();
        let fetch = HttpFetch::builder().build().unwrap();
        let request = FetchRequest::new(server.url(), 1000);
        let mut asked = fetch.fetch(request);
        let answer = loop {
            match futures_util::FutureExt::now_or_never(&mut asked) {
                Some(answer) => break answer,
                None => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        };
        assert_eq!(answer.unwrap().status(), 200);
    }

    #[test]
    fn the_debug_form_shows_no_password_of_a_proxy() {
        for proxy in [
            "http://user:secret@proxy.example.com:3128",
            "user:secret@proxy.example.com:3128",
            "http://proxy.example.com:3128?key=secret",
        ] {
            let builder = HttpFetch::builder().proxy(proxy);
            let shown = format!("{builder:?}");
            assert!(!shown.contains("secret"), "{shown}");
            if let Ok(fetch) = builder.build() {
                // A client that is kept shows its proxy, too.
                if let Ok(client) = fetch.0.options.client(Purpose::Tls) {
                    fetch.0.tls.set(client);
                }
                let shown = format!("{fetch:?}");
                assert!(shown.contains("HttpFetch"), "{shown}");
                assert!(!shown.contains("secret"), "{shown}");
            }
        }
    }
}
