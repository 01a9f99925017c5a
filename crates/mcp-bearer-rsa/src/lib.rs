#![allow(missing_docs, dead_code)]
mod certificate;
mod kernel;
mod key;
mod lanes;
mod limbs;
mod words;
#[doc(hidden)]
pub mod explore;
