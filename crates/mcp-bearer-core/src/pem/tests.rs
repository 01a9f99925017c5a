//! Public keys as found in files (RFC 7468). Everything here was made once with openssl; the
//! private halves are the test keys under `vectors/keys`, or were thrown away.

use mcp_bearer_testkit::{SigningKey, vectors};

use crate::signature::VerifyingKey;

const CERTIFICATE_RSA_A: &str = "-----BEGIN CERTIFICATE-----
MIIDCzCCAfOgAwIBAgIUXSeGh8el4NC9ar+BtkGJANPWGoAwDQYJKoZIhvcNAQEL
BQAwFTETMBEGA1UEAwwKdGVzdCByc2EtYTAeFw0yNjExMjIyMTM4MzVaFw0zNjEx
MTkyMTM4MzVaMBUxEzARBgNVBAMMCnRlc3QgcnNhLWEwggEiMA0GCSqGSIb3DQEB
AQUAA4IBDwAwggEKAoIBAQCK5rz7bYjjP3EuE0FYJuRmPe4HUp3YyCd5wEWMQp1N
CyZ/G7DT3wSRcrQPLMBihG+Sdc0NcfFqGV8D+qW146XQnf8UrA3KD1OiIRYO3ayw
/AbnWz5FCFOmT6+OOc9uzi5dW5xJ/N7rrsmssCnLp6WjNnuN/UJr4Uapm1T1Rj6j
PML3xICPlUHRmxMZvd+v/cyDGMxM7qcTmObGKP5Bk2VfJzXQIo8II3jL46fP7w7E
ErwPl9BPV5Vtf55CZE7O0w8FpufCXpR3xv5haMBG6aceqsJx1k35GdJbBASxEaZD
Kzsj2UTTJkseIvfNKTYAsMmc/K+uXdIQf5Q0W68GY5z9AgMBAAGjUzBRMB0GA1Ud
DgQWBBS4HwR7EKtyp2qc0Xcp3xnHm+eiLjAfBgNVHSMEGDAWgBS4HwR7EKtyp2qc
0Xcp3xnHm+eiLjAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQBW
kG7UBSulk7z5XoLs5fx6oHVYnh2pN7kHnDwqhUaQBJakVZ2T46sMtqwfH7HU8bOY
DeWRSjAqo/bL7FTuOAp2Oz1CjiWQjHoNqtvrPj6ZhIpf7xYCFF7Ix1G8Ch1oGeM1
NG7lQslawclJToJ4NpPlKXc8PId84RP7NDQZP+0gIbCiCwU4H9t0tjKvqjseJ5RO
ewGMddPM9U+wsNVA7U+/+/5AawjoY+g0K9MNfD9vdcsWS959YHSvj8si49eJW1z2
2EO0/Rjr7Uw8c2iBjl9T8qlni+4kkIosDrGCBNYWKDkh0So9fwEC/6nCiru7woxg
gaLnUSoDjDmInxD/u+b9
-----END CERTIFICATE-----";

const CERTIFICATE_P256_A: &str = "-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIUUjZ+1lQsX219rcp8dtzaI/Q8oUEwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLdGVzdCBwMjU2LWEwHhcNMjYxMTIyMjEzODM1WhcNMzYxMTE5
MjEzODM1WjAWMRQwEgYDVQQDDAt0ZXN0IHAyNTYtYTBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABLney9vaaUn8GueuUnpqc/Ic5VMU71IJnTUg9wNy04efWTcZKZQ1
AT3wPcbNHlbnkMCs02zmIIZ05c34iHY4p2mjUzBRMB0GA1UdDgQWBBSW3rr647U7
57OztrOUCPbCIpRLSjAfBgNVHSMEGDAWgBSW3rr647U757OztrOUCPbCIpRLSjAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDFZjyRSyPoUDiV6Q5n
OCgUdmyY32Jh5hE0ejcPWclbhQIgQV/X8JsmTIO1ANvEgQbf9zGT53Tw0jORXe3m
L5iLzt4=
-----END CERTIFICATE-----";

