use crate::{Artefact, ReportError};
use sculpt_datasets::DeviceExamples;
use sculpt_experiments::{
    DataFolder, Environment, ExperimentError, LIBTORCH_VERSION, Parent, Recipe, Source, Suite, device_name,
};
use serde::Serialize;
use std::path::{Path, PathBuf};
use tch::Device;

/// A suite opened for measuring.
pub struct Session {
    suite: Suite,
    source: Source,
    recipe: Recipe,
    test: Option<DeviceExamples>,
    device: Device,
    cache: PathBuf,
}

/// Where an artefact's numbers come from: the `.json` beside its frame.
#[derive(Clone, Debug, Serialize)]
pub struct Provenance {
    /// The artefact, such as `figure 5`.
    pub artefact: String,
    /// Its title.
    pub title: String,
    /// What wrote the files.
    pub generated_by: String,
    /// The command as typed.
    pub command: String,
    /// Revision of the checkout, where there is one.
    pub git_revision: Option<String>,
    /// The suite.
    pub suite: Suite,
    /// libtorch that measured.
    pub libtorch: &'static str,
    /// Device that measured.
    pub device: String,
    /// `measured`, or `recorded` where the data were not at hand.
    pub accuracies: &'static str,
    /// What points and intervals are.
    pub statistic: &'static str,
    /// Runs behind each point: the fewest and the most.
    pub n: (usize, usize),
    /// Observations in the frame.
    pub rows: usize,
    /// Ids of the nodes whose states were read, sorted.
    pub nodes: Vec<String>,
}

/// Points are means over seeds; A.2 does not say which 95 % interval it shows (reference §1.9).
pub(crate) const STATISTIC: &str = "mean and 95 % Student-t interval over seeds";

impl Session {
    /// Opens a suite. `data` may have no folder: then recorded scores stand for measured ones, except on the
    /// demo data, which are always at hand. Measures are cached under `cache`.
    ///
    /// # Errors
    /// Data that are not the suite's, or a preset out of range.
    pub fn open(
        suite: Suite,
        source: Source,
        data: &DataFolder,
        device: Device,
        cache: &Path,
    ) -> Result<Self, ReportError> {
        let dataset = match data.load(&suite.preset.data) {
            Ok(dataset) => Some(dataset),
            Err(ExperimentError::DataMissing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let test = match &dataset {
            None => None,
            Some(d) => Some(DeviceExamples::new(&d.test, d.mean, d.std, device)?),
        };
        Ok(Self {
            suite,
            source,
            recipe: Recipe::default(),
            test,
            device,
            cache: cache.to_owned(),
        })
    }

    /// Takes an artefact's recipe in, and checks that every state it shows is there.
    ///
    /// # Errors
    /// A state that is not there.
    pub(crate) fn need(&mut self, artefact: &Artefact) -> Result<crate::Needs, ReportError> {
        let needs = (artefact.needs)(&self.suite.preset)?;
        self.recipe.merge(needs.recipe.clone());
        let states = needs.states();
        let missing: Vec<_> = states
            .iter()
            .filter(|s| !self.source.has(&self.recipe, s))
            .collect();
        match missing.first() {
            None => Ok(needs),
            Some(first) => Err(ReportError::StatesMissing {
                artefact: artefact.name(),
                suite: self.suite.name.clone(),
                missing: missing.len(),
                needed: states.len(),
                id: first.id.clone(),
                epoch: first.epoch,
            }),
        }
    }

    /// The suite.
    pub fn suite(&self) -> &Suite {
        &self.suite
    }

    /// Where states come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The nodes of the artefacts measured so far.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Where measures compute.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Whether the suite's data are at hand, so that scores are measured and not the recorded ones.
    pub fn has_data(&self) -> bool {
        self.test.is_some()
    }

    pub(crate) fn test_examples(&self) -> Option<&DeviceExamples> {
        self.test.as_ref()
    }

    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    pub(crate) fn data_name(&self) -> String {
        self.suite.preset.data.name.clone()
    }

    pub(crate) fn data_digest(&self) -> &str {
        &self.suite.preset.data.digest
    }

    /// The environment that trained a state, where it is known.
    pub(crate) fn trained_in(&self, state: &Parent) -> Result<Option<Environment>, ReportError> {
        match &self.source {
            Source::Runs(store) => Ok(store.node_file(&state.id)?.environment.machine),
            Source::Published { .. } => Ok(self.suite.environment.clone()),
        }
    }

    /// What every provenance says alike.
    pub(crate) fn provenance(&self, artefact: &Artefact, command: &str, git: Option<String>) -> Provenance {
        Provenance {
            artefact: artefact.name(),
            title: artefact.title.to_owned(),
            generated_by: artefact.comment(),
            command: command.to_owned(),
            git_revision: git,
            suite: self.suite.clone(),
            libtorch: LIBTORCH_VERSION,
            device: device_name(self.device),
            accuracies: if self.test.is_some() {
                "measured"
            } else {
                "recorded"
            },
            statistic: STATISTIC,
            n: (0, 0),
            rows: 0,
            nodes: Vec::new(),
        }
    }
}
