//! A `fork` at the worst moment: while the crypto library holds a lock for writing.
//!
//! It does so for microseconds when an RSA key is first used, and a random fork hits that once in
//! hundreds. So this program replaces the function that takes such a lock, and forks there.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;

use mcp_bearer::{Algorithm, BearerAuthProvider};
use mcp_bearer_testkit::{Forge, SigningKey};

use crate::child::in_a_child;

type TakeLock = unsafe extern "C" fn(*mut c_void) -> c_int;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

thread_local! {
    /// The check to run in a child when this thread has taken a lock.
    static IN_A_CHILD: Cell<Option<fn() -> bool>> = const { Cell::new(None) };
    static CHILDREN: Cell<u32> = const { Cell::new(0) };
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
            let take = TAKE.get_or_init(|| {
                let next = std::ptr::without_provenance_mut(usize::MAX); // RTLD_NEXT
                // SAFETY: the name ends with a zero, and the function of that name has this type.
                unsafe {
                    let found = dlsym(next, $symbol.as_ptr());
                    assert!(!found.is_null());
                    std::mem::transmute::<*mut c_void, TakeLock>(found)
                }
            });
            // SAFETY: the caller's lock.
            let taken = unsafe { take(lock) };
            if let Some(check) = IN_A_CHILD.take() {
                CHILDREN.set(CHILDREN.get() + 1);
                in_a_child(check);
                IN_A_CHILD.set(Some(check));
            }
            taken
        }
    };
}

take_lock!(pthread_rwlock_wrlock, c"pthread_rwlock_wrlock");
take_lock!(pthread_rwlock_rdlock, c"pthread_rwlock_rdlock");

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
        .without_rsa_kernel() // which takes no lock
        .build()
        .unwrap();
    // The library also takes a lock once, for what it keeps of this thread.
    let first = provider.try_verify_token(&token("RS256")).into_result();
    assert!(first.is_ok());
    // Not the algorithm that the key was tried with when it was read.
    ASKED.set((provider, token("PS256"))).unwrap();
    IN_A_CHILD.set(Some(is_accepted));
    assert!(is_accepted());
    IN_A_CHILD.set(None);
    assert!(
        CHILDREN.get() > 0,
        "the library took no lock: look where it prepares a key now"
    );
}

static ASKED_OF_KERNEL: OnceLock<(BearerAuthProvider, String)> = OnceLock::new();

fn is_accepted_by_kernel() -> bool {
    let (provider, token) = ASKED_OF_KERNEL.wait();
    provider.try_verify_token(token).into_result().is_ok()
}

/// The kernel draws random numbers for each key. A generator with a lock would make a child wait
/// for a thread that it does not have.
pub(crate) fn a_fork_while_the_kernel_makes_a_key() {
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
    IN_A_CHILD.set(Some(is_accepted_by_kernel));
    assert!(is_accepted_by_kernel());
    IN_A_CHILD.set(None);
}
