//! RSA
#![deny(unsafe_code)]
#![deny(missing_docs)]

mod certificate;
mod columns;
mod encoding;
mod engine;
mod fault;
mod kernel;
mod key;
mod lanes;
mod limbs;
mod modulus;
mod prime;
#[cfg(test)]
mod tests;
mod words;

pub use encoding::Padding;
pub use engine::{Engine, Ifma};
pub use fault::{has_failed, take_failure};
pub use key::{PublicKey, Verdict};
