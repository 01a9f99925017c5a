//! TLS: the certificate for clients, which can be replaced while connections are served, and the
//! trust in an https upstream.

mod files;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mcp_bearer::UnixTime;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_rustls::TlsAcceptor;

use self::files::Identity;
use crate::config::TlsSettings;

/// TLS for clients: 1.2 and 1.3, HTTP/2 and HTTP/1.1.
pub(crate) struct ServerTls {
    settings: TlsSettings,
    config: Arc<ServerConfig>,
    current: Arc<Current>,
}

/// Whether the files held something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Yes,
    No,
}

/// The certificate of new handshakes. One pointer is swapped, so that no handshake sees the
/// certificate of one pair with the key of another.
struct Current(ArcSwap<Identity>);

impl ServerTls {
    /// Reads the certificate and the key.
    ///
    /// A certificate that has expired, or is not valid yet, is used: clients then see what is
    /// wrong, and a server that does not start would help nobody. A WARNING names it.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold what it should, or a key that does not belong to
    /// the certificate. No text of a file is in the error.
    pub(crate) fn load(settings: &TlsSettings, now: UnixTime) -> Result<Self, String> {
        let identity = Identity::read(settings)?;
        identity.warn_of_dates(now);
        let current = Arc::new(Current(ArcSwap::from_pointee(identity)));
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| format!("TLS cannot be set up: {error}"))?
                .with_no_client_auth()
                .with_cert_resolver(Arc::<Current>::clone(&current));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Anyone who records early data can send it again (RFC 8446 section 8).
        config.max_early_data_size = 0;
        Ok(Self {
            settings: settings.clone(),
            config: Arc::new(config),
            current,
        })
    }

    /// Reads the files again. Connections keep the certificate that they began with.
    ///
    /// # Errors
    /// As [`load`](Self::load). Then the old pair stays.
    pub(crate) fn reload(&self, now: UnixTime) -> Result<Changed, String> {
        let identity = Identity::read(&self.settings)?;
        if identity.is_same(&self.current.0.load()) {
            return Ok(Changed::No);
        }
        identity.warn_of_dates(now);
        self.current.0.store(Arc::new(identity));
        Ok(Changed::Yes)
    }

    /// Makes TLS of a connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }

    /// When the certificate expires.
    #[cfg(test)]
    pub(crate) fn expires_at(&self) -> UnixTime {
        self.current.0.load().not_after()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().certified_key())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

/// What is wrong with the file of the certificate, and with that of its key.
pub(crate) fn problems_of_files(settings: &TlsSettings) -> [Option<String>; 2] {
    Identity::problems(settings)
}

/// TLS to an https upstream, which trusts the certificates of this file alone, or those of the
/// machine. It offers no ALPN protocol: the client of the connection knows what it speaks.
///
/// # Errors
/// A file without a usable certificate, or a machine without a CA store.
pub(crate) fn upstream_tls(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let config = match ca_file {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in files::certificates(path)? {
                let added = roots.add(certificate);
                added.map_err(|error| format!("{}: {error}", path.display()))?;
            }
            builder.with_root_certificates(roots)
        }
        None => builder
            .with_platform_verifier()
            .map_err(|error| format!("the machine's CA store cannot be used: {error}"))?,
    };
    Ok(config.with_no_client_auth())
}

#[cfg(test)]
mod tests;
