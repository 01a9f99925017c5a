//! No form of a key is accepted as a secret, in any wrapping; and secrets are.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use mcp_bearer_testkit::SigningKey;
use serde_json::{Value, json};

use super::{check, weakness};

/// A key as written by people and programs.
fn forms(key: &SigningKey) -> Vec<(String, Vec<u8>)> {
    let (pem, der, jwk) = (key.public_pem(), key.public_der(), key.jwk());
    let (jwk_text, private) = (jwk.to_string(), key.private_pem());
    let without = |text: &str, line: &str| -> String {
        let kept = text.lines().filter(|kept| !kept.contains(line));
        kept.map(|line| format!("{line}\n")).collect()
    };
    let body = without(&pem, "-----");
    let mut escaped = jwk_text.clone();
    for (name, spelling) in [("kty", r"\u006bty"), ("kid", r"k\u0069d"), ("n", r"\u006e")] {
        escaped = escaped.replace(&format!("\"{name}\""), &format!("\"{spelling}\""));
    }
    for (name, spelling) in [("x", r"\u0078"), ("e", r"\u0065"), ("crv", r"\u0063rv")] {
        escaped = escaped.replace(&format!("\"{name}\""), &format!("\"{spelling}\""));
    }
    let wire = ssh_wire(&jwk, key);
    let line = STANDARD.encode(&wire);
    let name = String::from_utf8(wire[4..4 + usize::from(wire[3])].to_vec()).unwrap();
    let texts = [
        ("PEM", pem.clone()),
        ("PEM of a private key", private.clone()),
        ("PEM in one line", pem.replace('\n', " ")),
        ("PEM with \\n", pem.replace('\n', "\\n")),
        (
            "PEM with \\r\\n in quotes",
            format!("{:?}", pem.replace('\n', "\r\n")),
        ),
        (
            "PEM in lower case marks",
            pem.replace("BEGIN", "begin").replace("END", "end"),
        ),
        ("PEM with four dashes", pem.replace("-----", "----")),
        ("PEM without dashes", pem.replace('-', "")),
        ("PEM without its BEGIN line", without(&pem, "BEGIN")),
        ("PEM without its END line", without(&pem, "END")),
        ("PEM in a variable", format!("KEY='{pem}'")),
        ("the body of PEM", body.clone()),
        ("the body of PEM without padding", body.replace('=', "")),
        (
            "the body of PEM with a letter too many",
            format!("{}A", body.trim().replace('=', "")),
        ),
        (
            "the body of PEM in quotes",
            format!("{:?}", body.replace('\n', "")),
        ),
        ("the body of PEM with \\n", body.replace('\n', "\\n")),
        ("the body of a private key", without(&private, "-----")),
        ("JWK", jwk_text.clone()),
        (
            "JWK with spaces",
            format!(" {{ {}", jwk_text[1..].replace(':', " : ")),
        ),
        ("JWK in upper case", jwk_text.to_uppercase()),
        ("JWK with escaped names", escaped),
        ("JWK with single quotes", jwk_text.replace('"', "'")),
        (
            "JWK as YAML",
            jwk_text.replace(['"', '{', '}'], "").replace(',', "\n"),
        ),
        (
            "JWK as a JSON string",
            Value::String(jwk_text.clone()).to_string(),
        ),
        ("JWK Set", json!({ "keys": [jwk] }).to_string()),
        (
            "JWK Set with a byte order mark",
            format!("\u{feff}{}", json!({ "keys": [jwk] })),
        ),
        ("an array of JWK", json!([jwk]).to_string()),
        ("OpenSSH", format!("{name} {line} me@example.com")),
        (
            "OpenSSH with options",
            format!("command=\"x\" {name} {line}"),
        ),
        ("the body of OpenSSH", line.clone()),
        (
            "SSH2",
            format!("---- BEGIN SSH2 PUBLIC KEY ----\n{line}\n---- END SSH2 PUBLIC KEY ----"),
        ),
        (
            "PuTTY",
            format!("PuTTY-User-Key-File-3: {name}\nPublic-Lines: 4\n{line}"),
        ),
        (
            "XML",
            format!(
                "<RSAKeyValue><Modulus>{line}</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>"
            ),
        ),
        (
            "XML of signatures",
            format!("<ds:KeyInfo ><X509Data>{body}</X509Data>").replace("ds:", ""),
        ),
        (
            "openssl -text",
            format!("Public-Key: (2048 bit)\nModulus:\n    {}", colons(&der)),
        ),
        (
            "openssl -modulus",
            format!("Modulus={}", hex(&der).to_uppercase()),
        ),
    ];
    let mut forms: Vec<(String, Vec<u8>)> = texts
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.into_bytes()))
        .collect();
    let mut binary = vec![("DER", der.clone()), ("the wire form of OpenSSH", wire)];
    if key.default_alg() == "RS256" {
        let pkcs1 = without(&key.public_pkcs1_pem(), "-----").replace('\n', "");
        binary.push(("DER of PKCS#1", STANDARD.decode(pkcs1).unwrap()));
    }
    if key.default_alg().starts_with("ES") {
        let point = key.public_bytes();
        binary.push(("the coordinates of a point", point[1..].to_vec()));
        binary.push(("a point", point));
    }
    for (name, bytes) in binary {
        if name.starts_with("DER") {
            forms.push((
                format!("{name} with a byte too many"),
                [&bytes[..], b"x"].concat(),
            ));
            forms.push((
                format!("{name} with a NUL too many"),
                [&bytes[..], b"\0"].concat(),
            ));
            forms.push((
                format!("{name} with a byte in front"),
                [b"x", &bytes[..]].concat(),
            ));
            forms.push((
                format!("{name} with a line feed"),
                [&bytes[..], b"\r\n"].concat(),
            ));
            forms.push((
                format!("{name} cut short"),
                bytes[..bytes.len() - 1].to_vec(),
            ));
        }
        forms.push((name.to_owned(), bytes));
    }
    forms
}

