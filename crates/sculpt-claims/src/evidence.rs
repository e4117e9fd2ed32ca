//! The rows of other artefacts as claims read them: one number a seed.

use crate::finding::{BySeed, Contrast, Rule};
use crate::methods::DENSE_CYCLIC;
use sculpt_rows::{
    AccuracyRow, BatchNorm, CostRow, Eigenvalue, EpochRow, ImageSet, LineRow, Part, SignRow, Unit, of_method,
    sparsity,
};
use sculpt_stats::StatsError;
use std::collections::BTreeMap;
use std::fmt;

/// Where low sparsity ends and high sparsity begins. The paper speaks of both and gives no number; 80 % lies between
/// the 20 % up to which its cyclic PaI holds on ImageNet (§4) and the 90 % and 93 % that it examines.
pub(crate) const HIGH_SPARSITY_DENSITY: f64 = 0.2;

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
}

/// One panel of a figure of accuracies; without rows where the suite has it not.
pub(crate) struct Panel<'a> {
    /// `4a`.
    pub(crate) place: String,
    rows: Vec<&'a AccuracyRow>,
    /// The panel's density of about 90 % sparsity; none where nobody told it, and then there is nothing at it.
    pub(crate) sparse_90: f64,
}

/// Id of a method.
pub(crate) type Id = &'static str;

/// A method's accuracies after its first or its last cycle.
pub(crate) type Way = (Id, Part);

/// After the last cycle.
pub(crate) const fn last(method: Id) -> Way {
    (method, Part::Last)
}

/// After the first cycle: standard training.
pub(crate) const fn first(method: Id) -> Way {
    (method, Part::First)
}

/// Densities that a claim speaks of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sparsities {
    /// All below 1.
    All,
    /// Below 80 %.
    Low,
    /// From 80 %.
    High,
    /// Up to that of this density.
    UpTo(f64),
    /// That of this density alone.
    Only(f64),
}

