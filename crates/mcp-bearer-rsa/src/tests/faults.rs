//! Faults of the processor: none leads to a verdict.

use aws_lc_rs::digest::{SHA256, digest};

use super::big::{Random, engines};
use crate::encoding::Padding;
use crate::engine::Engine;
use crate::fault_flag::Fault;
use crate::key::{PublicKey, Verdict};
use crate::lanes::faulty::{self, Flip};
use crate::limbs::Limbs;
use crate::modulus::Modulus;

fn modulus(random: &mut Random) -> Vec<u8> {
    let mut n = random.bytes(256);
    n[0] |= 0x80;
    n[255] |= 1;
    n
}

fn own_fault() -> &'static Fault {
    Box::leak(Box::new(Fault::new()))
}

/// The certificate catches bits 0 to 51 of every limb of a product and of a quotient. Only the
/// conversion to bytes reads bits 52 to 63.
#[test]
fn every_flipped_bit_of_a_product_and_its_quotient() {
    let mut random = Random(11);
    let n = modulus(&mut random);
    let modulus = Modulus::<5>::new(Engine::Emulated, &n).unwrap();
    let [a, b] = [0, 1].map(|_| Limbs::<5>::from_bytes(&random.bytes(256)));
    let b = modulus.certificate.plainly_weighed(b).unwrap();
    let chain = |engine: Engine| engine.chain(&modulus, &mut a.clone(), &b, 0, false);
    let right = chain(Engine::Emulated).unwrap();
    let product = |flip| faulty::with(Some(flip), || chain(Engine::Faulty)).0;
    let mut bytes = [0; 260];
    for limb in 0..40 {
        for bit in 0..64 {
            let flipped = product(Flip::Product {
                product: 0,
                limb,
                bit,
            });
            if bit < 52 {
                assert!(flipped.is_none(), "limb {limb} bit {bit} of the product");
            } else {
                assert!(
                    !flipped.unwrap().to_bytes(&mut bytes),
                    "limb {limb} bit {bit}"
                );
            }
            let flipped = product(Flip::Quotient {
                product: 0,
                limb,
                bit,
            });
            if bit < 52 {
                assert!(flipped.is_none(), "limb {limb} bit {bit} of the quotient");
            } else {
                assert!(
                    flipped == Some(right),
                    "limb {limb} bit {bit} of the quotient"
                );
            }
        }
    }
}

/// The same in each of the 18 products of a verification, through the public function.
#[test]
fn a_flipped_bit_in_any_product_of_a_verification() {
    let mut random = Random(12);
    let n = modulus(&mut random);
    let mut signature = random.bytes(256);
    signature[0] &= 0x7f;
    let message = digest(&SHA256, b"message");
    let (mut caught, mut harmless) = (0, 0);
    for product in 0..18 {
        for limb in 0..40 {
            let bit = random.below(64) as u32;
            for flip in [
                Flip::Product { product, limb, bit },
                Flip::Quotient { product, limb, bit },
            ] {
                let fault = own_fault();
                let key = PublicKey::with_fault(Engine::Faulty, fault, &n, &[1, 0, 1]).unwrap();
                let verify = || key.verify(Padding::Pkcs1v15, &message, &signature);
                let (verdict, _) = faulty::with(Some(flip), verify);
                let is_last_product = product == 17 && matches!(flip, Flip::Product { .. });
                if bit < 52 || is_last_product {
                    assert_eq!(verdict, Verdict::Undecided, "{flip:?}");
                    // The kernel is not asked again, although nothing is wrong any more.
                    assert!(fault.happened());
                    assert_eq!(verify(), Verdict::Undecided);
                    assert!(
                        PublicKey::with_fault(Engine::Emulated, fault, &n, &[1, 0, 1]).is_none()
                    );
                    caught += 1;
                } else {
                    assert_eq!(verdict, Verdict::Invalid, "{flip:?}");
                    assert!(!fault.happened());
                    harmless += 1;
                }
            }
        }
    }
    assert!(caught > 1000 && harmless > 100, "{caught} {harmless}");
}

/// A contradiction that another thread finds while this one verifies: no verdict, although every
/// product of this one was right.
#[test]
fn a_contradiction_elsewhere_during_a_verification() {
    static FAULT: Fault = Fault::new();
    let (n, signature) = super::forgeries::signed_by_a_prime(Padding::Pkcs1v15);
    let message = digest(&SHA256, b"message");
    let key = PublicKey::with_fault(Engine::Faulty, &FAULT, &n, &[1, 0, 1]).unwrap();
    let verify = || key.verify(Padding::Pkcs1v15, &message, &signature);
    let nothing: fn() = || {};
    assert_eq!(faulty::with_call(17, nothing, verify), Verdict::Valid);
    assert_eq!(
        faulty::with_call(17, || FAULT.note(), verify),
        Verdict::Undecided
    );
}

/// A bit of R^2 that changes in memory after the key was made: certificates use the residue that
/// was taken then.
#[test]
fn a_flipped_bit_in_r_squared_of_a_key_in_use() {
    let mut random = Random(14);
    let (n, signature) = super::forgeries::signed_by_a_prime(Padding::Pkcs1v15);
    let message = digest(&SHA256, b"message");
    for engine in engines() {
        let made = PublicKey::with_fault(engine, own_fault(), &n, &[1, 0, 1]).unwrap();
        let verdict = |change: &dyn Fn(&mut Modulus<5>)| {
            let fault = own_fault();
            let mut key = made.with_own_fault(fault);
            change(key.modulus_2048().unwrap());
            let verdict = key.verify(Padding::Pkcs1v15, &message, &signature);
            assert_eq!(fault.happened(), verdict == Verdict::Undecided);
            verdict
        };
        for limb in 0..40 {
            for bit in [0, 51, random.below(52), 52 + random.below(12)] {
                let with_rr =
                    verdict(&|modulus| modulus.rr.number.0.as_flattened_mut()[limb] ^= 1 << bit);
                // Nothing reads the bits above 51.
                let want = if bit < 52 {
                    Verdict::Undecided
                } else {
                    Verdict::Valid
                };
                assert_eq!(with_rr, want, "{engine:?} limb {limb} bit {bit} of R^2");
            }
        }
        let with_residue = verdict(&|modulus| modulus.rr.residue ^= 1 << 20);
        assert_eq!(with_residue, Verdict::Undecided);
    }
}

