//! What the headers of an answer say about its age and identity (RFC 9111, RFC 9110 section 8.8).
//! Headers are the issuer's text: nothing in them may fail a fetch, overflow, or be kept without a bound.

use std::time::Duration;

use super::{FRESHNESS_CEILING, FRESHNESS_FLOOR};

/// A validator longer than this is not kept; real ones are below 100 bytes.
const VALIDATOR_BYTES: usize = 1024;

/// The headers of an answer that matter, as received.
#[derive(Clone, Debug, Default)]
pub(in crate::keys) struct CacheHeaders {
    pub(in crate::keys) cache_control: Option<String>,
    pub(in crate::keys) age: Option<String>,
    pub(in crate::keys) etag: Option<String>,
    pub(in crate::keys) last_modified: Option<String>,
}

/// What makes the next request a conditional one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::keys) struct Validators {
    pub(in crate::keys) etag: Option<String>,
    pub(in crate::keys) last_modified: Option<String>,
}

/// The directives of `Cache-Control` that are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives {
    max_age: Option<u64>,
    store: Store,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Store {
    #[default]
    Allowed,
    Forbidden,
}

impl CacheHeaders {
    /// `None` when there is no `Cache-Control`: a 304 then leaves the directives as they were.
    pub(super) fn directives(&self) -> Option<Directives> {
        self.cache_control.as_deref().map(Directives::parse)
    }

    /// RFC 9111 section 5.1: an `Age` that is not a number is ignored. Several caches may each have written one:
    /// the greatest is the cautious choice.
    pub(super) fn age(&self) -> Duration {
        let ages = self.age.as_deref().unwrap_or_default().split(',');
        Duration::from_secs(ages.filter_map(seconds).max().unwrap_or(0))
    }

    pub(super) fn validators(&self) -> Validators {
        Validators {
            etag: self.etag.as_deref().and_then(validator),
            last_modified: self.last_modified.as_deref().and_then(validator),
        }
    }
}

impl Validators {
    pub(in crate::keys) fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    /// Whether an answer with these headers can speak of what these validators name (RFC 9111 section 4.3.4).
    /// `If-None-Match` compares weakly, so a proxy may have made the tag a weak one.
    pub(super) fn agree_with(&self, headers: &CacheHeaders) -> bool {
        match (&self.etag, &headers.etag) {
            (Some(asked), Some(told)) => opaque(asked) == opaque(told),
            // By tag, whatever has become of it on the way (RFC 9110 section 13.1.3).
            (Some(_), None) => true,
            // An issuer without tags that went back to an older file calls that one not modified as well.
            (None, _) => match (&self.last_modified, &headers.last_modified) {
                (Some(asked), Some(told)) => asked == told,
                _ => true,
            },
        }
    }

    /// Takes over what an agreeing 304 says. A tag where none was asked with is not: nothing ties it to the set.
    pub(super) fn update(&mut self, newer: Self) {
        if self.etag.is_some() {
            self.etag = newer.etag.or(self.etag.take());
        }
        self.last_modified = newer.last_modified.or(self.last_modified.take());
    }
}

impl Directives {
    fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for directive in text.split(',') {
            let (name, value) = match directive.split_once('=') {
                Some((name, value)) => (name.trim(), value.trim().trim_matches('"')),
                None => (directive.trim(), ""),
            };
            if name.eq_ignore_ascii_case("no-store") {
                found.store = Store::Forbidden;
            } else if name.eq_ignore_ascii_case("max-age") {
                // Two of them: the shorter. Not a number: already stale (RFC 9111 section 4.2.1).
                let stated = seconds(value).unwrap_or(0);
                found.max_age = Some(found.max_age.map_or(stated, |other| other.min(stated)));
            }
        }
        found
    }

    /// `no-store` is what frameworks send by default, not a wish: it counts as no statement.
    pub(super) fn lifetime(self, age: Duration, ceiling: Duration) -> Duration {
        let stated = match (self.store, self.max_age) {
            (Store::Allowed, Some(seconds)) => Duration::from_secs(seconds).saturating_sub(age),
            _ => FRESHNESS_CEILING,
        };
        stated
            .max(FRESHNESS_FLOOR)
            .min(ceiling.max(FRESHNESS_FLOOR))
    }
}

/// An entity tag without the mark of weakness.
fn opaque(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// A number of seconds; one too great to hold is the greatest.
fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// A header value that can be sent back as it came.
fn validator(text: &str) -> Option<String> {
    let sendable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    (sendable && !text.is_empty() && text.len() <= VALIDATOR_BYTES).then(|| text.to_owned())
}
