//! The thread that writes the audit log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{DROPPED_LINES, line};
use crate::decision::now;
use crate::read_file;

/// Lines that are written by one call.
const BATCH_BYTES: usize = 64 * 1024;
/// How long the thread waits before it tries again, and how often it looks at its file if idle.
const RETRY: Duration = Duration::from_millis(200);
/// A write to stdout that takes longer is one that does not work.
const SLOW: Duration = Duration::from_secs(1);

pub(super) enum Command {
    Line(String),
    /// Look at [`Health`].
    Wake,
}

/// What the log and its thread share.
pub(super) struct Health {
    blocked: AtomicBool,
    /// When the write in progress began, in milliseconds since `started`, plus one; zero for none.
    writing_since: AtomicU64,
    started: Instant,
    dropped: AtomicU64,
    reopen: AtomicBool,
    flushes: Mutex<Vec<SyncSender<()>>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            blocked: AtomicBool::new(false),
            writing_since: AtomicU64::new(0),
            started: Instant::now(),
            dropped: AtomicU64::new(0),
            reopen: AtomicBool::new(false),
            flushes: Mutex::new(Vec::new()),
        }
    }
}

impl Health {
    /// Whether the last write failed, or one in progress takes too long.
    pub(super) fn is_blocked(&self) -> bool {
        if self.blocked.load(Ordering::Relaxed) {
            return true;
        }
        let since = self.writing_since.load(Ordering::Relaxed);
        since != 0
            && self.millis().saturating_sub(since) > u64::try_from(SLOW.as_millis()).unwrap_or(0)
    }

    pub(super) fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
        metrics::counter!(DROPPED_LINES).increment(lines);
    }

    #[cfg(test)]
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn ask_to_reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    pub(super) fn ask_to_flush(&self, done: SyncSender<()>) {
        self.flushes().push(done);
    }

    fn flushes(&self) -> MutexGuard<'_, Vec<SyncSender<()>>> {
        self.flushes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX) + 1
    }
}

/// Where lines go.
pub(super) enum Output {
    Stdout,
    File { path: PathBuf, file: File },
}

impl Output {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, String> {
        let Some(path) = path else {
            return Ok(Self::Stdout);
        };
        let file = open(path).map_err(|error| {
            let path = path.display();
            match error.raw_os_error() {
                Some(libc::ENXIO) => format!("audit log: nothing reads the pipe {path}"),
                _ => format!("audit log: {path} cannot be opened for appending: {error}"),
            }
        })?;
        let path = path.to_owned();
        Ok(Self::File { path, file })
    }

    /// Opens the file again if another one has its name now, or none has.
    ///
    /// A line in a file without a name is lost without an error, so each batch begins with this.
    fn follow(&mut self, even_if_the_same: bool) -> io::Result<bool> {
        let Self::File { path, file } = self else {
            return Ok(false);
        };
        if !even_if_the_same && is_same(path, file) {
            return Ok(false);
        }
        *file = open(path)?;
        Ok(true)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write(bytes)?;
                stdout.flush()?;
                Ok(written)
            }
            Self::File { file, .. } => file.write(bytes),
        }
    }
}

/// Without waiting: a pipe may have no reader, or one that has stopped reading.
fn open(path: &Path) -> io::Result<File> {
    options().create(true).mode(0o600).open(path)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).custom_flags(libc::O_NONBLOCK);
    options
}

