use std::time::Instant;

use super::*;

const TOKEN: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImlzcyI6Imh0dHBzOi8vaWRwLmV4YW1wbGUuY29tLyJ9.MIGzAbCdEfGhIjKlMnOpQrStUvWxYz-_0123456789MIGzAbCdEfGhIjKlMnOpQrStUvWxYz-_0123456789AA";

fn found(text: &str) -> Vec<Finding> {
    let pasted = understand(text.as_bytes()).unwrap_or_else(|why| panic!("{text:?}: {why}"));
    assert_eq!(pasted.token, TOKEN, "{text:?}");
    pasted.findings
}

fn refused(text: &str) -> String {
    understand(text.as_bytes()).unwrap_err()
}

#[test]
fn text_around_a_token_is_removed() {
    assert_eq!(found(TOKEN), []);
    assert_eq!(found(&format!("  {TOKEN}\r\n\n")), []);
    for quoted in [
        format!("\"{TOKEN}\""),
        format!("'{TOKEN}'\n"),
        format!("`{TOKEN}`"),
        format!("\u{201c}{TOKEN}\u{201d}"),
        format!("<{TOKEN}>"),
        format!("\"{TOKEN}\","),
        format!("\"{TOKEN}"),
        format!("{TOKEN}\""),
        format!("'\"{TOKEN}\"';"),
    ] {
        assert_eq!(found(&quoted), [Finding::Quotes], "{quoted}");
    }
    for scheme in ["Bearer ", "bearer\t"] {
        let bearer = [Finding::Scheme("Bearer")];
        assert_eq!(found(&format!("{scheme}{TOKEN}")), bearer);
    }
    let (name, bearer) = (Finding::HeaderName, Finding::Scheme("Bearer"));
    assert_eq!(found(&format!("DPoP {TOKEN}")), [Finding::Scheme("DPoP")]);
    let header = format!("AUTHORIZATION:Bearer  {TOKEN}");
    assert_eq!(found(&header), [name.clone(), bearer.clone()]);
    let header = format!("'Authorization: Bearer {TOKEN}'");
    assert_eq!(found(&header), [Finding::Quotes, name, bearer]);
    let copied = format!("\u{feff}{}\u{200b}{}", &TOKEN[..50], &TOKEN[50..]);
    assert_eq!(found(&copied), [Finding::Invisible('\u{feff}')]);
}

#[test]
fn broken_lines_are_joined() {
    for width in [20, 64, 76, TOKEN.len() - 1] {
        for end in ["\n", "\r\n", " ", "\n\n    "] {
            let pieces: Vec<&str> = TOKEN
                .as_bytes()
                .chunks(width)
                .map(|piece| std::str::from_utf8(piece).unwrap())
                .collect();
            let text = format!("Bearer {}\n", pieces.join(end));
            let lines = Finding::Joined(pieces.len());
            assert_eq!(found(&text)[1..], [lines], "{width} {end:?}");
        }
    }
    // Complete after the first line, except for the rest of its signature.
    let short = "eyJhbGciOiJFUzI1NiJ9.e30.MIGzAbCdEf\nGhIjKlMnOpQrStUvWxYz0123456789MIGzA\nbCdE";
    let pasted = understand(short.as_bytes()).unwrap();
    assert_eq!(pasted.token, short.replace('\n', ""));
    // A word after a token is not part of it.
    let behind = format!("{TOKEN} # expires soon");
    assert_eq!(found(&behind), [Finding::Inside(Source::Text)]);
    let below = format!("{TOKEN}\nthe-end");
    assert_eq!(found(&below), [Finding::Inside(Source::Text)]);
}

#[test]
fn the_one_token_in_a_text_is_taken() {
    let address = |text: String| assert_eq!(found(&text), [Finding::Inside(Source::Address)]);
    address(format!(
        "https://mcp.example.com/mcp?access_token={TOKEN}&x=1"
    ));
    address(format!(
        "https://app.example.com/callback#access_token={TOKEN}"
    ));
    for text in [
        format!("TOKEN={TOKEN}"),
        format!("export TOKEN=\"{TOKEN}\""),
        format!(
            "curl -sS https://mcp.example.com/mcp -H \"Authorization: Bearer {TOKEN}\" -d '{{}}'"
        ),
        format!("denied: {TOKEN}. Try again."),
        format!("{{\"data\":{{\"jwt\":\"{TOKEN}\"}}}}"),
        format!("{{\"token_type\":\"Bearer\",\"access_token\":\"{TOKEN}\",\"expi"),
        format!("[\"{TOKEN}\",\"{TOKEN}\"]"),
    ] {
        assert_eq!(found(&text), [Finding::Inside(Source::Text)], "{text}");
    }
    let other = TOKEN.replace("eyJhbGci", "eyJraWQi");
    assert!(refused(&format!("{TOKEN}\n{other}\n")).contains("2 tokens"));
    assert!(refused(&format!("a={TOKEN}&b={other}")).contains("2 tokens"));
    // A word that continues in another alphabet is not cut.
    for broken in [
        format!("{TOKEN}=="),
        format!("{TOKEN}+/a"),
        format!("{TOKEN}~x~"),
    ] {
        let pasted = understand(broken.as_bytes()).unwrap();
        assert_eq!((pasted.token, pasted.findings), (broken, vec![]));
    }
}

