//! Without a page that the kernel wipes: the process id, and how many forks led to this process.
#![expect(
    unsafe_code,
    reason = "a handler that runs in each child of `fork` is registered with the system"
)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The forks since a handler is registered. A child continues from where its parent was.
static FORKS: AtomicUsize = AtomicUsize::new(0);

static IS_REGISTERED: AtomicBool = AtomicBool::new(false);

/// The id alone can be the parent's: the first process of a PID namespace has id 1, as its parent
/// may have, and the kernel uses ids again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct IdAndForks {
    id: u32,
    forks: usize,
}

impl IdAndForks {
    pub(crate) fn current() -> Self {
        Self::with_id(std::process::id())
    }

    fn with_id(id: u32) -> Self {
        count_forks();
        let forks = FORKS.load(Ordering::Relaxed);
        Self { id, forks }
    }
}

/// Registers the handler before the first answer, so that no child of a process that has one is
/// missed. If several threads do so at once, or one while the process forks, a fork counts more
/// than once, which changes no comparison. A lock would avoid that, but a child could find it
/// locked.
fn count_forks() {
    if IS_REGISTERED.load(Ordering::Acquire) {
        return;
    }
    // SAFETY: the handler may run in a child of a process with threads: it changes one atomic.
    let error = unsafe { libc::pthread_atfork(None, None, Some(count_one)) };
    // Without memory for the handler, only the id counts until a later call has registered it.
    if error == 0 {
        IS_REGISTERED.store(true, Ordering::Release);
    }
}

extern "C" fn count_one() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::IdAndForks;

    /// Whether the check, which only reads memory and forks, holds in a child of `fork`.
    fn in_a_child(check: &dyn Fn() -> bool) -> bool {
        // SAFETY: the child does nothing that needs a lock or the allocator, and leaves without
        // unwinding.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!check())) }
        }
        let mut status = 0;
        // SAFETY: `child` is our child, `status` is ours to write.
        let waited_for = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert!(child > 0 && waited_for == child);
        status == 0
    }

    /// The first processes of nested PID namespaces, or an id that is used again.
    #[test]
    fn a_child_with_its_parents_id_is_another_process() {
        let own = IdAndForks::with_id(1);
        assert!(own == IdAndForks::with_id(1));
        assert!(in_a_child(&|| {
            let child = IdAndForks::with_id(1);
            child != own && child == IdAndForks::with_id(1)
        }));
        assert!(own == IdAndForks::with_id(1));
    }

    #[test]
    fn a_grandchild_with_the_id_of_either_is_another_process() {
        let own = IdAndForks::with_id(1);
        assert!(in_a_child(&|| {
            let child = IdAndForks::with_id(1);
            in_a_child(&|| {
                let grandchild = IdAndForks::with_id(1);
                grandchild != own && grandchild != child
            })
        }));
        // The child between them never asks.
        assert!(in_a_child(
            &|| in_a_child(&|| IdAndForks::with_id(1) != own)
        ));
    }

    /// As children of `_Fork`, for which no handler runs, and whose id differs.
    #[test]
    fn another_id_is_another_process() {
        assert!(IdAndForks::with_id(1) != IdAndForks::with_id(2));
        assert!(IdAndForks::current() == IdAndForks::current());
        assert!(IdAndForks::current() == IdAndForks::with_id(std::process::id()));
    }

    #[test]
    fn threads_are_one_process() {
        let own = IdAndForks::current();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1000).for_each(|_| assert!(IdAndForks::current() == own)));
            }
        });
    }
}
