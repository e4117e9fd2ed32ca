//! Whole sets of numbers: one file each, and what a user changes of them.

mod demo;
mod overrides;
mod paper;
mod quarter;
mod setup;
mod short;

pub use overrides::Overrides;
pub use setup::Setup;

use crate::{DataFolder, DataRef, ExperimentError};
use demo::demo;
use paper::paper;
use quarter::quarter;
use sculpt_datasets::{CIFAR10, CIFAR100, DEMO_A, DEMO_B, DEMO_C, DataSpec, IMAGENET, Origin};
use sculpt_masks::Density;
use serde::{Deserialize, Serialize};
use short::short;
use std::{fmt, str::FromStr};

/// Where a whole set of numbers comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PresetName {
    /// The paper's, to the letter of Table 1, §3 and A.2.
    Paper,
    /// The same grid at a tenth of the epochs, for one GPU or a patient CPU.
    Short,
    /// Panel (a) of it on pictures of 16 × 16, small enough for two cores and a working day.
    Quarter,
    /// Small networks on images made in memory: minutes on two cores.
    Demo,
}

/// A data set and its network, as the paper's panels pair them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PanelName {
    /// CIFAR-10, ResNet-20.
    A,
    /// CIFAR-100, ResNet-18.
    B,
    /// ImageNet, ResNet-18.
    C,
    /// CIFAR-100, ResNet-50: figure 8 (b).
    LargeB,
    /// ImageNet, ResNet-50: figure 8 (c).
    LargeC,
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
    /// What titles call them, where that is not the name in `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_title: Option<String>,
    /// The pictures of panels (c), where they are at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Box<PresetPictures>>,
}

/// Pictures that a preset is made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetPictures {
    /// What nodes say of them.
    pub data: DataRef,
    /// What titles call them.
    pub title: String,
}

impl PanelName {
    /// All panels.
    pub const ALL: [Self; 5] = [Self::A, Self::B, Self::C, Self::LargeB, Self::LargeC];
}

impl Preset {
    /// A preset with the data at hand: the demo's own, or the files in CIFAR-10's layout of `folder` and the pictures that it
    /// names; without a folder, the genuine CIFAR-10, whose digest is known, so that it can be planned.
    ///
    /// # Errors
    /// Data that cannot be read; overrides out of range, or a choice of classes without pictures.
    pub fn new(name: PresetName, overrides: Overrides, folder: &DataFolder) -> Result<Self, ExperimentError> {
        let spec = usual_data(name, PanelName::A);
        let (data, title) = match name {
            PresetName::Demo => (DataRef::planned(spec), spec.title.to_owned()),
            PresetName::Paper | PresetName::Short | PresetName::Quarter => folder.find_or_plan(spec)?,
        };
        let of_pictures = usual_data(name, PanelName::C);
        let is_of_pictures = matches!(of_pictures.origin, Origin::Pictures { .. });
        let found = match &folder.pictures {
            Some(_) if is_of_pictures => Some(folder.find(of_pictures)?),
            Some(_) | None => None,
        };
        let pictures = match (found, overrides.classes) {
            (found, None) => found,
            (Some((data, title)), Some(n)) => Some((folder.of_classes(&data, n)?, title)),
            // Says what is missing.
            (None, Some(n)) => Some((
                folder.of_classes(&DataRef::planned(of_pictures), n)?,
                String::new(),
            )),
        };
        let preset = Self {
            name,
            overrides,
            data_title: (title != data.name).then_some(title),
            data,
            pictures: pictures.map(|(data, title)| Box::new(PresetPictures { data, title })),
        };
        for panel in PanelName::ALL {
            preset.panel(panel)?;
        }
        Ok(preset)
    }

    /// What the recipes of a panel are made from.
    ///
    /// # Errors
    /// Overrides out of range.
    pub fn panel(&self, panel: PanelName) -> Result<Setup, ExperimentError> {
        let data = self.data_of(panel);
        // Names that nothing is known of stop here, so that everything made from a setup can rely on it.
        data.spec()?;
        let setup = match self.name {
            PresetName::Paper => paper(panel, data),
            PresetName::Short => short(panel, data),
            PresetName::Quarter => quarter(panel, data)?,
            PresetName::Demo => demo(panel, data),
        };
        let mut data_title = self.title_of(panel).to_owned();
        if setup.data.average_pool.is_some() {
            let side = setup.side();
            data_title.push_str(&format!(" at {side} × {side}"));
        }
        self.overrides.apply(Setup { data_title, ..setup })
    }

    /// The data of a panel. Only panel (a)'s and the pictures of panels (c) may be other than the preset's own.
    pub fn data_of(&self, panel: PanelName) -> DataRef {
        let planned = || DataRef::planned(usual_data(self.name, panel));
        match panel {
            PanelName::A => self.data.clone(),
            PanelName::B | PanelName::LargeB => planned(),
            PanelName::C | PanelName::LargeC => {
                let pictures = self.pictures.as_ref();
                pictures.map_or_else(planned, |pictures| pictures.data.clone())
            }
        }
    }

