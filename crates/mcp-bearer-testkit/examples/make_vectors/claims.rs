//! Steps 4, 4a and 10 to 18: the claims.

use std::collections::BTreeMap;

use mcp_bearer_testkit::vectors::{PolicyOptions, Setting};
use serde_json::{Value, json};

use crate::{
    Accepted, Book, CLAIMS, Forge, Page, by, claims_and, ec, json_faults, json_oddities, key,
    names, rsa, setting, setting_with, setting_with_policy, usual, usual_with_client, with_claim,
};

pub(crate) fn write(book: &mut Book) {
    json_form(book);
    expiry(book);
    not_before(book);
    issuer(book);
    audience(book);
    identity(book);
    sender(book);
    token_kind(book);
    required(book);
    several_issuers(book);
}

/// Values of a wrong type for a claim that is a string.
const NOT_STRINGS: [(&str, &str); 5] = [
    ("a number", "1"),
    ("true", "true"),
    ("an object", "{}"),
    ("an empty array", "[]"),
    ("an array with a string", r#"["x"]"#),
];

fn json_form(book: &mut Book) {
    let mut page = Page::new(
        "claims/json.json",
        "Steps 4 and 10: the claims are one strict JSON object.",
        setting(),
    );
    for (name, bytes) in json_oddities(CLAIMS) {
        page.accept("4", name, rsa().raw_claims(bytes));
    }
    for (name, bytes) in json_faults(CLAIMS) {
        page.reject("10", name, "malformed", rsa().raw_claims(bytes));
    }
    for (name, extra) in [
        ("exp twice, last good", r#""exp":1,"#),
        ("exp twice, the same", r#""exp":1800003600,"#),
        ("iss twice", r#""iss":"https://evil.example/","#),
        ("aud twice", r#""aud":"https://other.example/","#),
        ("sub twice", r#""sub":"root","#),
        ("sub twice, once escaped", r#""\u0073ub":"root","#),
        ("aud twice, once escaped", r#""\u0061ud":"x","#),
        ("scope twice", r#""scope":"mcp:admin","#),
        ("nbf twice", r#""nbf":1,"nbf":2,"#),
        ("cnf.jkt twice", r#""cnf":{"jkt":"a","jkt":"b"},"#),
        ("client_id twice", r#""client_id":"a","client_id":"b","#),
    ] {
        page.reject_as(
            "10",
            name,
            "malformed",
            "twice",
            rsa().raw_claims(format!("{{{extra}{CLAIMS}}}")),
        );
    }
    for (name, bytes) in [
        ("an array", "[]"),
        ("not JSON", "Hello"),
        ("a duplicate", r#"{"a":1,"a":1}"#),
    ] {
        let forged = rsa().raw_claims(bytes).sign_with(&key("rsa-b"));
        page.reject(
            "9",
            &format!("{name}, not signed by us: the signature is told first"),
            "bad_signature",
            forged,
        );
    }
    page.reject(
        "10",
        "a string of JSON",
        "malformed",
        rsa().raw_claims(format!("{:?}", format!("{{{CLAIMS}}}"))),
    );
    for (name, number) in [
        ("1e999", "1e999"),
        ("-1e999", "-1e999"),
        ("1e309", "1e309"),
        ("1.8e308", "1.8e308"),
        ("a whole number of 400 digits", &"9".repeat(400)),
        ("an exponent of 30 digits", &format!("1e{}", "9".repeat(30))),
    ] {
        page.reject(
            "10",
            &format!("{name} in an unknown claim"),
            "invalid_claim",
            claims_and(&format!(r#""x":{number}"#)),
        );
        page.reject(
            "10",
            &format!("{name} deep in an unknown claim"),
            "invalid_claim",
            claims_and(&format!(r#""x":[{{"y":{number}}}]"#)),
        );
    }
    page.reject(
        "11",
        "an empty object",
        "missing_claim",
        rsa().raw_claims("{}"),
    );
    page.finish(book);
}

fn exp(value: f64) -> Accepted {
    Accepted {
        expires_at: Some(value),
        ..usual()
    }
}

/// NumericDates of a wrong type, or with a value that no date can have.
fn bad_dates() -> Vec<(&'static str, String)> {
    [
        ("a string", r#""1800003600""#),
        ("an empty string", r#""""#),
        ("a date in words", r#""2027-01-15T09:00:00Z""#),
        ("true", "true"),
        ("false", "false"),
        ("an array", "[1800003600]"),
        ("an empty array", "[]"),
        ("an object", "{}"),
        ("1e300", "1e300"),
        ("-1e300", "-1e300"),
        ("1e999", "1e999"),
        ("-1e999", "-1e999"),
        ("2^63", "9223372036854775808"),
        ("2^63 - 1", "9223372036854775807"),
        ("2^64", "18446744073709551616"),
        ("2^64 - 1", "18446744073709551615"),
        ("-2^63", "-9223372036854775808"),
        ("2^53 + 1", "9007199254740993"),
        ("2^53 + 1 with an exponent", "9.007199254740993e15"),
        ("2^53 and a half", "9007199254740992.5"),
        ("2^53 + 2", "9007199254740994"),
        ("2^128", "340282366920938463463374607431768211456"),
        ("-2^53 - 1", "-9007199254740993"),
        ("-2^53 - 2", "-9007199254740994"),
        (
            "a private number object",
            r#"{"$serde_json::private::Number":"1800003600"}"#,
        ),
    ]
    .map(|(name, text)| (name, text.to_owned()))
    .into()
}

/// A number that no double can hold is found before its claim is checked.
fn step_of<'s>(text: &str, step: &'s str) -> &'s str {
    if text.ends_with("e999") { "10" } else { step }
}

fn expiry(book: &mut Book) {
    let mut page = Page::new(
        "claims/exp.json",
        "Step 11: exp is a date, and now < exp + leeway (60 s).",
        setting(),
    );
    for (name, text, value) in [
        ("a whole number", "1800003600", 1_800_003_600.0),
        ("a fraction", "1800003600.5", 1_800_003_600.5),
        ("a fraction of zero", "1800003600.0", 1_800_003_600.0),
        ("an exponent", "1.8000036e9", 1_800_003_600.0),
        (
            "a capital exponent with a sign",
            "18000036E+2",
            1_800_003_600.0,
        ),
        ("a negative exponent", "180000360000e-2", 1_800_003_600.0),
        (
            "a long fraction",
            "1800003600.000000000000000000001",
            1_800_003_600.0,
        ),
        ("far in the future", "4102444800", 4_102_444_800.0),
        ("2^53", "9007199254740992", 9_007_199_254_740_992.0),
        (
            "2^53 with an exponent",
            "9.007199254740992e15",
            9_007_199_254_740_992.0,
        ),
        (
            "2^53 less what a double can tell",
            "9007199254740991.9",
            9_007_199_254_740_992.0,
        ),
        (
            "one second ago, within the leeway",
            "1799999999",
            1_799_999_999.0,
        ),
        (
            "59 seconds ago, within the leeway",
            "1799999941",
            1_799_999_941.0,
        ),
        (
            "59.999 seconds ago, within the leeway",
            "1799999940.001",
            1_799_999_940.001,
        ),
        ("now", "1800000000", 1_800_000_000.0),
    ] {
        page.accept_as("11", name, with_claim("exp", text), exp(value));
    }
    page.accept(
        "11",
        "under an escaped name",
        rsa()
            .without_claim("exp")
            .claims_prefix(r#""\u0065xp":1800003600,"#),
    );
    for (name, text) in [
        ("60 seconds ago", "1799999940"),
        ("60 seconds and a bit ago", "1799999939.999"),
        ("an hour ago", "1799996400"),
        ("one", "1"),
        ("zero", "0"),
        ("minus zero", "-0"),
        ("minus one", "-1"),
        ("far in the past", "-1800003600"),
        ("-2^53", "-9007199254740992"),
        ("a tiny number", "1e-300"),
        ("less than a double can hold", "1e-999"),
    ] {
        page.reject_as("11", name, "expired", "expired", with_claim("exp", text));
    }
    page.reject(
        "11",
        "milliseconds as a fraction of the epoch",
        "expired",
        with_claim("exp", "1800003.6"),
    );
    for (name, text) in bad_dates() {
        page.reject(
            step_of(&text, "11"),
            name,
            "invalid_claim",
            with_claim("exp", &text),
        );
    }
    page.reject_as(
        "11",
        "missing",
        "missing_claim",
        "exp",
        rsa().without_claim("exp"),
    );
    page.reject_as(
        "11",
        "null",
        "missing_claim",
        "\"exp\" is null",
        with_claim("exp", "null"),
    );
    page.reject(
        "11",
        "only as EXP",
        "missing_claim",
        rsa().without_claim("exp").claim("EXP", 1_800_003_600),
    );
    page.reject(
        "11",
        "expired, and nbf is a string: exp is told first",
        "expired",
        rsa().expires_in(-3600).claim("nbf", "x"),
    );
    page.reject(
        "11",
        "missing, and iat is null: exp is told first",
        "missing_claim",
        rsa().without_claim("exp").claim("iat", Value::Null),
    );
    page.finish(book);

    let strict = Setting {
        leeway: Some(0),
        ..setting()
    };
    let mut page = Page::new(
        "claims/exp_no_leeway.json",
        "Steps 11 and 12 without leeway.",
        strict,
    );
    page.accept_as(
        "11",
        "one second left",
        with_claim("exp", "1800000001"),
        exp(1_800_000_001.0),
    );
    page.accept_as(
        "11",
        "a thousandth left",
        with_claim("exp", "1800000000.001"),
        exp(1_800_000_000.001),
    );
    page.reject("11", "now", "expired", with_claim("exp", "1800000000"));
    page.reject(
        "11",
        "a second ago",
        "expired",
        with_claim("exp", "1799999999"),
    );
    page.accept("12", "nbf now", rsa().not_before_in(0));
    page.reject(
        "12",
        "nbf in a second",
        "not_yet_valid",
        rsa().not_before_in(1),
    );
    page.reject(
        "12",
        "nbf in a thousandth",
        "not_yet_valid",
        with_claim("nbf", "1800000000.001"),
    );
    page.finish(book);

    let wide = Setting {
        leeway: Some(300),
        ..setting()
    };
    let mut page = Page::new(
        "claims/exp_wide_leeway.json",
        "Steps 11 and 12 with the largest leeway.",
        wide,
    );
    page.accept_as(
        "11",
        "299 seconds ago",
        rsa().expires_in(-299),
        exp(1_799_999_701.0),
    );
    page.reject("11", "300 seconds ago", "expired", rsa().expires_in(-300));
    page.accept("12", "nbf in 300 seconds", rsa().not_before_in(300));
    page.reject(
        "12",
        "nbf in 301 seconds",
        "not_yet_valid",
        rsa().not_before_in(301),
    );
    page.finish(book);

    let never = setting_with_policy(PolicyOptions {
        accept_tokens_that_never_expire: true,
        ..PolicyOptions::default()
    });
    let mut page = Page::new(
        "claims/exp_optional.json",
        "Step 11: a policy that accepts tokens without exp.",
        never,
    );
    page.accept_as(
        "11",
        "missing",
        rsa().without_claim("exp"),
        Accepted {
            expires_at: None,
            ..usual()
        },
    );
    page.accept("11", "present", rsa());
    page.reject("11", "present and past", "expired", rsa().expires_in(-3600));
    page.reject(
        "11",
        "null is not absence where exp is optional",
        "invalid_claim",
        with_claim("exp", "null"),
    );
    page.finish(book);
}

fn not_before(book: &mut Book) {
    let mut page = Page::new(
        "claims/nbf_iat.json",
        "Step 12: nbf and iat are dates when present; now >= nbf - leeway and now >= iat - leeway (60 s).",
        setting(),
    );
    page.accept("12", "no nbf", rsa());
    page.accept("12", "nbf an hour ago", rsa().not_before_in(-3600));
    page.accept("12", "nbf now", rsa().not_before_in(0));
    page.accept(
        "12",
        "nbf in 60 seconds, within the leeway",
        rsa().not_before_in(60),
    );
    page.accept("12", "nbf zero", with_claim("nbf", "0"));
    page.accept("12", "nbf negative", with_claim("nbf", "-1.5"));
    page.accept(
        "12",
        "nbf with a fraction",
        with_claim("nbf", "1800000000.25"),
    );
    page.accept("12", "nbf with an exponent", with_claim("nbf", "1.8e9"));
    page.accept("12", "no iat", rsa().without_claim("iat"));
    page.accept(
        "12",
        "iat with a fraction",
        with_claim("iat", "1799999999.123456"),
    );
    page.accept("12", "iat now", rsa());
    page.accept(
        "12",
        "iat in 60 seconds, within the leeway",
        with_claim("iat", "1800000060"),
    );
    page.accept(
        "12",
        "iat long ago, when no age is set",
        with_claim("iat", "0"),
    );
    for (name, text) in [
        ("in 61 seconds", "1800000061"),
        ("in 60.001 seconds", "1800000060.001"),
        ("in two hours", "1800007200"),
        ("in milliseconds", "1800000000000"),
        ("2^53", "9007199254740992"),
    ] {
        page.reject_as(
            "12",
            &format!("iat {name}"),
            "not_yet_valid",
            "in the future",
            with_claim("iat", text),
        );
    }
    page.reject_as(
        "12",
        "nbf and iat in the future: nbf is told first",
        "not_yet_valid",
        "nbf",
        rsa().not_before_in(3600).issued_in(3600),
    );
    for (name, text) in [
        ("in 61 seconds", "1800000061"),
        ("in 60.001 seconds", "1800000060.001"),
        ("in ten hours", "1800036000"),
        ("in the year 2100", "4102444800"),
        ("in milliseconds", "1800000000000"),
        ("2^53", "9007199254740992"),
    ] {
        page.reject_as(
            "12",
            &format!("nbf {name}"),
            "not_yet_valid",
            "not valid for another",
            with_claim("nbf", text),
        );
    }
    for name in ["nbf", "iat"] {
        page.reject(
            "12",
            &format!("{name} null"),
            "invalid_claim",
            with_claim(name, "null"),
        );
    }
    for (name, text) in bad_dates() {
        page.reject(
            step_of(&text, "12"),
            &format!("nbf {name}"),
            "invalid_claim",
            with_claim("nbf", &text),
        );
        page.reject(
            step_of(&text, "12"),
            &format!("iat {name}"),
            "invalid_claim",
            with_claim("iat", &text),
        );
    }
    page.finish(book);

    let early = setting_with_policy(PolicyOptions {
        accept_tokens_issued_in_the_future: true,
        ..PolicyOptions::default()
    });
    let mut page = Page::new(
        "claims/iat_future.json",
        "Step 12: a policy that accepts tokens issued in the future.",
        early,
    );
    page.accept("12", "iat in two hours", rsa().issued_in(7200));
    page.accept("12", "iat 2^53", with_claim("iat", "9007199254740992"));
    page.reject(
        "12",
        "nbf in two hours",
        "not_yet_valid",
        rsa().not_before_in(7200),
    );
    page.reject(
        "12",
        "iat beyond 2^53",
        "invalid_claim",
        with_claim("iat", "1e300"),
    );
    page.reject(
        "12",
        "iat a string",
        "invalid_claim",
        with_claim("iat", r#""1800000000""#),
    );
    page.finish(book);

    let aged = setting_with_policy(PolicyOptions {
        max_age: Some(300),
        ..PolicyOptions::default()
    });
    let mut page = Page::new(
        "claims/max_age.json",
        "Step 12: a maximum age of 300 s (and 60 s of leeway).",
        aged,
    );
    page.accept("12", "issued now", rsa());
    page.accept("12", "issued 300 seconds ago", rsa().issued_in(-300));
    page.accept(
        "12",
        "issued 360 seconds ago, within the leeway",
        rsa().issued_in(-360),
    );
    page.accept(
        "12",
        "issued in 60 seconds, within the leeway",
        rsa().issued_in(60),
    );
    page.reject(
        "12",
        "issued 361 seconds ago",
        "too_old",
        rsa().issued_in(-361),
    );
    page.reject("12", "issued a day ago", "too_old", rsa().issued_in(-86400));
    page.reject("12", "issued at zero", "too_old", with_claim("iat", "0"));
    page.reject(
        "12",
        "issued at -2^53",
        "too_old",
        with_claim("iat", "-9007199254740992"),
    );
    page.reject(
        "12",
        "issued in 61 seconds",
        "not_yet_valid",
        rsa().issued_in(61),
    );
    page.reject_as(
        "12",
        "iat missing",
        "missing_claim",
        "iat",
        rsa().without_claim("iat"),
    );
    page.reject(
        "12",
        "iat a string",
        "invalid_claim",
        with_claim("iat", r#""1800000000""#),
    );
    page.reject(
        "12",
        "nbf in an hour",
        "not_yet_valid",
        rsa().not_before_in(3600),
    );
    page.finish(book);
}

fn issuer(book: &mut Book) {
    let mut page = Page::new(
        "claims/iss.json",
        "Step 13: iss is one of the expected, byte for byte.",
        Setting {
            issuers: Some(names(&[Forge::ISSUER, "https://second.example.com"])),
            ..setting()
        },
    );
    page.accept("13", "the first", rsa());
    page.accept(
        "13",
        "the second",
        rsa().issuer("https://second.example.com"),
    );
    page.accept(
        "13",
        "escaped",
        with_claim("iss", r#""https:\/\/idp.example.com\u002f""#),
    );
    for iss in [
        "",
        "https://idp.example.com",
        "https://idp.example.com//",
        "https://idp.example.com/x",
        "https://idp.example.com/?x",
        "https://idp.example.com/#",
        "http://idp.example.com/",
        "HTTPS://idp.example.com/",
        "https://IDP.example.com/",
        "https://idp.example.com:443/",
        "https://idp.example.com/\0",
        " https://idp.example.com/",
        "https://idp.example.com/ ",
        "https://idp.example.com/\n",
        "https://idp.example.co",
        "https://idp.example.com.evil.example/",
        "https://evil.example/",
        "https://idp.example.com/ https://second.example.com",
        "https://second.example.com/",
        "https://%69dp.example.com/",
        "https://idp.example.com/,https://evil.example/",
        "\u{456}dp",
        "idp.example.com",
    ] {
        page.reject("13", &format!("{iss:?}"), "wrong_issuer", rsa().issuer(iss));
    }
    for (iss, way) in [
        ("https://idp.example.com", "only by a slash at the end"),
        ("http://idp.example.com/", "only by http and https"),
        ("https://IDP.example.com/", "only by upper and lower case"),
        ("https://second.example.com/", "only by a slash at the end"),
    ] {
        page.reject_as(
            "13",
            &format!("{iss:?}: near, and the operator sees how"),
            "wrong_issuer",
            way,
            rsa().issuer(iss),
        );
    }
    page.reject(
        "13",
        "10 kB",
        "wrong_issuer",
        rsa().issuer(&"i".repeat(10_000)),
    );
    for (name, text) in NOT_STRINGS {
        page.reject("13", name, "invalid_claim", with_claim("iss", text));
    }
    page.reject(
        "13",
        "an array with the right one",
        "invalid_claim",
        with_claim("iss", r#"["https://idp.example.com/"]"#),
    );
    page.reject(
        "13",
        "an object with the right one",
        "invalid_claim",
        with_claim("iss", r#"{"https://idp.example.com/":1}"#),
    );
    page.reject_as(
        "13",
        "missing",
        "missing_claim",
        "iss",
        rsa().without_claim("iss"),
    );
    page.reject_as(
        "13",
        "null",
        "missing_claim",
        "\"iss\" is null",
        with_claim("iss", "null"),
    );
    page.reject(
        "13",
        "only as ISS",
        "missing_claim",
        rsa().without_claim("iss").claim("ISS", Forge::ISSUER),
    );
    page.reject(
        "13",
        "only in the header (RFC 7519 section 5.3)",
        "missing_claim",
        rsa().without_claim("iss").header("iss", Forge::ISSUER),
    );
    page.finish(book);

    let any = Setting {
        issuers: None,
        ..setting()
    };
    let mut page = Page::new(
        "claims/iss_any.json",
        "Step 13: any issuer, or none, but a string.",
        any,
    );
    page.accept("13", "missing", rsa().without_claim("iss"));
    page.accept("13", "another", rsa().issuer("anything at all"));
    page.accept("13", "empty", rsa().issuer(""));
    page.reject(
        "13",
        "null, which is not a string",
        "invalid_claim",
        with_claim("iss", "null"),
    );
    page.reject(
        "13",
        "an array",
        "invalid_claim",
        with_claim("iss", r#"["a"]"#),
    );
    page.finish(book);
}

fn audience(book: &mut Book) {
    let right = Forge::AUDIENCE;
    let mut page = Page::new(
        "claims/aud.json",
        "Step 14: aud holds one of the expected, byte for byte.",
        Setting {
            audiences: Some(names(&[right, "mcp-second"])),
            ..setting()
        },
    );
    page.accept("14", "a string", rsa());
    page.accept(
        "14",
        "the second expected one",
        rsa().audience("mcp-second"),
    );
    page.accept("14", "an array of one", rsa().audience(json!([right])));
    page.accept(
        "14",
        "the last of several",
        rsa().audience(json!(["a", "", "b", right])),
    );
    page.accept(
        "14",
        "twice in the array",
        rsa().audience(json!([right, right])),
    );
    page.accept("14", "both", rsa().audience(json!(["mcp-second", right])));
    page.accept(
        "14",
        "escaped in an array with spaces",
        with_claim("aud", r#"[ "x" ,  "https:\/\/mcp.example.com\u002Fmcp" ]"#),
    );
    page.accept(
        "14",
        "among brackets and commas",
        rsa().audience(json!(["],[", "a,b", "\"", "\\", right])),
    );
    page.accept("14", "the last of two hundred", {
        let mut all: Vec<String> = (0..200).map(|n| format!("aud-{n}")).collect();
        all.push(right.to_owned());
        rsa().audience(json!(all))
    });
    for aud in [
        "",
        "https://mcp.example.com/mcp/",
        "https://mcp.example.com",
        "https://mcp.example.com/",
        "https://mcp.example.com/mcp2",
        "https://mcp.example.com/mc",
        "HTTPS://mcp.example.com/mcp",
        "https://mcp.example.com/MCP",
        "https://mcp.example.com/mcp ",
        "https://mcp.example.com/mcp\0",
        "https://mcp.example.com/mcp,other",
        "other https://mcp.example.com/mcp",
        "mcp-secon",
        "https://mcp.example.com/mcp?x=1",
        "https://mcp.example.com/mcp#",
        "*",
        "null",
    ] {
        page.reject(
            "14",
            &format!("{aud:?}"),
            "wrong_audience",
            rsa().audience(aud),
        );
    }
    for (aud, way) in [
        (
            json!("https://mcp.example.com/mcp/"),
            "only by a slash at the end",
        ),
        (
            json!(["x", "http://mcp.example.com/mcp"]),
            "only by http and https",
        ),
        (json!(["x", "MCP-second"]), "only by upper and lower case"),
    ] {
        page.reject_as(
            "14",
            &format!("{aud}: near, and the operator sees how"),
            "wrong_audience",
            way,
            rsa().audience(aud),
        );
    }
    page.reject(
        "14",
        "an empty array",
        "wrong_audience",
        rsa().audience(json!([])),
    );
    page.reject(
        "14",
        "an array of others",
        "wrong_audience",
        rsa().audience(json!(["a", "b", "c", "d", "e", "f"])),
    );
    page.reject(
        "14",
        "an array of an empty string",
        "wrong_audience",
        rsa().audience(json!([""])),
    );
    page.reject(
        "14",
        "the right one split in two",
        "wrong_audience",
        rsa().audience(json!(["https://mcp.example.com", "/mcp"])),
    );
    for (name, text) in [
        ("a number", "7".to_owned()),
        ("true", "true".to_owned()),
        ("an object", "{}".to_owned()),
        (
            "an object with the right one",
            format!("{{\"{right}\":true}}"),
        ),
        (
            "a nested array with the right one",
            format!("[[\"{right}\"]]"),
        ),
        ("a number and the right one", format!("[7,\"{right}\"]")),
        ("the right one and null", format!("[\"{right}\",null]")),
        ("the right one and an object", format!("[\"{right}\",{{}}]")),
        ("an array of null", "[null]".to_owned()),
    ] {
        page.reject("14", name, "invalid_claim", with_claim("aud", &text));
    }
    page.reject_as(
        "14",
        "missing",
        "missing_claim",
        "aud",
        rsa().without_claim("aud"),
    );
    page.reject_as(
        "14",
        "null",
        "missing_claim",
        "\"aud\" is null",
        with_claim("aud", "null"),
    );
    page.reject(
        "14",
        "only as resource",
        "missing_claim",
        rsa().without_claim("aud").claim("resource", right),
    );
    page.reject(
        "14",
        "only in the header",
        "missing_claim",
        rsa().without_claim("aud").header("aud", right),
    );
    page.finish(book);

    let any = Setting {
        audiences: None,
        ..setting()
    };
    let mut page = Page::new(
        "claims/aud_any.json",
        "Step 14: any audience, or none, but of the right type.",
        any,
    );
    page.accept("14", "missing", rsa().without_claim("aud"));
    page.accept("14", "another", rsa().audience("anything"));
    page.accept("14", "an empty array", rsa().audience(json!([])));
    page.reject(
        "14",
        "null, which is neither a string nor an array",
        "invalid_claim",
        with_claim("aud", "null"),
    );
    page.reject(
        "14",
        "a number in an array",
        "invalid_claim",
        with_claim("aud", r#"["a",1]"#),
    );
    page.finish(book);
}

fn identity(book: &mut Book) {
    let mut page = Page::new(
        "claims/identity.json",
        "Step 15: sub, client_id, azp, cid, appid and jti are strings when present.",
        setting(),
    );
    let nobody = Accepted {
        subject: None,
        ..usual()
    };
    page.accept_as("15", "no sub", rsa().without_claim("sub"), nobody);
    page.accept_as(
        "15",
        "an empty sub",
        rsa().subject(""),
        Accepted {
            subject: Some(String::new()),
            ..usual()
        },
    );
    page.accept_as(
        "15",
        "a sub with everything",
        with_claim("sub", r#""\"\\\u0000\ud83d\ude00é\n""#),
        Accepted {
            subject: Some("\"\\\0😀é\n".into()),
            ..usual()
        },
    );
    for name in ["client_id", "azp", "cid", "appid"] {
        page.accept_as(
            "15",
            &format!("{name} is the client"),
            rsa().claim(name, "app-1"),
            usual_with_client("app-1"),
        );
    }
    let order = rsa()
        .claim("appid", "4")
        .claim("cid", "3")
        .claim("azp", "2");
    page.accept_as(
        "15",
        "azp before cid and appid",
        order.clone(),
        usual_with_client("2"),
    );
    page.accept_as(
        "15",
        "client_id before all",
        order.clone().claim("client_id", "1"),
        usual_with_client("1"),
    );
    page.accept_as(
        "15",
        "an empty client_id wins too",
        order.claim("client_id", ""),
        usual_with_client(""),
    );
    page.accept_as(
        "15",
        "cid before appid",
        rsa().claim("appid", "4").claim("cid", "3"),
        usual_with_client("3"),
    );
    page.accept(
        "15",
        "jti",
        rsa().claim("jti", "e0fcbc3e-3a8b-4f0c-9a53-0d3ed4e1b4ba"),
    );
    for name in ["sub", "client_id", "azp", "cid", "appid", "jti"] {
        for (what, text) in NOT_STRINGS {
            page.reject_as(
                "15",
                &format!("{name}: {what}"),
                "invalid_claim",
                name,
                with_claim(name, text),
            );
        }
    }
    page.accept_as(
        "15",
        "sub: null is absence",
        with_claim("sub", "null"),
        Accepted {
            subject: None,
            ..usual()
        },
    );
    for name in ["client_id", "azp", "cid", "appid", "jti"] {
        page.accept(
            "15",
            &format!("{name}: null is absence"),
            with_claim(name, "null"),
        );
    }
    page.accept_as(
        "15",
        "client_id null: azp is the client",
        rsa().claim("client_id", Value::Null).claim("azp", "2"),
        usual_with_client("2"),
    );
    page.accept_as(
        "15",
        "null under an escaped name",
        claims_and(r#""client_\u0069d":null,"azp":"2""#),
        usual_with_client("2"),
    );
    page.reject(
        "15",
        "a good client_id beside a bad appid",
        "invalid_claim",
        rsa().claim("client_id", "a").claim("appid", 1),
    );
    page.finish(book);
}

fn sender(book: &mut Book) {
    let mut page = Page::new(
        "claims/cnf.json",
        "Step 16: a token bound to a key is not a bearer token.",
        setting(),
    );
    page.accept("16", "no cnf", rsa());
    page.accept(
        "16",
        "cnf in another claim",
        rsa().claim("x", json!({"cnf": {"jkt": "a"}})),
    );
    page.accept("16", "CNF", rsa().claim("CNF", json!({"jkt": "a"})));
    page.accept("16", "null is absence", rsa().claim("cnf", Value::Null));
    for (name, value) in [
        (
            "jkt (DPoP)",
            json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        ),
        (
            "x5t#S256 (mutual TLS)",
            json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        ),
        ("jwk", json!({"jwk": {"kty": "RSA"}})),
        ("kid", json!({"kid": "a"})),
        ("empty", json!({})),
        ("a confirmation that is null", json!({"jkt": null})),
        ("an empty string", json!("")),
        ("a string", json!("none")),
        ("an array", json!([])),
        ("false", json!(false)),
    ] {
        page.reject("16", name, "sender_constrained", rsa().claim("cnf", value));
    }
    page.reject(
        "16",
        "under an escaped name",
        "sender_constrained",
        claims_and(r#""\u0063nf":{"jkt":"a"}"#),
    );
    page.reject(
        "16",
        "in an at+jwt",
        "sender_constrained",
        rsa().typ("at+jwt").claim("cnf", json!({"jkt": "a"})),
    );
    page.finish(book);
}

fn token_kind(book: &mut Book) {
    let mut page = Page::new(
        "claims/token_kind.json",
        "Step 17: no ID, refresh, logout or registration token, and no DPoP proof.",
        setting(),
    );
    let kind = "wrong_token_type";
    page.accept(
        "17",
        "nonce alone, as Keycloak has it",
        rsa().claim("nonce", "n-0S6_WzA2Mj"),
    );
    page.accept(
        "17",
        "at_hash in an at+jwt",
        rsa()
            .typ("at+jwt")
            .claim("at_hash", "77QmUPtjPfzWtF2AnpK9RQ"),
    );
    page.accept(
        "17",
        "c_hash in an application/at+jwt",
        rsa().typ("application/at+jwt").claim("c_hash", "x"),
    );
    page.accept(
        "17",
        "token_use access, as Cognito has it",
        rsa().claim("token_use", "access"),
    );
    page.accept(
        "17",
        "s_hash in an at+jwt",
        rsa().typ("at+jwt").claim("s_hash", "x"),
    );
    page.accept(
        "17",
        "events in an at+jwt",
        rsa().typ("at+jwt").claim("events", json!({"x": {}})),
    );
    page.accept("17", "events null", rsa().claim("events", Value::Null));
    page.accept(
        "17",
        "events inside another claim",
        rsa().claim("x", json!({"events": {}})),
    );
    for typ in [
        "Bearer",
        "at+jwt",
        "access",
        "JWT",
        "",
        "Identity",
        "AccessToken",
    ] {
        page.accept(
            "17",
            &format!("a typ claim of {typ:?}"),
            rsa().claim("typ", typ),
        );
    }
    page.reject(
        "17",
        "at_hash",
        kind,
        rsa().claim("at_hash", "77QmUPtjPfzWtF2AnpK9RQ"),
    );
    page.reject(
        "17",
        "at_hash without typ in the header",
        kind,
        rsa().without_header("typ").claim("at_hash", "x"),
    );
    for name in ["at_hash", "c_hash", "s_hash", "token_use", "typ"] {
        page.accept(
            "17",
            &format!("{name} null marks nothing"),
            rsa().claim(name, Value::Null),
        );
    }
    page.reject(
        "17",
        "at_hash null beside a c_hash",
        kind,
        rsa().claim("at_hash", Value::Null).claim("c_hash", "x"),
    );
    page.reject("17", "an empty at_hash", kind, rsa().claim("at_hash", ""));
    page.reject("17", "at_hash false", kind, rsa().claim("at_hash", false));
    page.reject(
        "17",
        "c_hash",
        kind,
        rsa().claim("c_hash", "LDktKdoQak3Pk0cnXxCltA"),
    );
    page.reject("17", "s_hash", kind, rsa().claim("s_hash", "76sa5dd"));
    let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    page.reject(
        "17",
        "a logout token without its type",
        kind,
        rsa().claim("events", event).claim("sid", "x"),
    );
    page.reject(
        "17",
        "a security event token without its type",
        kind,
        rsa()
            .without_header("typ")
            .claim("events", json!({"urn:ietf:params:scim:event:create": {}})),
    );
    for (name, value) in [
        ("an empty object", json!({})),
        ("an array", json!([])),
        ("a string", json!("")),
        ("false", json!(false)),
    ] {
        page.reject(
            "17",
            &format!("events: {name}"),
            kind,
            rsa().claim("events", value),
        );
    }
    page.reject(
        "17",
        "events under an escaped name",
        kind,
        claims_and(r#""\u0065vents":{}"#),
    );
    page.reject(
        "17",
        "an ID token of OpenID Connect",
        kind,
        rsa()
            .claim("nonce", "n")
            .claim("auth_time", 1)
            .claim("at_hash", "x")
            .claim("azp", "app"),
    );
    for (name, value) in [
        ("id", json!("id")),
        ("refresh", json!("refresh")),
        ("Access", json!("Access")),
        ("empty", json!("")),
        ("the word null", json!("null")),
        ("false", json!(false)),
        ("true", json!(true)),
        ("an array with access", json!(["access"])),
    ] {
        page.reject(
            "17",
            &format!("token_use {name}"),
            kind,
            rsa().claim("token_use", value.clone()),
        );
        page.reject(
            "17",
            &format!("token_use {name} in an at+jwt"),
            kind,
            rsa().typ("at+jwt").claim("token_use", value),
        );
    }
    for typ in [
        "ID",
        "Serialized-ID",
        "Refresh",
        "Offline",
        "Logout",
        "DPoP",
        "RegistrationAccessToken",
        "InitialAccessToken",
        "id",
        "REFRESH",
        "dpop",
        "serialized-id",
        "initialaccesstoken",
    ] {
        page.reject(
            "17",
            &format!("a typ claim of {typ:?}"),
            kind,
            rsa().claim("typ", typ),
        );
    }
    page.reject(
        "17",
        "a typ claim of ID in an at+jwt",
        kind,
        rsa().typ("at+jwt").claim("typ", "ID"),
    );
    page.reject(
        "17",
        "a typ claim of false",
        kind,
        rsa().claim("typ", false),
    );
    page.reject(
        "17",
        "a typ claim that is an array",
        kind,
        rsa().claim("typ", json!(["ID"])),
    );
    page.finish(book);

    let dex = setting_with_policy(PolicyOptions {
        accept_identity_token_shape: true,
        ..PolicyOptions::default()
    });
    let mut page = Page::new(
        "claims/token_kind_dex.json",
        "Step 17: the opt-out for issuers whose access tokens have at_hash.",
        dex,
    );
    page.accept("17", "at_hash", rsa().claim("at_hash", "x"));
    page.accept("17", "c_hash", rsa().claim("c_hash", "x"));
    page.accept("17", "s_hash", rsa().claim("s_hash", "x"));
    page.reject("17", "events", kind, rsa().claim("events", json!({})));
    page.reject("17", "token_use id", kind, rsa().claim("token_use", "id"));
    page.reject(
        "17",
        "a typ claim of ID",
        kind,
        rsa().claim("at_hash", "x").claim("typ", "ID"),
    );
    page.finish(book);
}

fn required(book: &mut Book) {
    let wanted = BTreeMap::from([
        ("tid".to_owned(), vec![json!("tenant-1"), json!("tenant-2")]),
        ("level".to_owned(), vec![json!(3)]),
        ("email_verified".to_owned(), vec![json!(true)]),
        ("org".to_owned(), vec![json!({"id": 1, "name": "a"})]),
    ]);
    let policy = PolicyOptions {
        required_claims: wanted,
        ..PolicyOptions::default()
    };
    let mut page = Page::new(
        "claims/required.json",
        "Step 18: claims that the policy requires.",
        setting_with_policy(policy),
    );
    let good = rsa()
        .claim("tid", "tenant-1")
        .claim("level", 3)
        .claim("email_verified", true)
        .claim("org", json!({"name": "a", "id": 1}));
    page.accept("18", "all of them", good.clone());
    page.accept(
        "18",
        "another allowed value",
        good.clone().claim("tid", "tenant-2"),
    );
    page.accept(
        "18",
        "escaped",
        good.clone()
            .without_claim("tid")
            .claims_prefix(r#""t\u0069d":"tenant\u002d1","#),
    );
    let kind = "claim_not_allowed";
    for (name, value) in [
        ("another value", json!("tenant-3")),
        ("a prefix", json!("tenant")),
        ("another case", json!("Tenant-1")),
        ("an array with an allowed one", json!(["tenant-1"])),
        ("null", Value::Null),
    ] {
        page.reject(
            "18",
            &format!("tid: {name}"),
            kind,
            good.clone().claim("tid", value),
        );
    }
    page.reject(
        "18",
        "level as a string",
        kind,
        good.clone().claim("level", "3"),
    );
    page.reject("18", "level higher", kind, good.clone().claim("level", 4));
    page.reject(
        "18",
        "email_verified as a string",
        kind,
        good.clone().claim("email_verified", "true"),
    );
    page.reject(
        "18",
        "email_verified one",
        kind,
        good.clone().claim("email_verified", 1),
    );
    page.reject(
        "18",
        "org with one member more",
        kind,
        good.clone()
            .claim("org", json!({"id": 1, "name": "a", "x": 1})),
    );
    for name in ["tid", "level", "email_verified", "org"] {
        page.reject_as(
            "18",
            &format!("{name} missing"),
            "missing_claim",
            name,
            good.clone().without_claim(name),
        );
    }
    page.finish(book);

    let policy = PolicyOptions {
        required_claims_containing: BTreeMap::from([
            (
                "groups".to_owned(),
                vec![json!("mcp-users"), json!("mcp-admins")],
            ),
            ("levels".to_owned(), vec![json!(3), json!({"a": [1]})]),
        ]),
        ..PolicyOptions::default()
    };
    let mut page = Page::new(
        "claims/required_containing.json",
        "Step 18: claims that must contain a value, as an element of an array or alone.",
        setting_with_policy(policy),
    );
    let good = rsa()
        .claim("groups", json!(["everyone", "mcp-users"]))
        .claim("levels", json!([1, 2, 3]));
    let with = |groups: Value| good.clone().claim("groups", groups);
    page.accept("18", "among others", good.clone());
    page.accept("18", "the other allowed one", with(json!(["mcp-admins"])));
    page.accept(
        "18",
        "beside other types",
        with(json!([null, 1, {}, ["x"], "mcp-users"])),
    );
    page.accept("18", "one value alone", with(json!("mcp-users")));
    page.accept(
        "18",
        "an equal number",
        good.clone().claim("levels", json!([3.0])),
    );
    page.accept(
        "18",
        "an equal object",
        good.clone().claim("levels", json!([{"a": [1]}])),
    );
    page.accept(
        "18",
        "escaped",
        good.clone()
            .without_claim("groups")
            .claims_prefix(r#""gr\u006fups":["mcp\u002dusers"],"#),
    );
    for (name, value) in [
        ("an empty array", json!([])),
        ("others", json!(["everyone", "mcp-user", "mcp-users2"])),
        ("another case", json!(["MCP-Users"])),
        ("one element with both", json!(["everyone mcp-users"])),
        ("one element with a comma", json!(["everyone,mcp-users"])),
        ("a text with it among others", json!("everyone mcp-users")),
        ("white space around it", json!([" mcp-users "])),
        ("a level too deep", json!([["mcp-users"]])),
        ("a member's name", json!({"mcp-users": true})),
        ("a member's value", json!({"0": "mcp-users"})),
        ("an object in the array", json!([{"mcp-users": true}])),
        ("null", Value::Null),
        ("true", json!(true)),
    ] {
        page.reject(
            "18",
            &format!("groups: {name}"),
            "claim_not_allowed",
            with(value),
        );
    }
    page.reject(
        "18",
        "a number as text",
        "claim_not_allowed",
        good.clone().claim("levels", json!(["3"])),
    );
    page.reject_as(
        "18",
        "groups missing",
        "missing_claim",
        "groups",
        good.clone().without_claim("groups"),
    );
    page.finish(book);

    let policy = PolicyOptions {
        allowed_client_ids: Some(names(&["app-1", "app-2"])),
        ..PolicyOptions::default()
    };
    let mut page = Page::new(
        "claims/clients.json",
        "Step 18: allowed clients.",
        setting_with_policy(policy),
    );
    page.accept_as(
        "18",
        "client_id",
        rsa().claim("client_id", "app-1"),
        usual_with_client("app-1"),
    );
    page.accept_as(
        "18",
        "azp",
        rsa().claim("azp", "app-2"),
        usual_with_client("app-2"),
    );
    page.reject(
        "18",
        "another client",
        kind,
        rsa().claim("client_id", "app-3"),
    );
    page.reject(
        "18",
        "an allowed azp behind another client_id",
        kind,
        rsa().claim("client_id", "app-3").claim("azp", "app-1"),
    );
    page.reject(
        "18",
        "another case",
        kind,
        rsa().claim("client_id", "APP-1"),
    );
    page.reject("18", "no client", "missing_claim", rsa());
    page.reject(
        "18",
        "an allowed sub is not a client",
        "missing_claim",
        rsa().subject("app-1"),
    );
    page.finish(book);
}

fn several_issuers(book: &mut Book) {
    let one = setting();
    let two = Setting {
        issuers: Some(names(&["https://second.example.com"])),
        audiences: Some(names(&["second-audience"])),
        algorithms: names(&["RS256"]),
        ..setting_with(&[key("rsa-b").with_kid("rsa-a")])
    };
    let about =
        "Step 4a: two issuers with the same kid; iss chooses keys, algorithms and audience.";
    let mut page = Page::new("issuers/two.json", about, one);
    page.file.settings.push(two);
    let second = || {
        by(&key("rsa-b").with_kid("rsa-a"))
            .issuer("https://second.example.com")
            .audience("second-audience")
    };
    page.accept("4a", "the first", rsa());
    page.accept("4a", "the first by ES256", ec());
    page.accept("4a", "the second", second());
    page.accept(
        "4a",
        "escaped",
        with_claim("iss", r#""https:\/\/idp.example.com/""#),
    );
    page.reject_as(
        "4a",
        "an unknown issuer",
        "wrong_issuer",
        "none of the configured",
        rsa().issuer("https://evil.example/"),
    );
    page.reject_as(
        "4a",
        "without the slash",
        "wrong_issuer",
        "only by a slash at the end",
        rsa().issuer("https://idp.example.com"),
    );
    page.reject(
        "4a",
        "a prefix",
        "wrong_issuer",
        rsa().issuer("https://idp.example"),
    );
    page.reject("4a", "empty", "wrong_issuer", rsa().issuer(""));
    page.reject("4a", "null", "missing_claim", with_claim("iss", "null"));
    page.reject("4a", "missing", "missing_claim", rsa().without_claim("iss"));
    for (name, text) in NOT_STRINGS {
        page.reject("4a", name, "invalid_claim", with_claim("iss", text));
    }
    page.reject(
        "4a",
        "both in an array",
        "invalid_claim",
        with_claim(
            "iss",
            r#"["https://idp.example.com/","https://second.example.com"]"#,
        ),
    );
    page.reject(
        "4a",
        "claims that are not an object",
        "malformed",
        rsa().raw_claims("[]"),
    );
    page.reject(
        "4a",
        "iss twice",
        "malformed",
        rsa().claims_prefix(r#""iss":"https://second.example.com","#),
    );
    page.reject(
        "9",
        "the first, signed by the second",
        "bad_signature",
        rsa().sign_with(&key("rsa-b")),
    );
    page.reject(
        "9",
        "the second, signed by the first",
        "bad_signature",
        second().sign_with(&key("rsa-a")),
    );
    page.reject(
        "5",
        "the second by ES256, which only the first allows",
        "algorithm_not_allowed",
        ec().issuer("https://second.example.com")
            .audience("second-audience"),
    );
    page.reject(
        "9",
        "the second with a kid of the first",
        "unknown_key",
        second().kid("p256-a"),
    );
    page.reject(
        "14",
        "the first for the second's audience",
        "wrong_audience",
        rsa().audience("second-audience"),
    );
    page.reject(
        "14",
        "the second for the first's audience",
        "wrong_audience",
        second().audience(Forge::AUDIENCE),
    );
    page.finish(book);
}
