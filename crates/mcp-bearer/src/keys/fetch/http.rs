//! [`HttpFetch`]: requests over HTTP/1.1 with rustls.
//!
//! It never follows a redirect, reads the environment, keeps a connection, or holds more than the
//! allowed body. Each exchange has a thread and a runtime of its own, because the HTTP client reads
//! megabytes of an answer whose head has no end without a pause: it would hold up every other
//! source.

use std::error::Error;
use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use reqwest::{Certificate, Client, Proxy, Response, dns, header};
use tokio::{runtime, sync::oneshot};

use super::address::{AddressRules, PlainHttp, SsrfGuard, is_public_unicast, label_of};
use super::{EXCHANGE, Fetch, FetchError, FetchErrorKind, FetchRequest, FetchResponse};
use crate::config::problem::{ConfigError, Fact, Problem};
use crate::config::setting::Setting;
use crate::of_process::OfProcess;

/// Name resolution, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(3);
/// A larger CA file is refused.
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
/// Proxies of the environment are not used: which machine sees the issuer's answers is the
/// operator's decision, made with [`HttpFetchBuilder::proxy`]. Every exchange makes its own
/// connection, since they are an hour apart. The client is made on first use, with the machine's CA
/// store (on Linux the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` can name another); on a machine
/// without one each fetch fails with an error that says so. Each exchange has its own thread, so
/// that it needs no runtime and delays no other source.
pub struct HttpFetch(Arc<Clients>);

/// A client belongs to one process: a forked child makes its own.
struct Clients {
    options: HttpFetchBuilder,
    tls: ArcSwapOption<OfProcess<Client>>,
    plain: ArcSwapOption<OfProcess<Client>>,
}

/// Makes an [`HttpFetch`].
#[derive(Clone, Default)]
#[must_use = "nothing is made before `build`"]
pub struct HttpFetchBuilder {
    ca_file: Option<PathBuf>,
    proxy: Option<String>,
    rules: AddressRules,
}

impl HttpFetch {
    /// A fetcher with the machine's CA store, without proxy and without guard.
    pub fn builder() -> HttpFetchBuilder {
        HttpFetchBuilder::default()
    }
}

impl Clients {
    fn client(&self, scheme: Scheme) -> Result<Client, FetchError> {
        let kept = match scheme {
            Scheme::Https => &self.tls,
            Scheme::Http => &self.plain,
        };
        if let Some(client) = kept.load().as_ref().and_then(|kept| kept.get()) {
            return Ok(client.clone());
        }
        let client = self.options.client(scheme)?;
        // A CA file is read again for each exchange, so that it can be replaced.
        if scheme == Scheme::Http || self.options.ca_file.is_none() {
            kept.store(Some(Arc::new(OfProcess::new(client.clone()))));
        }
        Ok(client)
    }

    async fn exchange(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let refused = |reason| FetchError::of(FetchErrorKind::AddressNotAllowed, reason);
        let url = self.options.rules.check(&request.url).map_err(refused)?;
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            _ => Scheme::Http,
        };
        let mut sending = self
            .client(scheme)?
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
        let headers = response.headers().clone();
        // Only the body of a 200 matters.
        let body = match status {
            200 => read(response, request.max_body_bytes).await?,
            _ => Vec::new(),
        };
        let mut answer = FetchResponse::new(status, body);
        for name in HEADERS {
            let values = headers.get_all(&name).iter();
            for value in values.filter_map(|value| value.to_str().ok()) {
                answer = answer.with_header(name.as_str(), value);
            }
        }
        Ok(answer)
    }
}

impl Fetch for HttpFetch {
    fn fetch(&self, request: FetchRequest) -> BoxFuture<'_, Result<FetchResponse, FetchError>> {
        let clients = Arc::clone(&self.0);
        Box::pin(on_own_thread(
            async move { clients.exchange(request).await },
        ))
    }
}

