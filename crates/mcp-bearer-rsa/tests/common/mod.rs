//! What the tests of verification share.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code"
)]

use aws_lc_rs::digest::{self, digest};
use mcp_bearer_rsa::{Engine, Padding, PublicKey, Verdict};

/// The emulation, and the instructions if the processor has them. Prints which.
pub(crate) fn engines() -> Vec<Engine> {
    let engines: Vec<Engine> = [Engine::Emulated]
        .into_iter()
        .chain(Engine::detect())
        .collect();
    println!("engines: {engines:?}");
    engines
}

pub(crate) fn key(engine: Engine, modulus: &[u8], exponent: &[u8]) -> Option<PublicKey> {
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    PublicKey::new(engine, &modulus[zeros..], exponent)
}

/// The verdict on a message, which must be final.
pub(crate) fn is_valid(
    key: &PublicKey,
    padding: Padding,
    hash: &'static digest::Algorithm,
    message: &[u8],
    signature: &[u8],
) -> bool {
    match key.verify(padding, &digest(hash, message), signature) {
        Verdict::Valid => true,
        Verdict::Invalid => false,
        Verdict::Undecided => panic!("{key:?} does not decide"),
    }
}
