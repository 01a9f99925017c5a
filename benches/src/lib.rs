//! What the benchmarks share: the token that all of them verify, and interleaved measurement.
//!
//! Numbers are ratios to the bare signature check in the same run: machines differ, ratios less so.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "development only: a benchmark that cannot run must stop"
)]

mod call;
mod measure;
pub mod plot;
mod subject;
mod watch;

pub use call::{call, rules};
pub use measure::{Contender, Report, interleaved, raw_file};
pub use subject::{AUDIENCE, ISSUER, NOW, Subject, parts_of};
pub use watch::{Waiting, Watched, watched};

/// The modulus of an RSA key pair that the library made, whose exponent is 65537: the bytes before
/// the exponent in its DER.
#[must_use]
pub fn rsa_modulus(pair: &aws_lc_rs::rsa::KeyPair) -> Vec<u8> {
    use aws_lc_rs::signature::KeyPair as _;
    let der = pair.public_key().as_ref();
    let (rest, exponent) = der.split_last_chunk::<5>().unwrap();
    assert_eq!(exponent, &[2, 3, 1, 0, 1]);
    rest[rest.len() - pair.public_modulus_len()..].to_vec()
}
