//! The key that a command signs with, read from the file that an option names.

use std::path::Path;

use mcp_bearer::{Algorithm, SigningKey};

use crate::read_file;
use crate::ui::note;

/// The private key in a PEM file.
pub(crate) fn private_key(path: &Path, algorithm: Option<Algorithm>) -> Result<SigningKey, String> {
    let text = read_file::read_text("--private-key", path)?;
    warn_of_readers("--private-key", path);
    SigningKey::from_private_key_pem(&text, algorithm).map_err(|error| {
        let path = path.display();
        format!("--private-key: {path}: {error}; mcp-bearer keygen makes one")
    })
}

/// The shared secret in a file.
pub(crate) fn secret(path: &Path, algorithm: Option<Algorithm>) -> Result<SigningKey, String> {
    warn_of_readers("--secret-file", path);
    SigningKey::from_secret_file(path, algorithm)
        .map_err(|error| format!("--secret-file: {error}; mcp-bearer keygen makes one"))
}

/// Prints a warning if other users of the machine may read the secret in a file.
#[cfg(unix)]
fn warn_of_readers(option: &str, path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(about) = path.metadata() else {
        return;
    };
    let mode = about.permissions().mode() & 0o777;
    // Only a file can be read by others later; a pipe cannot.
    if about.is_file() && mode & 0o044 != 0 {
        let path = path.display();
        note(format_args!(
            "warning: {option}: {path}: other users may read it (mode {mode:04o}); keep it to yourself with chmod 600"
        ));
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_: &str, _: &Path) {}
