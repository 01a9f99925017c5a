//! Reads the files that a configuration names, within limits, and with errors that never contain
//! what is in them.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// The text of a file of at most this many bytes.
pub(super) fn text(path: &Path, limit: usize) -> Result<String, String> {
    let mut bytes = bytes(path, limit)?;
    String::from_utf8(std::mem::take(&mut *bytes))
        .map_err(|_| "not UTF-8 text; convert a DER key with: openssl pkey -inform DER".to_owned())
}

/// The bytes of a file of at most this many.
pub(super) fn bytes(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, String> {
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => "there is no such file; check the path".to_owned(),
        _ => error.to_string(),
    })?;
    // Long enough from the start: a buffer that grows leaves its old bytes behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 2));
    file.take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() > limit {
        let most = limit / 1024;
        return Err(format!(
            "larger than {most} KiB, so it is not the right file"
        ));
    }
    Ok(bytes)
}
