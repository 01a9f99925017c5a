//! Step 9: the choice of the key.

use mcp_bearer_testkit::vectors::{Keys, Setting};
use mcp_bearer_testkit::{Forge, Part, SigningKey, weak_keys};
use serde_json::{Value, json};

use crate::{
    Book, NOW, Page, b64, by, ec, ec_key, ed, ed_key, key, names, rsa, rsa_key, setting,
    setting_with,
};

pub(crate) fn write(book: &mut Book) {
    choice(book);
    published(book);
    mixed_set(book);
    single(book);
    unavailable(book);
    weak(book);
}

fn changed(key: &SigningKey, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Value {
    let Value::Object(mut jwk) = key.jwk() else {
        panic!("a JWK is an object")
    };
    change(&mut jwk);
    Value::Object(jwk)
}

fn keys_setting(keys: Vec<Value>, algorithms: &[&str]) -> Setting {
    Setting {
        keys: Keys::Jwks(json!({ "keys": keys })),
        algorithms: names(algorithms),
        ..setting()
    }
}

fn choice(book: &mut Book) {
    let about = "Step 9: the purpose that a JWK states is honoured.";
    let k = |kid: &str| key("rsa-a").with_kid(kid);
    let set = |kid: &str, name: &str, value: Value| {
        changed(&k(kid), |jwk| {
            jwk.insert(name.to_owned(), value);
        })
    };
    let good = [
        ("bare", key("rsa-a").with_kid("bare").jwk()),
        ("use-sig", set("use-sig", "use", json!("sig"))),
        (
            "ops-verify",
            set("ops-verify", "key_ops", json!(["verify"])),
        ),
        (
            "ops-both",
            set("ops-both", "key_ops", json!(["sign", "verify"])),
        ),
        ("alg-rs256", set("alg-rs256", "alg", json!("RS256"))),
        (
            "x5c",
            set("x5c", "x5c", json!(["bm90IGEgY2VydGlmaWNhdGU="])),
        ),
        ("use-null", set("use-null", "use", Value::Null)),
        ("ops-null", set("ops-null", "key_ops", Value::Null)),
        ("alg-null", set("alg-null", "alg", Value::Null)),
        ("x5c-null", set("x5c-null", "x5c", Value::Null)),
        ("x5t-null", set("x5t-null", "x5t", Value::Null)),
        ("private-null", set("private-null", "d", Value::Null)),
        ("ops-empty", set("ops-empty", "key_ops", json!([]))),
        ("x5c-empty", set("x5c-empty", "x5c", json!([]))),
        ("d-empty", set("d-empty", "d", json!(""))),
        ("oth-empty", set("oth-empty", "oth", json!([]))),
        (
            "unknown-members",
            set("unknown-members", "exp", json!({"a": [1, null]})),
        ),
    ];
    let bad = [
        ("use-enc", set("use-enc", "use", json!("enc"))),
        ("use-empty", set("use-empty", "use", json!(""))),
        ("use-upper", set("use-upper", "use", json!("SIG"))),
        (
            "ops-encrypt",
            set("ops-encrypt", "key_ops", json!(["encrypt"])),
        ),
        ("ops-sign", set("ops-sign", "key_ops", json!(["sign"]))),
        (
            "ops-empty-name",
            set("ops-empty-name", "key_ops", json!([""])),
        ),
        ("ops-object", set("ops-object", "key_ops", json!({}))),
        ("ops-string", set("ops-string", "key_ops", json!("verify"))),
        ("alg-ps256", set("alg-ps256", "alg", json!("PS256"))),
        ("alg-rs512", set("alg-rs512", "alg", json!("RS512"))),
        ("alg-es256", set("alg-es256", "alg", json!("ES256"))),
        ("alg-hs256", set("alg-hs256", "alg", json!("HS256"))),
        ("alg-none", set("alg-none", "alg", json!("none"))),
        (
            "alg-rsa-oaep",
            set("alg-rsa-oaep", "alg", json!("RSA-OAEP")),
        ),
        ("kty-ec", set("kty-ec", "kty", json!("EC"))),
        ("kty-lower", set("kty-lower", "kty", json!("rsa"))),
        ("kid-number", set("kid-number", "kid", json!(7))),
        ("kid-null", set("kid-null", "kid", Value::Null)),
        ("kty-null", set("kty-null", "kty", Value::Null)),
        ("n-null", set("n-null", "n", Value::Null)),
        ("e-null", set("e-null", "e", Value::Null)),
        ("private", set("private", "d", json!("AQAB"))),
        ("d-space", set("d-space", "d", json!(" "))),
        ("d-empty-array", set("d-empty-array", "d", json!([]))),
        ("d-false", set("d-false", "d", json!(false))),
        ("p-empty", set("p-empty", "p", json!(""))),
        ("k-empty", set("k-empty", "k", json!(""))),
        (
            "oth-empty-object",
            set("oth-empty-object", "oth", json!({})),
        ),
        ("oth-empty-text", set("oth-empty-text", "oth", json!(""))),
        ("oth-prime", set("oth-prime", "oth", json!([{}]))),
    ];
    let keys = good
        .iter()
        .chain(&bad)
        .map(|(_, jwk)| jwk.clone())
        .collect();
    let mut page = Page::new(
        "signature/jwk_purpose.json",
        about,
        keys_setting(keys, &["RS256", "PS256", "ES256"]),
    );
    for (kid, _) in &good {
        page.accept("9", kid, by(&k(kid)));
    }
    for (kid, _) in &bad {
        page.reject("9", kid, "unknown_key", by(&k(kid)));
    }
    page.accept(
        "9",
        "PS256 with a key for PS256",
        by(&k("alg-ps256")).alg("PS256"),
    );
    page.accept(
        "9",
        "PS256 with a key that names no algorithm",
        by(&k("bare")).alg("PS256"),
    );
    page.reject(
        "9",
        "PS256 with a key for RS256",
        "unknown_key",
        by(&k("alg-rs256")).alg("PS256"),
    );
    page.finish(book);

    let about = "Step 9: several keys under one kid, and none.";
    let same = [
        key("p256-a").with_kid("same"),
        key("rsa-a").with_kid("same"),
        key("rsa-b").with_kid("same"),
        key("ed25519-a").with_kid("same"),
    ];
    let jwks = same
        .iter()
        .map(SigningKey::jwk)
        .chain([key("rsa-3072").without_kid().jwk()])
        .collect();
    let mut page = Page::new(
        "signature/same_kid.json",
        about,
        keys_setting(jwks, &["RS256", "ES256", "EdDSA", "ES384"]),
    );
    for key in &same {
        page.accept(
            "9",
            &format!("signed by {key:?} {}", key.thumbprint()),
            by(key),
        );
    }
    page.reject(
        "9",
        "signed by none of them",
        "bad_signature",
        by(&key("p256-b").with_kid("same")),
    );
    page.reject(
        "9",
        "an algorithm that none of them has",
        "unknown_key",
        by(&key("p384-a").with_kid("same")),
    );
    page.accept(
        "9",
        "no kid, the first of three RSA keys",
        rsa().without_header("kid"),
    );
    page.accept(
        "9",
        "no kid, the second of three RSA keys",
        by(&key("rsa-b").without_kid()),
    );
    page.accept(
        "9",
        "no kid, the third of three RSA keys, which has none either",
        by(&key("rsa-3072").without_kid()),
    );
    page.reject_as(
        "9",
        "no kid, signed by none of them",
        "bad_signature",
        "none of the 3 keys",
        rsa().without_header("kid").flip_signature_bit(7),
    );
    page.accept("9", "no kid, one EC key", ec().without_header("kid"));
    page.reject(
        "9",
        "no kid, another EC key",
        "bad_signature",
        by(&key("p256-b").without_kid()),
    );
    page.reject(
        "9",
        "the kid of no key for a key without kid",
        "unknown_key",
        by(&key("rsa-3072")),
    );
    page.reject(
        "9",
        "an empty kid for a key without kid",
        "unknown_key",
        by(&key("rsa-3072")).kid(""),
    );
    page.finish(book);

    let about =
        "Step 9: at most four different keys are tried; a key that is published twice is one.";
    let mut jwks: Vec<Value> = (0..5)
        .map(|_| key("rsa-a").with_kid("twice").jwk())
        .collect();
    jwks.push(key("rsa-b").with_kid("twice").jwk());
    let mut page = Page::new(
        "signature/same_key.json",
        about,
        keys_setting(jwks, &["RS256"]),
    );
    page.accept("9", "the first", by(&key("rsa-a").with_kid("twice")));
    page.accept(
        "9",
        "the other one behind five copies",
        by(&key("rsa-b").with_kid("twice")),
    );
    page.accept(
        "9",
        "no kid, the first of two different keys, five copies of it",
        rsa().without_header("kid"),
    );
    page.accept(
        "9",
        "no kid, the other one behind five copies",
        by(&key("rsa-b").without_kid()),
    );
    page.finish(book);
    let five =
        ["p256-a", "p256-b", "p256-c", "p256-d", "p256-e"].map(|name| key(name).with_kid("five"));
    let jwks = five.iter().map(SigningKey::jwk).collect();
    let mut page = Page::new(
        "signature/five_keys.json",
        about,
        keys_setting(jwks, &["ES256"]),
    );
    for (at, key) in five.iter().enumerate() {
        let name = format!("number {}", at + 1);
        if at < 4 {
            page.accept("9", &name, by(key));
        } else {
            page.reject("9", &name, "bad_signature", by(key));
        }
        page.reject_as(
            "9",
            &format!("number {}, without kid", at + 1),
            "ambiguous_key",
            "more than 4",
            by(&key.clone().without_kid()),
        );
    }
    page.finish(book);
    let four = ["p256-a", "p256-b", "p256-c", "p256-d"].map(|name| key(name).without_kid());
    let jwks = four.iter().map(SigningKey::jwk).chain([rsa_key().jwk()]);
    let mut page = Page::new(
        "signature/no_kid.json",
        "Step 9: a token and four keys without kid, as a rollover of ADFS gives them: each key is tried.",
        keys_setting(jwks.collect(), &["ES256", "RS256"]),
    );
    for (at, key) in four.iter().enumerate() {
        page.accept("9", &format!("number {}", at + 1), by(key));
    }
    page.accept(
        "9",
        "x5t names no key, and each is tried",
        by(&four[2]).header("x5t", "HS23b7Do7TcaU1RoLHwpIq24VYg"),
    );
    page.reject_as(
        "9",
        "a fifth key",
        "bad_signature",
        "none of the 4 keys",
        by(&key("p256-e").without_kid()),
    );
    page.reject(
        "9",
        "a kid that no key has",
        "unknown_key",
        by(&four[0]).kid("p256-a"),
    );
    page.reject("9", "an empty kid", "unknown_key", by(&four[0]).kid(""));
    page.finish(book);
    let jwks = (0..3)
        .map(|_| key("rsa-a").with_kid("twice").jwk())
        .collect();
    let mut page = Page::new(
        "signature/one_key_thrice.json",
        about,
        keys_setting(jwks, &["RS256"]),
    );
    page.accept(
        "9",
        "no kid, one key published thrice",
        rsa().without_header("kid"),
    );
    page.reject(
        "9",
        "no kid, another key",
        "bad_signature",
        rsa().without_header("kid").sign_with(&key("rsa-b")),
    );
    page.finish(book);

    let about = "Step 9: one key only; its kid is compared, and none is guessed.";
    let mut page = Page::new("signature/one_key.json", about, setting_with(&[rsa_key()]));
    page.accept("9", "its kid", rsa());
    page.accept("9", "no kid", rsa().without_header("kid"));
    page.reject(
        "9",
        "another kid, signed by the only key",
        "unknown_key",
        rsa().kid("old"),
    );
    page.reject(
        "9",
        "the thumbprint as kid",
        "unknown_key",
        rsa().kid(&rsa_key().thumbprint()),
    );
    page.reject("9", "ES256", "unknown_key", ec());
    page.finish(book);

    let mut page = Page::new(
        "signature/no_keys.json",
        "Step 9: an empty set is not an outage.",
        setting_with(&[]),
    );
    page.reject("9", "with kid", "unknown_key", rsa());
    page.reject(
        "9",
        "without kid",
        "unknown_key",
        rsa().without_header("kid"),
    );
    page.finish(book);
}

fn published(book: &mut Book) {
    let about = "Step 9: EC and OKP keys whose members contradict each other are skipped.";
    let p256 = |kid: &str, change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        changed(&key("p256-a").with_kid(kid), change)
    };
    let flipped = |text: &Value| {
        let text = text.as_str().unwrap();
        let first = if text.starts_with('A') { "B" } else { "A" };
        json!(format!("{first}{}", &text[1..]))
    };
    let jwks = vec![
        p256("good", &|_| ()),
        p256("off-curve", &|jwk| jwk["y"] = flipped(&jwk["y"])),
        p256("crv-p384", &|jwk| jwk["crv"] = json!("P-384")),
        p256("crv-k256", &|jwk| jwk["crv"] = json!("secp256k1")),
        p256("crv-missing", &|jwk| {
            jwk.remove("crv");
        }),
        p256("y-missing", &|jwk| {
            jwk.remove("y");
        }),
        p256("padded", &|jwk| {
            jwk["x"] = json!(format!("{}=", jwk["x"].as_str().unwrap()))
        }),
        p256("kty-okp", &|jwk| jwk["kty"] = json!("OKP")),
        p256("kty-rsa", &|jwk| jwk["kty"] = json!("RSA")),
        p256("alg-es384", &|jwk| {
            jwk.insert("alg".into(), json!("ES384"));
        }),
        p256("alg-rs256", &|jwk| {
            jwk.insert("alg".into(), json!("RS256"));
        }),
        changed(&key("ed25519-a").with_kid("ed-alg"), |jwk| {
            jwk.insert("alg".into(), json!("EdDSA"));
        }),
        changed(&key("ed25519-a").with_kid("ed-new-alg"), |jwk| {
            jwk.insert("alg".into(), json!("Ed25519"));
        }),
        changed(&key("ed25519-a").with_kid("ed-crv-x25519"), |jwk| {
            jwk["crv"] = json!("X25519")
        }),
        changed(&key("ed25519-a").with_kid("ed-crv-448"), |jwk| {
            jwk["crv"] = json!("Ed448")
        }),
        changed(&key("ed25519-a").with_kid("ed-ecdh"), |jwk| {
            jwk.insert("alg".into(), json!("ECDH-ES"));
        }),
    ];
    let mut jwks = jwks;
    let (short, long) = short_coordinates();
    jwks.extend(short.iter().chain(&long).map(|(_, jwk, _)| jwk.clone()));
    let mut page = Page::new(
        "signature/jwk_curves.json",
        about,
        keys_setting(
            jwks,
            &["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256"],
        ),
    );
    page.accept("9", "good", by(&key("p256-a").with_kid("good")));
    for (kid, _, key) in &short {
        page.accept("9", kid, by(&key.clone().with_kid(*kid)));
        let other = by(&self::key("p256-b").with_kid(*kid));
        let name = format!("{kid}, signed by another key");
        if key.default_alg() == "ES256" {
            page.reject("9", &name, "bad_signature", other);
        }
    }
    for (kid, _, key) in &long {
        page.reject("9", kid, "unknown_key", by(&key.clone().with_kid(*kid)));
    }
    for kid in [
        "off-curve",
        "crv-p384",
        "crv-k256",
        "crv-missing",
        "y-missing",
        "padded",
        "kty-okp",
        "kty-rsa",
        "alg-es384",
        "alg-rs256",
    ] {
        page.reject("9", kid, "unknown_key", by(&key("p256-a").with_kid(kid)));
    }
    for kid in ["ed-alg", "ed-new-alg"] {
        for alg in ["EdDSA", "Ed25519"] {
            page.accept(
                "9",
                &format!("{kid} for {alg}"),
                by(&key("ed25519-a").with_kid(kid)).alg(alg),
            );
        }
    }
    for kid in ["ed-crv-x25519", "ed-crv-448", "ed-ecdh"] {
        page.reject("9", kid, "unknown_key", by(&key("ed25519-a").with_kid(kid)));
    }
    page.finish(book);
}

