//! From a store to a suite that can be committed or served.

use crate::manifest::{Manifest, ManifestEntry};
use crate::metrics::{Metrics, write_metrics};
use crate::timings::{Timings, write_timings};
use crate::{AnySuite, ExperimentError, Node, Predictions, Recipe, StateRef, Store};
use sculpt_checkpoints::write_published;
use sculpt_store::digest::Digest;
use sculpt_store::{Lock, folders, paths};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Whoever publishes the same suite has long done so.
const PUBLISHED_BY_THEN: Duration = Duration::from_secs(600);

/// Writes a suite's states, lists, metrics, timings and, where there are any, predictions into `folder`, from the store they were trained in. The folder is
/// made beside its place and moved there whole; an old one is replaced. Returns the bytes of its checkpoints.
///
/// # Errors
/// A state that has not been trained or is damaged, or what the file system refuses.
pub fn publish(
    suite: &AnySuite,
    recipe: &Recipe,
    states: &[StateRef],
    predictions: &Predictions,
    store: &Store,
    folder: &Path,
) -> Result<u64, ExperimentError> {
    let unique: BTreeSet<&StateRef> = states.iter().collect();
    let missing = unique.iter().filter(|state| !store.has(state)).count();
    if missing > 0 {
        return Err(ExperimentError::SuiteUnfinished {
            suite: suite.name().to_owned(),
            missing,
            needed: unique.len(),
        });
    }
    let _lock = Lock::exclusive_within(&paths::suite_lock(folder), PUBLISHED_BY_THEN)?;
    let partial = paths::suite_partial(folder);
    folders::remove(&partial)?;
    let written = write_suite(suite, recipe, &unique, predictions, store, &partial).and_then(|bytes| {
        folders::replace(&partial, folder)?;
        Ok(bytes)
    });
    folders::remove(&partial)?;
    written
}

fn write_suite(
    suite: &AnySuite,
    recipe: &Recipe,
    states: &BTreeSet<&StateRef>,
    predictions: &Predictions,
    store: &Store,
    folder: &Path,
) -> Result<u64, ExperimentError> {
    let (mut manifest, mut metrics, mut total): (_, Metrics, _) = (Vec::new(), Vec::new(), 0);
    for state in states {
        let entry = recipe.get(&state.id).expect("a suite's states are of its recipe");
        let layout = entry.model.layout();
        let (read_state, meta) = store.read_state(state, &layout)?;
        let path = paths::published_checkpoint(folder, state.id.as_str(), state.epoch);
        write_published(&path, &layout, &read_state, &meta)?;
        let Digest { sha256, bytes } = Digest::of_file(&path)?;
        total += bytes;
        manifest.push(ManifestEntry {
            id: state.id.clone(),
            epoch: state.epoch,
            description: entry.node.clone(),
            file: paths::published_checkpoint_file(state.id.as_str(), state.epoch),
            sha256,
            bytes,
            left_out: store.left_out(&state.id)?,
        });
        let is_new = metrics.last().is_none_or(|(id, _)| id != state.id.as_str());
        if matches!(entry.node, Node::Train(_)) && is_new {
            let rows = store.metrics(&state.id)?;
            metrics.extend(rows.into_iter().map(|row| (state.id.as_str().to_owned(), row)));
        }
    }
    write_metrics(&paths::metrics(folder), &metrics)?;
    write_timings(&paths::timings(folder), &timings_in(store, recipe)?)?;
    if *predictions != Predictions::default() {
        predictions.write(&paths::predictions(folder))?;
    }
    suite.write(&paths::suite_json(folder))?;
    Manifest::write(folder, manifest)?;
    Ok(total)
}

/// What training the nodes of a recipe took, as far as the store knows.
fn timings_in(store: &Store, recipe: &Recipe) -> Result<Timings, ExperimentError> {
    let mut timings = Timings::new();
    for (id, _) in recipe.iter() {
        if let Some(timing) = store.timing(id)? {
            timings.insert(id.clone(), timing);
        }
    }
    Ok(timings)
}
