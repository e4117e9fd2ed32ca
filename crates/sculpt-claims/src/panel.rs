//! A panel of a figure of accuracies, as claims compare its methods.

use crate::contrast::{BySeed, Contrast, Origin};
use crate::evidence::Id;
use crate::images::Points;
use crate::methods::DENSE_CYCLIC;
use crate::params::Sought;
use sculpt_rows::{AccuracyRow, Name, Over, Part, Quantity, Unit, of_method, sparsity};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Where low sparsity ends and high sparsity begins. The paper speaks of both and gives no number; 80 % lies between
/// the 20 % up to which its cyclic PaI holds on ImageNet (§4) and the 90 % and 93 % that it examines.
pub(crate) const HIGH_SPARSITY_DENSITY: f64 = 0.2;

/// A panel; without rows where the suite has it not.
pub(crate) struct Panel<'a> {
    pub(crate) figure: Name,
    pub(crate) letter: String,
    /// `4a`.
    pub(crate) place: String,
    pub(crate) rows: Vec<&'a AccuracyRow>,
    /// The panel's density of about 90 % sparsity; none where nobody told it, and then there is nothing at it.
    pub(crate) sparse_90: f64,
}

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

/// Accuracies, or what is made of them, by seed.
type Measured = BTreeMap<u32, Points>;

/// A density, and one difference a seed.
type Level = (f64, Measured);

/// By seed: (density, difference) of each density that both methods have.
type Differences = BTreeMap<u32, Vec<(f64, Points)>>;

