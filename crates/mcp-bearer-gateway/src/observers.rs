//! Everything that is notified of a decision: metrics, the history of the status page, the audit
//! log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use mcp_bearer::BearerAuthProvider;

use crate::audit::{AuditLog, Recorded};
use crate::decision::{Decision, Outcome, now};
use crate::history::{History, Kind, Minute};
use crate::metrics::Metrics;

/// A grant of the hot path.
const ACCEPTED: Kind = (Outcome::Granted, "accepted");
/// How often the grants of the hot path are added to the history.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Observers {
    pub(crate) metrics: Metrics,
    pub(crate) history: History,
    audit: Option<AuditLog>,
    granted: Granted,
}

/// On a cache line of its own, because every request writes to it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Granted {
    count: AtomicU64,
    /// Those that the history has.
    counted: AtomicU64,
}

impl Observers {
    pub(crate) fn new(metrics: Metrics, audit: Option<AuditLog>) -> Self {
        Self {
            metrics,
            history: History::default(),
            audit,
            granted: Granted::default(),
        }
    }

    /// Whether [`record`](Self::record) wants accepted requests too. Otherwise
    /// [`record_grant_cheaply`](Self::record_grant_cheaply) serves for them.
    pub(crate) fn wants_grants(&self) -> bool {
        self.audit.as_ref().is_some_and(AuditLog::wants_grants)
    }

    /// Whether requests may be served: not while the audit log that they need cannot be written.
    /// Every request asks.
    pub(crate) fn may_serve(&self) -> bool {
        self.audit.as_ref().is_none_or(AuditLog::may_serve)
    }

    /// Records a decision. If the result is [`Recorded::Refused`], a granted request must not be
    /// served.
    pub(crate) fn record(&self, decision: &Decision) -> Recorded {
        let kind = (decision.outcome, decision.reason);
        if decision.outcome == Outcome::Granted {
            let recorded = self.write(decision);
            // What the log refuses is not served; it is counted as the failure that it becomes.
            if recorded != Recorded::Refused {
                if kind == ACCEPTED {
                    self.record_grant_cheaply();
                } else {
                    self.metrics.count(kind);
                    self.history.count(decision.at, kind, 1);
                }
            }
            return recorded;
        }
        if decision.outcome == Outcome::Unanswered {
            // The request has its one decision, and its line if grants have lines.
            self.metrics.server_failed(decision.reason);
            self.history.keep(decision);
            return Recorded::Done;
        }
        self.metrics.count(kind);
        self.history.count(decision.at, kind, 1);
        self.history.keep(decision);
        self.write(decision)
    }

    /// Counts a decision that is neither kept nor written: a flood of refusals must not fill the
    /// log.
    pub(crate) fn count(&self, decision: &Decision) {
        let kind = (decision.outcome, decision.reason);
        self.metrics.count(kind);
        self.history.count(decision.at, kind, 1);
    }

