//! Writes the token cases under `vectors/`:
//! `cargo run -p mcp-bearer-testkit --example make_vectors`.
//!
//! Keys and time are fixed, so the output is the same each time: a signature is kept from the old
//! file while what it signs is the same, because some have a random part (ES*, PS*). After a change
//! that affects only a signature, `-- --fresh` makes all of them again. The expectations are
//! written here, from the specification; the verifier is never asked what a case should give.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    reason = "a generator of test data: a failure should stop it at once"
)]

mod claims;
mod compact;
mod good;
mod header;
mod keys;
mod operations;
mod providers;
mod scopes;
mod settings;
mod signature;

use std::collections::BTreeMap;
use std::fs;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use mcp_bearer_testkit::vectors::{
    self, Accepted, Case, Expect, Keys, PolicyOptions, Rejected, Setting, VectorFile,
};
use mcp_bearer_testkit::{Forge, SigningKey};
use serde_json::{Value, json};

/// 2027-01-15 08:00:00 UTC.
const NOW: u64 = 1_800_000_000;

/// The header of a good RS256 token, without its braces.
const HEADER: &str = r#""alg":"RS256","typ":"JWT","kid":"rsa-a""#;

/// The claims of a good token, without their braces.
const CLAIMS: &str = r#""iss":"https://idp.example.com/","sub":"user-1","aud":"https://mcp.example.com/mcp","iat":1800000000,"exp":1800003600,"scope":"mcp:read""#;

fn main() {
    let mut book = Book {
        fresh: std::env::args().any(|argument| argument == "--fresh"),
        files: 0,
        accepted: 0,
        rejected: 0,
    };
    compact::write(&mut book);
    header::write(&mut book);
    signature::write(&mut book);
    keys::write(&mut book);
    claims::write(&mut book);
    scopes::write(&mut book);
    good::write(&mut book);
    operations::write();
    providers::write(&mut book);
    settings::write();
    println!(
        "{} files, {} accepted and {} rejected tokens",
        book.files, book.accepted, book.rejected
    );
}

struct Book {
    fresh: bool,
    files: usize,
    accepted: usize,
    rejected: usize,
}

/// A file that is being written.
struct Page {
    path: &'static str,
    file: VectorFile,
}

impl Page {
    fn new(path: &'static str, about: &str, setting: Setting) -> Self {
        let file = VectorFile {
            path: path.to_owned(),
            about: about.to_owned(),
            now: NOW,
            token_bytes: None,
            settings: vec![setting],
            cases: Vec::new(),
        };
        Self { path, file }
    }

    /// A token with the forge's default contents.
    fn accept(&mut self, step: &str, name: &str, token: impl Token) {
        self.accept_as(step, name, token, usual());
    }

    fn accept_as(&mut self, step: &str, name: &str, token: impl Token, accepted: Accepted) {
        self.push(step, name, token, Expect::Accept(accepted));
    }

    fn reject(&mut self, step: &str, name: &str, kind: &str, token: impl Token) {
        let rejected = Rejected {
            kind: kind.to_owned(),
            detail: None,
        };
        self.push(step, name, token, Expect::Reject(rejected));
    }

    fn reject_as(&mut self, step: &str, name: &str, kind: &str, detail: &str, token: impl Token) {
        let rejected = Rejected {
            kind: kind.to_owned(),
            detail: Some(detail.to_owned()),
        };
        self.push(step, name, token, Expect::Reject(rejected));
    }

    fn push(&mut self, step: &str, name: &str, token: impl Token, expect: Expect) {
        self.file.cases.push(Case {
            name: name.to_owned(),
            step: step.to_owned(),
            token: token.text(),
            expect,
        });
    }

