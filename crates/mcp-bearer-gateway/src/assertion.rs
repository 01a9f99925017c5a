//! [`Assertions`]: tokens signed by the gateway, which identify the caller to the server. The
//! server gets them instead of the client's token.
//!
//! An assertion is an access token of RFC 9068 for one request: for one server, one minute and,
//! with a hash, one body. Its claims:
//!
//! | claim | value |
//! |---|---|
//! | `iss`, `aud` | the gateway and the server |
//! | `sub` | the caller, unambiguous among all issuers: see [`subject`] |
//! | `sub_id` | the caller as its issuer names it (RFC 9493 section 3.2.3): `{"format": "iss_sub", "iss", "sub"}` |
//! | `client_id`, `scope` | as in the client's token |
//! | `mcp_operations` | what the request asks for: `[{"method", "name"}]` |
//! | `body_sha256` | the SHA-256 of the body, in base64url without padding |
//! | `jti`, `iat`, `exp` | 128 random bits, now, and a minute later |

mod keys;
mod subject;

use std::path::Path;

use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderValue;
use mcp_bearer::operation::{Operations, Target};
use mcp_bearer::signing::KeyPairError;
use mcp_bearer::{AccessToken, SigningKey, TokenRequest, UnixTime};
use serde_json::{Value, json};

use self::subject::subject;
use crate::config::AssertionSettings;

const SECONDS: i64 = 60;

/// The longest `mcp_operations` in bytes of JSON. Servers read 8 to 64 KiB of headers in all, and a
/// batch can name a thousand operations. The body's hash binds what the claim leaves out.
const OPERATIONS_BYTES: usize = 2048;

/// The longest token that the library's verifier reads by default. A longer assertion would be
/// refused, and its reader would search for the reason.
const LONGEST: usize = 16 * 1024;

/// Signs assertions, and publishes the keys that verify them.
pub(crate) struct Assertions {
    key: SigningKey,
    key_id: String,
    issuer: String,
    audience: String,
    published: Bytes,
}

impl Assertions {
    /// Reads the keys.
    ///
    /// # Errors
    /// A file that cannot be read, a private key that is not of P-256 or Ed25519, another key that
    /// cannot be published. No key text is in the error.
    pub(crate) fn load(settings: &AssertionSettings) -> Result<Self, String> {
        let key = keys::private_key(&settings.private_key_file)?;
        let own = key.public_jwk(None).map_err(|error| error.to_string())?;
        let key_id = own.kid.clone().unwrap_or_default();
        let published = keys::published(Some(own), settings.other_keys_file.as_deref())?;
        Ok(Self {
            key,
            key_id,
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            published,
        })
    }

    /// The value of `Authorization` for one request of this caller. `body_sha256` is that of a body
    /// that was read whole; `None` for a request without one.
    ///
    /// # Errors
    /// When signing fails, or the assertion would be longer than verifiers read.
    pub(crate) fn sign(
        &self,
        access: &AccessToken,
        operations: Option<&Operations>,
        body_sha256: Option<[u8; 32]>,
        now: UnixTime,
    ) -> Result<HeaderValue, String> {
        let failed = |error: KeyPairError| format!("the assertion cannot be signed: {error}");
        let request = self.request(access, operations, body_sha256, now)?;
        let token = self.key.create_token(&request).map_err(failed)?;
        if token.len() > LONGEST {
            return Err(format!(
                "the assertion would be longer than {LONGEST} bytes, because the client's token has \
                 long claims"
            ));
        }
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| "the assertion is not a valid header value".to_owned())?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The JWK Set that verifies assertions. Each key has its RFC 7638 thumbprint as `kid`, unless
    /// the file of other keys says otherwise.
    pub(crate) fn jwks_json(&self) -> Bytes {
        self.published.clone()
    }

    fn request(
        &self,
        access: &AccessToken,
        operations: Option<&Operations>,
        body_sha256: Option<[u8; 32]>,
        now: UnixTime,
    ) -> Result<TokenRequest, String> {
        let mut request = TokenRequest::new()
            .token_type("at+jwt")
            .kid(self.key_id.as_str())
            .issuer(self.issuer.as_str())
            .audience(self.audience.as_str())
            .scopes(access.scopes().iter())
            .issued_at(now)
            .expires_in_seconds(SECONDS)
            .claim("jti", unique_id()?);
        request = match (access.issuer(), access.subject()) {
            (issuer, Some(name)) => request.subject(subject(issuer, name)),
            (_, None) => request.without_subject(),
        };
        if let (Some(issuer), Some(name)) = (access.issuer(), access.subject()) {
            let caller = json!({"format": "iss_sub", "iss": issuer, "sub": name});
            request = request.claim("sub_id", caller);
        }
        if let Some(client) = access.client_id() {
            request = request.claim("client_id", client);
        }
        // Two issuers may have clients of one name, and a token of a client has no subject.
        if let Some(issuer) = access.issuer() {
            request = request.claim("original_issuer", issuer);
        }
        if let Some(operations) = operations.and_then(named) {
            request = request.claim("mcp_operations", operations);
        }
        if let Some(hash) = body_sha256 {
            let hash = URL_SAFE_NO_PAD.encode(hash);
            request = request.claim(AccessToken::BODY_HASH_CLAIM, hash);
        }
        Ok(request)
    }
}

/// What is wrong with the file of our key, and with that of the other keys.
pub(crate) fn problems_of_files(private_key: &Path, others: Option<&Path>) -> [Option<String>; 2] {
    let own = keys::private_key(private_key);
    let public = own.as_ref().map(|key| key.public_jwk(None).ok());
    let others = keys::published(public.unwrap_or_default(), others);
    [own.err(), others.err()]
}

/// The SHA-256 of a body, for [`Assertions::sign`].
pub(crate) fn sha256(body: &[u8]) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, body);
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    bytes
}

/// Methods and names; `None` if they are too long for a header.
fn named(operations: &Operations) -> Option<Value> {
    let mut bytes = 0;
    let mut named = Vec::new();
    for operation in operations.iter() {
        let target = operation.targets().first();
        let name = target.map(Target::name);
        let value = json!({"method": operation.method(), "name": name});
        bytes += value.to_string().len() + 1;
        if bytes > OPERATIONS_BYTES {
            return None;
        }
        named.push(value);
    }
    Some(Value::Array(named))
}

fn unique_id() -> Result<String, String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| "the system has no randomness".to_owned())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests;
