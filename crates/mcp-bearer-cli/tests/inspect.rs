//! `inspect`: what it shows of good, odd, broken and hostile tokens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    unreachable_pub,
    reason = "a test stops at the first surprise"
)]

mod support;

use mcp_bearer_testkit::{Forge, SigningKey, vectors};
use serde_json::{Value, json};
use support::{Place, Ran, pipe};

const NOW: u64 = 1_800_000_000;
const AT: &str = "1800000000";

fn forge() -> Forge {
    Forge::new(&SigningKey::ec_p256().with_kid("key-1"), NOW)
}

fn text(input: impl AsRef<[u8]>) -> Ran {
    pipe(&["inspect", "--at", AT], input.as_ref())
}

fn object(input: impl AsRef<[u8]>) -> Value {
    let ran = pipe(&["inspect", "--at", AT, "--format", "json"], input.as_ref());
    assert_eq!((ran.code, ran.json().len()), (Some(0), 1), "{ran:?}");
    ran.json().remove(0)
}

#[test]
fn text_shows_header_and_claims_in_readable_form() {
    let token = forge()
        .scope("mcp:read")
        .claim("nbf", NOW - 300)
        .claim("auth_time", NOW - 5400)
        .claim("level", json!({"a": [1.5, null]}))
        .token();
    let size = token.len();
    text(&token).is(
        0,
        &format!(
            r#"NOT VERIFIED: anyone can write such a token
kind       an access token (by the claim "scope")
size       {size} bytes, 3 parts
algorithm  "ES256"
key id     "key-1"
header
  alg  "ES256"
  kid  "key-1"
  typ  "JWT"
claims
  aud        "https://mcp.example.com/mcp"
  auth_time  1799994600  (2027-01-15T06:30:00Z, 1 hour 30 minutes ago)
  exp        1800003600  (2027-01-15T09:00:00Z, in 1 hour)
  iat        1800000000  (2027-01-15T08:00:00Z, now)
  iss        "https://idp.example.com/"
  level      {{"a":[1.5,null]}}
  nbf        1799999700  (2027-01-15T07:55:00Z, 5 minutes ago)
  scope      "mcp:read"
  sub        "user-1"
signature  64 bytes, not checked
"#
        ),
        "",
    );
}