/// Keys whose coordinates lack their leading zeros: those that are padded, and those that no
/// padding turns into a key.
fn short_coordinates() -> (Vec<Coordinates>, Vec<Coordinates>) {
    use base64::Engine as _;
    let of = |jwk: &Value, name: &str| -> Vec<u8> {
        let text = jwk[name].as_str().unwrap();
        base64::prelude::BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .unwrap()
    };
    let entry =
        |kid: &'static str, key: &SigningKey, name: &str, change: &dyn Fn(&[u8]) -> Vec<u8>| {
            let mut jwk = key.clone().with_kid(kid).jwk();
            jwk[name] = json!(b64(change(&of(&jwk, name))));
            (kid, jwk, key.clone())
        };
    let tail = |bytes: &[u8]| bytes[1..].to_vec();
    let (zero_x, zero_y, zero_521) = (key("p256-zero-x"), key("p256-zero-y"), key("p521-zero"));
    let (plain, okp) = (key("p256-a"), key("ed25519-zero"));
    let short = vec![
        (
            "zero-x",
            zero_x.clone().with_kid("zero-x").jwk(),
            zero_x.clone(),
        ),
        entry("short-x", &zero_x, "x", &tail),
        entry("short-y", &zero_y, "y", &tail),
        entry("short-p521", &zero_521, "x", &tail),
        (
            "zero-okp",
            okp.clone().with_kid("zero-okp").jwk(),
            okp.clone(),
        ),
    ];
    let refused = vec![
        entry("cut-x", &plain, "x", &tail),
        entry("cut-end-of-x", &zero_x, "x", &|bytes| bytes[..31].to_vec()),
        entry("padded-behind", &zero_x, "x", &|bytes| {
            [&bytes[1..], &[0]].concat()
        }),
        entry("long-x", &zero_x, "x", &|bytes| [&[0], bytes].concat()),
        entry("longer-x", &zero_x, "x", &|bytes| {
            [&[0; 32], bytes].concat()
        }),
        entry("empty-x", &zero_x, "x", &|_| Vec::new()),
        entry("one-byte-x", &zero_x, "x", &|_| vec![1]),
        entry("short-okp", &okp, "x", &tail),
    ];
    (short, refused)
}

