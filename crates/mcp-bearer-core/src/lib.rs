//! The pure verifier of `mcp-bearer`: bytes, keys, policy and time in; an [`AccessToken`] or a
//! [`Rejection`] out.
//!
//! No I/O, no async, no clock, no environment, no logging. Most users want the crate `mcp-bearer`,
//! which adds the provider, key rotation and the HTTP layer, and re-exports what is needed from
//! here.
//!
//! A token's path: [`UnverifiedToken::parse`] (what it looks like), then
//! [`UnverifiedToken::verify`] with a [`KeySet`], a [`Policy`] and the time. [`Challenge`] is the
//! answer to the peer when verification fails.
//!
//! ```
//! use mcp_bearer_core::{KeySet, Limits, Policy, UnixTime, UnverifiedToken, VerifyingKey};
//!
//! // The key and the token of RFC 8037 appendix A, whose payload is not JSON:
//! let key = VerifyingKey::from_pem(
//!     "-----BEGIN PUBLIC KEY-----\n\
//!      MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
//!      -----END PUBLIC KEY-----\n",
//! )?;
//! let policy = Policy::builder("https://idp.example.com/", "https://mcp.example.com/mcp")
//!     .algorithms([mcp_bearer_core::Algorithm::EdDsa])
//!     .build()?;
//! let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
//!     hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
//! let unverified = UnverifiedToken::parse(token, &Limits::default())?;
//! let now = UnixTime::from_secs(1_800_000_000);
//! let rejection = unverified.verify(&KeySet::single(key), &policy, now).unwrap_err();
//! assert_eq!(rejection.to_string(), "claims: not an object at byte 0"); // the signature was good
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod algorithm;
mod base64url;
mod challenge;
mod claims;
mod compact;
mod header;
mod json;
mod jwk;
mod key_set;
mod limits;
mod metadata;
mod near_miss;
pub mod operation;
mod pem;
mod policy;
mod rejection;
mod scope;
mod signature;
mod step;
mod thumbprint;
mod time;
mod verify;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use challenge::{Challenge, ChallengeContext};
pub use claims::ClaimPath;
pub use compact::{TokenParts, UnverifiedToken};
pub use jwk::{JwkData, JwksData};
pub use key_set::{KeyInfo, KeySet, SkippedKey};
pub use limits::Limits;
pub use metadata::{MetadataBuilder, ProtectedResourceMetadata};
pub use policy::{Expected, Policy, PolicyBuilder, Rule, RuleError, TokenType};
pub use rejection::{Fault, Rejection, RejectionKind};
pub use scope::{
    HierarchyError, HierarchyFault, InvalidScope, RequestedScopes, RequestedScopesError,
    RequestedScopesFault, ScopeHierarchy, Scopes,
};
pub use signature::{KeyError, KeyErrorKind, RsaBackend, VerifyingKey};
pub use step::{Observer, Step, Unobserved};
pub use thumbprint::Thumbprint;
pub use time::{NumericDate, UnixTime};
#[doc(hidden)]
pub use verify::ScopesCheck;
pub use verify::{AccessToken, ClaimError, ClaimErrorKind};
