//! Step 9: the signature.

use mcp_bearer_testkit::vectors::{Keys, Setting};
use mcp_bearer_testkit::{Forge, SigningKey};
use serde_json::json;

use crate::{
    Book, Page, b64, by, ec, ec_key, ed, ed_key, jwks, key, names, rsa, rsa_key, setting,
    setting_with, usual,
};

/// The order of P-256 (FIPS 186-5 / SEC 2).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The order of the base point of Ed25519 (RFC 8032 section 5.1), little-endian.
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

pub(crate) fn write(book: &mut Book) {
    every_algorithm(book);
    secrets(book);
    confusion(book);
    rsa_forms(book);
    ecdsa_forms(book);
    eddsa_forms(book);
}

const PUBLIC: [&str; 11] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "Ed25519",
];

fn key_of(alg: &str) -> SigningKey {
    match alg {
        "ES256" => key("p256-a"),
        "ES384" => key("p384-a"),
        "ES512" => key("p521-a"),
        "EdDSA" | "Ed25519" => key("ed25519-a"),
        _ => key("rsa-a"),
    }
}

fn every_algorithm(book: &mut Book) {
    let keys = [
        "rsa-a",
        "rsa-3072",
        "p256-a",
        "p384-a",
        "p521-a",
        "ed25519-a",
    ]
    .map(key);
    let all = Setting {
        algorithms: names(&PUBLIC),
        ..setting_with(&keys)
    };
    let mut page = Page::new(
        "signature/algorithms.json",
        "Step 9: every public-key algorithm, and each named as another one.",
        all,
    );
    for alg in PUBLIC {
        let good = by(&key_of(alg)).alg(alg);
        page.accept("9", alg, good.clone());
        page.reject(
            "9",
            &format!("{alg}: a bit of the signature"),
            "bad_signature",
            good.clone().flip_signature_bit(77),
        );
        page.reject(
            "9",
            &format!("{alg}: the signature of other claims"),
            "bad_signature",
            {
                let other = by(&key_of(alg)).alg(alg).subject("root");
                good.clone().raw_signature(other.signature_bytes())
            },
        );
        page.reject("9", &format!("{alg}: all zeros"), "bad_signature", {
            let length = good.signature_bytes().len();
            good.clone().raw_signature(vec![0; length])
        });
        page.reject(
            "9",
            &format!("{alg}: one byte"),
            "bad_signature",
            good.clone().raw_signature([0]),
        );
    }
    page.accept("9", "RS256 with 3072 bits", by(&key("rsa-3072")));
    page.accept(
        "9",
        "PS512 with 3072 bits",
        by(&key("rsa-3072")).alg("PS512"),
    );
    for (named, signed) in [
        ("RS256", "RS384"),
        ("RS384", "RS256"),
        ("RS512", "RS256"),
        ("RS256", "PS256"),
        ("PS256", "RS256"),
        ("PS256", "PS384"),
        ("PS512", "PS256"),
    ] {
        let token = by(&key("rsa-a")).alg_name(named).sign_as(signed);
        page.reject(
            "9",
            &format!("{signed} named {named}"),
            "bad_signature",
            token,
        );
    }
    for (named, signed) in [
        ("ES256", "ES384"),
        ("ES384", "ES256"),
        ("ES512", "ES256"),
        ("RS256", "ES256"),
        ("ES256", "RS256"),
        ("EdDSA", "ES256"),
    ] {
        let token = by(&key_of(signed)).alg_name(named);
        // Only EdDSA and ES256 have signatures of the same length.
        let kind = match named {
            "EdDSA" => "unknown_key",
            _ => "bad_signature",
        };
        page.reject(
            "9",
            &format!("{signed} named {named}, with its kid"),
            kind,
            token,
        );
    }
    let token = by(&key("p256-b")).kid("p384-a").alg_name("ES384");
    page.reject(
        "9",
        "ES256 named ES384, with the kid of the P-384 key",
        "bad_signature",
        token,
    );
    for name in ["rsa-a", "rsa-3072"] {
        page.accept(
            "9",
            &format!("no kid and two RSA keys, signed by {name}"),
            by(&key(name)).without_header("kid"),
        );
    }
    page.accept(
        "9",
        "no kid and one P-521 key",
        by(&key("p521-a")).without_header("kid"),
    );
    page.finish(book);
}