/// A `kid`, a JWK under it, and the key that signs.
type Coordinates = (&'static str, Value, SigningKey);

fn mixed_set(book: &mut Book) {
    let about = "Step 9: keys that cannot be used are skipped, and the rest of the set works.";
    let mut jwks = weak_keys::all();
    jwks.insert(3, rsa_key().jwk());
    jwks.push(ec_key().jwk());
    jwks.push(ed_key().jwk());
    let kids: Vec<String> = weak_keys::all()
        .iter()
        .filter_map(|jwk| Some(jwk.get("kid")?.as_str()?.to_owned()))
        .collect();
    let mut page = Page::new(
        "signature/mixed_set.json",
        about,
        keys_setting(jwks, &["RS256", "ES256", "EdDSA"]),
    );
    page.accept("9", "RS256", rsa());
    page.accept("9", "ES256", ec());
    page.accept("9", "EdDSA", ed());
    page.accept("9", "RS256 without kid", rsa().without_header("kid"));
    page.accept("9", "EdDSA without kid", ed().without_header("kid"));
    page.reject(
        "9",
        "really signed with 1024 bits",
        "bad_signature",
        weak_keys::RSA_1024_TOKEN,
    );
    for kid in kids {
        page.reject(
            "9",
            &format!("RS256 with the kid {kid}"),
            "unknown_key",
            rsa().kid(&kid),
        );
    }
    for kid in ["p256-off-curve", "p256-zero-point", "secp256k1"] {
        page.reject(
            "9",
            &format!("ES256 with the kid {kid}"),
            "unknown_key",
            ec().kid(kid),
        );
    }
    // With e = 1 the padded hash is its own signature.
    let own = Forge::new(&rsa_key(), NOW)
        .scope("mcp:read")
        .kid("rsa-exponent-one");
    page.reject(
        "9",
        "e = 1: the padded hash as its own signature",
        "unknown_key",
        own.clone().raw_signature(padded_hash(&own.signing_input())),
    );
    page.finish(book);
}

/// EMSA-PKCS1-v1_5 of 2048 bits with SHA-256 (RFC 8017 section 9.2).
fn padded_hash(message: &[u8]) -> Vec<u8> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, message);
    let info = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    let mut bytes = vec![0, 1];
    bytes.resize(256 - 1 - info.len() - 32, 0xff);
    bytes.push(0);
    bytes.extend(info);
    bytes.extend(digest.as_ref());
    bytes
}

