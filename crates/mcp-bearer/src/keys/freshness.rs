//! How long a set is fresh and used, when it is fetched again, and what makes a request conditional
//! (RFC 9111, RFC 9110 section 8.8).
//!
//! Headers are the issuer's text: nothing in them may fail a fetch, overflow, or be kept without a
//! limit.

use std::time::Duration;

/// The longest lifetime of a set by default: 1 h.
pub(super) const FRESHNESS_CEILING: Duration = Duration::from_secs(3600);
/// The highest ceiling that can be configured: 24 h.
pub(super) const FRESHNESS_CEILING_MAX: Duration = Duration::from_secs(24 * 3600);
/// The shortest lifetime of a set, whatever the issuer says: 60 s.
pub(super) const FRESHNESS_FLOOR: Duration = Duration::from_secs(60);
/// How long a set is used past the end of its lifetime, by default: 24 h.
pub(super) const STALENESS_BOUND: Duration = Duration::from_secs(24 * 3600);
/// The longest time between two attempts while no usable set is held.
pub(super) const EMPTY_RETRY: Duration = Duration::from_secs(1);
/// The longest time between two attempts while one is.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A longer validator is not kept; real ones are below 100 bytes.
const VALIDATOR_BYTES: usize = 1024;

/// The two times that an operator may set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    pub(super) max_freshness: Duration,
    pub(super) staleness_bound: Duration,
}

/// The headers of an answer that matter, as received.
#[derive(Clone, Debug, Default)]
pub(super) struct CacheHeaders {
    pub(super) cache_control: Option<String>,
    pub(super) age: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// What makes the next request conditional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Validators {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// The directives of `Cache-Control` that matter.
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

/// A random fraction from 0 to 1, in thousandths, so that replicas do not fetch in step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jitter(u32);

impl Jitter {
    /// `thousandths` above 1,000 count as 1,000.
    pub(super) fn new(thousandths: u32) -> Self {
        Self(thousandths.min(1000))
    }

    /// Between three quarters of `time` and all of it: a retry is never later than planned.
    pub(super) fn shorten(self, time: Duration) -> Duration {
        time.saturating_mul(750 + self.0 / 4) / 1000
    }

    /// Between half of `time` and all of it.
    pub(super) fn halve_at_most(self, time: Duration) -> Duration {
        time.saturating_mul(500 + self.0 / 2) / 1000
    }

    /// 80 to 90 per cent of a lifetime.
    pub(super) fn of_lifetime(self, lifetime: Duration) -> Duration {
        lifetime.saturating_mul(800 + self.0 / 10) / 1000
    }
}

/// The wait after this many failures in a row: 1, 2, 4 .. 60 s.
pub(super) fn backoff(failures: u32, jitter: Jitter) -> Duration {
    let doublings = failures.saturating_sub(1).min(6);
    let wait = Duration::from_secs(1 << doublings).min(BACKOFF_MAX);
    jitter.shorten(wait)
}

impl CacheHeaders {
    /// `None` when there is no `Cache-Control`: a 304 then leaves the directives as they were.
    pub(super) fn directives(&self) -> Option<Directives> {
        self.cache_control.as_deref().map(Directives::parse)
    }

    /// RFC 9111 section 5.1: an `Age` that is not a number is ignored. Several caches may each have
    /// written one; the greatest is the cautious choice.
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
    pub(super) fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    /// Whether a 304 with these headers can be about the set that these validators name (RFC 9111
    /// section 4.3.4). `If-None-Match` compares weakly, so a proxy may have made the tag weak.
    pub(super) fn agree_with(&self, headers: &CacheHeaders) -> bool {
        match (&self.etag, &headers.etag) {
            (Some(sent), Some(received)) => opaque(sent) == opaque(received),
            // The tag decides, even if the answer lost it on the way (RFC 9110 section 13.1.3).
            (Some(_), None) => true,
            // An issuer without tags also answers 304 after going back to an older file.
            (None, _) => match (&self.last_modified, &headers.last_modified) {
                (Some(sent), Some(received)) => sent == received,
                _ => true,
            },
        }
    }

    /// Adopts the validators of a 304 that agrees. A tag is not adopted if none was sent: nothing
    /// ties it to the set.
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
                // Of two values, the shorter counts. One that is not a number: already stale (RFC
                // 9111 section 4.2.1).
                let stated = seconds(value).unwrap_or(0);
                found.max_age = Some(found.max_age.map_or(stated, |other| other.min(stated)));
            }
        }
        found
    }

    /// `no-store` is a framework's default rather than an issuer's choice, so it is ignored.
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

/// An entity tag without its weakness indicator.
fn opaque(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// A number of seconds; one too large to hold counts as the largest.
fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// A header value that can be sent back unchanged.
fn validator(text: &str) -> Option<String> {
    let sendable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    (sendable && !text.is_empty() && text.len() <= VALIDATOR_BYTES).then(|| text.to_owned())
}
