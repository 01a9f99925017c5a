//! A shared secret in a file: the one place that decides which bytes of the file are the secret.

use std::path::Path;

use zeroize::Zeroizing;

use super::read_file;

/// No secret is longer.
const SECRET_BYTES: usize = 64 * 1024;

pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut bytes = read_file::bytes(path, SECRET_BYTES)?;
    let kept = without_line_end(&bytes).len();
    bytes.truncate(kept);
    Ok(bytes)
}

/// Only text ends with a line end; a random byte that looks like one belongs to the secret.
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
    fn a_line_end_is_not_part_of_text_but_of_anything_else() {
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
