use crate::metrics::{Metrics, MetricsRow, TestScore, read_metrics, write_metrics};
use crate::timings::{Timings, read_timings, write_timings};
use crate::{Environment, ExperimentError, Node, NodeId, Preset, Recipe, StateRef, Store, Timing};
use sculpt_checkpoints::{State, read_checkpoint, read_published, write_published};
use sculpt_layout::Layout;
use sculpt_store::{atomic, canonical::sha256_hex, paths};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

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

/// A line of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestEntry {
    /// The node.
    pub id: NodeId,
    /// The epoch of it whose state the file holds.
    pub epoch: u32,
    /// The node's description.
    pub description: Node,
    /// Path in the suite, with `/`.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

/// Where a suite's states and metrics are read from.
#[derive(Debug)]
pub enum Source {
    /// A store, as training left it.
    Runs(Store),
    /// A published or fetched suite.
    Published {
        /// Its folder.
        folder: PathBuf,
        /// Its states.
        manifest: BTreeMap<(NodeId, u32), ManifestEntry>,
        /// Its metrics by node and epoch.
        metrics: BTreeMap<(String, u32), MetricsRow>,
        /// What its nodes took.
        timings: Timings,
    },
}

impl Suite {
    /// The suite of this name in a store, if `reproduce` made one.
    ///
    /// # Errors
    /// A file that is not ours.
    pub fn in_store(store: &Store, name: &str) -> Result<Option<Self>, ExperimentError> {
        read_json(&paths::suite(store.runs(), name))
    }

    /// The suite published in `folder`, if there is one.
    ///
    /// # Errors
    /// A file that is not ours.
    pub fn in_folder(folder: &Path) -> Result<Option<Self>, ExperimentError> {
        read_json(&paths::suite_json(folder))
    }

    /// Writes the suite into a store, so that `figure … --suite` and `publish` find it.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn save(&self, store: &Store) -> Result<(), ExperimentError> {
        write_json(&paths::suite(store.runs(), &self.name), self)
    }
}

impl Source {
    /// Opens a published suite and reads its lists.
    ///
    /// # Errors
    /// A list that is missing or not ours.
    pub fn published(folder: &Path) -> Result<Self, ExperimentError> {
        let path = paths::manifest(folder);
        let missing = || ExperimentError::BadFile {
            path: path.clone(),
            detail: "is missing".to_owned(),
        };
        let entries: Vec<ManifestEntry> = read_json(&path)?.ok_or_else(missing)?;
        let mut manifest = BTreeMap::new();
        for entry in entries {
            let expected = paths::published_checkpoint_file(entry.id.as_str(), entry.epoch);
            if entry.file != expected || entry.description.id() != entry.id {
                let detail = format!(
                    "lists {:?} for node {}, whose file is {expected}",
                    entry.file, entry.id
                );
                return Err(ExperimentError::BadFile { path, detail });
            }
            manifest.insert((entry.id.clone(), entry.epoch), entry);
        }
        let rows: Metrics = read_metrics(&paths::metrics(folder))?;
        let metrics = rows
            .into_iter()
            .map(|(id, row)| ((id, row.training.epoch), row))
            .collect();
        Ok(Source::Published {
            folder: folder.to_owned(),
            manifest,
            metrics,
            timings: read_timings(&paths::timings(folder))?,
        })
    }

    /// Whether the state is there, without reading it.
    pub fn has(&self, recipe: &Recipe, state: &StateRef) -> bool {
        match self {
            Source::Runs(store) => store.checkpoint_path(state, last_epoch(recipe, state)).is_file(),
            Source::Published { manifest, .. } => manifest.contains_key(&(state.id.clone(), state.epoch)),
        }
    }

    /// SHA-256 of the state's file; `None` when the state is not there.
    ///
    /// # Errors
    /// A file that cannot be read, or that differs from its published hash.
    pub fn sha256(&self, recipe: &Recipe, state: &StateRef) -> Result<Option<String>, ExperimentError> {
        match self {
            Source::Runs(store) => {
                let path = store.checkpoint_path(state, last_epoch(recipe, state));
                if !path.is_file() {
                    return Ok(None);
                }
                Ok(Some(sha256_hex(&read(&path)?)))
            }
            Source::Published { folder, manifest, .. } => {
                let Some(entry) = manifest.get(&(state.id.clone(), state.epoch)) else {
                    return Ok(None);
                };
                let path = folder.join(&entry.file);
                let found = sha256_hex(&read(&path)?);
                if found != entry.sha256 {
                    let detail = format!("has SHA-256 {found}, the manifest says {}", entry.sha256);
                    return Err(ExperimentError::BadFile { path, detail });
                }
                Ok(Some(found))
            }
        }
    }

    /// Reads a state that is there.
    ///
    /// # Errors
    /// A missing or broken file.
    pub fn state(
        &self,
        recipe: &Recipe,
        state: &StateRef,
        layout: &Layout,
    ) -> Result<State, ExperimentError> {
        let (read, _) = match self {
            Source::Runs(store) => {
                read_checkpoint(&store.checkpoint_path(state, last_epoch(recipe, state)), layout)?
            }
            Source::Published { folder, .. } => read_published(
                &paths::published_checkpoint(folder, state.id.as_str(), state.epoch),
                layout,
            )?,
        };
        Ok(read)
    }