#[test]
fn json_is_one_object_that_says_not_verified() {
    let token = forge().typ("at+jwt").token();
    let found = object(&token);
    let expected = json!({
        "verified": false,
        "kind": "access_token",
        "kind_text": "an access token",
        "because": "the header's typ \"at+jwt\" (RFC 9068)",
        "bytes": token.len(),
        "parts": 3,
        "algorithm": "ES256",
        "key_id": "key-1",
        "signature_bytes": 64,
        "times": {
            "exp": {"date": "2027-01-15T09:00:00Z", "distance": "in 1 hour"},
            "iat": {"date": "2027-01-15T08:00:00Z", "distance": "now"},
        },
        "notes": [],
        "header_fault": null,
        "claims_fault": null,
        "header": {"alg": "ES256", "kid": "key-1", "typ": "at+jwt"},
        "claims": {
            "aud": Forge::AUDIENCE, "exp": NOW + 3600, "iat": NOW, "iss": Forge::ISSUER, "sub": "user-1",
        },
    });
    assert_eq!(found, expected);
    // Numbers keep their spelling.
    let raw = forge().raw_claims(r#"{ "n" : 12345678901234567890123, "x":1.50 }"#);
    let ran = pipe(&["inspect", "--format", "json"], raw.token().as_bytes());
    let claims = r#""claims":{"n":12345678901234567890123,"x":1.50}}"#;
    assert!(ran.stdout.ends_with(&format!("{claims}\n")), "{ran:?}");
}

#[test]
fn what_people_paste_is_understood_and_the_note_says_so() {
    let token = forge().token();
    let lines: Vec<&str> = token
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    for (input, note) in [
        (format!("\"{token}\""), "quotes"),
        (format!("Authorization: Bearer {token}\r\n"), "Bearer"),
        (
            format!("{{\"access_token\":\"{token}\",\"expires_in\":3600}}"),
            "its access_token is taken",
        ),
        (lines.join("\n"), "are joined"),
        (
            format!("https://mcp.example.com/mcp?access_token={token}"),
            "in an address (URL)",
        ),
    ] {
        let ran = text(&input);
        assert_eq!(ran.stdout, text(&token).stdout, "{input}");
        assert!(ran.stderr.starts_with("note: "), "{ran:?}");
        assert!(ran.stderr.contains(note), "{input}: {}", ran.stderr);
    }
    let place = Place::new();
    let file = place.write("token.txt", format!("{token}\n"));
    let ran = pipe(&["inspect", &file, "--at", AT], b"not read");
    assert_eq!(ran.stdout, text(&token).stdout);
    assert_eq!(
        ran.stderr,
        format!("note: TOKEN names the file {file}; its contents are taken\n")
    );
    assert_eq!(pipe(&["inspect", &token, "--at", AT], b"").code, Some(0));
    let ran = pipe(&["inspect", "-", "--at", AT], token.as_bytes());
    assert_eq!(ran.code, Some(0));
}

#[test]
fn other_kinds_of_tokens_are_named() {
    let kind = |input: &str| object(input)["kind"].as_str().unwrap().to_owned();
    assert_eq!(kind("2YotnFZFEjr1zCsicMWpAA"), "opaque");
    assert_eq!(kind("ya29.a0AfB_byC"), "opaque");
    let notes = object("ya29.a0AfB_byC")["notes"].clone();
    let said = notes[0].as_str().unwrap();
    assert!(
        said.contains("Google") && said.contains("introspection"),
        "{said}"
    );

    let header = forge()
        .header("enc", "A256GCM")
        .alg_name("RSA-OAEP")
        .token();
    let header = header.split('.').next().unwrap();
    let encrypted = object(format!("{header}.a.b.c.d"));
    assert_eq!(encrypted["kind"], json!("encrypted"));
    assert_eq!(encrypted["header"]["enc"], json!("A256GCM"));
    assert_eq!(encrypted["claims"], Value::Null);

    let bound = forge().claim("cnf", json!({"jkt": "x"})).scope("a").token();
    assert_eq!(kind(&bound), "dpop_bound_access_token");
    assert_eq!(kind(&forge().claim("at_hash", "x").token()), "id_token");
    assert_eq!(kind(&forge().typ("logout+jwt").token()), "logout_token");
    assert_eq!(
        kind(&forge().claim("typ", "Refresh").token()),
        "refresh_token"
    );
    assert_eq!(kind(&format!("{}~disclosure~", forge().token())), "sd_jwt");
    assert_eq!(kind(&forge().token()), "jwt");
}

#[test]
fn notes_name_what_is_odd() {
    let noted = |forge: &Forge, what: &str| {
        let notes = object(forge.token())["notes"].to_string();
        assert!(notes.contains(what), "{what}: {notes}");
    };
    noted(&forge().alg_name("none"), "not signed");
    noted(
        &forge().alg_name("ES256K"),
        "none of those that verify takes",
    );
    noted(&forge().claim("exp", (NOW + 3600) * 1000), "milliseconds");
    noted(&forge().claim("exp", "soon"), "its exp is not a number");
    noted(&forge().without_claim("exp"), "never expires");
    noted(&forge().header("jku", "https://x"), "never used");
    noted(&forge().at_least_bytes(20_000), "16384 bytes");
    noted(&forge().keep_segments(2), "its signature is missing");
    noted(
        &forge().raw_signature([1; 40]),
        "its signature has 40 bytes",
    );
    let graph = forge()
        .header("nonce", "x")
        .issuer("https://sts.windows.net/common/");
    noted(&graph, "Graph");
}

#[test]
fn a_broken_part_hides_no_other_part() {
    let token = forge().raw_claims("[1]").token();
    let found = object(&token);
    assert_eq!(found["claims"], Value::Null);
    assert_eq!(
        found["claims_fault"],
        json!("claims: not an object at byte 0")
    );
    assert_eq!(found["header"]["alg"], json!("ES256"));
    let ran = text(&token);
    assert!(
        ran.stdout.contains("\nclaims     claims: not an object"),
        "{ran:?}"
    );
}

#[test]
fn without_a_token_it_exits_with_2() {
    let place = Place::new();
    let public = place.write("key.pem", SigningKey::shared_rsa_2048().public_pem());
    let jwks = place.write(
        "jwks.json",
        SigningKey::shared_rsa_2048().jwks().to_string(),
    );
    let broken = forge()
        .segment(mcp_bearer_testkit::Part::Header, "eyJhbGci!")
        .token();
    for (arguments, input, why) in [
        (&[][..], "", "standard input: empty"),
        (&["-"], " \n", "standard input: empty"),
        (&[], "no token here", "text without a token"),
        (&[], &broken, "nothing in it can be read: header segment: "),
        (&[], r#"{"error":"invalid_grant"}"#, "invalid_grant"),
        (&[&public], "", "a key or certificate in PEM"),
        (&[&jwks], "", "--jwks"),
        (&["no-such.txt"], "", "there is no such file"),
    ] {
        let mut all = vec!["inspect"];
        all.extend(arguments);
        let ran = pipe(&all, input.as_bytes());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.starts_with("error: "), "{ran:?}");
        assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
    }
    let long = "a".repeat(2 * 1024 * 1024);
    let ran = pipe(&["inspect"], long.as_bytes());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("longer than 1 MiB"), "{}", ran.stderr);
}

