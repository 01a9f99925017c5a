//! Whether a secret is inside a longer text, in a common encoding and with anything around it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::disguise::{Inner, contains, of_percent};
use crate::json::unescape;

/// Whether one of these byte strings occurs anywhere in the text: as it is, in base64, in
/// hexadecimal, or as a list of byte numbers. Escapes are read up to twice, as in JSON inside a
/// string of JSON. The work is linear in the text.
pub(super) fn has_any(sought: &[Inner], text: &str) -> bool {
    let once = Zeroizing::new(unescape(text));
    let twice = Zeroizing::new(unescape(&once));
    let compact = twice.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let compact: Inner = Zeroizing::new(compact.collect());
    let lower: Inner = Zeroizing::new(compact.to_ascii_lowercase());
    let percent = of_percent(twice.as_bytes());
    let mut texts = vec![text.as_bytes(), once.as_bytes(), twice.as_bytes(), &compact];
    texts.extend(percent.as_ref().map(|plain| plain.as_slice()));
    let numbers = runs_of_byte_numbers(text);
    sought.iter().any(|sought| {
        let stands = |part: &[u8]| texts.iter().any(|text| contains(text, part));
        stands(sought)
            || in_base64(sought).iter().any(|part| stands(part.as_bytes()))
            || contains(&lower, hexadecimal(sought).as_bytes())
            || numbers.iter().any(|run| contains(run, sought))
    })
}

/// What every base64 text with these bytes inside holds: in both alphabets, at the three places
/// where the bytes can begin, without the characters that depend on the bytes around them.
fn in_base64(bytes: &[u8]) -> Vec<Zeroizing<String>> {
    let mut all = Vec::new();
    for (before, foreign) in [(0, 0), (1, 2), (2, 3)] {
        let mut shifted: Inner = Zeroizing::new(vec![0; before]);
        shifted.extend_from_slice(bytes);
        let shared = usize::from(!shifted.len().is_multiple_of(3));
        for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = Zeroizing::new(alphabet.encode(&shifted));
            let own = text.len().saturating_sub(shared);
            if let Some(own) = text.get(foreign..own) {
                all.push(Zeroizing::new(own.to_owned()));
            }
        }
    }
    all.dedup();
    all
}

fn hexadecimal(bytes: &[u8]) -> Zeroizing<String> {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = halves.filter_map(|half| DIGITS.get(usize::from(half)));
    Zeroizing::new(digits.collect())
}

/// The bytes written as decimal numbers with only commas and white space between them.
fn runs_of_byte_numbers(text: &str) -> Vec<Inner> {
    let between =
        |byte: &u8| !(byte.is_ascii_digit() || byte.is_ascii_whitespace() || *byte == b',');
    let runs = text
        .as_bytes()
        .split(between)
        .filter(|run| run.contains(&b','));
    runs.flat_map(|run| {
        let numbers = run.split(|byte| !byte.is_ascii_digit());
        let numbers = numbers.filter(|number| !number.is_empty());
        let bytes: Vec<Option<u8>> = numbers
            .map(|number| std::str::from_utf8(number).ok()?.parse().ok())
            .collect();
        let runs: Vec<Inner> = bytes
            .split(Option::is_none)
            .filter(|run| !run.is_empty())
            .map(|run| Zeroizing::new(run.iter().copied().flatten().collect()))
            .collect();
        runs
    })
    .collect()
}