    /// What titles call the data of a panel.
    pub fn title_of(&self, panel: PanelName) -> &str {
        match panel {
            PanelName::A => self.data_title.as_deref().unwrap_or(&self.data.name),
            PanelName::B | PanelName::LargeB => usual_data(self.name, panel).title,
            PanelName::C | PanelName::LargeC => {
                let usual = usual_data(self.name, panel).title;
                self.pictures.as_ref().map_or(usual, |pictures| &pictures.title)
            }
        }
    }

    /// Name of the suite when the user gives none: the preset, its overrides, and data other than its own.
    pub fn suite_name(&self) -> String {
        let mut name = self.name.to_string();
        for panel in [PanelName::A, PanelName::C] {
            let title = self.title_of(panel);
            if title == usual_data(self.name, panel).title {
                continue;
            }
            let plain = |c: char| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '-'
                }
            };
            let data: String = title.chars().map(plain).collect();
            let words: Vec<_> = data.split('-').filter(|w| !w.is_empty()).collect();
            name.push_str(&format!("-{}", words.join("-")));
        }
        for (word, value) in self.overrides.words() {
            name.push_str(&format!("-{word}={value}"));
        }
        name
    }
}

/// The data that the paper's panels are of, or the demo's in their place.
fn usual_data(preset: PresetName, panel: PanelName) -> &'static DataSpec {
    match (preset, panel) {
        (PresetName::Demo, PanelName::A) => &DEMO_A,
        (PresetName::Demo, PanelName::B | PanelName::LargeB) => &DEMO_B,
        (PresetName::Demo, PanelName::C | PanelName::LargeC) => &DEMO_C,
        (PresetName::Paper | PresetName::Short | PresetName::Quarter, panel) => match panel {
            PanelName::A => &CIFAR10,
            PanelName::B | PanelName::LargeB => &CIFAR100,
            PanelName::C | PanelName::LargeC => &IMAGENET,
        },
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
            PresetName::Quarter => "quarter",
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
            "quarter" => Ok(PresetName::Quarter),
            "demo" => Ok(PresetName::Demo),
            other => Err(ExperimentError::UnknownWord {
                what: "preset",
                value: other.to_owned(),
                allowed: "paper, short, quarter, demo".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_schedules::Kind;

    fn preset(name: PresetName, overrides: Overrides) -> Preset {
        Preset::new(name, overrides, &DataFolder::default()).unwrap()
    }

    /// Table 1's column for CIFAR-10, A.2's cycles and seeds, and levels whose 5th, 10th and 12th are 67 %, 90 % (89.26)
    /// and 93 % sparse: 0.8^5 = 0.32768, 0.8^10 = 0.10737, 0.8^12 = 0.06872.
    #[test]
    fn the_paper_is_table_1() {
        let setup = preset(PresetName::Paper, Overrides::default())
            .panel(PanelName::A)
            .unwrap();
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
        let short = preset(PresetName::Short, Overrides::default())
            .panel(PanelName::A)
            .unwrap();
        assert_eq!((short.cycle_epochs, short.warm_up_epochs().unwrap()), (15, 1));
    }

    /// A.1's 2,000 epochs, of which 13 cycles of 150 are whole; a tenth in `short`, and no others than the cycles' in a cut.
    #[test]
    fn signs_are_compared_over_as_many_epochs_as_the_paper_says() {
        let of = |name, overrides| {
            let setup = preset(name, overrides).panel(PanelName::A).unwrap();
            (setup.total_epochs, setup.total_cycles())
        };
        assert_eq!(of(PresetName::Paper, Overrides::default()), (Some(2000), 13));
        assert_eq!(of(PresetName::Short, Overrides::default()), (Some(200), 13));
        assert_eq!(of(PresetName::Demo, Overrides::default()), (None, 4));
        let cut = |cycles, total_epochs| Overrides {
            cycles,
            total_epochs,
            ..Overrides::default()
        };
        assert_eq!(of(PresetName::Paper, cut(Some(2), None)), (None, 2));
        assert_eq!(of(PresetName::Paper, cut(None, Some(1500))), (Some(1500), 10));
        assert_eq!(of(PresetName::Paper, cut(None, Some(1200))), (None, 8));
        let preset = preset(PresetName::Paper, cut(None, Some(1500)));
        assert_eq!(preset.suite_name(), "paper-total-epochs=1500");
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
        assert_eq!(cut.overrides.title(), "2 cycles, densities 0.5, 0.05, 1 seed");
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
            "--seeds is 0, not in 1..=100 (the paper has 3",
        );
        refused(
            Overrides {
                total_epochs: Some(7),
                ..Overrides::default()
            },
            "--total-epochs is 7, not in 8..=100000",
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
