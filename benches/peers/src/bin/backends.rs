//! Which library checks a signature fastest, per algorithm:
//! `cargo run --release --locked --manifest-path benches/peers/Cargo.toml --bin backends`
//!
//! Parsed keys, one good signature over 440 bytes, hash included; CPU time of one thread, medians
//! of interleaved batches. Each ratio is to the first row, AWS-LC's check of RS256.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use ::ring::signature::{self as ring, UnparsedPublicKey};
use aws_lc_rs::signature::{self as aws, ParsedPublicKey, VerificationAlgorithm};
use graviola::hashing::{Sha256, Sha384};
use graviola::signing::ecdsa::{P256, P384, VerifyingKey as EcKey};
use graviola::signing::eddsa::Ed25519VerifyingKey;
use graviola::signing::rsa::VerifyingKey as RsaKey;
use mcp_bearer_bench::{Contender, interleaved};
use mcp_bearer_testkit::SigningKey;

const MESSAGE: [u8; 440] = [b'm'; 440];

fn main() {
    let mut contenders = rsa();
    contenders.extend(p256());
    contenders.extend(p384());
    contenders.extend(ed25519());
    println!("{}", interleaved(&mut contenders, 201));
}

fn by_aws_lc(
    name: &'static str,
    algorithm: &'static dyn VerificationAlgorithm,
    key: &SigningKey,
    signature: &[u8],
) -> Contender<'static> {
    let parsed = ParsedPublicKey::new(algorithm, key.public_bytes()).unwrap();
    let signature = signature.to_vec();
    Contender::new(name, move || {
        parsed.verify_sig(&MESSAGE, &signature).unwrap()
    })
}

fn by_ring(
    name: &'static str,
    algorithm: &'static dyn ring::VerificationAlgorithm,
    key: &SigningKey,
    signature: &[u8],
) -> Contender<'static> {
    let unparsed = UnparsedPublicKey::new(algorithm, key.public_bytes());
    let signature = signature.to_vec();
    Contender::new(name, move || unparsed.verify(&MESSAGE, &signature).unwrap())
}

fn rsa() -> Vec<Contender<'static>> {
    let key = SigningKey::shared_rsa_2048();
    let signature = key.sign("RS256", &MESSAGE);
    let graviola = RsaKey::from_pkcs1_der(&key.public_bytes()).unwrap();
    vec![
        by_aws_lc(
            "RS256: aws-lc",
            &aws::RSA_PKCS1_2048_8192_SHA256,
            &key,
            &signature,
        ),
        by_ring(
            "RS256: ring",
            &ring::RSA_PKCS1_2048_8192_SHA256,
            &key,
            &signature,
        ),
        Contender::new("RS256: graviola", move || {
            graviola.verify_pkcs1_sha256(&signature, &MESSAGE).unwrap()
        }),
    ]
}

fn p256() -> Vec<Contender<'static>> {
    let key = SigningKey::ec_p256();
    let signature = key.sign("ES256", &MESSAGE);
    let graviola = EcKey::<P256>::from_x962_uncompressed(&key.public_bytes()).unwrap();
    vec![
        by_aws_lc(
            "ES256: aws-lc",
            &aws::ECDSA_P256_SHA256_FIXED,
            &key,
            &signature,
        ),
        by_ring(
            "ES256: ring",
            &ring::ECDSA_P256_SHA256_FIXED,
            &key,
            &signature,
        ),
        Contender::new("ES256: graviola", move || {
            graviola.verify::<Sha256>(&[&MESSAGE], &signature).unwrap()
        }),
    ]
}

fn p384() -> Vec<Contender<'static>> {
    let key = SigningKey::ec_p384();
    let signature = key.sign("ES384", &MESSAGE);
    let graviola = EcKey::<P384>::from_x962_uncompressed(&key.public_bytes()).unwrap();
    vec![
        by_aws_lc(
            "ES384: aws-lc",
            &aws::ECDSA_P384_SHA384_FIXED,
            &key,
            &signature,
        ),
        by_ring(
            "ES384: ring",
            &ring::ECDSA_P384_SHA384_FIXED,
            &key,
            &signature,
        ),
        Contender::new("ES384: graviola", move || {
            graviola.verify::<Sha384>(&[&MESSAGE], &signature).unwrap()
        }),
    ]
}

fn ed25519() -> Vec<Contender<'static>> {
    let key = SigningKey::ed25519();
    let signature = key.sign("EdDSA", &MESSAGE);
    let bytes: [u8; 32] = key.public_bytes().try_into().unwrap();
    let graviola = Ed25519VerifyingKey::from_bytes(&bytes).unwrap();
    let dalek = ed25519_dalek::VerifyingKey::from_bytes(&bytes).unwrap();
    let of_dalek = ed25519_dalek::Signature::from_slice(&signature).unwrap();
    vec![
        by_aws_lc("Ed25519: aws-lc", &aws::ED25519, &key, &signature),
        by_ring("Ed25519: ring", &ring::ED25519, &key, &signature),
        Contender::new("Ed25519: ed25519-dalek, strict", move || {
            dalek.verify_strict(&MESSAGE, &of_dalek).unwrap()
        }),
        Contender::new("Ed25519: graviola", move || {
            graviola.verify(&signature, &MESSAGE).unwrap()
        }),
    ]
}
