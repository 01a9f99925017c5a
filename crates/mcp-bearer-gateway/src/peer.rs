//! Finds the address of the client behind proxies.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The hops that are looked at. Real chains have a handful.
const MOST_HOPS: usize = 32;

/// The client's address: the peer's, or if that is a trusted proxy, the rightmost address of
/// `X-Forwarded-For` that is not one.
///
/// Each proxy adds the address that it saw on the right, so everything left of the first address
/// that is not ours may be invented. An entry that is not an address ends the walk: what is left of
/// it was not written by a proxy of ours either. IPv4-mapped addresses are returned as IPv4.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_trusted(client, trusted) {
        return client;
    }
    let lines = headers.get_all(FORWARDED_FOR).into_iter().rev();
    let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.take(MOST_HOPS) {
        let Some(address) = address(hop) else {
            break;
        };
        client = address;
        if !is_trusted(client, trusted) {
            break;
        }
    }
    client
}

/// An address as `X-Forwarded-For` has it: IPv4-mapped ones as IPv4.
pub(crate) fn address_text(address: IpAddr) -> HeaderValue {
    // An address holds no character that a header cannot.
    HeaderValue::try_from(address.to_canonical().to_string())
        .unwrap_or(HeaderValue::from_static("unknown"))
}

/// Whether it is a proxy of ours.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let plain = text.parse().ok();
    let found: Option<IpAddr> = plain.or_else(in_brackets).or_else(with_port);
    found.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.7";

    fn client(peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8", "192.0.2.9/32"]
            .map(|text| text.parse().unwrap())
            .into();
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append(FORWARDED_FOR, line);
        }
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_name_another_address() {
        assert_eq!(client("203.0.113.5", &["198.51.100.1"]), "203.0.113.5");
        assert_eq!(client("203.0.113.5", &[]), "203.0.113.5");
        assert_eq!(client(PROXY, &["198.51.100.1, 203.0.113.5"]), "203.0.113.5");
        let invented = "10.0.0.1, 192.0.2.9, 203.0.113.5, 10.1.2.3";
        assert_eq!(client(PROXY, &[invented]), "203.0.113.5");
    }

    #[test]
    fn proxies_are_skipped_from_the_right_over_all_lines() {
        assert_eq!(
            client(PROXY, &["203.0.113.5, 10.1.1.1,10.2.2.2"]),
            "203.0.113.5"
        );
        assert_eq!(client(PROXY, &["203.0.113.5", "10.1.1.1"]), "203.0.113.5");
        assert_eq!(
            client(PROXY, &["198.51.100.1", "203.0.113.5"]),
            "203.0.113.5"
        );
        assert_eq!(
            client(PROXY, &["10.1.1.1, 10.2.2.2"]),
            "10.1.1.1",
            "all of them ours"
        );
        assert_eq!(
            client("fd00::1", &["2001:db8::5, 192.0.2.9"]),
            "2001:db8::5"
        );
    }

    #[test]
    fn what_is_not_an_address_ends_the_walk() {
        for bad in [
            "unknown",
            "",
            "203.0.113.5 198.51.100.1",
            "_hidden",
            "1.2.3",
            "[::1",
            "a:80",
        ] {
            let line = format!("203.0.113.5, {bad}, 10.1.1.1");
            assert_eq!(client(PROXY, &[&line]), "10.1.1.1", "{bad}");
            assert_eq!(client(PROXY, &[bad]), PROXY, "{bad}");
        }
        assert_eq!(client(PROXY, &["203.0.113.5\u{e9}"]), PROXY);
    }

    #[test]
    fn ports_and_brackets_are_tolerated() {
        assert_eq!(client(PROXY, &["203.0.113.5:4711"]), "203.0.113.5");
        assert_eq!(client(PROXY, &["[2001:db8::5]:4711"]), "2001:db8::5");
        assert_eq!(client(PROXY, &["[2001:db8::5]"]), "2001:db8::5");
        assert_eq!(client(PROXY, &["\t203.0.113.5 "]), "203.0.113.5");
    }

    #[test]
    fn a_mapped_address_is_ipv4() {
        let text = |address: &str| address_text(address.parse().unwrap());
        assert_eq!(text("::ffff:203.0.113.5"), "203.0.113.5");
        assert_eq!(text("2001:db8::5"), "2001:db8::5");
        assert_eq!(client("::ffff:10.0.0.7", &["203.0.113.5"]), "203.0.113.5");
        assert_eq!(
            client("::ffff:203.0.113.5", &["198.51.100.1"]),
            "203.0.113.5"
        );
        assert_eq!(client(PROXY, &["::ffff:203.0.113.5"]), "203.0.113.5");
    }

    #[test]
    fn a_line_of_a_million_proxies_costs_little() {
        let line = "10.1.1.1,".repeat(1_000_000) + "10.1.1.1";
        let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, line);
        let (peer, trusted) = (PROXY.parse().unwrap(), ["10.0.0.0/8".parse().unwrap()]);
        let before = std::time::Instant::now();
        let found = client_address(peer, &headers, &trusted);
        assert_eq!(found.to_string(), "10.1.1.1");
        assert!(before.elapsed().as_millis() < 500);
    }
}
