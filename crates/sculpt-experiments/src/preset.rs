use crate::data::{DEMO_A, data_ref, demo_a};
use crate::plan::data_shape;
use crate::{DataFolder, DataRef, ExperimentError};
use sculpt_datasets::{Augmentation, Split, cifar10_digest};
use sculpt_masks::{Allocation, Density, Rule, geometric_densities};
use sculpt_models::{InitRule, ModelSpec, Precision};
use sculpt_schedules::{Kind, Schedule};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where a whole set of numbers comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PresetName {
    /// The paper's, to the letter of Table 1, §3 and A.2.
    Paper,
    /// The same grid at a tenth of the epochs, for one GPU or a patient CPU.
    Short,
    /// Small networks on images made in memory: minutes on two cores.
    Demo,
}

/// What a user changes of a preset; part of the ids, of the suite's name and of every title.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Epochs of a cycle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle_epochs: Option<u32>,
    /// Cycles of cyclic training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u32>,
    /// Densities below 1: of the levels and of the masks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub densities: Option<Vec<Density>>,
    /// How many seeds, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<u32>,
    /// The first so many training images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_images: Option<u32>,
}

/// Everything that the recipes of one panel are made from.
///
/// | Name | Unit | Range | Paper's value | Where |
/// | --- | --- | --- | --- | --- |
/// | cycle_epochs | epochs | ≥ 1 | 150; 90 on ImageNet | Table 1 |
/// | cycles | – | ≥ 1 | 8; 4 on ImageNet | A.2 |
/// | levels | density | descending from 1 | 0.8^k, k = 0…18 | A.3: "typically x = 20 %" |
/// | batch | images | ≥ 1 | 512 | A.2, Table 1 |
/// | lr | – | > 0 | 0.1 | Table 1 |
/// | momentum | – | [0, 1) | 0.9 | A.2, Table 1 |
/// | weight_decay | – | [0, 1) | 1e-4; 1e-3 on CIFAR-100 | A.2 against Table 1 |
/// | seeds | – | ≥ 1 | 3; 1 on ImageNet | A.2 |
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// The training set.
    pub data: DataRef,
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
    /// libtorch threads of a node: environment, not identity.
    pub threads: u32,
}

/// A preset with its overrides: what a suite is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Which preset.
    pub name: PresetName,
    /// What the user changed.
    pub overrides: Overrides,
    /// The data of panel (a).
    pub data: DataRef,
}

impl Preset {
    /// A preset with the data at hand: the demo's own, or the CIFAR-10 files of `folder`; without a folder,
    /// the genuine CIFAR-10, whose digest is known, so that it can be planned.
    ///
    /// # Errors
    /// Data that cannot be read; overrides out of range.
    pub fn new(name: PresetName, overrides: Overrides, folder: &DataFolder) -> Result<Self, ExperimentError> {
        let data = match name {
            PresetName::Demo => data_ref(&demo_a(), None),
            PresetName::Paper | PresetName::Short if folder.folder.is_some() => {
                data_ref(&folder.cifar10()?, None)
            }
            PresetName::Paper | PresetName::Short => DataRef {
                name: "CIFAR-10".to_owned(),
                digest: cifar10_digest(),
                train_images: None,
            },
        };
        let preset = Self {
            name,
            overrides,
            data,
        };
        preset.panel_a()?;
        Ok(preset)
    }

    /// Panel (a): CIFAR-10 with ResNet-20, or the demo's first data.
    ///
    /// # Errors
    /// Overrides out of range.
    pub fn panel_a(&self) -> Result<Setup, ExperimentError> {
        let setup = match self.name {
            PresetName::Paper => paper_cifar10(self.data.clone()),
            PresetName::Short => short_cifar10(self.data.clone()),
            PresetName::Demo => demo_panel_a(self.data.clone()),
        };
        self.overrides.apply(setup)
    }

    /// Name of the suite when the user gives none: the preset, its overrides, and data other than its own.
    pub fn suite_name(&self) -> String {
        let mut name = self.name.to_string();
        let own = self.data.name == DEMO_A || self.data.name == "CIFAR-10";
        if !own {
            let plain = |c: char| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '-'
                }
            };
            let data: String = self.data.name.chars().map(plain).collect();
            let words: Vec<_> = data.split('-').filter(|w| !w.is_empty()).collect();
            name.push_str(&format!("-{}", words.join("-")));
        }
        for (word, value) in self.overrides.words() {
            name.push_str(&format!("-{word}={value}"));
        }
        name
    }

    /// What titles add about the overrides; empty when there are none.
    pub fn cut(&self) -> String {
        let words = self
            .overrides
            .words()
            .into_iter()
            .map(|(word, value)| match word {
                "cycle-epochs" => format!("{value}-epoch cycles"),
                "cycles" => format!("{value} cycles"),
                "densities" => format!("densities {}", value.replace(',', ", ")),
                "seeds" if value == "1" => "1 seed".to_owned(),
                "seeds" => format!("{value} seeds"),
                _ => format!("{value} training images"),
            });
        words.collect::<Vec<_>>().join(", ")
    }
}

