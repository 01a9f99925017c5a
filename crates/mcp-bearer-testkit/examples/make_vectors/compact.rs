//! Steps 1 and 2: length, alphabet, segments.

use mcp_bearer_testkit::{Encoding, Part};

use crate::{Book, Page, b64, ec, rsa, setting};

pub(crate) fn write(book: &mut Book) {
    length(book);
    alphabet(book);
    segments(book);
    encoding(book);
}

/// A good token of exactly this many bytes.
fn exactly(bytes: usize) -> String {
    for header in ["", "x", "xx", "xxx"] {
        let forge = rsa().header("filler", header);
        let missing = bytes - forge.clone().claim("filler", "").token().len();
        for length in missing * 3 / 4 - 8..missing * 3 / 4 + 8 {
            let token = forge.clone().claim("filler", "x".repeat(length)).token();
            if token.len() == bytes {
                return token;
            }
        }
    }
    panic!("no token of {bytes} bytes");
}

fn length(book: &mut Book) {
    let mut page = Page::new(
        "compact/length.json",
        "Step 1: the length, by default at most 16 KiB.",
        setting(),
    );
    page.accept("1", "an ordinary token", rsa());
    page.accept("1", "8000 bytes", exactly(8000));
    page.accept("1", "exactly 16384 bytes", exactly(16384));
    let detail = "16385 bytes long where at most 16384";
    page.reject_as(
        "1",
        "16385 bytes",
        "token_too_large",
        detail,
        exactly(16385),
    );
    page.reject("1", "20000 bytes", "token_too_large", exactly(20000));
    page.reject(
        "1",
        "20000 bytes of nothing",
        "token_too_large",
        "A".repeat(20000),
    );
    page.reject("1", "20000 dots", "token_too_large", ".".repeat(20000));
    page.finish(book);

    let mut page = Page::new(
        "compact/length_configured.json",
        "Step 1: a limit that the operator has set.",
        setting(),
    );
    page.file.token_bytes = Some(1000);
    page.accept("1", "an ordinary token", rsa());
    page.accept("1", "exactly 1000 bytes", exactly(1000));
    page.reject("1", "1001 bytes", "token_too_large", exactly(1001));
    page.finish(book);
}

fn alphabet(book: &mut Book) {
    let mut page = Page::new(
        "compact/alphabet.json",
        "Step 1: only the characters of token68.",
        setting(),
    );
    page.accept("1", "an ordinary token", rsa());
    let good = rsa().token();
    let middle = good.len() / 2;
    let detail = "outside the alphabet";
    for (name, text) in [
        ("space", " "),
        ("line feed", "\n"),
        ("carriage return and line feed", "\r\n"),
        ("tab", "\t"),
        ("NUL", "\0"),
        ("comma", ","),
        ("quote", "\""),
        ("percent", "%2E"),
        ("colon", ":"),
        ("backslash", "\\"),
        ("DEL", "\u{7f}"),
        ("letter with an accent", "é"),
        ("byte order mark", "\u{feff}"),
        ("zero-width space", "\u{200b}"),
        ("full-width dot", "．"),
        ("look-alike letter", "\u{430}"),
    ] {
        page.reject_as(
            "1",
            &format!("{name} before"),
            "malformed",
            detail,
            format!("{text}{good}"),
        );
        page.reject_as(
            "1",
            &format!("{name} behind"),
            "malformed",
            detail,
            format!("{good}{text}"),
        );
        let inside = format!("{}{text}{}", &good[..middle], &good[middle..]);
        page.reject_as("1", &format!("{name} inside"), "malformed", detail, inside);
    }
    page.reject_as(
        "1",
        "the scheme before it",
        "malformed",
        detail,
        format!("Bearer {good}"),
    );
    page.reject_as("1", "in quotes", "malformed", detail, format!("\"{good}\""));
    page.reject_as(
        "1",
        "the JSON serialization",
        "malformed",
        detail,
        json_serialization(&good),
    );
    page.reject_as(
        "1",
        "two tokens",
        "malformed",
        detail,
        format!("{good},{good}"),
    );
    page.finish(book);
}

fn json_serialization(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    format!(
        r#"{{"protected":"{}","payload":"{}","signature":"{}"}}"#,
        parts[0], parts[1], parts[2]
    )
}

