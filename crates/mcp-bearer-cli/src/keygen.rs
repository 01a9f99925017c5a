//! `mcp-bearer keygen`: a key pair in three files.
//!
//! The private key must never be readable by others, not even for a moment, and never be overwritten unasked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mcp_bearer::{JwksData, RsaKeyPair, RsaKeySize};

use crate::ui::{Failure, Outcome, Output, Plain, note};

/// Make an RSA key pair that signs tokens, as three files
///
/// Writes private.pem (mode 0600; signs tokens, keep it secret), public.pem and jwks.json (verify tokens, publish
/// either). Prints the key id.
#[derive(Args)]
#[command(after_help = "\
Example:
  mcp-bearer keygen --out keys
  mcp-bearer token --private-key keys/private.pem --issuer https://idp.example.com/ > token.txt")]
pub(crate) struct Keygen {
    /// The directory to write to; made when it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// The size of the modulus
    #[arg(long, value_name = "BITS", default_value = "2048")]
    bits: Bits,

    /// The key id; the RFC 7638 thumbprint unless given
    #[arg(long, value_name = "ID")]
    kid: Option<String>,

    /// Overwrite files that exist. Tokens signed with the old key can then no longer be verified
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Bits {
    #[value(name = "2048")]
    Bits2048,
    #[value(name = "3072")]
    Bits3072,
    #[value(name = "4096")]
    Bits4096,
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    Owner,
    Everyone,
}

/// What to do with a file of the same name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Keep,
    Replace,
}

impl Keygen {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let existing = if self.force {
            Existing::Replace
        } else {
            Existing::Keep
        };
        let paths = ["private.pem", "public.pem", "jwks.json"].map(|name| self.out.join(name));
        if existing == Existing::Keep {
            Failure::unless_empty(paths.iter().filter_map(|path| refusal(path)).collect())?;
        }
        let size = match self.bits {
            Bits::Bits2048 => RsaKeySize::Bits2048,
            Bits::Bits3072 => RsaKeySize::Bits3072,
            Bits::Bits4096 => RsaKeySize::Bits4096,
        };
        let failed = |error: mcp_bearer::KeyPairError| Failure::problem(error.to_string());
        let keys = RsaKeyPair::generate_of_size(size).map_err(failed)?;
        let jwk = keys.public_jwk(self.kid.as_deref()).map_err(failed)?;
        let kid = jwk.kid.clone().unwrap_or_default();
        let jwks = serde_json::to_string_pretty(&JwksData::new(vec![jwk]))
            .map_err(|error| Failure::problem(format!("jwks.json: {error}")))?;

        fs::create_dir_all(&self.out).map_err(|error| {
            Failure::problem(format!(
                "--out: {}: {error}; choose a directory that can be written",
                self.out.display()
            ))
        })?;
        let [private, public, set] = &paths;
        let mut written = Written::default();
        written.write(private, Readers::Owner, existing, keys.private_key_pem())?;
        written.write(public, Readers::Everyone, existing, keys.public_key_pem())?;
        written.write(set, Readers::Everyone, existing, &format!("{jwks}\n"))?;
        written.keep();

        note(format_args!(
            "{}: signs tokens; keep it secret",
            private.display()
        ));
        note(format_args!(
            "{}: verifies them (verify --public-key)",
            public.display()
        ));
        note(format_args!(
            "{}: the same key to publish (verify --jwks)",
            set.display()
        ));
        note("The key id:");
        let mut output = Output::stdout();
        output.line(Plain(&kid))?;
        output.flush()?;
        Ok(Outcome::Done)
    }
}

/// Why this file must not be written; a dangling link counts as a file.
fn refusal(path: &Path) -> Option<String> {
    path.symlink_metadata().is_ok().then(|| {
        format!(
            "{} exists; choose another --out, or overwrite it with --force",
            path.display()
        )
    })
}

/// The files made so far: all of them are kept, or none of those that were new.
#[derive(Default)]
struct Written {
    new: Vec<PathBuf>,
}

impl Written {
    fn write(
        &mut self,
        path: &Path,
        readers: Readers,
        existing: Existing,
        text: &str,
    ) -> Result<(), Failure> {
        let done = match existing {
            Existing::Keep => create(path, readers, text).map(|()| self.new.push(path.to_owned())),
            Existing::Replace => replace(path, readers, text),
        };
        done.map_err(|error| {
            Failure::problem(format!(
                "{}: {error}; choose a directory that can be written",
                path.display()
            ))
        })
    }

    fn keep(mut self) {
        self.new.clear();
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        for path in &self.new {
            let _ = fs::remove_file(path);
        }
    }
}

/// Fails when the file exists, whoever made it and whenever.
fn create(path: &Path, readers: Readers, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    let mut file: File = options.open(path)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(path)))
}

/// Whoever reads the file meanwhile sees the old text or the new, never a part.
fn replace(path: &Path, readers: Readers, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    create(&new, readers, text)?;
    fs::rename(&new, path).inspect_err(|_| drop(fs::remove_file(&new)))
}
