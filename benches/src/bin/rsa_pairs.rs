//! Pairs of keys and signatures on which the RSA kernel and AWS-LC must agree:
//! `cargo run --release -p mcp-bearer-bench --bin rsa_pairs -- 1000000 [SEED]`.
//!
//! AWS-LC makes the signatures, which are then changed as a forger or a fault would; some stay as
//! they are. One thread per core. Without IFMA the emulation runs, over a hundredth of the pairs;
//! the last line says which ran. Exits with 1 if a verdict differs or the kernel does not decide.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test on a large scale"
)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use aws_lc_rs::digest::{self, Digest, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    self, KeyPair as _, ParsedPublicKey, RsaEncoding, VerificationAlgorithm,
};
use fastrand::Rng;
use mcp_bearer_bench::rsa_modulus;
use mcp_bearer_rsa::{Engine, Padding, PublicKey, Verdict};

type Scheme = (
    Padding,
    &'static digest::Algorithm,
    &'static dyn RsaEncoding,
    &'static dyn VerificationAlgorithm,
);

#[rustfmt::skip]
const SCHEMES: [Scheme; 6] = [
    (Padding::Pkcs1v15, &digest::SHA256, &signature::RSA_PKCS1_SHA256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (Padding::Pkcs1v15, &digest::SHA384, &signature::RSA_PKCS1_SHA384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (Padding::Pkcs1v15, &digest::SHA512, &signature::RSA_PKCS1_SHA512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (Padding::Pss, &digest::SHA256, &signature::RSA_PSS_SHA256, &signature::RSA_PSS_2048_8192_SHA256),
    (Padding::Pss, &digest::SHA384, &signature::RSA_PSS_SHA384, &signature::RSA_PSS_2048_8192_SHA384),
    (Padding::Pss, &digest::SHA512, &signature::RSA_PSS_SHA512, &signature::RSA_PSS_2048_8192_SHA512),
];

/// One in a thousand pairs has a signature of its own; the others reuse those that each key has.
const FRESH: u64 = 1_000;
const SIGNATURES: usize = 100;

struct Key {
    pair: KeyPair,
    modulus: Vec<u8>,
    theirs: Vec<ParsedPublicKey>,
    ours: PublicKey,
    signed: Vec<Signed>,
}

#[derive(Clone)]
struct Signed {
    scheme: usize,
    digest: Digest,
    signature: Vec<u8>,
}

impl Key {
    fn new(engine: Engine, number: usize, rng: &mut Rng) -> Self {
        let size = match number % 8 {
            6 => KeySize::Rsa3072,
            7 => KeySize::Rsa4096,
            _ => KeySize::Rsa2048,
        };
        let pair = KeyPair::generate(size).unwrap();
        let modulus = rsa_modulus(&pair);
        let parsed = |scheme: &Scheme| ParsedPublicKey::new(scheme.3, pair.public_key().as_ref());
        let theirs = SCHEMES
            .iter()
            .map(|scheme| parsed(scheme).unwrap())
            .collect();
        let ours = PublicKey::new(engine, &modulus, &[1, 0, 1]).unwrap();
        let mut key = Self {
            pair,
            modulus,
            theirs,
            ours,
            signed: Vec::new(),
        };
        key.signed = (0..SIGNATURES).map(|_| key.sign(rng)).collect();
        key
    }

    fn sign(&self, rng: &mut Rng) -> Signed {
        let scheme = rng.usize(..SCHEMES.len());
        let message = rng.u128(..).to_le_bytes();
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                SCHEMES[scheme].2,
                &SystemRandom::new(),
                &message,
                &mut signature,
            )
            .unwrap();
        Signed {
            scheme,
            digest: digest(SCHEMES[scheme].1, &message),
            signature,
        }
    }
}

/// How a signature is changed before both are asked.
fn change(case: &mut Signed, modulus: &[u8], other: &Signed, rng: &mut Rng) {
    let signature = &mut case.signature;
    let bytes = signature.len();
    match rng.u32(..16) {
        0 | 1 => {}
        2 | 3 => {
            let bit = rng.usize(..8 * bytes);
            signature[bit / 8] ^= 1 << (bit % 8);
        }
        4 => signature[rng.usize(..bytes)] = rng.u8(..),
        5 => rng.fill(signature),
        6 => {
            rng.fill(signature);
            signature[0] &= modulus[0] >> 1;
        }
        7 => *signature = other.signature.clone(),
        8 => case.digest = other.digest,
        9 => case.scheme = rng.usize(..SCHEMES.len()),
        // n - s, s + n, and numbers around both.
        10 => *signature = subtract(modulus, signature),
        11 => *signature = add(signature, modulus),
        12 => {
            let mut small = vec![0; bytes];
            small[bytes - 1] = rng.u8(..);
            *signature = if rng.bool() {
                subtract(modulus, &small)
            } else {
                add(modulus, &small)
            };
        }
        13 => {
            signature.fill(0);
            let bit = rng.usize(..8 * bytes);
            signature[bit / 8] = 1 << (bit % 8);
        }
        14 => {
            // Long stretches of equal bits.
            let (from, to) = (rng.usize(..bytes), rng.usize(..bytes));
            signature[from.min(to)..from.max(to)].fill(if rng.bool() { 0xff } else { 0 });
        }
        _ => match rng.u32(..4) {
            0 => drop(signature.pop()),
            1 => signature.push(rng.u8(..)),
            2 => signature.insert(0, 0),
            _ => signature.truncate(rng.usize(..bytes)),
        },
    }
}

/// `a + b`, without what exceeds the length.
fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut sum = a.to_vec();
    for (to, byte) in sum.iter_mut().rev().zip(b.iter().rev()) {
        carry += u16::from(*to) + u16::from(*byte);
        [*to, _] = carry.to_le_bytes();
        carry >>= 8;
    }
    sum
}

/// `a - b` for the larger `a`.
fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut difference = a.to_vec();
    for (to, byte) in difference.iter_mut().rev().zip(b.iter().rev()) {
        let (rest, below) = to.overflowing_sub(*byte);
        let (rest, again) = rest.overflowing_sub(borrow);
        *to = rest;
        borrow = u8::from(below || again);
    }
    difference
}

