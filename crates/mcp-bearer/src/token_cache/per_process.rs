//! One cache for each process: a child of `fork` begins with an empty one.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{TokenCache, TokenCacheSize};
use crate::of_process::OfProcess;

/// The cache of whichever process asks.
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

    /// Asks the cache of this process.
    pub(crate) fn with<R>(&self, ask: impl FnOnce(&TokenCache) -> R) -> R {
        let found = self.own.load();
        if let Some(cache) = found.get() {
            return ask(cache);
        }
        // Of two threads that come here at once the first one's is kept.
        let new = Arc::new(OfProcess::new(TokenCache::new(self.size)));
        drop(self.own.compare_and_swap(&found, new));
        self.with(ask)
    }
}
