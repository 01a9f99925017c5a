//! Which addresses a source may ask: https; http on loopback; more only by options named for their risk.
//! It must never let a redirecting document weaken what the operator configured.

use url::{Host, Url};

use super::is_public_unicast;

/// A longer address is not an issuer's.
const URL_BYTES: usize = 2048;

/// What the operator allows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Transport {
    pub(super) plain: Plain,
    pub(super) guard: Guard,
}

/// Where http without TLS may be spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Plain {
    /// Nowhere.
    Never,
    /// Within the machine.
    #[default]
    Loopback,
    /// Anywhere: whoever stands between can then mint tokens.
    Anywhere,
}

/// Whether addresses must be public.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Guard {
    /// Any address; issuers inside a private network are usual.
    #[default]
    Off,
    /// Public unicast only.
    PublicOnly,
}

impl Transport {
    /// Checks an address against the rules; the error says what is wrong with it.
    pub(super) fn check(self, text: &str) -> Result<Url, String> {
        if text.len() > URL_BYTES {
            return Err(format!("the address is longer than {URL_BYTES} bytes"));
        }
        let url = Url::parse(text).map_err(|error| format!("not an absolute URL: {error}"))?;
        let host = url.host().ok_or("the URL has no host")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL must not contain a user or a password".to_owned());
        }
        if url.fragment().is_some() {
            return Err("the URL must not contain a fragment".to_owned());
        }
        match (url.scheme(), self.plain) {
            ("https", _) | ("http", Plain::Anywhere) => {}
            ("http", Plain::Loopback) if is_loopback(&host) => {}
            ("http", _) => {
                return Err("http is allowed on loopback only; use https".to_owned());
            }
            _ => return Err("the scheme must be https".to_owned()),
        }
        if self.guard == Guard::PublicOnly && !may_be_public(&host) {
            return Err("the SSRF guard is on and the host is not a public address".to_owned());
        }
        Ok(url)
    }

    /// The rules for an address that came in a document from `url`: loopback is no longer a place to go
    /// unless the document came from there.
    pub(super) fn for_addresses_from(self, url: &Url) -> Self {
        let here = url.host().is_some_and(|host| is_loopback(&host));
        let plain = match self.plain {
            Plain::Loopback if !here => Plain::Never,
            plain => plain,
        };
        Self { plain, ..self }
    }
}

/// The address as it may be shown: without user, query and fragment.
pub(super) fn label(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Only fails for addresses that cannot have a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// The same for a text that may be no address at all; such a one is not shown, since nobody knows what is in it.
pub(super) fn label_of(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.has_host() => label(&url),
        _ => "(not a URL with a host)".to_owned(),
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// A name is decided when it is resolved.
fn may_be_public(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let local = name.rsplit('.').next();
            !local.is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
        }
        Host::Ipv4(address) => is_public_unicast((*address).into()),
        Host::Ipv6(address) => is_public_unicast((*address).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Guard, Plain, Transport, label, label_of};

    fn accepts(transport: Transport, url: &str) -> bool {
        transport.check(url).is_ok()
    }

    #[test]
    fn plain_http_is_for_loopback_unless_allowed_by_name() {
        let usual = Transport::default();
        for url in [
            "https://idp.example.com/jwks.json",
            "https://10.0.0.1/jwks.json",
            "http://127.0.0.1:8000/jwks.json",
            "http://127.9.9.9/",
            "http://[::1]:8000/",
            "http://localhost:8000/",
            "http://0x7f.1/",
        ] {
            assert!(accepts(usual, url), "{url}");
        }
        for url in [
            "http://idp.example.com/",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "http://10.0.0.1/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0/",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "data:,x",
            "/jwks.json",
            "",
            "https://user@idp.example.com/",
            "https://user:password@idp.example.com/",
            "https://idp.example.com/#fragment",
        ] {
            assert!(!accepts(usual, url), "{url}");
        }
        assert!(!accepts(
            usual,
            &format!("https://idp.example.com/{}", "a".repeat(2048))
        ));
        let insecure = Transport {
            plain: Plain::Anywhere,
            ..usual
        };
        assert!(accepts(insecure, "http://idp.example.com/"));
    }

    #[test]
    fn the_guard_looks_at_literal_addresses_in_every_spelling() {
        let guarded = Transport {
            guard: Guard::PublicOnly,
            ..Transport::default()
        };
        for url in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://017700000001/",
            "https://127.1/",
            "https://127.0.0.1./",
            "https://[::ffff:10.0.0.1]/",
            "https://localhost/",
            "https://localhost./",
            "https://a.localhost/",
            "https://169.254.169.254/latest",
            "https://[fd00::1]/",
        ] {
            assert!(!accepts(guarded, url), "{url}");
        }
        assert!(accepts(guarded, "https://1.1.1.1/"));
        assert!(accepts(guarded, "https://idp.example.com/"));
    }

    #[test]
    fn a_document_from_elsewhere_cannot_point_to_loopback_http() {
        let usual = Transport::default();
        let far = usual.check("https://idp.example.com/").unwrap();
        let near = usual.check("http://127.0.0.1:9/").unwrap();
        assert!(!accepts(
            usual.for_addresses_from(&far),
            "http://127.0.0.1/jwks"
        ));
        assert!(accepts(
            usual.for_addresses_from(&far),
            "https://keys.example.com/jwks"
        ));
        assert!(accepts(
            usual.for_addresses_from(&near),
            "http://127.0.0.1/jwks"
        ));
    }

    #[test]
    fn labels_show_no_query() {
        let url = Transport::default()
            .check("https://idp.example.com/jwks?apikey=secret")
            .unwrap();
        assert_eq!(label(&url), "https://idp.example.com/jwks");
    }

    #[test]
    fn of_a_text_no_more_than_an_address_is_shown() {
        assert_eq!(
            label_of("http://user:secret@idp.example.com:8080/jwks?key=secret#secret"),
            "http://idp.example.com:8080/jwks"
        );
        for text in [
            "user:secret@idp.example.com:3128",
            "secret@idp.example.com",
            "/jwks?key=secret",
            "data:,secret",
            "",
        ] {
            assert_eq!(label_of(text), "(not a URL with a host)", "{text}");
        }
    }
}
