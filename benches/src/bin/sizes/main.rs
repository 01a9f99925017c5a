//! What a token costs with more keys, more issuers and more distinct tokens:
//!
//! ```sh
//! cargo run --profile bench -p mcp-bearer-bench --bin sizes -- \
//!     benches/results/sizes.csv docs/sizes.svg
//! ```
//!
//! Without the two names it only prints. Exits with 1 if a curve is not flat: the factors are in
//! [`flat`]. It measures the CPU time of one thread, and resident memory (Linux only).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    reason = "a benchmark"
)]

mod flat;
mod issuers_and_keys;
mod picture;
mod tokens;

use std::process::ExitCode;
use std::{env, fs};

/// What one program run found, in the order of the panels.
struct Results {
    keys: Measured,
    issuers: Measured,
    tokens: Measured,
    memory: Measured,
}

/// One panel: curves over a size.
struct Measured {
    /// As in the data file: what grows.
    size: &'static str,
    unit: &'static str,
    curves: Vec<Values>,
}

/// One curve.
struct Values {
    name: &'static str,
    points: Vec<Point>,
}

#[derive(Clone, Copy)]
struct Point {
    size: usize,
    value: f64,
    /// The cost as a ratio to something that was measured beside it, and does not grow.
    ratio: f64,
}

impl Measured {
    fn curve(&self, name: &str) -> &[Point] {
        let curve = self.curves.iter().find(|curve| curve.name == name);
        &curve.unwrap().points
    }
}

fn main() -> ExitCode {
    // The tokens come first: freed memory of others would hide what they need.
    let [tokens, memory] = tokens::measure();
    let results = Results {
        keys: issuers_and_keys::keys(),
        issuers: issuers_and_keys::issuers(),
        tokens,
        memory,
    };
    print!("{}", csv(&results));
    let mut names = env::args().skip(1);
    if let Some(name) = names.next() {
        fs::write(name, csv(&results)).unwrap();
    }
    if let Some(name) = names.next() {
        fs::write(name, picture::svg(&results)).unwrap();
    }
    flat::check(&results)
}

fn csv(results: &Results) -> String {
    let mut csv = "# cargo run --profile bench -p mcp-bearer-bench --bin sizes\n\
                   # Medians of the CPU time per token; the ratio is to the same with the least size\n\
                   # (keys, issuers) or to the bare signature check (tokens); of memory, the same again.\n\
                   number of,size,curve,value,unit,ratio\n"
        .to_owned();
    let all = [
        &results.keys,
        &results.issuers,
        &results.tokens,
        &results.memory,
    ];
    for measured in all {
        for curve in &measured.curves {
            for point in &curve.points {
                csv.push_str(&format!(
                    "{},{},{},{:.1},{},{:.4}\n",
                    measured.size, point.size, curve.name, point.value, measured.unit, point.ratio
                ));
            }
        }
    }
    csv
}