fn single(book: &mut Book) {
    for (path, pem) in [
        ("signature/public_key_spki.json", rsa_key().public_pem()),
        (
            "signature/public_key_pkcs1.json",
            rsa_key().public_pkcs1_pem(),
        ),
    ] {
        let setting = Setting {
            keys: Keys::PublicKey(pem),
            algorithms: names(&["RS256", "ES256"]),
            ..setting()
        };
        let mut page = Page::new(path, "Step 9: a single static key ignores kid.", setting);
        page.accept("9", "its kid", rsa());
        page.accept("9", "no kid", rsa().without_header("kid"));
        page.accept("9", "another kid", rsa().kid("whatever"));
        page.accept("9", "an empty kid", rsa().kid(""));
        page.reject(
            "8",
            "a kid that is a number",
            "malformed",
            rsa().header("kid", 1),
        );
        page.reject(
            "9",
            "another key",
            "bad_signature",
            rsa().sign_with(&key("rsa-b")),
        );
        page.reject("9", "another type", "unknown_key", ec());
        page.finish(book);
    }
    for (path, name, alg) in [
        ("signature/public_key_p256.json", "p256-a", "ES256"),
        ("signature/public_key_p384.json", "p384-a", "ES384"),
        ("signature/public_key_p521.json", "p521-a", "ES512"),
        ("signature/public_key_ed25519.json", "ed25519-a", "EdDSA"),
    ] {
        let setting = Setting {
            keys: Keys::PublicKey(key(name).public_pem()),
            algorithms: names(&[alg]),
            ..setting()
        };
        let mut page = Page::new(
            path,
            "Step 9: a single static key of each other type.",
            setting,
        );
        page.accept("9", alg, by(&key(name)));
        page.reject(
            "9",
            "a bit of the signature",
            "bad_signature",
            by(&key(name)).flip_signature_bit(9),
        );
        page.reject("5", "RS256", "algorithm_not_allowed", rsa());
        page.finish(book);
    }
}

