//! Keys in a file, read again when it changes: written in place, or another file renamed over it.
//! It must never read the file on the way of a request, and never give up good keys for a broken file.

use std::{
    fmt, fs,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest;
use futures_util::future::{BoxFuture, FutureExt, ready};
use mcp_bearer_core::{KeySet, Limits, VerifyingKey};
use tokio::sync::mpsc;

use crate::config::{
    problem::{ConfigError, Fact, Problem},
    setting::Setting,
};

use super::{
    KeySource, KeyStatus, Miss, MonotonicClock, Refreshed, Snapshot,
    board::{Board, Nudge, Sheet, Times},
    driver::Mailbox,
    events,
    rotation::{Changed, Notice, changes},
};

/// The file's metadata is looked at so often.
const POLL: Duration = Duration::from_secs(2);
/// When nobody has looked for so long, the task is gone (in a forked child): a request starts another.
const OVERDUE: Duration = Duration::from_secs(10);

/// Keys from a file: a JWKS, or one key in PEM.
///
/// The file is looked at every 2 s by its times, length and identity, beginning with the first snapshot.
/// Clones are handles of one source.
#[derive(Clone)]
pub struct FileKeys {
    inner: Arc<Inner>,
}

struct Inner {
    path: Arc<Path>,
    label: Arc<str>,
    board: Arc<Board<Facts>>,
    mailbox: Mailbox<Overdue>,
}

/// What a new task needs to go on.
#[derive(Clone)]
struct Facts {
    set: Arc<KeySet>,
    digest: [u8; 32],
    generation: u64,
    form: Form,
    seen: Option<Stamp>,
}

/// Wakes the task, or starts one.
struct Overdue;

impl FileKeys {
    /// Reads the file, now and whenever it changes.
    ///
    /// # Errors
    /// When it cannot be read, or holds no usable key: a wrong configuration should not start.
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
        let label: Arc<str> = path.display().to_string().into();
        let loaded = load(&path)
            .map_err(|reason| Problem::of(Setting::KeyFile, Fact::file(&path, reason)))?;
        let facts = Facts {
            set: Arc::new(loaded.set),
            digest: loaded.digest,
            generation: 1,
            form: loaded.form,
            seen: None,
        };
        // Due at once: the first snapshot starts the task.
        let sheet = facts.sheet(clock.now(), clock.now(), None);
        Ok(Self {
            inner: Arc::new(Inner {
                path,
                label,
                board: Arc::new(Board::new(clock, sheet)),
                mailbox: Mailbox::new(),
            }),
        })
    }
}

impl FileKeys {
    fn read<T>(&self, take: impl FnOnce(&Snapshot) -> T) -> T {
        let inner = &self.inner;
        let (taken, nudge) = inner.board.read(take);
        if nudge == Nudge::Now {
            let (path, label) = (Arc::clone(&inner.path), Arc::clone(&inner.label));
            let board = Arc::clone(&inner.board);
            inner.mailbox.send(
                move |letters, _| run(path, label, board, letters).boxed(),
                |_| Some(Overdue),
            );
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

    /// A token is no reason to read the file: a change is noticed within 2 s without it.
    fn refresh(&self, miss: Miss) -> BoxFuture<'_, Refreshed> {
        let told = if self.snapshot().generation == miss.generation {
            Refreshed::Unchanged
        } else {
            Refreshed::NewKeys
        };
        ready(told).boxed()
    }

    fn status(&self) -> KeyStatus {
        self.inner.board.status(&self.inner.label)
    }
}

impl fmt::Debug for FileKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeys")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

impl Facts {
    fn sheet(&self, now: Duration, due_at: Duration, failure: Option<&str>) -> Sheet<Self> {
        let times = Times {
            due_at,
            fresh_until: Duration::MAX,
            usable_until: Duration::MAX,
            confirmed_at: now,
        };
        let snapshot = Snapshot::new(Arc::clone(&self.set), self.generation);
        Sheet::with_keys(snapshot, "the keys have no end", times, self.clone())
            .with_failure(failure)
    }
}

async fn run(
    path: Arc<Path>,
    label: Arc<str>,
    board: Arc<Board<Facts>>,
    mut letters: mpsc::Receiver<Overdue>,
) {
    let clock = board.clock().clone();
    let mut watch = Watch {
        facts: board.sheet().facts.clone(),
        settled: Settled::No,
        told: None,
    };
    loop {
        let (reading, seen) = (Arc::clone(&path), watch.settled_stamp());
        // A file on a dead network drive must not stop the other sources.
        let look = tokio::task::spawn_blocking(move || look(&reading, seen)).await;
        let look = look.unwrap_or_else(|_| Look::Failed("it could not be read".to_owned()));
        let (notices, failure) = watch.take(look);
        let now = clock.now();
        board.post(
            watch
                .facts
                .sheet(now, now.saturating_add(OVERDUE), failure.as_deref()),
        );
        for notice in notices {
            events::tell(&label, &board.tally, Some(&watch.facts.set), &notice);
        }
        let next = now.saturating_add(POLL);
        loop {
            tokio::select! {
                letter = letters.recv() => if letter.is_none() { return },
                () = clock.sleep_until(next) => break,
            }
        }
    }
}

/// What is known of the file.
struct Watch {
    facts: Facts,
    settled: Settled,
    told: Option<String>,
}

/// Whether the file was read twice under one stamp: a clock's tick can hide the second of two writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settled {
    Yes,
    No,
}