impl Panel<'_> {
    /// `a − b` in points, averaged over these sparsities, of which both must have a value.
    pub(crate) fn contrast(&self, part: &str, a: Way, b: Way, at: Sparsities, sought: Sought) -> Contrast {
        let differences = self.differences(a, b, at);
        let mut origin = self.origin(a, b, Over::Mean);
        origin.densities = densities(&differences);
        origin.versus_densities.clone_from(&origin.densities);
        let what = format!("{} − {}, {at}", way(a), way(b));
        self.points(part, what, origin, means(&differences), sought)
    }

    /// The same, one a sparsity; one without values where there is none.
    pub(crate) fn each(&self, part: &str, a: Way, b: Way, sought: Sought) -> Vec<Contrast> {
        let all = densities(&self.differences(a, b, Sparsities::All));
        if all.is_empty() {
            return vec![self.contrast(part, a, b, Sparsities::All, sought)];
        }
        let one = |density: &f64| Contrast {
            replicate: format!("{}, {}", self.place, sparsity(*density)),
            ..self.contrast(part, a, b, Sparsities::Only(*density), sought)
        };
        all.iter().rev().map(one).collect()
    }

    /// `a − b` at high sparsities, less the same at low ones.
    pub(crate) fn growth(&self, part: &str, a: Way, b: Way, sought: Sought) -> Contrast {
        let (high, low) = (
            self.differences(a, b, Sparsities::High),
            self.differences(a, b, Sparsities::Low),
        );
        let mut origin = self.origin(a, b, Over::Growth);
        origin.densities = densities(&high);
        origin.versus_densities = densities(&low);
        let what = format!("{} − {}, at high − at low sparsities", way(a), way(b));
        self.points(part, what, origin, minus(&means(&high), &means(&low)), sought)
    }

    /// `a` at its best sparsity, less `b` dense.
    pub(crate) fn best_less_dense(&self, part: &str, a: Way, b: Way, sought: Sought) -> Contrast {
        let mut origin = self.origin(a, b, Over::Best);
        (origin.densities, origin.versus_densities) = (self.sparse(a), vec![1.0]);
        let levels = self.levels(a, b);
        let shown = extreme(&levels, 1.0);
        let what = format!("{} best sparsity{} − {} dense", way(a), at(shown), way(b));
        self.of_levels(part, what, origin, (&levels, shown), sought)
    }

    /// `a` dense, less `b` at its best sparsity.
    pub(crate) fn dense_less_best(&self, part: &str, a: Way, b: Way, sought: Sought) -> Contrast {
        let mut origin = self.origin(a, b, Over::VersusBest);
        (origin.densities, origin.versus_densities) = (vec![1.0], self.sparse(b));
        let mut levels = self.levels(b, a);
        for (_, values) in &mut levels {
            values.values_mut().for_each(|value| *value = -&*value);
        }
        let shown = extreme(&levels, -1.0);
        let what = format!("{} dense − {} best sparsity{}", way(a), way(b), at(shown));
        self.of_levels(part, what, origin, (&levels, shown), sought)
    }

    fn of_levels(
        &self,
        part: &str,
        what: String,
        origin: Origin,
        (levels, shown): (&[Level], Option<&Level>),
        sought: Sought,
    ) -> Contrast {
        let values = shown.map(|(_, values)| values.clone()).unwrap_or_default();
        Contrast {
            levels: levels.iter().map(|(_, values)| by_seed(values)).collect(),
            ..self.points(part, what, origin, values, sought)
        }
    }

    /// Of each density below 1 of `a`: its values less those of `b` dense, of the seeds that both have.
    fn levels(&self, a: Way, b: Way) -> Vec<Level> {
        let (all, dense) = (self.accuracies(a), self.dense(b));
        let of = |density: f64| {
            let own = all.iter().filter(|((_, d), _)| *d == density.to_bits());
            let own: Measured = own.map(|((seed, _), value)| (*seed, value.clone())).collect();
            (density, minus(&own, &dense))
        };
        let levels = self.sparse(a).into_iter().map(of);
        levels.filter(|(_, values)| !values.is_empty()).collect()
    }

    /// `a − b`, both dense.
    pub(crate) fn dense_contrast(&self, part: &str, a: Way, b: Way, sought: Sought) -> Contrast {
        let mut origin = self.origin(a, b, Over::Mean);
        (origin.densities, origin.versus_densities) = (vec![1.0], vec![1.0]);
        let what = format!("{} − {}", way(a), way(b));
        self.points(part, what, origin, minus(&self.dense(a), &self.dense(b)), sought)
    }

    /// The dense network's cyclic training after one of its cycles, less after another.
    pub(crate) fn dense_cycles(
        &self,
        (part, what): (&str, &str),
        cycles: Option<(u32, u32)>,
        sought: Sought,
    ) -> Contrast {
        let rows = of_method(&self.rows, DENSE_CYCLIC, Part::All);
        let after = |cycle: u32| -> Measured {
            let own = rows.iter().filter(|row| row.cycle == cycle);
            own.map(|row| (row.seed, accuracy(row))).collect()
        };
        let mut origin = self.origin(last(DENSE_CYCLIC), last(DENSE_CYCLIC), Over::Mean);
        (origin.densities, origin.versus_densities) = (vec![1.0], vec![1.0]);
        origin.cycle = cycles.map(|(a, _)| a.to_string());
        origin.versus_cycle = cycles.map(|(_, b)| b.to_string());
        let what = match cycles {
            Some((a, b)) => format!("{what}: {DENSE_CYCLIC} after cycle {a} − after cycle {b}"),
            None => what.to_owned(),
        };
        let values = cycles.map_or_else(Measured::new, |(a, b)| minus(&after(a), &after(b)));
        self.points(part, what, origin, values, sought)
    }

    /// The dense network's cycles.
    pub(crate) fn n_dense_cycles(&self) -> u32 {
        let rows = of_method(&self.rows, DENSE_CYCLIC, Part::All);
        rows.iter().map(|row| row.cycle).max().unwrap_or(0)
    }

    fn differences(&self, a: Way, b: Way, at: Sparsities) -> Differences {
        let (a, b) = (self.accuracies(a), self.accuracies(b));
        let mut differences = Differences::new();
        for ((seed, density), value) in &a {
            let own = f64::from_bits(*density);
            if let Some(other) = b.get(&(*seed, *density))
                && at.contains(own)
            {
                let of_seed = differences.entry(*seed).or_default();
                of_seed.push((own, value.minus(other)));
            }
        }
        differences
    }

    /// In percent, by seed and the bits of the density, which sort as the density does.
    fn accuracies(&self, (method, part): Way) -> BTreeMap<(u32, u64), Points> {
        let rows = of_method(&self.rows, method, part).into_iter();
        rows.map(|row| ((row.seed, row.density_target.to_bits()), accuracy(row)))
            .collect()
    }

    /// Accuracies of the dense network.
    fn dense(&self, of: Way) -> Measured {
        let dense = |(_, density): &(u32, u64)| f64::from_bits(*density) == 1.0;
        let all = self.accuracies(of).into_iter().filter(|(key, _)| dense(key));
        all.map(|((seed, _), value)| (seed, value)).collect()
    }

    /// A method's densities below 1.
    fn sparse(&self, of: Way) -> Vec<f64> {
        let all: BTreeSet<u64> = self.accuracies(of).into_keys().map(|(_, d)| d).collect();
        let densities = all.into_iter().map(f64::from_bits);
        densities.filter(|density| *density < 1.0).collect()
    }

    fn origin(&self, a: Way, b: Way, over: Over) -> Origin {
        Origin {
            cycle: Some(cycle(a)),
            versus_cycle: Some(cycle(b)),
            over: Some(over),
            ..Origin::new(self.figure, &self.letter, Quantity::Accuracy, a.0).versus(b.0)
        }
    }

    fn points(&self, part: &str, what: String, origin: Origin, values: Measured, sought: Sought) -> Contrast {
        let states = values.iter().map(|(seed, points)| (*seed, points.of.clone()));
        Contrast {
            states: states.collect(),
            ..Contrast::new(
                (part, self.place.clone(), what),
                origin,
                (Unit::Points, sought),
                by_seed(&values),
            )
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
            // Nobody told which density it is.
            Sparsities::UpTo(own) | Sparsities::Only(own) if own.is_nan() => f.write_str("90 % sparsity"),
            Sparsities::UpTo(least) => write!(f, "up to {}", sparsity(*least)),
            Sparsities::Only(own) => f.write_str(&sparsity(*own)),
        }
    }
}

