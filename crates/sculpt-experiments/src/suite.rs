//! What a suite is, and where it is described.

use crate::done::{seal, write_sealed};
use crate::{Environment, ExperimentError, PanelName, Preset, RecipeSuite, Store};
use sculpt_store::{atomic, paths, sealed};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What the file of a suite says that it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AnySuite {
    /// Artefacts of a preset.
    OfPreset(Suite),
    /// A recipe of a user's own.
    OfRecipe(RecipeSuite),
}

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
    /// A file that is not ours, or of which a byte was changed; a suite of a recipe.
    pub fn in_store(store: &Store, name: &str) -> Result<Option<Self>, ExperimentError> {
        let path = paths::suite(store.runs(), name);
        let suite = AnySuite::in_store(store, name)?;
        suite.map(|suite| suite.of_preset(path)).transpose()
    }

    /// The suite published in `folder`, if there is one.
    ///
    /// # Errors
    /// A file that is not ours; a suite of a recipe.
    pub fn in_folder(folder: &Path) -> Result<Option<Self>, ExperimentError> {
        let path = paths::suite_json(folder);
        read(&path)?.map(|suite| suite.of_preset(path)).transpose()
    }

    /// As [`AnySuite::save`].
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn save(&self, store: &Store) -> Result<(), ExperimentError> {
        AnySuite::OfPreset(self.clone()).save(store)
    }
}

/// A suite that can be written into a store.
#[derive(Debug)]
pub struct PreparedSuite {
    path: PathBuf,
    /// None where the store has it.
    text: Option<String>,
}

impl PreparedSuite {
    /// Writes it, where it does not stand there so.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn save(self, store: &Store) -> Result<(), ExperimentError> {
        if let Some(text) = self.text {
            atomic::write(&self.path, text.as_bytes())?;
        }
        store.keep_file(&self.path)
    }
}

impl AnySuite {
    /// The suite of this name in a store, if `reproduce` or `run` made one.
    ///
    /// # Errors
    /// A file that is not ours, or of which a byte was changed.
    pub fn in_store(store: &Store, name: &str) -> Result<Option<Self>, ExperimentError> {
        let path = paths::suite(store.runs(), name);
        store.bring_suite(&path)?;
        match read(&path).map_err(Self::unreadable)? {
            Some(suite) if suite.name() != name => Err(ExperimentError::BadFile {
                path,
                detail: format!("is of suite {:?}", suite.name()),
            }),
            found => Ok(found),
        }
    }

    /// What is wrong with a file of a store, and what helps.
    fn unreadable(error: ExperimentError) -> ExperimentError {
        match error {
            ExperimentError::BadFile { path, detail } => ExperimentError::BadFile {
                path,
                detail: format!(
                    "{detail} (move it away, and the command that made the suite writes it anew)"
                ),
            },
            other => other,
        }
    }

    /// The suite published in `folder`, if there is one.
    ///
    /// # Errors
    /// A file that is not ours.
    pub fn in_folder(folder: &Path) -> Result<Option<Self>, ExperimentError> {
        read(&paths::suite_json(folder))
    }

    /// What the file of a stranger may not say: names become those of folders, titles words of pictures, and everything shown
    /// is made from the preset. (Recipes are checked where they are read.)
    fn fault(&self) -> Option<String> {
        if !paths::is_plain_name(self.name()) {
            return Some(format!("is of a suite {:?}, which is no plain name", self.name()));
        }
        let Self::OfPreset(Suite { title, preset, .. }) = self else {
            return None;
        };
        let of_pictures = preset.pictures.as_ref().map(|pictures| &pictures.title);
        let mut titles = [Some(title), preset.data_title.as_ref(), of_pictures]
            .into_iter()
            .flatten();
        if let Some(title) = titles.find(|title| title.chars().any(char::is_control)) {
            return Some(format!("has a title with a control character, {title:?}"));
        }
        let mut panels = PanelName::ALL.into_iter();
        let fault = panels.find_map(|panel| preset.panel(panel).err())?;
        Some(format!("is of no preset: {fault}"))
    }

    /// Name, as `--suite` takes it.
    pub fn name(&self) -> &str {
        match self {
            Self::OfPreset(suite) => &suite.name,
            Self::OfRecipe(suite) => &suite.name,
        }
    }

