use num_bigint::BigUint; use mcp_bearer_rsa::explore as x;
use cpu_time::ThreadTime;
fn test<const V: usize>(bits: u64, p: u64) {
    let mut seed = 12345u64; let mut rnd = || { let mut v = vec![0u8; bits as usize/8]; for b in &mut v { seed ^= seed<<13; seed ^= seed>>7; seed ^= seed<<17; *b = seed as u8; } v };
    for _ in 0..if std::env::args().count() > 1 { 0 } else { 50 } {
        let mut v = rnd(); v[0] |= 0x80; *v.last_mut().unwrap() |= 1; let n = BigUint::from_bytes_be(&v);
        let s = BigUint::from_bytes_be(&rnd()) % &n;
        let k = x::key::<V>(&n, p);
        let want = s.modpow(&BigUint::from(65537u32), &n);
        let got = x::run(&k, &s).expect("certificate");
        assert_eq!(&got % &n, want); assert!(got < &n * 2u8);
        assert_eq!(x::emu(&k, &s).unwrap(), got);
    }
    let mut v = rnd(); v[0] |= 0x80; *v.last_mut().unwrap() |= 1; let n = BigUint::from_bytes_be(&v);
    let k = x::key::<V>(&n, p); let s = x::sig::<V>(&(BigUint::from_bytes_be(&rnd()) % &n));
    let mut t = vec![]; let mut u = vec![];
    let nb = n.to_bytes_be(); let pk = aws_lc_rs::signature::RsaPublicKeyComponents { n: &nb[..], e: &[1u8,0,1][..] };
    let pk: aws_lc_rs::signature::ParsedPublicKey = pk.to_parsed_public_key(&aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256).unwrap();
    let m = [7u8; 440]; let mut g = rnd(); g[0] &= 0x7f;
    let reps = if bits == 2048 { 100 } else { 30 };
    for _ in 0..201 {
        let i = ThreadTime::now(); for _ in 0..reps { std::hint::black_box(x::raw(std::hint::black_box(&k), std::hint::black_box(&s))); } t.push(i.elapsed().as_nanos() / reps);
        let i = ThreadTime::now(); for _ in 0..reps { assert!(pk.verify_sig(std::hint::black_box(&m), std::hint::black_box(&g)).is_err()); } u.push(i.elapsed().as_nanos() / reps);
    }
    t.sort(); u.sort(); println!("{bits}: median {} ns, min {}; aws {} min {}; ratio {:.3} / {:.3}", t[100], t[0], u[100], u[0], t[100] as f64 / u[100] as f64, t[0] as f64 / u[0] as f64);
}
fn main() { let p = 1125899906842597; test::<5>(2048, p); test::<8>(3072, p); test::<10>(4096, p);}
