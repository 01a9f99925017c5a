//! Encoded messages that are almost right, and signed: with a prime as the modulus, anything can
//! be.
//!
//! AWS-LC is asked as well, and must agree.

use std::sync::OnceLock;

use aws_lc_rs::digest::{self, Digest, SHA256, SHA384, SHA512, digest};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use num_bigint::BigUint;

use super::big::{bytes, engines};
use crate::encoding::Padding;
use crate::key::{PublicKey, Verdict};

const MESSAGE: &[u8] = b"message";

/// A prime modulus with the exponent that signs.
struct Signer {
    n: BigUint,
    d: BigUint,
    length: usize,
}

impl Signer {
    /// 2^bits - less, a prime for which 65537 has an inverse.
    fn new(bits: usize, less: u32) -> Self {
        let n = (BigUint::from(1_u8) << bits) - less;
        let order = &n - 1_u8;
        let d = BigUint::from(65537_u32).modinv(&order).unwrap();
        Self {
            n,
            d,
            length: bits / 8,
        }
    }

    fn all() -> &'static [Self; 3] {
        static ALL: OnceLock<[Signer; 3]> = OnceLock::new();
        ALL.get_or_init(|| {
            [
                Self::new(2048, 1557),
                Self::new(3072, 47),
                Self::new(4096, 2549),
            ]
        })
    }

    fn sign(&self, encoded: &[u8]) -> Vec<u8> {
        bytes(
            &BigUint::from_bytes_be(encoded).modpow(&self.d, &self.n),
            self.length,
        )
    }
}

type Scheme = (&'static digest::Algorithm, &'static RsaParameters);

