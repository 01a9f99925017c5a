//! The memory that all bodies may take in total while they are read, or wait for the inner service.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::entry::{Stop, stop};
use super::refusal::Reason;

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

    /// # Errors
    /// 503 if so many bytes are not free.
    pub(super) fn lease_of(&self, bytes: usize) -> Result<Lease, Stop> {
        let mut lease = self.lease();
        lease.extend(bytes)?;
        Ok(lease)
    }
}

impl Lease {
    /// Takes more bytes.
    ///
    /// # Errors
    /// 503 if so many are not free. Then nothing was taken.
    pub(super) fn extend(&mut self, bytes: usize) -> Result<(), Stop> {
        let taken = self
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                free.checked_sub(bytes)
            });
        if taken.is_err() {
            return Err(stop(Reason::Body, 503, "too many bodies are held"));
        }
        self.bytes += bytes;
        Ok(())
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
        assert!(one.extend(6).is_ok() && other.extend(4).is_ok());
        assert!(one.extend(1).is_err() && other.extend(usize::MAX).is_err());
        assert!(one.extend(0).is_ok());
        drop(other);
        assert!(one.extend(4).is_ok() && one.extend(1).is_err());
        assert!(budget.lease_of(1).is_err());
        drop(one);
        assert!(budget.lease_of(10).is_ok());
    }
}
