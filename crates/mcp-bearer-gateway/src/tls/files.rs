//! A certificate and its key, as files hold them.

use std::path::Path;
use std::sync::Arc;

use mcp_bearer::UnixTime;
use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::time::Time;

use crate::config::TlsSettings;
use crate::read_file;

/// A certificate chain with the key of its first certificate.
pub(super) struct Identity {
    certified: Arc<CertifiedKey>,
    not_before: UnixTime,
    not_after: UnixTime,
}

impl Identity {
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, String> {
        let (chain_file, key_file) = (&settings.certificate, &settings.private_key);
        let (chain, [not_before, not_after]) = chain(chain_file)?;
        let key = private_key(key_file)?;
        let provider = aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider);
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
                "{}: this is not the key of the first certificate in {}",
                key_file.display(),
                chain_file.display()
            ),
            error => format!("{}: {error}", key_file.display()),
        })?;
        Ok(Self {
            certified: Arc::new(certified),
            not_before,
            not_after,
        })
    }

    /// What is wrong with the certificate, and with its key: both, so that an operator corrects
    /// them at once.
    pub(super) fn problems(settings: &TlsSettings) -> [Option<String>; 2] {
        let wrong_chain = chain(&settings.certificate).err();
        let wrong_key = private_key(&settings.private_key).err();
        if wrong_chain.is_some() || wrong_key.is_some() {
            return [wrong_chain, wrong_key];
        }
        // What is left is a key that does not belong to the certificate.
        [None, Self::read(settings).err()]
    }

    /// Logs a certificate that no client will trust at this time, or soon.
    pub(super) fn warn_of_dates(&self, now: UnixTime) {
        const SOON: u64 = 7 * 24 * 3600;
        let left = self.not_after.as_secs().checked_sub(now.as_secs());
        match left {
            _ if now < self.not_before => tracing::warn!(
                valid_from = self.not_before.as_secs(),
                "the TLS certificate is not valid yet: clients will refuse it"
            ),
            None => tracing::warn!(
                expired_at = self.not_after.as_secs(),
                "the TLS certificate has expired: clients will refuse it"
            ),
            Some(left) if left < SOON => tracing::warn!(
                expires_at = self.not_after.as_secs(),
                hours = left / 3600,
                "the TLS certificate expires soon"
            ),
            Some(_) => {}
        }
    }

    /// Whether both have the same certificates. Each has the key of its first certificate, and that
    /// is then the same, too.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }

    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    #[cfg(test)]
    pub(super) fn not_after(&self) -> UnixTime {
        self.not_after
    }
}

/// The certificates of a PEM file, and from when to when the first one is valid.
fn chain(path: &Path) -> Result<(Vec<CertificateDer<'static>>, [UnixTime; 2]), String> {
    let chain = certificates(path)?;
    let first = chain
        .first()
        .and_then(|first| Certificate::from_der(first).ok())
        .ok_or_else(|| {
            let path = path.display();
            format!("{path}: the first certificate cannot be read")
        })?;
    let validity = first.tbs_certificate().validity();
    let moment = |time: Time| UnixTime::from_secs(time.to_unix_duration().as_secs());
    let moments = [validity.not_before, validity.not_after].map(moment);
    Ok((chain, moments))
}

/// The certificates of a PEM file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read_file::read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|_| format!("{}: not valid PEM text", path.display()))?;
    if found.is_empty() {
        return Err(format!(
            "{}: no certificate; it begins with -----BEGIN CERTIFICATE-----",
            path.display()
        ));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = read_file::read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
        let is_encrypted = text.windows(encrypted.len()).any(|part| part == encrypted);
        let why = if is_encrypted {
            "the private key is encrypted; decrypt it first (openssl pkey)"
        } else {
            "no private key; it begins with -----BEGIN PRIVATE KEY-----"
        };
        format!("{}: {why}", path.display())
    })
}
