//! What "flat" means: the factors that fail the program.

use std::process::ExitCode;

use crate::issuers_and_keys::{FIRST as FIRST_SIGHT, HIT, REFUSED};
use crate::tokens::{AGAIN, FIRST, MEMORY};
use crate::{Point, Results};

/// The cache holds 10,000 tokens. Its parts fill unevenly, so some are replaced before that, and of
/// twice as many it still holds a part when they come again.
const FITS: usize = 5_000;
const TOO_MANY: usize = 50_000;

pub(crate) fn check(results: &Results) -> ExitCode {
    let (first, again) = (results.tokens.curve(FIRST), results.tokens.curve(AGAIN));
    let fits = |point: &&Point| point.size <= FITS;
    let too_many = |point: &&Point| point.size >= TOO_MANY;
    let memory = results.memory.curve(MEMORY);
    let beside_first: Vec<f64> = first
        .iter()
        .zip(again)
        .filter(|(_, again)| fits(again))
        .map(|(first, again)| again.ratio / first.ratio)
        .collect();
    let rows = [
        // A set is searched from its start, at some nanoseconds per key.
        (
            "first sight, 1 to 100 keys",
            spread(results.keys.curve(FIRST_SIGHT).iter()),
            1.25,
        ),
        (
            "a hit, 1 to 100 keys",
            spread(results.keys.curve(HIT).iter()),
            1.25,
        ),
        // Other issuers are other memory: a policy and some kilobytes per key.
        (
            "first sight, 1 to 1,000 issuers",
            spread(results.issuers.curve(FIRST_SIGHT).iter()),
            1.6,
        ),
        (
            "a hit, 1 to 1,000 issuers",
            spread(results.issuers.curve(HIT).iter()),
            1.4,
        ),
        // Compared with a hundred names at most, for a hint to the operator.
        (
            "refused beside first sight, 1,000 issuers",
            last(results.issuers.curve(REFUSED)) / last(results.issuers.curve(FIRST_SIGHT)),
            1.0,
        ),
        (
            "a token's first offer, 1 to 1,000,000",
            spread(first.iter()),
            1.25,
        ),
        (
            "offered again, beyond the bound",
            spread(again.iter().filter(too_many)),
            1.25,
        ),
        // Tokens leave the processor's caches, so the line of hits of many is not flat.
        (
            "a hit beside first sight, within the bound",
            beside_first.into_iter().fold(0.0, f64::max),
            0.025,
        ),
        (
            "memory, beyond the bound",
            spread(memory.iter().filter(too_many)),
            1.25,
        ),
    ];
    let mut flat = true;
    for (name, factor, bound) in rows {
        let holds = factor <= bound;
        flat &= holds;
        let verdict = if holds { "" } else { "  NOT FLAT" };
        println!("{name:<44} {factor:>7.4}  at most {bound}{verdict}");
    }
    ExitCode::from(u8::from(!flat))
}

/// The greatest cost as a multiple of the least.
fn spread<'p>(points: impl Iterator<Item = &'p Point> + Clone) -> f64 {
    let ratios = points.map(|point| point.ratio);
    ratios.clone().fold(0.0, f64::max) / ratios.fold(f64::INFINITY, f64::min)
}

/// The cost at the greatest size.
fn last(points: &[Point]) -> f64 {
    points.last().map_or(f64::NAN, |point| point.value)
}
