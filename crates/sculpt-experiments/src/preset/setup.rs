use crate::methods::By;
use crate::{Criterion, DataRef, ExperimentError, Scored, Scoring, StateRef, Train, Version};
use sculpt_datasets::{Augmentation, Split};
use sculpt_label_noise::Rate;
use sculpt_masks::{Allocation, Density, Rule};
use sculpt_models::{InitRule, ModelSpec, Precision};
use sculpt_schedules::{Kind, Schedule};
use sculpt_scores::Criterion as Score;
use sculpt_signs::Fraction;
use std::num::NonZeroU32;

/// Everything that the recipes of one panel are made from.
///
/// | Name | Unit | Range | Paper's value | Where |
/// | --- | --- | --- | --- | --- |
/// | cycle_epochs | epochs | ≥ 1 | 150; 90 on ImageNet | Table 1 |
/// | cycles | – | ≥ 1 | 8; 4 on ImageNet | A.2 |
/// | total_epochs | epochs | ≥ cycle_epochs | 2,000 (1,200 and 1,500 elsewhere) | A.1, table 2; A.2 |
/// | levels | density | descending from 1 | 0.8^k, k = 0…18 | A.3: "typically x = 20 %" |
/// | batch | images | ≥ 1 | 512 | A.2, Table 1 |
/// | lr | – | > 0 | 0.1 | Table 1 |
/// | momentum | – | [0, 1) | 0.9 | A.2, Table 1 |
/// | weight_decay | – | [0, 1) | 1e-4; 1e-3 on CIFAR-100 | A.2 against Table 1 |
/// | seeds | – | ≥ 1 | 3; 1 on ImageNet | A.2 |
/// | n_seeds_beside | – | ≥ 1 | all | A.2 |
/// | sparse_67, sparse_90, sparse_93 | density | a level | 0.8^5, 0.8^10, 0.8^12 | §4, §5, A.1 |
/// | sculpt_starts | density | (0, 1), falling | 0.8, 0.5, 0.3 | §6 |
/// | criterion_targets | density | below the last start | 0.1, 0.05, 0.02 | figure 9 a |
/// | landscape_densities | density | levels | not given | figures 14, 15 |
/// | long_interval, long_intervals | epochs; – | ≥ 1 | 200; 10 | A.8, figure 17 |
/// | scoring_images | images | ≥ 1 | not given | §4 |
/// | synflow_iterations | – | ≥ 1 | not given; its authors' 100 | §4 |
/// | label_noise_rate | fraction | [0, 1] | 0.15 | A.2 |
/// | flip_fraction | fraction | [0, 1] | 0.2 | A.1 |
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// The training set.
    pub data: DataRef,
    /// What titles call it.
    pub data_title: String,
    /// The network.
    pub model: ModelSpec,
    /// How weights are drawn.
    pub init: InitRule,
    /// What of the training set is held out.
    pub split: Split,
    /// What is done to each training image.
    pub augmentation: Augmentation,
    /// Whether an epoch leaves out the images that fill no batch.
    pub drop_last: bool,
    /// Shape of the learning rate over a cycle.
    pub schedule: Kind,
    /// Its largest value.
    pub lr: f64,
    /// Epochs of a cycle.
    pub cycle_epochs: u32,
    /// Cycles of cyclic training.
    pub cycles: u32,
    /// Epochs of the runs whose signs are compared (figure 10, table 3), where those are not as many as the cycles have: as many whole
    /// cycles as fit, and one-cycle over all of them.
    pub total_epochs: Option<u32>,
    /// Images a step.
    pub batch: u32,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Weight decay of SGD, on all of θ.
    pub weight_decay: f64,
    /// In which numbers convolutions compute.
    pub precision: Precision,
    /// Densities of iterative pruning, from 1 downwards; masks of cyclic training have those below 1.
    pub levels: Vec<Density>,
    /// How the density of a random mask is shared among the layers.
    pub allocation: Allocation,
    /// Whether its counts are exact.
    pub rule: Rule,
    /// Seeds of the runs.
    pub seeds: Vec<u64>,
    /// How many of the seeds train what figures and tables other than 2, 4, 5, 7, tables 3 and 4 show; all when absent.
    pub n_seeds_beside: Option<usize>,
    /// The level of about 67 % sparsity.
    pub sparse_67: Density,
    /// The level of about 90 % sparsity.
    pub sparse_90: Density,
    /// The level of about 93 % sparsity.
    pub sparse_93: Density,
    /// Densities that SCULPT starts from.
    pub sculpt_starts: Vec<Density>,
    /// Densities that SCULPT's pruning criteria are compared at.
    pub criterion_targets: Vec<Density>,
    /// Levels whose random masks are interpolated.
    pub landscape_densities: Vec<Density>,
    /// Epochs between two checkpoints of a long run.
    pub long_interval: u32,
    /// Such intervals in a long run.
    pub long_intervals: u32,
    /// Training images that SNIP, GraSP, Fisher and WoodFisher see.
    pub scoring_images: u32,
    /// Iterations of SynFlow.
    pub synflow_iterations: NonZeroU32,
    /// What happens to a noisy label.
    pub label_noise_rule: sculpt_label_noise::Rule,
    /// Fraction of noisy labels.
    pub label_noise_rate: Rate,
    /// Fraction of the surviving signs flipped.
    pub flip_fraction: Fraction,
    /// libtorch threads of a node: environment, not identity.
    pub threads: u32,
}

