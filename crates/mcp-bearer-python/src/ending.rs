//! The end of the interpreter, for threads that Python does not know of.
//!
//! CPython ends a thread that asks for the interpreter during shutdown by unwinding its stack, and
//! if Rust is on that stack the process aborts. So no thread may be inside by then: `atexit` calls
//! [`interpreter_ends`] first, which admits no more threads and waits at most [`PATIENCE`] for
//! those inside, holding neither the interpreter nor a lock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// A thread is inside only while it hands over a request, which takes microseconds.
const PATIENCE: Duration = Duration::from_secs(1);

static ENDING: AtomicBool = AtomicBool::new(false);
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// Does `work` with the interpreter; nothing if that is ending or has ended.
pub(crate) fn attached<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    let _inside = Inside::enter();
    // This thread entered before this check, and the other side checks who is inside after setting
    // the flag: one of them sees the other.
    if ENDING.load(Ordering::SeqCst) {
        return None;
    }
    Python::try_attach(work)
}

/// Admits no more of our threads, and waits until none is inside.
#[pyfunction]
pub(crate) fn interpreter_ends(py: Python<'_>) {
    ENDING.store(true, Ordering::SeqCst);
    py.detach(|| {
        let begun = Instant::now();
        while INSIDE.load(Ordering::SeqCst) > 0 && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

/// For a child of `fork`, in which the threads that were inside do not exist.
#[pyfunction]
pub(crate) fn nobody_inside() {
    INSIDE.store(0, Ordering::SeqCst);
}

/// A thread is, or is about to be, where only the interpreter can release it.
struct Inside;

impl Inside {
    fn enter() -> Self {
        INSIDE.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // Not below zero, in case a fork has forgotten this one.
        let less = |inside: usize| inside.checked_sub(1);
        let _ = INSIDE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }
}
