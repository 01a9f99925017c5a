//! The page that the kernel wipes in children: all unsafe code of the crate.
#![expect(
    unsafe_code,
    reason = "a page of memory is asked of the system and shared by all threads"
)]

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// The word on the page. Null: no thread has asked for a page yet. [`NO_PAGE`]: there is none.
static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// Used instead of a word if the system has no such page.
static NO_PAGE: AtomicU64 = AtomicU64::new(0);

/// The next number, on an ordinary page: a child continues from where its parent was.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// An advice that no kernel knows.
const UNKNOWN_ADVICE: libc::c_int = -1;

/// The number of this process; `None` if the system cannot tell.
#[inline]
pub(crate) fn generation() -> Option<u64> {
    let word = word()?;
    match word.load(Ordering::Relaxed) {
        0 => Some(new_generation(word)),
        number => Some(number),
    }
}

#[inline]
fn word() -> Option<&'static AtomicU64> {
    let word = WORD.load(Ordering::Acquire);
    let word = if word.is_null() {
        first_word()
    } else {
        word.cast_const()
    };
    if ptr::eq(word, &raw const NO_PAGE) {
        return None;
    }
    // SAFETY: `WORD` holds null, `NO_PAGE`, or the start of a page that `wiped_page` made, which is
    // aligned, filled with zeros, and never unmapped once it is here. It is only read and written
    // as an `AtomicU64`.
    unsafe { word.as_ref() }
}

/// This process is new. If several threads find that at once, one number is kept.
#[cold]
fn new_generation(word: &AtomicU64) -> u64 {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let kept = word.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
    kept.map_or_else(|other| other, |_| number)
}

/// Requests the page. If several threads do so at once, one page is kept; there is no lock, because
/// a child could find it locked.
#[cold]
fn first_word() -> *const AtomicU64 {
    let page = wiped_page();
    let own = page.unwrap_or((&raw const NO_PAGE).cast_mut());
    match WORD.compare_exchange(ptr::null_mut(), own, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => own,
        Err(other) => {
            if let Some(page) = page {
                // SAFETY: the page is ours and nobody else has seen it.
                unsafe { libc::munmap(page.cast(), page_size()) };
            }
            other
        }
    }
}

/// A page of zeros that the kernel wipes in children; `None` if the kernel cannot do that.
fn wiped_page() -> Option<*mut AtomicU64> {
    let size = page_size();
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, at a place that the kernel chooses.
    let page = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: advice about our own page. The unknown one should be refused: a kernel that accepts
    // it accepts anything.
    let is_wiped = unsafe {
        libc::madvise(page, size, UNKNOWN_ADVICE) != 0
            && libc::madvise(page, size, libc::MADV_WIPEONFORK) == 0
    };
    if is_wiped {
        return Some(page.cast());
    }
    // SAFETY: the page is ours and nobody else has seen it.
    unsafe { libc::munmap(page, size) };
    None
}

fn page_size() -> usize {
    // SAFETY: takes and returns a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