/// A bit of n, which reduces the power: that is right, or there is none.
#[test]
fn a_flipped_bit_in_n_of_a_key_in_use() {
    let mut random = Random(16);
    for engine in engines() {
        let mut caught = 0;
        for round in 0..50 {
            let n = modulus(&mut random);
            let mut modulus = Modulus::<5>::new(engine, &n).unwrap();
            let mut signature = random.bytes(256);
            signature[0] &= 0x7f;
            let (mut want, mut got) = ([0; 256], [0; 256]);
            modulus.recover(engine, &signature, &mut want).unwrap();
            let bit = if round % 2 == 0 {
                2047
            } else {
                random.below(2048)
            };
            modulus.n.0.as_flattened_mut()[bit / 52] ^= 1 << (bit % 52);
            match modulus.recover(engine, &signature, &mut got) {
                Ok(()) => assert_eq!(got, want, "{engine:?} bit {bit}"),
                Err(_) => caught += 1,
            }
        }
        assert!(caught > 5, "{caught}");
    }
}

/// A bit of the signature's number that changes in memory after a product. The last product is not
/// certified with another number than the first, and the number has to be the signature's at the
/// end.
#[test]
fn a_flipped_bit_in_the_signature_between_products() {
    let mut random = Random(15);
    let (n, signature) = super::forgeries::signed_by_a_prime(Padding::Pkcs1v15);
    let message = digest(&SHA256, b"message");
    let key = PublicKey::with_fault(Engine::Faulty, own_fault(), &n, &[1, 0, 1]).unwrap();
    let modulus = key.clone().modulus_2048().unwrap().clone();
    for product in 0..18 {
        for limb in 0..39 {
            let bit = random.below(if limb % 2 == 0 { 52 } else { 64 }) as u32;
            let flip = Flip::First { product, limb, bit };
            let fault = own_fault();
            let key = key.with_own_fault(fault);
            let (verdict, _) = faulty::with(Some(flip), || {
                key.verify(Padding::Pkcs1v15, &message, &signature)
            });
            assert_eq!(verdict, Verdict::Undecided, "{flip:?}");
            assert!(fault.happened());
            if limb % 13 == 0 {
                let mut s = Limbs::from_bytes(&signature);
                let (power, _) = faulty::with(Some(flip), || {
                    Engine::Faulty.chain(&modulus, &mut s, &modulus.rr, 16, true)
                });
                // The certificates do not cover bits that no instruction reads, and what happens
                // after the last product.
                assert_eq!(power.is_some(), product == 17 || bit > 51, "{flip:?}");
            }
        }
    }
}

/// One bit of any instruction's result, while a good signature and a bad one are verified: the
/// verdict is correct or there is none. The same holds while a key is made.
#[test]
fn a_flipped_bit_in_any_instruction() {
    let mut random = Random(13);
    let (n, signature) = super::forgeries::signed_by_a_prime(Padding::Pkcs1v15);
    let mut forged = signature.clone();
    forged[100] ^= 4;
    let message = digest(&SHA256, b"message");
    let (mut undecided, mut right) = (0, 0);
    for (signature, want) in [(&signature, Verdict::Valid), (&forged, Verdict::Invalid)] {
        let fault = own_fault();
        let key = PublicKey::with_fault(Engine::Faulty, fault, &n, &[1, 0, 1]).unwrap();
        let (verdict, instructions) =
            faulty::with(None, || key.verify(Padding::Pkcs1v15, &message, signature));
        assert_eq!(verdict, want);
        assert!(instructions > 10_000, "{instructions}");
        for _ in 0..6000 {
            let flip = Flip::Instruction {
                instruction: random.below(instructions),
                lane: random.below(8),
                bit: random.below(64) as u32,
            };
            let fault = own_fault();
            let key = key.with_own_fault(fault);
            let (verdict, _) = faulty::with(Some(flip), || {
                key.verify(Padding::Pkcs1v15, &message, signature)
            });
            if verdict == Verdict::Undecided {
                assert!(fault.happened());
                undecided += 1;
            } else {
                assert_eq!(verdict, want, "{flip:?}");
                right += 1;
            }
        }
    }
    // Most faults matter; some hit bits that nothing reads.
    assert!(
        undecided > 6000 && right > 200,
        "{undecided} undecided, {right} right"
    );
    let make = |fault| PublicKey::with_fault(Engine::Faulty, fault, &n, &[1, 0, 1]);
    let (_, instructions) = faulty::with(None, || make(own_fault()));
    for _ in 0..300 {
        let flip = Flip::Instruction {
            instruction: random.below(instructions),
            lane: random.below(8),
            bit: random.below(64) as u32,
        };
        let fault = own_fault();
        let (key, _) = faulty::with(Some(flip), || make(fault));
        match key {
            None => assert!(fault.happened()),
            Some(key) => {
                assert_eq!(
                    key.verify(Padding::Pkcs1v15, &message, &signature),
                    Verdict::Valid,
                    "{flip:?}"
                );
                assert_eq!(
                    key.verify(Padding::Pkcs1v15, &message, &forged),
                    Verdict::Invalid,
                    "{flip:?}"
                );
            }
        }
    }
}
