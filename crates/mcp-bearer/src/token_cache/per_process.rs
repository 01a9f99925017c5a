//! One cache for each process: a child of `fork` begins with an empty one.
//!
//! In a child the parent's other threads do not exist, and a lock that one of them held is held for ever. So a cache of
//! another process must never be read, written or asked for its size there.

use std::{mem, sync::Arc};

use arc_swap::{ArcSwap, Guard};

use super::{TokenCache, TokenCacheSize};

/// The cache of whichever process asks.
pub(crate) struct ProcessCache {
    size: TokenCacheSize,
    own: ArcSwap<Own>,
}

/// A cache, and the process whose it is.
pub(crate) struct Own {
    process: u32,
    pub(crate) cache: TokenCache,
}

impl ProcessCache {
    pub(crate) fn new(size: TokenCacheSize) -> Self {
        Self {
            size,
            own: ArcSwap::from_pointee(Own::new(size)),
        }
    }

    pub(crate) fn size(&self) -> TokenCacheSize {
        self.size
    }

    /// The cache of this process. To ask for the process costs a system call, less than a hundredth of a signature check.
    pub(crate) fn own(&self) -> Guard<Arc<Own>> {
        let found = self.own.load();
        if found.process == std::process::id() {
            return found;
        }
        // Of two threads that come here the first one's is kept. The parent's is left as it is: a thread that does not exist
        // here may have been in the middle of changing it.
        let parents = self
            .own
            .compare_and_swap(&found, Arc::new(Own::new(self.size)));
        if parents.process != std::process::id() {
            mem::forget(Guard::into_inner(parents));
        }
        self.own.load()
    }
}

impl Own {
    fn new(size: TokenCacheSize) -> Self {
        Self {
            process: std::process::id(),
            cache: TokenCache::new(size),
        }
    }
}