/// No key could save these.
fn condemned(page: &mut Page) {
    let forged = rsa().sign_with(&key("rsa-b"));
    let cases = [
        ("11", "expired", "expired", rsa().expires_in(-7200)),
        (
            "11",
            "forged and expired",
            "expired",
            forged.expires_in(-7200),
        ),
        ("11", "no exp", "missing_claim", rsa().without_claim("exp")),
        (
            "11",
            "exp as text",
            "invalid_claim",
            rsa().claim("exp", "soon"),
        ),
        (
            "12",
            "not yet valid",
            "not_yet_valid",
            rsa().not_before_in(7200),
        ),
        (
            "13",
            "another issuer, by one slash",
            "wrong_issuer",
            rsa().issuer("https://idp.example.com"),
        ),
        ("13", "no iss", "missing_claim", rsa().without_claim("iss")),
        (
            "14",
            "another audience",
            "wrong_audience",
            rsa().audience("https://other.example.com/mcp"),
        ),
        ("14", "no aud", "missing_claim", rsa().without_claim("aud")),
        (
            "15",
            "sub as a number",
            "invalid_claim",
            rsa().claim("sub", 1),
        ),
        (
            "16",
            "bound to a key",
            "sender_constrained",
            rsa().claim("cnf", json!({"jkt": "abc"})),
        ),
        (
            "17",
            "an ID token",
            "wrong_token_type",
            rsa().claim("at_hash", "abc"),
        ),
        (
            "17",
            "a refresh token",
            "wrong_token_type",
            rsa().claim("typ", "Refresh"),
        ),
        (
            "17",
            "token_use of an ID token",
            "wrong_token_type",
            rsa().claim("token_use", "id"),
        ),
        (
            "11",
            "the first fault counts: expired and for another audience",
            "expired",
            rsa().expires_in(-7200).audience("x"),
        ),
    ];
    for (step, name, kind, token) in cases {
        page.reject_as(step, name, kind, "not verified", token);
    }
}

