//! The one thread that looks after all key sources, and the mailboxes by which they reach it.
//!
//! It is started when first needed and started anew in a forked child, where the parent's threads do not
//! exist and its locks may be held for ever. So nothing here may take a lock that another thread can hold,
//! touch (or even drop) a channel of another process, or panic.

use std::{sync::Arc, thread, time::Duration};

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::of_process::OfProcess;

/// Messages that wait in a mailbox; a sender beyond them is told at once.
const MAILBOX: usize = 256;
/// Threads for files, which the operating system offers in blocking form only, and for what fetchers of the caller's own do so.
/// One that hangs is occupied for longer than its exchange lasts.
const BLOCKING_THREADS: usize = 64;

static DRIVER: ArcSwapOption<Door<Task>> = ArcSwapOption::const_empty();

type Task = BoxFuture<'static, ()>;

/// The way to a task on the driver thread that is started when first needed, and ends with its mailbox.
///
/// `X` is what the senders share with the task; each task has its own.
pub(super) struct Mailbox<M, X = ()> {
    door: ArcSwapOption<Room<M, X>>,
}

/// A running task: how to reach it, and what is shared with it.
struct Room<M, X> {
    door: Door<M>,
    shared: Arc<X>,
}

/// The sending half of a channel that belongs to one process.
struct Door<M>(OfProcess<mpsc::Sender<M>>);

impl<M: Send + 'static, X: Default + Send + Sync + 'static> Mailbox<M, X> {
    pub(super) fn new() -> Self {
        Self {
            door: ArcSwapOption::empty(),
        }
    }

    /// Hands the message that `write` makes to the task, which `start` makes if none is running.
    ///
    /// `write` sees what is shared with the task, and gives `None` to send nothing after all.
    pub(super) fn send(
        &self,
        start: impl FnOnce(mpsc::Receiver<M>, Arc<X>) -> Task,
        write: impl FnOnce(&Arc<X>) -> Option<M>,
    ) -> Sent {
        let Some(room) = self.room(start) else {
            return Sent::No;
        };
        match write(&room.shared) {
            Some(message) => room.door.send(message),
            None => Sent::No,
        }
    }

    fn room(
        &self,
        start: impl FnOnce(mpsc::Receiver<M>, Arc<X>) -> Task,
    ) -> Option<Arc<Room<M, X>>> {
        let current = self.door.load_full();
        if let Some(room) = current.as_ref().filter(|room| room.door.is_open()) {
            return Some(Arc::clone(room));
        }
        let (sender, receiver) = mpsc::channel(MAILBOX);
        let room = Arc::new(Room {
            door: Door::new(sender),
            shared: Arc::new(X::default()),
        });
        let before = self
            .door
            .compare_and_swap(&current, Some(Arc::clone(&room)));
        let won = match (before.as_ref(), current.as_ref()) {
            (None, None) => true,
            (Some(found), Some(expected)) => Arc::ptr_eq(found, expected),
            _ => false,
        };
        if !won {
            // Another thread was faster: its task is the one.
            return before.as_ref().map(Arc::clone);
        }
        match spawn(start(receiver, Arc::clone(&room.shared))) {
            Sent::Yes => Some(room),
            Sent::No => None,
        }
    }
}

/// Whether a message has been taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Yes,
    No,
}

impl<M> Door<M> {
    fn new(sender: mpsc::Sender<M>) -> Self {
        Self(OfProcess::new(sender))
    }

    fn is_open(&self) -> bool {
        self.0.get().is_some_and(|sender| !sender.is_closed())
    }

    fn send(&self, message: M) -> Sent {
        match self.0.get().map(|sender| sender.try_send(message)) {
            Some(Ok(())) => Sent::Yes,
            _ => Sent::No,
        }
    }
}

/// Runs a task on the driver thread.
fn spawn(task: Task) -> Sent {
    match driver() {
        Some(door) => door.send(task),
        None => Sent::No,
    }
}

fn driver() -> Option<Arc<Door<Task>>> {
    let current = DRIVER.load_full();
    if let Some(door) = current.as_ref().filter(|door| door.is_open()) {
        return Some(Arc::clone(door));
    }
    let (sender, receiver) = mpsc::channel(MAILBOX);
    let door = Arc::new(Door::new(sender));
    if let Err(error) = thread::Builder::new()
        .name("mcp-bearer-keys".to_owned())
        .spawn(move || run(receiver))
    {
        tracing::error!(target: "mcp_bearer::keys", %error, "the thread for key fetches cannot be started");
        return None;
    }
    let before = DRIVER.compare_and_swap(&current, Some(Arc::clone(&door)));
    match (before.as_ref(), current.as_ref()) {
        (None, None) => Some(door),
        (Some(found), Some(expected)) if Arc::ptr_eq(found, expected) => Some(door),
        // Another thread was faster; the thread started here ends with its door.
        (found, _) => found.map(Arc::clone),
    }
}

fn run(mut tasks: mpsc::Receiver<Task>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("mcp-bearer-io")
        // A thread that waits for work is one that a child of `fork` has lost while others may still hand work to it.
        .thread_keep_alive(Duration::ZERO)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(target: "mcp_bearer::keys", %error, "the runtime for key fetches cannot be started");
            return;
        }
    };
    runtime.block_on(async {
        while let Some(task) = tasks.recv().await {
            // A panic in one task ends that task alone.
            drop(tokio::spawn(task));
        }
    });
    runtime.shutdown_background();
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::{mpsc, oneshot};

    use super::{Mailbox, Sent};

    static STARTED: AtomicUsize = AtomicUsize::new(0);

    fn echo(
        mut questions: mpsc::Receiver<oneshot::Sender<u32>>,
        ended: oneshot::Sender<()>,
    ) -> futures_util::future::BoxFuture<'static, ()> {
        STARTED.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let _ended = ended;
            while let Some(question) = questions.recv().await {
                let _ = question.send(7);
            }
        })
    }

    #[test]
    fn threads_that_start_a_task_at_once_share_it_and_it_ends_with_its_mailbox() {
        let mailbox = Arc::new(Mailbox::<oneshot::Sender<u32>>::new());
        let (endings, mut ends) = (std::sync::Mutex::new(Vec::new()), Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let (ask, answer) = oneshot::channel();
                    let (ended, end) = oneshot::channel();
                    endings.lock().unwrap().push(end);
                    let sent = mailbox.send(|rx, _| echo(rx, ended), |_| Some(ask));
                    assert_eq!(sent, Sent::Yes);
                    assert_eq!(answer.blocking_recv(), Ok(7));
                });
            }
        });
        // Tasks that lost the race were never made, or were dropped unspawned: one at most was started.
        assert_eq!(STARTED.load(Ordering::SeqCst), 1);
        drop(mailbox);
        ends.append(&mut endings.into_inner().unwrap());
        for end in ends {
            assert!(end.blocking_recv().is_err());
        }
    }
}
