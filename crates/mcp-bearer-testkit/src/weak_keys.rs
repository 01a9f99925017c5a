//! Public JWKs that a verifier must skip: too weak, malformed, or of a kind that signs no access
//! token.
//!
//! It holds no private key, and no JWK that a verifier ought to use.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};

/// A token signed with the private side of [`rsa_1024`]: RS256, `kid` `rsa-1024`, the forge's
/// default issuer and audience, good until the year 2100. Only its key's size is wrong.
pub const RSA_1024_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS0xMDI0IiwidHlwIjoiSldUIn0.eyJhdWQiOiJodHRwczovL21jcC5leGFtcGxlLmNvbS9tY3AiLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMCwiaXNzIjoiaHR0cHM6Ly9pZHAuZXhhbXBsZS5jb20vIiwic2NvcGUiOiJtY3A6cmVhZCIsInN1YiI6InVzZXItMSJ9.E8YKXcuE1ox2jRJmTccZaFb0vpbftPTtkcfUfLsTiimuYHOF_LkNzCaEOi9kfb9siW1aQgCm20Ne9yif44ZLYN1nH96kh5JWa69rvQDmmAzmxR5qOvo-94Tc6hvqTpKUz6n8iBxR8JsBJKAYXBKtWKMVyzwS9Tp9Z9CnOmNKtvQ";

/// An RSA key of 1024 bits.
pub fn rsa_1024() -> Value {
    json!({ "kty": "RSA", "kid": "rsa-1024", "e": "AQAB",
        "n": "tTKOVzjAMrItpav7b1ZlQF4itRUR-mnQyXbefMkmbp-nHowt9nvBTMLR9aS0cMjeuiA84SxXVUC1VsnSNIbG7MStSFngo0PbVqkmblABXHSMxz6Q7e_so5EJRoL6jgjmddZ5Hr7LVho7SEa7NyAhFmmuNstlRaCGK4d2pr9Uru8" })
}

/// An RSA key of 16384 bits, more than any verifier should spend time on.
pub fn rsa_16384() -> Value {
    rsa("rsa-16384", &[0xff; 2048], &[1, 0, 1])
}

/// An RSA key whose exponent is 1: every message is its own signature.
pub fn rsa_exponent_one() -> Value {
    rsa("rsa-exponent-one", &odd_modulus(), &[1])
}

/// An RSA key whose exponent is 2.
pub fn rsa_even_exponent() -> Value {
    rsa("rsa-even-exponent", &odd_modulus(), &[2])
}

/// An RSA key whose exponent is 2^32 + 1, just above the limit.
pub fn rsa_huge_exponent() -> Value {
    rsa("rsa-huge-exponent", &odd_modulus(), &[1, 0, 0, 0, 1])
}

/// An RSA key whose exponent is empty, that is 0.
pub fn rsa_empty_exponent() -> Value {
    rsa("rsa-empty-exponent", &odd_modulus(), &[])
}

/// An RSA key whose modulus is even.
pub fn rsa_even_modulus() -> Value {
    let mut n = odd_modulus();
    *n.last_mut().unwrap() = 0xfe;
    rsa("rsa-even-modulus", &n, &[1, 0, 1])
}

/// An RSA key without a modulus.
pub fn rsa_without_modulus() -> Value {
    json!({ "kty": "RSA", "kid": "rsa-without-modulus", "e": "AQAB" })
}

/// An RSA key whose modulus is not base64url.
pub fn rsa_bad_base64() -> Value {
    json!({ "kty": "RSA", "kid": "rsa-bad-base64", "n": "!!not base64!!", "e": "AQAB" })
}

/// The P-256 key of RFC 7517 appendix A.1 with the last bit of `y` flipped: the point is off the
/// curve.
pub fn p256_off_curve() -> Value {
    let mut y = unb64(P256_Y);
    *y.last_mut().unwrap() ^= 1;
    ec("p256-off-curve", "P-256", &unb64(P256_X), &y)
}

/// The P-256 "key" at (0, 0), as naive code encodes the point at infinity.
pub fn p256_zero_point() -> Value {
    ec("p256-zero-point", "P-256", &[0; 32], &[0; 32])
}

/// A P-256 key whose `x` has 31 bytes; RFC 7518 section 6.2.1.2 requires 32.
pub fn p256_short_coordinate() -> Value {
    ec(
        "p256-short-coordinate",
        "P-256",
        &unb64(P256_X)[1..],
        &unb64(P256_Y),
    )
}

/// A good P-256 point that claims to be on P-384.
pub fn p256_as_p384() -> Value {
    ec("p256-as-p384", "P-384", &unb64(P256_X), &unb64(P256_Y))
}

/// A good secp256k1 key (the generator): a curve outside the accepted ones.
pub fn secp256k1() -> Value {
    json!({ "kty": "EC", "kid": "secp256k1", "crv": "secp256k1",
        "x": "eb5mfvncu6xVoGKVzocLBwKb_NstzijZWfKBWxb4F5g",
        "y": "SDradyajxGVdpPv8DhEIqP0XtEimhVQZnEfQj_sQ1Lg" })
}

