//! The panels.

use mcp_bearer_bench::plot::{self, Axis, Curve, Panel, Scale, Shape};

use crate::{Measured, Results};

pub(crate) fn svg(results: &Results) -> String {
    let time = |title: &str, size: &str, measured| {
        let y = log_axis("CPU time per token", (10.0, 100_000.0), nanoseconds);
        panel(title, size, y, measured)
    };
    let panels = [
        time(
            "More keys in the set of one issuer (RS256)",
            "keys in the set",
            &results.keys,
        ),
        time(
            "More issuers, each with a key of its own (RS256)",
            "issuers",
            &results.issuers,
        ),
        time(
            "More distinct tokens, in a cache for 10,000 (EdDSA)",
            "distinct tokens",
            &results.tokens,
        ),
        panel(
            "The memory that these tokens take",
            "distinct tokens",
            log_axis("resident memory", (0.01, 100.0), mebibytes),
            &results.memory,
        ),
    ];
    let description =
        "The cost of a token and the memory for tokens, by keys, issuers and distinct tokens";
    plot::svg(description, 220.0, &panels)
}

fn panel(title: &str, size: &str, y: Axis, measured: &Measured) -> Panel {
    let points = |curve: usize| {
        let curve = measured.curves.get(curve).into_iter();
        curve.flat_map(|curve| &curve.points)
    };
    let most = points(0).map(|point| point.size).max().unwrap_or(1);
    let curves = measured.curves.iter().enumerate().map(|(colour, curve)| {
        let points = points(colour).map(|point| (point.size as f64, point.value.max(y.range.0)));
        Curve {
            name: curve.name.to_owned(),
            colour,
            shape: Shape::Line,
            points: points.collect(),
        }
    });
    Panel {
        title: title.to_owned(),
        x: log_axis(size, (1.0, most as f64), count),
        curves: curves.collect(),
        y,
    }
}

/// With a tick per power of ten.
fn log_axis(label: &str, range: (f64, f64), text: fn(f64) -> String) -> Axis {
    let powers = range.0.log10().round() as i32..=range.1.log10().round() as i32;
    let ticks = powers.map(|power| 10_f64.powi(power));
    Axis {
        label: label.to_owned(),
        scale: Scale::Log,
        range,
        ticks: ticks.map(|tick| (tick, text(tick))).collect(),
    }
}

fn nanoseconds(value: f64) -> String {
    if value < 1_000.0 {
        format!("{value} ns")
    } else {
        format!("{} \u{b5}s", value / 1_000.0)
    }
}

fn mebibytes(value: f64) -> String {
    format!("{} MiB", (value * 100.0).round() / 100.0)
}

/// With a comma per three digits.
fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
