//! [`Activity`]: records activity on a connection, so that it is closed if its client neither sends
//! nor reads.
//!
//! While the client does not read, the rest of an answer is not polled, so the answer itself cannot
//! notice that.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;

/// How long the first request may take to come.
const FIRST: Duration = Duration::from_secs(10);
/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(60);
/// How long a client may leave an answer unread.
const UNREAD: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The requests of one connection.
#[derive(Default)]
pub(crate) struct Activity {
    /// Requests so far.
    count: AtomicU64,
    busy: Mutex<Vec<Weak<Progress>>>,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nothing was asked for too long.
    Idle,
    /// The client does not read.
    Stalled,
}

/// One request in progress.
pub(crate) struct Busy(Arc<Progress>);

/// Since when the client could read more.
struct Progress(Mutex<Option<Instant>>);

impl Progress {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn is_stalled(&self) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() > UNREAD)
    }
}

impl Activity {
    /// A request has come.
    pub(crate) fn begin(&self) -> Busy {
        self.count.fetch_add(1, Ordering::Relaxed);
        let progress = Arc::new(Progress(Mutex::new(None)));
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.retain(|one| one.strong_count() > 0);
        busy.push(Arc::downgrade(&progress));
        Busy(progress)
    }

    /// Returns when the connection must end.
    pub(crate) async fn watch(&self) -> Why {
        let mut quiet = Instant::now();
        let mut before = 0;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (busy, stalled) = self.look();
            if stalled {
                return Why::Stalled;
            }
            let count = self.count.load(Ordering::Relaxed);
            if busy || count != before {
                (quiet, before) = (Instant::now(), count);
            }
            let patience = if count == 0 { FIRST } else { IDLE };
            if quiet.elapsed() >= patience {
                return Why::Idle;
            }
        }
    }

    /// Returns when the client leaves an answer unread.
    pub(crate) async fn stalled(&self) {
        while !self.look().1 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether requests are in progress, and whether one is not read.
    fn look(&self) -> (bool, bool) {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let open: Vec<Arc<Progress>> = busy.iter().filter_map(Weak::upgrade).collect();
        (
            !open.is_empty(),
            open.iter().any(|progress| progress.is_stalled()),
        )
    }
}

impl Busy {
    /// The request is in progress until its answer was read.
    pub(crate) fn until_the_end_of<B>(self, body: B) -> Watched<B> {
        self.0.set(Some(Instant::now()));
        Watched { body, busy: self }
    }
}

pin_project! {
    /// A body that notes when the client could read more of it.
    pub(crate) struct Watched<B> {
        #[pin]
        body: B,
        busy: Busy,
    }
}

impl<B: Body<Data = Bytes>> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        // While the server has nothing to say, the client need not read.
        let since = frame.is_ready().then(Instant::now);
        this.busy.0.set(since);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_ends_and_a_busy_one_does_not() {
        let activity = Activity::default();
        let started = Instant::now();
        assert_eq!(activity.watch().await, Why::Idle);
        assert_eq!(started.elapsed(), FIRST, "no request came");
        let busy = activity.begin();
        let watched = tokio::time::timeout(Duration::from_secs(600), activity.watch());
        assert!(watched.await.is_err(), "the server takes long");
        drop(busy);
        let started = Instant::now();
        assert_eq!(activity.watch().await, Why::Idle);
        assert!(started.elapsed() >= IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_read_ends_the_connection() {
        let activity = Activity::default();
        let answer = activity
            .begin()
            .until_the_end_of(Full::<Bytes>::from("unread"));
        assert_eq!(activity.watch().await, Why::Stalled);
        drop(answer);
        // A stream whose server is silent is read.
        let silent = StreamBody::new(futures_util::stream::pending::<
            Result<Frame<Bytes>, std::convert::Infallible>,
        >());
        let mut stream = activity.begin().until_the_end_of(silent);
        let read = tokio::time::timeout(Duration::from_secs(1), stream.frame());
        assert!(read.await.is_err());
        let watched = tokio::time::timeout(Duration::from_secs(600), activity.watch());
        assert!(watched.await.is_err());
    }
}
