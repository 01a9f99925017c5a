//! Reads the small files that a configuration names.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

/// A larger file is refused: CA stores of machines have less than 1 MiB.
const LARGEST: u64 = 4 * 1024 * 1024;

/// The bytes of a file, which are wiped when dropped: it may hold a key.
///
/// # Errors
/// The file's name and what is wrong, and no text of it.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let failed = |why: &dyn Display| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|error| failed(&error))?;
    let mut text = Zeroizing::new(Vec::new());
    let read = file.take(LARGEST + 1).read_to_end(&mut text);
    let read = read.map_err(|error| failed(&error))?;
    if u64::try_from(read).is_ok_and(|read| read > LARGEST) {
        return Err(failed(&"larger than 4 MiB"));
    }
    Ok(text)
}

/// What is wrong with the folder of a file that will be made there later. Nothing is made.
pub(crate) fn problem_of_place(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    let why = match fs::metadata(folder) {
        Ok(about) if !about.is_dir() => "not a folder".to_owned(),
        Ok(_) => may_make_files(folder).err()?.to_string(),
        Err(error) => error.to_string(),
    };
    Some(format!("{}: {why}", folder.display()))
}

/// A file without a name shows it, and leaves nothing behind. Where there is none, nothing is
/// known.
#[cfg(target_os = "linux")]
fn may_make_files(folder: &Path) -> std::io::Result<()> {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    use std::os::unix::fs::OpenOptionsExt;
    let mut unnamed = fs::OpenOptions::new();
    let made = unnamed.write(true).custom_flags(libc::O_TMPFILE);
    match made.open(folder) {
        Err(error) if matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn may_make_files(_: &Path) -> std::io::Result<()> {
    Ok(())
}