const CERTIFICATE_P384_A: &str = "-----BEGIN CERTIFICATE-----
MIIBvjCCAUSgAwIBAgIUEO+Y10YR8rbSTVquHfu7P4oVqxswCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLdGVzdCBwMzg0LWEwHhcNMjYxMTIyMjEzODM1WhcNMzYxMTE5
MjEzODM1WjAWMRQwEgYDVQQDDAt0ZXN0IHAzODQtYTB2MBAGByqGSM49AgEGBSuB
BAAiA2IABGcWPkIG/gVaOY7xkgCcu/OJrxqyT+WtIHdh0lCmiLteEoEGe6XFecci
stLFsqLPUmvx2U+4oNtnROt64EbMsVSvaowGrvbhvEnNDyuqBZNyvhOGkFhJowh8
YOY16B6uiqNTMFEwHQYDVR0OBBYEFJNBW2aUxy8c9qASOJiMuc7wJ/u+MB8GA1Ud
IwQYMBaAFJNBW2aUxy8c9qASOJiMuc7wJ/u+MA8GA1UdEwEB/wQFMAMBAf8wCgYI
KoZIzj0EAwIDaAAwZQIwMeYOmTpx7GYpXtOpxhhRj1fjYScgwN1+L4evYtHoXxes
FIxq+BimI3h+W5S+59FGAjEA3RybmHSpNq/LpFf6QRsKc1KTKNn9y0yIeNiroWpP
i5FfE/vzfhZsHP5ggDPHw6Yu
-----END CERTIFICATE-----";

const CERTIFICATE_P521_A: &str = "-----BEGIN CERTIFICATE-----
MIICCTCCAWqgAwIBAgIUX9tsqEf/mu+56RGocOhDGA2/yAswCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLdGVzdCBwNTIxLWEwHhcNMjYxMTIyMjEzODM1WhcNMzYxMTE5
MjEzODM1WjAWMRQwEgYDVQQDDAt0ZXN0IHA1MjEtYTCBmzAQBgcqhkjOPQIBBgUr
gQQAIwOBhgAEAIKcHtR0D0XDtIc22KzUS/10tR3dXG8+Cr7pV+3s3cG92fOhRCY/
GZ2RP8UpYPijhUb9Eqs8wtVhbPyKxPS2wyL/AV48GdtFIcwCxsbi8ufItJmErCVd
R4bRl0lwC6UuvHFO8XBDJj6V/jCOC/53UWSdkgLQ1V0ofqhY9KDNqZvAlm3To1Mw
UTAdBgNVHQ4EFgQU3UVxbQfZXvblVWJoUFta55UevW4wHwYDVR0jBBgwFoAU3UVx
bQfZXvblVWJoUFta55UevW4wDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgOB
jAAwgYgCQgHBI3ifPrT0MmhJ6bWpOyJB3rkJpv8JWiR2I3IdkfF7YxeO7L9f2YJl
AKzAZrNXg58LZm2R/iz9LJ7DTcSgsDsbQQJCAc493zXIgiLkM9KZMXQ3ZW2sqOPv
WPmxOqFKKTlSwL/HIdGtyB01WqJisUNVaZXvvMWPjAT5+qKGblbdzLH0OH/H
-----END CERTIFICATE-----";