    fn finish(mut self, book: &mut Book) {
        let path = vectors::folder().join(self.path);
        if !book.fresh
            && let Ok(text) = fs::read_to_string(&path)
            && let Ok(old) = serde_json::from_str::<VectorFile>(&text)
        {
            self.keep_signatures(&old);
        }
        for case in &self.file.cases {
            match case.expect {
                Expect::Accept(_) => book.accepted += 1,
                Expect::Reject(_) => book.rejected += 1,
            }
        }
        book.files += 1;
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = serde_json::to_string_pretty(&self.file).unwrap();
        fs::write(&path, text + "\n").unwrap();
    }

    fn keep_signatures(&mut self, old: &VectorFile) {
        let signed = |token: &str| token.rsplit_once('.').map(|(signed, _)| signed.to_owned());
        let old: BTreeMap<&str, &str> = old
            .cases
            .iter()
            .map(|case| (case.name.as_str(), case.token.as_str()))
            .collect();
        for case in &mut self.file.cases {
            if let Some(kept) = old.get(case.name.as_str())
                && signed(kept) == signed(&case.token)
            {
                (*kept).clone_into(&mut case.token);
            }
        }
    }
}

trait Token {
    fn text(self) -> String;
}

impl Token for Forge {
    fn text(self) -> String {
        self.token()
    }
}

impl Token for String {
    fn text(self) -> String {
        self
    }
}

impl Token for &str {
    fn text(self) -> String {
        self.to_owned()
    }
}

/// The contents of a token that has not been changed.
fn usual() -> Accepted {
    Accepted {
        subject: Some(Forge::SUBJECT.to_owned()),
        client_id: None,
        scopes: vec!["mcp:read".to_owned()],
        expires_at: Some(1_800_003_600.0),
    }
}

fn usual_with_client(client: &str) -> Accepted {
    Accepted {
        client_id: Some(client.to_owned()),
        ..usual()
    }
}

fn usual_with_scopes(scopes: &[&str]) -> Accepted {
    Accepted {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..usual()
    }
}

/// The setting that most cases share: three keys, one issuer, one audience, one scope.
fn setting() -> Setting {
    Setting {
        keys: Keys::Jwks(jwks(&[rsa_key(), ec_key(), ed_key()])),
        issuers: Some(vec![Forge::ISSUER.to_owned()]),
        audiences: Some(vec![Forge::AUDIENCE.to_owned()]),
        algorithms: names(&["RS256", "ES256", "EdDSA"]),
        scopes: names(&["mcp:read"]),
        leeway: None,
        policy: PolicyOptions::default(),
    }
}

fn setting_with(keys: &[SigningKey]) -> Setting {
    Setting {
        keys: Keys::Jwks(jwks(keys)),
        ..setting()
    }
}

fn setting_with_policy(policy: PolicyOptions) -> Setting {
    Setting {
        policy,
        ..setting()
    }
}

