//! Reads the files that the user names: keys and tokens, within limits, with errors that name the
//! file and never its contents.

use std::fmt::Display;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The limit for files of keys or of a token: a JWK Set of 100 RSA-8192 keys with certificates
/// takes half of it.
const FILE_BYTES: u64 = 1024 * 1024;

/// The bytes of a file. `option` is the option that names it; empty for an argument.
pub(crate) fn read(option: &str, path: &Path) -> Result<Vec<u8>, String> {
    let told = |why: &dyn Display| told(option, path, why);
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => told(&"there is no such file; check the path"),
        _ => told(&error),
    })?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| told(&error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES) {
        return Err(told(
            &"larger than 1 MiB, so it is neither a key nor a token",
        ));
    }
    Ok(bytes)
}

/// The text of a file.
pub(crate) fn read_text(option: &str, path: &Path) -> Result<String, String> {
    String::from_utf8(read(option, path)?).map_err(|_| {
        let why = "not UTF-8 text; convert a DER key with: openssl pkey -inform DER";
        told(option, path, why)
    })
}

/// What is wrong with a file.
pub(crate) fn told(option: &str, path: &Path, why: impl Display) -> String {
    let colon = if option.is_empty() { "" } else { ": " };
    format!("{option}{colon}{}: {why}", path.display())
}
