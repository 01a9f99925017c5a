//! The connection of one exchange: the name, TCP, a proxy's tunnel, and the certificates that TLS
//! trusts.

use std::future::poll_fn;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{fmt, fs, io, vec};

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, IpAddr as TlsAddress, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tower_service::Service;
use url::{Host, Url};

use super::address::{SsrfGuard, is_public_unicast};
use super::concurrency_limit::{NAMES, Standing};
use super::{FetchError, FetchErrorKind};
use crate::of_process::PerProcess;

/// A larger CA file is refused.
const CA_BYTES: u64 = 4 * 1024 * 1024;

/// A connection, with TLS or without.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes the connections of one fetcher.
pub(super) struct Connector {
    guard: SsrfGuard,
    /// For https only.
    proxy: Option<Intercept>,
    ca_file: Option<PathBuf>,
    /// With the machine's CA store. A forked child reads it again.
    tls: PerProcess<ClientConfig>,
}

impl Connector {
    pub(super) fn new(
        guard: SsrfGuard,
        proxy: Option<Intercept>,
        ca_file: Option<PathBuf>,
    ) -> Self {
        Self {
            guard,
            proxy,
            ca_file,
            tls: PerProcess::new(),
        }
    }

    /// Connects to the host of an address: with TLS and, if configured, through the proxy for
    /// https.
    pub(super) async fn connect(
        &self,
        url: &Url,
        standing: Standing,
    ) -> Result<Box<dyn Stream>, FetchError> {
        let no_host = || not_connected(&io::Error::other("the URL has no host"));
        let (host, port) = (url.host(), url.port_or_known_default());
        let (host, port) = host.zip(port).ok_or_else(no_host)?;
        let target = format!("{}://{host}:{port}", url.scheme());
        let target: Uri = target.parse().map_err(|error| not_connected(&error))?;
        let tcp = Resolver {
            guard: self.guard,
            standing,
        };
        let mut tcp = HttpConnector::new_with_resolver(tcp);
        tcp.enforce_http(false);
        if url.scheme() != "https" {
            return Ok(Box::new(call(tcp, target).await?));
        }
        // This comes before the connection, so that a machine without a CA store does not connect.
        let tls = self.tls()?;
        let stream = match &self.proxy {
            None => call(tcp, target).await?,
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
                if let Some(password) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(password.clone());
                }
                call(tunnel, target).await?
            }
        };
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|error| not_connected(&error))?,
            Host::Ipv4(address) => ServerName::IpAddress(TlsAddress::V4(address.into())),
            Host::Ipv6(address) => ServerName::IpAddress(TlsAddress::V6(address.into())),
        };
        let stream = TlsConnector::from(tls).connect(name, stream).await;
        Ok(Box::new(stream.map_err(|error| not_connected(&error))?))
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, FetchError> {
        if let Some(path) = &self.ca_file {
            // It is read again for each exchange, so that it can be replaced.
            return tls(Some(path)).map(Arc::new);
        }
        self.tls.get_or_make(|| tls(None))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("guard", &self.guard)
            .field("proxy", &self.proxy.as_ref().map(Intercept::uri))
            .field("ca_file", &self.ca_file)
            .finish_non_exhaustive()
    }
}

/// Calls a connector for a target.
async fn call<S>(mut connector: S, target: Uri) -> Result<TcpStream, FetchError>
where
    S: Service<Uri, Response = TokioIo<TcpStream>, Error: std::error::Error + 'static>,
{
    let ready = poll_fn(|context| connector.poll_ready(context)).await;
    ready.map_err(|error| not_connected(&error))?;
    let connected = connector.call(target).await;
    Ok(connected
        .map_err(|error| not_connected(&error))?
        .into_inner())
}

/// Resolves names. With the guard it returns only public addresses, so that the connection can go
/// only to an address that was checked.
#[derive(Clone, Copy)]
struct Resolver {
    guard: SsrfGuard,
    standing: Standing,
}

impl Resolver {
    async fn resolve(self, name: String) -> Result<Vec<SocketAddr>, FetchError> {
        if self.guard == SsrfGuard::Off && name.eq_ignore_ascii_case("localhost") {
            // Http is allowed on loopback, and a resolver could return another address for its
            // name.
            let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
            return Ok(vec![(v4, 0).into(), (v6, 0).into()]);
        }
        let failed = |error: io::Error| {
            let message = format!("the name does not resolve: {error}");
            FetchError::of(FetchErrorKind::ConnectionFailed, message)
        };
        let place = NAMES.take(self.standing).await;
        let found = spawn_blocking(move || {
            let _until_the_thread_is_free = place;
            (name, 0).to_socket_addrs().map(Vec::from_iter)
        });
        let found = found.await.unwrap_or_else(|error| Err(error.into()));
        let mut found = found.map_err(failed)?;
        if self.guard == SsrfGuard::PublicOnly {
            found.retain(|address| is_public_unicast(address.ip()));
            if found.is_empty() {
                let message = "the SSRF guard is on and the name has no public address";
                return Err(FetchError::of(FetchErrorKind::AddressNotAllowed, message));
            }
        }
        Ok(found)
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = FetchError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (resolver, name) = (*self, name.as_str().to_owned());
        Box::pin(async move { Ok(resolver.resolve(name).await?.into_iter()) })
    }
}

