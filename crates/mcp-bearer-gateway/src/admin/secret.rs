//! The secret of the status page, in a file that only its owner can read.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::read_file;

/// A shorter secret can be guessed.
const SHORTEST: usize = 16;
const LONGEST: usize = 1024;

/// Kept as its hash, so that comparing takes the same time for every entry.
pub(super) struct Secret([u8; 32]);

impl Secret {
    /// Reads the secret, or makes the file with a new one if there is none.
    ///
    /// # Errors
    /// When others may read the file, or it holds no secret, or it cannot be made.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let about = |why: &dyn std::fmt::Display| format!("status page: {}: {why}", path.display());
        match File::open(path) {
            Ok(file) => read(file).map_err(|why| about(&why)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secret = make(path).map_err(|why| about(&why))?;
                tracing::info!(
                    target: "mcp_bearer::admin",
                    file = %path.display(),
                    "a new secret for the status page is in this file"
                );
                Ok(secret)
            }
            Err(error) => Err(about(&error)),
        }
    }

    /// Whether this is the secret.
    pub(super) fn is(&self, entry: &str) -> bool {
        is_same(&self.0, &hash(entry.trim().as_bytes()))
    }
}

/// What would keep [`Secret::open`] from working. No file is made.
pub(super) fn problem(path: &Path) -> Option<String> {
    let why = match File::open(path) {
        Ok(file) => read(file).err()?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return read_file::problem_of_place(path);
        }
        Err(error) => error.to_string(),
    };
    Some(format!("{}: {why}", path.display()))
}

/// Random text with 256 bits.
pub(super) fn random_text() -> Result<String, String> {
    let mut bytes = Zeroizing::new([0; 32]);
    let filled = aws_lc_rs::rand::fill(&mut *bytes);
    filled.map_err(|_| "the system has no random numbers".to_owned())?;
    Ok(URL_SAFE_NO_PAD.encode(*bytes))
}

/// Takes the same time wherever the two differ.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    verify_slices_are_equal(one, other).is_ok()
}

fn read(file: File) -> Result<Secret, String> {
    let about = file.metadata().map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("not a file".to_owned());
    }
    let mode = about.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!(
            "other users may read it (mode {:04o}); run: chmod 600",
            mode & 0o7777
        ));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let most = u64::try_from(LONGEST + 2).unwrap_or(u64::MAX);
    let read = file.take(most).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    let secret = bytes.trim_ascii();
    if secret.len() < SHORTEST {
        return Err(format!(
            "a secret of {} characters can be guessed; use {SHORTEST} or more, or delete the file to get a new one",
            secret.len()
        ));
    }
    if bytes.len() > LONGEST + 1 || !secret.iter().all(u8::is_ascii_graphic) {
        return Err(format!(
            "not a secret of at most {LONGEST} printable ASCII characters"
        ));
    }
    Ok(Secret(hash(secret)))
}

fn make(path: &Path) -> Result<Secret, String> {
    let secret = Zeroizing::new(random_text()?);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| error.to_string())?;
    let written = file
        .write_all(secret.as_bytes())
        .and_then(|()| file.write_all(b"\n"));
    written.map_err(|error| {
        // The next start must not find half of a secret.
        let _ = std::fs::remove_file(path);
        error.to_string()
    })?;
    Ok(Secret(hash(secret.as_bytes())))
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes)
        .as_ref()
        .try_into()
        .unwrap_or_default()
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_missing_file_is_made_with_a_secret_that_only_the_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let secret = Secret::open(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(text.trim_end().len(), 43);
        assert!(secret.is(&text) && secret.is(text.trim_end()));
        for wrong in ["", "x", &text[1..], &format!("{}x", text.trim_end())] {
            assert!(!secret.is(wrong));
        }
        // The next start reads the same one, and another file has another one.
        assert!(Secret::open(&path).unwrap().is(&text));
        let other = folder.path().join("other");
        assert!(!Secret::open(&other).unwrap().is(&text));
    }

    #[test]
    fn a_file_that_is_no_secret_is_refused_without_its_contents() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (contents, mode, why) in [
            ("correct-horse-battery", 0o640, "chmod 600"),
            ("correct-horse-battery", 0o604, "chmod 600"),
            ("short", 0o600, "can be guessed"),
            ("", 0o600, "can be guessed"),
            ("these words are not a secret", 0o600, "printable ASCII"),
            (&"x".repeat(2000), 0o600, "printable ASCII"),
        ] {
            fs::write(&path, contents).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Secret::open(&path).unwrap_err();
            assert!(error.contains(why), "{error}");
            assert!(contents.is_empty() || !error.contains(contents), "{error}");
        }
        assert!(
            Secret::open(folder.path())
                .unwrap_err()
                .contains("not a file")
        );
        let nowhere = folder.path().join("missing/secret");
        assert!(
            Secret::open(&nowhere)
                .unwrap_err()
                .contains("missing/secret")
        );
        fs::write(&path, "correct-horse-battery\r\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Secret::open(&path).unwrap().is("correct-horse-battery"));
    }
}