fn ssh_wire(jwk: &Value, key: &SigningKey) -> Vec<u8> {
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let parts: Vec<Vec<u8>> = match jwk["kty"].as_str().unwrap() {
        "RSA" => vec![
            b"ssh-rsa".to_vec(),
            bytes("e"),
            [&[0], &bytes("n")[..]].concat(),
        ],
        "EC" => vec![
            b"ecdsa-sha2-nistp256".to_vec(),
            b"nistp256".to_vec(),
            key.public_bytes(),
        ],
        _ => vec![b"ssh-ed25519".to_vec(), bytes("x")],
    };
    let with_length = |part: Vec<u8>| {
        let length = u32::try_from(part.len()).unwrap().to_be_bytes();
        [&length[..], &part].concat()
    };
    parts.into_iter().flat_map(with_length).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn colons(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

/// What people wrap a key in before it gets into a variable or a file.
fn wrapped(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (base64, in_hex) = (STANDARD.encode(bytes), hex(bytes));
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let list: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02X}")).collect();
    let escapes: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
    let spaced = [b"\n  ", bytes, b" \r\n"].concat();
    let wide: Vec<u8> = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
    vec![
        ("nothing", bytes.to_vec()),
        ("white space", spaced),
        (
            "UTF-16",
            if bytes.is_ascii() {
                wide
            } else {
                bytes.to_vec()
            },
        ),
        ("base64", base64.clone().into_bytes()),
        (
            "base64 without padding",
            STANDARD_NO_PAD.encode(bytes).into_bytes(),
        ),
        ("base64url", URL_SAFE_NO_PAD.encode(bytes).into_bytes()),
        ("base64 in lines", lines.join("\r\n").into_bytes()),
        ("base64 in quotes", format!("{base64:?}").into_bytes()),
        ("base64 of base64", STANDARD.encode(&base64).into_bytes()),
        (
            "base64 of hexadecimal",
            STANDARD.encode(&in_hex).into_bytes(),
        ),
        ("base64 of base64 of base64", {
            STANDARD.encode(STANDARD.encode(&base64)).into_bytes()
        }),
        ("hexadecimal", in_hex.clone().into_bytes()),
        (
            "hexadecimal in upper case",
            in_hex.to_uppercase().into_bytes(),
        ),
        ("hexadecimal of base64", hex(base64.as_bytes()).into_bytes()),
        (
            "hexadecimal of hexadecimal",
            hex(in_hex.as_bytes()).into_bytes(),
        ),
        ("hexadecimal with colons", colons(bytes).into_bytes()),
        ("hexadecimal with 0x", format!("0x{in_hex}").into_bytes()),
        (
            "a list of bytes",
            format!("{{{}}}", list.join(", ")).into_bytes(),
        ),
        ("escaped bytes", escapes.into_bytes()),
        ("percent encoding", percent.into_bytes()),
    ]
}

#[test]
fn no_form_of_a_key_is_a_secret_in_any_wrapping() {
    let mut taken = Vec::new();
    let mut tried = 0;
    for key in [
        SigningKey::shared_rsa_2048(),
        SigningKey::ec_p256(),
        SigningKey::ed25519(),
    ] {
        for (form, bytes) in forms(&key) {
            for (wrapping, secret) in wrapped(&bytes) {
                if secret.len() < 32 {
                    continue;
                }
                tried += 1;
                match check(&secret) {
                    Err(error) if error.to_string().contains("is a key in") => {}
                    outcome => {
                        let alg = key.default_alg();
                        taken.push(format!("{alg}: {form} in {wrapping}: {outcome:?}"));
                    }
                }
            }
        }
    }
    assert!(
        taken.is_empty(),
        "{} of {tried}:\n{}",
        taken.len(),
        taken.join("\n")
    );
    assert!(tried > 2000, "{tried}");
}

/// Random bytes in the forms in which people keep them.
#[test]
fn secrets_are_secrets() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    for round in 0..450_usize {
        let length = [32, 33, 48, 64, 65, 96, 97, 132, 256][round % 9];
        let bytes: Vec<u8> = (0..length).map(|_| byte()).collect();
        for secret in [
            bytes.clone(),
            STANDARD.encode(&bytes).into_bytes(),
            URL_SAFE_NO_PAD.encode(&bytes).into_bytes(),
            hex(&bytes).into_bytes(),
        ] {
            assert_eq!(check(&secret), Ok(()), "{secret:?}");
            assert_eq!(weakness(&secret), None, "{secret:?}");
        }
    }
    for secret in [
        "correct horse battery staple and some more words",
        "my private key for signing tokens of this service",
        "{\"a\": \"secret that somebody wrote as JSON, with words\"}",
        "[this one begins with a bracket and goes on for long]",
        "C:\\Users\\me\\secrets\\with\\backslashes\\in\\them.txt",
        "100%25 percent%20signs%0Aeverywhere%41in this one too",
        "7f9c2ba4-e88f-827d-6160-45507605853e-d73b8093f6efbc88eb1a6eacfa66ef26",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "3081f00f3081f00f3081f00f3081f00f",
    ] {
        assert_eq!(check(secret.as_bytes()), Ok(()), "{secret}");
    }
    assert_eq!(
        check(b"0\x82\x01\x010123456789012345678901234567890123"),
        Ok(())
    );
}

#[test]
fn weak_secrets_are_distinguished_from_others() {
    for weak in [
        "a".repeat(32),
        "ab".repeat(20),
        "abcdefgh".repeat(4),
        "secret42".repeat(8) + "sec",
        "12345671234567".repeat(4),
        "abcdefgabcdefgabcdefgaaaaaaaaaaaa".to_owned(),
        "\0".repeat(64),
    ] {
        assert!(weakness(weak.as_bytes()).is_some(), "{weak}");
        assert_eq!(
            check(weak.as_bytes()),
            Ok(()),
            "it is warned about, and not refused"
        );
    }
    for better in [
        "abcdefghi".repeat(4),
        "abcdefghabcdefghabcdefghabcdefgX".to_owned(),
        "0123456789abcdef".repeat(4),
    ] {
        assert_eq!(weakness(better.as_bytes()), None, "{better}");
    }
}

#[test]
fn a_long_secret_is_looked_through_in_bounded_time() {
    let long = "%5C\\u005c%255c0x".repeat(100_000);
    assert_eq!(check(long.as_bytes()), Ok(()));
    let nested = (0..20).fold("x".repeat(32), |text, _| STANDARD.encode(text));
    assert_eq!(check(nested.as_bytes()), Ok(()));
}