fn impossible_signatures(page: &mut Page) {
    let (ec, ed) = (|| by(&key("p256-a")), || by(&key("ed25519-a")));
    let sized = |token: Forge, bytes: usize| token.raw_signature(vec![1; bytes]);
    for bytes in [1, 64, 255, 1025] {
        let name = format!("an RS256 signature of {bytes} bytes");
        let detail = format!("a signature of {bytes} bytes, where RS256 has 256 to 1024");
        page.reject_as("9", &name, "bad_signature", &detail, sized(rsa(), bytes));
    }
    for bytes in [63, 65] {
        let name = format!("an ES256 signature of {bytes} bytes");
        page.reject("9", &name, "bad_signature", sized(ec(), bytes));
        let name = format!("an EdDSA signature of {bytes} bytes");
        page.reject("9", &name, "bad_signature", sized(ed(), bytes));
    }
    let expired = sized(rsa(), 1).expires_in(-7200);
    page.reject("9", "one byte, and expired", "bad_signature", expired);
    for (name, token) in [
        ("an RS256 signature of 256 bytes", sized(rsa(), 256)),
        ("an RS256 signature of 1024 bytes", sized(rsa(), 1024)),
        ("an ES256 signature of 64 bytes", sized(ec(), 64)),
        ("an EdDSA signature of 64 bytes", sized(ed(), 64)),
    ] {
        page.reject("9", name, "keys_unavailable", token);
    }
}

