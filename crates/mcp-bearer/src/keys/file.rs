//! [`FileKeys`]: keys in a file, read again when it changes: written in place, or replaced by a
//! rename.
//!
//! No request reads the file, and a broken file never replaces good keys.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::{BoxFuture, FutureExt, ready};
use mcp_bearer_core::{KeySet, Limits, VerifyingKey};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::driver_thread::BackgroundTask;
use super::events::KeyEvent;
use super::freshness::STALENESS_BOUND;
use super::monotonic::MonotonicClock;
use super::no_usable_key::no_usable_key;
use super::published::{PublishedKeys, Renewal};
use super::rejected_body::RefusedAnswer;
use super::snapshot::{HeldKeys, Miss, Snapshot, next_snapshot, sha256};
use super::source::{KeySource, KeyStatus, Refreshed};
use super::withdrawal_of_all::{Withdrawal, not_taken};
use crate::config::problem::{ConfigError, Fact, Problem};
use crate::config::setting::Setting;

/// The time between two checks of the file's metadata.
const POLL: Duration = Duration::from_secs(2);
/// If there was no check for this long, the task is gone (in a forked child), and a request starts
/// another.
const OVERDUE: Duration = Duration::from_secs(10);

/// Keys from a file: a JWK Set, or one key in PEM.
/// The file's times, length and identity are checked every 2 s, from the first snapshot on. The
/// keys of a deleted or broken file are used for 24 h. Clones are handles of one source.
#[derive(Clone)]
pub struct FileKeys {
    inner: Arc<Inner>,
}

struct Inner {
    path: Arc<Path>,
    published: Arc<PublishedKeys<Seen>>,
    task: BackgroundTask<CheckFile>,
}

/// What was last seen of the file. A new task resumes from it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    form: Form,
    /// `None` before the first look.
    stamp: Option<Stamp>,
}

/// The command that starts the task, if none runs.
struct CheckFile;

impl FileKeys {
    /// Reads the file now and whenever it changes.
    ///
    /// # Errors
    /// When it cannot be read, or has no usable key: a wrong configuration must not start.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        Self::open_with_clock(path, MonotonicClock::system())
    }

    /// The same with another clock, for tests.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_clock(
        path: impl Into<PathBuf>,
        clock: MonotonicClock,
    ) -> Result<Self, ConfigError> {
        let path: Arc<Path> = path.into().into();
        let source = path.display().to_string();
        let wrong = |reason| Problem::of(Setting::KeyFile, Fact::file(&path, reason));
        let loaded = load(&path).map_err(|unusable| wrong(unusable.reason))?;
        if loaded.set.is_empty() {
            return Err(wrong(no_usable_key(&loaded.set)).into());
        }
        let watch = Watch::new(loaded, clock.now());
        let published = PublishedKeys::new(source, clock, watch.seen);
        // It is due at once: the first snapshot starts the task.
        watch.publish(&published, Duration::ZERO);
        Ok(Self {
            inner: Arc::new(Inner {
                path,
                published: Arc::new(published),
                task: BackgroundTask::new(),
            }),
        })
    }

    fn read<T>(&self, take: impl FnOnce(&Snapshot) -> T) -> T {
        let inner = &self.inner;
        let (taken, renewal) = inner.published.read(take);
        if renewal == Renewal::Overdue {
            let (path, published) = (Arc::clone(&inner.path), Arc::clone(&inner.published));
            let start = move |commands, _| run(path, published, commands).boxed();
            // If it cannot be sent, the next overdue request tries again.
            let _ = inner.task.send(start, |_| Some(CheckFile));
        }
        taken
    }
}

impl KeySource for FileKeys {
    fn snapshot(&self) -> Snapshot {
        self.read(Snapshot::clone)
    }

    fn generation(&self) -> u64 {
        self.read(|snapshot| snapshot.generation)
    }

    /// A token does not cause a read of the file: changes are noticed within 2 s anyway.
    fn refresh(&self, miss: Miss) -> BoxFuture<'_, Refreshed> {
        let refreshed = if self.generation() == miss.generation {
            Refreshed::Unchanged
        } else {
            Refreshed::NewKeys
        };
        ready(refreshed).boxed()
    }

    fn status(&self) -> KeyStatus {
        self.inner.published.status()
    }
}

