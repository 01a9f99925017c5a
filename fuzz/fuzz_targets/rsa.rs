//! RSA signatures: the kernel agrees with AWS-LC, and always decides.
//!
//! The first byte chooses a scheme and the meaning of the rest: a change of a good signature, or a
//! modulus and a signature. If the processor has no IFMA, the emulation runs.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    self, KeyPair as _, RsaEncoding, RsaParameters, RsaPublicKeyComponents,
};
use libfuzzer_sys::fuzz_target;
use mcp_bearer_rsa::{Engine, Padding, PublicKey, Verdict};

type Scheme = (
    Padding,
    &'static digest::Algorithm,
    &'static dyn RsaEncoding,
    &'static RsaParameters,
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

const E: [u8; 3] = [1, 0, 1];
const MESSAGE: &[u8] = b"message";

/// A modulus, and a good signature for each scheme.
static GOOD: LazyLock<(Vec<u8>, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    // The exponent is last in the DER, after the modulus.
    let der = pair.public_key().as_ref();
    let end = der.len() - 5;
    let modulus = der[end - 256..end].to_vec();
    let signed = SCHEMES.map(|scheme| {
        let mut signature = vec![0; 256];
        pair.sign(scheme.2, &SystemRandom::new(), MESSAGE, &mut signature)
            .unwrap();
        signature
    });
    (modulus, signed.to_vec())
});

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let scheme = usize::from(*choice) % SCHEMES.len();
    if *choice < 128 {
        let (modulus, signed) = &*GOOD;
        let mut signature = signed[scheme].clone();
        for change in data.chunks_exact(2) {
            signature[usize::from(change[0])] ^= change[1];
        }
        if data.len() % 2 == 1 {
            signature.truncate(usize::from(data[0]));
        }
        let accepted = agree(modulus, scheme, &signature);
        assert_eq!(accepted, signature == signed[scheme]);
    } else {
        let bytes = [256, 384, 512][usize::from(*choice) / 8 % 3];
        let Some((modulus, signature)) = data.split_at_checked(bytes) else {
            return;
        };
        let mut modulus = modulus.to_vec();
        modulus[0] |= 0x80;
        modulus[bytes - 1] |= 1;
        agree(&modulus, scheme, signature);
    }
});

/// What both answer.
fn agree(modulus: &[u8], scheme: usize, signature: &[u8]) -> bool {
    let (padding, hash, _, parameters) = SCHEMES[scheme];
    let engine = Engine::detect().unwrap_or(Engine::Emulated);
    let ours = PublicKey::new(engine, modulus, &E).expect("the size is right");
    let ours = ours.verify(padding, &digest(hash, MESSAGE), signature);
    let theirs = RsaPublicKeyComponents {
        n: modulus,
        e: &E[..],
    };
    let theirs = theirs.verify(parameters, MESSAGE, signature).is_ok();
    assert_eq!(
        ours,
        if theirs {
            Verdict::Valid
        } else {
            Verdict::Invalid
        }
    );
    assert!(!mcp_bearer_rsa::has_failed());
    theirs
}
