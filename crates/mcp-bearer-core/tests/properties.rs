//! Properties: nothing panics, and no change of a good token survives.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use base64_of::encode;
use mcp_bearer_core::{
    AccessToken, Algorithm, KeySet, Limits, Policy, Rejection, UnixTime, UnverifiedToken,
    VerifyingKey,
};
use mcp_bearer_testkit::{Encoding, Forge, SigningKey};
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000;

/// base64url from the testkit's own encoder.
mod base64_of {
    use super::Encoding;

    pub(super) fn encode(bytes: &[u8]) -> String {
        String::from_utf8(Encoding::Good.write(bytes)).unwrap()
    }
}

struct Verifier {
    keys: KeySet,
    policy: Policy,
}

impl Verifier {
    fn of(key: VerifyingKey, algorithm: Algorithm) -> Self {
        let policy = Policy::builder(Forge::ISSUER, Forge::AUDIENCE)
            .algorithms([algorithm])
            .build()
            .unwrap();
        Self {
            keys: KeySet::single(key),
            policy,
        }
    }

    fn verify(&self, token: &str) -> Result<AccessToken, Rejection> {
        let unverified = UnverifiedToken::parse(token, &Limits::default())?;
        let _ = (
            unverified.kid(),
            unverified.claimed_issuer(),
            unverified.algorithm(),
        );
        let _ = unverified.worth_a_fetch(&self.policy, UnixTime::from_secs(NOW));
        unverified.verify(&self.keys, &self.policy, UnixTime::from_secs(NOW))
    }

    fn verify_bytes(&self, token: &[u8]) -> bool {
        std::str::from_utf8(token).is_ok_and(|token| self.verify(token).is_ok())
    }
}

/// For each algorithm, a good token and the verifier that accepts it.
fn each_algorithm() -> Vec<(String, Verifier)> {
    let secret = [7; 64];
    Algorithm::ALL
        .into_iter()
        .map(|algorithm| {
            let signing = match algorithm {
                Algorithm::Es256 => SigningKey::ec_p256(),
                Algorithm::Es384 => SigningKey::ec_p384(),
                Algorithm::Es512 => SigningKey::ec_p521(),
                Algorithm::EdDsa | Algorithm::Ed25519 => SigningKey::ed25519(),
                Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => SigningKey::hmac(secret),
                _ => SigningKey::shared_rsa_2048(),
            };
            let verifying = if algorithm.is_symmetric() {
                VerifyingKey::shared_secret(&secret).unwrap()
            } else {
                VerifyingKey::from_pem(&signing.public_pem()).unwrap()
            };
            let token = Forge::new(&signing, NOW).alg(algorithm.name()).token();
            (token, Verifier::of(verifying, algorithm))
        })
        .collect()
}

#[test]
fn every_single_bit_matters() {
    for (token, verifier) in each_algorithm() {
        assert!(verifier.verify(&token).is_ok());
        for bit in 0..token.len() * 8 {
            let mut bytes = token.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !verifier.verify_bytes(&bytes),
                "{:?} bit {bit}",
                verifier.policy.algorithms()
            );
        }
    }
}

#[test]
fn every_byte_and_every_end_matters() {
    for (token, verifier) in each_algorithm() {
        for at in 0..token.len() {
            assert!(verifier.verify(&token[..at]).is_err(), "cut at {at}");
            assert!(
                verifier.verify(&token[at + 1..]).is_err(),
                "begun behind {at}"
            );
            let without = format!("{}{}", &token[..at], &token[at + 1..]);
            // Two equal neighbours: the same text results whichever is left out, and it is still
            // refused.
            assert!(verifier.verify(&without).is_err(), "without {at}");
        }
        for extra in ["A", "=", "==", ".", "\n", " ", "\0", "é"] {
            assert!(verifier.verify(&format!("{token}{extra}")).is_err());
            assert!(verifier.verify(&format!("{extra}{token}")).is_err());
        }
    }
}

