//! The end of the interpreter, for threads that Python does not know of.
//!
//! CPython ends a thread that wants the interpreter back while it is torn down, by unwinding its
//! stack, and where Rust stands on that stack the process aborts. So none may be inside by then:
//! `atexit` calls [`interpreter_ends`] before, which lets none in any more and waits for those who
//! are. It must never wait longer than [`PATIENCE`], and never hold the interpreter or a lock
//! meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// Inside is only who hands a question over, which takes microseconds.
const PATIENCE: Duration = Duration::from_secs(1);

static ENDING: AtomicBool = AtomicBool::new(false);
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// Does `work` with the interpreter; nothing when that ends or has ended.
pub(crate) fn attached<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    let _inside = Inside::enter();
    // Entered before this look, and the other side looks who is inside after it has said so: one of
    // both sees the other.
    if ENDING.load(Ordering::SeqCst) {
        return None;
    }
    Python::try_attach(work)
}

/// Lets no thread of ours in any more, and waits until none is inside.
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

/// For a child of `fork`, where the threads that were inside do not exist.
#[pyfunction]
pub(crate) fn nobody_inside() {
    INSIDE.store(0, Ordering::SeqCst);
}

/// A thread is, or is about to be, where only the interpreter lets it out.
struct Inside;

impl Inside {
    fn enter() -> Self {
        INSIDE.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // Not below nothing, should a fork have forgotten this one.
        let less = |inside: usize| inside.checked_sub(1);
        let _ = INSIDE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }
}
