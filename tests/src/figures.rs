//! Figures of benchmarks: contenders that take turns in one run, their ratios, and the file
//! `target/bench.json` that every room adds to.

use std::{
    env, fs, io,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

/// Something to be measured.
pub struct Contender<'a> {
    /// What the table calls it.
    pub name: &'static str,
    /// How many units of work one call does; times are given per unit.
    pub units: u32,
    /// The work.
    pub work: Box<dyn FnMut() + 'a>,
}

impl<'a> Contender<'a> {
    /// One unit of work per call.
    pub fn new(name: &'static str, work: impl FnMut() + 'a) -> Self {
        Self::batch(name, 1, work)
    }

    /// Several units of work per call.
    pub fn batch(name: &'static str, units: u32, work: impl FnMut() + 'a) -> Self {
        Self {
            name,
            units,
            work: Box::new(work),
        }
    }
}

/// Times per unit in nanoseconds, one row per round and one column per contender.
pub struct Rounds {
    names: Vec<&'static str>,
    rows: Vec<Vec<f64>>,
}

/// Lets the contenders take turns, about `turn` each, for so many rounds. What disturbs the machine
/// for longer than a turn disturbs all of them alike, and a ratio within a round hardly at all.
#[must_use]
pub fn take_turns(contenders: &mut [Contender<'_>], rounds: usize, turn: Duration) -> Rounds {
    let start = Instant::now();
    take_turns_by(&|| start.elapsed(), contenders, rounds, turn)
}

/// The same by another clock, such as that of what the thread has spent.
#[must_use]
pub fn take_turns_by(
    clock: &dyn Fn() -> Duration,
    contenders: &mut [Contender<'_>],
    rounds: usize,
    turn: Duration,
) -> Rounds {
    let nanoseconds_since = |start: Duration| (clock() - start).as_nanos().max(1);
    let calls: Vec<u32> = contenders
        .iter_mut()
        .map(|contender| {
            (contender.work)();
            let start = clock();
            (contender.work)();
            (turn.as_nanos() / nanoseconds_since(start)).clamp(1, 10_000) as u32
        })
        .collect();
    let mut row = || -> Vec<f64> {
        contenders
            .iter_mut()
            .zip(&calls)
            .map(|(contender, &calls)| {
                let start = clock();
                for _ in 0..calls {
                    (contender.work)();
                }
                nanoseconds_since(start) as f64 / f64::from(calls * contender.units)
            })
            .collect()
    };
    row();
    let rows = (0..rounds).map(|_| row()).collect();
    Rounds {
        names: contenders.iter().map(|contender| contender.name).collect(),
        rows,
    }
}

impl Rounds {
    /// The median over all rounds of one contender's time by another's in the same round.
    ///
    /// # Panics
    /// When there is no contender of that name.
    #[must_use]
    pub fn ratio(&self, of: &str, by: &str) -> f64 {
        let (of, by) = (self.column(of), self.column(by));
        median(self.rows.iter().map(|row| row[of] / row[by]))
    }

    /// The median time per unit in nanoseconds.
    ///
    /// # Panics
    /// When there is no contender of that name.
    #[must_use]
    pub fn nanoseconds(&self, name: &str) -> f64 {
        let column = self.column(name);
        median(self.rows.iter().map(|row| row[column]))
    }

    /// A table of all contenders, times beside ratios to one of them.
    #[must_use]
    pub fn table(&self, reference: &str) -> String {
        let mut table = format!("{:42} {:>10}  by {reference}\n", "", "µs");
        for name in &self.names {
            let (time, ratio) = (self.nanoseconds(name) / 1000.0, self.ratio(name, reference));
            table.push_str(&format!("{name:42} {time:>10.2}  {ratio:.3}\n"));
        }
        table
    }

    fn column(&self, name: &str) -> usize {
        self.names
            .iter()
            .position(|known| *known == name)
            .expect("a contender of this name")
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Where figures go: the target directory of this workspace.
#[must_use]
pub fn target_directory() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
        PathBuf::from,
    )
}

/// Adds figures to the flat JSON object in `target/bench.json`, replacing those of the same name and
/// keeping the rest.
///
/// # Errors
/// What the file system says, or that the file is no JSON object.
pub fn record(figures: &[(&str, f64)]) -> io::Result<()> {
    let path = target_directory().join("bench.json");
    let mut all: Map<String, Value> = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
        Err(error) => return Err(error),
    };
    for (name, figure) in figures {
        let rounded = (figure * 1000.0).round() / 1000.0;
        all.insert((*name).to_owned(), rounded.into());
    }
    fs::create_dir_all(target_directory())?;
    fs::write(path, serde_json::to_string_pretty(&all)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_within_rounds_and_not_the_ratio_of_medians() {
        // The third round was disturbed, and disturbed both alike.
        let rounds = Rounds {
            names: vec!["ours", "theirs"],
            rows: vec![vec![2.0, 1.0], vec![4.0, 2.0], vec![60.0, 20.0]],
        };
        assert_eq!(rounds.ratio("ours", "theirs"), 2.0);
        assert_eq!(rounds.ratio("theirs", "ours"), 0.5);
        assert_eq!(rounds.nanoseconds("ours"), 4.0);
        assert!(rounds.table("theirs").contains("2.000"));
    }

    #[test]
    fn every_contender_gets_a_turn_in_every_round() {
        let calls = std::cell::Cell::new(0);
        let mut contenders = [
            Contender::new("one", || calls.set(calls.get() + 1)),
            Contender::batch("ten", 10, || calls.set(calls.get() + 1)),
        ];
        let rounds = take_turns(&mut contenders, 5, Duration::ZERO);
        assert_eq!((rounds.rows.len(), rounds.rows[0].len()), (5, 2));
        // Twice to learn how long a call takes, once to warm up, and one call a round.
        drop(contenders);
        assert_eq!(calls.get(), 2 * (2 + 1 + 5));
    }
}
