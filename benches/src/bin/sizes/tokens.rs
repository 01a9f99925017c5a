//! The cost of a token and the memory of the cache, while more distinct tokens are offered.
//!
//! The cache has its default size: 10,000 tokens and 64 MiB. A million tokens have to be signed
//! first, so they are signed with Ed25519: RSA would take a quarter of an hour.

use std::fs;

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use cpu_time::ThreadTime;
use mcp_bearer::{Algorithm, BearerAuthProvider, Clock, TokenCacheSize, UnixTime};
use mcp_bearer_bench::{AUDIENCE, ISSUER, NOW, parts_of};
use mcp_bearer_testkit::SigningKey;

use crate::issuers_and_keys::token;
use crate::{Measured, Point, Values};

pub(crate) const FIRST: &str = "offered for the first time";
pub(crate) const AGAIN: &str = "offered again in the same order";
pub(crate) const MEMORY: &str = "memory that the provider takes";

/// The bound of the cache is a size too.
const SIZES: [usize; 12] = [
    1, 10, 100, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 300_000, 1_000_000,
];
/// The time of this many tokens is taken at once.
const CHUNK: usize = 1_000;
/// So many chunks, if there are fewer tokens.
const ROUNDS: usize = 41;
/// Bare checks beside each chunk: the measure for a machine whose speed changes.
const BARE: usize = 20;

/// The cost, and the memory.
pub(crate) fn measure() -> [Measured; 2] {
    let key = SigningKey::ed25519();
    let most = SIZES.into_iter().max().unwrap_or_default();
    let tokens: Vec<_> = (0..most)
        .map(|number| token(&key, ISSUER, number))
        .collect();
    let bare = Bare::new(&key, &tokens);
    let of_size = |size| tokens.get(..size).unwrap_or_default();
    // Kept until the end: freed memory would hide what the next provider takes. The first one also
    // takes what is needed once per process.
    let mut kept = vec![provider(&key)];
    for provider in &kept {
        of_size(CHUNK)
            .iter()
            .for_each(|token| verify(provider, token));
    }
    let (mut first, mut again, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for size in SIZES {
        let before = resident();
        let provider = provider(&key);
        let cost = bare.chunks(of_size(size).chunks(CHUNK), |token| {
            verify(&provider, token);
        });
        if size >= CHUNK {
            first.push(cost.at(size));
        }
        again.push(cost_again(&provider, of_size(size), &bare).at(size));
        let taken = resident().saturating_sub(before) as f64 / f64::from(1 << 20);
        memory.push(Cost(taken, taken).at(size));
        println!(
            "{size} tokens: {} kept",
            provider.cached_tokens().unwrap_or_default()
        );
        kept.push(provider);
    }
    let few = SIZES.into_iter().filter(|size| *size < CHUNK);
    let few = few.map(|size| cost_of_few(&provider(&key), of_size(size), &bare).at(size));
    first.splice(0..0, few.collect::<Vec<_>>());
    let measured = |unit, curves: Vec<(&'static str, Vec<Point>)>| Measured {
        size: "distinct tokens",
        unit,
        curves: curves
            .into_iter()
            .map(|(name, points)| Values { name, points })
            .collect(),
    };
    [
        measured("ns", vec![(FIRST, first), (AGAIN, again)]),
        measured("MiB", vec![(MEMORY, memory)]),
    ]
}

/// Of few tokens, the first time comes again with an empty cache.
fn cost_of_few(provider: &BearerAuthProvider, tokens: &[String], bare: &Bare) -> Cost {
    let fresh = |_| provider.clone().with_token_cache(TokenCacheSize::default());
    let fresh: Vec<_> = (0..ROUNDS * CHUNK / tokens.len()).map(fresh).collect();
    let offers: Vec<_> = fresh
        .iter()
        .flat_map(|fresh| tokens.iter().map(move |token| (fresh, token)))
        .collect();
    bare.chunks(offers.chunks(CHUNK), |(fresh, token)| verify(fresh, token))
}

/// All tokens in turn, for as many chunks as the median needs.
fn cost_again(provider: &BearerAuthProvider, tokens: &[String], bare: &Bare) -> Cost {
    let offers: Vec<_> = tokens
        .iter()
        .cycle()
        .take(tokens.len().max(ROUNDS * CHUNK))
        .collect();
    bare.chunks(offers.chunks(CHUNK), |token| verify(provider, token))
}

fn provider(key: &SigningKey) -> BearerAuthProvider {
    BearerAuthProvider::builder()
        .jwks_json(key.jwks().to_string())
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .algorithms([Algorithm::EdDsa])
        .build()
        .unwrap()
        .with_clock(Clock::new(|| UnixTime::from_secs(NOW)))
        .with_token_cache(TokenCacheSize::default())
}

fn verify(provider: &BearerAuthProvider, token: &str) {
    provider.try_verify_token(token).into_result().unwrap();
}

/// Nanoseconds, and the ratio to the bare check.
struct Cost(f64, f64);

impl Cost {
    fn at(&self, size: usize) -> Point {
        Point {
            size,
            value: self.0,
            ratio: self.1,
        }
    }
}

/// The bare signature check of the same kind of token.
struct Bare {
    key: ParsedPublicKey,
    tokens: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Bare {
    fn new(key: &SigningKey, tokens: &[String]) -> Self {
        let tokens = tokens.iter().take(BARE);
        Self {
            key: ParsedPublicKey::new(&ED25519, key.public_der()).unwrap(),
            tokens: tokens.map(|token| parts_of(token)).collect(),
        }
    }

    /// The cost of one offer: the median over the chunks, with bare checks beside each.
    fn chunks<'o, T: 'o>(&self, chunks: impl Iterator<Item = &'o [T]>, offer: impl Fn(&T)) -> Cost {
        let (mut times, mut ratios) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let start = ThreadTime::now();
            chunk.iter().for_each(&offer);
            let time = start.elapsed().as_nanos() as f64 / chunk.len() as f64;
            times.push(time);
            ratios.push(time / self.time());
        }
        Cost(median(times), median(ratios))
    }

    /// Nanoseconds for one check.
    fn time(&self) -> f64 {
        let start = ThreadTime::now();
        for (input, signature) in &self.tokens {
            self.key.verify_sig(input, signature).unwrap();
        }
        start.elapsed().as_nanos() as f64 / self.tokens.len() as f64
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap()
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