const CERTIFICATE_ED25519_A: &str = "-----BEGIN CERTIFICATE-----
MIIBRjCB+aADAgECAhQuG/ceMPZZ/UypB2oQ2HUTa6Y8LDAFBgMrZXAwGTEXMBUG
A1UEAwwOdGVzdCBlZDI1NTE5LWEwHhcNMjYxMTIyMjEzODM1WhcNMzYxMTE5MjEz
ODM1WjAZMRcwFQYDVQQDDA50ZXN0IGVkMjU1MTktYTAqMAUGAytlcAMhAGlODQJ9
SLWF8HAi2dsxgPjbimp+hmHelf46TtVBiHqao1MwUTAdBgNVHQ4EFgQUGhYffG++
g8B0Y9GQHvbr3qefUFYwHwYDVR0jBBgwFoAUGhYffG++g8B0Y9GQHvbr3qefUFYw
DwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQBay/u70rqKRn9r5aBh9jlhJ0ZTILR+
7HtmMuPIJqz2Q+WaqMwe/qkQu/JSje/AtGwYgN+Lb5rRrtJ9uDbRU2YJ
-----END CERTIFICATE-----";

const SECP256K1: &str = "-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEj/xLBHjl1srw4zgfIctATWW2XQW7WBSV
qyixZogNaVjfjQ9inY9lfx+Dygu2ZlvEoMk+aDo/YEMWdCD1cLfsUg==
-----END PUBLIC KEY-----";

/// An RSA key for PSS alone (RFC 4055), which RFC 7518 does not use.
const RSA_PSS_OID: &str = "-----BEGIN PUBLIC KEY-----
MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBANZUyr0SUzQHAq2UrOuVHYrB
hlTazK17oIzj1bGrRfxocX6pgIMyvoQJPlPkoupP+yDsIjOyDZCV4FUGRA0iSsAj
CWdK23n/Fq39GG83FkygLEbLu8rrlpQ69Hx/g7eyJXB+axV7ZGWMPmLWJahp3HLR
KGEqQVSwenhz6r5lDtCV+B47ic9bdw9k0E8zyWbgAdU4+B3WcLOni9dHSwLqjZIP
DWMgFBHF1f9BSlTYaaFZgFUr4Wt59IkO4QQ/gQcXBg6zVsHMSxqgVK89mk9f7S58
JrPdFRb/6soLYb12wVCDY4MRbHj95Mkt+/HNQfe5se5/m4KqVJuaDORrCZWDLxcC
AwEAAQ==
-----END PUBLIC KEY-----";

const X25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VuAyEAyblHiQolgUBjsTOnLJ8wrC5F/oi59kvpYSyD0YD0UmQ=
-----END PUBLIC KEY-----";

const ED448: &str = "-----BEGIN PUBLIC KEY-----
MEMwBQYDK2VxAzoAwU4thS0chmDPY77yKhcDpgAMY2MGWzxVIpN5ngdpTDKnkCbw
T9ipEFinIrDF3WRckffYZZdiuPSA
-----END PUBLIC KEY-----";

const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC5sUxdHyDvcA97ipkzj8vQvm90
/BNISAzMuWfaIkHHPgvyDZB5toKP/9Tz6M454//hf8oQDqff1EkJP85lAEsHXMeq
I0UPb6ERfDma6Ea0vrf1EOT1hau37floXJyjgLgF1hYxss5/gFwbkKgev/IWF0eY
Z2vJfDy78wGg+kCZywIDAQAB
-----END PUBLIC KEY-----";

/// The point compressed, which RFC 5480 makes optional.
const P256_COMPRESSED: &str = "-----BEGIN PUBLIC KEY-----
MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADud7L29ppSfwa565Sempz8hzlUxTv
UgmdNSD3A3LTh58=
-----END PUBLIC KEY-----";

/// The curve given by its parameters, which RFC 5480 forbids.
const P256_EXPLICIT: &str = "-----BEGIN PUBLIC KEY-----
MIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAA
AAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA////
///////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSd
NgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5
RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA
//////////+85vqtpxeehPO5ysL8YyVRAgEBA0IABLney9vaaUn8GueuUnpqc/Ic
5VMU71IJnTUg9wNy04efWTcZKZQ1AT3wPcbNHlbnkMCs02zmIIZ05c34iHY4p2k=
-----END PUBLIC KEY-----";

