//! The rows of other artefacts as claims read them: one number a seed.

use crate::contrast::{BySeed, Contrast};
use crate::panel::Panel;
use sculpt_rows::{AccuracyRow, BatchNorm, CostRow, Eigenvalue, EpochRow, ImageSet, LineRow, Name, SignRow};
use sculpt_stats::StatsError;
use std::collections::BTreeMap;

/// What a suite says, artefact by artefact; what it has not is empty.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Accuracies, by the number of the figure.
    pub accuracies: BTreeMap<u32, Vec<AccuracyRow>>,
    /// Losses between checkpoints, by the number of the figure.
    pub lines: BTreeMap<u32, Vec<LineRow>>,
    /// Largest eigenvalues: figure 3.
    pub eigenvalues: Vec<Eigenvalue>,
    /// Training epochs: table 2.
    pub epochs: Vec<EpochRow>,
    /// Sign overlaps: table 3.
    pub signs: Vec<SignRow>,
    /// Costs: table 4.
    pub costs: Vec<CostRow>,
    /// The density of about 90 % sparsity of each panel of a figure of accuracies: number and letter.
    pub sparse_90: BTreeMap<(u32, String), f64>,
    /// Which test images a state gets right, by (node, epoch); of states whose predictions are not kept nothing.
    pub correct: BTreeMap<(String, u32), Vec<bool>>,
}

/// Id of a method.
pub(crate) type Id = &'static str;

/// Which of the pairs of checkpoints that follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    All,
    /// The later half, by one more where they are odd: the paper says "at least at later stages" (§5).
    Late,
}

/// (α, loss) points of each pair of checkpoints, (from, to).
type Lines = BTreeMap<(u32, u32), Vec<(f64, f64)>>;

/// Barriers of a method, in nats: the mean over its pairs of checkpoints, by seed.
#[derive(Debug, Default)]
pub(crate) struct Barriers {
    /// Largest loss on the line, less the straight line between its ends; never negative.
    pub(crate) chord: BySeed,
    /// Largest loss on the line, less the mean of its ends: of a straight line half its fall.
    pub(crate) mean_of_ends: BySeed,
    /// `1-2`, of any seed.
    pub(crate) pairs: Vec<String>,
}

impl Evidence {
    /// What `contrasts` finds in each of these panels of figures: (number, letter).
    pub(crate) fn at(
        &self,
        places: &[(u32, &str)],
        contrasts: impl Fn(&Panel<'_>) -> Vec<Contrast>,
    ) -> Vec<Contrast> {
        let panels = places.iter().map(|(number, letter)| self.panel(*number, letter));
        panels.flat_map(|panel| contrasts(&panel)).collect()
    }

    /// Of figures that show the same states the first that has any: the same runs are no two replicates.
    pub(crate) fn first_of<'a>(&self, figures: &[u32], letters: &[&'a str]) -> Vec<(u32, &'a str)> {
        let shown = |number: &u32, letter: &str| {
            let rows = self.accuracies.get(number);
            rows.is_some_and(|rows| rows.iter().any(|row| row.panel == letter))
        };
        let place = |letter: &&'a str| {
            let own = figures.iter().find(|number| shown(number, letter));
            (*own.unwrap_or(&figures[0]), *letter)
        };
        letters.iter().map(place).collect()
    }

    /// A panel of a figure of accuracies.
    pub(crate) fn panel(&self, number: u32, letter: &str) -> Panel<'_> {
        let rows = self.accuracies.get(&number).into_iter().flatten();
        let sparse_90 = self.sparse_90.get(&(number, letter.to_owned()));
        Panel {
            figure: Name::Figure(number),
            letter: letter.to_owned(),
            place: format!("{number}{letter}"),
            rows: rows.filter(|row| row.panel == letter).collect(),
            sparse_90: sparse_90.copied().unwrap_or(f64::NAN),
        }
    }

    /// Barriers between a method's checkpoints that follow each other.
    pub(crate) fn barriers(
        &self,
        number: u32,
        method: Id,
        (set, batch_norm): (ImageSet, BatchNorm),
        stage: Stage,
    ) -> Result<Barriers, StatsError> {
        let mut lines: BTreeMap<u32, Lines> = BTreeMap::new();
        for row in self.lines.get(&number).into_iter().flatten() {
            if row.method == method && row.set == set && row.batch_norm == batch_norm {
                let seed = lines.entry(row.seed).or_default();
                let line = seed.entry((row.from, row.to)).or_default();
                line.push((row.alpha, row.loss));
            }
        }
        let mut found = Barriers::default();
        for (seed, lines) in lines {
            let skipped = match stage {
                Stage::All => 0,
                Stage::Late => lines.len() / 2,
            };
            let (mut chords, mut halves) = (Vec::new(), Vec::new());
            for ((from, to), line) in lines.into_iter().skip(skipped) {
                let (chord, half) = barrier(line);
                chords.push(chord);
                halves.push(half);
                let pair = format!("{from}-{to}");
                if !found.pairs.contains(&pair) {
                    found.pairs.push(pair);
                }
            }
            found.chord.insert(seed, sculpt_stats::mean(&chords)?);
            found.mean_of_ends.insert(seed, sculpt_stats::mean(&halves)?);
        }
        Ok(found)
    }

    /// Natural logarithm of the largest eigenvalue at a method's last checkpoint. Of a ratio of such values neither a
    /// scale of the loss nor an outlying seed decides.
    pub(crate) fn log_curvature(&self, method: Id) -> BySeed {
        let latest = self.last_eigenvalues(method).into_iter();
        latest.map(|row| (row.seed, row.value.ln())).collect()
    }

    /// What a sentence about these methods' curvatures must add: searches that ended before the residual was small.
    pub(crate) fn note_of_searches(&self, methods: &[Id]) -> Option<String> {
        let rows = methods.iter().flat_map(|method| self.last_eigenvalues(method));
        match rows.filter(|row| !row.converged).count() {
            0 => None,
            1 => Some("1 search did not converge".to_owned()),
            n => Some(format!("{n} searches did not converge")),
        }
    }

    /// At the last checkpoint of each seed.
    fn last_eigenvalues(&self, method: Id) -> Vec<&Eigenvalue> {
        let mut latest: BTreeMap<u32, &Eigenvalue> = BTreeMap::new();
        for row in self.eigenvalues.iter().filter(|row| row.method == method) {
            let known = latest.entry(row.seed).or_insert(row);
            if row.cycle > known.cycle {
                *known = row;
            }
        }
        latest.into_values().collect()
    }
}

/// `a − b`, seed by seed, of the seeds that both have.
pub(crate) fn minus(a: &BySeed, b: &BySeed) -> BySeed {
    let both = a.iter().filter_map(|(seed, a)| Some((*seed, a - b.get(seed)?)));
    both.collect()
}

/// By the chord and by the mean of the ends, of (α, loss) points in any order.
fn barrier(mut line: Vec<(f64, f64)>) -> (f64, f64) {
    line.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (first, last) = (line[0].1, line[line.len() - 1].1);
    let highest = |height: fn(f64, f64, f64, f64) -> f64| {
        let heights = line
            .iter()
            .map(|(alpha, loss)| height(*alpha, *loss, first, last));
        heights.fold(f64::NEG_INFINITY, f64::max)
    };
    (
        highest(|alpha, loss, first, last| loss - ((1.0 - alpha) * first + alpha * last)),
        highest(|_, loss, first, last| loss - 0.5 * (first + last)),
    )
}