impl Watch {
    fn settled_stamp(&self) -> Option<Stamp> {
        self.facts.seen.filter(|_| self.settled == Settled::Yes)
    }

    /// The events to tell, and the failure to show.
    fn take(&mut self, look: Look) -> (Vec<Notice>, Option<String>) {
        let loaded = match look {
            Look::Same => {
                self.told = None;
                return (Vec::new(), None);
            }
            Look::Failed(reason) => {
                // Read again at every look until it is good; told once.
                let news = self.told.as_ref() != Some(&reason);
                self.told = Some(reason.clone());
                let notice = Notice::Failed(format!("{reason}; the keys of before stay in use"));
                return (if news { vec![notice] } else { Vec::new() }, Some(reason));
            }
            Look::Loaded(loaded) => loaded,
        };
        self.told = None;
        self.settled = if self.facts.seen == Some(loaded.stamp) {
            Settled::Yes
        } else {
            Settled::No
        };
        self.facts.seen = Some(loaded.stamp);
        if loaded.digest == self.facts.digest {
            return (Vec::new(), None);
        }
        let (changed, notices) = changes(Some(&*self.facts.set), &loaded.set);
        self.facts.set = Arc::new(loaded.set);
        self.facts.digest = loaded.digest;
        // The same key is another one to a token whose `kid` it ignored until now.
        if changed == Changed::Yes || loaded.form != self.facts.form {
            self.facts.generation += 1;
        }
        self.facts.form = loaded.form;
        (notices, None)
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    identity: Identity,
}

/// Device and inode: another file under the same name. And when the system last saw a change, in seconds and nanoseconds,
/// which no program can set: a copy may bring the time of its origin with it.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);
#[cfg(not(unix))]
type Identity = ();

enum Look {
    Same,
    Loaded(Loaded),
    Failed(String),
}

/// What the file holds: a key in PEM serves whatever `kid` a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Jwks,
    Pem,
}

struct Loaded {
    set: KeySet,
    form: Form,
    digest: [u8; 32],
    stamp: Stamp,
}

fn look(path: &Path, seen: Option<Stamp>) -> Look {
    let same = seen.is_some() && stamp(path).is_ok_and(|stamp| Some(stamp) == seen);
    if same {
        return Look::Same;
    }
    match load(path) {
        Ok(loaded) => Look::Loaded(loaded),
        Err(reason) => Look::Failed(reason),
    }
}

fn load(path: &Path) -> Result<Loaded, String> {
    let stamp = stamp(path)?;
    let mut bytes = Vec::new();
    let limit = Limits::JWKS_BYTES;
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() > limit {
        return Err(format!("it is longer than {limit} bytes"));
    }
    let hash = digest::digest(&digest::SHA256, &bytes);
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    let (set, form) = parse(&text)?;
    Ok(Loaded {
        set,
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
    if set.is_empty() {
        return Err("the JWK Set has no usable key".to_owned());
    }
    Ok((set, Form::Jwks))
}

fn stamp(path: &Path) -> Result<Stamp, String> {
    let about = fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        // Opening a pipe could wait for ever.
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

    use super::{Facts, Form, Look, Settled, Watch, load, look, stamp};

    fn write(path: &Path, kid: &str) {
        let jwks = SigningKey::ed25519().with_kid(kid).jwks();
        fs::write(path, jwks.to_string()).unwrap();
    }

    fn watch(path: &Path) -> Watch {
        let loaded = load(path).unwrap();
        Watch {
            facts: Facts {
                set: loaded.set.into(),
                digest: loaded.digest,
                generation: 1,
                form: loaded.form,
                seen: None,
            },
            settled: Settled::No,
            told: None,
        }
    }

    fn one_look(watch: &mut Watch, path: &Path) {
        let look = look(path, watch.settled_stamp());
        watch.take(look);
    }

    #[test]
    fn a_second_write_within_one_tick_of_the_files_clock_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        write(&path, "a");
        let mut watch = watch(&path);
        write(&path, "b");
        one_look(&mut watch, &path);
        assert!(watch.facts.set.has_kid("b"));
        write(&path, "c");
        watch.facts.seen = Some(stamp(&path).unwrap());
        one_look(&mut watch, &path);
        assert!(watch.facts.set.has_kid("c"));
        assert_eq!(watch.facts.generation, 3);
    }

    /// A copy that keeps the time of its origin, and key sets of one kind are of one length.
    #[test]
    #[cfg(unix)]
    fn a_change_is_seen_though_time_and_length_are_those_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        let origin =
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
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
            std::thread::sleep(std::time::Duration::from_millis(30));
            if afresh {
                fs::remove_file(&path).unwrap();
            }
            put(kid);
            one_look(&mut watch, &path);
            assert!(watch.facts.set.has_kid(kid));
            one_look(&mut watch, &path);
        }
    }

    /// What a token verified with is not what it would verify with now.
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
        assert!(watch.facts.form == Form::Jwks);
        assert_eq!(watch.facts.generation, 2);
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
    fn a_lasting_failure_is_told_once_and_looked_at_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        write(&path, "a");
        let mut watch = watch(&path);
        fs::write(&path, "{").unwrap();
        let counts = [1, 0, 0].map(|told| {
            let look = look(&path, watch.settled_stamp());
            let (notices, failure) = watch.take(look);
            assert!(failure.is_some());
            notices.len() == told
        });
        assert_eq!(counts, [true; 3]);
    }
}
