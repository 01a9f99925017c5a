//! Points in time: a clock gives a [`UnixTime`], a claim a [`NumericDate`].

use std::fmt;
use std::time::Duration;

use crate::limits::Limits;

/// A moment on a clock: the time since the Unix epoch, 1970-01-01T00:00:00Z, not counting leap
/// seconds.
///
/// ```
/// use std::time::Duration;
/// use mcp_bearer_core::UnixTime;
/// let now = UnixTime::from_secs(1_800_000_000);
/// assert_eq!(now.saturating_add(Duration::from_secs(60)).as_secs(), 1_800_000_060);
/// assert_eq!(now.since(UnixTime::EPOCH), Some(Duration::from_secs(1_800_000_000)));
/// assert_eq!(UnixTime::EPOCH.since(now), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(Duration);

impl UnixTime {
    /// The beginning.
    pub const EPOCH: Self = Self(Duration::ZERO);

    /// This many seconds after the epoch.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The whole seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// The seconds since the epoch, with their fraction.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0.as_secs_f64()
    }

    /// The time since an earlier moment; `None` when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0)
    }

    /// The moment this much later, or the last one there is.
    #[must_use]
    pub const fn saturating_add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

/// The moment this much after the epoch.
impl From<Duration> for UnixTime {
    fn from(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }
}

/// The time since the epoch.
impl From<UnixTime> for Duration {
    fn from(time: UnixTime) -> Self {
        time.0
    }
}

/// A date in a claim: seconds since the Unix epoch, with a fraction where the issuer writes one
/// (RFC 7519 section 2).
///
/// It is what was written, which need not be a date on any calendar: a claim that has not been
/// checked may hold `-1` or `1e300`. In a verified token it is within 2^53 of the epoch.
///
/// ```
/// use mcp_bearer_core::{NumericDate, UnixTime};
/// let date = NumericDate::from_secs_f64(1_800_000_000.5);
/// assert_eq!(date.to_string(), "1800000000.5");
/// assert_eq!(date.to_unix_time().map(UnixTime::as_secs), Some(1_800_000_000));
/// assert_eq!(NumericDate::from_secs_f64(1e300).to_unix_time(), None);
/// assert_eq!(NumericDate::from_secs_f64(-1.0).to_unix_time(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct NumericDate(f64);

impl NumericDate {
    /// This many seconds after the epoch, or before it if negative.
    #[must_use]
    pub const fn from_secs_f64(seconds: f64) -> Self {
        Self(seconds)
    }

    /// The seconds since the epoch.
    #[must_use]
    pub const fn as_secs_f64(self) -> f64 {
        self.0
    }

    /// Whether it is more than ten years after `now`, like an `exp` that was written in
    /// milliseconds. Such a date is legal, so a token with it is accepted; if you show the token to
    /// a person, ask whether it is intended.
    ///
    /// ```
    /// use mcp_bearer_core::{NumericDate, UnixTime};
    /// let now = UnixTime::from_secs(1_800_000_000);
    /// assert!(NumericDate::from_secs_f64(1_800_003_600_000.0).is_implausibly_late(now));
    /// assert!(!NumericDate::from_secs_f64(1_800_003_600.0).is_implausibly_late(now));
    /// ```
    #[must_use]
    pub fn is_implausibly_late(self, now: UnixTime) -> bool {
        self.0 > now.saturating_add(Limits::PLAUSIBLE_LIFETIME).as_secs_f64()
    }

    /// The moment, if a clock can reach it.
    #[must_use]
    pub fn to_unix_time(self) -> Option<UnixTime> {
        Duration::try_from_secs_f64(self.0).ok().map(UnixTime)
    }
}

/// The number of seconds, without an exponent.
impl fmt::Display for NumericDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{NumericDate, UnixTime};

    #[test]
    fn a_date_is_implausible_from_ten_years_on() {
        let now = UnixTime::from_secs(1_800_000_000);
        let ten_years = 1_800_000_000.0 + 3652.0 * 86_400.0;
        for (seconds, implausible) in [
            (ten_years, false),
            (ten_years + 1.0, true),
            (1.8e12, true),
            (1e300, true),
            (f64::INFINITY, true),
            (0.0, false),
            (-1e300, false),
            (f64::NAN, false),
        ] {
            let date = NumericDate::from_secs_f64(seconds);
            assert_eq!(date.is_implausibly_late(now), implausible, "{seconds}");
        }
        let end = UnixTime::from(Duration::MAX);
        assert!(!NumericDate::from_secs_f64(1.8e12).is_implausibly_late(end));
    }
}
