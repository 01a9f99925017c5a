//! What many replicas do to an issuer over a day: a simulation of the real state machine, without
//! I/O, drawn as SVG. `docs/scaling.md` discusses the result.
//!
//! ```sh
//! cargo run --release -p mcp-bearer-bench --features simulation --bin replicas -- docs/scaling.svg
//! ```
//!
//! The day: all replicas start at once; at 06:00 the issuer signs with a key that it has never
//! published; at 09:00 with one that it published two hours before; from 12:00 to 13:00 it is down;
//! from 18:00 to 18:10 every replica gets a token per second with a made-up `kid`. Good tokens come
//! to each replica ten times per second, in the flood once.
#![allow(
    clippy::print_stdout,
    clippy::as_conversions,
    reason = "a program that prints, and a plot"
)]

use std::time::Duration;
use std::{env, fs, io};

use mcp_bearer::keys::simulation::{Found, Issuer, Replica};
use mcp_bearer_bench::plot::{self, Axis, Curve, Panel, Scale, Shape};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const UNANNOUNCED: u64 = 6 * HOUR;
const PUBLISHED: u64 = 7 * HOUR;
const ANNOUNCED: u64 = 9 * HOUR;
const OUTAGE: std::ops::Range<u64> = 12 * HOUR..13 * HOUR;
const FLOOD: std::ops::Range<u64> = 18 * HOUR..18 * HOUR + 600;

/// Between two tokens at one replica.
const BETWEEN: Duration = Duration::from_millis(100);

fn main() -> io::Result<()> {
    let issuer = Issuer::new(3)?;
    let days = [1_000, 10_000].map(|replicas| Day::of(replicas, &issuer));
    for day in &days {
        day.print();
    }
    if let Some(path) = env::args().nth(1) {
        fs::write(path, picture(&days))?;
    }
    Ok(())
}

/// Counts per second.
struct Day {
    replicas: u64,
    fetches: Vec<u32>,
    waited: Vec<u32>,
    refused: Vec<u32>,
}

impl Day {
    fn of(replicas: u64, issuer: &Issuer) -> Self {
        let nothing = || vec![0; DAY as usize + 1];
        let mut day = Self {
            replicas,
            fetches: nothing(),
            waited: nothing(),
            refused: nothing(),
        };
        for seed in 0..replicas {
            day.add(seed, issuer);
        }
        day
    }

    /// The day of one replica.
    fn add(&mut self, seed: u64, issuer: &Issuer) {
        let mut random = fastrand::Rng::with_seed(!seed);
        let mut replica = Replica::new(seed);
        let offset = Duration::from_millis(random.u64(0..100));
        let mut tokens = Tokens::new(offset);
        let mut answer_at: Option<Duration> = None;
        let mut made_up = 0_u64;
        loop {
            let wake = replica.next_wake();
            let next = [wake, answer_at, tokens.next()];
            let Some(now) = next.into_iter().flatten().min() else {
                return;
            };
            let second = now.as_secs();
            if second >= DAY {
                return;
            }
            let had = replica.fetches();
            if answer_at == Some(now) {
                answer_at = None;
                replica.answer(now, issuer, published(second));
                if replica.fetches() {
                    self.count(second, |day| &mut day.fetches);
                    answer_at = Some(now + exchange(second, &mut random));
                }
                continue;
            }
            if tokens.next() == Some(now) {
                let good = replica.token(now, issuer.kid(signed(second)));
                match good {
                    Found::Verified => {}
                    Found::Waits => self.count(second, |day| &mut day.waited),
                    Found::Refused => self.count(second, |day| &mut day.refused),
                }
                let mut flooded = false;
                if FLOOD.contains(&second) {
                    made_up += 1;
                    replica.token(now, &format!("made-up-{seed}-{made_up}"));
                    flooded = true;
                }
                tokens.took(now, good == Found::Verified && !flooded);
            } else {
                replica.tick(now);
            }
            if replica.fetches() && !had {
                self.count(second, |day| &mut day.fetches);
                answer_at = Some(now + exchange(second, &mut random));
            }
        }
    }

    fn count(&mut self, second: u64, of: impl Fn(&mut Self) -> &mut Vec<u32>) {
        if let Some(count) = of(self).get_mut(second as usize) {
            *count += 1;
        }
    }

