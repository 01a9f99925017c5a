//! `mcp-bearer keygen`: makes a key that signs tokens, and writes it and the keys that verify them
//! to files.
//!
//! A secret file is never readable by others, not even for a moment, and never overwritten unasked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mcp_bearer::signing::RsaKeySize;
use mcp_bearer::{Algorithm, JwksData, SigningKey};

use crate::ui::{Failure, Outcome, Output, Plain, note};

/// Make a key that signs tokens, as files
///
/// Writes private.pem (mode 0600; signs tokens, keep it secret), public.pem and jwks.json (verify
/// tokens, publish either), and prints the key id. For HS256, HS384 and HS512 writes secret.txt
/// alone (mode 0600), the secret that is shared with the verifier.
#[derive(Args)]
#[command(after_help = "\
Examples:
  mcp-bearer keygen --out keys
  mcp-bearer token --private-key keys/private.pem > token.txt
  # Another algorithm:
  mcp-bearer keygen --out es-keys --algorithm ES256
  # A shared secret:
  mcp-bearer keygen --out shared --algorithm HS256
  mcp-bearer token --secret-file shared/secret.txt > token.txt")]
pub(crate) struct Keygen {
    /// The directory to write to; created if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// The algorithm to sign with, any that verify takes
    #[arg(long, value_name = "A", default_value = "RS256")]
    algorithm: String,

    /// The size of an RSA modulus; 2048 by default
    #[arg(long, value_name = "BITS")]
    bits: Option<Bits>,

    /// The key id; the RFC 7638 thumbprint by default
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
        let algorithm = self.algorithm()?;
        let existing = if self.force {
            Existing::Replace
        } else {
            Existing::Keep
        };
        let names: &[&str] = if algorithm.is_symmetric() {
            &["secret.txt"]
        } else {
            &["private.pem", "public.pem", "jwks.json"]
        };
        let paths: Vec<PathBuf> = names.iter().map(|name| self.out.join(name)).collect();
        if existing == Existing::Keep {
            Failure::unless_empty(paths.iter().filter_map(|path| refusal(path)).collect())?;
        }
        let failed = |error: mcp_bearer::signing::KeyPairError| Failure::problem(error.to_string());
        let key = match self.bits {
            Some(bits) => SigningKey::generate_rsa(algorithm, bits.size()),
            None => SigningKey::generate(algorithm),
        };
        let key = key.map_err(failed)?;
        let jwk = match key.secret() {
            Some(_) => None,
            None => Some(key.public_jwk(self.kid.as_deref()).map_err(failed)?),
        };
        let kid = jwk.as_ref().and_then(|jwk| jwk.kid.clone());
        let jwks = serde_json::to_string_pretty(&JwksData::new(jwk.into_iter().collect()))
            .map_err(|error| Failure::problem(format!("jwks.json: {error}")))?;

        fs::create_dir_all(&self.out).map_err(|error| {
            Failure::problem(format!(
                "--out: {}: {error}; choose a directory that can be written",
                self.out.display()
            ))
        })?;
        let private = key.private_key_pem().unwrap_or_default();
        let public = key.public_key_pem().unwrap_or_default();
        let jwks = format!("{jwks}\n");
        let contents = match key.secret() {
            Some(secret) => vec![(
                Readers::Owner,
                secret,
                "signs and verifies tokens (--secret-file); keep it secret",
            )],
            None => vec![
                (
                    Readers::Owner,
                    private.as_bytes(),
                    "signs tokens; keep it secret",
                ),
                (
                    Readers::Everyone,
                    public.as_bytes(),
                    "verifies them (verify --public-key)",
                ),
                (
                    Readers::Everyone,
                    jwks.as_bytes(),
                    "the same key to publish (verify --jwks)",
                ),
            ],
        };
        let mut written = Written::default();
        for (path, (readers, bytes, _)) in paths.iter().zip(&contents) {
            written.write(path, *readers, existing, bytes)?;
        }
        written.keep();

        for (path, (_, _, purpose)) in paths.iter().zip(&contents) {
            note(format_args!("{}: {purpose}", path.display()));
        }
        let Some(kid) = kid else {
            return Ok(Outcome::Done);
        };
        note("The key id:");
        let mut output = Output::stdout();
        output.line(Plain(&kid))?;
        output.flush()?;
        Ok(Outcome::Done)
    }

    /// The algorithm, if the other options fit it.
    fn algorithm(&self) -> Result<Algorithm, Failure> {
        let name = &self.algorithm;
        let algorithm: Algorithm = name
            .parse()
            .map_err(|error| Failure::problem(format!("--algorithm: {name:?}: {error}")))?;
        let mut problems = Vec::new();
        if self.bits.is_some() && !matches!(name.get(..2), Some("RS" | "PS")) {
            problems.push(format!("--bits: {algorithm} has no RSA key; leave it out"));
        }
        if self.kid.is_some() && algorithm.is_symmetric() {
            let why = "a shared secret is never published, so its file has no key id; leave it out";
            problems.push(format!("--kid: {why} (token --kid puts one into a token)"));
        }
        Failure::unless_empty(problems)?;
        Ok(algorithm)
    }
}

impl Bits {
    const fn size(self) -> RsaKeySize {
        match self {
            Self::Bits2048 => RsaKeySize::Bits2048,
            Self::Bits3072 => RsaKeySize::Bits3072,
            Self::Bits4096 => RsaKeySize::Bits4096,
        }
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

/// The files made so far: either all are kept, or the new ones are removed.
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
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let done = match existing {
            Existing::Keep => create(path, readers, bytes).map(|()| self.new.push(path.to_owned())),
            Existing::Replace => replace(path, readers, bytes),
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

/// Fails if the file exists, even if it was made only a moment ago.
fn create(path: &Path, readers: Readers, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    let mut file: File = options.open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(path)))
}

/// Anyone who reads the file meanwhile sees the old contents or the new, never a part.
fn replace(path: &Path, readers: Readers, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    create(&new, readers, bytes)?;
    fs::rename(&new, path).inspect_err(|_| drop(fs::remove_file(&new)))
}