impl fmt::Debug for FileKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeys")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

async fn run(
    path: Arc<Path>,
    published: Arc<PublishedKeys<Seen>>,
    mut commands: mpsc::Receiver<CheckFile>,
) {
    let clock = published.clock().clone();
    let Some(mut watch) = Watch::resume(&published) else {
        return;
    };
    loop {
        let (reading, seen) = (Arc::clone(&path), watch.settled_stamp());
        // A file on a dead network drive must not stop the other sources.
        let look = tokio::task::spawn_blocking(move || look(&reading, seen)).await;
        let look = look.unwrap_or_else(|_| Look::Failed("it could not be read".to_owned().into()));
        let now = clock.now();
        let events = watch.take(look, now);
        watch.publish(&published, now.saturating_add(OVERDUE));
        for event in events {
            published.report(&event);
        }
        let next = now.saturating_add(POLL);
        loop {
            tokio::select! {
                command = commands.recv() => if command.is_none() { return },
                () = clock.sleep_until(next) => break,
            }
        }
    }
}

/// What is known about the file.
struct Watch {
    held: HeldKeys,
    seen: Seen,
    settled: Settled,
    withdrawal: Withdrawal,
    failure: Option<String>,
    stale_reported: bool,
}

/// Whether the file was read twice with the same stamp: the second of two writes may come within
/// one tick of the file system's clock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settled {
    Yes,
    No,
}

impl Watch {
    /// The stamp is not kept: the task's first check reads the file again.
    fn new(loaded: Loaded, now: Duration) -> Self {
        let (snapshot, _) = next_snapshot(None, loaded.set, loaded.digest);
        Self {
            held: HeldKeys::from_file(snapshot, loaded.digest, now),
            seen: Seen {
                form: loaded.form,
                stamp: None,
            },
            settled: Settled::No,
            withdrawal: Withdrawal::default(),
            failure: None,
            stale_reported: false,
        }
    }

    fn resume(published: &PublishedKeys<Seen>) -> Option<Self> {
        let (held, seen) = published.resume();
        Some(Self {
            held: held?,
            seen,
            settled: Settled::No,
            withdrawal: Withdrawal::default(),
            failure: None,
            stale_reported: false,
        })
    }

    fn publish(&self, published: &PublishedKeys<Seen>, due_at: Duration) {
        let (source, failure) = (published.source(), self.failure.as_deref());
        let reason = failure.unwrap_or("none");
        let why = format!("the keys from {source} are too old to be used: {reason}");
        published.publish(Some(self.held.clone()), &why, due_at, failure, self.seen);
    }

    fn settled_stamp(&self) -> Option<Stamp> {
        self.seen.stamp.filter(|_| self.settled == Settled::Yes)
    }

    /// Applies what a check found, and returns the events to report.
    fn take(&mut self, look: Look, now: Duration) -> Vec<KeyEvent> {
        let loaded = match look {
            Look::Same => None,
            Look::Loaded(loaded) if loaded.set.is_empty() && !self.withdraws(now) => {
                let reason = not_taken(&loaded.set);
                return self.fail(Unusable::with_text(reason, loaded.text.as_bytes()), now);
            }
            Look::Loaded(loaded) => Some(loaded),
            Look::Failed(unusable) => return self.fail(unusable, now),
        };
        self.failure = None;
        self.stale_reported = false;
        self.withdrawal = Withdrawal::default();
        self.held.snapshot.refused = None;
        self.held.confirm_without_end(now);
        let Some(loaded) = loaded else {
            return Vec::new();
        };
        self.settled = if self.seen.stamp == Some(loaded.stamp) {
            Settled::Yes
        } else {
            Settled::No
        };
        let seen = Seen {
            form: loaded.form,
            stamp: Some(loaded.stamp),
        };
        let before = std::mem::replace(&mut self.seen, seen);
        if loaded.digest == self.held.digest {
            return Vec::new();
        }
        let (mut snapshot, events) = next_snapshot(Some(&self.held), loaded.set, loaded.digest);
        // A key in PEM is used for any `kid`, so the same key in the other form is another set.
        let same_keys = snapshot.generation == self.held.snapshot.generation;
        if same_keys && loaded.form != before.form {
            snapshot.generation += 1;
        }
        self.held = HeldKeys::from_file(snapshot, loaded.digest, now);
        events
    }