#[test]
fn a_token_response_gives_its_access_token() {
    let response = |others: &str| format!("{{\"access_token\":\"{TOKEN}\"{others}}}");
    let taken = |others: &[&'static str]| {
        [Finding::TokenResponse {
            others: others.to_vec(),
        }]
    };
    assert_eq!(found(&response("")), taken(&[]));
    let all = response(",\"refresh_token\":\"r\",\"id_token\":\"i\",\"token_type\":\"Bearer\"");
    assert_eq!(found(&all), taken(&["id_token", "refresh_token"]));
    assert_eq!(
        found(&format!("{{\n  \"id_token\": \"{TOKEN}\"\n}}\n")),
        [Finding::IdentityToken]
    );
    let pasted = understand(br#"{"access_token":"ya29.abc"}"#).unwrap();
    assert_eq!(pasted.token, "ya29.abc");
}

#[test]
fn other_documents_are_named() {
    for (text, what) in [
        ("", "empty"),
        (" \n", "empty"),
        ("''", "empty"),
        (
            "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
            "PEM",
        ),
        ("Basic dXNlcjpzZWNyZXQ=", "scheme Basic"),
        ("Authorization: Basic dXNlcjpzZWNyZXQ=", "scheme Basic"),
        (
            r#"{"error":"invalid_client","error_description":"x"}"#,
            "\"invalid_client\" of an authorization server",
        ),
        (r#"{"keys":[]}"#, "--jwks"),
        (r#"{"kty":"RSA"}"#, "a JWK"),
        (r#"{"payload":"e30","signature":"x"}"#, "compact form"),
        (r#"{"iss":"a","sub":"b"}"#, "the claims of a token"),
        (r#"{"alg":"RS256"}"#, "the header of a token"),
        (r#"{"issuer":"a","jwks_uri":"b"}"#, "metadata of an issuer"),
        (r#"{"a":1}"#, "without an access_token"),
        ("[1]", "without an access_token"),
        (
            "https://idp.example.com/",
            "an address (URL) without a token",
        ),
        ("no token here", "text without a token"),
    ] {
        let why = refused(text);
        assert!(why.contains(what), "{text:?}: {why}");
    }
    let utf16: Vec<u8> = "\u{feff}ey"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(understand(&utf16).unwrap_err().contains("UTF-16"));
    assert!(understand(b"\x80").unwrap_err().contains("UTF-8"));
}

#[test]
fn nothing_that_was_pasted_is_repeated() {
    let secret = "Zm9vYmFyc2VjcmV0";
    for text in [
        format!("Basic {secret}"),
        format!("-----BEGIN PRIVATE KEY-----\n{secret}\n"),
        format!("{{\"client_secret\":\"{secret}\"}}"),
        format!("https://user:{secret}@idp.example.com/"),
        format!("{TOKEN} {secret} {TOKEN}{secret}.x"),
    ] {
        let said = match understand(text.as_bytes()) {
            Ok(pasted) => pasted.notes().collect::<String>(),
            Err(why) => why,
        };
        assert!(!said.contains(secret), "{said}");
    }
    for token in ["sk-secretsecret", "ya29.secretsecret", "secretsecret"] {
        let said = damage(token).unwrap();
        assert!(!said.contains("secretsecret"), "{said}");
        assert!(
            said.contains("opaque") && said.contains("introspection"),
            "{said}"
        );
    }
}

#[test]
fn damage_is_named() {
    let parts: Vec<&str> = TOKEN.split('.').collect();
    assert_eq!(damage(TOKEN), None);
    assert_eq!(damage("é"), None);
    for (token, what) in [
        (parts[0].to_owned(), "only a part of its header"),
        (parts[0][..9].to_owned(), "only a part of its header"),
        (parts[..2].join("."), "its signature is missing"),
        (
            TOKEN[..TOKEN.len() - 8].to_owned(),
            "has 58 bytes, where ES256 has 64",
        ),
        (format!("{TOKEN}AAA"), "ends in the middle"),
        (
            format!("{}.{}.", parts[0], parts[1]),
            "its signature has 0 bytes",
        ),
        (format!("{}...", parts[0]), "ends in dots"),
        (format!("{}\u{2026}", &TOKEN[..50]), "ends in dots"),
        (
            "ya29.a0AfB_x".to_owned(),
            "opaque token (an access token of Google)",
        ),
        ("ghp_x".to_owned(), "of GitHub"),
        ("v4.public.x".to_owned(), "PASETO"),
        ("nonsense".to_owned(), "opaque"),
    ] {
        let said = damage(&token).unwrap_or_default();
        assert!(said.contains(what), "{token}: {said}");
    }
}

#[test]
fn the_fault_of_a_line_is_named() {
    let response = format!("{{\"access_token\":\"{TOKEN}\"}}");
    let broken = format!("{}\t{}", &TOKEN[..76], &TOKEN[76..]);
    let address = format!("https://mcp.example.com/?access_token={TOKEN}");
    for (line, what) in [
        ("", "the line is empty"),
        ("a\r", "CR LF"),
        ("\"a\"", "quotes"),
        ("Bearer x", "the word Bearer belongs to the header"),
        ("Authorization: Bearer x", "the header's name"),
        (&response, "a token response in JSON"),
        (&broken, "white space breaks the token"),
        (&address, "an address"),
        (" x", "a space"),
        ("x ", "a space"),
        ("a b", "the line is text without a token in it"),
        (&TOKEN[..76], "76 columns"),
        (&TOKEN[76..152], "76 columns"),
        (&TOKEN[..60], "60 columns"),
        ("abc", "opaque"),
        ("keys/token.txt", "the line names a file"),
        ("{\"keys\":[]}", "the line is a JWK Set"),
    ] {
        let said = hint(line.as_bytes()).unwrap_or_default();
        assert!(said.contains(what), "{line}: {said}");
    }
    assert_eq!(hint(TOKEN.as_bytes()), None);
    assert!(hint(b"\xff").unwrap().contains("UTF-8"));
}

#[test]
fn the_work_is_bounded() {
    let size = PASTED_BYTES / 8;
    let many: String = (0..size / 24)
        .map(|n| format!("eyJ{n:012}.e30.x "))
        .collect();
    for text in [
        "a".repeat(size),
        "eyJ.".repeat(size / 4),
        "ey ".repeat(size / 3),
        "\"".repeat(size),
        "Bearer ".repeat(size / 7),
        "{".repeat(size),
        "[".repeat(size),
        "\u{200b}".repeat(size / 3),
        many,
    ] {
        let start = Instant::now();
        let _ = understand(text.as_bytes());
        let _ = hint(text.as_bytes());
        // Quadratic work would take minutes.
        assert!(start.elapsed().as_secs() < 10, "{}", &text[..12]);
    }
}

/// Every prefix, and every byte replaced by one that means something somewhere.
#[test]
fn no_text_makes_it_panic() {
    let response = format!("{{\"access_token\":\"{TOKEN}\",\"token_type\":\"Bearer\"}}");
    let header = format!("Authorization: Bearer '{TOKEN}'");
    let mut tried = 0;
    let mut look = |text: &[u8]| {
        let token = match understand(text) {
            Ok(pasted) => pasted.token,
            Err(why) => why,
        };
        let inspection =
            crate::inspect::Inspection::new(&token, mcp_bearer::UnixTime::from_secs(1));
        let lines = inspection.text(crate::ui::Colours::Off, hint(text).as_deref());
        assert!(!lines.is_empty() && inspection.json().starts_with('{'));
        tried += 1;
    };
    for whole in [TOKEN, &response, &header] {
        for end in 0..whole.len() {
            look(&whole.as_bytes()[..end]);
        }
        for at in 0..whole.len() {
            for byte in *b".\"{ \n\xff=~" {
                let mut text = whole.as_bytes().to_vec();
                text[at] = byte;
                look(&text);
            }
        }
    }
    assert!(tried > 4000, "{tried}");
}

#[test]
fn a_file_that_is_named_is_read() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("token.txt");
    std::fs::write(&path, format!("Bearer {TOKEN}\n")).unwrap();
    let pasted = of_argument(path.as_os_str()).unwrap();
    assert_eq!(pasted.token, TOKEN);
    let name = path.display().to_string();
    assert_eq!(
        pasted.findings,
        [Finding::File(name.clone()), Finding::Scheme("Bearer")]
    );
    let why = of_argument(place.path().as_os_str()).unwrap_err();
    assert!(why.contains("a directory"), "{why}");
    let why = of_argument(OsStr::new("no-such/token.txt")).unwrap_err();
    assert!(!why.contains("there is no such file; check"), "{why}");
    for missing in ["tokens.jwt", "./x", "no-such.txt"] {
        let why = of_argument(OsStr::new(missing)).unwrap_err();
        assert!(why.contains("there is no such file"), "{missing}: {why}");
    }
    std::fs::write(
        &path,
        format!("{TOKEN}\n{}\n", TOKEN.replace("hbGci", "raWQi")),
    )
    .unwrap();
    let why = of_argument(path.as_os_str()).unwrap_err();
    assert!(
        why.starts_with(&format!("{name}: a text with 2 tokens")),
        "{why}"
    );
    assert_eq!(of_argument(OsStr::new(TOKEN)).unwrap().token, TOKEN);
}
