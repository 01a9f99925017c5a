//! The history on the status page: decisions of the last hour per minute, and the latest denials.
//! It is bounded, and ends with the process.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::decision::{Decision, Outcome};
use crate::shown;

/// How many minutes are kept.
pub(crate) const MINUTES: usize = 60;
/// How many denials are kept.
const DENIALS: usize = 50;
/// How many reasons are counted per minute. There are fewer in the code.
const REASONS: usize = 128;

/// What is counted together.
pub(crate) type Kind = (Outcome, &'static str);

#[derive(Debug, Default)]
pub(crate) struct History {
    minutes: Mutex<Minutes>,
    denials: Mutex<VecDeque<Decision>>,
}

/// The counts of one minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Minute {
    /// Minutes since 1970.
    pub(crate) number: u64,
    pub(crate) counts: Vec<(Kind, u64)>,
}

impl Minute {
    /// The number of decisions that match.
    pub(crate) fn count(&self, of: impl Fn(&Kind) -> bool) -> u64 {
        let counts = self.counts.iter().filter(|(kind, _)| of(kind));
        counts.map(|(_, count)| count).sum()
    }
}

impl History {
    /// Counts decisions.
    pub(crate) fn count(&self, at: SystemTime, kind: Kind, decisions: u64) {
        if decisions > 0 {
            self.minutes().count(number_of(at), kind, decisions);
        }
    }

    /// Keeps a denial, with its texts cut.
    pub(crate) fn keep(&self, denial: &Decision) {
        let denial = shown::decision(denial);
        let mut denials = self.denials();
        denials.truncate(DENIALS - 1);
        denials.push_front(denial);
    }

    /// The last hour, the oldest minute first; the last one is not over yet.
    pub(crate) fn last_hour(&self, now: SystemTime) -> Vec<Minute> {
        self.minutes().until(number_of(now))
    }

    /// The latest denials and failures, the latest first.
    pub(crate) fn latest_denials(&self) -> Vec<Decision> {
        self.denials().iter().cloned().collect()
    }

    fn minutes(&self) -> MutexGuard<'_, Minutes> {
        self.minutes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn denials(&self) -> MutexGuard<'_, VecDeque<Decision>> {
        self.denials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Minutes with decisions, the latest first.
#[derive(Debug, Default)]
struct Minutes(VecDeque<Minute>);

impl Minutes {
    fn count(&mut self, number: u64, kind: Kind, decisions: u64) {
        // If the clock went back, the latest minute takes the decision.
        if self.0.front().is_none_or(|latest| latest.number < number) {
            self.0.truncate(MINUTES - 1);
            self.0.push_front(Minute {
                number,
                counts: Vec::new(),
            });
        }
        let Some(minute) = self.0.front_mut() else {
            return;
        };
        let counts = &mut minute.counts;
        if let Some((_, count)) = counts.iter_mut().find(|(other, _)| *other == kind) {
            *count += decisions;
        } else if counts.len() < REASONS {
            counts.push((kind, decisions));
        }
    }

    fn until(&self, last: u64) -> Vec<Minute> {
        let newest = self
            .0
            .front()
            .map_or(last, |latest| latest.number.max(last));
        let numbers = (0..MINUTES).rev().filter_map(|back| {
            let back = u64::try_from(back).unwrap_or(u64::MAX);
            newest.checked_sub(back)
        });
        numbers
            .map(|number| {
                let held = self.0.iter().find(|minute| minute.number == number);
                held.cloned().unwrap_or(Minute {
                    number,
                    counts: Vec::new(),
                })
            })
            .collect()
    }
}

fn number_of(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() / 60)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;
    use crate::decision::Caller;

    const DENIED: Kind = (Outcome::Denied, "expired");
    const GRANTED: Kind = (Outcome::Granted, "accepted");

    fn at(minute: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(60 * 30_000_000 + 60 * minute)
    }

    fn denied(minutes: &[Minute]) -> Vec<u64> {
        minutes
            .iter()
            .map(|minute| minute.count(|kind| *kind == DENIED))
            .collect()
    }

    #[test]
    fn the_last_hour_has_sixty_minutes_in_order_whatever_happened() {
        let history = History::default();
        assert_eq!(denied(&history.last_hour(at(0))), [0; MINUTES]);
        history.count(at(0), DENIED, 1);
        history.count(at(0), GRANTED, 5);
        history.count(at(0), DENIED, 2);
        history.count(at(2), DENIED, 7);
        let hour = history.last_hour(at(3));
        let numbers: Vec<u64> = hour.iter().map(|minute| minute.number).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        assert_eq!(denied(&hour)[56..], [3, 0, 7, 0]);
        assert_eq!(hour[56].count(|_| true), 8);
    }

    #[test]
    fn older_minutes_are_forgotten() {
        let history = History::default();
        for minute in 0..1000 {
            history.count(at(minute), DENIED, 1);
        }
        assert_eq!(history.minutes().0.len(), MINUTES);
        assert_eq!(denied(&history.last_hour(at(999))), [1; MINUTES]);
        assert_eq!(
            denied(&history.last_hour(at(999 + 59))).iter().sum::<u64>(),
            1
        );
        assert_eq!(
            denied(&history.last_hour(at(999 + 60))).iter().sum::<u64>(),
            0
        );
    }

    #[test]
    fn a_clock_that_goes_back_loses_nothing() {
        let history = History::default();
        history.count(at(100), DENIED, 1);
        history.count(at(5), DENIED, 1);
        history.count(SystemTime::UNIX_EPOCH - Duration::from_secs(1), DENIED, 1);
        assert_eq!(denied(&history.last_hour(at(5)))[59], 3);
        assert_eq!(
            History::default().last_hour(SystemTime::UNIX_EPOCH).len(),
            1
        );
    }

    #[test]
    fn the_latest_fifty_denials_are_kept_and_cut() {
        let history = History::default();
        for number in 0..200 {
            history.keep(&Decision {
                at: at(number),
                outcome: Outcome::Denied,
                reason: "expired",
                detail: "x".repeat(1 << 20),
                status: 401,
                caller: Caller {
                    subject: Some("y".repeat(1 << 20)),
                    ..Caller::default()
                },
                http_method: "POST".to_owned(),
                method: None,
                name: Some("z".repeat(1 << 20)),
                peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            });
        }
        let kept = history.latest_denials();
        assert_eq!(kept.len(), DENIALS);
        assert_eq!((kept[0].at, kept[49].at), (at(199), at(150)));
        let length = |text: &Option<String>| text.as_deref().map_or(0, str::len);
        for denial in kept {
            let caller = length(&denial.caller.subject);
            assert!(denial.detail.len() + caller + length(&denial.name) < 4096);
        }
    }
}