impl HttpFetchBuilder {
    /// Trusts only the certificates in this PEM file, which is read again for each exchange.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Uses this proxy (`http://host:port`) for https. Not with the SSRF guard: the proxy resolves
    /// names itself.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Connects to public unicast addresses only.
    pub fn ssrf_guard(mut self) -> Self {
        self.rules.guard = SsrfGuard::PublicOnly;
        self
    }

    /// Allows http beyond loopback. Anyone on the way can then replace the keys and mint tokens.
    pub fn insecure_allow_http(mut self) -> Self {
        self.rules.plain_http = PlainHttp::Anywhere;
        self
    }

    /// Makes the fetcher. Connects to nothing.
    ///
    /// # Errors
    /// Every problem with the options at once.
    pub fn build(self) -> Result<HttpFetch, ConfigError> {
        let mut problems = Vec::new();
        if let Some(path) = &self.ca_file
            && let Err(why) = certificates(path)
        {
            problems.push(Problem::of(Setting::CaFile, Fact::file(path, why)));
        }
        if let Some(Err(why)) = self.proxy.as_deref().map(proxy) {
            problems.push(Problem::of(Setting::Proxy, why));
        }
        if self.proxy.is_some() && self.rules.guard == SsrfGuard::PublicOnly {
            let fact = "cannot be used together: the guard does not see where a proxy connects to";
            problems.push(Problem::new([Setting::Proxy, Setting::SsrfGuard], fact));
        }
        if !problems.is_empty() {
            return Err(ConfigError::new(problems));
        }
        Ok(HttpFetch(Arc::new(Clients {
            options: self,
            tls: ArcSwapOption::empty(),
            plain: ArcSwapOption::empty(),
        })))
    }

    fn client(&self, scheme: Scheme) -> Result<Client, FetchError> {
        // Features of reqwest that other crates of the program turn on must change nothing here.
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
        builder = match (scheme, &self.ca_file) {
            // No certificate is needed: this must work on a machine without a CA store.
            (Scheme::Http, _) => builder.tls_certs_only([]),
            (Scheme::Https, Some(path)) => {
                let fault = |why| no_client(format!("{}: {why}", path.display()));
                builder.tls_certs_only(certificates(path).map_err(fault)?)
            }
            (Scheme::Https, None) => builder,
        };
        builder = match self.rules.guard {
            SsrfGuard::PublicOnly => builder.dns_resolver(PublicResolver),
            // Http is allowed on loopback, and a resolver could give another address for its name.
            SsrfGuard::Off => {
                let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
                builder.resolve_to_addrs("localhost", &[(v4, 0).into(), (v6, 0).into()])
            }
        };
        if let (Scheme::Https, Some(url)) = (scheme, self.proxy.as_deref()) {
            builder = builder.proxy(proxy(url).map_err(no_client)?);
        }
        builder.build().map_err(|error| {
            no_client(format!(
                "no TLS client: {}; install a CA store, or name one by SSL_CERT_FILE",
                describe(error)
            ))
        })
    }
}

/// The options only: the `Debug` form of a client shows the password of its proxy.
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
            .field("rules", &self.rules)
            .finish()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
}

/// Resolves names, and gives public addresses only: the connection can only go to an address that
/// was checked.
struct PublicResolver;

