//! [`RemoteKeys`]: keys that an issuer publishes over HTTP, as requests see them.
//!
//! `rotation` decides about fetches, and `remote/task.rs` carries them out.

mod attempt;
pub(super) mod builder;
mod discovery;
mod issuer_url_advice;
mod task;

use std::fmt;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio::sync::{mpsc, oneshot};

use self::attempt::{Location, Origin};
use self::task::{Admission, Command};
use super::driver_thread::BackgroundTask;
use super::published::{PublishedKeys, Renewal};
use super::snapshot::{Miss, Snapshot};
use super::source::{KeySource, KeyStatus, Refreshed};

/// Keys that an issuer publishes over HTTP.
///
/// Nothing is fetched before the first request for keys, which can be [`Miss::no_keys`]. Clones are
/// handles of one source; its fetching ends with the last of them. It can be made and used without
/// a tokio runtime, from any thread, from several runtimes, and after a `fork`.
///
/// ```
/// use mcp_bearer::keys::{KeySource, RemoteKeys};
/// let keys = RemoteKeys::discover("https://idp.example.com/").build()?;
/// assert_eq!(keys.snapshot().set.len(), 0);
/// # Ok::<(), mcp_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct RemoteKeys {
    inner: Arc<Inner>,
}

struct Inner {
    origin: Arc<Origin>,
    published: Arc<PublishedKeys<Location>>,
    task: BackgroundTask<Command, Admission>,
}

impl RemoteKeys {
    fn new(source: String, origin: Origin) -> Self {
        let clock = origin.exchanger.clock.clone();
        Self {
            inner: Arc::new(Inner {
                published: Arc::new(PublishedKeys::new(source, clock, Location::default())),
                origin: Arc::new(origin),
                task: BackgroundTask::new(),
            }),
        }
    }

    /// What starts the task, if none runs.
    fn start(
        &self,
    ) -> impl FnOnce(mpsc::Receiver<Command>, Arc<Admission>) -> BoxFuture<'static, ()> + use<>
    {
        let origin = Arc::clone(&self.inner.origin);
        let published = Arc::clone(&self.inner.published);
        move |commands, admission| task::run(origin, published, commands, admission).boxed()
    }

    /// Asks the task for newer keys; returns the answer if it is known at once.
    fn ask(&self, miss: Miss) -> Result<oneshot::Receiver<Refreshed>, Refreshed> {
        let held = self.inner.published.read(|snapshot| snapshot.generation).0;
        if held != 0 && held != miss.generation {
            return Err(Refreshed::NewKeys);
        }
        let now = self.inner.origin.exchanger.clock.now();
        let (reply, answer) = oneshot::channel();
        self.inner
            .task
            .send(self.start(), |admission| {
                let permit = admission.admit(now, held)?;
                Some(Command::Refresh {
                    miss,
                    reply,
                    permit,
                })
            })
            .map_err(|_| Refreshed::Unchanged)?;
        Ok(answer)
    }

    fn read<T>(&self, take: impl FnOnce(&Snapshot) -> T) -> T {
        let (taken, renewal) = self.inner.published.read(take);
        if renewal == Renewal::Overdue {
            // If it cannot be sent, the next overdue request tries again.
            let check = |_: &Arc<Admission>| Some(Command::CheckSchedule);
            let _ = self.inner.task.send(self.start(), check);
        }
        taken
    }
}

impl KeySource for RemoteKeys {
    fn snapshot(&self) -> Snapshot {
        self.read(Snapshot::clone)
    }

    fn generation(&self) -> u64 {
        self.read(|snapshot| snapshot.generation)
    }

    fn refresh(&self, miss: Miss) -> BoxFuture<'_, Refreshed> {
        match self.ask(miss) {
            // The task ends without an answer only if it has failed; then the keys have not
            // changed.
            Ok(answer) => answer
                .map(|refreshed| refreshed.unwrap_or(Refreshed::Unchanged))
                .boxed(),
            Err(refreshed) => ready(refreshed).boxed(),
        }
    }

    fn prefetch(&self) {
        let first = |admission: &Arc<Admission>| admission.is_first().then_some(Command::Prefetch);
        // It fails only if other requests are queued, and those start the fetch.
        let _ = self.inner.task.send(self.start(), first);
    }

    fn status(&self) -> KeyStatus {
        self.inner.published.status()
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("source", &self.inner.published.source())
            .finish_non_exhaustive()
    }
}