    /// The machine that published it, where one trained all of it.
    pub fn environment(&self) -> Option<&Environment> {
        match self {
            Self::OfPreset(suite) => suite.environment.as_ref(),
            Self::OfRecipe(suite) => suite.environment.as_ref(),
        }
    }

    /// The same, published by this machine.
    pub fn trained_in(self, environment: Option<Environment>) -> Self {
        match self {
            Self::OfPreset(suite) => Self::OfPreset(Suite { environment, ..suite }),
            Self::OfRecipe(mut suite) => {
                suite.environment = environment;
                Self::OfRecipe(suite)
            }
        }
    }

    /// Writes the suite into a store, so that `figure … --suite`, `draw` and `publish` find it. One that stands there so is left
    /// alone: a store of finished work may be read-only.
    ///
    /// # Errors
    /// A file in its place that is damaged or not ours, which is not written over; what the file system refuses.
    pub fn save(&self, store: &Store) -> Result<(), ExperimentError> {
        self.prepared(store)?.save(store)
    }

    /// The first half of [`AnySuite::save`], which writes nothing: the text of ten thousand nodes is made beside other work.
    ///
    /// # Errors
    /// As of [`AnySuite::save`].
    pub fn prepared(&self, store: &Store) -> Result<PreparedSuite, ExperimentError> {
        let path = paths::suite(store.runs(), self.name());
        let is_there = Self::in_store(store, self.name())?.as_ref() == Some(self);
        let text = (!is_there).then(|| seal(&path, self)).transpose()?;
        Ok(PreparedSuite { path, text })
    }

    /// Writes the suite's description.
    pub(crate) fn write(&self, path: &Path) -> Result<(), ExperimentError> {
        write_sealed(path, self)
    }

    fn of_preset(self, path: PathBuf) -> Result<Suite, ExperimentError> {
        match self {
            Self::OfPreset(suite) => Ok(suite),
            Self::OfRecipe(suite) => Err(ExperimentError::SuiteOfRecipe {
                suite: suite.name,
                path,
            }),
        }
    }
}

impl<'de> Deserialize<'de> for AnySuite {
    /// By whether it has a `recipe`, so that errors are those of the one or the other.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let value = serde_json::Value::deserialize(deserializer)?;
        let suite = if value.get("recipe").is_some() {
            serde_json::from_value(value).map(Self::OfRecipe)
        } else {
            serde_json::from_value(value).map(Self::OfPreset)
        };
        suite.map_err(D::Error::custom)
    }
}

pub(crate) fn read(path: &Path) -> Result<Option<AnySuite>, ExperimentError> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = sculpt_store::read(path).map_err(|source| ExperimentError::Io {
        path: path.to_owned(),
        source,
    })?;
    match sealed::open(&text) {
        Ok((suite, _)) => match AnySuite::fault(&suite) {
            None => Ok(Some(suite)),
            Some(detail) => Err(ExperimentError::BadFile {
                path: path.to_owned(),
                detail,
            }),
        },
        Err(error) => Err(ExperimentError::BadFile {
            path: path.to_owned(),
            detail: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataFolder, Overrides, PresetName};

    fn suite(title: &str, cycles: Option<u32>) -> AnySuite {
        let preset = Preset::new(PresetName::Demo, Overrides::default(), &DataFolder::default()).unwrap();
        let overrides = Overrides {
            cycles,
            ..Overrides::default()
        };
        AnySuite::OfPreset(Suite {
            name: "demo".to_owned(),
            title: title.to_owned(),
            preset: Preset { overrides, ..preset },
            artefacts: BTreeSet::new(),
            environment: None,
        })
    }

    /// What a stranger's suite says is found wrong where it is opened, with its file, and not where it is drawn.
    #[test]
    fn a_suite_that_nothing_can_be_made_of_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = paths::suite_json(folder.path());
        let read_back = |suite: AnySuite| {
            suite.write(&path).unwrap();
            AnySuite::in_folder(folder.path()).map(|read| assert_eq!(read, Some(suite)))
        };
        read_back(suite("Demo", Some(3))).unwrap();
        for (suite, said) in [
            (
                suite("Demo", Some(4_000_000_000)),
                "is of no preset: --cycles is 4000000000",
            ),
            (suite("\u{1b}[31m", None), "has a title with a control character"),
        ] {
            let refused = read_back(suite).unwrap_err().to_string();
            assert!(
                refused.contains(said) && refused.contains("suite.json"),
                "{refused}"
            );
        }
    }
}
