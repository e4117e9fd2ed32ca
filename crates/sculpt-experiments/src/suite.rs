//! What a suite is, and where it is described.

use crate::done::write_sealed;
use crate::{Environment, ExperimentError, Preset, Store};
use sculpt_store::{paths, sealed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// What a suite is: a preset with its overrides and data, and the artefacts run of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Name, as `--suite` takes it.
    pub name: String,
    /// Title, as pictures show it.
    pub title: String,
    /// What it is made from.
    pub preset: Preset,
    /// Artefacts run, such as `figure 5`, sorted.
    pub artefacts: BTreeSet<String>,
    /// The machine that published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

impl Suite {
    /// The suite of this name in a store, if `reproduce` made one.
    ///
    /// # Errors
    /// A file that is not ours, or of which a byte was changed.
    pub fn in_store(store: &Store, name: &str) -> Result<Option<Self>, ExperimentError> {
        read(&paths::suite(store.runs(), name))
    }

    /// The suite published in `folder`, if there is one.
    ///
    /// # Errors
    /// A file that is not ours.
    pub fn in_folder(folder: &Path) -> Result<Option<Self>, ExperimentError> {
        read(&paths::suite_json(folder))
    }

    /// Writes the suite into a store, so that `figure … --suite` and `publish` find it. One that stands there so is left
    /// alone: a store of finished work may be read-only.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn save(&self, store: &Store) -> Result<(), ExperimentError> {
        match Self::in_store(store, &self.name) {
            Ok(Some(old)) if old == *self => Ok(()),
            Ok(_) | Err(_) => self.write(&paths::suite(store.runs(), &self.name)),
        }
    }

    /// Writes the suite's description.
    pub(crate) fn write(&self, path: &Path) -> Result<(), ExperimentError> {
        write_sealed(path, self)
    }
}

fn read(path: &Path) -> Result<Option<Suite>, ExperimentError> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = sculpt_store::read(path).map_err(|source| ExperimentError::Io {
        path: path.to_owned(),
        source,
    })?;
    match sealed::open(&text) {
        Ok((suite, _)) => Ok(Some(suite)),
        Err(error) => Err(ExperimentError::BadFile {
            path: path.to_owned(),
            detail: error.to_string(),
        }),
    }
}
