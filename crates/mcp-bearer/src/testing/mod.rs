//! **For tests only** (feature `testing`): an issuer on loopback, and tokens of every kind.
//!
//! A [`TestIssuer`] publishes keys and metadata as an identity provider does, but only on
//! 127.0.0.1, and signs whatever token a test asks for. [`TokenFault::ALL`] is a list of tokens
//! that a server must refuse, each with the reason that its log should show.
//!
//! ```
//! use mcp_bearer::testing::{TestIssuer, TokenFault};
//! use mcp_bearer::{Algorithm, BearerAuthProvider};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! const AUDIENCE: &str = "https://mcp.example.com/mcp";
//! let issuer = TestIssuer::start()?;
//! let provider = BearerAuthProvider::builder()
//!     .jwks_uri(issuer.jwks_uri())
//!     .issuer(issuer.url())
//!     .audience(AUDIENCE)
//!     .algorithms([Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa])
//!     .build()?;
//!
//! for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
//!     let token = issuer.token(AUDIENCE).subject("alice").algorithm(algorithm);
//!     let access = provider.verify_token(&token.sign()?).await?;
//!     assert_eq!(access.subject(), Some("alice"));
//!
//!     for fault in TokenFault::ALL {
//!         let bad = token.clone().fault(fault).sign()?;
//!         let rejection = provider.verify_token(&bad).await.unwrap_err();
//!         assert_eq!(rejection.kind(), fault.rejection_kind());
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Keep the feature out of the dependencies of your server:
//!
//! ```toml
//! [dev-dependencies]
//! mcp-bearer = { version = "0.1", features = ["testing"] }
//! ```

mod server;
pub(crate) mod signing_keys;
mod token;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

pub use self::token::{TestToken, TokenFault};

use self::server::Server;
use self::signing_keys::SigningKeys;

const JWKS_PATH: &str = "/jwks.json";
/// RFC 8414 section 3 and OpenID Connect Discovery 1.0 section 4.
const METADATA_PATHS: [&str; 2] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

/// An issuer for tests: it serves its keys and metadata on 127.0.0.1, and signs tokens. It stops
/// when it is dropped.
///
/// It has an RSA key of 2048 bits, a P-256 key and an Ed25519 key; `kid` is the key's RFC 7638
/// thumbprint. Its answers have no `Cache-Control`, so keys that were fetched from it are fetched
/// again when a token names another key.
///
/// ```
/// use mcp_bearer::testing::TestIssuer;
/// use mcp_bearer::{BearerAuthProvider, RejectionKind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// const AUDIENCE: &str = "https://mcp.example.com/mcp";
/// let issuer = TestIssuer::start()?;
/// let provider = BearerAuthProvider::builder()
///     .jwks_uri(issuer.jwks_uri())
///     .issuer(issuer.url())
///     .audience(AUDIENCE)
///     .build()?;
///
/// // A new key works at once, and from then on the withdrawn one does not.
/// let old = issuer.token(AUDIENCE).sign()?;
/// assert!(provider.verify_token(&old).await.is_ok());
/// issuer.rotate()?;
/// assert!(provider.verify_token(&issuer.token(AUDIENCE).sign()?).await.is_ok());
/// let rejection = provider.verify_token(&old).await.unwrap_err();
/// assert_eq!(rejection.kind(), RejectionKind::UnknownKey);
///
/// // While the issuer is down, the keys that were fetched stay in use.
/// issuer.go_down();
/// assert!(provider.verify_token(&issuer.token(AUDIENCE).sign()?).await.is_ok());
/// # Ok(()) }
/// ```
pub struct TestIssuer {
    server: Server,
    url: String,
    keys: Mutex<Arc<SigningKeys>>,
}

impl TestIssuer {
    /// Starts an issuer on a free port.
    ///
    /// # Errors
    /// When no port of 127.0.0.1 is free, or no key can be generated.
    pub fn start() -> io::Result<Self> {
        let keys = Arc::new(SigningKeys::generate()?);
        let server = Server::start()?;
        let issuer = Self {
            url: server.origin(),
            server,
            keys: Mutex::new(Arc::clone(&keys)),
        };
        let metadata = json!({
            "issuer": issuer.url,
            "jwks_uri": issuer.jwks_uri(),
            "authorization_endpoint": format!("{}/authorize", issuer.url),
            "token_endpoint": format!("{}/token", issuer.url),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        });
        for path in METADATA_PATHS {
            issuer.server.serve(path, metadata.to_string());
        }
        issuer.publish(&keys)?;
        Ok(issuer)
    }

    /// Its identifier, for `issuer(...)` and for
    /// [`RemoteKeys::discover`](crate::keys::RemoteKeys::discover): `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it publishes its keys.
    #[must_use]
    pub fn jwks_uri(&self) -> String {
        format!("{}{JWKS_PATH}", self.url)
    }

    /// Starts a good token for this audience.
    pub fn token(&self, audience: &str) -> TestToken {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        TestToken::new(Arc::clone(&keys), &self.url, audience)
    }

    /// Replaces all keys: new tokens are signed with the new ones, and the old ones are no longer
    /// published.
    ///
    /// # Errors
    /// When no key can be generated.
    pub fn rotate(&self) -> io::Result<()> {
        let keys = Arc::new(SigningKeys::generate()?);
        self.publish(&keys)?;
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Closes each connection without an answer, until [`come_back`](Self::come_back).
    pub fn go_down(&self) {
        self.server.set_down(true);
    }

    /// Answers again.
    pub fn come_back(&self) {
        self.server.set_down(false);
    }

    /// How many times its keys were requested, including while it was down.
    #[must_use]
    pub fn key_requests(&self) -> usize {
        self.server.requests(JWKS_PATH)
    }

    fn publish(&self, keys: &SigningKeys) -> io::Result<()> {
        let jwks = serde_json::to_string(&keys.jwks()).map_err(io::Error::other)?;
        self.server.serve(JWKS_PATH, jwks);
        Ok(())
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
