//! Steps 3 and 5 to 8: the JOSE header.

use serde_json::json;

use crate::{
    Book, HEADER, Page, b64, by, ec, ed, header_and, json_faults, json_oddities, key, names, rsa,
    rsa_key, setting, setting_with_policy, with_header,
};
use mcp_bearer_testkit::vectors::{PolicyOptions, Setting};
use mcp_bearer_testkit::{Forge, SigningKey};

pub(crate) fn write(book: &mut Book) {
    json_form(book);
    algorithm(book);
    critical(book);
    token_type(book);
    key_id(book);
    embedded(book);
}

fn json_form(book: &mut Book) {
    let mut page = Page::new(
        "header/json.json",
        "Step 3: the header is one strict JSON object.",
        setting(),
    );
    for (name, bytes) in json_oddities(HEADER) {
        page.accept("3", name, rsa().raw_header(bytes));
    }
    for (name, bytes) in json_faults(HEADER) {
        page.reject("3", name, "malformed", rsa().raw_header(bytes));
    }
    for (name, members) in [
        (
            "alg twice, first good",
            r#""alg":"RS256","alg":"none","kid":"rsa-a""#,
        ),
        (
            "alg twice, last good",
            r#""alg":"none","alg":"RS256","kid":"rsa-a""#,
        ),
        (
            "alg twice, the same",
            r#""alg":"RS256","alg":"RS256","kid":"rsa-a""#,
        ),
        (
            "alg twice, once escaped",
            r#""alg":"RS256","\u0061lg":"none","kid":"rsa-a""#,
        ),
        ("kid twice", r#""alg":"RS256","kid":"rsa-a","kid":"other""#),
        (
            "typ twice",
            r#""alg":"RS256","kid":"rsa-a","typ":"JWT","typ":"dpop+jwt""#,
        ),
        (
            "crit twice",
            r#""alg":"RS256","kid":"rsa-a","crit":[],"crit":["x"]"#,
        ),
    ] {
        page.reject_as(
            "3",
            name,
            "malformed",
            "twice",
            rsa().raw_header(format!("{{{members}}}")),
        );
    }
    page.reject(
        "3",
        "a number beyond a double",
        "malformed",
        header_and(r#""x":1e999"#),
    );
    page.finish(book);
}

fn algorithm(book: &mut Book) {
    let mut page = Page::new(
        "header/alg.json",
        "Step 5: alg is known, and in the policy's list.",
        setting(),
    );
    page.accept("5", "RS256", rsa());
    page.accept("5", "ES256", ec());
    page.accept("5", "EdDSA", ed());
    page.accept(
        "5",
        "an escaped RS256",
        with_header("alg", r#""\u0052S256""#),
    );
    let kind = "algorithm_not_allowed";
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "no\u{0}ne",
        "ｎｏｎｅ",
    ] {
        page.reject(
            "5",
            &format!("{alg:?} with a good signature"),
            kind,
            rsa().alg_name(alg),
        );
        page.reject(
            "5",
            &format!("{alg:?} with two bytes"),
            kind,
            rsa().alg_name(alg).raw_signature([0, 0]),
        );
        page.reject(
            "2",
            &format!("{alg:?} with an empty signature"),
            "malformed",
            rsa().alg_name(alg).empty_signature(),
        );
    }
    page.reject(
        "2",
        "none without the last dot",
        "malformed",
        rsa().alg_name("none").keep_segments(2),
    );
    let bare = format!("{}.{}.AA", b64(r#"{"alg":"none"}"#), b64("{}"));
    page.reject("5", "none and nothing else", kind, bare);
    for (name, value) in [
        ("null", "null"),
        ("a number", "256"),
        ("true", "true"),
        ("an array with the right one", r#"["RS256"]"#),
        ("an object", r#"{"RS256":true}"#),
        ("empty", r#""""#),
        ("lower case", r#""rs256""#),
        ("mixed case", r#""Rs256""#),
        ("a space behind", r#""RS256 ""#),
        ("a NUL behind", r#""RS256\u0000""#),
        ("two in one", r#""RS256,none""#),
        ("HS256", r#""HS256""#),
        ("HS384", r#""HS384""#),
        ("HS512", r#""HS512""#),
        ("RS384, which the policy does not list", r#""RS384""#),
        ("RS512, which the policy does not list", r#""RS512""#),
        ("PS256, which the policy does not list", r#""PS256""#),
        ("ES384, which the policy does not list", r#""ES384""#),
        ("ES256K", r#""ES256K""#),
        ("Ed448", r#""Ed448""#),
        ("RS1", r#""RS1""#),
        ("an algorithm for keys", r#""RSA-OAEP""#),
        ("dir", r#""dir""#),
        ("the hash alone", r#""SHA256""#),
        ("a post-quantum one", r#""ML-DSA-44""#),
    ] {
        page.reject("5", name, kind, with_header("alg", value));
    }
    page.reject_as(
        "5",
        "missing",
        kind,
        "no \"alg\"",
        rsa().without_header("alg"),
    );
    page.reject(
        "5",
        "only as Alg",
        kind,
        rsa().without_header("alg").header("Alg", "RS256"),
    );
    page.reject("5", "10 kB", kind, rsa().alg_name(&"A".repeat(10_000)));
    page.reject("5", "an empty header", kind, rsa().raw_header("{}"));
    page.finish(book);

    let only = Setting {
        algorithms: names(&["RS256"]),
        ..setting()
    };
    let mut page = Page::new(
        "header/alg_rs256_only.json",
        "Step 5: only RS256 is allowed, although the set has other keys.",
        only,
    );
    page.accept("5", "RS256", rsa());
    page.reject_as("5", "ES256", kind, "only RS256", ec());
    page.reject("5", "EdDSA", kind, ed());
    page.finish(book);
}

fn critical(book: &mut Book) {
    let mut page = Page::new(
        "header/crit.json",
        "Step 6: crit is refused in any form, b64 other than true too.",
        setting(),
    );
    let kind = "unsupported_header";
    page.accept("6", "neither crit nor b64", rsa());
    page.accept("6", "b64 true", rsa().header("b64", true));
    page.accept(
        "6",
        "a header named Crit",
        rsa().header("Crit", json!(["x"])),
    );
    for (name, value) in [
        ("an unknown extension", r#"["x"]"#),
        (
            "an unknown extension that is present",
            r#"["http://example.com/x"]"#,
        ),
        ("empty", "[]"),
        ("a string", r#""exp""#),
        ("null", "null"),
        ("false", "false"),
        ("an object", "{}"),
        ("a number", "0"),
        ("a registered header", r#"["alg"]"#),
        ("exp", r#"["exp"]"#),
        ("b64", r#"["b64"]"#),
        ("the same twice", r#"["x","x"]"#),
        ("crit itself", r#"["crit"]"#),
        ("a number inside", "[1]"),
    ] {
        let forge = with_header("crit", value);
        page.reject("6", &format!("crit: {name}"), kind, forge);
    }
    page.reject(
        "6",
        "crit under an escaped name",
        kind,
        header_and(r#""\u0063rit":["x"],"x":1"#),
    );
    page.reject(
        "6",
        "crit with its extension",
        kind,
        header_and(r#""crit":["x"],"x":1"#),
    );
    for (name, value) in [
        ("false", "false"),
        ("null", "null"),
        ("zero", "0"),
        ("the string false", r#""false""#),
        ("the string true", r#""true""#),
    ] {
        page.reject(
            "6",
            &format!("b64: {name}"),
            kind,
            with_header("b64", value),
        );
    }
    page.reject(
        "6",
        "b64 false with crit",
        kind,
        header_and(r#""crit":["b64"],"b64":false"#),
    );
    let unencoded = {
        let header = b64(r#"{"alg":"RS256","kid":"rsa-a","b64":false,"crit":["b64"]}"#);
        let signature = rsa_key().sign("RS256", format!("{header}.eyJhIjoxfQ").as_bytes());
        format!("{header}.eyJhIjoxfQ.{}", b64(signature))
    };
    page.reject(
        "6",
        "an unencoded payload, signed as RFC 7797 says",
        kind,
        unencoded,
    );
    page.finish(book);
}

fn token_type(book: &mut Book) {
    let mut page = Page::new(
        "header/typ.json",
        "Step 7: typ is absent, JWT, JOSE or at+jwt, without case, and application/ may be left out.",
        setting(),
    );
    let kind = "wrong_token_type";
    page.accept("7", "absent", rsa().without_header("typ"));
    for typ in [
        "JWT",
        "jwt",
        "Jwt",
        "application/jwt",
        "Application/JWT",
        "JOSE",
        "jose",
        "application/jose",
        "at+jwt",
        "AT+JWT",
        "At+Jwt",
        "application/at+jwt",
        "APPLICATION/AT+JWT",
    ] {
        page.accept("7", typ, rsa().typ(typ));
    }
    page.accept("7", "escaped", with_header("typ", r#""\u0061t\u002Bjwt""#));
    for typ in [
        "",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "id_token",
        "JOSE+JSON",
        "application/jose+json",
        "oauth-id-jag+jwt",
        "application/logout+jwt",
        "token-introspection+jwt",
        "kb+jwt",
        "dc+sd-jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "application/jwt; charset=utf-8",
        "application/application/jwt",
        "application/",
        "application",
        "text/jwt",
        "/jwt",
        "application/at+jwt; x=1",
        "at+jwt ",
        " JWT",
        "JWT\0",
        "JWS",
        "refresh+jwt",
        "application/application/at+jwt",
        "at jwt",
    ] {
        page.reject("7", &format!("{typ:?}"), kind, rsa().typ(typ));
    }
    for (name, value) in [
        ("null", "null"),
        ("a number", "1"),
        ("an array", r#"["JWT"]"#),
        ("an object", r#"{"JWT":1}"#),
        ("true", "true"),
    ] {
        page.reject("7", name, kind, with_header("typ", value));
    }
    page.reject("7", "10 kB", kind, rsa().typ(&"J".repeat(10_000)));
    page.finish(book);

    let strict = setting_with_policy(PolicyOptions {
        token_type_rfc9068: true,
        ..PolicyOptions::default()
    });
    let mut page = Page::new(
        "header/typ_rfc9068.json",
        "Step 7: a policy that requires at+jwt (RFC 9068).",
        strict,
    );
    page.accept("7", "at+jwt", rsa().typ("at+jwt"));
    page.accept(
        "7",
        "application/at+jwt in another case",
        rsa().typ("Application/AT+jwt"),
    );
    page.reject_as("7", "JWT", kind, "at+jwt", rsa());
    page.reject("7", "application/jwt", kind, rsa().typ("application/jwt"));
    page.reject("7", "JOSE", kind, rsa().typ("JOSE"));
    page.reject("7", "absent", kind, rsa().without_header("typ"));
    page.reject("7", "dpop+jwt", kind, rsa().typ("dpop+jwt"));
    page.finish(book);

    let named = setting_with_policy(PolicyOptions {
        also_accept_types: names(&["vendor-at", "application/vendor2+jwt"]),
        ..PolicyOptions::default()
    });
    let mut page = Page::new(
        "header/typ_named.json",
        "Steps 7 and 17: types that a policy names beside the usual ones never count as at+jwt.",
        named,
    );
    for typ in [
        "vendor-at",
        "Vendor-AT",
        "application/vendor-at",
        "vendor2+jwt",
        "application/vendor2+jwt",
        "JWT",
        "at+jwt",
    ] {
        page.accept("7", typ, rsa().typ(typ));
    }
    for typ in [
        "vendor",
        "vendor-at2",
        "x/vendor-at",
        "vendor3+jwt",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "oauth-id-jag+jwt",
    ] {
        page.reject("7", &format!("{typ:?}"), kind, rsa().typ(typ));
    }
    page.reject(
        "17",
        "at_hash in a token of a named type",
        kind,
        rsa().typ("vendor-at").claim("at_hash", "x"),
    );
    page.reject(
        "17",
        "a typ claim of ID in a token of a named type",
        kind,
        rsa().typ("vendor-at").claim("typ", "ID"),
    );
    page.finish(book);
}

fn key_id(book: &mut Book) {
    let mut page = Page::new(
        "header/kid.json",
        "Steps 8 and 9: kid is a string, and names a key byte for byte.",
        setting(),
    );
    page.accept("8", "a string", rsa());
    page.accept("8", "absent, and one key fits", rsa().without_header("kid"));
    page.accept(
        "8",
        "absent, and one EC key fits",
        ec().without_header("kid"),
    );
    page.accept("8", "escaped", with_header("kid", r#""rs\u0061-a""#));
    for (name, value) in [
        ("null", "null"),
        ("a number", "1"),
        ("an array with the right one", r#"["rsa-a"]"#),
        ("an object", "{}"),
        ("false", "false"),
    ] {
        page.reject("8", name, "malformed", with_header("kid", value));
    }
    for kid in [
        "",
        "rsa-b",
        "RSA-A",
        "rsa-a ",
        " rsa-a",
        "rsa-a\0",
        "rsa",
        "rsa-a\r\nX-Injected: 1",
        "../../dev/null",
        "/dev/null",
        "' OR 1=1 --",
        "http://127.0.0.1/jwks",
        "\u{202e}a-asr",
        "日本語",
        "{\"kty\":\"RSA\"}",
        "$(id)",
        "0",
    ] {
        page.reject(
            "9",
            &format!("unknown: {kid:?}"),
            "unknown_key",
            rsa().kid(kid),
        );
    }
    page.reject(
        "9",
        "unknown: 10 kB",
        "unknown_key",
        rsa().kid(&"k".repeat(10_000)),
    );
    page.reject(
        "9",
        "unknown: 1000 NULs",
        "unknown_key",
        rsa().kid(&"\0".repeat(1000)),
    );
    page.reject(
        "9",
        "of a key of another type",
        "unknown_key",
        rsa().kid("p256-a"),
    );
    page.reject(
        "9",
        "of a key of another type, signed by it",
        "bad_signature",
        ec().alg_name("RS256"),
    );
    page.reject(
        "9",
        "EdDSA with the kid of the EC key",
        "unknown_key",
        ed().kid("p256-a"),
    );
    page.finish(book);
}

fn embedded(book: &mut Book) {
    let about = "Steps 8 and 9: jwk, jku, x5u, x5c and x5t never influence anything.";
    let mut page = Page::new("header/embedded_keys.json", about, setting());
    let attacker = key("rsa-b");
    let attacker_ec = key("p256-b");
    for (name, value) in [
        ("jwk", attacker.jwk()),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
    ] {
        page.accept(
            "8",
            &format!("{name} on a good token"),
            rsa().header(name, value.clone()),
        );
        let forged = |forge: Forge| forge.sign_with(&attacker).header(name, value.clone());
        page.reject(
            "9",
            &format!("{name}, signed by the attacker under our kid"),
            "bad_signature",
            forged(rsa()),
        );
        page.reject(
            "9",
            &format!("{name}, signed by the attacker without kid"),
            "bad_signature",
            forged(rsa().without_header("kid")),
        );
        page.reject(
            "9",
            &format!("{name}, signed by the attacker under its kid"),
            "unknown_key",
            forged(rsa().kid("rsa-b")),
        );
    }
    page.accept(
        "8",
        "a jwk of a wrong type on a good token",
        rsa().header("jwk", 7),
    );
    page.accept(
        "8",
        "a jku of a wrong type on a good token",
        rsa().header("jku", json!([null])),
    );
    let ec_forged = by(&attacker_ec)
        .kid("p256-a")
        .header("jwk", attacker_ec.jwk());
    page.reject(
        "9",
        "an EC jwk, signed by the attacker",
        "bad_signature",
        ec_forged,
    );
    let secret = SigningKey::hmac(b"the attacker's secret of 32 bytes!!");
    let oct = rsa()
        .alg_name("HS256")
        .header("jwk", secret.jwk())
        .sign_with(&secret);
    page.reject("5", "an oct jwk with HS256", "algorithm_not_allowed", oct);
    page.accept("8", "zip is not read", rsa().header("zip", "DEF"));
    page.finish(book);
}