fn secrets(book: &mut Book) {
    let secret = "a shared secret for tests alone, with 64 bytes in it. 0123456789";
    assert_eq!(secret.len(), 64);
    let hmac = SigningKey::hmac(secret);
    let setting = Setting {
        keys: Keys::Secret(secret.to_owned()),
        algorithms: names(&["HS256", "HS384", "HS512"]),
        ..setting()
    };
    let mut page = Page::new(
        "signature/secret.json",
        "Step 9: HMAC with an explicit shared secret.",
        setting.clone(),
    );
    for alg in ["HS256", "HS384", "HS512"] {
        let good = by(&hmac).alg(alg);
        page.accept("9", alg, good.clone());
        page.accept(
            "9",
            &format!("{alg} with a kid, which a single key ignores"),
            good.clone().kid("any"),
        );
        let mut short = good.signature_bytes();
        short.pop();
        page.reject(
            "9",
            &format!("{alg}: cut by a byte"),
            "bad_signature",
            good.clone().raw_signature(short),
        );
        page.reject("9", &format!("{alg}: cut to half"), "bad_signature", {
            let bytes = good.signature_bytes();
            good.clone().raw_signature(&bytes[..bytes.len() / 2])
        });
        page.reject("9", &format!("{alg}: one byte more"), "bad_signature", {
            let mut bytes = good.signature_bytes();
            bytes.push(0);
            good.clone().raw_signature(bytes)
        });
        page.reject(
            "9",
            &format!("{alg}: under the empty secret"),
            "bad_signature",
            good.sign_with(&SigningKey::hmac("")).sign_as(alg),
        );
    }
    page.reject(
        "9",
        "HS512 named HS256",
        "bad_signature",
        by(&hmac).alg_name("HS256").sign_as("HS512"),
    );
    page.reject("5", "RS256", "algorithm_not_allowed", rsa());
    page.reject(
        "5",
        "none",
        "algorithm_not_allowed",
        by(&hmac).alg_name("none"),
    );
    page.finish(book);

    let short = "a secret of exactly 32 bytes....";
    let hmac = SigningKey::hmac(short);
    let setting = Setting {
        keys: Keys::Secret(short.to_owned()),
        ..setting
    };
    let mut page = Page::new(
        "signature/secret_short.json",
        "Step 9: a secret is as long as the hash (RFC 7518 section 3.2).",
        setting,
    );
    page.accept("9", "HS256", by(&hmac));
    page.reject("9", "HS384", "unknown_key", by(&hmac).alg("HS384"));
    page.reject("9", "HS512", "unknown_key", by(&hmac).alg("HS512"));
    page.finish(book);
}

/// What attackers have used as the HMAC secret, all of it public.
fn public_secrets() -> Vec<(&'static str, Vec<u8>)> {
    let rsa = rsa_key();
    let pem = rsa.public_pem();
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let jwk = rsa.jwk();
    vec![
        ("the PEM", pem.clone().into_bytes()),
        (
            "the PEM without its last line feed",
            pem.trim_end().as_bytes().to_vec(),
        ),
        (
            "the PEM with a space before",
            format!(" {pem}").into_bytes(),
        ),
        (
            "the PEM with a line feed before",
            format!("\n{pem}").into_bytes(),
        ),
        ("the PEM with CRLF", pem.replace('\n', "\r\n").into_bytes()),
        ("the PEM's base64", lines.into_bytes()),
        ("the PKCS#1 PEM", rsa.public_pkcs1_pem().into_bytes()),
        ("the SPKI DER", rsa.public_der()),
        ("the PKCS#1 DER", rsa.public_bytes()),
        ("the JWK", jwk.to_string().into_bytes()),
        (
            "the JWKS",
            json!({ "keys": [jwk.clone()] }).to_string().into_bytes(),
        ),
        (
            "the modulus in base64",
            jwk["n"].as_str().unwrap().as_bytes().to_vec(),
        ),
        ("the kid", b"rsa-a".to_vec()),
        ("nothing", Vec::new()),
        ("one NUL", vec![0]),
        ("32 NULs", vec![0; 32]),
        ("the word secret", b"secret".to_vec()),
    ]
}

