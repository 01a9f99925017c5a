//! The thread that runs the tasks of all key sources, and the channels to those tasks.
//!
//! It is started when first needed, and again in a forked child, where the parent's threads do not
//! exist and a lock that one of them held is never released. So nothing here takes a lock that
//! another thread can hold, touches (or even drops) a channel of another process, or panics.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc};

use crate::of_process::OfProcess;

/// Commands that wait for one task. A source admits fewer waiting requests than that.
const COMMANDS: usize = 256;
/// Tasks that wait for the driver thread. Each source starts one, so the number of sources is the
/// limit: a smaller limit would refuse tasks of working issuers.
const TASKS: usize = Semaphore::MAX_PERMITS;
/// Threads for files, which the operating system reads only in blocking form, and for callers'
/// fetchers that block. One that hangs occupies its thread for longer than its exchange lasts.
const BLOCKING_THREADS: usize = 64;

/// The channel to the driver thread of this process.
static DRIVER: ArcSwapOption<Sender<Task>> = ArcSwapOption::const_empty();

type Task = BoxFuture<'static, ()>;

/// A task on the driver thread that is started when first needed, and ends when this is dropped.
///
/// `C` is its command type; `S` is what the senders share with it, and each new task gets its own.
pub(super) struct BackgroundTask<C, S = ()> {
    running: ArcSwapOption<Running<C, S>>,
}

struct Running<C, S> {
    commands: Sender<C>,
    shared: Arc<S>,
}

/// The sending half of a channel whose receiver is in the process that made it.
struct Sender<T>(OfProcess<mpsc::Sender<T>>);

/// The command did not reach a task.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotSent;

impl<C: Send + 'static, S: Default + Send + Sync + 'static> BackgroundTask<C, S> {
    pub(super) fn new() -> Self {
        Self {
            running: ArcSwapOption::empty(),
        }
    }

    /// Sends the command that `command` makes to the task, which `start` makes if none runs.
    ///
    /// `command` sees what is shared with the task, and returns `None` to send nothing.
    pub(super) fn send(
        &self,
        start: impl FnOnce(mpsc::Receiver<C>, Arc<S>) -> Task,
        command: impl FnOnce(&Arc<S>) -> Option<C>,
    ) -> Result<(), NotSent> {
        let running = self.running(start).ok_or(NotSent)?;
        let command = command(&running.shared).ok_or(NotSent)?;
        running.commands.send(command)
    }

    fn running(
        &self,
        start: impl FnOnce(mpsc::Receiver<C>, Arc<S>) -> Task,
    ) -> Option<Arc<Running<C, S>>> {
        let current = self.running.load_full();
        if let Some(running) = current.as_ref().filter(|it| it.commands.is_open()) {
            return Some(Arc::clone(running));
        }
        let (commands, receiver) = Sender::channel(COMMANDS);
        let shared = Arc::default();
        let new = Arc::new(Running { commands, shared });
        match replace(&self.running, current.as_ref(), &new) {
            Replaced::ByUs => {
                let task = start(receiver, Arc::clone(&new.shared));
                driver()?.send(task).ok()?;
                Some(new)
            }
            Replaced::ByAnother(running) => running,
        }
    }
}

impl<T> Sender<T> {
    fn channel(capacity: usize) -> (Self, mpsc::Receiver<T>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self(OfProcess::new(sender)), receiver)
    }

    /// Whether the receiver exists, in this process.
    fn is_open(&self) -> bool {
        self.0.get().is_some_and(|sender| !sender.is_closed())
    }

    fn send(&self, message: T) -> Result<(), NotSent> {
        let sender = self.0.get().ok_or(NotSent)?;
        sender.try_send(message).map_err(|_| NotSent)
    }
}

enum Replaced<T> {
    ByUs,
    /// Another thread was faster.
    ByAnother(Option<Arc<T>>),
}

/// Stores `new` in `place` if that still holds `current`.
fn replace<T>(place: &ArcSwapOption<T>, current: Option<&Arc<T>>, new: &Arc<T>) -> Replaced<T> {
    let found = place.compare_and_swap(&current.cloned(), Some(Arc::clone(new)));
    match (found.as_ref(), current) {
        (None, None) => Replaced::ByUs,
        (Some(found), Some(current)) if Arc::ptr_eq(found, current) => Replaced::ByUs,
        (found, _) => Replaced::ByAnother(found.cloned()),
    }
}

fn driver() -> Option<Arc<Sender<Task>>> {
    let current = DRIVER.load_full();
    if let Some(driver) = current.as_ref().filter(|driver| driver.is_open()) {
        return Some(Arc::clone(driver));
    }
    let (tasks, receiver) = Sender::channel(TASKS);
    let driver = Arc::new(tasks);
    if let Err(error) = thread::Builder::new()
        .name("mcp-bearer-keys".to_owned())
        .spawn(move || run(receiver))
    {
        tracing::error!(target: "mcp_bearer::keys", %error, "the thread for key fetches cannot be started");
        return None;
    }
    match replace(&DRIVER, current.as_ref(), &driver) {
        Replaced::ByUs => Some(driver),
        // The thread that was started here ends with its channel.
        Replaced::ByAnother(driver) => driver,
    }
}

fn run(mut tasks: mpsc::Receiver<Task>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("mcp-bearer-io")
        // In a child of `fork` an idle thread of the parent does not exist, but would still be
        // given work.
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
            // A panic in one task ends only that task.
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

    use super::BackgroundTask;

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
    fn threads_that_start_a_task_at_once_share_it_and_it_ends_with_its_handle() {
        let handle = Arc::new(BackgroundTask::<oneshot::Sender<u32>>::new());
        let (endings, mut ends) = (std::sync::Mutex::new(Vec::new()), Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let (ask, answer) = oneshot::channel();
                    let (ended, end) = oneshot::channel();
                    endings.lock().unwrap().push(end);
                    let sent = handle.send(|rx, _| echo(rx, ended), |_| Some(ask));
                    assert_eq!(sent, Ok(()));
                    assert_eq!(answer.blocking_recv(), Ok(7));
                });
            }
        });
        // Tasks that lost the race were never made, or were dropped unspawned: at most one was
        // started.
        assert_eq!(STARTED.load(Ordering::SeqCst), 1);
        drop(handle);
        ends.append(&mut endings.into_inner().unwrap());
        for end in ends {
            assert!(end.blocking_recv().is_err());
        }
    }
}
