//! The process-wide flag: after the first contradiction the kernel is not used again.

use core::sync::atomic::{AtomicU8, Ordering};

/// Whether the kernel was found to be wrong, and whether a caller was asked to report it.
pub(crate) struct Fault(AtomicU8);

const NONE: u8 = 0;
const UNREPORTED: u8 = 1;
const REPORTED: u8 = 2;

static OF_PROCESS: Fault = Fault::new();

impl Fault {
    pub(crate) const fn new() -> Self {
        Self(AtomicU8::new(NONE))
    }

    /// The flag of the process.
    pub(crate) fn of_process() -> &'static Self {
        &OF_PROCESS
    }

    pub(crate) fn happened(&self) -> bool {
        self.0.load(Ordering::Relaxed) != NONE
    }

    pub(crate) fn note(&self) {
        let _ = self
            .0
            .compare_exchange(NONE, UNREPORTED, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        let reported =
            self.0
                .compare_exchange(UNREPORTED, REPORTED, Ordering::Relaxed, Ordering::Relaxed);
        reported.is_ok()
    }
}

/// Whether a result of the kernel has contradicted another in this process. From then on all keys
/// answer [`Verdict::Undecided`](crate::Verdict::Undecided), and none is made.
///
/// That points to a faulty processor, or to a mistake in this crate. No input alone can cause it.
#[must_use]
pub fn has_failed() -> bool {
    OF_PROCESS.happened()
}

/// Whether a failure should be reported: `true` for one caller after the failure, and `false` for
/// all others.
///
/// ```
/// if mcp_bearer_rsa::take_failure() {
///     eprintln!("ERROR the RSA kernel computed a wrong product; AWS-LC verifies from now on");
/// }
/// ```
#[must_use]
pub fn take_failure() -> bool {
    OF_PROCESS.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_reported_once_and_stays() {
        let fault = Fault::new();
        assert!(!fault.happened() && !fault.take());
        fault.note();
        assert!(fault.happened());
        assert!(fault.take());
        fault.note();
        assert!(fault.happened() && !fault.take());
    }
}
