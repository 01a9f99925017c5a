//! One cache per process: a child of `fork` starts with an empty one.

use std::convert::Infallible;

use super::{TokenCache, TokenCacheSize};
use crate::of_process::{OfProcess, PerProcess};

/// The cache of the calling process.
pub(crate) struct ProcessCache {
    size: TokenCacheSize,
    /// Of the process that made the provider, which finds it without a pointer that can change.
    first: OfProcess<TokenCache>,
    of_child: PerProcess<TokenCache>,
}

impl ProcessCache {
    pub(crate) fn new(size: TokenCacheSize) -> Self {
        Self {
            size,
            first: OfProcess::new(TokenCache::new(size)),
            of_child: PerProcess::new(),
        }
    }

    pub(crate) fn size(&self) -> TokenCacheSize {
        self.size
    }

    /// Calls `use_cache` with the cache of this process.
    #[inline]
    pub(crate) fn with<R>(&self, use_cache: impl FnOnce(&TokenCache) -> R) -> R {
        match self.first.get() {
            Some(cache) => use_cache(cache),
            None => use_cache(&self.of_child()),
        }
    }

    #[cold]
    fn of_child(&self) -> std::sync::Arc<TokenCache> {
        let made: Result<_, Infallible> =
            self.of_child.get_or_make(|| Ok(TokenCache::new(self.size)));
        match made {
            Ok(cache) => cache,
        }
    }
}
