//! Which suite a name means, and where its states are.

use super::figure::ShowWords;
use super::preset::check_suite_name;
use crate::display::tell_of_measuring;
use crate::words::Global;
use crate::{device, places, printing};
use anyhow::{Context, bail};
use sculpt_datasets::Origin;
use sculpt_experiments::{AnySuite, ExperimentError, PanelName, Source, Suite};
use sculpt_report::{Artefact, Session};
use sculpt_store::{atomic, paths};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Finds a suite and its states: published, fetched, or in the store.
pub(crate) fn open(name: Option<&str>, global: &Global) -> anyhow::Result<(Suite, Source)> {
    let (suite, folder) = find(name, global)?;
    let source = match folder {
        Some(folder) => Source::published(&folder)?,
        None => Source::Runs(places::store(global)),
    };
    Ok((suite, source))
}

/// Opens the suite that is asked for, to be measured.
pub(crate) fn session(suite: Option<&str>, words: &ShowWords, global: &Global) -> anyhow::Result<Session> {
    let (suite, source) = open(suite, global)?;
    let device = device::of(global)?;
    let (data, cache) = (words.data.folder(global, 1)?, places::runs(global));
    let session = Session::open(suite, source, &data, device, &cache)?;
    if let Some(folder) = &data.folder {
        warn_of_other_data(&session, folder)?;
    }
    tell_of_measuring(session.measures());
    Ok(session)
}

/// A folder that holds nothing of what a suite was trained on is perhaps not the one that was meant.
fn warn_of_other_data(session: &Session, folder: &Path) -> anyhow::Result<()> {
    let suite = session.suite();
    let mut wanted = Vec::new();
    for panel in PanelName::ALL {
        let data = suite.preset.data_of(panel);
        if !matches!(data.spec()?.origin, Origin::Records(_)) {
            continue;
        }
        if session.measures().has_data(&data)? {
            return Ok(());
        }
        wanted.push(suite.preset.title_of(panel).to_owned());
    }
    wanted.dedup();
    if !wanted.is_empty() {
        printing::warning(&format!(
            "--data {} holds nothing of what suite {} was trained on ({}): accuracies are those that training recorded",
            folder.display(),
            suite.name,
            wanted.join(", ")
        ));
    }
    Ok(())
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

/// The suites that are shown where none is named, first the one that is asked before the others; at least one.
pub(crate) fn usual() -> anyhow::Result<Vec<String>> {
    let path = paths::published_default(&places::data());
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "give the suite to show with --suite NAME; `sculpt list` has those that there are, and {} would name the usual one",
            path.display()
        ),
        found => found.with_context(|| path.display().to_string())?,
    };
    let names: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if names.is_empty() {
        bail!("{} names no suite; give one with --suite NAME", path.display());
    }
    Ok(names)
}

/// Makes a suite the one that is asked before the others.
pub(crate) fn make_usual(name: &str) -> anyhow::Result<()> {
    let path = paths::published_default(&places::data());
    let others = fs::read_to_string(&path).unwrap_or_default();
    let others = others.split_whitespace().filter(|other| *other != name);
    let names: Vec<&str> = [name].into_iter().chain(others).collect();
    Ok(atomic::write(
        &path,
        format!("{}\n", names.join("\n")).as_bytes(),
    )?)
}

/// Artefacts by the suite that shows them: the named one all, else each the first usual suite that `has` it, and the first of all where
/// none does. That an artefact is of another than the first is said.
pub(crate) fn shown_by<'a>(
    artefacts: Vec<&'a Artefact>,
    name: Option<&str>,
    has: impl Fn(&Artefact, &str) -> bool,
) -> anyhow::Result<Vec<(String, Vec<&'a Artefact>)>> {
    if let Some(name) = name {
        return Ok(vec![(name.to_owned(), artefacts)]);
    }
    let usual = usual()?;
    let mut shown: Vec<(String, Vec<&Artefact>)> = Vec::new();
    for artefact in artefacts {
        let suite = usual.iter().find(|name| has(artefact, name));
        if let Some(suite) = suite.filter(|name| **name != usual[0]) {
            printing::note(&format!(
                "{} is shown of suite {suite}, since {} has not all of it; --suite NAME names one",
                artefact.name, usual[0]
            ));
        }
        let suite = suite.unwrap_or(&usual[0]);
        match shown.iter_mut().find(|(name, _)| name == suite) {
            Some((_, of_it)) => of_it.push(artefact),
            None => shown.push((suite.clone(), vec![artefact])),
        }
    }
    Ok(shown)
}

/// What a suite is, of a preset or of a recipe, and its folder if it is published or fetched; its states are not looked at.
pub(crate) fn find_any(name: Option<&str>, global: &Global) -> anyhow::Result<(AnySuite, Option<PathBuf>)> {
    let data = places::data();
    let name = match name {
        Some(name) => name.to_owned(),
        None => usual()?.swap_remove(0),
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
