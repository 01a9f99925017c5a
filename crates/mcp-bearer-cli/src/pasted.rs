//! Reads what people paste where a token is expected: uses it if there is only one possible
//! reading, and otherwise reports what it is.
//!
//! No text made here contains the token or any other part of what was pasted, except names of
//! files.

mod damage;
mod finding;
mod json;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::path::Path;

pub(crate) use self::damage::{damage, is_opaque};
pub(crate) use self::finding::{Finding, Source};
use crate::read_file;
use crate::ui::note;

/// The limit for pasted text; a token response with three tokens of 16 KiB is a tenth of it.
pub(crate) const PASTED_BYTES: usize = 1024 * 1024;

/// A token, and what was around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pasted {
    pub(crate) token: String,
    pub(crate) findings: Vec<Finding>,
}

impl Pasted {
    /// What was done to get the token, in sentences for people.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        self.findings.iter().map(Finding::done)
    }

    /// Prints the notes on stderr.
    pub(crate) fn print_notes(&self) {
        for done in self.notes() {
            note(format_args!("note: {done}"));
        }
    }
}

/// The token in an argument, or in the file that the argument names.
pub(crate) fn of_argument(given: &OsStr) -> Result<Pasted, String> {
    let path = Path::new(given);
    match path.metadata() {
        Ok(about) if about.is_dir() => Err(format!(
            "{}: this is a directory; name the file of the token",
            path.display()
        )),
        Ok(_) => {
            let name = path.display().to_string();
            let found = understand(&read_file::read("", path)?);
            let mut pasted = found.map_err(|why| format!("{name}: {why}"))?;
            pasted.findings.insert(0, Finding::File(name));
            Ok(pasted)
        }
        Err(_) if looks_like_a_file_name(given) => {
            let missing = "there is no such file, and this is not a token; check the path";
            Err(format!("{}: {missing}", path.display()))
        }
        Err(_) => understand(given.as_encoded_bytes()),
    }
}

/// The token in pasted text.
///
/// # Errors
/// What the text is instead, and what to do.
pub(crate) fn understand(text: &[u8]) -> Result<Pasted, String> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Err(match text {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                "text in UTF-16, as PowerShell writes it; save it as UTF-8".to_owned()
            }
            _ => "not UTF-8 text; a token is ASCII text".to_owned(),
        });
    };
    let mut findings = Vec::new();
    let text = unwrapped(text, &mut findings);
    if text.is_empty() {
        return Err("empty: there is no token in it".to_owned());
    }
    if text.contains("-----BEGIN ") {
        return Err("a key or certificate in PEM, not a token".to_owned());
    }
    if let Some(scheme) = other_scheme(&text) {
        return Err(format!(
            "credentials of the scheme {scheme}, not a bearer token"
        ));
    }
    let token = if text.starts_with(['{', '[']) {
        json::token(&text, &mut findings)?
    } else {
        bare(&text, &mut findings)?
    };
    Ok(Pasted { token, findings })
}

/// What is broken in a refused line. Every byte of a line counts.
pub(crate) fn hint(line: &[u8]) -> Option<String> {
    let said = |text: &str| Some(text.to_owned());
    match line {
        [] => return said("the line is empty"),
        [.., b'\r'] => return said("the line ends in CR LF; write LF alone"),
        _ => {}
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return said("the line is not UTF-8");
    };
    let pasted = match understand(line) {
        Ok(pasted) => pasted,
        Err(why) => return Some(format!("the line is {why}")),
    };
    if let Some(finding) = pasted.findings.first() {
        return Some(finding.fault().to_owned());
    }
    if text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']) {
        return said("the line begins or ends with a space");
    }
    if looks_like_a_file_name(OsStr::new(text)) {
        return said("the line names a file; give its contents, or the name as the argument TOKEN");
    }
    damage::of_a_line(text).or_else(|| damage(text))
}

/// Removes what surrounds a token: white space, quotes, the header's name, the word Bearer.
fn unwrapped(text: &str, findings: &mut Vec<Finding>) -> String {
    let mut text = text.trim().to_owned();
    if let Some(first) = text.chars().find(|c| is_invisible(*c)) {
        findings.push(Finding::Invisible(first));
        text.retain(|c| !is_invisible(c));
    }
    // Each round removes something, and no pasted text has more layers.
    for _ in 0..8 {
        let before = text.len();
        text = without_quotes(&text, findings).trim().to_owned();
        text = without_prefix(&text, findings).trim().to_owned();
        if text.len() == before {
            break;
        }
    }
    text
}

fn without_quotes<'t>(text: &'t str, findings: &mut Vec<Finding>) -> &'t str {
    const PAIRS: [(char, char); 6] = [
        ('"', '"'),
        ('\'', '\''),
        ('`', '`'),
        ('\u{201c}', '\u{201d}'),
        ('\u{2018}', '\u{2019}'),
        ('<', '>'),
    ];
    // As it is copied from a list: "eyJ...",
    let end = text.trim_end_matches([',', ';']);
    let inner = PAIRS.iter().find_map(|(open, close)| {
        let inner = end.strip_prefix(*open)?;
        inner.strip_suffix(*close).or_else(|| {
            // A quote that is missing at one end.
            (!inner.contains(*close) && *open != '<').then_some(inner)
        })
    });
    let inner = inner.or_else(|| {
        let cut = end.strip_suffix(['"', '\'', '`'])?;
        (!cut.contains(['"', '\'', '`'])).then_some(cut)
    });
    let Some(inner) = inner else {
        return text;
    };
    remember(findings, Finding::Quotes);
    inner
}

