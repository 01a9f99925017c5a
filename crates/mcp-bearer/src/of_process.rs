//! [`OfProcess`]: a value that belongs to one process, and that a child of `fork` must leave alone.
//!
//! In a child the parent's other threads do not exist: a lock that one of them held stays held for
//! ever, and what one was changing stays half changed. So such a value is not used there, nor
//! dropped.

use std::{mem, process};

/// A value that only the process that made it can use.
pub(crate) struct OfProcess<T> {
    process: u32,
    /// `None` only while it is dropped.
    value: Option<T>,
}

impl<T> OfProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            process: process::id(),
            value: Some(value),
        }
    }

    /// `None` in a child. Asking for the process id costs a system call, less than a hundredth of a
    /// signature check.
    pub(crate) fn get(&self) -> Option<&T> {
        let own = self.process == process::id();
        self.value.as_ref().filter(|_| own)
    }
}

impl<T> Drop for OfProcess<T> {
    fn drop(&mut self) {
        if self.process != process::id() {
            mem::forget(self.value.take());
        }
    }
}
