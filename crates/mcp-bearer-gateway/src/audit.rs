//! The audit log: one JSON line per denial, and per grant if the operator wants that.
//!
//! Requests put lines into a bounded queue, and one thread writes them, so that a slow disk delays
//! no request. If a line cannot be written, the operator's choice decides: requests are refused, or
//! served while the missing lines are counted.

mod line;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use self::writer::{Command, Health, Output, Writer};
use crate::config::{AuditSettings, WhenBlocked};
use crate::decision::{Decision, Outcome};

/// Lines that wait to be written: 2 MiB at 1 KiB per line, and 64 MiB if each is as long as can be.
const QUEUE: usize = 2048;
/// The longest time that the end of the log may take when it is dropped.
const END: Duration = Duration::from_secs(2);

/// The counter of lines that are missing in the log.
pub(crate) const DROPPED_LINES: &str = "mcp_bearer_gateway_audit_lines_dropped_total";

/// The log. It ends with its last lines written, if they can be written within two seconds.
pub(crate) struct AuditLog {
    settings: AuditSettings,
    commands: SyncSender<Command>,
    health: Arc<Health>,
}

/// What became of a decision's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// It is in the queue, or was not wanted.
    Done,
    /// It is lost and counted, and the request may be served.
    Dropped,
    /// It is lost and counted, and the request must not be served.
    Refused,
}

impl AuditLog {
    /// Opens the log and starts its thread.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, with the reason.
    pub(crate) fn open(settings: &AuditSettings) -> Result<Self, String> {
        Self::with_queue(settings, QUEUE)
    }

    fn with_queue(settings: &AuditSettings, queue: usize) -> Result<Self, String> {
        let output = Output::open(settings.file.as_deref())?;
        let (commands, received) = mpsc::sync_channel(queue);
        let health = Arc::new(Health::default());
        let writer = Writer::new(output, Arc::clone(&health));
        thread::Builder::new()
            .name("mcp-bearer-audit".to_owned())
            .spawn(move || writer.run(&received))
            .map_err(|error| format!("audit log: its thread cannot start: {error}"))?;
        Ok(Self {
            settings: settings.clone(),
            commands,
            health,
        })
    }

    /// Whether accepted requests are written too.
    pub(crate) const fn wants_grants(&self) -> bool {
        self.settings.grants
    }

    /// Whether requests may be served: not while the log cannot be written and the operator chose
    /// to refuse. It becomes true again by itself.
    pub(crate) fn may_serve(&self) -> bool {
        self.settings.when_blocked == WhenBlocked::Drop || !self.health.is_blocked()
    }

    /// Queues the line of a decision. Never waits.
    pub(crate) fn record(&self, decision: &Decision) -> Recorded {
        if decision.outcome == Outcome::Granted && !self.settings.grants {
            return Recorded::Done;
        }
        match self.commands.try_send(Command::Line(line::of(decision))) {
            Ok(()) if self.may_serve() => Recorded::Done,
            // It is queued, but nobody knows whether it can be written.
            Ok(()) => Recorded::Refused,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.health.drop_lines(1);
                match self.settings.when_blocked {
                    WhenBlocked::Drop => Recorded::Dropped,
                    WhenBlocked::Refuse => Recorded::Refused,
                }
            }
        }
    }

    /// Opens the file again, after it was renamed. The thread also notices that by itself, before
    /// the next line.
    pub(crate) fn reopen(&self) {
        self.health.ask_to_reopen();
        // A full queue keeps the thread awake anyway.
        let _ = self.commands.try_send(Command::Wake);
    }

    /// Lines that are missing so far.
    #[cfg(test)]
    fn dropped(&self) -> u64 {
        self.health.dropped()
    }

    /// Waits until every queued line is written; `false` if that takes longer.
    pub(crate) fn flush(&self, within: Duration) -> bool {
        let (done, written) = mpsc::sync_channel(1);
        self.health.ask_to_flush(done);
        let _ = self.commands.try_send(Command::Wake);
        written.recv_timeout(within).is_ok()
    }
}

/// What would keep [`AuditLog::open`] from working. No file is made.
pub(crate) fn problem_of_file(path: &Path) -> Option<String> {
    writer::problem_of_file(path)
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        if !self.flush(END) {
            tracing::error!(target: "mcp_bearer::audit", "the last lines of the audit log are not written");
        }
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