#[derive(Default)]
struct Tally {
    valid: AtomicU64,
    invalid: AtomicU64,
    differ: AtomicU64,
}

fn compare(keys: &[Key], pairs: u64, rng: &mut Rng, tally: &Tally) {
    for number in 0..pairs {
        let key = &keys[rng.usize(..keys.len())];
        let mut case = if number % FRESH == 0 {
            key.sign(rng)
        } else {
            key.signed[rng.usize(..SIGNATURES)].clone()
        };
        let other = &keys[rng.usize(..keys.len())].signed[rng.usize(..SIGNATURES)];
        change(&mut case, &key.modulus, other, rng);
        let (padding, hash, ..) = SCHEMES[case.scheme];
        if *case.digest.algorithm() != *hash {
            // The library accepts no digest of another hash.
            case.digest = digest(hash, case.digest.as_ref());
        }
        let theirs = key.theirs[case.scheme].verify_digest_sig(&case.digest, &case.signature);
        let ours = key.ours.verify(padding, &case.digest, &case.signature);
        let count = match (ours, theirs) {
            (Verdict::Valid, Ok(())) => &tally.valid,
            (Verdict::Invalid, Err(_)) => &tally.invalid,
            _ => {
                println!(
                    "DIFFER: kernel {ours:?}, AWS-LC {theirs:?}, scheme {}, n {:02x?}, digest {:?}, signature {:02x?}",
                    case.scheme, key.modulus, case.digest, case.signature
                );
                &tally.differ
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let wanted: u64 = arguments
        .next()
        .map_or(1_000_000, |text| text.parse().unwrap());
    let seed: u64 = arguments
        .next()
        .map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    let (engine, pairs) = match Engine::detect() {
        Some(engine) => (engine, wanted),
        None => (Engine::Emulated, wanted.div_ceil(100)),
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    // 100 keys with 100 signatures each for 10,000,000 pairs or more.
    let per_thread = usize::try_from(pairs / 100_000)
        .unwrap()
        .clamp(16, 100)
        .div_ceil(threads);
    let start = Instant::now();
    let tally = Tally::default();
    thread::scope(|scope| {
        for thread in 0..threads {
            let tally = &tally;
            scope.spawn(move || {
                let mut rng = Rng::with_seed(seed.wrapping_add(u64::try_from(thread).unwrap()));
                let keys: Vec<Key> = (0..per_thread)
                    .map(|number| Key::new(engine, number, &mut rng))
                    .collect();
                let share = pairs.div_ceil(u64::try_from(threads).unwrap());
                compare(&keys, share, &mut rng, tally);
            });
        }
    });
    let (valid, invalid, differ) = (
        tally.valid.into_inner(),
        tally.invalid.into_inner(),
        tally.differ.into_inner(),
    );
    println!(
        "{engine:?}, seed {seed}, {} keys, {:.0} s: {valid} valid and {invalid} invalid for both, {differ} differ",
        per_thread * threads,
        start.elapsed().as_secs_f64(),
    );
    let nothing_tried = valid == 0 || invalid == 0;
    if differ > 0 || nothing_tried || mcp_bearer_rsa::has_failed() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
