//! Releases the interpreter while a signature is checked, and takes it back afterwards.
//!
//! A thread that asks for the interpreter while another one holds it is put to sleep, and waking it
//! takes several times as long as the other needs the interpreter: of two threads that only verify,
//! each would sleep half of its time. So a thread first waits awake for one that just left here and
//! will soon be back: at most [`AWAKE`], and not if another thread already waits, which it would
//! overtake. What it assumes about the interpreter affects only timing.

use std::hint;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use pyo3::prelude::*;

/// The time to be put to sleep and woken, so that a wait in vain at most doubles it. `verify_token`
/// needs the interpreter for a tenth of it; a thread that has held it longer is doing something
/// else. Nanoseconds.
const AWAKE: u64 = 100_000;

/// When a thread last took the interpreter back, in nanoseconds since [`START`]; 0 if it was
/// released after that.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// How many threads want the interpreter back, awake or asleep. Too high in a child of `fork`,
/// which then waits asleep.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Set when the module is loaded: later, a `fork` could find it half set.
pub(crate) static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Runs `work` without the interpreter.
pub(crate) fn without_interpreter<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    let result = py.detach(|| {
        TAKEN.store(0, Ordering::Relaxed);
        let result = work();
        if WAITING.fetch_add(1, Ordering::Relaxed) == 0 {
            wait_awake();
        }
        result
    });
    WAITING.fetch_sub(1, Ordering::Relaxed);
    TAKEN.store(now(), Ordering::Relaxed);
    result
}

/// Waits until no thread that left here is busy with the interpreter, or has been for too long.
fn wait_awake() {
    // The usual case, without a question to the clock.
    if TAKEN.load(Ordering::Relaxed) == 0 {
        return;
    }
    let begun = now();
    loop {
        let (taken, now) = (TAKEN.load(Ordering::Relaxed), now());
        if taken == 0 || now.saturating_sub(taken.min(begun)) > AWAKE {
            return;
        }
        hint::spin_loop();
    }
}

fn now() -> u64 {
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
