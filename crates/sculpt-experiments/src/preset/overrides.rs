use super::{Setup, density};
use crate::ExperimentError;
use crate::check::{check_last_batch, within};
use crate::counted;
use crate::limits::{self, Limit};
use sculpt_masks::Density;
use sculpt_models::ModelSpec;
use serde::{Deserialize, Serialize};

/// What titles make of the value of an override.
type Title = fn(&str) -> String;

/// Flag without dashes, its value, its title.
type Word = (&'static str, String, Title);

/// What a user changes of a preset; part of the ids, of the suite's name and of every title.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Epochs of a cycle, in [`limits::EPOCHS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle_epochs: Option<u32>,
    /// Cycles of cyclic training, in [`limits::CYCLES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u32>,
    /// Epochs of the runs whose signs are compared, at least a cycle, in [`limits::EPOCHS`]; where one of the two above is given and this
    /// is not, as many as the cycles have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_epochs: Option<u32>,
    /// Densities of the levels and of the masks, falling; a 1 is left out, since the dense network is always the first level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub densities: Option<Vec<Density>>,
    /// How many seeds, in [`limits::SEEDS`]; they count from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<u32>,
    /// The first so many training images, at most those that there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_images: Option<u32>,
    /// Images of a step, in [`limits::BATCH`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// The first so many classes of the pictures of panels (c), and networks that tell as many apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<u16>,
}

/// `1 seed` and `2 seeds` of a number's text.
fn plural(n: &str, thing: &str) -> String {
    n.parse::<u32>()
        .map_or_else(|_| n.to_owned(), |n| counted(n, thing))
}

impl Overrides {
    /// (flag without dashes, value) of each override given, in a fixed order: what a name of a suite and a command say.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        self.all()
            .into_iter()
            .map(|(word, value, _)| (word, value))
            .collect()
    }

    /// What titles add; empty when nothing is overridden.
    pub fn title(&self) -> String {
        let titles = self.all().into_iter().map(|(_, value, title)| title(&value));
        titles.collect::<Vec<_>>().join(", ")
    }

    fn all(&self) -> Vec<Word> {
        let densities = self.densities.as_ref().map(|d| {
            d.iter()
                .map(|d| d.get().to_string())
                .collect::<Vec<_>>()
                .join(",")
        });
        let number = |n: Option<u32>| n.map(|n| n.to_string());
        let all: [(_, _, Title); 8] = [
            ("train-images", number(self.train_images), |n| {
                plural(n, "training image")
            }),
            ("cycle-epochs", number(self.cycle_epochs), |n| {
                format!("{n}-epoch cycles")
            }),
            ("cycles", number(self.cycles), |n| plural(n, "cycle")),
            ("total-epochs", number(self.total_epochs), |n| {
                format!("{n} epochs where signs are compared")
            }),
            ("densities", densities, |list| {
                format!("densities {}", list.replace(',', ", "))
            }),
            ("seeds", number(self.seeds), |n| plural(n, "seed")),
            ("batch", number(self.batch), |n| format!("batches of {n}")),
            ("classes", number(self.classes.map(u32::from)), |n| match n {
                "1" => "the first class of pictures".to_owned(),
                n => format!("the first {n} classes of pictures"),
            }),
        ];
        all.into_iter()
            .filter_map(|(word, value, title)| Some((word, value?, title)))
            .collect()
    }

    pub(super) fn apply(&self, mut setup: Setup) -> Result<Setup, ExperimentError> {
        if let Some(epochs) = self.cycle_epochs {
            within("--cycle-epochs", epochs, &limits::EPOCHS)?;
            setup.cycle_epochs = epochs;
        }
        if let Some(cycles) = self.cycles {
            within("--cycles", cycles, &limits::CYCLES)?;
            setup.cycles = cycles;
        }
        if self.cycle_epochs.is_some() || self.cycles.is_some() {
            setup.total_epochs = None;
        }
        if let Some(total) = self.total_epochs {
            let allowed = Limit {
                least: setup.cycle_epochs,
                ..limits::EPOCHS
            };
            within("--total-epochs", total, &allowed)?;
            within(
                "--total-epochs, in cycles,",
                total / setup.cycle_epochs,
                &limits::CYCLES,
            )?;
            setup.total_epochs = Some(total).filter(|total| *total != setup.cycles * setup.cycle_epochs);
        }
        if let Some(n) = self.seeds {
            within("--seeds", n, &limits::SEEDS)?;
            setup.seeds = (1..=u64::from(n)).collect();
        }
        if let Some(n) = self.batch {
            within("--batch", n, &limits::BATCH)?;
            setup.batch = n;
        }
        if let Some(n) = setup.data.classes {
            let (name, width, shortcut) = (setup.model.name(), setup.model.width(), setup.model.shortcut());
            setup.model = ModelSpec::named(&name, n.into(), width, shortcut)?;
        }
        if let Some(n) = self.train_images {
            let there = Limit::from_1(setup.data.shape()?.0 as u32, "there are no more training images");
            within("--train-images", n, &there)?;
            if n < setup.batch && setup.drop_last {
                return Err(ExperimentError::BadValue {
                    what: "--train-images",
                    value: n.to_string(),
                    problem: "does not fill one batch: give a smaller --batch",
                });
            }
            setup.data.train_images = Some(n);
        }
        let (n_train, side) = setup.data.shape()?;
        if !setup.drop_last && (self.train_images.is_some() || self.batch.is_some()) {
            check_last_batch(n_train, setup.batch.into(), &setup.model, [3, side, side])?;
        }
        // A score cannot look at more images than there are.
        setup.scoring_images = setup.scoring_images.min(n_train.try_into().unwrap_or(u32::MAX));
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
            let near = |nominal| setup.level_near(nominal);
            (setup.sparse_67, setup.sparse_90, setup.sparse_93) = (
                near(setup.sparse_67),
                near(setup.sparse_90),
                near(setup.sparse_93),
            );
            setup.landscape_densities = setup.levels[1..].to_vec();
            let last_start = setup.sculpt_starts.last().copied();
            setup.criterion_targets = setup
                .levels
                .iter()
                .copied()
                .filter(|level| last_start.is_some_and(|start| *level < start))
                .collect();
        }
        let grid = setup.seeds.len() as u64 * u64::from(setup.cycles) * setup.levels.len() as u64;
        if !limits::GRID.contains(grid) {
            return Err(ExperimentError::OutOfRange {
                field: "seeds times cycles times densities",
                value: grid.to_string(),
                allowed: format!("in {}", limits::GRID),
            });
        }
        let n_prunable = setup.model.layout().n_prunable();
        for level in &setup.levels {
            level.n_kept(n_prunable)?;
        }
        setup.warm_up_epochs()?;
        Ok(setup)
    }
}
