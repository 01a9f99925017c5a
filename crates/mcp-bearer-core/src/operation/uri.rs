//! Resource URIs in the one spelling that rules are compared with (RFC 3986 section 6.2).
//!
//! A server may read a URI by the rules of RFC 3986 or by those of WHATWG, as the Python SDK does,
//! and each treats several texts as one URI. Where the texts differ in what a rule would see, all
//! but the canonical one are refused: a rule for `file:///secret/*` must see
//! `file:///public/../secret/key`.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Why a URI is not in canonical form, if it is not.
pub(super) fn fault(uri: &str) -> Option<&'static str> {
    let strange = |c: char| c.is_control() || c == '\\';
    if uri.contains(strange) || uri.trim() != uri {
        return Some("a character that no URI may hold");
    }
    if let Some(fault) = encoding_fault(uri) {
        return Some(fault);
    }
    if has_upper_case_scheme(uri) {
        return Some("an upper-case scheme");
    }
    let (scheme, rest) = split_scheme(uri);
    let special = matches!(scheme, "http" | "https" | "ws" | "wss" | "ftp" | "file");
    let authority = rest.strip_prefix("//");
    if special && authority.is_none() {
        return Some("a scheme without its two slashes");
    }
    let mut path = rest;
    if let Some(authority) = authority {
        let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
        let (authority, behind) = authority.split_at_checked(end).unwrap_or_default();
        if let Some(fault) = authority_fault(scheme, special, authority) {
            return Some(fault);
        }
        path = behind;
    }
    has_dot_segment(path).then_some("a dot segment")
}

/// The same for a URI template (RFC 6570): only its literal text counts.
pub(super) fn template_fault(template: &str) -> Option<&'static str> {
    let mut literal = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        literal.push_str(before);
        // An expression is replaced by a character, so that `/{a}/` is not an empty segment.
        literal.push('x');
        rest = behind.split_once('}').map_or("", |(_, behind)| behind);
    }
    literal.push_str(rest);
    fault(&literal)
}

/// Why no URI in canonical form can match a pattern, if none can.
pub(super) fn pattern_fault(pattern: &str) -> Option<&'static str> {
    if has_upper_case_scheme(pattern) {
        return Some("an upper-case scheme");
    }
    if encoding_fault(&pattern.replace("%*", "*")).is_some() {
        return Some("an encoded character that needs no encoding");
    }
    has_dot_segment(split_scheme(pattern).1).then_some("a dot segment")
}

/// The text that is compared: characters that no URI may contain become percent-encoded, and the
/// digits of an encoding upper-case, as in RFC 3986 sections 2.1 and 6.2.2.1.
pub(super) fn comparable(uri: &str) -> Cow<'_, str> {
    let stays = |byte: u8| byte.is_ascii_graphic() && !b"\"<>`{}|^\\".contains(&byte);
    if uri.bytes().all(|byte| stays(byte) && byte != b'%') {
        return Cow::Borrowed(uri);
    }
    let mut text = String::with_capacity(uri.len() + 16);
    let mut digits = 0_u8;
    for byte in uri.bytes() {
        if !stays(byte) {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        } else if digits > 0 {
            text.push(char::from(byte.to_ascii_uppercase()));
        } else {
            text.push(char::from(byte));
        }
        digits = if byte == b'%' {
            2
        } else {
            digits.saturating_sub(1)
        };
    }
    Cow::Owned(text)
}

/// The scheme and what follows its colon; a text without a scheme is all path.
fn split_scheme(uri: &str) -> (&str, &str) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    match uri.split_once(':') {
        Some((scheme, rest))
            if scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(legal) =>
        {
            (scheme, rest)
        }
        _ => ("", uri),
    }
}

fn has_upper_case_scheme(uri: &str) -> bool {
    let end = uri.find([':', '/', '?', '#']).unwrap_or_default();
    let scheme = uri.get(..end).unwrap_or_default();
    uri.get(end..).is_some_and(|rest| rest.starts_with(':'))
        && scheme.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn authority_fault(scheme: &str, special: bool, authority: &str) -> Option<&'static str> {
    let host_and_port = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host_and_port, None),
    };
    // The case of the digits of an encoding does not matter.
    let mut literal = host.split('%').enumerate().flat_map(|(index, part)| {
        let digits = if index == 0 { 0 } else { 2 };
        part.chars().skip(digits)
    });
    if literal.any(|c| c.is_ascii_uppercase() || !c.is_ascii()) {
        return Some("a host that is not lower-case ASCII");
    }
    if special && host.contains('%') {
        return Some("an encoded host");
    }
    let default = match scheme {
        "http" | "ws" => "80",
        "https" | "wss" => "443",
        "ftp" => "21",
        _ => "",
    };
    if special && port.is_some_and(|port| port == default || port.is_empty()) {
        return Some("the default port of the scheme");
    }
    match scheme {
        "file" if host == "localhost" => Some("the default host of the scheme"),
        "file" => None,
        _ if special && host.is_empty() => Some("a scheme without a host"),
        _ => None,
    }
}

/// `.` and `..` between slashes. Encoded dots are refused earlier, as characters that need no
/// encoding.
fn has_dot_segment(path: &str) -> bool {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let path = path.get(..end).unwrap_or_default();
    path.split('/')
        .any(|segment| segment == "." || segment == "..")
}

fn encoding_fault(text: &str) -> Option<&'static str> {
    for encoded in text.split('%').skip(1) {
        let byte = encoded
            .get(..2)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            None => return Some("a percent sign that begins no encoding"),
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                return Some("an encoded character that needs no encoding");
            }
            Some(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
