use std::net::IpAddr;

use super::{AddressRules, PlainHttp, SsrfGuard, is_public_unicast, label, label_of};

fn accepts(rules: AddressRules, url: &str) -> bool {
    rules.check(url).is_ok()
}

fn guarded() -> AddressRules {
    AddressRules {
        guard: SsrfGuard::PublicOnly,
        ..AddressRules::default()
    }
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
        assert!(!accepts(guarded(), url), "{url}");
    }
    assert!(accepts(guarded(), "https://1.1.1.1/"));
    assert!(accepts(guarded(), "https://idp.example.com/"));
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

/// Where clouds provide credentials and configuration to their own machines.
const OF_CLOUDS: [&str; 14] = [
    "169.254.169.254",   // AWS, Azure, Google, Oracle, DigitalOcean, Hetzner, OpenStack
    "169.254.170.2",     // AWS ECS
    "169.254.170.23",    // AWS EKS
    "169.254.0.23",      // Tencent
    "169.254.42.42",     // Scaleway
    "168.63.129.16",     // Azure, in a public range
    "100.100.100.200",   // Alibaba
    "192.0.0.192",       // Oracle
    "fd00:ec2::254",     // AWS
    "fd00:ec2::23",      // AWS EKS
    "fd20:ce::254",      // Google
    "fd00:42::42",       // Scaleway
    "fd00:a9fe:a9fe::1", // Linode
    "fe80::a9fe:a9fe",   // OpenStack
];

#[test]
fn metadata_services_of_clouds_are_refused_in_every_form() {
    let mut seen = 0;
    for address in OF_CLOUDS {
        let address: IpAddr = address.parse().unwrap();
        assert!(!is_public_unicast(address), "{address}");
        let IpAddr::V4(v4) = address else { continue };
        let [[a, b], [c, d]] = [[0, 1], [2, 3]].map(|half| half.map(|index| v4.octets()[index]));
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        for form in [
            format!("::ffff:{v4}"),
            format!("::{v4}"),
            format!("::ffff:0:{v4}"),
            format!("64:ff9b::{v4}"),
            format!("64:ff9b:1::{v4}"),
            format!("2002:{high:x}:{low:x}::1"),
            format!("2001:0:{high:x}:{low:x}:0:0:f7f7:f7f7"),
            format!("2001:0:808:808:0:0:{:x}:{:x}", !high, !low),
            format!("2606:4700::5efe:{v4}"),
            format!("2606:4700::200:5efe:{v4}"),
        ] {
            let address: IpAddr = form.parse().unwrap();
            assert!(!is_public_unicast(address), "{form}");
            assert!(!accepts(guarded(), &format!("https://[{form}]/")), "{form}");
            seen += 1;
        }
        let number = u32::from(v4);
        for spelling in [
            format!("{number}"),
            format!("0x{number:x}"),
            format!("0{number:o}"),
            format!("{v4}."),
        ] {
            assert!(
                !accepts(guarded(), &format!("https://{spelling}/")),
                "{spelling}"
            );
        }
    }
    assert_eq!(seen, 80);
    for neighbour in [
        "168.63.129.15",
        "168.63.129.17",
        "168.63.128.16",
        "169.63.129.16",
    ] {
        assert!(is_public_unicast(neighbour.parse().unwrap()), "{neighbour}");
    }
}