fn test_key(name: &str) -> SigningKey {
    let path = vectors::folder().join("keys").join(format!("{name}.pem"));
    SigningKey::from_pkcs8_pem(&std::fs::read_to_string(path).unwrap())
}

fn refused(text: &str) -> String {
    VerifyingKey::from_pem(text).unwrap_err().to_string()
}

#[test]
fn a_certificate_gives_the_key_inside() {
    for (name, certificate) in [
        ("rsa-a", CERTIFICATE_RSA_A),
        ("p256-a", CERTIFICATE_P256_A),
        ("p384-a", CERTIFICATE_P384_A),
        ("p521-a", CERTIFICATE_P521_A),
        ("ed25519-a", CERTIFICATE_ED25519_A),
    ] {
        let plain = VerifyingKey::from_pem(&test_key(name).public_pem()).unwrap();
        assert_eq!(
            VerifyingKey::from_pem(certificate).unwrap(),
            plain,
            "{name}"
        );
    }
}

#[test]
fn spki_and_pkcs1_are_the_same_key() {
    let key = test_key("rsa-a");
    let spki = VerifyingKey::from_pem(&key.public_pem()).unwrap();
    let pkcs1 = VerifyingKey::from_pem(&key.public_pkcs1_pem()).unwrap();
    assert_eq!(spki, pkcs1);
    assert_eq!(spki.describe(), "RSA 2048 bits");
}

#[test]
fn white_space_around_the_block_and_crlf_do_no_harm() {
    let pem = test_key("p256-a").public_pem();
    let plain = VerifyingKey::from_pem(&pem).unwrap();
    for text in [
        format!("\n \t{pem}\n\n"),
        format!("\u{feff}{pem}"),
        pem.replace('\n', "\r\n"),
        pem.trim_end().to_owned(),
    ] {
        assert_eq!(VerifyingKey::from_pem(&text).unwrap(), plain, "{text}");
    }
}

