//! RSA signature verification on processors with AVX-512 IFMA, where every product carries a
//! certificate.
//!
//! It has one task: public-key verification of PKCS#1 v1.5 and PSS signatures (RFC 8017) with
//! SHA-256, SHA-384 or SHA-512, for moduli of 2,048, 3,072 and 4,096 bits and exponent 65537. For
//! everything else, and on every other processor, the answer is `None` or [`Verdict::Undecided`],
//! and another implementation has to decide. The key itself is not judged here.
//!
//! ```
//! use aws_lc_rs::digest::{SHA256, digest};
//! use mcp_bearer_rsa::{Engine, Padding, PublicKey, Verdict};
//!
//! fn is_valid(modulus: &[u8], exponent: &[u8], message: &[u8], signature: &[u8]) -> bool {
//!     let digest = digest(&SHA256, message);
//!     // Once for each key:
//!     let key = Engine::detect().and_then(|engine| PublicKey::new(engine, modulus, exponent));
//!     let verdict = match &key {
//!         Some(key) => key.verify(Padding::Pkcs1v15, &digest, signature),
//!         None => Verdict::Undecided,
//!     };
//!     match verdict {
//!         Verdict::Valid => true,
//!         Verdict::Invalid => false,
//!         Verdict::Undecided => verify_with_aws_lc(modulus, exponent, message, signature),
//!     }
//! }
//! # fn verify_with_aws_lc(_: &[u8], _: &[u8], _: &[u8], _: &[u8]) -> bool { false }
//! # assert!(!is_valid(&[0xff; 256], &[1, 0, 1], b"", &[0; 256]));
//! ```
//!
//! A map:
//!
//! | module | what it is |
//! |---|---|
//! | `key` | [`PublicKey`], [`Verdict`] |
//! | `modulus` | what is computed once per key, and checked before it is used |
//! | `kernel`, `low_columns` | Montgomery products, one source for instructions and emulation |
//! | `lanes` | the instructions, and plain Rust that computes the same |
//! | `product_certificate`, `prime` | why a product is trusted |
//! | `limbs`, `words` | numbers in radix 2^52 |
//! | `encoding` | encoded messages |
//! | `engine` | [`Engine`], [`Ifma`], and all unsafe code: the calls that need a processor with IFMA |
//! | `fault_flag` | [`has_failed`], [`take_failure`] |
#![doc = include_str!("argument.md")]
#![deny(unsafe_code)]
#![deny(missing_docs)]

mod encoding;
mod engine;
mod fault_flag;
mod kernel;
mod key;
mod lanes;
mod limbs;
mod low_columns;
mod modulus;
mod prime;
mod product_certificate;
#[cfg(test)]
mod tests;
mod words;

pub use encoding::Padding;
pub use engine::{Engine, Ifma};
pub use fault_flag::{has_failed, take_failure};
pub use key::{PublicKey, Verdict};