/// Whether lines could be written there.
pub(super) fn problem_of_file(path: &Path) -> Option<String> {
    match path.metadata() {
        // The reader of a pipe would take a short visit for the end of the log.
        Ok(about) if about.file_type().is_fifo() => None,
        Ok(_) => {
            let error = options().open(path).err()?;
            Some(format!("{}: {error}", path.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => read_file::problem_of_place(path),
        Err(error) => Some(format!("{}: {error}", path.display())),
    }
}

fn is_same(path: &Path, file: &File) -> bool {
    let (Ok(named), Ok(open)) = (path.metadata(), file.metadata()) else {
        return false;
    };
    (named.dev(), named.ino()) == (open.dev(), open.ino())
}

pub(super) struct Writer {
    output: Output,
    health: Arc<Health>,
    /// Whole lines, of which this many bytes are written.
    batch: Vec<u8>,
    written: usize,
    /// The dropped lines that the log reports already.
    reported: u64,
    failed: bool,
}

impl Writer {
    pub(super) fn new(output: Output, health: Arc<Health>) -> Self {
        Self {
            output,
            health,
            batch: Vec::new(),
            written: 0,
            reported: 0,
            failed: false,
        }
    }

    /// Writes until the log is dropped. Then it tries once more.
    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        let mut ended = false;
        while !ended {
            if self.failed {
                std::thread::sleep(RETRY);
            } else if self.batch.is_empty() {
                match commands.recv_timeout(RETRY) {
                    Ok(command) => self.take(command),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => ended = true,
                }
            }
            // Taken before the queue is emptied: a later one may wait for a later line.
            let flushes = std::mem::take(&mut *self.health.flushes());
            let mut all = false;
            while self.batch.len() < BATCH_BYTES {
                match commands.try_recv() {
                    Ok(command) => self.take(command),
                    Err(why) => {
                        all = true;
                        ended |= why == TryRecvError::Disconnected;
                        break;
                    }
                }
            }
            let outcome = self.attempt();
            if all && outcome.is_ok() {
                for done in flushes {
                    // It fails only if nobody waits any more.
                    let _ = done.try_send(());
                }
            } else {
                self.health.flushes().extend(flushes);
            }
            self.report(outcome);
        }
    }

    fn take(&mut self, command: Command) {
        if let Command::Line(line) = command {
            self.batch.extend_from_slice(line.as_bytes());
        }
    }

    /// Writes the whole batch, and then the line about missing ones.
    fn attempt(&mut self) -> io::Result<()> {
        let asked = self.health.reopen.swap(false, Ordering::Relaxed);
        match self.output.follow(asked) {
            Ok(true) => self.written = start_of_line(&self.batch, self.written),
            Ok(false) => {}
            Err(error) => {
                self.health.reopen.fetch_or(asked, Ordering::Relaxed);
                return Err(error);
            }
        }
        self.write_batch()?;
        let dropped = self.health.dropped.load(Ordering::Relaxed);
        if dropped > self.reported {
            let gap = line::gap(now(), dropped - self.reported);
            self.batch.extend_from_slice(gap.as_bytes());
            self.reported = dropped;
            self.write_batch()?;
        }
        Ok(())
    }

    fn write_batch(&mut self) -> io::Result<()> {
        while let Some(rest) = self
            .batch
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            self.health
                .writing_since
                .store(self.health.millis(), Ordering::Relaxed);
            let written = self.output.write(rest);
            self.health.writing_since.store(0, Ordering::Relaxed);
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.batch.clear();
        self.written = 0;
        Ok(())
    }

    /// A failure is logged once, not with each attempt.
    fn report(&mut self, outcome: io::Result<()>) {
        let failed = outcome.is_err();
        self.health.blocked.store(failed, Ordering::Relaxed);
        let changed = failed != std::mem::replace(&mut self.failed, failed);
        match outcome {
            Err(error) if changed => {
                tracing::error!(target: "mcp_bearer::audit", %error, "the audit log cannot be written");
            }
            Ok(()) if changed => {
                tracing::info!(target: "mcp_bearer::audit", "the audit log is written again");
            }
            _ => {}
        }
    }
}

/// Without its thread the log cannot be written.
impl Drop for Writer {
    fn drop(&mut self) {
        self.health.blocked.store(true, Ordering::Relaxed);
    }
}

/// The start of the line of which some bytes are in the old file: the new one gets all of it.
fn start_of_line(batch: &[u8], written: usize) -> usize {
    let before = batch.get(..written).unwrap_or_default();
    before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1)
}
