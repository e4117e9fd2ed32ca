//! The frames of other artefacts as claims read them: one number a seed.

use super::finding::{BySeed, Contrast, Rule, Unit};
use crate::accuracies::{Part, Rows};
use crate::artefact::Artefact;
use crate::words;
use crate::{Cell, Frame, Name, ReportError, Session};
use sculpt_experiments::Preset;
use sculpt_experiments::{Method, methods};
use std::collections::BTreeMap;
use std::fmt;

/// Where low sparsity ends and high sparsity begins. The paper speaks of both and gives no number; 80 % lies between
/// the 20 % up to which its cyclic PaI holds on ImageNet (§4) and the 90 % and 93 % that it examines.
pub(super) const HIGH_SPARSITY_DENSITY: f64 = 0.2;

/// What a suite says, artefact by artefact.
pub(super) struct Evidence<'a> {
    preset: &'a Preset,
    /// Without those that the suite has not.
    frames: BTreeMap<Name, Frame>,
}

/// One panel of a figure of accuracies; without rows where the suite has it not.
pub(super) struct Panel {
    /// `4a`.
    pub(super) place: String,
    rows: Rows,
    /// The panel's density of about 90 % sparsity.
    pub(super) sparse_90: f64,
}

/// A method's accuracies after its first or its last cycle.
pub(super) type Way = (&'static Method, Part);

/// After the last cycle.
pub(super) const fn last(method: &'static Method) -> Way {
    (method, Part::Last)
}

/// After the first cycle: standard training.
pub(super) const fn first(method: &'static Method) -> Way {
    (method, Part::First)
}

/// Densities that a claim speaks of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sparsities {
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
pub(super) enum Stage {
    All,
    /// The later half, by one more where they are odd: the paper says "at least at later stages" (§5).
    Late,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(preset: &'a Preset, frames: BTreeMap<Name, Frame>) -> Self {
        Self { preset, frames }
    }

    /// Measures what the suite has of these artefacts.
    pub(super) fn gather(
        session: &'a Session,
        names: impl IntoIterator<Item = Name>,
    ) -> Result<Self, ReportError> {
        let mut frames = BTreeMap::new();
        for name in names {
            let Ok(artefact) = Artefact::find(name) else {
                continue;
            };
            match session.frame(artefact) {
                Ok(frame) => {
                    frames.insert(name, frame);
                }
                Err(ReportError::StatesMissing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self::new(&session.suite().preset, frames))
    }

    /// An artefact's frame, where the suite has it.
    pub(super) fn frame(&self, name: Name) -> Option<&Frame> {
        self.frames.get(&name)
    }

    /// What `contrasts` finds in each of these panels of figures: (number, letter).
    pub(super) fn at(
        &self,
        places: &[(u32, &str)],
        contrasts: impl Fn(&Panel) -> Vec<Contrast>,
    ) -> Result<Vec<Contrast>, ReportError> {
        let mut all = Vec::new();
        for (number, letter) in places {
            all.extend(contrasts(&self.panel(*number, letter)?));
        }
        Ok(all)
    }

    /// A panel of a figure of accuracies.
    pub(super) fn panel(&self, number: u32, letter: &str) -> Result<Panel, ReportError> {
        let name = Name::Figure(number);
        let sources = Artefact::find(name)?.content.sources();
        let source = sources.iter().find(|source| source.letter == letter);
        let source = source.expect("a claim names a panel of a figure");
        let rows = match self.frame(name) {
            Some(frame) => Rows::read(frame, name)?.of_panel(letter),
            None => Rows(Vec::new()),
        };
        Ok(Panel {
            place: format!("{number}{letter}"),
            rows,
            sparse_90: self.preset.panel(source.panel)?.sparse_90.get(),
        })
    }

    /// Mean barrier between a method's checkpoints that follow each other, in nats: the largest loss on the line less
    /// the mean of its ends.
    pub(super) fn barriers(
        &self,
        number: u32,
        method: &'static Method,
        (set, batch_norm): (&str, &str),
        stage: Stage,
    ) -> Result<BySeed, ReportError> {
        let name = Name::Figure(number);
        let mut lines: BTreeMap<u32, BTreeMap<u32, Vec<(f64, f64)>>> = BTreeMap::new();
        let Some(frame) = self.frame(name) else {
            return Ok(BySeed::new());
        };
        let wanted = [("method", method.id), ("set", set), ("batch_norm", batch_norm)];
        for row in 0..frame.len() {
            if wanted
                .iter()
                .all(|(column, value)| *frame.cell(row, column) == Cell::from(*value))
            {
                let number = |column| frame.number(name, row, column);
                let (seed, from) = (number("seed")? as u32, number("from")? as u32);
                let line = lines.entry(seed).or_default().entry(from).or_default();
                line.push((number("alpha")?, number("loss")?));
            }
        }
        let mean = |lines: BTreeMap<u32, Vec<(f64, f64)>>| -> Result<f64, ReportError> {
            let barriers: Vec<f64> = lines.into_values().map(barrier).collect();
            let skipped = match stage {
                Stage::All => 0,
                Stage::Late => barriers.len() / 2,
            };
            Ok(sculpt_stats::mean(&barriers[skipped..])?)
        };
        lines
            .into_iter()
            .map(|(seed, lines)| Ok((seed, mean(lines)?)))
            .collect()
    }

    /// Natural logarithm of the largest eigenvalue at a method's last checkpoint. Of a ratio of such values neither a
    /// scale of the loss nor an outlying seed decides.
    pub(super) fn log_curvature(&self, number: u32, method: &'static Method) -> Result<BySeed, ReportError> {
        let name = Name::Figure(number);
        let mut latest: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
        let Some(frame) = self.frame(name) else {
            return Ok(BySeed::new());
        };
        for row in 0..frame.len() {
            if *frame.cell(row, "eigenvalue") != Cell::Missing
                && *frame.cell(row, "method") == Cell::from(method.id)
            {
                let number = |column| frame.number(name, row, column);
                let found = (number("to")?, number("eigenvalue")?.ln());
                let known = latest.entry(number("seed")? as u32).or_insert(found);
                if found.0 > known.0 {
                    *known = found;
                }
            }
        }
        Ok(latest
            .into_iter()
            .map(|(seed, (_, value))| (seed, value))
            .collect())
    }

    /// Mean by seed of what `value` takes from the rows of an artefact; rows that it gives nothing of do not count.
    pub(super) fn mean_of(
        &self,
        name: Name,
        value: impl Fn(&Frame, usize) -> Result<Option<f64>, ReportError>,
    ) -> Result<BySeed, ReportError> {
        let mut values: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        if let Some(frame) = self.frame(name) {
            for row in 0..frame.len() {
                if let Some(value) = value(frame, row)? {
                    let seed = frame.number(name, row, "seed")? as u32;
                    values.entry(seed).or_default().push(value);
                }
            }
        }
        means(values)
    }
}

impl Panel {
    /// `a − b` in points, averaged over these sparsities, of which both must have a value.
    pub(super) fn contrast(&self, a: Way, b: Way, at: Sparsities, rule: Rule) -> Contrast {
        self.points(
            format!("{} − {}, {at}", way(a), way(b)),
            self.mean_difference(a, b, at),
            rule,
        )
    }

    /// The same of the sparsity at which `a − b` is smallest.
    pub(super) fn worst(&self, a: Way, b: Way, at: Sparsities, rule: Rule) -> Contrast {
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

    pub(super) fn mean_difference(&self, a: Way, b: Way, at: Sparsities) -> BySeed {
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
        let rows = self.rows.of_method(method, part).0.into_iter();
        rows.map(|row| ((row.seed, row.density_target.to_bits()), row.accuracy))
            .collect()
    }

    /// Accuracies of the dense network.
    pub(super) fn dense(&self, of: Way) -> BySeed {
        let dense = |(_, density): &(u32, u64)| f64::from_bits(*density) == 1.0;
        let all = self.accuracies(of).into_iter().filter(|(key, _)| dense(key));
        all.map(|((seed, _), value)| (seed, value)).collect()
    }

    /// Accuracy at a method's best sparsity. Each seed's is chosen by the mean of the other seeds, since a largest value
    /// chosen by its own noise would flatter; a single seed has only its own.
    pub(super) fn best(&self, of: Way) -> BySeed {
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
    pub(super) fn dense_cycles(&self, one_in: u32) -> [BySeed; 3] {
        let rows = self.rows.of_method(&methods::DENSE_CYCLIC, Part::All).0;
        let n = rows.iter().map(|row| row.cycle).max().unwrap_or(0);
        let after = |cycle: u32| -> BySeed {
            let own = rows.iter().filter(|row| n >= 3 && row.cycle == cycle);
            own.map(|row| (row.seed, row.accuracy)).collect()
        };
        [1, n.div_ceil(one_in).max(2), n].map(after)
    }

    pub(super) fn points(&self, what: impl Into<String>, values: BySeed, rule: Rule) -> Contrast {
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
            Sparsities::UpTo(least) => write!(f, "up to {}", words::sparsity(*least)),
            Sparsities::Only(own) => f.write_str(&words::sparsity(*own)),
        }
    }
}

/// `a − b`, seed by seed, of the seeds that both have.
pub(super) fn minus(a: &BySeed, b: &BySeed) -> BySeed {
    let both = a.iter().filter_map(|(seed, a)| Some((*seed, a - b.get(seed)?)));
    both.collect()
}

fn way((method, part): Way) -> String {
    match part {
        Part::First => format!("{method} first cycle"),
        Part::Last | Part::All => method.to_string(),
    }
}

fn means(values: BTreeMap<u32, Vec<f64>>) -> Result<BySeed, ReportError> {
    values
        .into_iter()
        .map(|(seed, values)| Ok((seed, sculpt_stats::mean(&values)?)))
        .collect()
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
