//! Test code for the whole project: signing keys, a forge for any token, a faulty issuer, a clock
//! that tests move.
//!
//! A map:
//!
//! | module | what it provides |
//! |---|---|
//! | [`keys`] | [`SigningKey`]: every kind of key a token may be signed with, and its public side |
//! | [`weak_keys`] | public JWKs that a verifier must skip or refuse |
//! | [`forge`] | [`Forge`]: a good token by default, any bad one on request |
//! | [`segment_encoding`] | [`Encoding`] and [`Part`]: base64url and the ways to get it wrong |
//! | [`jwks_server`] | [`JwksServer`]: a JWKS server on loopback that fails in the way a test sets |
//! | [`behaviour`] | [`Behaviour`] and [`Response`]: what that server answers |
//! | [`vectors`] | the cases under `vectors/`, for every entrance that must run them |
//! | [`clock`] | [`TestClock`]: the time since the epoch, moved by hand |
//!
//! This crate never imports the verifier it helps to test: it must be able to write what the
//! verifier would refuse to write, and a fault in one must not hide a fault in the other. It is a
//! development dependency and is never published.
//!
//! ```
//! use mcp_bearer_testkit::{Forge, SigningKey};
//!
//! let now = 1_800_000_000;
//! let good = Forge::new(&SigningKey::ec_p256(), now).scope("mcp:read").token();
//! assert_eq!(good.split('.').count(), 3);
//! let expired = Forge::new(&SigningKey::ec_p256(), now).expires_in(-3600).token();
//! assert_ne!(good, expired);
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "test code: a failure here should stop the test, loudly and at once"
)]

pub mod behaviour;
pub mod clock;
pub mod forge;
mod gzip;
pub mod jwks_server;
pub mod keys;
pub mod segment_encoding;
pub mod vectors;
pub mod weak_keys;

pub use behaviour::{Behaviour, Response};
pub use clock::TestClock;
pub use forge::Forge;
pub use jwks_server::{JwksServer, Request};
pub use keys::SigningKey;
pub use segment_encoding::{Encoding, Part};
