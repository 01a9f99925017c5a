//! What is wrong with the shape of a token: it is opaque, or a part of it is missing.

use mcp_bearer::Algorithm;
use mcp_bearer::config::Limits;
use mcp_bearer::core::TokenParts;
use serde_json::Value;

use super::{PASTED_BYTES, dots, is_token_byte, starts_like_a_token};

/// Tokens that are recognised by their beginning, and their issuers.
const KNOWN: [(&str, &str); 13] = [
    ("ya29.", "an access token of Google"),
    ("1//", "a refresh token of Google"),
    ("gho_", "an OAuth token of GitHub"),
    ("ghp_", "a personal access token of GitHub"),
    ("ghu_", "a user token of GitHub"),
    ("ghs_", "an installation token of GitHub"),
    ("github_pat_", "a personal access token of GitHub"),
    ("glpat-", "a personal access token of GitLab"),
    ("xoxb-", "a token of Slack"),
    ("xoxp-", "a token of Slack"),
    ("sk-", "an API key"),
    ("v4.public.", "a PASETO"),
    ("v4.local.", "a PASETO"),
];

/// What probably happened to this token; `None` if it has the shape of a whole one.
pub(crate) fn damage(token: &str) -> Option<String> {
    let limits = Limits::default().with_token_bytes(PASTED_BYTES);
    let parts = TokenParts::read(token, &limits).ok()?;
    let cut = |what: &str| Some(format!("the token is cut off: {what}; copy all of it"));
    if token.ends_with("...") || token.ends_with('\u{2026}') {
        return cut("it ends in dots, as programs print a token that they shorten");
    }
    if !starts_like_a_token(token) {
        return is_opaque(token, &parts).then(|| opaque(token));
    }
    match parts.count() {
        1 => cut("only a part of its header is there"),
        2 => cut("its signature is missing"),
        3 => {
            let algorithm = algorithm(&parts)?;
            let possible = algorithm.signature_bytes();
            let signature = token.rsplit('.').next().unwrap_or_default();
            if !signature.bytes().all(is_token_byte) {
                return None;
            }
            // By its length: if it was cut, its last bits are seldom valid base64url.
            let (got, least) = (signature.len() * 3 / 4, *possible.start());
            if got < least {
                let or_more = if *possible.end() == least {
                    ""
                } else {
                    "at least "
                };
                return cut(&format!(
                    "its signature has {got} bytes, where {algorithm} has {or_more}{least}"
                ));
            }
            (signature.len() % 4 == 1).then(|| cut("its signature ends in the middle"))?
        }
        _ => None,
    }
}

/// Whether the text can be a token that only its issuer understands.
pub(crate) fn is_opaque(text: &str, parts: &TokenParts) -> bool {
    let token68 =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte) || byte == b'|';
    !starts_like_a_token(text)
        && parts.header().is_err()
        && !text.is_empty()
        && text.bytes().all(token68)
}

fn opaque(token: &str) -> String {
    let whose = KNOWN
        .iter()
        .find(|(start, _)| token.starts_with(start))
        .map(|(_, whose)| format!(" ({whose})"))
        .unwrap_or_default();
    format!(
        "it looks like an opaque token{whose}, which only its issuer understands; introspection (RFC 7662) is not supported: ask the issuer for JWT access tokens"
    )
}

/// A line that is one piece of a token that was broken into lines.
pub(super) fn of_a_line(line: &str) -> Option<String> {
    const WIDTHS: [usize; 7] = [60, 64, 70, 72, 75, 76, 80];
    let columns = line.len();
    let piece = WIDTHS.contains(&columns) && dots(line) < 2 && line.bytes().all(is_token_byte);
    piece.then(|| {
        format!("the line has {columns} columns: a token that was broken into lines? Write it on one line")
    })
}

/// The algorithm that the header names.
fn algorithm(parts: &TokenParts) -> Option<Algorithm> {
    let mut header = parts.header().ok()?;
    let (_, json) = header.find(|(name, _)| name == "alg")?;
    match serde_json::from_str(json) {
        Ok(Value::String(name)) => name.parse().ok(),
        _ => None,
    }
}