/// The level with the largest mean times `sign`; of equals the densest.
fn extreme(levels: &[Level], sign: f64) -> Option<&Level> {
    let sum = |values: &Measured| values.values().map(|points| points.value).sum::<f64>();
    let mean = |(_, values): &Level| sign * sum(values) / values.len() as f64;
    levels.iter().max_by(|a, b| mean(a).total_cmp(&mean(b)))
}

fn at(level: Option<&Level>) -> String {
    level.map_or_else(String::new, |(density, _)| format!(" ({})", sparsity(*density)))
}

fn means(differences: &Differences) -> Measured {
    let mean = |values: &[(f64, Points)]| Points::mean(values.iter().map(|(_, value)| value));
    let all = differences.iter();
    all.map(|(seed, values)| (*seed, mean(values))).collect()
}

/// `a − b`, seed by seed, of the seeds that both have.
fn minus(a: &Measured, b: &Measured) -> Measured {
    let both = a
        .iter()
        .filter_map(|(seed, a)| Some((*seed, a.minus(b.get(seed)?))));
    both.collect()
}

fn by_seed(values: &Measured) -> BySeed {
    values
        .iter()
        .map(|(seed, points)| (*seed, points.value))
        .collect()
}

/// In percent.
fn accuracy(row: &AccuracyRow) -> Points {
    Points::of(row.percent(), (row.node.clone(), row.epoch))
}

/// Of any seed, ascending.
fn densities(differences: &Differences) -> Vec<f64> {
    let all = differences
        .values()
        .flatten()
        .map(|(density, _)| density.to_bits());
    let distinct: BTreeSet<u64> = all.collect();
    distinct.into_iter().map(f64::from_bits).collect()
}

fn cycle((_, part): Way) -> String {
    let word = match part {
        Part::First => "first",
        Part::Last | Part::All => "last",
    };
    word.to_owned()
}

fn way((method, part): Way) -> String {
    match part {
        Part::First => format!("{method} first cycle"),
        Part::Last | Part::All => method.to_string(),
    }
}
