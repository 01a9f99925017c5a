//! [`HttpFetchBuilder`]: the options of [`HttpFetch`].

use std::fmt;
use std::path::PathBuf;

use super::address::{AddressRules, PlainHttp, SsrfGuard, label_of};
use super::connect::{Connector, certificates, proxy};
use super::http::HttpFetch;
use crate::config::problem::{ConfigError, Fact, Problem};
use crate::config::setting::Setting;

/// Makes an [`HttpFetch`].
#[derive(Clone, Default)]
#[must_use = "nothing is made before `build`"]
pub struct HttpFetchBuilder {
    ca_file: Option<PathBuf>,
    proxy: Option<String>,
    rules: AddressRules,
}

impl HttpFetch {
    /// A fetcher with the machine's CA store, without a proxy or the guard.
    pub fn builder() -> HttpFetchBuilder {
        HttpFetchBuilder::default()
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

    /// Allows http beyond loopback. Anyone on the path can then replace the keys and mint tokens.
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
        let proxy = self.proxy.as_deref().map(proxy).transpose();
        if let Err(why) = &proxy {
            problems.push(Problem::of(Setting::Proxy, *why));
        }
        if self.proxy.is_some() && self.rules.guard == SsrfGuard::PublicOnly {
            let fact = "cannot be used together: the guard does not see where a proxy connects to";
            problems.push(Problem::new([Setting::Proxy, Setting::SsrfGuard], fact));
        }
        match proxy {
            Ok(proxy) if problems.is_empty() => {
                let connector = Connector::new(self.rules.guard, proxy, self.ca_file);
                Ok(HttpFetch::new(self.rules, connector))
            }
            _ => Err(ConfigError::new(problems)),
        }
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

#[cfg(test)]
mod tests {
    use mcp_bearer_testkit::JwksServer;

    use super::HttpFetch;
    use crate::keys::fetch::{Fetch, FetchErrorKind, FetchRequest};

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
            let fetch = builder.build().unwrap();
            let shown = format!("{fetch:?}");
            assert!(shown.contains("HttpFetch"), "{shown}");
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
