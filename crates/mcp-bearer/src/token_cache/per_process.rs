//! One cache per process: a child of `fork` starts with an empty one.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{TokenCache, TokenCacheSize};
use crate::of_process::OfProcess;

/// The cache of the calling process.
pub(crate) struct ProcessCache {
    size: TokenCacheSize,
    own: ArcSwap<OfProcess<TokenCache>>,
}

impl ProcessCache {
    pub(crate) fn new(size: TokenCacheSize) -> Self {
        Self {
            size,
            own: ArcSwap::from_pointee(OfProcess::new(TokenCache::new(size))),
        }
    }

    pub(crate) fn size(&self) -> TokenCacheSize {
        self.size
    }

    /// Calls `use_cache` with the cache of this process.
    pub(crate) fn with<R>(&self, use_cache: impl FnOnce(&TokenCache) -> R) -> R {
        let found = self.own.load();
        if let Some(cache) = found.get() {
            return use_cache(cache);
        }
        // If two threads get here at the same time, the first one's is kept.
        let new = Arc::new(OfProcess::new(TokenCache::new(self.size)));
        drop(self.own.compare_and_swap(&found, new));
        self.with(use_cache)
    }
}