/// An issuer that changes from HS256 to public keys.
fn two_kinds(book: &mut Book) {
    let secret = "a shared secret for tests alone, with 64 bytes in it. 0123456789";
    let hmac = SigningKey::hmac(secret);
    let published = |extra: serde_json::Value| {
        let mut set = jwks(&[rsa_key(), ec_key(), ed_key()]);
        set["keys"].as_array_mut().unwrap().push(extra);
        Setting {
            keys: Keys::JwksAndSecret(set, secret.to_owned()),
            algorithms: names(&["RS256", "ES256", "EdDSA", "HS256", "HS384", "HS512"]),
            ..setting()
        }
    };
    let signed = |alg: &str, secret: &[u8]| {
        let key = SigningKey::hmac(secret);
        rsa().alg_name(alg).sign_with(&key).sign_as(alg)
    };
    let other =
        SigningKey::hmac("another secret, which is as long as it must be...").with_kid("oct");
    let mut page = Page::new(
        "signature/two_kinds.json",
        "Step 9: a shared secret beside public keys. HMAC belongs to the secret alone, every other algorithm to the keys.",
        published(other.jwk()),
    );
    page.accept("9", "RS256", rsa());
    page.accept("9", "ES256", ec());
    page.accept("9", "EdDSA", ed());
    for alg in ["HS256", "HS384", "HS512"] {
        let good = signed(alg, secret.as_bytes());
        page.accept("9", alg, good.clone());
        page.accept(
            "9",
            &format!("{alg} without kid"),
            good.clone().without_header("kid"),
        );
        page.reject(
            "9",
            &format!("{alg}, flipped"),
            "bad_signature",
            good.flip_signature_bit(0),
        );
        for (name, public) in public_secrets() {
            let token = signed(alg, &public);
            page.reject("9", &format!("{alg} over {name}"), "bad_signature", token);
        }
    }
    page.reject(
        "9",
        "under an oct key of the set",
        "bad_signature",
        rsa().alg_name("HS256").sign_with(&other).kid("oct"),
    );
    let name_of_key = rsa().sign_with(&hmac);
    page.reject("9", "HMAC named RS256", "bad_signature", name_of_key);
    page.finish(book);

    let leak = hmac.clone().with_kid("leak").with_alg("HS256");
    let mut page = Page::new(
        "signature/two_kinds_published.json",
        "Step 9: a set that holds the shared secret switches HMAC off, and nothing else.",
        published(leak.jwk()),
    );
    page.accept("9", "RS256", rsa());
    page.accept("9", "ES256", ec());
    for alg in ["HS256", "HS384", "HS512"] {
        let token = signed(alg, secret.as_bytes());
        page.reject("9", alg, "unknown_key", token.clone());
        page.reject(
            "9",
            &format!("{alg} with its kid"),
            "unknown_key",
            token.kid("leak"),
        );
    }
    page.finish(book);
}

