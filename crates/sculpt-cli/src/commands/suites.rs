//! Which suite a name means, and where its states are.

use super::preset::check_suite_name;
use crate::places;
use crate::words::Global;
use anyhow::{Context, bail};
use sculpt_experiments::{AnySuite, ExperimentError, Source, Suite};
use sculpt_store::paths;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

/// Finds a suite and its states: published, fetched, or in the store.
pub(crate) fn open(name: Option<&str>, global: &Global) -> anyhow::Result<(Suite, Source)> {
    let (suite, folder) = find(name, global)?;
    let source = match folder {
        Some(folder) => Source::published(&folder)?,
        None => Source::Runs(places::store(global)),
    };
    Ok((suite, source))
}

/// What a suite of a preset is, and its folder if it is published or fetched; its states are not looked at.
pub(crate) fn find(name: Option<&str>, global: &Global) -> anyhow::Result<(Suite, Option<PathBuf>)> {
    match find_any(name, global)? {
        (AnySuite::OfPreset(suite), folder) => Ok((suite, folder)),
        (AnySuite::OfRecipe(suite), folder) => {
            let path = match folder {
                Some(folder) => paths::suite_json(&folder),
                None => paths::suite(&places::runs(global), &suite.name),
            };
            let suite = suite.name;
            Err(ExperimentError::SuiteOfRecipe { suite, path }.into())
        }
    }
}

/// What a suite is, of a preset or of a recipe, and its folder if it is published or fetched; its states are not looked at.
pub(crate) fn find_any(name: Option<&str>, global: &Global) -> anyhow::Result<(AnySuite, Option<PathBuf>)> {
    let data = places::data();
    let name = match name {
        Some(name) => name.to_owned(),
        None => {
            let path = paths::published_default(&data);
            let text = match fs::read_to_string(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                    "give the suite to show with --suite NAME; `sculpt list` has those that there are, and {} would name the usual one",
                    path.display()
                ),
                found => found.with_context(|| path.display().to_string())?,
            };
            text.trim().to_owned()
        }
    };
    check_suite_name(&name)?;
    for folder in [
        paths::published_suite(&data, &name),
        paths::fetched_suite(&data, &name),
    ] {
        if let Some(suite) = AnySuite::in_folder(&folder)? {
            // Its name is that of the reports that are written.
            if suite.name() != name {
                bail!(
                    "{} is of suite {:?}: rename the folder",
                    folder.display(),
                    suite.name()
                );
            }
            return Ok((suite, Some(folder)));
        }
    }
    let store = places::store(global);
    match AnySuite::in_store(&store, &name)? {
        Some(suite) => Ok((suite, None)),
        None => bail!(
            "suite {name:?} is neither in {} nor in {}; `sculpt list` shows what there is",
            paths::published_folder(&data).display(),
            paths::suites_folder(store.runs()).display()
        ),
    }
}