fn without_prefix<'t>(text: &'t str, findings: &mut Vec<Finding>) -> &'t str {
    if let Some((name, rest)) = text.split_once(':')
        && ["authorization", "proxy-authorization"]
            .iter()
            .any(|known| name.trim().eq_ignore_ascii_case(known))
    {
        remember(findings, Finding::HeaderName);
        return rest;
    }
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) if word.eq_ignore_ascii_case("bearer") => {
            remember(findings, Finding::Scheme("Bearer"));
            rest
        }
        Some((word, rest)) if word.eq_ignore_ascii_case("dpop") => {
            remember(findings, Finding::Scheme("DPoP"));
            rest
        }
        _ => text,
    }
}

/// A credential that is not a bearer token, by the word before it.
fn other_scheme(text: &str) -> Option<&'static str> {
    let (word, _) = text.split_once(char::is_whitespace)?;
    ["Basic", "Digest", "Negotiate", "ApiKey"]
        .into_iter()
        .find(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// The token of a text that is not JSON.
fn bare(text: &str, findings: &mut Vec<Finding>) -> Result<String, String> {
    if text.bytes().all(is_token_byte) {
        return Ok(text.to_owned());
    }
    if let Some((joined, lines)) = joined(text)? {
        findings.push(Finding::Joined(lines));
        return Ok(joined);
    }
    if let Some(token) = the_one_inside(text)? {
        let address = text.contains("://") && !text.contains(char::is_whitespace);
        findings.push(Finding::Inside(if address {
            Source::Address
        } else {
            Source::Text
        }));
        return Ok(token.to_owned());
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return Err("an address (URL) without a token in it".to_owned());
    }
    if text.contains(char::is_whitespace) {
        return Err("text without a token in it".to_owned());
    }
    // One word: the verifier reports the character that no token has.
    Ok(text.to_owned())
}

/// A token that was broken into lines, and the number of lines.
fn joined(text: &str) -> Result<Option<(String, usize)>, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some((first, rest)) = words.split_first() else {
        return Ok(None);
    };
    if rest.is_empty() || !words.iter().all(|word| word.bytes().all(is_token_byte)) {
        return Ok(None);
    }
    let whole = words.iter().filter(|word| is_whole(word)).count();
    if whole > 1 {
        return Err(several(whole));
    }
    // A complete token does not continue on the next line.
    if !starts_like_a_token(first) || (is_whole(first) && damage(first).is_none()) {
        return Ok(None);
    }
    let joined = words.concat();
    Ok(matches!(dots(&joined), 2 | 4).then_some((joined, words.len())))
}

/// From this many on, the tokens in one text are not counted.
const MANY: usize = 20;

/// The one token inside a text: an address, a command, a line of a log.
fn the_one_inside(text: &str) -> Result<Option<&str>, String> {
    let mut found: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii() && is_base64url_or_dot(c)) {
        let tail = rest.get(start..).unwrap_or_default();
        let end = tail
            .find(|c: char| !is_base64url_or_dot(c))
            .unwrap_or(tail.len());
        let (run, behind) = tail.split_at_checked(end).unwrap_or((tail, ""));
        // A word that continues in another alphabet is not a whole token.
        let goes_on = behind.starts_with(['+', '/', '=', '~']);
        // The full stop of a sentence; an unsigned token ends with one of its own.
        let run = match run.strip_suffix('.') {
            Some(shorter) if dots(shorter) >= 2 => shorter,
            _ => run,
        };
        if !goes_on && is_whole(run) && !found.contains(&run) {
            found.push(run);
            if found.len() == MANY {
                break;
            }
        }
        rest = behind;
    }
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        more => Err(several(more.len())),
    }
}

fn several(count: usize) -> String {
    format!(
        "a text with {count} tokens in it; give one, or all on standard input of verify, one per line"
    )
}

fn looks_like_a_file_name(given: &OsStr) -> bool {
    let Some(text) = given.to_str() else {
        return true;
    };
    let lower = text.to_ascii_lowercase();
    let by_end = [".txt", ".jwt", ".token", ".json", ".pem", ".log"];
    let by_start = ["/", "./", "../", "~/"];
    !text.contains(char::is_whitespace)
        && !starts_like_a_token(text)
        && (by_end.iter().any(|end| lower.ends_with(end))
            || by_start.iter().any(|start| text.starts_with(start)))
}

/// The base64url of `{` and a quote, a space or a line end.
pub(crate) fn starts_like_a_token(text: &str) -> bool {
    text.starts_with("ey") || text.starts_with("ew")
}

/// Whether header, claims and signature are present, or the five parts of an encrypted token.
pub(crate) fn is_whole(text: &str) -> bool {
    text.len() >= 16 && starts_like_a_token(text) && matches!(dots(text), 2 | 4)
}

fn dots(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'.').count()
}

/// RFC 6750 section 2.1, except for `~+/=`, which no JWT contains.
fn is_token_byte(byte: u8) -> bool {
    is_base64url_or_dot(char::from(byte))
}

fn is_base64url_or_dot(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Invisible characters that come along when text is copied.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

fn remember(findings: &mut Vec<Finding>, finding: Finding) {
    if !findings.contains(&finding) {
        findings.push(finding);
    }
}