impl dns::Resolve for PublicResolver {
    fn resolve(&self, name: dns::Name) -> dns::Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public = |address: &SocketAddr| is_public_unicast(address.ip());
            let public: Vec<_> = found.filter(public).collect();
            if public.is_empty() {
                let message = "the SSRF guard is on and the name has no public address";
                return Err(FetchError::of(FetchErrorKind::AddressNotAllowed, message).into());
            }
            let addresses: dns::Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

/// Runs an exchange on a new thread. When this future is dropped, the exchange is too, at its next
/// pause. A name that is being resolved then occupies a thread until the system gives up on it: a
/// few of them at most, since a source makes one exchange at a time.
async fn on_own_thread(
    exchange: impl Future<Output = Result<FetchResponse, FetchError>> + Send + 'static,
) -> Result<FetchResponse, FetchError> {
    let (sender, answer) = oneshot::channel();
    thread::Builder::new()
        .name("mcp-bearer-http".to_owned())
        .spawn(move || run(exchange, sender))
        .map_err(|error| no_client(format!("no thread for it: {error}")))?;
    let failed = FetchError::of(FetchErrorKind::ExchangeFailed, "it failed");
    answer.await.unwrap_or(Err(failed))
}

fn run(
    exchange: impl Future<Output = Result<FetchResponse, FetchError>>,
    mut sender: oneshot::Sender<Result<FetchResponse, FetchError>>,
) {
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_name("mcp-bearer-io")
        .build();
    let answer = match runtime {
        Ok(runtime) => {
            let answer = runtime.block_on(async {
                tokio::select! {
                    answer = exchange => Some(answer),
                    () = sender.closed() => None,
                }
            });
            // Does not wait for a name that is still being resolved.
            runtime.shutdown_background();
            answer
        }
        Err(error) => Some(Err(no_client(format!("no runtime for it: {error}")))),
    };
    if let Some(answer) = answer {
        // It fails only when nobody waits any more.
        let _ = sender.send(answer);
    }
}

/// Reads inflated chunks and stops at the limit, so that a small gzip cannot become a large body.
async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(describe)? {
        if chunk.len() > limit - body.len() {
            return Err(FetchError::too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() || about.len() > CA_BYTES {
        return Err("not a file of certificates".to_owned());
    }
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let found = Certificate::from_pem_bundle(&text).map_err(|_| "not a PEM file")?;
    if found.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    Ok(found)
}

fn proxy(url: &str) -> Result<Proxy, String> {
    // The address may contain a password, and reqwest's error would show it.
    Proxy::https(url).map_err(|_| "not a proxy's address".to_owned())
}

fn no_client(message: impl Into<String>) -> FetchError {
    FetchError::of(FetchErrorKind::ClientUnavailable, message)
}

/// The error and its causes in one line, without the address: its query may be a secret.
fn describe(error: reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::timed_out();
    }
    let mut kind = match error.is_connect() {
        true => FetchErrorKind::ConnectionFailed,
        false => FetchErrorKind::ExchangeFailed,
    };
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        // Formatting into a string cannot fail.
        let _ = write!(text, ": {next}");
        if let Some(own) = next.downcast_ref::<FetchError>() {
            kind = own.kind;
        }
        cause = next.source();
    }
    let plain: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
    FetchError::of(kind, plain)
}

#[cfg(test)]
mod tests {
    use mcp_bearer_testkit::JwksServer;

    use super::{
        Arc, Fetch, FetchErrorKind, FetchRequest, HttpFetch, OfProcess, PublicResolver, Scheme,
        dns::Resolve,
    };

    #[tokio::test]
    async fn the_guard_stands_between_a_name_and_its_addresses() {
        let server = JwksServer::start();
        let guarded = HttpFetch::builder().ssrf_guard();
        // Without the look at the name, which would end this sooner.
        let client = guarded.client(Scheme::Http).unwrap();
        let url = server.url().replace("127.0.0.1", "localhost");
        let error = super::describe(client.get(&url).send().await.unwrap_err());
        assert!(error.to_string().contains("SSRF guard"), "{error}");
        assert_eq!(error.kind(), FetchErrorKind::AddressNotAllowed);
        assert_eq!(server.total_hits(), 0);

        let open = HttpFetch::builder().client(Scheme::Http).unwrap();
        assert_eq!(open.get(&url).send().await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn a_name_without_a_public_address_does_not_resolve() {
        let resolving = PublicResolver.resolve("localhost".parse().unwrap());
        let error = resolving.await.err().unwrap();
        assert!(error.to_string().contains("SSRF guard"), "{error}");
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
        assert_eq!(error.kind(), FetchErrorKind::AddressNotAllowed);
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
                if let Ok(client) = fetch.0.options.client(Scheme::Https) {
                    let kept = Some(Arc::new(OfProcess::new(client)));
                    fetch.0.tls.store(kept);
                }
                let shown = format!("{fetch:?}");
                assert!(shown.contains("HttpFetch"), "{shown}");
                assert!(!shown.contains("secret"), "{shown}");
            }
        }
    }
}
