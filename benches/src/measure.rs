//! Interleaved batches measured by the CPU time of one thread, so that a busy machine slows all
//! contenders alike.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use cpu_time::ThreadTime;

/// Something to measure, and how often one batch runs it.
pub struct Contender<'a> {
    name: &'a str,
    batch: u32,
    run: Box<dyn FnMut() + 'a>,
}

impl<'a> Contender<'a> {
    /// A contender; `batch` is chosen so that one batch takes about a millisecond.
    pub fn new<T>(name: &'a str, mut run: impl FnMut() -> T + 'a) -> Self {
        let mut run = move || {
            black_box(run());
        };
        let mut batch = 1;
        loop {
            let start = ThreadTime::now();
            (0..batch).for_each(|_| run());
            if start.elapsed() >= Duration::from_millis(1) || batch >= 1 << 22 {
                break;
            }
            batch *= 2;
        }
        Self {
            name,
            batch,
            run: Box::new(run),
        }
    }

    /// Nanoseconds of CPU for one run, over one batch.
    fn batch(&mut self) -> f64 {
        let start = ThreadTime::now();
        (0..self.batch).for_each(|_| (self.run)());
        start.elapsed().as_nanos() as f64 / f64::from(self.batch)
    }
}

impl std::fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contender")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The medians of one interleaved run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Name, nanoseconds, ratio to the first contender.
    pub rows: Vec<(String, f64, f64)>,
    /// The nanoseconds of every batch, one list per contender, in the order of the rounds.
    pub batches: Vec<Vec<f64>>,
}

/// Runs all contenders in turn, `rounds` times, and takes the medians of times and of ratios to the
/// first one.
pub fn interleaved(contenders: &mut [Contender<'_>], rounds: usize) -> Report {
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    for _ in 0..rounds {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            times.push(contender.batch());
        }
    }
    let base = times[0].clone();
    let rows = contenders.iter().zip(&times).map(|(contender, times)| {
        let ratios = times
            .iter()
            .zip(&base)
            .map(|(time, base)| time / base)
            .collect();
        (
            contender.name.to_owned(),
            median(times.clone()),
            median(ratios),
        )
    });
    Report {
        rows: rows.collect(),
        batches: times,
    }
}

impl Report {
    /// Every batch as CSV, one round per line: the pairs that the ratios are made of. `head` says
    /// how they were measured.
    #[must_use]
    pub fn to_csv(&self, head: &str) -> String {
        let mut csv: String = head.lines().map(|line| format!("# {line}\n")).collect();
        let names: Vec<String> = self.rows.iter().map(|row| format!("{:?}", row.0)).collect();
        csv.push_str(&(names.join(",") + "\n"));
        let rounds = self.batches.first().map_or(0, Vec::len);
        for round in 0..rounds {
            let times = self
                .batches
                .iter()
                .map(|times| format!("{:.1}", times[round]));
            csv.push_str(&(times.collect::<Vec<_>>().join(",") + "\n"));
        }
        csv
    }

    /// The median of the ratios of two contenders, batch by batch.
    #[must_use]
    pub fn ratio(&self, name: &str, base: &str) -> f64 {
        let of = |name: &str| {
            let at = self.rows.iter().position(|row| row.0 == name).expect(name);
            self.batches[at].iter()
        };
        median(
            of(name)
                .zip(of(base))
                .map(|(time, base)| time / base)
                .collect(),
        )
    }

    /// The nanoseconds of one row.
    #[must_use]
    pub fn nanos(&self, name: &str) -> f64 {
        let row = self.rows.iter().find(|row| row.0 == name);
        row.map_or(f64::NAN, |row| row.1)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:<44} {:>12} {:>10}", "", "ns", "ratio")?;
        for (name, nanos, ratio) in &self.rows {
            writeln!(f, "{name:<44} {nanos:>12.1} {ratio:>10.4}")?;
        }
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The FILE of `--raw FILE` on the command line, for what a bench measured in each round.
#[must_use]
pub fn raw_file() -> Option<PathBuf> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--raw");
    arguments.nth(1).map(PathBuf::from)
}