    /// What training a node took, where it is known.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn timing(&self, id: &NodeId) -> Result<Option<Timing>, ExperimentError> {
        match self {
            Source::Runs(store) => store.timing(id),
            Source::Published { timings, .. } => Ok(timings.get(id).cloned()),
        }
    }

    /// The test score that training recorded for a state.
    ///
    /// # Errors
    /// Metrics that cannot be read.
    pub fn recorded(&self, state: &StateRef) -> Result<Option<TestScore>, ExperimentError> {
        match self {
            Source::Runs(store) => {
                let rows = store.metrics(&state.id)?;
                Ok(rows
                    .iter()
                    .find(|row| row.training.epoch == state.epoch)
                    .and_then(|row| row.test))
            }
            Source::Published { metrics, .. } => {
                let row = metrics.get(&(state.id.as_str().to_owned(), state.epoch));
                Ok(row.and_then(|row| row.test))
            }
        }
    }
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

/// Writes a suite's states, lists, metrics and timings into `folder`, from the store they were trained in. The folder is
/// made beside its place and moved there whole; an old one is replaced.
///
/// # Errors
/// A state that has not been trained, or what the file system refuses.
pub fn publish(
    suite: &Suite,
    recipe: &Recipe,
    states: &[StateRef],
    store: &Store,
    folder: &Path,
) -> Result<u64, ExperimentError> {
    let unique: BTreeSet<&StateRef> = states.iter().collect();
    let missing = unique
        .iter()
        .filter(|state| !Source::Runs(store.clone()).has(recipe, state))
        .count();
    if missing > 0 {
        return Err(ExperimentError::SuiteUnfinished {
            suite: suite.name.clone(),
            missing,
            needed: unique.len(),
        });
    }
    let beside = |word: &str| folder.with_file_name(format!(".{}.{word}", suite.name));
    let (partial, old) = (beside("partial"), beside("old"));
    let written = remove_folder(&partial)
        .and_then(|()| write_suite(suite, recipe, &unique, store, &partial))
        .and_then(|bytes| {
            // The old suite is out of the way before the new one takes its place, and gone only after.
            remove_folder(&old)?;
            if folder.exists() {
                fs::rename(folder, &old).map_err(io(folder))?;
            }
            fs::rename(&partial, folder).map_err(io(folder))?;
            Ok(bytes)
        });
    remove_folder(&partial)?;
    if written.is_ok() {
        remove_folder(&old)?;
    }
    written
}

fn write_suite(
    suite: &Suite,
    recipe: &Recipe,
    states: &BTreeSet<&StateRef>,
    store: &Store,
    folder: &Path,
) -> Result<u64, ExperimentError> {
    let (mut manifest, mut metrics, mut total): (_, Metrics, _) = (Vec::new(), Vec::new(), 0);
    for state in states {
        let entry = recipe.get(&state.id).expect("a suite's states are of its recipe");
        let layout = entry.model.layout();
        let (read_state, meta) = store.read_state(state, entry.node.last_epoch(), &layout)?;
        let path = paths::published_checkpoint(folder, state.id.as_str(), state.epoch);
        write_published(&path, &layout, &read_state, &meta)?;
        let bytes = read(&path)?;
        total += bytes.len() as u64;
        manifest.push(ManifestEntry {
            id: state.id.clone(),
            epoch: state.epoch,
            description: entry.node.clone(),
            file: paths::published_checkpoint_file(state.id.as_str(), state.epoch),
            sha256: sha256_hex(&bytes),
            bytes: bytes.len() as u64,
        });
        let is_new = metrics.last().is_none_or(|(id, _)| id != state.id.as_str());
        if matches!(entry.node, Node::Train(_)) && is_new {
            let rows = store.metrics(&state.id)?;
            metrics.extend(rows.into_iter().map(|row| (state.id.as_str().to_owned(), row)));
        }
    }
    write_metrics(&paths::metrics(folder), &metrics)?;
    write_timings(&paths::timings(folder), &timings_in(store, recipe)?)?;
    write_json(&paths::manifest(folder), &manifest)?;
    write_json(&paths::suite_json(folder), suite)?;
    Ok(total)
}

fn remove_folder(folder: &Path) -> Result<(), ExperimentError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(folder)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> ExperimentError + use<> {
    let path = path.to_owned();
    move |source| ExperimentError::Io {
        path: path.clone(),
        source,
    }
}

fn last_epoch(recipe: &Recipe, state: &StateRef) -> u32 {
    recipe
        .get(&state.id)
        .map_or(state.epoch, |entry| entry.node.last_epoch())
}

fn read(path: &Path) -> Result<Vec<u8>, ExperimentError> {
    fs::read(path).map_err(|source| ExperimentError::Io {
        path: path.to_owned(),
        source,
    })
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, ExperimentError> {
    if !path.is_file() {
        return Ok(None);
    }
    serde_json::from_slice(&read(path)?)
        .map(Some)
        .map_err(|e| ExperimentError::BadFile {
            path: path.to_owned(),
            detail: e.to_string(),
        })
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), ExperimentError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| ExperimentError::BadFile {
        path: path.to_owned(),
        detail: e.to_string(),
    })?;
    text.push('\n');
    Ok(atomic::write(path, text.as_bytes())?)
}
