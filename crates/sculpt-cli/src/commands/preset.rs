//! The flags that name artefacts, a preset and what is changed of it.

use crate::words::BadUsage;
use clap::Args;
use sculpt_experiments::{DataFolder, ExperimentError, Overrides, Preset, PresetName};
use sculpt_masks::Density;
use sculpt_report::{ALL, Artefact, Name};
use sculpt_store::paths;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// `--data`, `--data-name`.
#[derive(Args)]
pub(crate) struct DataWords {
    /// Folder of the data: of the binary files of one data set, or of the folders that their archives make
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// What titles call data that are not the original files
    #[arg(long, value_name = "S", requires = "data")]
    pub(crate) data_name: Option<String>,
}

impl DataWords {
    pub(crate) fn folder(&self) -> DataFolder {
        DataFolder {
            folder: self.data.clone(),
            name: self.data_name.clone(),
        }
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
    /// Densities below 1, falling: 0.5,0.2,0.05
    #[arg(long, value_name = "D,…", value_delimiter = ',')]
    pub(crate) densities: Option<Vec<Density>>,
    /// How many seeds
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<u32>,
    /// Train on the first N images
    #[arg(long, value_name = "N")]
    pub(crate) train_images: Option<u32>,
}

impl PresetWords {
    pub(crate) fn preset(&self) -> anyhow::Result<Preset> {
        let overrides = Overrides {
            cycle_epochs: self.cycle_epochs,
            cycles: self.cycles,
            densities: self.densities.clone(),
            seeds: self.seeds,
            train_images: self.train_images,
        };
        Preset::new(self.preset, overrides, &self.data.folder()).map_err(|error| match error {
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
