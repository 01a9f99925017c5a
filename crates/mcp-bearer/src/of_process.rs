//! [`OfProcess`]: a value that belongs to one process, and that a child of `fork` must leave alone.
//!
//! The parent's other threads do not exist in a child: a lock that one of them held is never
//! released, and data that one was changing stays half changed. So a child neither uses nor drops
//! such a value.

use std::mem;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use mcp_bearer_fork::Process;

/// A value that only the process that made it can use.
pub(crate) struct OfProcess<T> {
    process: Process,
    /// `None` only during drop.
    value: Option<T>,
}

impl<T> OfProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            process: Process::current(),
            value: Some(value),
        }
    }

    /// `None` in a child.
    pub(crate) fn get(&self) -> Option<&T> {
        let own = self.process == Process::current();
        self.value.as_ref().filter(|_| own)
    }
}

impl<T> Drop for OfProcess<T> {
    fn drop(&mut self) {
        if self.process != Process::current() {
            mem::forget(self.value.take());
        }
    }
}

/// One value per process, made when it is first needed.
pub(crate) struct PerProcess<T>(ArcSwapOption<OfProcess<Arc<T>>>);

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(ArcSwapOption::const_empty())
    }

    /// The value of this process. If two threads make it at the same time, the first one's is kept.
    pub(crate) fn get_or_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let found = self.0.load();
        if let Some(value) = found.as_ref().and_then(|found| found.get()) {
            return Ok(Arc::clone(value));
        }
        let new = Arc::new(make()?);
        let own = Arc::new(OfProcess::new(Arc::clone(&new)));
        drop(self.0.compare_and_swap(&found, Some(own)));
        let kept = self.0.load();
        let kept = kept.as_ref().and_then(|kept| kept.get());
        Ok(kept.map_or(new, Arc::clone))
    }
}
