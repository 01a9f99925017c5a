//! `mcp-bearer jwks`: turns public keys in PEM into the JWK Set that an issuer publishes.
//!
//! A private key is refused, because a set is public.

use std::path::PathBuf;

use clap::Args;
use mcp_bearer::keys::VerifyingKey;
use mcp_bearer::{Algorithm, JwkData, JwksData};

use crate::read_file;
use crate::ui::{Failure, Outcome, Output};

/// Print the JWK Set (RFC 7517) of public keys in PEM
///
/// Every key gets `use: sig` and the one algorithm it is for (RFC 8725 section 3.1): RS256, ES256,
/// ES384, ES512 or EdDSA by its type, unless --algorithm says otherwise.
#[derive(Args)]
#[command(after_help = "\
Example:
  mcp-bearer jwks keys/public.pem next-key.pem > jwks.json")]
pub(crate) struct Jwks {
    /// PEM files with one public key each: PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// The key id, once for each file in order; the RFC 7638 thumbprint unless given
    #[arg(long, value_name = "ID")]
    kid: Vec<String>,

    /// The algorithm of the keys, such as PS256
    #[arg(long, value_name = "A")]
    algorithm: Option<String>,
}

impl Jwks {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let mut problems = Vec::new();
        if !self.kid.is_empty() && self.kid.len() != self.files.len() {
            let (ids, files) = (self.kid.len(), self.files.len());
            problems.push(format!(
                "--kid: {ids} given for {files} files; give it once for each file, or not at all"
            ));
        }
        let algorithm = match self.algorithm.as_deref().map(str::parse::<Algorithm>) {
            Some(Err(error)) => {
                problems.push(format!("--algorithm: {error}"));
                None
            }
            Some(Ok(algorithm)) => Some(algorithm),
            None => None,
        };
        let mut keys: Vec<JwkData> = Vec::new();
        let kids = self.kid.iter().map(Some).chain(std::iter::repeat(None));
        for (path, kid) in self.files.iter().zip(kids) {
            let jwk = read_file::read_text("", path).and_then(|text| {
                jwk(&text, kid, algorithm).map_err(|why| format!("{}: {why}", path.display()))
            });
            match jwk {
                Err(problem) => problems.push(problem),
                Ok(jwk) if keys.iter().any(|other| other.kid == jwk.kid) => {
                    let kid = jwk.kid.unwrap_or_default();
                    problems.push(format!(
                        "{}: the key id {kid:?} is taken; a set needs a different one for each key",
                        path.display()
                    ));
                }
                Ok(jwk) => keys.push(jwk),
            }
        }
        Failure::unless_empty(problems)?;
        let set = serde_json::to_string_pretty(&JwksData::new(keys));
        let set = set.map_err(|error| Failure::problem(error.to_string()))?;
        let mut output = Output::stdout();
        output.line(set)?;
        output.flush()?;
        Ok(Outcome::Done)
    }
}

fn jwk(text: &str, kid: Option<&String>, algorithm: Option<Algorithm>) -> Result<JwkData, String> {
    let key = VerifyingKey::from_pem(text).map_err(|error| error.to_string())?;
    let algorithm = match algorithm {
        Some(algorithm) if key.fits(algorithm) => Some(algorithm),
        Some(algorithm) => {
            let fitting: Vec<&str> = key.algorithms().map(Algorithm::name).collect();
            return Err(format!(
                "--algorithm: {} cannot be used with {algorithm}, only with {}",
                key.describe(),
                fitting.join(", ")
            ));
        }
        // The first is the usual one: RS256 for RSA, the only one for a curve.
        None => key.algorithms().next(),
    };
    let mut jwk = JwkData::from_key(&key).ok_or("not a public key")?;
    jwk.kid = Some(kid.cloned().unwrap_or_else(|| key.thumbprint().to_string()));
    jwk.use_ = Some("sig".to_owned());
    jwk.alg = algorithm.map(|algorithm| algorithm.name().to_owned());
    Ok(jwk)
}