fn unavailable(book: &mut Book) {
    let about = "Step 9 without keys: a token that keys could save gets keys_unavailable; one that its own claims condemn by steps 10 to 17 gets that rejection, not verified; a signature of an impossible length is bad_signature.";
    let setting = Setting {
        keys: Keys::Unavailable("the JWKS could not be fetched".into()),
        ..setting()
    };
    let mut page = Page::new("signature/unavailable.json", about, setting);
    let kind = "keys_unavailable";
    page.reject_as(
        "9",
        "a good token",
        kind,
        "the JWKS could not be fetched",
        rsa(),
    );
    page.reject(
        "9",
        "a forged signature",
        kind,
        rsa().sign_with(&key("rsa-b")),
    );
    page.reject(
        "9",
        "without a scope: scopes condemn nothing before a signature was checked",
        kind,
        rsa().without_claim("scope"),
    );
    condemned(&mut page);
    impossible_signatures(&mut page);
    page.reject(
        "5",
        "alg none",
        "algorithm_not_allowed",
        rsa().alg_name("none"),
    );
    page.reject(
        "5",
        "HS256",
        "algorithm_not_allowed",
        rsa().alg_name("HS256"),
    );
    page.reject(
        "6",
        "crit",
        "unsupported_header",
        rsa().header("crit", json!(["x"])),
    );
    page.reject(
        "7",
        "another type",
        "wrong_token_type",
        rsa().typ("dpop+jwt"),
    );
    page.reject(
        "8",
        "a kid that is a number",
        "malformed",
        rsa().header("kid", 7),
    );
    page.reject("2", "no signature", "malformed", rsa().empty_signature());
    page.reject("3", "no header", "malformed", rsa().raw_header("[]"));
    page.reject(
        "2",
        "padding",
        "malformed",
        rsa().encoding(Part::Signature, mcp_bearer_testkit::Encoding::Padded),
    );
    page.finish(book);
}

/// Small-order points: with one of them as the key, anyone can sign (RFC 8032 section 8.9 advice on
/// contributory keys).
fn weak(book: &mut Book) {
    let about = "Step 9: an Ed25519 key of small order verifies signatures that anyone can make, so it is skipped.";
    let order8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa";
    let hex = |text: &str| -> Vec<u8> {
        (0..32)
            .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
            .collect()
    };
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    let mut identity_with_sign = one;
    identity_with_sign[31] = 0x80;
    let mut not_canonical = [0xff; 32];
    not_canonical[0] = 0xee;
    not_canonical[31] = 0x7f;
    let order8_too = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let points: [(&str, Vec<u8>); 7] = [
        ("identity", one.to_vec()),
        ("order-2", minus_one.to_vec()),
        ("order-4", vec![0; 32]),
        ("order-8", hex(order8)),
        ("order-8-too", hex(order8_too)),
        ("identity-with-sign", identity_with_sign.to_vec()),
        ("identity-not-canonical", not_canonical.to_vec()),
    ];
    let mut jwks: Vec<Value> = points
        .iter()
        .map(|(kid, x)| json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(x) }))
        .collect();
    jwks.push(ed_key().jwk());
    let mut page = Page::new(
        "signature/small_order.json",
        about,
        keys_setting(jwks, &["EdDSA"]),
    );
    page.accept("9", "the good key beside them", ed());
    page.accept("9", "the only usable key", ed().without_header("kid"));
    for (kid, _) in &points {
        // R the identity, S zero: holds whenever the hash is a multiple of the key's order.
        let mut bytes = [0; 64];
        bytes[0] = 1;
        for attempt in 0..9 {
            let token = ed()
                .kid(kid)
                .claim("jti", attempt.to_string())
                .raw_signature(bytes);
            page.reject(
                "9",
                &format!("{kid}, attempt {attempt}"),
                "unknown_key",
                token,
            );
        }
    }
    page.finish(book);
}