/// What TLS trusts: the certificates of the CA file if there is one, otherwise those of the
/// machine.
fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, FetchError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| no_tls(&error))?;
    let builder = match ca_file {
        Some(path) => {
            let fault = |why| no_client(format!("{}: {why}", path.display()));
            builder.with_root_certificates(certificates(path).map_err(fault)?)
        }
        None => builder
            .with_platform_verifier()
            .map_err(|error| no_tls(&error))?,
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Connections are an hour apart.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// The certificates of a CA file, at least one.
pub(super) fn certificates(path: &Path) -> Result<RootCertStore, String> {
    let about = fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() || about.len() > CA_BYTES {
        return Err("not a file of certificates".to_owned());
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| "not a PEM file")?;
        let added = store.add(certificate);
        added.map_err(|error| error.to_string())?;
    }
    if store.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    Ok(store)
}

/// The proxy of an option. Its errors do not show the option, which may contain a password.
pub(super) fn proxy(option: &str) -> Result<Intercept, &'static str> {
    let any = Uri::from_static("https://any.example");
    let proxy = Matcher::builder().https(option).build().intercept(&any);
    let proxy = proxy.ok_or("not a proxy's address")?;
    match proxy.uri().scheme_str() {
        Some("http") => Ok(proxy),
        _ => Err("only http:// proxies are supported"),
    }
}

fn not_connected(error: &(dyn std::error::Error + 'static)) -> FetchError {
    FetchError::caused_by(FetchErrorKind::ConnectionFailed, error)
}

pub(super) fn no_client(message: impl Into<String>) -> FetchError {
    FetchError::of(FetchErrorKind::ClientUnavailable, message)
}

fn no_tls(error: &rustls::Error) -> FetchError {
    no_client(format!(
        "no TLS client: {error}; install a CA store, or name one by SSL_CERT_FILE"
    ))
}

#[cfg(test)]
mod tests {
    use mcp_bearer_testkit::JwksServer;

    use super::{Connector, FetchErrorKind, NAMES, Resolver, SsrfGuard, Standing, proxy};

    #[tokio::test]
    async fn a_name_without_a_public_address_does_not_resolve_with_the_guard() {
        let standing = Standing::Unknown;
        let resolve = |guard| Resolver { guard, standing }.resolve("localhost".to_owned());
        let error = resolve(SsrfGuard::PublicOnly).await.unwrap_err();
        assert!(error.to_string().contains("SSRF guard"), "{error}");
        assert_eq!(resolve(SsrfGuard::Off).await.unwrap().len(), 2);
    }

    /// Simulates names that hang: the thread that resolves one is occupied until the system gives
    /// up.
    #[tokio::test]
    async fn names_that_hang_leave_threads_for_sources_that_answer() {
        let mut hanging = Vec::new();
        for _ in 0..12 {
            hanging.push(NAMES.take(Standing::Unknown).await);
        }
        let resolve = |standing| {
            let guard = SsrfGuard::PublicOnly;
            let resolver = Resolver { guard, standing };
            let wait = std::time::Duration::from_millis(200);
            tokio::time::timeout(wait, resolver.resolve("localhost".to_owned()))
        };
        assert!(resolve(Standing::Unknown).await.is_err(), "it has to wait");
        assert!(resolve(Standing::Answers).await.is_ok());
        drop(hanging);
        assert!(resolve(Standing::Unknown).await.is_ok());
    }

    #[tokio::test]
    async fn the_guard_checks_the_addresses_of_a_name() {
        let server = JwksServer::start();
        let url = server.url().replace("127.0.0.1", "localhost");
        let url = url.parse().unwrap();
        let guarded = Connector::new(SsrfGuard::PublicOnly, None, None);
        let guarded = guarded.connect(&url, Standing::Unknown).await;
        let error = guarded.err().unwrap();
        assert!(error.to_string().contains("SSRF guard"), "{error}");
        assert_eq!(error.kind(), FetchErrorKind::AddressNotAllowed);
        let open = Connector::new(SsrfGuard::Off, None, None);
        assert!(open.connect(&url, Standing::Unknown).await.is_ok());
    }

    #[test]
    fn proxies_are_spelt_as_usual() {
        for (option, uri, password) in [
            (
                "http://proxy.example.com:3128",
                "http://proxy.example.com:3128/",
                None,
            ),
            (
                "proxy.example.com:3128",
                "http://proxy.example.com:3128/",
                None,
            ),
            (
                "http://user:se%40cret@proxy.example.com",
                "http://proxy.example.com/",
                Some("Basic dXNlcjpzZUBjcmV0"),
            ),
        ] {
            let proxy = proxy(option).unwrap();
            assert_eq!(proxy.uri().to_string(), uri);
            let sent = proxy.basic_auth().map(|value| value.to_str().unwrap());
            assert_eq!(sent, password);
        }
        for option in [
            "",
            "::",
            "https://secret@proxy",
            "socks5://secret@proxy:1080",
            "http://",
        ] {
            let error = proxy(option).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