fn confusion(book: &mut Book) {
    let hs = [("HS256", "HS256"), ("HS512", "HS512")];
    let about =
        "Step 5: HMAC with something public as its secret, where only public keys are allowed.";
    let mut page = Page::new("signature/confusion.json", about, setting());
    page.accept("5", "RS256", rsa());
    for (name, secret) in public_secrets() {
        for (alg, sign) in hs {
            let token = rsa()
                .alg_name(alg)
                .sign_with(&SigningKey::hmac(&secret))
                .sign_as(sign);
            page.reject(
                "5",
                &format!("{alg} over {name}"),
                "algorithm_not_allowed",
                token,
            );
        }
    }
    let ec_secret = SigningKey::hmac(ec_key().public_bytes());
    page.reject(
        "5",
        "HS256 over the EC point",
        "algorithm_not_allowed",
        ec().alg_name("HS256").sign_with(&ec_secret),
    );
    let ed_secret = SigningKey::hmac(ed_key().public_bytes());
    page.reject(
        "5",
        "HS256 over the Ed25519 key",
        "algorithm_not_allowed",
        ed().alg_name("HS256").sign_with(&ed_secret),
    );
    page.reject(
        "9",
        "HS256 over the PEM named RS256",
        "bad_signature",
        rsa().sign_with(&SigningKey::hmac(rsa_key().public_pem())),
    );
    page.finish(book);

    for (path, keys) in [
        (
            "signature/confusion_pem.json",
            Keys::PublicKey(rsa_key().public_pem()),
        ),
        ("signature/confusion_jwks.json", setting().keys),
    ] {
        let about = "Step 9: even where HMAC is allowed by mistake, a public key never serves as its secret.";
        let wrong = Setting {
            keys,
            algorithms: names(&["HS256", "HS384", "HS512"]),
            ..setting()
        };
        let mut page = Page::new(path, about, wrong);
        for (name, secret) in public_secrets() {
            let token = rsa()
                .alg_name("HS256")
                .sign_with(&SigningKey::hmac(&secret));
            page.reject("9", &format!("HS256 over {name}"), "unknown_key", token);
        }
        page.finish(book);
    }

    two_kinds(book);

    let oct = SigningKey::hmac(b64([7; 32]))
        .with_kid("oct")
        .with_alg("HS256");
    let both = setting_with(&[rsa_key(), oct.clone()]);
    let mut page = Page::new(
        "signature/oct_in_jwks.json",
        "Step 9: a shared secret in a JWKS is skipped.",
        both.clone(),
    );
    page.accept("9", "RS256 beside it", rsa());
    page.reject("5", "HS256 with its kid", "algorithm_not_allowed", by(&oct));
    page.finish(book);
    let wrong = Setting {
        algorithms: names(&["HS256"]),
        ..both
    };
    let mut page = Page::new(
        "signature/oct_in_jwks_hs256.json",
        "Step 9: the same where HS256 is allowed by mistake.",
        wrong,
    );
    page.reject("9", "HS256 with its kid", "unknown_key", by(&oct));
    page.reject(
        "9",
        "HS256 without kid",
        "unknown_key",
        by(&oct).without_header("kid"),
    );
    page.finish(book);
}

fn with_signature(forge: &Forge, change: impl FnOnce(&mut Vec<u8>)) -> Forge {
    let mut bytes = forge.signature_bytes();
    change(&mut bytes);
    forge.clone().raw_signature(bytes)
}

