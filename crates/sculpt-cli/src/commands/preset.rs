//! The flags that name artefacts, a preset and what is changed of it.

use crate::commands::pictures::{Counter, Decoding, PREFIX, PictureData};
use crate::places;
use crate::words::{BadUsage, Global};
use clap::Args;
use sculpt_experiments::{
    DataFolder, ExperimentError, Overrides, PanelName, PictureFolder, Preset, PresetName,
};
use sculpt_masks::Density;
use sculpt_report::{ALL, Artefact, Name};
use sculpt_store::paths;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// `--data`, `--data-name`, and how pictures are decoded.
#[derive(Args)]
pub(crate) struct DataWords {
    /// Folder of the data: of the binary files of one data set, or of the folders that their archives make. imagenet:DIR names
    /// pictures, in folders, tar files or a pack. Given twice for one of each
    #[arg(long, value_name = "DIR|imagenet:DIR")]
    pub(crate) data: Vec<DataWord>,
    /// What titles call data that are not the original files
    #[arg(long, value_name = "S", requires = "data")]
    pub(crate) data_name: Option<String>,
    #[command(flatten)]
    pub(crate) decoding: Decoding,
}

/// What one `--data` names.
#[derive(Clone, Debug)]
pub(crate) enum DataWord {
    /// A folder of record files.
    Records(PathBuf),
    /// A folder of pictures.
    Pictures(PathBuf),
}

impl FromStr for DataWord {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word.strip_prefix(PREFIX) {
            None => Ok(Self::Records(word.into())),
            Some(_) => Ok(Self::Pictures(word.parse::<PictureData>()?.0)),
        }
    }
}

impl DataWords {
    /// Where they say that data are, for so many jobs that share the machine. Pictures are found at once.
    pub(crate) fn folder(&self, global: &Global, n_jobs: u32) -> anyhow::Result<DataFolder> {
        let mut found = DataFolder {
            name: self.data_name.clone(),
            ..DataFolder::default()
        };
        for word in &self.data {
            if let DataWord::Records(folder) = word
                && ["train", "val"].iter().all(|half| folder.join(half).is_dir())
            {
                let text = format!(
                    "--data {} holds pictures, in folders a class: write {PREFIX}{0}",
                    folder.display()
                );
                return Err(BadUsage(text).into());
            }
            match word {
                DataWord::Records(folder) if found.folder.is_none() => found.folder = Some(folder.clone()),
                DataWord::Pictures(folder) if found.pictures.is_none() => {
                    found.pictures = Some(self.pictures(folder, global, n_jobs)?);
                }
                DataWord::Records(folder) | DataWord::Pictures(folder) => {
                    let text = format!("--data is given twice for data of one kind: {}", folder.display());
                    return Err(BadUsage(text).into());
                }
            }
        }
        Ok(found)
    }

    fn pictures(&self, folder: &Path, global: &Global, n_jobs: u32) -> anyhow::Result<PictureFolder> {
        let decoding = self.decoding.of_jobs(n_jobs);
        let mut counter = None;
        let found = PictureFolder::find(folder, &places::runs(global), decoding, &mut |read, n| {
            let counter = counter.get_or_insert_with(|| Counter::new("reading for their digest", n));
            counter.show(read, 0);
        });
        if let Some(counter) = counter {
            counter.end();
        }
        Ok(found?)
    }
}

/// `--preset` and the overrides.
#[derive(Args)]
pub(crate) struct PresetWords {
    /// paper, short, quarter or demo
    #[arg(long, value_name = "P")]
    pub(crate) preset: PresetName,
    #[command(flatten)]
    pub(crate) data: DataWords,
    /// Epochs of a training cycle
    #[arg(long, value_name = "N")]
    pub(crate) cycle_epochs: Option<u32>,
    /// Cycles of cyclic training
    #[arg(long, value_name = "N")]
    pub(crate) cycles: Option<u32>,
    /// Epochs of the runs whose signs are compared (figure 10, table 3) [default: the preset's, as many as the cycles have where those
    /// are given]
    #[arg(long, value_name = "N")]
    pub(crate) total_epochs: Option<u32>,
    /// Densities below 1, falling: 0.5,0.2,0.05
    #[arg(long, value_name = "D,…", value_delimiter = ',')]
    pub(crate) densities: Option<Vec<Density>>,
    /// How many seeds
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<u32>,
    /// Train on the first N images, of pictures on N spread over all
    #[arg(long, value_name = "N")]
    pub(crate) train_images: Option<u32>,
    /// Images of a training step
    #[arg(long, value_name = "N")]
    pub(crate) batch: Option<u32>,
    /// Of pictures, the first N classes alone
    #[arg(long, value_name = "N")]
    pub(crate) classes: Option<u16>,
}

impl PresetWords {
    pub(crate) fn preset(&self, data: &DataFolder) -> anyhow::Result<Preset> {
        let overrides = Overrides {
            cycle_epochs: self.cycle_epochs,
            cycles: self.cycles,
            total_epochs: self.total_epochs,
            densities: self.densities.clone(),
            seeds: self.seeds,
            train_images: self.train_images,
            batch: self.batch,
            classes: self.classes,
        };
        let checked = || -> Result<Preset, ExperimentError> {
            let preset = Preset::new(self.preset, overrides, data)?;
            for panel in PanelName::ALL {
                preset.panel(panel)?.check_batch()?;
            }
            Ok(preset)
        };
        checked().map_err(|error| match error {
            ExperimentError::BadValue { .. } | ExperimentError::OutOfRange { .. } => {
                BadUsage(error.to_string()).into()
            }
            other => other.into(),
        })
    }
}

/// `figure 5 table 2 claims`, or `all`.
pub(crate) fn artefacts(words: &[String]) -> anyhow::Result<Vec<&'static Artefact>> {
    let usage = |text: String| anyhow::Error::from(BadUsage(text));
    if words == ["all"] {
        return Ok(ALL.iter().collect());
    }
    let mut found = Vec::new();
    let mut kind: Option<fn(u32) -> Name> = None;
    for word in words {
        let name = match word.as_str() {
            "figure" | "figures" => {
                kind = Some(Name::Figure);
                continue;
            }
            "table" | "tables" => {
                kind = Some(Name::Table);
                continue;
            }
            // Verdicts and what they are derived from belong together.
            "contrasts" => Name::Contrasts,
            "claims" => {
                found.push(Artefact::find(Name::Claims)?);
                Name::Contrasts
            }
            "differences" => Name::Differences,
            other => {
                let number: u32 = other.parse().map_err(|_| {
                    usage(format!(
                        "{other:?} is no artefact; write `figure 5`, `table 2`, `claims`, several of them, or `all`"
                    ))
                })?;
                kind.ok_or_else(|| usage(format!("say what {number} is: `figure {number}`")))?(number)
            }
        };
        found.push(Artefact::find(name).map_err(|error| usage(error.to_string()))?);
    }
    let mut seen = BTreeSet::new();
    found.retain(|artefact| seen.insert(artefact.name));
    if found.is_empty() {
        return Err(usage("name an artefact: `figure 5`, or `all`".to_owned()));
    }
    Ok(found)
}

/// Refuses a suite name that could leave its folder.
pub(crate) fn check_suite_name(name: &str) -> anyhow::Result<()> {
    if paths::is_plain_name(name) {
        return Ok(());
    }
    Err(BadUsage(format!(
        "suite {name:?} is no plain name of letters, digits and -_+=,."
    ))
    .into())
}