/// A post-quantum key of type `AKP`, ML-DSA-44, of the right length.
pub fn akp() -> Value {
    json!({ "kty": "AKP", "kid": "akp", "alg": "ML-DSA-44",
        "pub": BASE64_URL_SAFE_NO_PAD.encode([7; 1312]) })
}

/// A shared secret, which does not belong in a published JWKS (the key of RFC 7515 appendix A.1).
pub fn oct() -> Value {
    json!({ "kty": "oct", "kid": "oct", "alg": "HS256",
        "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" })
}

/// An X25519 key: for key agreement, not for signatures (RFC 8037).
pub fn x25519() -> Value {
    json!({ "kty": "OKP", "kid": "x25519", "crv": "X25519",
        "x": "0NWJizsg6F8ZhtHxv44QpKKVJ0LIwuH8f-h_ukNt7E4" })
}

/// An Ed448 key: a signature scheme outside the accepted ones (RFC 8037).
pub fn ed448() -> Value {
    json!({ "kty": "OKP", "kid": "ed448", "crv": "Ed448", "x": BASE64_URL_SAFE_NO_PAD.encode([9; 57]) })
}

/// An Ed25519 key of 31 bytes instead of 32.
pub fn ed25519_short() -> Value {
    json!({ "kty": "OKP", "kid": "ed25519-short", "crv": "Ed25519",
        "x": BASE64_URL_SAFE_NO_PAD.encode([9; 31]) })
}

/// A key whose type is unknown.
pub fn unknown_kty() -> Value {
    json!({ "kty": "XYZ", "kid": "unknown-kty", "n": "AQAB" })
}

/// A key without a type.
pub fn without_kty() -> Value {
    json!({ "kid": "without-kty", "n": "AQAB", "e": "AQAB" })
}

/// A key whose type is a number.
pub fn kty_not_a_string() -> Value {
    json!({ "kty": 7, "kid": "kty-not-a-string" })
}

/// All of the above. None may be used; all must leave the rest of a set working.
pub fn all() -> Vec<Value> {
    vec![
        rsa_1024(),
        rsa_16384(),
        rsa_exponent_one(),
        rsa_even_exponent(),
        rsa_huge_exponent(),
        rsa_empty_exponent(),
        rsa_even_modulus(),
        rsa_without_modulus(),
        rsa_bad_base64(),
        p256_off_curve(),
        p256_zero_point(),
        p256_short_coordinate(),
        p256_as_p384(),
        secp256k1(),
        akp(),
        oct(),
        x25519(),
        ed448(),
        ed25519_short(),
        unknown_kty(),
        without_kty(),
        kty_not_a_string(),
    ]
}

const P256_X: &str = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
const P256_Y: &str = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";

fn rsa(kid: &str, n: &[u8], e: &[u8]) -> Value {
    let b64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    json!({ "kty": "RSA", "kid": kid, "n": b64(n), "e": b64(e) })
}

fn ec(kid: &str, crv: &str, x: &[u8], y: &[u8]) -> Value {
    let b64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    json!({ "kty": "EC", "kid": kid, "crv": crv, "x": b64(x), "y": b64(y) })
}

/// 2048 bits that look like a modulus: odd, the top bit set.
fn odd_modulus() -> Vec<u8> {
    (0..=255)
        .map(|i: u8| i.wrapping_mul(167) ^ 0xc3 | 1)
        .collect()
}

fn unb64(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use aws_lc_rs::signature;

    use super::*;

    #[test]
    fn every_weak_key_has_a_kid_of_its_own() {
        let kids: HashSet<String> = all()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kids.len(), all().len());
    }

    #[test]
    fn the_1024_bit_token_is_really_signed_by_that_key() {
        let (input, signature) = RSA_1024_TOKEN.rsplit_once('.').unwrap();
        let key = rsa_1024();
        let public = signature::RsaPublicKeyComponents {
            n: unb64(key["n"].as_str().unwrap()),
            e: unb64(key["e"].as_str().unwrap()),
        };
        public
            .verify(
                &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
                input.as_bytes(),
                &unb64(signature),
            )
            .unwrap();
    }

    #[test]
    fn the_moduli_have_the_size_they_claim() {
        for (key, bytes) in [
            (rsa_1024(), 128),
            (rsa_16384(), 2048),
            (rsa_even_exponent(), 256),
        ] {
            let n = unb64(key["n"].as_str().unwrap());
            assert_eq!(n.len(), bytes);
            assert_eq!(n[0] & 0x80, 0x80);
            assert_eq!(n[n.len() - 1] & 1, 1);
        }
    }

    #[test]
    fn the_bad_points_differ_from_a_good_one_by_the_point_alone() {
        let parse = |key: &Value| {
            let mut point = vec![4];
            point.extend(unb64(key["x"].as_str().unwrap()));
            point.extend(unb64(key["y"].as_str().unwrap()));
            signature::ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).is_ok()
        };
        assert!(parse(&ec("good", "P-256", &unb64(P256_X), &unb64(P256_Y))));
        assert!(!parse(&p256_off_curve()));
        assert!(!parse(&p256_zero_point()));
        assert!(!parse(&p256_short_coordinate()));
    }
}
