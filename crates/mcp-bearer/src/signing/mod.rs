//! Keys that sign tokens, for development, tests and small control planes.

mod error;
mod material;
mod request;
mod rsa_key_pair;
mod signing_key;

pub use self::error::{KeyPairError, KeyPairErrorKind};
pub use self::request::TokenRequest;
pub use self::rsa_key_pair::{RsaKeyPair, RsaKeySize};
pub use self::signing_key::SigningKey;