fn segments(book: &mut Book) {
    let mut page = Page::new(
        "compact/segments.json",
        "Step 2: exactly three segments, none empty.",
        setting(),
    );
    let good = rsa().token();
    let encrypted = "encrypted";
    page.accept("2", "an ordinary token", rsa());
    page.reject_as("2", "nothing at all", "malformed", "1 segments", "");
    page.reject("2", "one dot", "malformed", ".");
    page.reject("2", "two dots", "malformed", "..");
    page.reject("2", "three dots", "malformed", "...");
    page.reject_as("2", "four dots", "malformed", encrypted, "....");
    page.reject("2", "a hundred dots", "malformed", ".".repeat(100));
    page.reject("2", "ten thousand dots", "malformed", ".".repeat(10_000));
    page.reject(
        "2",
        "an opaque token",
        "malformed",
        "2YotnFZFEjr1zCsicMWpAA",
    );
    page.reject("2", "only the header", "malformed", rsa().keep_segments(1));
    page.reject_as(
        "2",
        "no signature and no dot",
        "malformed",
        "2 segments",
        rsa().keep_segments(2),
    );
    page.reject_as(
        "2",
        "an empty signature",
        "malformed",
        "signature segment: empty",
        rsa().empty_signature(),
    );
    page.reject_as(
        "2",
        "an empty header",
        "malformed",
        "header segment: empty",
        rsa().segment(Part::Header, ""),
    );
    page.reject_as(
        "2",
        "empty claims",
        "malformed",
        "claims segment: empty",
        rsa().segment(Part::Claims, ""),
    );
    page.reject("2", "detached claims", "malformed", rsa().detached());
    page.reject_as(
        "2",
        "four segments",
        "malformed",
        "4 segments",
        rsa().append_segment("AAAA"),
    );
    page.reject(
        "2",
        "four segments, the last empty",
        "malformed",
        rsa().append_segment(""),
    );
    page.reject("2", "a dot before", "malformed", rsa().prefix("."));
    page.reject(
        "2",
        "two tokens joined by a dot",
        "malformed",
        format!("{good}.{good}"),
    );
    page.reject_as(
        "2",
        "five segments",
        "malformed",
        encrypted,
        rsa().append_segment("AAAA").append_segment("AAAA"),
    );
    let nested = b64(b"eyJhbGciOiJub25lIn0.e30.");
    let jwe = |header: &str| {
        format!(
            "{}.{}.{}.{nested}.{}",
            b64(header),
            b64([1; 32]),
            b64([2; 12]),
            b64([3; 16])
        )
    };
    let plain = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"JWT"}"#;
    page.reject_as(
        "2",
        "an encrypted token around alg none",
        "malformed",
        encrypted,
        jwe(plain),
    );
    let direct = format!(
        "{}..{}.{nested}.{}",
        b64(r#"{"alg":"dir","enc":"A256GCM"}"#),
        b64([2; 12]),
        b64([3; 16])
    );
    page.reject_as(
        "2",
        "an encrypted token with a direct key",
        "malformed",
        encrypted,
        direct,
    );
    page.finish(book);
}

fn encoding(book: &mut Book) {
    let about = "Step 2: strict base64url (RFC 4648 section 5) in each segment.";
    let mut page = Page::new("compact/encoding.json", about, setting());
    page.accept("2", "RS256", rsa());
    page.accept("2", "ES256", ec());
    for (part, name) in [
        (Part::Header, "header"),
        (Part::Claims, "claims"),
        (Part::Signature, "signature"),
    ] {
        // Bytes whose base64 has characters 62 and 63.
        let forge = match part {
            Part::Header => rsa().header("x", "???>>>~~~ÿÿÿ"),
            _ => rsa().claim("x", "???>>>~~~ÿÿÿ"),
        };
        let mut reject = |what: &str, token: String| {
            assert_ne!(token, forge.token(), "{name} {what}");
            page.reject("2", &format!("{name}: {what}"), "malformed", token);
        };
        reject(
            "padding",
            forge.clone().encoding(part, Encoding::Padded).token(),
        );
        reject(
            "the standard alphabet",
            forge.clone().encoding(part, Encoding::Standard).token(),
        );
        reject(
            "the standard alphabet with padding",
            forge
                .clone()
                .encoding(part, Encoding::StandardPadded)
                .token(),
        );
        reject(
            "trailing bits",
            forge.clone().encoding(part, Encoding::TrailingBits).token(),
        );
        let token = forge.token();
        let own = token.split('.').nth(part as usize).unwrap();
        let with = |text: &str| {
            let mut parts: Vec<&str> = token.split('.').collect();
            parts[part as usize] = text;
            parts.join(".")
        };
        let one_too_many = format!("{own}{}", &"AAAA"[..(5 - own.len() % 4) % 4]);
        reject("a length that cannot be", with(&one_too_many));
        reject("a tilde", with(&format!("~{}", &own[1..])));
        reject(
            "padding in the middle",
            with(&format!("{}={}", &own[..4], &own[4..])),
        );
    }
    page.finish(book);
}
