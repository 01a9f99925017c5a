//! TLS errors in plain words: what is wrong with the certificate or the server, and what to do.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// One sentence for an error that TLS caused, wherever it is in the chain; `None` for any other.
///
/// It names the host and the names in the certificate, which are public, and nothing else that the
/// server sent.
pub(super) fn in_plain_words(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = tls_error(error) {
            return Some(sentence(tls));
        }
        cause = error.source();
    }
    None
}

/// An I/O error hides its cause, and shows only the causes of that.
fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut error = error;
    while let Some(inside) = error.downcast_ref().and_then(io::Error::get_ref) {
        error = inside;
    }
    error.downcast_ref()
}

fn sentence(error: &rustls::Error) -> String {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(fault) => certificate(fault),
        Tls::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "the server does not speak TLS at this port; is it the address of plain http?".to_owned(),
        Tls::PeerIncompatible(_)
        | Tls::AlertReceived(
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
        ) => {
            "the server has no version of TLS (1.2 or 1.3) or no cipher that is taken here; update it"
                .to_owned()
        }
        Tls::AlertReceived(AlertDescription::UnrecognisedName) => {
            "the server has no certificate for this host; check the address".to_owned()
        }
        Tls::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::BadCertificate,
        ) => "the server asks for a client certificate, which is not supported".to_owned(),
        Tls::AlertReceived(alert) => format!("the server ended TLS with the alert {alert:?}"),
        Tls::NoCertificatesPresented => "the server has no certificate".to_owned(),
        other => format!("TLS failed: {other}"),
    }
}

fn certificate(fault: &CertificateError) -> String {
    use CertificateError as C;
    let said = |what: &str| format!("the certificate {what}");
    match fault {
        C::UnknownIssuer => said(
            "is self-signed, or its CA is not trusted here; add its CA with the setting ca_file",
        ),
        C::BadSignature => said("was not signed by the CA that it names"),
        // The library has a separate type for this fault.
        C::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => said(
            "is self-signed as that of a CA (CA:TRUE), which a server must not use; give the server one that the CA signed, and add the CA with the setting ca_file",
        ),
        C::Expired | C::ExpiredContext { .. } => {
            said("has expired; renew it, or check the clock of this machine")
        }
        C::NotValidYet | C::NotValidYetContext { .. } => {
            said("is not valid yet; check the clock of this machine")
        }
        C::NotValidForName => said("is not for this host; check the address"),
        C::NotValidForNameContext {
            expected,
            presented,
        } => {
            let names: Vec<&str> = presented.iter().take(4).map(|name| shown(name)).collect();
            let names = match names.as_slice() {
                [] => "no name at all".to_owned(),
                names => names.join(", "),
            };
            let host = expected.to_str();
            format!("the certificate is for {names}, not for {host}; check the address")
        }
        C::Revoked => said("was revoked"),
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => said("is not that of a server"),
        C::BadEncoding | C::UnhandledCriticalExtension => {
            said("cannot be read, or has an extension that is not known")
        }
        other => format!("the certificate is refused: {other}"),
    }
}

/// A name in the form of the library: `DnsName("idp.example.com")`.
fn shown(name: &str) -> &str {
    let inner = name
        .split_once('"')
        .and_then(|(_, rest)| rest.split_once('"'));
    inner.map_or(name, |(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    /// An error around another one.
    #[derive(Debug)]
    struct Around(Box<dyn Error + 'static>);

    impl fmt::Display for Around {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "around: {}", self.0)
        }
    }

    impl Error for Around {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    #[test]
    fn it_is_found_wherever_it_is_and_reported_once() {
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let plain = in_plain_words(&unknown()).unwrap();
        assert!(
            plain.starts_with("the certificate is self-signed"),
            "{plain}"
        );
        let once = io::Error::other(unknown());
        let twice = io::Error::other(io::Error::other(unknown()));
        for error in [once, twice] {
            let around = Around(Box::new(Around(Box::new(error))));
            assert_eq!(in_plain_words(&around).as_deref(), Some(plain.as_str()));
        }
        assert_eq!(in_plain_words(&io::Error::other("x")), None);
        assert_eq!(in_plain_words(&Around(Box::new(fmt::Error))), None);
    }

    #[test]
    fn every_fault_of_a_certificate_has_a_sentence() {
        for (fault, words) in [
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidYet, "not valid yet"),
            (CertificateError::NotValidForName, "not for this host"),
            (CertificateError::Revoked, "revoked"),
            (CertificateError::BadSignature, "not signed by the CA"),
            (CertificateError::InvalidPurpose, "not that of a server"),
            (CertificateError::BadEncoding, "cannot be read"),
            (CertificateError::UnknownRevocationStatus, "is refused: "),
        ] {
            let error = rustls::Error::InvalidCertificate(fault);
            let plain = in_plain_words(&error).unwrap();
            assert!(plain.contains(words), "{plain}");
        }
        let alert = rustls::Error::AlertReceived(AlertDescription::InternalError);
        assert!(in_plain_words(&alert).unwrap().contains("InternalError"));
        let alert = rustls::Error::AlertReceived(AlertDescription::ProtocolVersion);
        assert!(in_plain_words(&alert).unwrap().contains("version of TLS"));
    }
}