impl Setup {
    /// Epochs of the step-warmup schedule's warm-up, w = max(1, round(10 n / 150)): where WR rewinds to and what
    /// "warm-up init" is, whatever the schedule (A.4, reference §2.6).
    ///
    /// # Errors
    /// A cycle too long for a schedule.
    pub fn warm_up_epochs(&self) -> Result<u32, ExperimentError> {
        Ok(Schedule::new(Kind::StepWarmup, self.lr, self.cycle_epochs, 1)?.n_warmup_epochs())
    }
}

impl Overrides {
    /// (flag without dashes, value) of each override given, in a fixed order.
    fn words(&self) -> Vec<(&'static str, String)> {
        let densities = self.densities.as_ref().map(|d| {
            d.iter()
                .map(|d| d.get().to_string())
                .collect::<Vec<_>>()
                .join(",")
        });
        let all = [
            ("train-images", self.train_images.map(|n| n.to_string())),
            ("cycle-epochs", self.cycle_epochs.map(|n| n.to_string())),
            ("cycles", self.cycles.map(|n| n.to_string())),
            ("densities", densities),
            ("seeds", self.seeds.map(|n| n.to_string())),
        ];
        all.into_iter()
            .filter_map(|(word, value)| Some((word, value?)))
            .collect()
    }

    fn apply(&self, mut setup: Setup) -> Result<Setup, ExperimentError> {
        let in_range = |what, value: Option<u32>, problem, max: u32| match value {
            Some(n) if !(1..=max).contains(&n) => Err(ExperimentError::BadValue {
                what,
                value: n.to_string(),
                problem,
            }),
            other => Ok(other),
        };
        if let Some(epochs) = in_range(
            "--cycle-epochs",
            self.cycle_epochs,
            "is not in 1..=100000",
            100_000,
        )? {
            setup.cycle_epochs = epochs;
        }
        if let Some(cycles) = in_range("--cycles", self.cycles, "is not in 1..=1000", 1000)? {
            setup.cycles = cycles;
        }
        if let Some(n) = in_range("--seeds", self.seeds, "is not in 1..=1000", 1000)? {
            setup.seeds = (1..=u64::from(n)).collect();
        }
        if let Some(n) = in_range(
            "--train-images",
            self.train_images,
            "is not in the range from 1 to the size of the training set",
            data_shape(&DataRef {
                train_images: None,
                ..setup.data.clone()
            })
            .0 as u32,
        )? {
            if n < setup.batch && setup.drop_last {
                return Err(ExperimentError::BadValue {
                    what: "--train-images",
                    value: n.to_string(),
                    problem: "does not fill one batch",
                });
            }
            setup.data.train_images = Some(n);
        }
        if let Some(densities) = &self.densities {
            let mut levels = vec![density(1.0)];
            levels.extend(densities.iter().copied().filter(|d| d.get() < 1.0));
            if levels.windows(2).any(|pair| pair[0].get() <= pair[1].get()) {
                return Err(ExperimentError::BadValue {
                    what: "--densities",
                    value: densities
                        .iter()
                        .map(|d| d.get().to_string())
                        .collect::<Vec<_>>()
                        .join(","),
                    problem: "must fall from one to the next",
                });
            }
            setup.levels = levels;
        }
        let n_prunable = setup.model.layout().n_prunable();
        for level in &setup.levels {
            level.n_kept(n_prunable)?;
        }
        setup.warm_up_epochs()?;
        Ok(setup)
    }
}

/// ResNet-20 on CIFAR-10: Table 1, §3, A.2. Named choices where the paper is silent or contradicts itself
/// (reference §1): initialisation fan-in (§1.6), pad-4 crop and flip, the last batch kept (§1.7), 8 cycles
/// of 150 epochs rather than 1,500 epochs (§1.8), bf16 as in the authors' harness (§2.1), random masks
/// balanced (A.7 finds them better than ERK) with exact counts (§1.2).
fn paper_cifar10(data: DataRef) -> Setup {
    let model = ModelSpec::named("resnet20", 10, None, None).expect("Table 1's model is known");
    Setup {
        data,
        model,
        init: InitRule::KaimingNormalFanIn,
        split: Split::All,
        augmentation: Augmentation::CropFlip,
        drop_last: false,
        schedule: Kind::StepWarmup,
        lr: 0.1,
        cycle_epochs: 150,
        cycles: 8,
        batch: 512,
        momentum: 0.9,
        weight_decay: 1e-4,
        precision: Precision::Bf16,
        levels: geometric_densities(density(0.8), 19).expect("0.8^18 is above 0"),
        allocation: Allocation::Balanced,
        rule: Rule::Exact,
        seeds: vec![1, 2, 3],
        threads: 2,
    }
}

