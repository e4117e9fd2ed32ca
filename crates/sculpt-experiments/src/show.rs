//! What figures show of which methods, and how that becomes a recipe.

use crate::grow::Grower;
use crate::methods::{LastStep, MaskSource, Method, Start};
use crate::{LabelNoise, Point, Recipe, Setup};
use sculpt_masks::Density;

/// What a panel shows of some methods; at each density, one method after the other.
#[derive(Clone, Copy, Debug)]
pub struct Show {
    /// The methods; one is left out at a density at which there is no such thing.
    pub methods: &'static [&'static Method],
    /// At which densities.
    pub at: At,
    /// How long they are trained.
    pub length: Length,
    /// Which of their states.
    pub states: States,
}

/// Densities of a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// All levels, the dense network first.
    Levels,
    /// The levels below 1.
    Sparse,
    /// 1.
    Dense,
    /// The level of about 67 % sparsity.
    Sparse67,
    /// The level of about 90 % sparsity.
    Sparse90,
    /// The level of about 93 % sparsity.
    Sparse93,
    /// The levels nearest to 0.2, 0.1, 0.05 and 0.02: 80 to 98 % sparsity.
    Costs,
    /// Those whose masks are interpolated.
    Landscape,
    /// Those at which SCULPT's criteria are compared.
    CriterionTargets,
}

/// How long a method that is not trained level by level is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// The preset's cycles.
    Cycles,
    /// As many cycles as iterative pruning has levels.
    Levels,
    /// A single cycle.
    Once,
    /// The preset's long intervals (A.8).
    Long,
    /// The preset's total epochs (A.1), in presets where those are not its cycles'.
    Total,
}

impl Length {
    /// Whether a preset's panel has it.
    fn is_of(self, setup: &Setup) -> bool {
        match self {
            Length::Cycles | Length::Levels | Length::Once | Length::Long => true,
            Length::Total => setup.total_epochs.is_some(),
        }
    }
}

/// Which states of a training are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum States {
    /// The last.
    Last,
    /// One after each cycle's epochs.
    All,
    /// The first, which is standard training, and the last.
    FirstAndLast,
}

impl Show {
    /// After all cycles of the preset.
    pub const fn last(methods: &'static [&'static Method], at: At) -> Self {
        Self {
            methods,
            at,
            length: Length::Cycles,
            states: States::Last,
        }
    }

    /// After each cycle of the preset.
    pub const fn all(methods: &'static [&'static Method], at: At) -> Self {
        Self {
            states: States::All,
            ..Self::last(methods, at)
        }
    }

    /// Trained for another time.
    pub const fn over(self, length: Length) -> Self {
        Self { length, ..self }
    }
}

/// The labels of training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    /// Their own.
    Clean,
    /// Some of them wrong, by the preset's rule and rate (A.2).
    Noisy,
}

/// Adds what a panel shows to a recipe, with everything that it comes from, and returns the states shown, seed by seed;
/// all training is on such labels.
pub fn grow(recipe: &mut Recipe, setup: &Setup, shows: &[Show], labels: Labels) -> Vec<Point> {
    let mut points = Vec::new();
    for &seed in &setup.seeds {
        let noise = match labels {
            Labels::Clean => None,
            Labels::Noisy => Some(LabelNoise {
                rule: setup.label_noise_rule,
                rate: setup.label_noise_rate,
                seed,
            }),
        };
        let mut grower = Grower::new(recipe, setup, seed, noise);
        for show in shows.iter().filter(|show| show.length.is_of(setup)) {
            for density in show.at.densities(setup) {
                for method in show.methods {
                    if method.stands_at(density, setup) {
                        grower.show(show, method, density);
                    }
                }
            }
        }
        points.append(&mut grower.into_points());
    }
    points
}

impl At {
    fn densities(self, setup: &Setup) -> Vec<Density> {
        match self {
            At::Levels => setup.levels.clone(),
            At::Sparse => setup.levels[1..].to_vec(),
            At::Dense => vec![Density::DENSE],
            At::Sparse67 => vec![setup.sparse_67],
            At::Sparse90 => vec![setup.sparse_90],
            At::Sparse93 => vec![setup.sparse_93],
            At::Costs => {
                let nominal = [0.2, 0.1, 0.05, 0.02].map(|value| Density::new(value).expect("a density"));
                let mut densities = nominal.map(|nominal| setup.level_near(nominal)).to_vec();
                densities.dedup();
                densities
            }
            At::Landscape => setup.landscape_densities.clone(),
            At::CriterionTargets => setup.criterion_targets.clone(),
        }
    }
}

impl Method {
    /// Whether a preset's panel has the method at a density.
    fn stands_at(&self, density: Density, setup: &Setup) -> bool {
        let is_level = setup.levels.contains(&density);
        let has_mask = match self.mask {
            MaskSource::Dense => density == Density::DENSE,
            MaskSource::Random(_) => true,
            MaskSource::AtInit(_) => density < Density::DENSE,
            MaskSource::Iterative(_) => is_level,
            MaskSource::OfLevel(_) => is_level && density < Density::DENSE,
        };
        let ends_below = |step: LastStep| step.start.density(setup).is_some_and(|start| density < start);
        has_mask && self.last_step.is_none_or(ends_below)
    }
}

impl Start {
    /// The density, in a preset that starts from it.
    pub fn density(self, setup: &Setup) -> Option<Density> {
        match self {
            Start::At(value) => setup
                .sculpt_starts
                .iter()
                .copied()
                .find(|start| start.get() == value),
            Start::Sparsest => setup.sculpt_starts.last().copied(),
        }
    }
}