    /// Whether a set without a key for signatures counts as a withdrawal of every key.
    fn withdraws(&mut self, now: Duration) -> bool {
        self.held.snapshot.set.is_empty() || self.withdrawal.is_confirmed(now)
    }

    /// The keys stay in use, but not forever. The file is read again at every look until it is
    /// good; that is reported once.
    fn fail(&mut self, unusable: Unusable, now: Duration) -> Vec<KeyEvent> {
        let Unusable { reason, text } = unusable;
        if let Some(text) = text {
            text.replace(&mut self.held.snapshot.refused);
        }
        self.held.fresh_until = self.held.confirmed_at;
        self.held.usable_until = self.held.confirmed_at.saturating_add(STALENESS_BOUND);
        let mut events = Vec::new();
        if self.failure.as_ref() != Some(&reason) {
            let text = format!("{reason}; the keys read before are used for 24 h at most");
            events.push(KeyEvent::Failed(text));
        }
        self.failure = Some(reason);
        if now >= self.held.usable_until && !self.stale_reported {
            self.stale_reported = true;
            events.push(KeyEvent::Stale);
        }
        events
    }
}

/// Differs between two states of a file, and is available without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    identity: Identity,
}

/// Device and inode show another file under the same name. The time of the last change, in seconds
/// and nanoseconds, cannot be set by a program: a copy may have the modification time of its
/// origin.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);
#[cfg(not(unix))]
type Identity = ();

enum Look {
    Same,
    Loaded(Loaded),
    Failed(Unusable),
}

/// The contents of the file. A key in PEM is used whatever `kid` a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Jwks,
    Pem,
}

struct Loaded {
    set: KeySet,
    text: Zeroizing<String>,
    form: Form,
    digest: [u8; 32],
    stamp: Stamp,
}

/// Why the file has no keys, and what was read of it.
#[derive(Debug)]
struct Unusable {
    reason: String,
    text: Option<RefusedAnswer>,
}

impl Unusable {
    fn with_text(reason: impl Into<String>, text: &[u8]) -> Self {
        Self {
            reason: reason.into(),
            text: Some(RefusedAnswer::new(text)),
        }
    }
}

impl From<String> for Unusable {
    fn from(reason: String) -> Self {
        Self { reason, text: None }
    }
}

fn look(path: &Path, seen: Option<Stamp>) -> Look {
    let same = seen.is_some() && stamp(path).is_ok_and(|stamp| Some(stamp) == seen);
    if same {
        return Look::Same;
    }
    match load(path) {
        Ok(loaded) => Look::Loaded(loaded),
        Err(unusable) => Look::Failed(unusable),
    }
}

fn load(path: &Path) -> Result<Loaded, Unusable> {
    let stamp = stamp(path)?;
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = Limits::JWKS_BYTES;
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() > limit {
        let reason = format!("it is longer than {limit} bytes");
        return Err(Unusable::with_text(reason, &bytes));
    }
    let digest = sha256(&bytes);
    let unusable = |reason| Unusable::with_text(reason, &bytes);
    let text = std::str::from_utf8(&bytes).map_err(|_| unusable("it is not UTF-8".to_owned()))?;
    let (set, form) = parse(text).map_err(unusable)?;
    Ok(Loaded {
        set,
        text: Zeroizing::new(text.to_owned()),
        form,
        digest,
        stamp,
    })
}

fn parse(text: &str) -> Result<(KeySet, Form), String> {
    if !text.trim_start().starts_with('{') {
        let key = VerifyingKey::from_pem(text)
            .map_err(|error| format!("neither a JWK Set nor a PEM public key: {error}"))?;
        return Ok((KeySet::single(key), Form::Pem));
    }
    let set = KeySet::from_jwks_json(text).map_err(|error| error.to_string())?;
    if set.is_empty() && !set.is_withdrawal() {
        return Err(no_usable_key(&set));
    }
    Ok((set, Form::Jwks))
}