#[test]
fn anything_beside_the_one_block_is_refused() {
    let key = test_key("p256-a");
    let (pem, private) = (key.public_pem(), key.private_pem());
    let lost_end = private.replace("-----END PRIVATE KEY-----", "");
    let body = |text: &str| -> String { text.lines().filter(|line| !line.contains('-')).collect() };
    for (name, text) in [
        (
            "words in front",
            format!("Bag Attributes\n  friendlyName: x\n{pem}"),
        ),
        ("words behind", format!("{pem}the key of the issuer\n")),
        ("a comment", format!("# from the issuer\n{pem}")),
        (
            "a block without its end",
            format!("{pem}-----BEGIN PUBLIC KEY-----\nAAAA\n"),
        ),
        (
            "a block without its end in front",
            format!("-----BEGIN X-----\nAAAA\n{pem}"),
        ),
        (
            "a block without its begin",
            format!("{pem}AAAA\n-----END PUBLIC KEY-----\n"),
        ),
        ("a private body", format!("{pem}{}\n", body(&private))),
        (
            "a header",
            pem.replacen("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1),
        ),
        ("a NUL", format!("{pem}\0")),
        ("JSON", format!("{pem}{{\"kty\":\"EC\"}}")),
    ] {
        let why = refused(&text);
        assert!(
            why.contains("beside") || why.contains("not PEM"),
            "{name}: {why}"
        );
    }
    for (name, text) in [
        (
            "a private block without its end, behind",
            format!("{pem}{lost_end}"),
        ),
        (
            "a private block without its end, in front",
            format!("{lost_end}{pem}"),
        ),
        (
            "a private block without its begin",
            format!("{pem}AAAA\n-----END PRIVATE KEY-----\n"),
        ),
        ("a private block alone, without its end", lost_end.clone()),
    ] {
        assert!(
            refused(&text).contains("private key"),
            "{name}: {}",
            refused(&text)
        );
    }
}

#[test]
fn private_keys_are_refused_and_never_shown() {
    for name in ["rsa-a", "p256-a", "p521-a", "ed25519-a"] {
        let pem = test_key(name).private_pem();
        let why = refused(&pem);
        assert!(
            why.contains("private key") && why.contains("openssl pkey -pubout"),
            "{why}"
        );
        for line in pem.lines().skip(1) {
            assert!(!why.contains(line));
        }
    }
    for tag in [
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "PRIVATE KEY",
    ] {
        let why = refused(&format!(
            "-----BEGIN {tag}-----\nAAAA\n-----END {tag}-----\n"
        ));
        assert!(why.contains("private key"), "{tag}: {why}");
    }
}

#[test]
fn exactly_one_block_is_read() {
    let (one, other) = (
        test_key("rsa-a").public_pem(),
        test_key("p256-a").public_pem(),
    );
    assert!(refused(&format!("{one}{other}")).contains("more than one"));
    assert!(refused(&format!("{one}{one}")).contains("more than one"));
    assert!(refused(&format!("{one}{}", test_key("rsa-a").private_pem())).contains("private key"));
    assert!(refused("").contains("no PEM block"));
    assert!(refused("{\"keys\":[]}").contains("no PEM block"));
    assert!(refused(&"x".repeat(70_000)).contains("64 KiB"));
}

#[test]
fn other_blocks_and_other_keys_are_refused_with_their_reason() {
    for (text, why) in [
        (
            "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
            "neither a PUBLIC KEY",
        ),
        (
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "not a DER SubjectPublicKeyInfo",
        ),
        (
            "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n",
            "not a DER RSAPublicKey",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "not a DER certificate",
        ),
        (SECP256K1, "the curve is none of"),
        (RSA_PSS_OID, "none of RSA, EC and Ed25519"),
        (X25519, "none of RSA, EC and Ed25519"),
        (ED448, "none of RSA, EC and Ed25519"),
        (RSA_1024, "1024 bits"),
        (P256_COMPRESSED, "not uncompressed"),
        (P256_EXPLICIT, "not a DER SubjectPublicKeyInfo"),
    ] {
        assert!(refused(text).contains(why), "{why}: {}", refused(text));
    }
}

#[test]
fn a_key_under_the_label_of_another_form_is_refused() {
    let key = test_key("rsa-a");
    let relabel = |pem: &str, from: &str, to: &str| pem.replace(from, to);
    assert!(
        VerifyingKey::from_pem(&relabel(&key.public_pkcs1_pem(), "RSA PUBLIC", "PUBLIC")).is_err()
    );
    assert!(VerifyingKey::from_pem(&relabel(&key.public_pem(), "PUBLIC", "RSA PUBLIC")).is_err());
    assert!(
        VerifyingKey::from_pem(&relabel(CERTIFICATE_RSA_A, "CERTIFICATE", "PUBLIC KEY")).is_err()
    );
    assert!(VerifyingKey::from_pem(&relabel(&key.private_pem(), "PRIVATE", "PUBLIC")).is_err());
}

#[test]
fn cut_and_changed_text_never_panics_and_never_gives_another_key() {
    let pem = test_key("p256-a").public_pem();
    let plain = VerifyingKey::from_pem(&pem).unwrap();
    for end in 0..pem.len() {
        let _ = VerifyingKey::from_pem(&pem[..end]).map(|key| assert_eq!(key, plain));
    }
    for at in 0..pem.len() {
        for byte in [b'A', b'=', b'-', b'\n', b' ', b'/'] {
            let mut bytes = pem.clone().into_bytes();
            bytes[at] = byte;
            // A changed point is off the curve; a change elsewhere may only be one of spelling.
            let _ = VerifyingKey::from_pem(std::str::from_utf8(&bytes).unwrap())
                .map(|key| assert_eq!(key, plain));
        }
    }
}