/// A token of one algorithm is refused by the verifier of any other, even with the same key.
#[test]
fn a_token_of_one_algorithm_is_refused_by_every_other() {
    let all = each_algorithm();
    for (at, (token, _)) in all.iter().enumerate() {
        for (other, (_, verifier)) in all.iter().enumerate() {
            assert_eq!(verifier.verify(token).is_ok(), at == other);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn any_text_is_refused_without_a_panic(text in any::<String>()) {
        let (_, verifier) = &each_cheap()[0];
        prop_assert!(verifier.verify(&text).is_err());
    }

    #[test]
    fn any_three_segments_are_refused_without_a_panic(
        header in proptest::collection::vec(any::<u8>(), 0..80),
        claims in proptest::collection::vec(any::<u8>(), 0..80),
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let token = format!("{}.{}.{}", encode(&header), encode(&claims), encode(&signature));
        for (_, verifier) in each_cheap() {
            prop_assert!(verifier.verify(&token).is_err());
        }
    }

    #[test]
    fn any_claims_are_judged_without_a_panic(text in "[{}\\[\\]\",:a-z0-9.eE+\\\\-]{0,60}") {
        let forge = Forge::new(cheap(), NOW).raw_claims(format!("{{{text}}}"));
        let (_, verifier) = &each_cheap()[0];
        prop_assert!(verifier.verify(&forge.token()).is_err());
    }

    #[test]
    fn any_extra_member_of_any_type_is_judged_without_a_panic(
        name in prop_oneof!["exp|nbf|iat|iss|aud|sub|client_id|azp|cid|appid|jti|cnf|at_hash|c_hash|token_use|typ|scope|scp|alg|kid|crit|b64", "[a-z]{0,5}"],
        value in prop_oneof!["null", "true", "\\[\\]", "\\{\\}", "-?[0-9]{1,25}(\\.[0-9]{1,5})?([eE][-+]?[0-9]{1,4})?", "\"[ -!#-\\[\\]-~]{0,10}\"", "\\[\"x\",[0-9]\\]"],
    ) {
        let forge = Forge::new(cheap(), NOW).without_claim(&name).claims_prefix(&format!("\"{name}\":{value},"));
        let (_, verifier) = &each_cheap()[0];
        if let Err(refused) = verifier.verify(&forge.token()) {
            prop_assert!(refused.to_string().len() < 500);
        }
        let forge = Forge::new(cheap(), NOW).without_header(&name).header_prefix(&format!("\"{name}\":{value},"));
        let _ = verifier.verify(&forge.token());
    }

    /// A NumericDate is judged by its exact value, however it is written.
    #[test]
    fn exp_is_compared_exactly(offset in -200_i64..200, thousandths in 0..1000_i64, form in 0..3_usize) {
        let millis = (1_800_000_000 + offset) * 1000 + thousandths;
        let text = match form {
            0 => format!("{}.{:03}", millis / 1000, millis % 1000),
            1 => format!("{millis}e-3"),
            _ => format!("{}.{:03}0000E+0", millis / 1000, millis % 1000),
        };
        let forge = Forge::new(cheap(), NOW).without_claim("exp").claims_prefix(&format!("\"exp\":{text},"));
        let (_, verifier) = &each_cheap()[0];
        let good = 1_800_000_000_000 < millis + 60_000;
        prop_assert_eq!(verifier.verify(&forge.token()).is_ok(), good, "{}", text);
    }

    #[test]
    fn several_changed_bytes_are_refused(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        for (token, verifier) in each_cheap() {
            let mut bytes = token.clone().into_bytes();
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            if bytes != token.as_bytes() {
                prop_assert!(!verifier.verify_bytes(&bytes));
            }
        }
    }
}

fn cheap() -> &'static SigningKey {
    static KEY: std::sync::OnceLock<SigningKey> = std::sync::OnceLock::new();
    KEY.get_or_init(SigningKey::ed25519)
}

/// Verifiers whose keys are made once.
fn each_cheap() -> &'static [(String, Verifier)] {
    static VERIFIERS: std::sync::OnceLock<Vec<(String, Verifier)>> = std::sync::OnceLock::new();
    VERIFIERS.get_or_init(|| {
        let key = VerifyingKey::from_pem(&cheap().public_pem()).unwrap();
        let mut verifiers = vec![(
            Forge::new(cheap(), NOW).token(),
            Verifier::of(key, Algorithm::EdDsa),
        )];
        verifiers.extend(each_algorithm());
        verifiers
    })
}
