//! A `fork` at the worst moments of an RSA key's first use: while AWS-LC holds a lock for writing,
//! and while the kernel draws random numbers.
//!
//! These last for microseconds, and a random fork hits one of them once in hundreds. So this
//! program replaces the functions that take such a lock and that draw, and forks there.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

use mcp_bearer::{Algorithm, BearerAuthProvider};
use mcp_bearer_testkit::{Forge, SigningKey};

use crate::child::in_a_child;

type TakeLock = unsafe extern "C" fn(*mut c_void) -> c_int;
type Draw = unsafe extern "C" fn(*mut c_void, usize, c_uint) -> isize;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

type Check = fn() -> bool;

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Lock,
    Random,
}

thread_local! {
    /// Where this thread forks, and the check to run in the child.
    static FORK: Cell<Option<(Place, Check)>> = const { Cell::new(None) };
    static LOCKS: Cell<u32> = const { Cell::new(0) };
    static CHILDREN: Cell<u32> = const { Cell::new(0) };
}

/// Called by this thread at a place.
fn reach(place: Place) {
    // Not while another child is made.
    let Some((at, check)) = FORK.take() else {
        return;
    };
    if place == Place::Lock {
        LOCKS.set(LOCKS.get() + 1);
    }
    if place == at {
        CHILDREN.set(CHILDREN.get() + 1);
        in_a_child(check);
    }
    FORK.set(Some((at, check)));
}

/// Runs the check here, and in a child wherever this thread reaches `place` in it. Returns how many
/// children that made, and how many locks this thread took.
fn with_children_at(place: Place, check: Check) -> (u32, u32) {
    CHILDREN.set(0);
    LOCKS.set(0);
    FORK.set(Some((place, check)));
    assert!(check());
    FORK.set(None);
    (CHILDREN.get(), LOCKS.get())
}

/// The C library's function of that name.
fn replaced(name: &CStr) -> *mut c_void {
    let next = std::ptr::without_provenance_mut(usize::MAX); // RTLD_NEXT
    // SAFETY: the name ends with a zero.
    let found = unsafe { dlsym(next, name.as_ptr()) };
    assert!(!found.is_null());
    found
}

/// Called by the crypto library in place of the C library's: a child that wants to write waits for
/// readers, too.
macro_rules! take_lock {
    ($name:ident, $symbol:literal) => {
        // SAFETY: takes the lock as the C library's does, and nothing else that its callers could
        // see.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(lock: *mut c_void) -> c_int {
            static TAKE: OnceLock<TakeLock> = OnceLock::new();
            // SAFETY: the function of that name has this type.
            let take = TAKE.get_or_init(|| unsafe {
                std::mem::transmute::<*mut c_void, TakeLock>(replaced($symbol))
            });
            // SAFETY: the caller's lock.
            let taken = unsafe { take(lock) };
            reach(Place::Lock);
            taken
        }
    };
}

take_lock!(pthread_rwlock_wrlock, c"pthread_rwlock_wrlock");
take_lock!(pthread_rwlock_rdlock, c"pthread_rwlock_rdlock");

/// Called by the crate `getrandom`, which looks it up by its name.
// SAFETY: draws as the C library's does, and nothing else that its callers could see.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
    static DRAW: OnceLock<Draw> = OnceLock::new();
    // SAFETY: the function of that name has this type.
    let draw = DRAW.get_or_init(|| unsafe {
        std::mem::transmute::<*mut c_void, Draw>(replaced(c"getrandom"))
    });
    reach(Place::Random);
    // SAFETY: the caller's buffer.
    unsafe { draw(buffer, length, flags) }
}

static ASKED: OnceLock<(BearerAuthProvider, String)> = OnceLock::new();

fn is_accepted() -> bool {
    let (provider, token) = ASKED.wait();
    provider.try_verify_token(token).into_result().is_ok()
}

pub(crate) fn a_fork_while_the_library_holds_a_keys_lock() {
    let key = SigningKey::shared_rsa_2048();
    let now = mcp_bearer::Clock::system().now().as_secs();
    let token = |alg| Forge::new(&key, now).alg(alg).token();
    let provider = BearerAuthProvider::builder()
        .public_key(key.public_pem())
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .algorithms([Algorithm::Rs256, Algorithm::Ps256])
        .without_rsa_kernel()
        .build()
        .unwrap();
    // The library also takes a lock once, for what it keeps of this thread.
    let first = provider.try_verify_token(&token("RS256")).into_result();
    assert!(first.is_ok());
    // Not the algorithm that the key was tried with when it was read.
    ASKED.set((provider, token("PS256"))).unwrap();
    let (children, _) = with_children_at(Place::Lock, is_accepted);
    assert!(
        children > 0,
        "the library took no lock: look where it prepares a key now"
    );
}

static ASKED_OF_KERNEL: OnceLock<(BearerAuthProvider, String)> = OnceLock::new();

fn is_accepted_by_kernel() -> bool {
    let (provider, token) = ASKED_OF_KERNEL.wait();
    provider.try_verify_token(token).into_result().is_ok()
}

/// The kernel draws random numbers for each key. If it held a lock then, the child would wait for
/// it forever. Without the kernel AWS-LC verifies, which has the test before this one.
pub(crate) fn a_fork_while_the_kernel_draws_random_numbers() {
    let key = SigningKey::shared_rsa_2048();
    let now = mcp_bearer::Clock::system().now().as_secs();
    let provider = BearerAuthProvider::builder()
        .public_key(key.public_pem())
        .issuer(Forge::ISSUER)
        .audience(Forge::AUDIENCE)
        .build()
        .unwrap();
    let token = Forge::new(&key, now).token();
    ASKED_OF_KERNEL.set((provider, token)).unwrap();
    let (children, locks) = with_children_at(Place::Random, is_accepted_by_kernel);
    if has_kernel() {
        assert!(
            children > 0,
            "the kernel drew nothing: look where it draws now"
        );
        assert_eq!(locks, 0, "the kernel's path takes a lock");
    }
}

#[cfg(feature = "rsa-kernel")]
fn has_kernel() -> bool {
    mcp_bearer_rsa::Engine::detect().is_some()
}

#[cfg(not(feature = "rsa-kernel"))]
const fn has_kernel() -> bool {
    false
}
