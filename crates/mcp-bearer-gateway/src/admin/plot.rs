//! Charts of the last hour, as SVG made here, so that the page needs no script for them.

use maud::{Markup, html};

use crate::decision::Outcome;
use crate::history::{Kind, MINUTES, Minute};

/// The outcomes from the bottom of a bar to its top.
pub(super) const OUTCOMES: [Outcome; 3] = [Outcome::Granted, Outcome::Denied, Outcome::Failed];
/// The width of one minute, and of the bar in it.
const STEP: usize = 12;
const BAR: usize = 9;
const LEFT: usize = 48;
const TOP: usize = 10;
const HEIGHT: usize = 140;
const SPARK_HEIGHT: usize = 20;

/// One bar per minute, with the outcomes stacked.
pub(super) fn hour(minutes: &[Minute]) -> Markup {
    let most = minutes
        .iter()
        .map(|minute| minute.count(|_| true))
        .max()
        .unwrap_or(0);
    let most = round_up(most.max(1));
    let width = LEFT + STEP * MINUTES;
    let total = TOP + HEIGHT + 22;
    let lines = [(most, TOP), (most / 2, TOP + HEIGHT / 2), (0, TOP + HEIGHT)];
    html! {
        svg.plot viewBox=(format!("0 0 {width} {total}")) role="img" aria-labelledby="plot-title" {
            title id="plot-title" { "Decisions per minute over the last hour; the table below has the numbers" }
            @for (value, y) in lines {
                @if most > 1 || value != most / 2 {
                    line.grid x1=(LEFT) x2=(width) y1=(y) y2=(y) {}
                    text.axis x=(LEFT - 6) y=(y + 4) text-anchor="end" { (value) }
                }
            }
            @for (place, minute) in minutes.iter().enumerate() {
                (bar(LEFT + STEP * place, minute, most, minutes.len() - 1 - place))
            }
            text.axis x=(LEFT) y=(total - 4) { "60 min ago" }
            text.axis x=(LEFT + STEP * MINUTES / 2) y=(total - 4) text-anchor="middle" { "30 min ago" }
            text.axis x=(width) y=(total - 4) text-anchor="end" { "now" }
        }
    }
}

fn bar(x: usize, minute: &Minute, most: u64, ago: usize) -> Markup {
    let mut below = 0;
    let counts = OUTCOMES.map(|outcome| minute.count(|kind| kind.0 == outcome));
    let parts = OUTCOMES.iter().zip(counts).map(|(outcome, count)| {
        let (low, high) = (
            scaled(below, most, HEIGHT),
            scaled(below + count, most, HEIGHT),
        );
        below += count;
        (outcome.as_str(), TOP + HEIGHT - high, high - low)
    });
    let parts: Vec<_> = parts.filter(|(_, _, height)| *height > 0).collect();
    let [granted, denied, failed] = counts;
    html! {
        @if !parts.is_empty() {
            g {
                title { (ago) " min ago: " (granted) " granted, " (denied) " denied, " (failed) " failed" }
                @for (class, y, height) in parts {
                    rect class=(class) x=(x) y=(y) width=(BAR) height=(height) {}
                }
            }
        }
    }
}

/// The line of one kind, without numbers: they are beside it.
pub(super) fn spark(minutes: &[Minute], kind: Kind) -> Markup {
    let counts = minutes
        .iter()
        .map(|minute| minute.count(|other| *other == kind));
    let counts: Vec<u64> = counts.collect();
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    html! {
        svg.spark viewBox=(format!("0 0 {} {SPARK_HEIGHT}", 3 * MINUTES)) aria-hidden="true" {
            @for (place, count) in counts.into_iter().enumerate() {
                @let height = scaled(count, most, SPARK_HEIGHT);
                @if height > 0 {
                    rect class=(kind.0.as_str()) x=(3 * place) y=(SPARK_HEIGHT - height) width="2" height=(height) {}
                }
            }
        }
    }
}

/// Every kind of the hour with its count, the most frequent first.
pub(super) fn totals(minutes: &[Minute]) -> Vec<(Kind, u64)> {
    let mut totals: Vec<(Kind, u64)> = Vec::new();
    for (kind, count) in minutes.iter().flat_map(|minute| &minute.counts) {
        match totals.iter_mut().find(|(other, _)| other == kind) {
            Some((_, total)) => *total += count,
            None => totals.push((*kind, *count)),
        }
    }
    totals.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.1.cmp(other.0.1)));
    totals
}

/// A count as pixels; one that is not zero has at least one.
fn scaled(count: u64, most: u64, height: usize) -> usize {
    let height = u64::try_from(height).unwrap_or(0);
    let scaled = u128::from(count) * u128::from(height) / u128::from(most.max(1));
    let scaled = usize::try_from(scaled).unwrap_or(0);
    scaled.max(usize::from(count > 0))
}

/// The next of 1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 40 and so on, which have a whole half.
fn round_up(count: u64) -> u64 {
    if count <= 1 {
        return 1;
    }
    let mut power: u64 = 1;
    while power <= u64::MAX / 100 {
        for step in [2, 4, 6, 8, 10, 12, 14, 16, 18] {
            if count <= power * step {
                return power * step;
            }
        }
        power *= 10;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_is_not_zero_can_be_seen_and_none_leaves_the_picture() {
        assert_eq!(scaled(0, 10, 100), 0);
        assert_eq!(scaled(1, u64::MAX, 100), 1);
        assert_eq!(scaled(u64::MAX, u64::MAX, 100), 100);
        for (count, axis) in [
            (1, 1),
            (2, 2),
            (3, 4),
            (5, 6),
            (7, 8),
            (11, 12),
            (19, 20),
            (61, 80),
            (100, 100),
            (125, 140),
            (181, 200),
        ] {
            assert_eq!(round_up(count), axis, "{count}");
        }
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn the_parts_of_a_bar_are_stacked() {
        let minute = Minute {
            number: 1,
            counts: vec![
                ((Outcome::Granted, "accepted"), 6),
                ((Outcome::Denied, "expired"), 3),
                ((Outcome::Failed, "upstream"), 1),
            ],
        };
        let picture = hour(&[minute]).into_string();
        for part in [
            r#"class="granted" x="48" y="66" width="9" height="84""#,
            r#"class="denied" x="48" y="24" width="9" height="42""#,
            r#"class="failed" x="48" y="10" width="9" height="14""#,
            "0 min ago: 6 granted, 3 denied, 1 failed",
        ] {
            assert!(picture.contains(part), "{part}\n{picture}");
        }
    }
}
