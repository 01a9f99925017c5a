//! The operations that the kernel needs, as instructions and in plain Rust, under the same names.

pub(crate) mod emulated;
#[cfg(test)]
pub(crate) mod faulty;
#[cfg(target_arch = "x86_64")]
pub(crate) mod ifma;
