//! Reading a shared secret from a file: the one place that decides which of its bytes are the secret.
//!
//! An error names the file and never its contents, and what was read is wiped.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// No secret is longer.
const FILE_BYTES: u64 = 64 * 1024;

pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => told(&"there is no such file; check the path"),
        _ => told(&error),
    })?;
    // Long enough from the start: a buffer that grows leaves its old bytes behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024 + 2));
    file.take(FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| told(&error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES) {
        return Err(told(&"larger than 64 KiB, so it is no secret"));
    }
    let kept = without_line_end(&bytes).len();
    bytes.truncate(kept);
    Ok(bytes)
}

/// Only text ends in a line end; a random byte that looks like one belongs to the secret.
fn without_line_end(secret: &[u8]) -> &[u8] {
    let Some(line) = secret.strip_suffix(b"\n") else {
        return secret;
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    if line.iter().all(printable) {
        line
    } else {
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::without_line_end;

    #[test]
    fn a_line_end_is_no_part_of_a_text_and_part_of_anything_else() {
        for (file, secret) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("two words\n", "two words"),
            ("secret\n\n", "secret\n\n"),
            ("secret\r", "secret\r"),
            ("\u{1}\n", "\u{1}\n"),
            ("é\n", "é\n"),
        ] {
            assert_eq!(
                without_line_end(file.as_bytes()),
                secret.as_bytes(),
                "{file:?}"
            );
        }
    }
}
