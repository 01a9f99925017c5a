//! Which addresses a source may use: https, http on loopback, and more only by options named for
//! their risk. With the SSRF guard: public unicast addresses only.
//!
//! A discovery document never weakens what the operator configured, and the guard refuses an
//! address whose purpose it does not know. Source of the ranges: the IANA special-purpose address
//! registries (RFC 6890 and its updates).

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
    /// Anyone on the path can then replace the keys and mint tokens.
    Anywhere,
}

/// Whether addresses must be public.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::keys) enum SsrfGuard {
    /// Any address; issuers inside a private network are common.
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

/// The same for a text that may not be an address; then nothing of it is shown, because any part of
/// it may be a secret.
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

/// Names pass here; they are checked when they are resolved.
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
/// forms. An address in a public range at which a cloud answers only its own machines
/// (168.63.129.16 in Azure) is not.
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

/// What a cloud serves to its own machines at an address in a public range: Azure's platform
/// channel (the metadata services of other clouds are at addresses that are not public anyway).
const AZURE_PLATFORM: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)                 // this network, private, loopback
            | (100, 64..=127, _)             // shared (carrier-grade NAT), RFC 6598; Alibaba's metadata
            | (169, 254, _)                  // link-local, cloud metadata services
            | (172, 16..=31, _)              // private
            | (192, 0, 0 | 2)                // protocol assignments (Oracle's metadata), documentation
            | (192, 168, _)                  // private
            | (192, 88, 99)                  // 6to4 relay anycast, RFC 7526
            | (192, 31, 196)                 // AS112, RFC 7535
            | (192, 52, 193)                 // AMT, RFC 7450
            | (192, 175, 48)                 // AS112, RFC 7534
            | (198, 18..=19, _)              // benchmarks, RFC 2544
            | (198, 51, 100)                 // documentation
            | (203, 0, 113)                  // documentation
            | (224..=255, _, _) // multicast, reserved, broadcast
    );
    !special && address != AZURE_PLATFORM
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
mod tests;
