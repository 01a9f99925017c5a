//! What belongs to one process and is of no use to the children that `fork` makes of it.
//!
//! In a child the parent's other threads do not exist: a lock that one of them held is held for ever, and what one was
//! changing stays half changed. So such a thing must never be touched there, and not be dropped either.

use std::{mem, process};

/// A thing that only the process that made it can get at.
pub(crate) struct OfProcess<T> {
    process: u32,
    /// `None` only while dropped.
    thing: Option<T>,
}

impl<T> OfProcess<T> {
    pub(crate) fn new(thing: T) -> Self {
        Self {
            process: process::id(),
            thing: Some(thing),
        }
    }

    /// `None` in a child. To ask for the process costs a system call, less than a hundredth of a signature check.
    pub(crate) fn get(&self) -> Option<&T> {
        let own = self.process == process::id();
        self.thing.as_ref().filter(|_| own)
    }
}

impl<T> Drop for OfProcess<T> {
    fn drop(&mut self) {
        if self.process != process::id() {
            mem::forget(self.thing.take());
        }
    }
}
