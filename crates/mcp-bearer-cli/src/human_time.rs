//! Times in tokens, in readable form: a date, and how far away it is.

use std::time::{Duration, SystemTime};

use mcp_bearer::UnixTime;
use mcp_bearer::core::NumericDate;

/// The date of a NumericDate (RFC 7519 section 2), if the calendar of RFC 3339 has one: from 1970
/// to 9999.
pub(crate) fn date(at: f64) -> Option<String> {
    let in_calendar = (0.0..=253_402_300_799.0).contains(&at);
    in_calendar
        .then(|| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs_f64(at.trunc())))
        .flatten()
        .map(|date| humantime::format_rfc3339_seconds(date).to_string())
}

/// A question about an `exp` that is legal but hardly intended.
pub(crate) fn late_expiry(exp: NumericDate, now: UnixTime) -> Option<&'static str> {
    exp.is_implausibly_late(now)
        .then_some("its exp is more than 10 years away: is it in milliseconds instead of seconds?")
}

/// `in 5 minutes`, `2 hours 10 minutes ago`, `now`: the largest unit and the next one.
pub(crate) fn distance(at: f64, now: f64) -> String {
    let apart = (at - now).abs();
    if !apart.is_finite() || apart > 1e15 {
        return if at > now { "far ahead" } else { "long ago" }.to_owned();
    }
    if apart < 1.0 {
        return "now".to_owned();
    }
    let words = in_words(Duration::from_secs_f64(apart).as_secs());
    if at > now {
        format!("in {words}")
    } else {
        format!("{words} ago")
    }
}

fn in_words(seconds: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (365 * 86_400, "year"),
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let mut units = UNITS.into_iter().skip_while(|(size, _)| *size > seconds);
    let Some((size, unit)) = units.next() else {
        return count(0, "second");
    };
    let (whole, rest) = (seconds / size, seconds % size);
    let mut words = count(whole, unit);
    if let Some((size, unit)) = units.next()
        && rest / size > 0
    {
        words.push(' ');
        words.push_str(&count(rest / size, unit));
    }
    words
}

fn count(number: u64, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::{date, distance};

    #[test]
    fn distances() {
        let now = 1_800_000_000.0;
        for (apart, words) in [
            (0.0, "now"),
            (0.9, "now"),
            (1.0, "in 1 second"),
            (59.0, "in 59 seconds"),
            (300.0, "in 5 minutes"),
            (330.0, "in 5 minutes 30 seconds"),
            (3600.0, "in 1 hour"),
            (5400.0, "in 1 hour 30 minutes"),
            (86_400.0 * 400.0, "in 1 year 35 days"),
            (-7200.0, "2 hours ago"),
            (-86_399.0, "23 hours 59 minutes ago"),
            (1e13, "in 317097 years 335 days"),
            (f64::MAX, "far ahead"),
            (f64::MIN, "long ago"),
            (f64::INFINITY, "far ahead"),
            (f64::NAN, "long ago"),
        ] {
            assert_eq!(distance(now + apart, now), words, "{apart}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(date(0.0).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(date(1_800_000_000.9).unwrap(), "2027-01-15T08:00:00Z");
        assert_eq!(date(253_402_300_799.0).unwrap(), "9999-12-31T23:59:59Z");
        for none in [-1.0, 253_402_300_800.0, f64::NAN, f64::INFINITY] {
            assert_eq!(date(none), None, "{none}");
        }
    }
}
