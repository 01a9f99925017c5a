//! Which addresses a source may ask: https, http on loopback, and more only by options named for
//! their risk. With the SSRF guard: public unicast addresses only.
//!
//! A discovery document never weakens what the operator configured, and the guard lets no address
//! pass because it does not know what it is for. Source of the ranges: the IANA special-purpose
//! address registries (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// A longer address is refused.
const URL_BYTES: usize = 2048;

/// What the operator allows.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::keys) struct AddressRules {
    pub(in crate::keys) plain_http: PlainHttp,
    pub(in crate::keys) guard: SsrfGuard,
}

/// Where http without TLS is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::keys) enum PlainHttp {
    Never,
    #[default]
    OnLoopback,
    /// Anyone on the way can then replace the keys and mint tokens.
    Anywhere,
}

/// Whether addresses must be public.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::keys) enum SsrfGuard {
    /// Any address; issuers inside a private network are usual.
    #[default]
    Off,
    PublicOnly,
}

impl AddressRules {
    /// Checks an address against the rules; the error says what is wrong with it.
    pub(in crate::keys) fn check(self, text: &str) -> Result<Url, String> {
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
        match (url.scheme(), self.plain_http) {
            ("https", _) | ("http", PlainHttp::Anywhere) => {}
            ("http", PlainHttp::OnLoopback) if is_loopback(&host) => {}
            ("http", _) => {
                return Err("http is allowed on loopback only; use https".to_owned());
            }
            _ => return Err("the scheme must be https".to_owned()),
        }
        if self.guard == SsrfGuard::PublicOnly && !may_be_public(&host) {
            return Err("the SSRF guard is on and the host is not a public address".to_owned());
        }
        Ok(url)
    }

    /// The rules for an address in a document from `url`: http on loopback is allowed only if the
    /// document came from there.
    pub(in crate::keys) fn for_addresses_from(self, url: &Url) -> Self {
        let local = url.host().is_some_and(|host| is_loopback(&host));
        let plain_http = match self.plain_http {
            PlainHttp::OnLoopback if !local => PlainHttp::Never,
            plain_http => plain_http,
        };
        Self { plain_http, ..self }
    }
}

/// The address as it may be logged: without user, query and fragment.
pub(in crate::keys) fn label(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Only fails for addresses that cannot have a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// The same for a text that may be no address at all; then nothing of it is shown, because it may
/// hold a secret anywhere.
pub(in crate::keys) fn label_of(text: &str) -> String {
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

/// A name passes here; it is decided when it is resolved.
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

/// Whether the address is public unicast, also as seen through IPv4-mapped, NAT64, 6to4 and Teredo
/// forms.
///
/// ```
/// use mcp_bearer::keys::is_public_unicast;
/// assert!(is_public_unicast("1.1.1.1".parse()?));
/// assert!(!is_public_unicast("169.254.169.254".parse()?));
/// assert!(!is_public_unicast("64:ff9b::7f00:1".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn is_public_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)                 // this network, private, loopback
            | (100, 64..=127, _)             // shared (carrier-grade NAT), RFC 6598
            | (169, 254, _)                  // link-local, cloud metadata services
            | (172, 16..=31, _)              // private
            | (192, 0, 0 | 2)                // IETF protocol assignments (RFC 6890), documentation
            | (192, 168, _)                  // private
            | (192, 88, 99)                  // 6to4 relay anycast, RFC 7526
            | (192, 31, 196)                 // AS112, RFC 7535
            | (192, 52, 193)                 // AMT, RFC 7450
            | (192, 175, 48)                 // AS112, RFC 7534
            | (198, 18..=19, _)              // benchmarks, RFC 2544
            | (198, 51, 100)                 // documentation
            | (203, 0, 113)                  // documentation
            | (224..=255, _, _) // multicast, reserved, broadcast
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    match (a, b) {
        // IPv4-mapped. Nothing else that begins with zeros is public (::, ::1, IPv4-compatible).
        (0, _) if (b, c, d, e, f) == (0, 0, 0, 0, 0xffff) => is_public_v4(embedded(g, h)),
        (0, _) => false,
        // NAT64: the well-known prefix carries the address; the other one (RFC 8215) is private.
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => is_public_v4(embedded(g, h)),
        // Teredo (RFC 4380): the server's address, and the client's with its bits inverted.
        (0x2001, 0) => is_public_v4(embedded(c, d)) && is_public_v4(embedded(!g, !h)),
        // The rest of 2001::/23: protocol assignments, benchmarks, ORCHID.
        (0x2001, 0..=0x01ff) => false,
        // Documentation.
        (0x2001, 0x0db8) => false,
        (0x3fff, 0..=0x0fff) => false,
        // 6to4.
        (0x2002, _) => is_public_v4(embedded(b, c)),
        // AS112 (RFC 7534) and its direct delegation.
        (0x2620, 0x4f) if c == 0x8000 => false,
        // An interface identifier made from an IPv4 address by ISATAP (RFC 5214).
        _ if (a & 0xe000) == 0x2000 && matches!((e, f), (0 | 0x0200, 0x5efe)) => {
            is_public_v4(embedded(g, h))
        }
        // Global unicast is 2000::/3; all else is local, multicast or unassigned.
        _ => (a & 0xe000) == 0x2000,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::{AddressRules, PlainHttp, SsrfGuard, is_public_unicast, label, label_of};

    fn accepts(rules: AddressRules, url: &str) -> bool {
        rules.check(url).is_ok()
    }

    #[test]
    fn plain_http_is_for_loopback_unless_allowed_by_name() {
        let usual = AddressRules::default();
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
        let insecure = AddressRules {
            plain_http: PlainHttp::Anywhere,
            ..usual
        };
        assert!(accepts(insecure, "http://idp.example.com/"));
    }

    #[test]
    fn the_guard_looks_at_literal_addresses_in_every_spelling() {
        let guarded = AddressRules {
            guard: SsrfGuard::PublicOnly,
            ..AddressRules::default()
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
        let usual = AddressRules::default();
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
        let url = AddressRules::default()
            .check("https://idp.example.com/jwks?apikey=secret")
            .unwrap();
        assert_eq!(label(&url), "https://idp.example.com/jwks");
    }

    #[test]
    fn a_text_that_is_no_address_is_not_shown() {
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

    #[test]
    fn public_unicast_addresses_pass() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2001:200::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2001:0:808:808:0:0:f7f7:f7f7",
        ] {
            assert!(is_public_unicast(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.2.1",
            "192.31.196.1",
            "192.52.193.1",
            "192.175.48.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:8.8.8.8",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "100:0:0:1::1",
            "2001:0:7f00:1:0:0:f7f7:f7f7",
            "2001:0:808:808:0:0:80ff:fffe",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "3fff::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "2002:a9fe:a9fe::",
            "2620:4f:8000::1",
            "2606:4700::5efe:127.0.0.1",
            "2606:4700::200:5efe:10.0.0.1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public_unicast(address.parse().unwrap()), "{address}");
        }
    }
}