/// Which of the pairs of checkpoints that follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    All,
    /// The later half, by one more where they are odd: the paper says "at least at later stages" (§5).
    Late,
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

    /// A panel of a figure of accuracies.
    pub(crate) fn panel(&self, number: u32, letter: &str) -> Panel<'_> {
        let rows = self.accuracies.get(&number).into_iter().flatten();
        let sparse_90 = self.sparse_90.get(&(number, letter.to_owned()));
        Panel {
            place: format!("{number}{letter}"),
            rows: rows.filter(|row| row.panel == letter).collect(),
            sparse_90: sparse_90.copied().unwrap_or(f64::NAN),
        }
    }

    /// Mean barrier between a method's checkpoints that follow each other, in nats: the largest loss on the line less
    /// the mean of its ends.
    pub(crate) fn barriers(
        &self,
        number: u32,
        method: Id,
        (set, batch_norm): (ImageSet, BatchNorm),
        stage: Stage,
    ) -> Result<BySeed, StatsError> {
        let mut lines: BTreeMap<u32, BTreeMap<u32, Vec<(f64, f64)>>> = BTreeMap::new();
        for row in self.lines.get(&number).into_iter().flatten() {
            if row.method == method && row.set == set && row.batch_norm == batch_norm {
                let line = lines.entry(row.seed).or_default().entry(row.from).or_default();
                line.push((row.alpha, row.loss));
            }
        }
        let mean = |lines: BTreeMap<u32, Vec<(f64, f64)>>| -> Result<f64, StatsError> {
            let barriers: Vec<f64> = lines.into_values().map(barrier).collect();
            let skipped = match stage {
                Stage::All => 0,
                Stage::Late => barriers.len() / 2,
            };
            sculpt_stats::mean(&barriers[skipped..])
        };
        lines
            .into_iter()
            .map(|(seed, lines)| Ok((seed, mean(lines)?)))
            .collect()
    }

    /// Natural logarithm of the largest eigenvalue at a method's last checkpoint. Of a ratio of such values neither a
    /// scale of the loss nor an outlying seed decides.
    pub(crate) fn log_curvature(&self, method: Id) -> BySeed {
        let latest = self.last_eigenvalues(method).into_iter();
        latest.map(|row| (row.seed, row.value.ln())).collect()
    }

    /// What a sentence about these methods' curvatures must add: searches that ended before the residual was small.
    pub(crate) fn note_of_searches(&self, methods: &[Id]) -> String {
        let rows = methods.iter().flat_map(|method| self.last_eigenvalues(method));
        match rows.filter(|row| !row.converged).count() {
            0 => String::new(),
            1 => " (1 search did not converge)".to_owned(),
            n => format!(" ({n} searches did not converge)"),
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

/// Mean by seed of (seed, value) pairs.
pub(crate) fn means(pairs: impl Iterator<Item = (u32, f64)>) -> Result<BySeed, StatsError> {
    let mut values: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (seed, value) in pairs {
        values.entry(seed).or_default().push(value);
    }
    values
        .into_iter()
        .map(|(seed, values)| Ok((seed, sculpt_stats::mean(&values)?)))
        .collect()
}

impl Panel<'_> {
    /// `a − b` in points, averaged over these sparsities, of which both must have a value.
    pub(crate) fn contrast(&self, a: Way, b: Way, at: Sparsities, rule: Rule) -> Contrast {
        self.points(
            format!("{} − {}, {at}", way(a), way(b)),
            self.mean_difference(a, b, at),
            rule,
        )
    }

    /// The same of the sparsity at which `a − b` is smallest.
    pub(crate) fn worst(&self, a: Way, b: Way, at: Sparsities, rule: Rule) -> Contrast {
        let smallest = |values: &Vec<f64>| values.iter().copied().fold(f64::INFINITY, f64::min);
        let values = self.differences(a, b, at);
        let values = values
            .iter()
            .map(|(seed, values)| (*seed, smallest(values)))
            .collect();
        self.points(
            format!("{} − {}, the worst of {at}", way(a), way(b)),
            values,
            rule,
        )
    }

    pub(crate) fn mean_difference(&self, a: Way, b: Way, at: Sparsities) -> BySeed {
        let differences = self.differences(a, b, at);
        let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        differences
            .iter()
            .map(|(seed, values)| (*seed, mean(values)))
            .collect()
    }

    /// By seed, one for each sparsity that both have; seeds without any are left out.
    fn differences(&self, a: Way, b: Way, at: Sparsities) -> BTreeMap<u32, Vec<f64>> {
        let (a, b) = (self.accuracies(a), self.accuracies(b));
        let mut differences: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for ((seed, density), value) in &a {
            if let Some(other) = b.get(&(*seed, *density))
                && at.contains(f64::from_bits(*density))
            {
                differences.entry(*seed).or_default().push(value - other);
            }
        }
        differences
    }

    /// In percent, by seed and the bits of the density, which sort as the density does.
    fn accuracies(&self, (method, part): Way) -> BTreeMap<(u32, u64), f64> {
        let rows = of_method(&self.rows, method, part).into_iter();
        rows.map(|row| ((row.seed, row.density_target.to_bits()), row.percent()))
            .collect()
    }

    /// Accuracies of the dense network.
    pub(crate) fn dense(&self, of: Way) -> BySeed {
        let dense = |(_, density): &(u32, u64)| f64::from_bits(*density) == 1.0;
        let all = self.accuracies(of).into_iter().filter(|(key, _)| dense(key));
        all.map(|((seed, _), value)| (seed, value)).collect()
    }

    /// Accuracy at a method's best sparsity. Each seed's is chosen by the mean of the other seeds, since a largest value
    /// chosen by its own noise would flatter; a single seed has only its own.
    pub(crate) fn best(&self, of: Way) -> BySeed {
        let all = self.accuracies(of);
        let sparse = || {
            all.iter()
                .filter(|((_, density), _)| f64::from_bits(*density) < 1.0)
        };
        let mut best = BySeed::new();
        for seed in sparse().map(|((seed, _), _)| *seed) {
            let others = sparse().any(|((other, _), _)| *other != seed);
            let judged = |density: u64| {
                let judges = sparse().filter(|((s, d), _)| *d == density && (*s != seed || !others));
                let values: Vec<f64> = judges.map(|(_, value)| *value).collect();
                values.iter().sum::<f64>() / values.len() as f64
            };
            let own = sparse().filter(|((s, _), _)| *s == seed);
            let chosen = own.max_by(|((_, a), _), ((_, b), _)| judged(*a).total_cmp(&judged(*b)));
            best.extend(chosen.map(|(_, value)| (seed, *value)));
        }
        best
    }

    /// Accuracies of the dense network after its first cycle, after one in `one_in` of its cycles (at least two), and
    /// after the last; none of fewer than three cycles.
    pub(crate) fn dense_cycles(&self, one_in: u32) -> [BySeed; 3] {
        let rows = of_method(&self.rows, DENSE_CYCLIC, Part::All);
        let n = rows.iter().map(|row| row.cycle).max().unwrap_or(0);
        let after = |cycle: u32| -> BySeed {
            let own = rows.iter().filter(|row| n >= 3 && row.cycle == cycle);
            own.map(|row| (row.seed, row.percent())).collect()
        };
        [1, n.div_ceil(one_in).max(2), n].map(after)
    }

    pub(crate) fn points(&self, what: impl Into<String>, values: BySeed, rule: Rule) -> Contrast {
        Contrast {
            what: what.into(),
            place: self.place.clone(),
            unit: Unit::Points,
            rule,
            values,
        }
    }
}

impl Sparsities {
    fn contains(self, density: f64) -> bool {
        density < 1.0
            && match self {
                Sparsities::All => true,
                Sparsities::Low => density > HIGH_SPARSITY_DENSITY,
                Sparsities::High => density <= HIGH_SPARSITY_DENSITY,
                Sparsities::UpTo(least) => density >= least,
                Sparsities::Only(own) => density == own,
            }
    }
}

impl fmt::Display for Sparsities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sparsities::All => f.write_str("all sparsities"),
            Sparsities::Low => f.write_str("low sparsities"),
            Sparsities::High => f.write_str("high sparsities"),
            Sparsities::UpTo(least) => write!(f, "up to {}", sparsity(*least)),
            Sparsities::Only(own) => f.write_str(&sparsity(*own)),
        }
    }
}

/// `a − b`, seed by seed, of the seeds that both have.
pub(crate) fn minus(a: &BySeed, b: &BySeed) -> BySeed {
    let both = a.iter().filter_map(|(seed, a)| Some((*seed, a - b.get(seed)?)));
    both.collect()
}

fn way((method, part): Way) -> String {
    match part {
        Part::First => format!("{method} first cycle"),
        Part::Last | Part::All => method.to_string(),
    }
}

/// Of (α, loss) points in any order.
fn barrier(mut line: Vec<(f64, f64)>) -> f64 {
    line.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let highest = line
        .iter()
        .map(|(_, loss)| *loss)
        .fold(f64::NEG_INFINITY, f64::max);
    highest - 0.5 * (line[0].1 + line[line.len() - 1].1)
}
