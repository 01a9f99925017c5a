//! A child made by `fork`: what is checked there, and whether it ended.

use std::time::{Duration, Instant};

unsafe extern "C" {
    fn fork() -> i32;
    fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
    fn kill(process: i32, signal: i32) -> i32;
    fn _exit(status: i32) -> !;
}

const WNOHANG: i32 = 1;
const SIGKILL: i32 = 9;

/// Runs `check` in a child, which must end successfully within 20 s.
pub(crate) fn in_a_child(check: impl FnOnce() -> bool) {
    // SAFETY: the child calls only what the crate promises to work there, and leaves without
    // unwinding.
    let child = unsafe { fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
        // SAFETY: ends the child.
        unsafe { _exit(i32::from(!matches!(good, Ok(true)))) }
    }
    let start = Instant::now();
    let mut status = 0;
    // SAFETY: `child` is our child, `status` is ours to write.
    while unsafe { waitpid(child, &raw mut status, WNOHANG) } == 0 {
        if start.elapsed() > Duration::from_secs(20) {
            // SAFETY: `child` is our child and has not been waited for.
            unsafe { kill(child, SIGKILL) };
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(status, 0, "the child failed");
}
