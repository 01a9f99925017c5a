//! [`KnownCaller`]: what a token makes of its caller, kept with the token.
//!
//! A cached token comes with many requests, and each of them needs the same. Nothing here depends
//! on the configuration: a reload changes the names of the headers, not their contents.

use std::ops::Deref;

use mcp_bearer::AccessToken;

use crate::identity_headers::Identity;
use crate::limits::CallerKey;

/// With the longest tokens nothing is kept, so that what is kept takes at most this much per token
/// of a cache.
const LONGEST: usize = 4096;

/// The caller of a verified token.
pub(crate) struct KnownCaller {
    /// For the limits per caller.
    pub(crate) key: CallerKey,
    /// For the server.
    pub(crate) identity: Identity,
}

/// What [`KnownCaller::find`] found.
pub(crate) enum Found<'a> {
    Kept(&'a KnownCaller),
    Made(Box<KnownCaller>),
}

impl Deref for Found<'_> {
    type Target = KnownCaller;

    fn deref(&self) -> &KnownCaller {
        match self {
            Self::Kept(caller) => caller,
            Self::Made(caller) => caller,
        }
    }
}

impl KnownCaller {
    /// The caller of this token.
    #[inline]
    pub(crate) fn find(access: &AccessToken) -> Found<'_> {
        let is_short = access.token().len() <= LONGEST;
        let kept = is_short.then(|| access.derived(Self::of)).flatten();
        match kept {
            Some(kept) => Found::Kept(kept),
            None => Found::Made(Box::new(Self::of(access))),
        }
    }

    fn of(access: &AccessToken) -> Self {
        let (issuer, subject) = (access.issuer(), access.subject());
        Self {
            key: CallerKey::of(issuer, subject, access.client_id()),
            identity: Identity::of(access),
        }
    }
}

#[cfg(test)]
mod tests;
