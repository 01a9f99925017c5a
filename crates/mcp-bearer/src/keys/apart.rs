//! Work on a thread and a runtime of its own, which end when nobody waits for it anymore.
//! It must never let a peer that keeps this thread busy keep any other thread from its work.

use std::{io, thread};

use tokio::{runtime, sync::oneshot};

/// Runs `work` there. When this future is dropped, the work is too, at its next pause. What the system offers in blocking form
/// only, a name that is being resolved, goes on in a thread until the system gives it up: a handful of a source whose names
/// hang, since that has one exchange at a time.
pub(super) async fn apart<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> io::Result<T> {
    let (reply, answer) = oneshot::channel();
    thread::Builder::new()
        .name("mcp-bearer-http".to_owned())
        .spawn(move || run(work, reply))?;
    let ended = answer.await;
    ended.unwrap_or_else(|_| Err(io::Error::other("it failed")))
}

fn run<T>(work: impl Future<Output = T>, mut reply: oneshot::Sender<io::Result<T>>) {
    let built = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_name("mcp-bearer-io")
        .build();
    let runtime = match built {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever asked may have gone: then nobody needs the answer.
            let _ = reply.send(Err(error));
            return;
        }
    };
    let done = runtime.block_on(async {
        tokio::select! {
            done = work => Some(done),
            () = reply.closed() => None,
        }
    });
    // A name that is still being resolved is not waited for.
    runtime.shutdown_background();
    if let Some(done) = done {
        let _ = reply.send(Ok(done));
    }
}
