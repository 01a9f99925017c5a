//! Identifies the current process without a system call.
//!
//! A child of `fork` inherits its parent's memory, but not its threads: a lock held by one of those
//! is held forever, and a random generator would give the child what it gives the parent. So
//! anything that must not be inherited remembers the [`Process`] that made it, and each use
//! compares.
//!
//! ```
//! use mcp_bearer_fork::Process;
//!
//! struct Cache { made_by: Process }
//!
//! let cache = Cache { made_by: Process::current() };
//! // In a child of fork this is false:
//! assert!(cache.made_by == Process::current());
//! ```
//!
//! # How it works
//! On Linux since 4.14, one page of memory is marked with `MADV_WIPEONFORK`: the kernel gives every
//! child a page of zeros in its place. A zero word on it means "not seen yet", and is replaced by
//! the next number of an ordinary counter. The child has inherited that counter, so its number
//! differs from all that its parents drew. A check is two loads, a third of a nanosecond; `getpid`
//! costs about a hundred nanoseconds.
//!
//! The kernel wipes the page in every call that copies the address space. So this also holds for
//! children of glibc's `_Fork` and of a raw `clone`, for which a handler of `pthread_atfork` does
//! not run. A child that *shares* its parent's memory (`vfork`, `clone` with `CLONE_VM`) counts as
//! the same process: nothing is copied.
//!
//! Some systems that imitate Linux accept any advice and ignore it. So the page is used only if the
//! kernel refuses an advice that does not exist.
//!
//! # Without such a page
//! Linux before 4.14, and other systems: a process is its [`std::process::id`] and the number of
//! forks that led to it, which a handler of `pthread_atfork` counts. The id alone is not enough:
//! the first process of a PID namespace has id 1, also if its parent has, and ids are used again.
//! There, a child with the id of the process to compare with (its parent, or one before that) is
//! taken for that process in these cases, because the handler has not run:
//! - if it, and each process between the two, was made by `_Fork` or a raw `clone`;
//! - in the handlers of `pthread_atfork` that were registered before ours;
//! - if the system had no memory to register the handler.
//!
//! Systems that are not Unix have no `fork`: there, the id is used.
//!
//! No lock is taken, and the page is never freed: a child of `fork` could wait for the lock, and
//! read the freed page.
#![deny(unsafe_code)]
#![deny(missing_docs)]

#[cfg(unix)]
mod at_fork;
#[cfg(target_os = "linux")]
mod page;

/// A process. Two values are equal if the same process asked for both.
///
/// A value can be compared by the process that asked for it and by its children, for which it is
/// another process. Values of siblings, which never meet in one memory, may be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    #[cfg(target_os = "linux")]
    Generation(u64),
    #[cfg(unix)]
    Id(at_fork::IdAndForks),
    #[cfg(not(unix))]
    Id(u32),
}

impl Process {
    /// The calling process.
    #[must_use]
    #[inline]
    pub fn current() -> Self {
        #[cfg(target_os = "linux")]
        if let Some(generation) = page::generation() {
            return Self(Kind::Generation(generation));
        }
        #[cfg(unix)]
        return Self(Kind::Id(at_fork::IdAndForks::current()));
        #[cfg(not(unix))]
        Self(Kind::Id(std::process::id()))
    }

    /// Whether it was found without a system call.
    #[must_use]
    pub fn is_without_system_call(self) -> bool {
        !matches!(self.0, Kind::Id(_))
    }
}