    /// Counts an accepted request: one atomic addition.
    pub(crate) fn record_grant_cheaply(&self) {
        self.granted.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes to another file if the log's file was renamed.
    pub(crate) fn reopen_audit_log(&self) {
        if let Some(audit) = &self.audit {
            audit.reopen();
        }
    }

    /// Writes the last lines; `false` if that takes longer.
    pub(crate) fn flush(&self, within: Duration) -> bool {
        self.audit.as_ref().is_none_or(|audit| audit.flush(within))
    }

    /// Keeps the history and the histograms current, until it is dropped.
    pub(crate) async fn run(&self) {
        let mut ticks: u64 = 0;
        loop {
            tokio::time::sleep(TICK).await;
            self.tick(now());
            ticks += 1;
            if ticks.is_multiple_of(5) {
                self.metrics.upkeep();
            }
        }
    }

    /// The text for Prometheus.
    pub(crate) fn render(&self, provider: &BearerAuthProvider) -> String {
        let granted = self.granted.count.load(Ordering::Relaxed);
        self.metrics.render(provider, (ACCEPTED, granted))
    }

    /// The last hour, the oldest minute first.
    pub(crate) fn last_hour(&self, now: SystemTime) -> Vec<Minute> {
        self.tick(now);
        self.history.last_hour(now)
    }

    /// The latest denials and failures, the latest first.
    pub(crate) fn latest_denials(&self) -> Vec<Decision> {
        self.history.latest_denials()
    }

    fn tick(&self, now: SystemTime) {
        let count = self.granted.count.load(Ordering::Relaxed);
        // Of two ticks at once, the later one finds nothing new.
        let counted = self.granted.counted.fetch_max(count, Ordering::Relaxed);
        self.history
            .count(now, ACCEPTED, count.saturating_sub(counted));
    }

    fn write(&self, decision: &Decision) -> Recorded {
        let audit = self.audit.as_ref();
        audit.map_or(Recorded::Done, |audit| audit.record(decision))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::time::Instant;

    use super::*;
    use crate::config::{AuditSettings, WhenBlocked};
    use crate::decision::Caller;

    fn decision(outcome: Outcome, reason: &'static str) -> Decision {
        Decision {
            at: now(),
            outcome,
            reason,
            detail: String::new(),
            status: 200,
            caller: Caller::default(),
            http_method: "POST".to_owned(),
            method: None,
            name: None,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    fn observers(file: Option<&Path>, grants: bool) -> Observers {
        let audit = file.map(|file| {
            AuditLog::open(&AuditSettings {
                file: Some(file.to_owned()),
                grants,
                when_blocked: WhenBlocked::Refuse,
            })
        });
        Observers::new(Metrics::new().unwrap(), audit.map(Result::unwrap))
    }

    fn counted(observers: &Observers, of: Kind) -> u64 {
        let hour = observers.last_hour(now());
        hour.iter()
            .map(|minute| minute.count(|kind| *kind == of))
            .sum()
    }

    #[test]
    fn each_decision_is_counted_once_and_denials_are_kept() {
        let observers = observers(None, false);
        assert!(!observers.wants_grants() && observers.may_serve());
        for _ in 0..3 {
            observers.record_grant_cheaply();
        }
        observers.record(&decision(Outcome::Granted, "accepted"));
        observers.record(&decision(Outcome::Granted, "anonymous"));
        observers.record(&decision(Outcome::Denied, "expired"));
        observers.record(&decision(Outcome::Failed, "keys_unavailable"));
        // One that is counted already.
        observers.record(&decision(Outcome::Unanswered, "server_too_slow"));
        for _ in 0..2 {
            assert_eq!(counted(&observers, ACCEPTED), 4);
        }
        assert_eq!(counted(&observers, (Outcome::Granted, "anonymous")), 1);
        assert_eq!(counted(&observers, (Outcome::Denied, "expired")), 1);
        let kept: Vec<_> = observers
            .latest_denials()
            .iter()
            .map(|one| one.reason)
            .collect();
        assert_eq!(kept, ["server_too_slow", "keys_unavailable", "expired"]);
        let unanswered = (Outcome::Unanswered, "server_too_slow");
        assert_eq!(counted(&observers, unanswered), 0);
    }

    #[test]
    fn a_grant_that_cannot_be_written_is_refused_and_not_counted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        symlink("/dev/full", &file).unwrap();
        let observers = observers(Some(&file), true);
        assert!(observers.wants_grants());
        observers.record(&decision(Outcome::Denied, "expired"));
        let started = Instant::now();
        while observers.may_serve() {
            assert!(started.elapsed() < Duration::from_secs(10));
        }
        let before = counted(&observers, ACCEPTED);
        let grant = decision(Outcome::Granted, "accepted");
        assert_eq!(observers.record(&grant), Recorded::Refused);
        assert_eq!(counted(&observers, ACCEPTED), before);
        std::fs::remove_file(&file).unwrap();
        assert!(observers.flush(Duration::from_secs(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn grants_reach_the_history_without_a_look_at_it() {
        let observers = observers(None, false);
        observers.record_grant_cheaply();
        let _ = tokio::time::timeout(Duration::from_secs(2), observers.run()).await;
        let hour = observers.history.last_hour(now());
        assert_eq!(hour.last().unwrap().count(|kind| *kind == ACCEPTED), 1);
    }
}
