//! The numbers that somebody gives, how large they may be, and why: a slip of the keyboard is told at once, not after an hour.

use std::fmt;

/// The range of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The least that makes sense.
    pub least: u32,
    /// The most that is taken.
    pub most: u32,
    /// Why it ends there.
    pub why: &'static str,
}

/// libtorch threads of a process.
pub const THREADS: Limit = Limit::from_1(
    256,
    "libtorch starts them all at once, and no machine here has more cores",
);

/// Processes that train side by side.
pub const JOBS: Limit = Limit::from_1(
    256,
    "each is a process with a copy of libtorch and of the data in memory",
);

/// Epochs of a training cycle.
pub const EPOCHS: Limit = Limit::from_1(100_000, "the paper's longest cycle has 2,000");

/// Images of a step.
pub const BATCH: Limit = Limit::from_1(1_000_000, "no machine's memory holds more at once");

/// Cycles of cyclic training.
pub const CYCLES: Limit = Limit::from_1(1000, "the paper trains 8");

/// Seeds of a preset.
pub const SEEDS: Limit = Limit::from_1(100, "the paper has 3, and 100 make an interval a sixth as wide");

/// Seeds times cycles times densities of a preset.
pub const GRID: Limit = Limit::from_1(
    10_000,
    "a figure needs several nodes for each, and the paper's grid has 3 · 8 · 19 = 456",
);

/// Machines of a simulation.
pub const MACHINES: Limit = Limit::from_1(
    100_000,
    "a machine of its own for every node that a recipe may have",
);

/// Nodes of a recipe.
pub const NODES: Limit = Limit::from_1(100_000, "all figures of the paper together need 10,326");

impl Limit {
    /// From 1 on.
    pub const fn from_1(most: u32, why: &'static str) -> Self {
        Self { least: 1, most, why }
    }

    /// Whether a number is in the range.
    pub fn contains(&self, n: u64) -> bool {
        (u64::from(self.least)..=u64::from(self.most)).contains(&n)
    }

    /// The number that a word is, for a flag of a command line.
    ///
    /// # Errors
    /// No whole number, or one outside the range: the sentence says which and why.
    pub fn parse(&self, word: &str) -> Result<u32, String> {
        let n = word
            .parse::<u64>()
            .map_err(|_| format!("{word:?} is no whole number in {self}"))?;
        match u32::try_from(n) {
            Ok(n) if self.contains(n.into()) => Ok(n),
            Ok(_) | Err(_) => Err(format!("{n} is not in {self}")),
        }
    }
}

/// `1..=256 (why)`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={} ({})", self.least, self.most, self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_the_range_or_say_why_not() {
        let limit = Limit::from_1(8, "eight are enough");
        assert_eq!(limit.parse("8"), Ok(8));
        for (word, says) in [
            ("0", "0 is not in 1..=8 (eight are enough)"),
            ("9", "9 is not in 1..=8 (eight are enough)"),
            ("18446744073709551615", "18446744073709551615 is not in"),
            ("-1", "\"-1\" is no whole number in 1..=8"),
            ("1.5", "\"1.5\" is no whole number"),
        ] {
            let error = limit.parse(word).unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
