//! Reads the small files that a configuration names.

use std::fmt::Display;
use std::fs::File;
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