fn rsa_forms(book: &mut Book) {
    let mut page = Page::new(
        "signature/rsa.json",
        "Step 9: forms of an RSA signature.",
        setting(),
    );
    let good = rsa();
    page.accept("9", "good", good.clone());
    let bad = "bad_signature";
    page.reject(
        "9",
        "another key under our kid",
        bad,
        rsa().sign_with(&key("rsa-b")),
    );
    page.reject(
        "9",
        "another key without kid",
        bad,
        rsa().without_header("kid").sign_with(&key("rsa-b")),
    );
    page.reject("9", "a larger key", bad, rsa().sign_with(&key("rsa-3072")));
    page.reject(
        "9",
        "one byte less",
        bad,
        with_signature(&good, |s| {
            s.pop();
        }),
    );
    page.reject(
        "9",
        "one byte more",
        bad,
        with_signature(&good, |s| s.push(0)),
    );
    page.reject(
        "9",
        "a zero before",
        bad,
        with_signature(&good, |s| s.insert(0, 0)),
    );
    page.reject(
        "9",
        "twice",
        bad,
        with_signature(&good, |s| s.extend(s.clone())),
    );
    page.reject("9", "reversed", bad, with_signature(&good, |s| s.reverse()));
    page.reject("9", "zero", bad, good.clone().raw_signature([0; 256]));
    page.reject(
        "9",
        "one",
        bad,
        with_signature(&good, |s| {
            s.fill(0);
            s[255] = 1;
        }),
    );
    page.reject(
        "9",
        "all ones",
        bad,
        good.clone().raw_signature([0xff; 256]),
    );
    page.reject(
        "9",
        "the text of the signature",
        bad,
        good.clone().raw_signature(b64(good.signature_bytes())),
    );
    page.reject(
        "9",
        "the first bit",
        bad,
        good.clone().flip_signature_bit(0),
    );
    page.reject(
        "9",
        "the last bit",
        bad,
        good.clone().flip_signature_bit(2047),
    );
    page.reject("9", "over the claims alone", bad, {
        let claims = b64(good.claims_bytes());
        good.clone()
            .raw_signature(rsa_key().sign("RS256", claims.as_bytes()))
    });
    page.reject("9", "over the decoded bytes", bad, {
        let decoded = [good.header_bytes(), b".".to_vec(), good.claims_bytes()].concat();
        good.clone()
            .raw_signature(rsa_key().sign("RS256", &decoded))
    });
    page.reject("9", "a header with one space more", bad, {
        let mut header = good.header_bytes();
        header.push(b' ');
        good.clone()
            .raw_header(header)
            .raw_signature(good.signature_bytes())
    });
    page.reject("9", "claims with one space more", bad, {
        let mut claims = good.claims_bytes();
        claims.push(b' ');
        good.clone()
            .raw_claims(claims)
            .raw_signature(good.signature_bytes())
    });
    page.reject("9", "another header, same meaning", bad, {
        good.clone()
            .raw_header(r#"{"kid":"rsa-a","alg":"RS256"}"#)
            .raw_signature(good.signature_bytes())
    });
    let parts = |forge: &Forge| {
        forge
            .token()
            .split('.')
            .map(ToOwned::to_owned)
            .collect::<Vec<_>>()
    };
    let (one, other) = (parts(&good), parts(&rsa().subject("user-2")));
    page.accept_as(
        "9",
        "the other token",
        other.join("."),
        crate::Accepted {
            subject: Some("user-2".into()),
            ..usual()
        },
    );
    page.reject(
        "9",
        "claims of another token",
        bad,
        format!("{}.{}.{}", one[0], other[1], one[2]),
    );
    page.reject(
        "9",
        "signature of another token",
        bad,
        format!("{}.{}.{}", one[0], one[1], other[2]),
    );
    page.reject(
        "5",
        "header and claims exchanged",
        "algorithm_not_allowed",
        format!("{}.{}.{}", one[1], one[0], one[2]),
    );
    page.finish(book);
}

fn ecdsa_forms(book: &mut Book) {
    let mut page = Page::new(
        "signature/ecdsa.json",
        "Step 9: forms of an ECDSA signature (RFC 7518 section 3.4).",
        setting(),
    );
    let good = ec();
    page.accept("9", "good", good.clone());
    page.accept("9", "without kid", ec().without_header("kid"));
    // ECDSA signatures come in pairs; RFC 7518 does not require the lower one.
    page.accept(
        "9",
        "the other s",
        with_signature(&good.clone().claim("jti", "s"), |s| negate(&mut s[32..])),
    );
    let bad = "bad_signature";
    let number = |low: u8| {
        let mut bytes = [0; 32];
        bytes[31] = low;
        bytes
    };
    let mut below = P256_ORDER;
    below[31] -= 1;
    let mut above = P256_ORDER;
    above[31] += 1;
    let field = {
        // the prime of the field
        let mut bytes = [0xff; 32];
        bytes[4..8].fill(0);
        bytes[7] = 1;
        bytes[8..20].fill(0);
        bytes
    };
    let numbers = [
        ("0", number(0)),
        ("1", number(1)),
        ("n-1", below),
        ("n", P256_ORDER),
        ("n+1", above),
        ("p", field),
        ("2^256-1", [0xff; 32]),
    ];
    for (r_name, r) in numbers {
        for (s_name, s) in numbers {
            let token = good.clone().raw_signature([r, s].concat());
            page.reject("9", &format!("r {r_name}, s {s_name}"), bad, token);
        }
    }
    page.reject(
        "9",
        "DER",
        bad,
        good.clone()
            .raw_signature(ec_key().sign_ecdsa_der(&good.signing_input())),
    );
    page.reject(
        "9",
        "63 bytes",
        bad,
        with_signature(&good, |s| {
            s.pop();
        }),
    );
    page.reject("9", "65 bytes", bad, with_signature(&good, |s| s.push(0)));
    page.reject(
        "9",
        "leading zeros",
        bad,
        with_signature(&good, |s| {
            s.insert(0, 0);
            s.insert(33, 0);
        }),
    );
    page.reject(
        "9",
        "as wide as for P-384",
        bad,
        with_signature(&good, |s| {
            let (r, t) = s.split_at(32);
            *s = [&[0; 16], r, &[0; 16], t].concat();
        }),
    );
    page.reject(
        "9",
        "r and s exchanged",
        bad,
        with_signature(&good, |s| s.rotate_left(32)),
    );
    page.reject(
        "9",
        "only r",
        bad,
        with_signature(&good, |s| s.truncate(32)),
    );
    page.reject(
        "9",
        "s zero",
        bad,
        with_signature(&good, |s| s[32..].fill(0)),
    );
    page.reject(
        "9",
        "r zero",
        bad,
        with_signature(&good, |s| s[..32].fill(0)),
    );
    page.reject(
        "9",
        "in hexadecimal",
        bad,
        with_signature(&good, |s| {
            *s = s
                .iter()
                .flat_map(|byte| format!("{byte:02x}").into_bytes())
                .collect();
        }),
    );
    page.reject(
        "9",
        "another key under our kid",
        bad,
        ec().sign_with(&key("p256-b")),
    );
    page.reject(
        "9",
        "another curve under our kid",
        bad,
        ec().sign_with(&key("p384-a")),
    );
    page.finish(book);
}

/// n - s, big-endian.
fn negate(s: &mut [u8]) {
    let mut borrow = 0_i16;
    for index in (0..32).rev() {
        let digit = i16::from(P256_ORDER[index]) - i16::from(s[index]) - borrow;
        borrow = i16::from(digit < 0);
        s[index] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
}

fn eddsa_forms(book: &mut Book) {
    let mut page = Page::new(
        "signature/eddsa.json",
        "Step 9: forms of an Ed25519 signature (RFC 8032, RFC 8037).",
        setting(),
    );
    let good = ed();
    let bad = "bad_signature";
    page.accept("9", "good", good.clone());
    page.accept("9", "without kid", ed().without_header("kid"));
    page.reject(
        "5",
        "by the newer name, which the policy does not list",
        "algorithm_not_allowed",
        ed().alg("Ed25519"),
    );
    page.reject(
        "9",
        "another key under our kid",
        bad,
        ed().sign_with(&key("ed25519-b")),
    );
    page.reject(
        "9",
        "63 bytes",
        bad,
        with_signature(&good, |s| {
            s.pop();
        }),
    );
    page.reject("9", "65 bytes", bad, with_signature(&good, |s| s.push(0)));
    page.reject(
        "9",
        "s plus the group's order",
        bad,
        with_signature(&good, |s| {
            let mut carry = 0_u16;
            for (byte, order) in s[32..].iter_mut().zip(ED25519_ORDER) {
                let sum = u16::from(*byte) + u16::from(order) + carry;
                carry = sum >> 8;
                *byte = u8::try_from(sum & 0xff).unwrap();
            }
        }),
    );
    page.reject(
        "9",
        "r zero",
        bad,
        with_signature(&good, |s| s[..32].fill(0)),
    );
    page.reject(
        "9",
        "s zero",
        bad,
        with_signature(&good, |s| s[32..].fill(0)),
    );
    page.reject("9", "the identity and zero", bad, {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        good.clone().raw_signature(bytes)
    });
    page.reject(
        "9",
        "the last bit",
        bad,
        good.clone().flip_signature_bit(511),
    );
    page.reject(
        "9",
        "r and s exchanged",
        bad,
        with_signature(&good, |s| s.rotate_left(32)),
    );
    page.finish(book);

    let newer = Setting {
        algorithms: names(&["Ed25519"]),
        ..setting()
    };
    let mut page = Page::new(
        "signature/ed25519_name.json",
        "Step 5: the newer name of RFC 9864.",
        newer,
    );
    page.accept("5", "Ed25519", ed().alg("Ed25519"));
    page.reject(
        "5",
        "EdDSA, which the policy does not list",
        "algorithm_not_allowed",
        ed(),
    );
    page.finish(book);
}
