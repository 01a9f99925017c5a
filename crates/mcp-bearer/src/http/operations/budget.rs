//! The memory that all bodies being read may take in total.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes that all bodies of a layer share.
#[derive(Clone, Debug)]
pub(super) struct BodyBudget {
    free: Arc<AtomicUsize>,
}

/// A part of the budget; dropping it returns the bytes.
#[derive(Debug)]
pub(super) struct Lease {
    free: Arc<AtomicUsize>,
    bytes: usize,
}

impl BodyBudget {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            free: Arc::new(AtomicUsize::new(bytes)),
        }
    }

    /// An empty lease, to be extended.
    pub(super) fn lease(&self) -> Lease {
        Lease {
            free: Arc::clone(&self.free),
            bytes: 0,
        }
    }
}

impl Lease {
    /// Takes more bytes; returns whether they were available.
    #[must_use]
    pub(super) fn extend(&mut self, bytes: usize) -> bool {
        let taken = self
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                free.checked_sub(bytes)
            });
        if taken.is_ok() {
            self.bytes += bytes;
        }
        taken.is_ok()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.free.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_free_again() {
        let budget = BodyBudget::new(10);
        let (mut one, mut other) = (budget.lease(), budget.lease());
        assert!(one.extend(6) && other.extend(4));
        assert!(!one.extend(1) && !other.extend(usize::MAX) && one.extend(0));
        drop(other);
        assert!(one.extend(4) && !one.extend(1));
        drop(one);
        assert!(budget.lease().extend(10));
    }
}