/// The paper's grid at a tenth of the epochs: 15 a cycle, milestones scaled.
fn short_cifar10(data: DataRef) -> Setup {
    Setup {
        cycle_epochs: 15,
        ..paper_cifar10(data)
    }
}

/// Design §2, `demo` (a): ResNet-8 of width 8 on 1,280 gratings of 16 × 16, batch 64, cycles of 8 epochs. No
/// augmentation: with it, noisy labels cost the demo nothing (sculpt-datasets' README).
fn demo_panel_a(data: DataRef) -> Setup {
    let model = ModelSpec::named("resnet8", 10, Some(8), None).expect("the demo's model is known");
    Setup {
        model,
        augmentation: Augmentation::None,
        cycle_epochs: 8,
        cycles: 4,
        batch: 64,
        precision: Precision::F32,
        levels: [1.0, 0.8, 0.5, 0.3, 0.1, 0.05, 0.02].map(density).to_vec(),
        threads: 1,
        ..paper_cifar10(data)
    }
}

fn density(value: f64) -> Density {
    Density::new(value).expect("a preset's densities lie in (0, 1]")
}

impl fmt::Display for PresetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PresetName::Paper => "paper",
            PresetName::Short => "short",
            PresetName::Demo => "demo",
        })
    }
}

impl FromStr for PresetName {
    type Err = ExperimentError;

    fn from_str(word: &str) -> Result<Self, ExperimentError> {
        match word {
            "paper" => Ok(PresetName::Paper),
            "short" => Ok(PresetName::Short),
            "demo" => Ok(PresetName::Demo),
            other => Err(ExperimentError::UnknownWord {
                what: "preset",
                value: other.to_owned(),
                allowed: "paper, short, demo".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preset(name: PresetName, overrides: Overrides) -> Preset {
        Preset::new(name, overrides, &DataFolder::default()).unwrap()
    }

    /// Table 1's column for CIFAR-10, A.2's cycles and seeds, and levels whose 5th, 10th and 12th are 67 %, 90 % (89.26)
    /// and 93 % sparse: 0.8^5 = 0.32768, 0.8^10 = 0.10737, 0.8^12 = 0.06872.
    #[test]
    fn the_paper_is_table_1() {
        let setup = preset(PresetName::Paper, Overrides::default()).panel_a().unwrap();
        assert_eq!(
            (setup.model.name().as_str(), setup.model.classes()),
            ("resnet20", 10)
        );
        assert_eq!((setup.cycle_epochs, setup.cycles, setup.batch), (150, 8, 512));
        assert_eq!((setup.lr, setup.momentum, setup.weight_decay), (0.1, 0.9, 1e-4));
        assert_eq!(
            (setup.schedule, setup.seeds.len(), setup.levels.len()),
            (Kind::StepWarmup, 3, 19)
        );
        assert_eq!(setup.warm_up_epochs().unwrap(), 10);
        let sparsities = [5, 10, 12].map(|level| (1000.0 * (1.0 - setup.levels[level].get())).round());
        assert_eq!(sparsities, [672.0, 893.0, 931.0]);
        let short = preset(PresetName::Short, Overrides::default()).panel_a().unwrap();
        assert_eq!((short.cycle_epochs, short.warm_up_epochs().unwrap()), (15, 1));
    }

    #[test]
    fn overrides_stand_in_names_and_titles() {
        let densities = Some([0.5, 0.05].map(density).to_vec());
        let overrides = Overrides {
            cycles: Some(2),
            densities,
            seeds: Some(1),
            ..Overrides::default()
        };
        let cut = preset(PresetName::Demo, overrides);
        assert_eq!(cut.suite_name(), "demo-cycles=2-densities=0.5,0.05-seeds=1");
        assert_eq!(cut.cut(), "2 cycles, densities 0.5, 0.05, 1 seed");
        assert_eq!(
            preset(PresetName::Demo, Overrides::default()).suite_name(),
            "demo"
        );
    }

    #[test]
    fn values_out_of_range_are_named() {
        let refused = |overrides: Overrides, words: &str| {
            let error = Preset::new(PresetName::Demo, overrides, &DataFolder::default()).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        };
        refused(
            Overrides {
                seeds: Some(0),
                ..Overrides::default()
            },
            "--seeds 0 is not in 1..=1000",
        );
        let rising = Some([0.1, 0.5].map(density).to_vec());
        refused(
            Overrides {
                densities: rising,
                ..Overrides::default()
            },
            "must fall",
        );
    }
}
