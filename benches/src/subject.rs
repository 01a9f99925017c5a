//! The token of all benchmarks: RS256, 2048 bits, about 750 bytes, with the usual claims of an
//! identity provider.

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use mcp_bearer::core::Policy;
use mcp_bearer::keys::KeySet;
use mcp_bearer::{BearerAuthProvider, UnixTime};
use mcp_bearer_testkit::{Forge, SigningKey};

/// The issuer of the benchmark tokens.
pub const ISSUER: &str = "https://idp.example.com/realms/mcp";
/// The audience of the benchmark tokens.
pub const AUDIENCE: &str = "https://mcp.example.com/mcp";
/// When the benchmarks take place, in seconds since the Unix epoch.
pub const NOW: u64 = 1_800_000_000;

/// Signing input and signature of a token.
#[must_use]
pub fn parts_of(token: &str) -> (Vec<u8>, Vec<u8>) {
    use base64::Engine;
    let (input, signature) = token.rsplit_once('.').unwrap();
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    (input.as_bytes().to_vec(), engine.decode(signature).unwrap())
}

/// A key with its token.
#[derive(Debug)]
pub struct Subject {
    /// The signing key.
    pub key: SigningKey,
    /// A good token.
    pub token: String,
    now: u64,
}

impl Subject {
    /// The standard token.
    #[must_use]
    pub fn rs256() -> Self {
        Self::at(NOW)
    }

    /// The standard token, issued at that time and good for an hour, and a provider whose clock
    /// shows that time.
    #[must_use]
    pub fn at(now: u64) -> Self {
        let mut subject = Self {
            key: SigningKey::shared_rsa_2048(),
            token: String::new(),
            now,
        };
        subject.token = subject.another("f3a1c7de-2b54-4f6e-9d0a-7e1c5b9a8d42");
        subject
    }

    /// A token that differs by its `jti`.
    #[must_use]
    pub fn another(&self, jti: &str) -> String {
        self.forge().claim("jti", jti).token()
    }

    /// The standard token before it is signed, for tokens that are to be refused.
    #[must_use]
    pub fn forge(&self) -> Forge {
        Forge::new(&self.key, self.now)
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .subject("8b6e0f0c-5d1b-4a1e-8f6b-1c2d3e4f5a6b")
            .claim("azp", "claude-connector")
            .claim("preferred_username", "alice")
            .scope("mcp:read mcp:write")
    }

    /// The key as the crypto library parses it.
    #[must_use]
    pub fn bare(&self) -> ParsedPublicKey {
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.key.public_der()).unwrap()
    }

    /// The modulus of the key, whose exponent is 65537.
    #[must_use]
    pub fn modulus(&self) -> Vec<u8> {
        use base64::Engine;
        let jwk = self.key.jwk();
        assert_eq!(jwk["e"], "AQAB");
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        engine.decode(jwk["n"].as_str().unwrap()).unwrap()
    }

    /// Signing input and signature of the token.
    #[must_use]
    pub fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        parts_of(&self.token)
    }

    /// Its issuer's keys.
    #[must_use]
    pub fn key_set(&self) -> KeySet {
        KeySet::from_jwks_json(&self.key.jwks().to_string()).unwrap()
    }

    /// The policy that accepts it, with every check on.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy::builder(ISSUER, AUDIENCE).build().unwrap()
    }

    /// A provider that accepts it.
    #[must_use]
    pub fn provider(&self) -> BearerAuthProvider {
        BearerAuthProvider::builder()
            .jwks_json(self.key.jwks().to_string())
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .required_scopes(["mcp:read"])
            .build()
            .unwrap()
            .with_clock(self.clock())
    }

    fn clock(&self) -> mcp_bearer::Clock {
        let now = UnixTime::from_secs(self.now);
        mcp_bearer::Clock::new(move || now)
    }
}
