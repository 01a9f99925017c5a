//! The RSA kernel, AWS-LC, ring and graviola, for each size and hash:
//! `cargo run --release --locked --manifest-path benches/peers/Cargo.toml --bin rsa_backends`
//!
//! Parsed keys (ring parses with each check), one good signature over 440 bytes, hash included; CPU
//! time of one thread, medians of interleaved batches. Each ratio is to AWS-LC's check of the row.
//! `-- --raw FILE` also writes the time of every batch, as CSV.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use ::ring::signature::{self as ring, UnparsedPublicKey};
use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    self as aws, KeyPair as _, ParsedPublicKey, RsaEncoding, VerificationAlgorithm,
};
use graviola::Error;
use graviola::signing::rsa::VerifyingKey;
use mcp_bearer_bench::{Contender, interleaved, raw_file, rsa_modulus};
use mcp_bearer_rsa::{Engine, Padding, PublicKey, Verdict};

const MESSAGE: [u8; 440] = [b'm'; 440];

struct Scheme {
    name: &'static str,
    padding: Padding,
    hash: &'static digest::Algorithm,
    encoding: &'static dyn RsaEncoding,
    aws: &'static dyn VerificationAlgorithm,
    ring: &'static dyn ring::VerificationAlgorithm,
    graviola: fn(&VerifyingKey, &[u8], &[u8]) -> Result<(), Error>,
}

#[rustfmt::skip]
static SCHEMES: [Scheme; 6] = [
    Scheme { name: "RS256", padding: Padding::Pkcs1v15, hash: &digest::SHA256, encoding: &aws::RSA_PKCS1_SHA256, aws: &aws::RSA_PKCS1_2048_8192_SHA256, ring: &ring::RSA_PKCS1_2048_8192_SHA256, graviola: VerifyingKey::verify_pkcs1_sha256 },
    Scheme { name: "RS384", padding: Padding::Pkcs1v15, hash: &digest::SHA384, encoding: &aws::RSA_PKCS1_SHA384, aws: &aws::RSA_PKCS1_2048_8192_SHA384, ring: &ring::RSA_PKCS1_2048_8192_SHA384, graviola: VerifyingKey::verify_pkcs1_sha384 },
    Scheme { name: "RS512", padding: Padding::Pkcs1v15, hash: &digest::SHA512, encoding: &aws::RSA_PKCS1_SHA512, aws: &aws::RSA_PKCS1_2048_8192_SHA512, ring: &ring::RSA_PKCS1_2048_8192_SHA512, graviola: VerifyingKey::verify_pkcs1_sha512 },
    Scheme { name: "PS256", padding: Padding::Pss, hash: &digest::SHA256, encoding: &aws::RSA_PSS_SHA256, aws: &aws::RSA_PSS_2048_8192_SHA256, ring: &ring::RSA_PSS_2048_8192_SHA256, graviola: VerifyingKey::verify_pss_sha256 },
    Scheme { name: "PS384", padding: Padding::Pss, hash: &digest::SHA384, encoding: &aws::RSA_PSS_SHA384, aws: &aws::RSA_PSS_2048_8192_SHA384, ring: &ring::RSA_PSS_2048_8192_SHA384, graviola: VerifyingKey::verify_pss_sha384 },
    Scheme { name: "PS512", padding: Padding::Pss, hash: &digest::SHA512, encoding: &aws::RSA_PSS_SHA512, aws: &aws::RSA_PSS_2048_8192_SHA512, ring: &ring::RSA_PSS_2048_8192_SHA512, graviola: VerifyingKey::verify_pss_sha512 },
];

fn main() {
    let mut raw = String::new();
    for (bits, size) in [
        (2048, KeySize::Rsa2048),
        (3072, KeySize::Rsa3072),
        (4096, KeySize::Rsa4096),
    ] {
        let pair = KeyPair::generate(size).unwrap();
        for scheme in &SCHEMES {
            raw.push_str(&compare(bits, &pair, scheme));
        }
    }
    if let Some(file) = raw_file() {
        std::fs::write(file, raw).unwrap();
    }
}

/// Prints one row, and returns the time of every batch.
fn compare(bits: u32, pair: &KeyPair, scheme: &Scheme) -> String {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        scheme.encoding,
        &SystemRandom::new(),
        &MESSAGE,
        &mut signature,
    )
    .unwrap();
    let public = pair.public_key().as_ref();
    let aws: ParsedPublicKey = ParsedPublicKey::new(scheme.aws, public).unwrap();
    let ring = UnparsedPublicKey::new(scheme.ring, public);
    let graviola = VerifyingKey::from_pkcs1_der(public).unwrap();
    let kernel = Engine::detect().map(|engine| {
        let n = rsa_modulus(pair);
        PublicKey::new(engine, &n, &[1, 0, 1]).unwrap()
    });
    let name = |what: &str| format!("{} {bits}: {what}", scheme.name);
    let names = ["aws-lc", "ring", "graviola", "kernel"].map(name);
    let mut contenders = vec![
        Contender::new(&names[0], || aws.verify_sig(&MESSAGE, &signature).unwrap()),
        Contender::new(&names[1], || ring.verify(&MESSAGE, &signature).unwrap()),
        Contender::new(&names[2], || {
            (scheme.graviola)(&graviola, &signature, &MESSAGE).unwrap();
        }),
    ];
    if let Some(kernel) = &kernel {
        contenders.push(Contender::new(&names[3], || {
            let digest = digest(scheme.hash, &MESSAGE);
            assert_eq!(
                kernel.verify(scheme.padding, &digest, &signature),
                Verdict::Valid
            );
        }));
    }
    let report = interleaved(&mut contenders, 201);
    print!("{report}");
    report.to_csv("Nanoseconds of CPU time for one check, per batch; one round per line.")
}