    fn print(&self) {
        println!("{} replicas", self.replicas);
        for (name, from, to) in [
            ("cold start", 0, 60),
            ("the first refresh", 2700, 3300),
            ("an unannounced key", UNANNOUNCED, UNANNOUNCED + 60),
            ("an announced key", ANNOUNCED, ANNOUNCED + 60),
            ("the outage", OUTAGE.start, OUTAGE.end),
            ("after the outage", OUTAGE.end, OUTAGE.end + 300),
            ("a flood begins", FLOOD.start, FLOOD.start + 2),
            ("a flood goes on", FLOOD.start + 2, FLOOD.start + 60),
            ("its other minutes", FLOOD.start + 60, FLOOD.end),
            ("the whole day", 0, DAY),
        ] {
            let of = |counts: &[u32]| -> (u64, u32) {
                let part = counts.get(from as usize..to as usize).unwrap_or_default();
                let all = part.iter().map(|count| u64::from(*count)).sum();
                (all, part.iter().copied().max().unwrap_or(0))
            };
            let ((fetches, most), (waited, _), (refused, _)) =
                (of(&self.fetches), of(&self.waited), of(&self.refused));
            println!(
                "  {name:20} {fetches:9} fetches, at most {most:6} per second; good tokens: {waited:7} waited, {refused:7} refused"
            );
        }
    }
}

/// When good tokens matter: after a start and after a rotation until one is verified, and during
/// the flood. At other times the keys are at hand.
struct Tokens {
    next: Option<Duration>,
    offset: Duration,
}

impl Tokens {
    fn new(offset: Duration) -> Self {
        Self {
            next: Some(offset),
            offset,
        }
    }

    fn next(&self) -> Option<Duration> {
        self.next
    }

    fn took(&mut self, now: Duration, settled: bool) {
        let second = (now + BETWEEN).as_secs();
        if FLOOD.contains(&second) {
            self.next = Some(now + Duration::from_secs(1));
            return;
        }
        if !settled {
            self.next = Some(now + BETWEEN);
            return;
        }
        let moments = [UNANNOUNCED, ANNOUNCED, OUTAGE.start, FLOOD.start];
        let later = moments.into_iter().find(|moment| *moment > second);
        self.next = later.map(|moment| Duration::from_secs(moment) + self.offset);
    }
}

/// The set that the issuer publishes, unless it is down.
fn published(second: u64) -> Option<usize> {
    match second {
        _ if OUTAGE.contains(&second) => None,
        0..UNANNOUNCED => Some(0),
        UNANNOUNCED..PUBLISHED => Some(1),
        _ => Some(2),
    }
}

/// The set whose newest key signs.
fn signed(second: u64) -> usize {
    match second {
        0..UNANNOUNCED => 0,
        UNANNOUNCED..ANNOUNCED => 1,
        _ => 2,
    }
}

/// How long an exchange takes; with an issuer that is down, until the connection is refused.
fn exchange(second: u64, random: &mut fastrand::Rng) -> Duration {
    match OUTAGE.contains(&second) {
        true => Duration::from_millis(random.u64(1..20)),
        false => Duration::from_millis(random.u64(50..150)),
    }
}

/// Two panels per day: fetches per second, and good tokens that waited or were refused. The
/// greatest count of each minute is drawn.
fn picture(days: &[Day]) -> String {
    let mut panels = Vec::new();
    for day in days {
        let both: Vec<u32> = day
            .waited
            .iter()
            .zip(&day.refused)
            .map(|(waited, refused)| waited + refused)
            .collect();
        for (counts, what, colour) in [
            (&day.fetches, "fetches at the issuer", 0),
            (&both, "good tokens that wait or are refused", 1),
        ] {
            let title = format!("{} replicas: {what}", day.replicas);
            panels.push(panel(title, counts, colour));
        }
    }
    let description = "Fetches, and good tokens that wait or are refused, over a day";
    plot::svg(description, 170.0, &panels)
}

fn panel(title: String, counts: &[u32], colour: usize) -> Panel {
    let of_minute = |(minute, seconds): (usize, &[u32])| {
        let most = seconds.iter().copied().max().filter(|most| *most > 0)?;
        Some((minute as f64 / 60.0, f64::from(most)))
    };
    let powers = (0..=5).map(|power| 10_f64.powi(power));
    Panel {
        title,
        x: Axis {
            label: "time of day".to_owned(),
            scale: Scale::Linear,
            range: (0.0, 24.0),
            ticks: (0..=24)
                .step_by(3)
                .map(|hour| (f64::from(hour), format!("{hour:02}:00")))
                .collect(),
        },
        y: Axis {
            label: "most per second, by minute".to_owned(),
            scale: Scale::LogPlusOne,
            range: (0.0, 100_000.0),
            ticks: powers
                .map(|count| if count > 1.0 { count } else { 0.0 })
                .map(|count| (count, count.to_string()))
                .collect(),
        },
        curves: vec![Curve {
            name: String::new(),
            colour,
            shape: Shape::Bars,
            points: counts
                .chunks(60)
                .enumerate()
                .filter_map(of_minute)
                .collect(),
        }],
    }
}