fn stamp(path: &Path) -> Result<Stamp, String> {
    let about = fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        // Opening a pipe could block forever.
        return Err("it is not a regular file".to_owned());
    }
    #[cfg(unix)]
    let identity = {
        use std::os::unix::fs::MetadataExt;
        (about.dev(), about.ino(), about.ctime(), about.ctime_nsec())
    };
    #[cfg(not(unix))]
    let identity = ();
    Ok(Stamp {
        modified: about.modified().ok(),
        length: about.len(),
        identity,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use mcp_bearer_testkit::SigningKey;

    use super::{Duration, Form, Look, Settled, Watch, load, look, stamp};

    fn write(path: &Path, kid: &str) {
        let jwks = SigningKey::ed25519().with_kid(kid).jwks();
        fs::write(path, jwks.to_string()).unwrap();
    }

    fn watch(path: &Path) -> Watch {
        Watch::new(load(path).unwrap(), Duration::ZERO)
    }

    fn one_look(watch: &mut Watch, path: &Path) {
        let look = look(path, watch.settled_stamp());
        watch.take(look, Duration::ZERO);
    }

    #[test]
    fn a_second_write_within_one_tick_of_the_files_clock_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        write(&path, "a");
        let mut watch = watch(&path);
        write(&path, "b");
        one_look(&mut watch, &path);
        assert!(watch.held.snapshot.set.has_kid("b"));
        write(&path, "c");
        watch.seen.stamp = Some(stamp(&path).unwrap());
        one_look(&mut watch, &path);
        assert!(watch.held.snapshot.set.has_kid("c"));
        assert_eq!(watch.held.snapshot.generation, 3);
    }

    /// A copy may keep the time of its origin, and key sets of one kind have the same length.
    #[test]
    #[cfg(unix)]
    fn a_change_is_seen_though_time_and_length_are_those_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        let origin = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let put = |kid| {
            write(&path, kid);
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(origin).unwrap();
        };
        put("a");
        let mut watch = watch(&path);
        one_look(&mut watch, &path);
        one_look(&mut watch, &path);
        assert!(watch.settled == Settled::Yes);
        // In place, then as another file that may get the inode of the first.
        for (kid, afresh) in [("b", false), ("c", true)] {
            // The system's clock ticks a few hundred times a second.
            std::thread::sleep(Duration::from_millis(30));
            if afresh {
                fs::remove_file(&path).unwrap();
            }
            put(kid);
            one_look(&mut watch, &path);
            assert!(watch.held.snapshot.set.has_kid(kid));
            one_look(&mut watch, &path);
        }
    }

    /// The token was verified with other keys than it would be now.
    #[test]
    fn one_key_as_pem_and_as_jwks_are_two_states() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let key = SigningKey::ed25519();
        fs::write(&path, key.public_pem()).unwrap();
        let mut watch = watch(&path);
        let mut jwk = key.without_kid().jwk();
        jwk.as_object_mut().unwrap().remove("alg");
        fs::write(&path, serde_json::json!({ "keys": [jwk] }).to_string()).unwrap();
        one_look(&mut watch, &path);
        assert!(watch.seen.form == Form::Jwks);
        assert_eq!(watch.held.snapshot.generation, 2);
    }

    #[test]
    fn a_settled_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        write(&path, "a");
        let mut watch = watch(&path);
        one_look(&mut watch, &path);
        one_look(&mut watch, &path);
        assert!(watch.settled == Settled::Yes);
        assert!(matches!(look(&path, watch.settled_stamp()), Look::Same));
    }

    #[test]
    fn a_lasting_failure_is_reported_once_and_checked_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        write(&path, "a");
        let mut watch = watch(&path);
        fs::write(&path, "{").unwrap();
        let counts = [1, 0, 0].map(|reported| {
            let look = look(&path, watch.settled_stamp());
            let events = watch.take(look, Duration::ZERO);
            assert!(watch.failure.is_some());
            events.len() == reported
        });
        assert_eq!(counts, [true; 3]);
    }
}
