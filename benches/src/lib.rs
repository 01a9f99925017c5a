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

mod measure;
mod subject;
mod watch;

pub use measure::{Contender, Report, interleaved};
pub use subject::{AUDIENCE, ISSUER, NOW, Subject};
pub use watch::{Waiting, Watched, watched};