impl Setup {
    /// Rows and columns of an image.
    ///
    /// # Panics
    /// When the data are none of the registry's, which no setup of a preset has.
    pub fn side(&self) -> u32 {
        self.data.shape().expect("a setup's data are the registry's").1
    }

    /// Whether an epoch has a step: recipes may say another batch, presets by themselves do not.
    ///
    /// # Errors
    /// Fewer training images than a batch, of which incomplete ones are left out.
    pub fn check_batch(&self) -> Result<(), ExperimentError> {
        let n_images = self.data.shape()?.0;
        if self.drop_last && n_images < u64::from(self.batch) {
            return Err(ExperimentError::OutOfRange {
                field: "--batch",
                value: self.batch.to_string(),
                allowed: format!(
                    "at most {n_images}, the training images of {}: incomplete batches are left out, so give a smaller one",
                    self.data_title
                ),
            });
        }
        Ok(())
    }

    /// Whole cycles in the total epochs.
    pub fn total_cycles(&self) -> u32 {
        self.total_epochs
            .map_or(self.cycles, |total| total / self.cycle_epochs)
    }

    /// The level below 1 whose ratio to `nominal` is nearest to 1; of two as near, the denser. 1 where there is no other.
    pub fn level_near(&self, nominal: Density) -> Density {
        let ratio = |level: &Density| {
            let (a, b) = (level.get(), nominal.get());
            a.max(b) / a.min(b)
        };
        let sparse = self.levels.iter().skip(1).copied();
        let nearest = sparse.min_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        nearest.unwrap_or(Density::DENSE)
    }

    /// A single cycle, standard training, from a state.
    pub fn cycle(&self, from: StateRef, seed: u64) -> Train {
        Train {
            v: Version,
            from,
            data: self.data.clone(),
            split: self.split,
            augmentation: self.augmentation,
            drop_last: self.drop_last,
            schedule: self.schedule,
            lr: self.lr,
            epochs: self.cycle_epochs,
            batch: self.batch,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            precision: self.precision,
            batch_norm: None,
            label_noise: None,
            seed,
        }
    }

    /// A criterion with the images and numbers of the preset.
    pub(crate) fn criterion(&self, by: By, seed: u64) -> Criterion {
        let mut score = match by {
            By::Magnitude => return Criterion::Magnitude,
            By::Chance => return Criterion::RandomSubset { seed },
            By::Score(score) => score,
        };
        if let Score::SynFlow(synflow) = &mut score {
            synflow.iterations = self.synflow_iterations;
        }
        let images = Scoring {
            data: self.data.clone(),
            split: self.split,
            images: self.scoring_images,
            seed,
        };
        Criterion::Scored(Scored::new(score, images, self.side()))
    }

    /// Epochs of the step-warmup schedule's warm-up, w = max(1, round(10 n / 150)): where WR rewinds to and what
    /// "warm-up init" is, whatever the schedule (A.4, reference §2.6).
    ///
    /// # Errors
    /// A cycle too long for a schedule.
    pub fn warm_up_epochs(&self) -> Result<u32, ExperimentError> {
        Ok(Schedule::new(Kind::StepWarmup, self.lr, self.cycle_epochs, 1)?.n_warmup_epochs())
    }
}