const PKCS1: [Scheme; 3] = [
    (&SHA256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (&SHA384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (&SHA512, &signature::RSA_PKCS1_2048_8192_SHA512),
];
const PSS: [Scheme; 3] = [
    (&SHA256, &signature::RSA_PSS_2048_8192_SHA256),
    (&SHA384, &signature::RSA_PSS_2048_8192_SHA384),
    (&SHA512, &signature::RSA_PSS_2048_8192_SHA512),
];

/// The modulus of a key, with a good signature of SHA-256 of `message`.
pub(super) fn signed_by_a_prime(padding: Padding) -> (Vec<u8>, Vec<u8>) {
    let signer = &Signer::all()[0];
    let digest = digest(&SHA256, MESSAGE);
    let encoded = match padding {
        Padding::Pkcs1v15 => pkcs1(signer.length, &info(&SHA256), digest.as_ref()),
        Padding::Pss => pss(signer.length, &digest, &[7; 32], &SHA256, |_| {}),
    };
    (bytes(&signer.n, signer.length), signer.sign(&encoded))
}

fn info(hash: &'static digest::Algorithm) -> Vec<u8> {
    crate::encoding::digest_info(hash).unwrap().to_vec()
}

fn pkcs1(length: usize, info: &[u8], digest: &[u8]) -> Vec<u8> {
    let filling = vec![0xff; length - 3 - info.len() - digest.len()];
    [&[0, 1], &filling[..], &[0], info, digest].concat()
}

/// PSS, with what a forger may choose: the salt, the hash of the mask, and a change of the block
/// before it is masked.
fn pss(
    length: usize,
    digest: &Digest,
    salt: &[u8],
    mask_hash: &'static digest::Algorithm,
    change: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let hash = |parts: &[&[u8]]| self::digest(digest.algorithm(), &parts.concat());
    let h = hash(&[&[0; 8], digest.as_ref(), salt]);
    let mut block = vec![0; length - h.as_ref().len() - 1];
    let one = block.len() - salt.len() - 1;
    block[one] = 1;
    block[one + 1..].copy_from_slice(salt);
    change(&mut block);
    for (counter, part) in block.chunks_mut(mask_hash.output_len()).enumerate() {
        let counter = (counter as u32).to_be_bytes();
        let mask = self::digest(mask_hash, &[h.as_ref(), &counter].concat());
        part.iter_mut()
            .zip(mask.as_ref())
            .for_each(|(byte, mask)| *byte ^= mask);
    }
    block[0] &= 0x7f;
    [&block[..], h.as_ref(), &[0xbc]].concat()
}

/// All implementations that are asked about signatures of one signer and scheme.
struct Judges {
    signer: &'static Signer,
    padding: Padding,
    hash: &'static digest::Algorithm,
    ours: Vec<PublicKey>,
    theirs: ParsedPublicKey,
}

impl Judges {
    fn new(signer: &'static Signer, padding: Padding, (hash, parameters): Scheme) -> Self {
        let n = bytes(&signer.n, signer.length);
        let e = [1, 0, 1];
        let ours = engines()
            .into_iter()
            .map(|engine| PublicKey::new(engine, &n, &e).unwrap())
            .collect();
        let theirs = RsaPublicKeyComponents {
            n: &n[..],
            e: &e[..],
        };
        let theirs = theirs.to_parsed_public_key(parameters).unwrap();
        Self {
            signer,
            padding,
            hash,
            ours,
            theirs,
        }
    }

    fn of(padding: Padding, schemes: [Scheme; 3]) -> impl Iterator<Item = Self> {
        let signers = Signer::all().iter();
        signers.flat_map(move |signer| schemes.map(|scheme| Self::new(signer, padding, scheme)))
    }

    fn digest(&self) -> Digest {
        digest(self.hash, MESSAGE)
    }

    /// Whether all of them accept the signed encoded message, or all refuse it.
    fn accept(&self, encoded: &[u8]) -> bool {
        let signature = self.signer.sign(encoded);
        let accepted = self
            .theirs
            .verify_digest_sig(&self.digest(), &signature)
            .is_ok();
        let want = if accepted {
            Verdict::Valid
        } else {
            Verdict::Invalid
        };
        for key in &self.ours {
            let got = key.verify(self.padding, &self.digest(), &signature);
            assert_eq!(
                got, want,
                "{key:?} {:?} {:?} {encoded:02x?}",
                self.padding, self.hash
            );
        }
        accepted
    }

    /// Refuses the message with each of its bytes changed, in one bit that rotates; `every` byte.
    fn refuse_changes_of(&self, encoded: &[u8], every: usize) {
        for at in (0..encoded.len()).step_by(every) {
            let mut changed = encoded.to_vec();
            changed[at] ^= 1 << (at % 8);
            assert!(!self.accept(&changed), "byte {at}");
        }
    }
}

#[test]
fn pkcs1_that_is_almost_right() {
    for judges in Judges::of(Padding::Pkcs1v15, PKCS1) {
        let length = judges.signer.length;
        let hash = judges.digest();
        let info = info(judges.hash);
        let right = pkcs1(length, &info, hash.as_ref());
        assert!(judges.accept(&right));
        judges.refuse_changes_of(&right, if length == 256 { 2 } else { length / 16 });
        let refuse = |what: &str, encoded: Vec<u8>| {
            assert!(!judges.accept(&encoded), "{what}");
        };
        refuse("zero", vec![0; length]);
        refuse("one", [vec![0; length - 1], vec![1]].concat());
        // Less filling, and extra bytes after or before the digest.
        for more in [1, 8, 100] {
            let short = pkcs1(length - more, &info, hash.as_ref());
            refuse("behind", [short.clone(), vec![0; more]].concat());
            refuse("behind", [short.clone(), vec![0xff; more]].concat());
            refuse("before", [vec![0; more], short].concat());
        }
        let no_filling = [&[0, 1, 0][..], &info, hash.as_ref()].concat();
        refuse(
            "no filling",
            [&no_filling[..], &vec![0; length - no_filling.len()]].concat(),
        );
        // DigestInfo without NULL, with a longer length, of another hash, and the bare digest.
        let mut without_null = [&info[..13], &info[15..]].concat();
        without_null[1] -= 2;
        without_null[3] -= 2;
        refuse("no NULL", pkcs1(length, &without_null, hash.as_ref()));
        let mut long = [&[0x30, 0x81], &info[1..]].concat();
        refuse("long length", pkcs1(length, &long, hash.as_ref()));
        long[2] += 1;
        refuse("long length", pkcs1(length, &long, hash.as_ref()));
        for (other, _) in PKCS1 {
            if *other != *judges.hash {
                refuse(
                    "another hash's name",
                    pkcs1(length, &self::info(other), hash.as_ref()),
                );
                let digest = digest(other, MESSAGE);
                refuse(
                    "another hash",
                    pkcs1(length, &self::info(other), digest.as_ref()),
                );
                refuse("another digest", pkcs1(length, &info, digest.as_ref()));
            }
        }
        refuse("no DigestInfo", pkcs1(length, &[], hash.as_ref()));
        // Type 0, type 2, no zero, one in the middle.
        for (at, byte) in [
            (1, 0),
            (1, 2),
            (0, 1),
            (2, 0),
            (10, 0),
            (length - hash.as_ref().len() - info.len() - 1, 0xff),
        ] {
            let mut changed = right.clone();
            changed[at] = byte;
            refuse("changed", changed);
        }
        refuse(
            "PSS",
            pss(
                length,
                &hash,
                &vec![1; hash.as_ref().len()],
                judges.hash,
                |_| {},
            ),
        );
    }
}

#[test]
fn pss_that_is_almost_right() {
    for judges in Judges::of(Padding::Pss, PSS) {
        let length = judges.signer.length;
        let hash = judges.digest();
        let salt_length = hash.as_ref().len();
        let salt: Vec<u8> = (0..).take(salt_length).collect();
        let right = pss(length, &hash, &salt, judges.hash, |_| {});
        assert!(judges.accept(&right));
        assert!(judges.accept(&pss(
            length,
            &hash,
            &vec![0; salt_length],
            judges.hash,
            |_| {}
        )));
        judges.refuse_changes_of(&right, if length == 256 { 2 } else { length / 16 });
        let refuse = |what: &str, encoded: Vec<u8>| {
            assert!(!judges.accept(&encoded), "{what}");
        };
        refuse("zero", vec![0; length]);
        // A salt of another length (RFC 7518 section 3.5), up to the longest.
        let longest = length - salt_length - 2;
        for other in [
            0,
            1,
            salt_length - 1,
            salt_length + 1,
            20,
            32,
            48,
            64,
            longest,
        ] {
            if other != salt_length && other <= longest {
                refuse(
                    "salt",
                    pss(length, &hash, &vec![5; other], judges.hash, |_| {}),
                );
            }
        }
        for (other, _) in PSS {
            if *other != *judges.hash {
                refuse("another mask", pss(length, &hash, &salt, other, |_| {}));
                refuse(
                    "another hash",
                    pss(length, &digest(other, MESSAGE), &salt, other, |_| {}),
                );
            }
        }
        let one = length - 2 * salt_length - 2;
        refuse(
            "no one",
            pss(length, &hash, &salt, judges.hash, |block| block[one] = 0),
        );
        refuse(
            "two",
            pss(length, &hash, &salt, judges.hash, |block| block[one] = 2),
        );
        refuse(
            "a one before",
            pss(length, &hash, &salt, judges.hash, |block| {
                block[one - 1] = 1;
            }),
        );
        refuse(
            "not zeros",
            pss(length, &hash, &salt, judges.hash, |block| block[1] = 0x80),
        );
        refuse(
            "another salt",
            pss(length, &hash, &salt, judges.hash, |block| {
                block[one + 1] ^= 1;
            }),
        );
        // The encoder masks the top bit, so it can only be set afterwards.
        let mut top = right.clone();
        top[0] |= 0x80;
        refuse("top bit", top);
        for trailer in [0, 0xcc, 0xbd] {
            let mut changed = right.clone();
            changed[length - 1] = trailer;
            refuse("trailer", changed);
        }
        refuse("PKCS#1", pkcs1(length, &info(judges.hash), hash.as_ref()));
    }
}

/// A number that is n or more, congruent to a good signature, or of another length.
#[test]
fn only_numbers_below_n_of_its_length_are_signatures() {
    let (n, good) = signed_by_a_prime(Padding::Pkcs1v15);
    let message = digest(&SHA256, MESSAGE);
    for engine in engines() {
        let key = PublicKey::new(engine, &n, &[1, 0, 1]).unwrap();
        let verify = |signature: &[u8]| key.verify(Padding::Pkcs1v15, &message, signature);
        assert_eq!(verify(&good), Verdict::Valid);
        let number = BigUint::from_bytes_be(&n);
        let one = BigUint::from(1_u8);
        let edges = [
            BigUint::ZERO,
            one.clone(),
            &number - &one,
            number.clone(),
            number + one,
        ];
        for edge in edges {
            assert_eq!(verify(&bytes(&edge, 256)), Verdict::Invalid);
        }
        assert_eq!(verify(&[0xff; 256]), Verdict::Invalid);
        assert_eq!(verify(&[]), Verdict::Invalid);
        assert_eq!(verify(&good[1..]), Verdict::Invalid);
        assert_eq!(verify(&[&[0], &good[..]].concat()), Verdict::Invalid);
        assert_eq!(verify(&[&good[..], &[0]].concat()), Verdict::Invalid);
    }
}

/// s + n for a small n: the same power, and still no signature.
#[test]
fn a_good_signature_plus_n_is_none() {
    // 2^2047 + 1919 is a prime for which 65537 has an inverse.
    let n = (BigUint::from(1_u8) << 2047) + 1919_u32;
    let signer = Signer {
        d: BigUint::from(65537_u32).modinv(&(&n - 1_u8)).unwrap(),
        n,
        length: 256,
    };
    let message = digest(&SHA256, MESSAGE);
    let good = signer.sign(&pkcs1(256, &info(&SHA256), message.as_ref()));
    let more = BigUint::from_bytes_be(&good) + &signer.n;
    assert!(more.bits() <= 2048);
    for engine in engines() {
        let key = PublicKey::new(engine, &bytes(&signer.n, 256), &[1, 0, 1]).unwrap();
        assert_eq!(
            key.verify(Padding::Pkcs1v15, &message, &good),
            Verdict::Valid
        );
        assert_eq!(
            key.verify(Padding::Pkcs1v15, &message, &bytes(&more, 256)),
            Verdict::Invalid
        );
    }
}

#[test]
fn a_digest_of_another_kind_is_for_others() {
    let (n, good) = signed_by_a_prime(Padding::Pkcs1v15);
    let key = PublicKey::new(crate::Engine::Emulated, &n, &[1, 0, 1]).unwrap();
    for other in [
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        &digest::SHA512_256,
        &digest::SHA3_256,
    ] {
        let verdict = key.verify(Padding::Pkcs1v15, &digest(other, MESSAGE), &good);
        assert_eq!(verdict, Verdict::Undecided);
    }
}
