//! Which addresses of the internet anyone may be sent to: public unicast, and nothing that hides another.
//! It must never let an address through because it does not know what it is for.
//!
//! Source of the ranges: the IANA special-purpose address registries (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the address is public unicast, also as seen through IPv4-mapped, NAT64, 6to4 and Teredo forms.
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
        // IPv4-compatible and IPv4-mapped, and everything else of the all-zero beginning (::, ::1).
        (0, _) if (b, c, d, e, f) == (0, 0, 0, 0, 0xffff) => is_public_v4(embedded(g, h)),
        (0, _) => false,
        // NAT64: the well-known prefix carries the address; the local one (RFC 8215) is for private use.
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
        // Global unicast is 2000::/3; all else is local, multicast or not allotted.
        _ => (a & 0xe000) == 0x2000,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
    Ipv4Addr::new(a, b, c, d)
}

/// Resolves names for the HTTP client and yields public addresses only, so that the connection can only
/// go to an address that was checked.
#[cfg(feature = "remote")]
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicResolver;

#[cfg(feature = "remote")]
impl reqwest::dns::Resolve for PublicResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found
                .filter(|address| is_public_unicast(address.ip()))
                .collect();
            if public.is_empty() {
                return Err("the SSRF guard is on and the name has no public address".into());
            }
            let addresses: reqwest::dns::Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::is_public_unicast;

    #[cfg(feature = "remote")]
    #[tokio::test]
    async fn a_name_without_a_public_address_does_not_resolve() {
        use reqwest::dns::Resolve;
        let resolving = super::PublicResolver.resolve("localhost".parse().unwrap());
        let error = resolving.await.err().unwrap();
        assert!(error.to_string().contains("SSRF guard"), "{error}");
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
