//! The RSA kernel against AWS-LC:
//! `cargo run --profile bench -p mcp-bearer-bench --bin rsa_kernel [NAME]`, such as `RS256` or
//! `RS256 2048`; without a name all of them.
//!
//! CPU time of one thread, medians of interleaved batches, over a message of 440 bytes, including
//! the hash on both sides. Each ratio is to AWS-LC's check of a good signature in the same run. A
//! key's set-up is listed separately from its self-test.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    reason = "a benchmark"
)]

use std::process::ExitCode;

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    self, KeyPair as _, ParsedPublicKey, RsaEncoding, VerificationAlgorithm,
};
use mcp_bearer_bench::{Contender, interleaved, rsa_modulus};
use mcp_bearer_rsa::{Engine, Padding, PublicKey, Verdict};

const ROUNDS: usize = 201;
const E: [u8; 3] = [1, 0, 1];
const MESSAGE: [u8; 440] = [b'm'; 440];

struct Subject {
    name: &'static str,
    padding: Padding,
    hash: &'static digest::Algorithm,
    encoding: &'static dyn RsaEncoding,
    algorithm: &'static dyn VerificationAlgorithm,
}

#[rustfmt::skip]
const SUBJECTS: [Subject; 6] = [
    Subject { name: "RS256", padding: Padding::Pkcs1v15, hash: &digest::SHA256, encoding: &signature::RSA_PKCS1_SHA256, algorithm: &signature::RSA_PKCS1_2048_8192_SHA256 },
    Subject { name: "RS384", padding: Padding::Pkcs1v15, hash: &digest::SHA384, encoding: &signature::RSA_PKCS1_SHA384, algorithm: &signature::RSA_PKCS1_2048_8192_SHA384 },
    Subject { name: "RS512", padding: Padding::Pkcs1v15, hash: &digest::SHA512, encoding: &signature::RSA_PKCS1_SHA512, algorithm: &signature::RSA_PKCS1_2048_8192_SHA512 },
    Subject { name: "PS256", padding: Padding::Pss, hash: &digest::SHA256, encoding: &signature::RSA_PSS_SHA256, algorithm: &signature::RSA_PSS_2048_8192_SHA256 },
    Subject { name: "PS384", padding: Padding::Pss, hash: &digest::SHA384, encoding: &signature::RSA_PSS_SHA384, algorithm: &signature::RSA_PSS_2048_8192_SHA384 },
    Subject { name: "PS512", padding: Padding::Pss, hash: &digest::SHA512, encoding: &signature::RSA_PSS_SHA512, algorithm: &signature::RSA_PSS_2048_8192_SHA512 },
];

fn main() -> ExitCode {
    let Some(engine) = Engine::detect() else {
        println!("no AVX-512 with IFMA on this processor: nothing to measure");
        return ExitCode::SUCCESS;
    };
    println!("engine: {engine:?}, rounds: {ROUNDS}");
    for (bits, size) in [
        (2048, KeySize::Rsa2048),
        (3072, KeySize::Rsa3072),
        (4096, KeySize::Rsa4096),
    ] {
        let pair = KeyPair::generate(size).unwrap();
        let n = rsa_modulus(&pair);
        let wanted = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
        let is_wanted =
            |subject: &&Subject| format!("{} {bits}", subject.name).starts_with(&wanted);
        for subject in SUBJECTS.iter().filter(is_wanted) {
            one(engine, bits, &pair, &n, subject);
        }
        set_up(engine, bits, &n);
    }
    if mcp_bearer_rsa::has_failed() {
        println!("FAILED: a certificate did not hold");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn one(engine: Engine, bits: usize, pair: &KeyPair, n: &[u8], subject: &Subject) {
    let mut good = vec![0; pair.public_modulus_len()];
    pair.sign(subject.encoding, &SystemRandom::new(), &MESSAGE, &mut good)
        .unwrap();
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let theirs: ParsedPublicKey =
        ParsedPublicKey::new(subject.algorithm, pair.public_key().as_ref()).unwrap();
    let ours = PublicKey::new(engine, n, &E).unwrap();
    let check =
        |signature: &[u8]| ours.verify(subject.padding, &digest(subject.hash, &MESSAGE), signature);
    assert_eq!(check(&good), Verdict::Valid);
    assert_eq!(check(&forged), Verdict::Invalid);
    let name = |what: &str| format!("{} {bits}: {what}", subject.name);
    let names = [
        "AWS-LC, good",
        "kernel, good",
        "AWS-LC, forged",
        "kernel, forged",
        "the hash alone",
    ]
    .map(name);
    let report = interleaved(
        &mut [
            Contender::new(&names[0], || theirs.verify_sig(&MESSAGE, &good)),
            Contender::new(&names[1], || check(&good)),
            Contender::new(&names[2], || theirs.verify_sig(&MESSAGE, &forged)),
            Contender::new(&names[3], || check(&forged)),
            Contender::new(&names[4], || digest(subject.hash, &MESSAGE)),
        ],
        ROUNDS,
    );
    print!("{report}");
}

fn set_up(engine: Engine, bits: usize, n: &[u8]) {
    let key = PublicKey::new(engine, n, &E).unwrap();
    let names = ["whole set-up", "self-test in it"].map(|what| format!("{bits}: {what}"));
    let report = interleaved(
        &mut [
            Contender::new(&names[0], || PublicKey::new(engine, n, &E)),
            Contender::new(&names[1], || key.self_test()),
        ],
        ROUNDS / 4,
    );
    print!("{report}");
    let beside = report.nanos(&names[0]) - report.nanos(&names[1]);
    println!(
        "{:<44} {beside:>12.1}",
        format!("{bits}: set-up beside the self-test")
    );
}
