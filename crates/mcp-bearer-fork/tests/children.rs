//! Children of every kind are other processes, and threads are not.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "test code: a failure here should stop the test"
)]

#[cfg(not(target_os = "linux"))]
fn main() {
    assert!(mcp_bearer_fork::Process::current() == mcp_bearer_fork::Process::current());
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashSet;
    use std::thread;
    use std::time::{Duration, Instant};

    use mcp_bearer_fork::Process;

    type Fork = fn() -> libc::pid_t;

    fn fork() -> libc::pid_t {
        // SAFETY: the child asks for its process, makes children, and leaves without unwinding.
        unsafe { libc::fork() }
    }

    /// Like `fork`, but without the handlers of `pthread_atfork`.
    #[cfg(target_env = "gnu")]
    fn fork_without_handlers() -> libc::pid_t {
        // SAFETY: the name is a C string; the symbol, if there is one (glibc 2.34), is a function
        // of this type.
        let function = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_Fork".as_ptr()) };
        if function.is_null() {
            println!("no _Fork in this C library: fork instead");
            return fork();
        }
        // SAFETY: as above; for the child see `fork`.
        unsafe {
            let function: extern "C" fn() -> libc::pid_t = std::mem::transmute(function);
            function()
        }
    }

    /// The system call itself, which no library sees.
    fn raw_clone() -> libc::pid_t {
        let none: libc::c_long = 0;
        // SAFETY: without CLONE_VM the child has its own memory, as after `fork`.
        let child = unsafe {
            libc::syscall(
                libc::SYS_clone,
                libc::c_long::from(libc::SIGCHLD),
                none,
                none,
                none,
                none,
            )
        };
        libc::pid_t::try_from(child).unwrap()
    }

    /// Runs `check` in a child; it must end well within 20 s.
    fn in_a_child(fork: Fork, check: impl FnOnce() -> bool) {
        let child = fork();
        assert!(child >= 0, "no child");
        if child == 0 {
            let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!matches!(good, Ok(true)))) }
        }
        let start = Instant::now();
        let mut status = 0;
        // SAFETY: `child` is our child, `status` is ours to write.
        while unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == 0 {
            if start.elapsed() > Duration::from_secs(20) {
                // SAFETY: `child` is our child and has not been waited for.
                unsafe { libc::kill(child, libc::SIGKILL) };
            }
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(status, 0, "the child failed");
    }

    pub(super) fn main() {
        let ways: &[(&str, Fork)] = &[
            ("fork", fork),
            #[cfg(target_env = "gnu")]
            ("_Fork", fork_without_handlers),
            ("clone", raw_clone),
        ];
        // A child identifies itself even if its parent never asked.
        for (name, way) in ways {
            in_a_child(*way, || Process::current() == Process::current());
            println!("a child by {name} of a parent that never asked ... ok");
        }
        let own = Process::current();
        assert!(own == Process::current());
        println!("without a system call: {}", own.is_without_system_call());
        // Shows that a kernel that has the page is asked for it.
        assert!(own.is_without_system_call() || !kernel_wipes());
        for (name, way) in ways {
            a_child_is_another(*way);
            println!("a child by {name} ... ok");
            grandchildren_are_others(*way, 5);
            println!("grandchildren by {name} ... ok");
            children_while_threads_ask(*way);
            println!("children by {name} while threads ask ... ok");
        }
        threads_are_one_process();
        println!("threads ... ok");
    }

    /// The kernel's version: 4.14 and later wipe.
    fn kernel_wipes() -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split('.').map(|part| part.parse().unwrap_or(0));
        let version: (u32, u32) = (numbers.next().unwrap(), numbers.next().unwrap());
        version >= (4, 14)
    }

    fn a_child_is_another(way: Fork) {
        let own = Process::current();
        in_a_child(way, || {
            let child = Process::current();
            child != own && child == Process::current()
        });
        assert!(own == Process::current());
    }

    /// Each generation differs from all those before it.
    fn grandchildren_are_others(way: Fork, more: usize) {
        fn go_on(way: Fork, more: usize, before: &mut HashSet<Process>) -> bool {
            let is_new = before.insert(Process::current());
            if is_new && more > 0 {
                in_a_child(way, || go_on(way, more - 1, before));
            }
            is_new
        }
        let mut before = HashSet::new();
        assert!(go_on(way, more, &mut before));
        // A child that never asks leaves its number to its child.
        let own = Process::current();
        in_a_child(way, || {
            in_a_child(way, || Process::current() != own);
            Process::current() != own
        });
    }

    /// A fork while other threads are asking.
    fn children_while_threads_ask(way: Fork) {
        let own = Process::current();
        let end = Instant::now() + Duration::from_millis(300);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while Instant::now() < end {
                        assert!(Process::current() == own);
                    }
                });
            }
            while Instant::now() < end {
                // The child does nothing else: without the handlers of `fork` it may find the
                // allocator locked.
                in_a_child(way, || {
                    let child = Process::current();
                    child != own && child == Process::current()
                });
            }
        });
    }

    fn threads_are_one_process() {
        let own = Process::current();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..10_000).for_each(|_| assert!(Process::current() == own)));
            }
        });
    }
}
