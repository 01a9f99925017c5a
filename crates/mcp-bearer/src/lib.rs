//! Bearer-token authentication for hosted MCP servers.
//!
//! A control plane (an identity provider) signs JWT access tokens; [`BearerAuthProvider`] says which of them were
//! signed for this server. The feature `http` (on by default) adds a tower layer that lets in exactly those requests.
//!
//! ```
//! use mcp_bearer::{BearerAuthProvider, RsaKeyPair, TokenRequest};
//!
//! let keys = RsaKeyPair::generate()?;
//! let provider = BearerAuthProvider::builder()
//!     .public_key(keys.public_key_pem())
//!     .issuer("https://idp.example.com/")
//!     .audience("https://mcp.example.com/mcp")
//!     .build()?;
//!
//! let token = keys.create_token(
//!     &TokenRequest::new()
//!         .subject("alice")
//!         .issuer("https://idp.example.com/")
//!         .audience("https://mcp.example.com/mcp")
//!         .scopes(["mcp:read"]),
//! )?;
//! let access = provider.try_verify_token(&token).into_result()?;
//! assert_eq!(access.subject(), Some("alice"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod clock;
mod env;
mod of_process;
mod provider;
mod rsa_key_pair;
mod token_cache;

#[cfg(feature = "http")]
pub mod http;
pub mod keys;

pub use clock::{Clock, system_clock};
pub use env::{EnvError, from_environment, from_variables};
#[cfg(feature = "http")]
pub use http::{BearerAuthLayer, BearerAuthService, BearerBody, FromExtensions};
pub use mcp_bearer_core::operation;
pub use mcp_bearer_core::{
    AccessToken, Algorithm, Challenge, ChallengeContext, ClaimError, ConfigError, Decided, Fault,
    InvalidScope, JwkData, JwksData, KeyError, KeyInfo, KeySet, Limits, MetadataBuilder, Observer,
    Policy, ProtectedResourceMetadata, Rejection, RejectionKind, ScopeHierarchy, Scopes,
    SkippedKey, Step, TokenType, Undecided, UnknownAlgorithm, Unobserved, UnverifiedToken,
    VerifyingKey,
};
pub use provider::{BearerAuthProvider, IssuerBuilder, NeedsKeys, TryVerify};
pub use rsa_key_pair::{KeyPairError, RsaKeyPair, RsaKeySize, TokenRequest};
pub use token_cache::TokenCacheSize;