fn jwks(keys: &[SigningKey]) -> Value {
    json!({ "keys": keys.iter().map(SigningKey::jwk).collect::<Vec<_>>() })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn key(name: &str) -> SigningKey {
    let path = vectors::folder().join("keys").join(format!("{name}.pem"));
    SigningKey::from_pkcs8_pem(&fs::read_to_string(path).unwrap()).with_kid(name)
}

fn rsa_key() -> SigningKey {
    key("rsa-a").with_alg("RS256").with_use("sig")
}

fn ec_key() -> SigningKey {
    key("p256-a").with_alg("ES256").with_use("sig")
}

fn ed_key() -> SigningKey {
    key("ed25519-a").with_use("sig")
}

/// A good RS256 token.
fn rsa() -> Forge {
    Forge::new(&rsa_key(), NOW).scope("mcp:read")
}

/// A good ES256 token.
fn ec() -> Forge {
    Forge::new(&ec_key(), NOW).scope("mcp:read")
}

/// A good EdDSA token.
fn ed() -> Forge {
    Forge::new(&ed_key(), NOW).scope("mcp:read")
}

/// A good token of this key.
fn by(key: &SigningKey) -> Forge {
    Forge::new(key, NOW).scope("mcp:read")
}

/// The good claims, followed by these members.
fn claims_and(members: &str) -> Forge {
    rsa().raw_claims(format!("{{{CLAIMS},{members}}}"))
}

/// The good header, followed by these members.
fn header_and(members: &str) -> Forge {
    rsa().raw_header(format!("{{{HEADER},{members}}}"))
}

/// The claims with one of them replaced by literal text.
fn with_claim(name: &str, value: &str) -> Forge {
    rsa()
        .without_claim(name)
        .claims_prefix(&format!("{}:{value},", json!(name)))
}

/// The header with one member replaced by literal text.
fn with_header(name: &str, value: &str) -> Forge {
    rsa()
        .without_header(name)
        .header_prefix(&format!("{}:{value},", json!(name)))
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Faults of a JSON text that is otherwise one object: a name, and what becomes of `{members}`.
fn json_faults(members: &str) -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: String| text.into_bytes();
    let and = |extra: &str| format!("{{{members},{extra}}}").into_bytes();
    let mut invalid_value = and(r#""x":"?""#);
    let at = invalid_value.iter().rposition(|b| *b == b'?').unwrap();
    invalid_value[at] = 0xFF;
    let mut invalid_name = and(r#""?":1"#);
    let at = invalid_name.iter().rposition(|b| *b == b'?').unwrap();
    invalid_name[at] = 0x80;
    let mut overlong = and(r#""x":"??""#);
    let at = overlong.iter().position(|b| *b == b'?').unwrap();
    overlong.splice(at..at + 2, [0xC0, 0xAF]);
    let mut utf8_surrogate = and(r#""x":"???""#);
    let at = utf8_surrogate.iter().position(|b| *b == b'?').unwrap();
    utf8_surrogate.splice(at..at + 3, [0xED, 0xA0, 0x80]);
    let whole = format!("{{{members}}}");
    let utf16 = |swap: bool| -> Vec<u8> {
        whole
            .encode_utf16()
            .flat_map(|unit| {
                if swap {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    };
    let deep = |levels: usize| {
        let inner = levels - 1;
        and(&format!(
            r#""x":{}{}"#,
            "[".repeat(inner),
            "]".repeat(inner)
        ))
    };
    let deep_objects = |levels: usize| {
        let inner = levels - 2;
        and(&format!(
            r#""x":{}{{}}{}"#,
            r#"{"y":"#.repeat(inner),
            "}".repeat(inner)
        ))
    };
    vec![
        ("an array", text(format!("[{whole}]"))),
        ("an empty array", text("[]".into())),
        ("a string", text(r#""x""#.into())),
        ("a number", text("1".into())),
        ("null", text("null".into())),
        ("true", text("true".into())),
        ("only white space", text("  \n".into())),
        ("a letter behind the object", text(format!("{whole}x"))),
        ("a NUL behind the object", text(format!("{whole}\0"))),
        ("a second object behind it", text(format!("{whole}{{}}"))),
        ("a comma behind the object", text(format!("{whole},"))),
        ("the closing brace missing", text(format!("{{{members}"))),
        ("one brace too many", text(format!("{whole}}}"))),
        ("a trailing comma", text(format!("{{{members},}}"))),
        ("a leading comma", text(format!("{{,{members}}}"))),
        ("a doubled comma", and(r#","x":1"#)),
        ("a bracket closing a brace", text(format!("{{{members}]"))),
        ("a byte order mark", text(format!("\u{feff}{whole}"))),
        ("UTF-16 little endian", utf16(false)),
        ("UTF-16 big endian", utf16(true)),
        ("invalid UTF-8 in a value", invalid_value),
        ("invalid UTF-8 in a name", invalid_name),
        ("overlong UTF-8", overlong),
        ("a surrogate in UTF-8", utf8_surrogate),
        ("a lone high surrogate", and(r#""x":"\ud800""#)),
        ("a lone low surrogate", and(r#""x":"\udc00""#)),
        (
            "surrogates in the wrong order",
            and(r#""x":"\udc00\ud800""#),
        ),
        (
            "a high surrogate and a letter",
            and(r#""x":"\ud800\u0041""#),
        ),
        (
            "a high surrogate and a plain letter",
            and(r#""x":"\ud83dA""#),
        ),
        ("a lone surrogate in a name", and(r#""\ud800":1"#)),
        ("a raw line feed in a string", and("\"x\":\"a\nb\"")),
        ("a raw NUL in a string", and("\"x\":\"a\0b\"")),
        ("a raw control character in a name", and("\"x\u{1f}\":1")),
        ("an unknown escape", and(r#""x":"\x41""#)),
        ("an escaped single quote", and(r#""x":"\'""#)),
        ("an upper-case unicode escape", and(r#""x":"\U0041""#)),
        ("a short unicode escape", and(r#""x":"\u004""#)),
        ("a unicode escape with a sign", and(r#""x":"\u+041""#)),
        (
            "a string without an end",
            text(format!("{{{members},\"x\":\"}}")),
        ),
        ("a name without quotes", and("x:1")),
        ("a name in single quotes", and("'x':1")),
        ("a number as a name", and("1:1")),
        ("a name without a colon", and(r#""x" 1"#)),
        ("a name without a value", and(r#""x""#)),
        ("a colon without a value", and(r#""x":"#)),
        ("a comment", and(r#"/* x */"x":1"#)),
        ("a line comment", and("\"x\":1 // y\n")),
        ("NaN", and(r#""x":NaN"#)),
        ("Infinity", and(r#""x":Infinity"#)),
        ("-Infinity", and(r#""x":-Infinity"#)),
        ("TRUE", and(r#""x":TRUE"#)),
        ("a literal with a tail", and(r#""x":nullx"#)),
        ("a hexadecimal number", and(r#""x":0x10"#)),
        ("a number with a leading zero", and(r#""x":01"#)),
        ("a negative number with a leading zero", and(r#""x":-01"#)),
        ("a number with a plus", and(r#""x":+1"#)),
        ("a number that begins with a point", and(r#""x":.5"#)),
        ("a number that ends with a point", and(r#""x":1."#)),
        ("an exponent without digits", and(r#""x":1e"#)),
        ("a lone minus", and(r#""x":-"#)),
        ("a no-break space between members", and("\u{a0}\"x\":1")),
        ("a form feed between members", and("\u{c}\"x\":1")),
        ("an unclosed array", and(r#""x":[1"#)),
        ("a trailing comma in an array", and(r#""x":[1,]"#)),
        ("a comma alone in an array", and(r#""x":[,]"#)),
        ("a missing comma in an array", and(r#""x":[1 2]"#)),
        ("a member in an array", and(r#""x":["a":1]"#)),
        ("128 levels of arrays", deep(128)),
        ("128 levels of objects", deep_objects(128)),
        ("200 levels", deep(200)),
        ("2000 levels", deep(2000)),
        ("a duplicate of an unknown member", and(r#""x":1,"x":1"#)),
        (
            "a duplicate in a nested object",
            and(r#""x":{"a":1,"a":1}"#),
        ),
        (
            "a duplicate deep inside",
            and(r#""x":[{"y":[{"a":1,"b":2,"a":3}]}]"#),
        ),
        ("a duplicate of the empty name", and(r#""":1,"":2"#)),
        (
            "an escaped duplicate in a nested object",
            and(r#""x":{"jkt":1,"\u006akt":2}"#),
        ),
        (
            "a duplicate with an escaped solidus",
            and(r#""a/b":1,"a\/b":2"#),
        ),
        (
            "a duplicate written as surrogates",
            and(r#""😀":1,"\ud83d\ude00":2"#),
        ),
        (
            "a duplicate among many",
            and(&format!(
                r#""x":{{{},"n7":0}}"#,
                (0..40)
                    .map(|n| format!(r#""n{n}":{n}"#))
                    .collect::<Vec<_>>()
                    .join(",")
            )),
        ),
        (
            "an escaped duplicate among many",
            and(&format!(
                r#""x":{{{},"\u006e7":0}}"#,
                (0..40)
                    .map(|n| format!(r#""n{n}":{n}"#))
                    .collect::<Vec<_>>()
                    .join(",")
            )),
        ),
    ]
}

/// JSON that is unusual but correct: a name, and the text of the whole object.
fn json_oddities(members: &str) -> Vec<(&'static str, Vec<u8>)> {
    let and = |extra: &str| format!("{{{members},{extra}}}").into_bytes();
    let spaced = members
        .replace("\",\"", "\"\t,\r\n  \"")
        .replace("\":", "\" : ");
    vec![
        (
            "white space everywhere",
            format!(" \t\r\n{{ {spaced} }}\n ").into_bytes(),
        ),
        ("an empty name", and(r#""":1"#)),
        ("an escaped name", and(r#""\u0078":1"#)),
        ("every short escape", and(r#""x":"\"\\\/\b\f\n\r\t""#)),
        ("an escaped NUL", and(r#""x":"a\u0000b""#)),
        ("a surrogate pair", and(r#""x":"\ud83d\ude00""#)),
        (
            "a surrogate pair in upper case",
            and(r#""x":"\uD83D\uDE00""#),
        ),
        ("unicode in name and value", and(r#""имя":"日本語 😀""#)),
        ("DEL and C1 controls", and("\"x\":\"\u{7f}\u{85}\u{2028}\"")),
        (
            "a byte order mark inside a string",
            and("\"x\":\"\u{feff}\""),
        ),
        (
            "127 levels of arrays",
            and(&format!(r#""x":{}{}"#, "[".repeat(126), "]".repeat(126))),
        ),
        (
            "127 levels of objects",
            and(&format!(
                r#""x":{}{{}}{}"#,
                r#"{"y":"#.repeat(125),
                "}".repeat(125)
            )),
        ),
        (
            "100 levels",
            and(&format!(r#""x":{}{}"#, "[".repeat(99), "]".repeat(99))),
        ),
        (
            "the same name in different objects",
            and(r#""x":{"a":1,"b":{"a":1}},"y":[{"a":1},{"a":2}]"#),
        ),
        (
            "names that differ in case",
            and(r#""ISS":1,"Alg":2,"x":1,"X":2"#),
        ),
        (
            "names that differ in normal form",
            and("\"\u{e9}\":1,\"e\u{301}\":2"),
        ),
        (
            "every kind of value",
            and(r#""x":[null,true,false,0,-0,1.5,-2E-3,1e+2,"",[],{}]"#),
        ),
        (
            "a big integer",
            and(r#""x":123456789012345678901234567890"#),
        ),
        (
            "a number of 300 digits",
            and(&format!(r#""x":{}"#, "9".repeat(300))),
        ),
        ("a tiny number", and(r#""x":1e-999"#)),
        ("the largest double", and(r#""x":1.7976931348623157e308"#)),
        (
            "a long fraction",
            and(&format!(r#""x":0.{}"#, "123456789".repeat(50))),
        ),
        (
            "a private name of a JSON library",
            and(r#""x":{"$serde_json::private::Number":"1"}"#),
        ),
        (
            "a private raw value",
            and(r#""x":{"$serde_json::private::RawValue":"{\"a\":1,\"a\":2}"}"#),
        ),
        (
            "sixty members",
            and(&(0..60)
                .map(|n| format!(r#""n{n}":{n}"#))
                .collect::<Vec<_>>()
                .join(",")),
        ),
        (
            "sixty members with escapes",
            and(&(0..60)
                .map(|n| format!(r#""\u006e{n}":"\n""#))
                .collect::<Vec<_>>()
                .join(",")),
        ),
    ]
}