#[test]
fn hostile_text_is_escaped_and_no_token_is_printed() {
    let hostile = "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\r\n\u{2028}";
    let inner = forge().token();
    let token = forge()
        .kid(hostile)
        .typ(hostile)
        .claim(hostile, hostile)
        .claim("actor_token", inner.as_str())
        .subject(&"é".repeat(5000))
        .token();
    for arguments in [&[][..], &["--format", "json"]] {
        let mut all = vec!["inspect", "--log", "trace"];
        all.extend(arguments);
        for input in [
            &token,
            &format!("https://x/?t={token}"),
            &token[..200].to_owned(),
        ] {
            let ran = pipe(&all, input.as_bytes());
            assert_eq!(ran.code, Some(0), "{ran:?}");
            let hostile = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{2028}".contains(c));
            for stream in [&ran.stdout, &ran.stderr] {
                assert!(!stream.contains(hostile), "{ran:?}");
                for segment in token.split('.').chain(inner.split('.').skip(1)) {
                    assert!(!stream.contains(&segment[..40]), "{segment}: {ran:?}");
                }
            }
        }
    }
    let lines = text(&token).stdout;
    let longest = lines.lines().map(|line| line.chars().count()).max();
    assert!(longest.unwrap() < 300, "{longest:?}");
}

#[test]
fn every_vector_is_shown_or_named() {
    let (mut shown, mut named) = (0, 0);
    for file in vectors::all() {
        // A few cases of each file keep the test short.
        for case in file.cases.iter().take(3) {
            let ran = pipe(
                &["inspect", "--at", AT, "--format", "json"],
                case.token.as_bytes(),
            );
            let label = file.label(case);
            match ran.code {
                Some(0) => {
                    let found = &ran.json()[0];
                    assert_eq!(found["verified"], json!(false), "{label}");
                    shown += 1;
                }
                Some(2) => {
                    assert!(ran.stderr.starts_with("error: "), "{label}: {ran:?}");
                    named += 1;
                }
                _ => panic!("{label}: {ran:?}"),
            }
        }
    }
    assert!(shown > 100 && named > 0, "{shown} {named}");
}
