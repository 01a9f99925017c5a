//! Against plain big numbers: every engine, every size, hard moduli and signatures, and faults.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "test code"
)]

mod big;
mod faults;
mod forgeries;
mod key_checks;
mod limbs;
