//! A published or fetched suite: its states, metrics and timings, read-only.

use crate::Evaluation;
use crate::chain::Expected;
use crate::manifest::{Manifest, ManifestEntry};
use crate::metrics::{MetricsRow, read_metrics};
use crate::read::{Form, Place};
use crate::timings::{Timings, read_timings};
use crate::{AnySuite, Environment, ExperimentError, Node, NodeId, Predictions, StateRef};
use sculpt_store::digest::Digest;
use sculpt_store::paths;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A suite's folder and its lists.
#[derive(Debug)]
pub struct PublishedSuite {
    folder: PathBuf,
    states: BTreeMap<(NodeId, u32), ManifestEntry>,
    metrics: Metrics,
    /// What its nodes took.
    pub(crate) timings: Timings,
    /// The machine that published it.
    pub(crate) environment: Option<Environment>,
    /// What the manifest says of the predictions; none where it has none.
    predictions_file: Option<Digest>,
    /// Read when they are first asked for.
    predictions: OnceLock<Predictions>,
}

/// By node and epoch.
type Metrics = BTreeMap<(NodeId, u32), MetricsRow>;

impl PublishedSuite {
    /// Opens a suite's folder and checks its lists.
    ///
    /// # Errors
    /// A list that is missing, damaged or not ours.
    pub fn open(folder: &Path) -> Result<Self, ExperimentError> {
        let manifest = Manifest::read(folder)?;
        if let Some(fault) = manifest.faults().into_iter().next() {
            return Err(ExperimentError::BadFile {
                path: paths::manifest(folder),
                detail: fault,
            });
        }
        let (metrics, timings) = (paths::metrics(folder), paths::timings(folder));
        manifest.check(&metrics)?;
        if timings.exists() || manifest.file(&timings).is_some() {
            manifest.check(&timings)?;
        }
        let predictions = paths::predictions(folder);
        let predictions_file = manifest.file(&predictions).cloned();
        if predictions.exists() && predictions_file.is_none() {
            manifest.check(&predictions)?;
        }
        let mut rows = Metrics::new();
        for (id, row) in read_metrics(&metrics)? {
            let id = id.parse().map_err(|_| ExperimentError::BadFile {
                path: metrics.clone(),
                detail: format!("has a row of {id:?}, which is no node"),
            })?;
            rows.insert((id, row.training.epoch), row);
        }
        let suite = AnySuite::in_folder(folder)?;
        if suite.is_some() {
            manifest.check(&paths::suite_json(folder))?;
        }
        let states = manifest.checkpoints().iter();
        Ok(Self {
            folder: folder.to_owned(),
            states: states
                .map(|entry| ((entry.id.clone(), entry.epoch), entry.clone()))
                .collect(),
            metrics: rows,
            timings: read_timings(&timings)?,
            environment: suite.and_then(|suite| suite.environment().cloned()),
            predictions_file,
            predictions: OnceLock::new(),
        })
    }

    /// What its states say of their test images; of an older suite nothing.
    ///
    /// # Errors
    /// Another file than the manifest lists, or one that is not ours.
    pub fn predictions(&self) -> Result<&Predictions, ExperimentError> {
        if let Some(known) = self.predictions.get() {
            return Ok(known);
        }
        let path = paths::predictions(&self.folder);
        let read = match &self.predictions_file {
            None => Predictions::default(),
            Some(digest) => {
                digest.check(&path).map_err(|mismatch| ExperimentError::BadFile {
                    path: path.clone(),
                    detail: mismatch.to_string(),
                })?;
                Predictions::read(&path)?
            }
        };
        Ok(self.predictions.get_or_init(|| read))
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its name, which is the folder's.
    pub fn name(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The machine that published it, where one trained all of it.
    pub fn environment(&self) -> Option<&Environment> {
        self.environment.as_ref()
    }

    /// Whether it holds the state.
    pub fn has(&self, state: &StateRef) -> bool {
        self.states.contains_key(&(state.id.clone(), state.epoch))
    }

    /// The nodes of which it holds states, sorted, each as often as it has states.
    pub fn ids(&self) -> impl Iterator<Item = &NodeId> {
        self.states.keys().map(|(id, _)| id)
    }

    /// The epochs of a node whose states it holds.
    pub fn epochs(&self, id: &NodeId) -> impl Iterator<Item = u32> {
        let range = (id.clone(), 0)..=(id.clone(), u32::MAX);
        self.states.range(range).map(|((_, epoch), _)| *epoch)
    }

    /// The description of a node.
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        let range = (id.clone(), 0)..=(id.clone(), u32::MAX);
        let (_, entry) = self.states.range(range).next()?;
        Some(&entry.description)
    }

    /// The size of a node's states.
    pub fn bytes(&self, id: &NodeId) -> u64 {
        let range = (id.clone(), 0)..=(id.clone(), u32::MAX);
        self.states.range(range).map(|(_, entry)| entry.bytes).sum()
    }

    /// Pictures that a node and the states that it rests on were made without, each with the reason.
    pub fn left_out(&self, id: &NodeId) -> BTreeSet<String> {
        let range = (id.clone(), 0)..=(id.clone(), u32::MAX);
        let mut entries = self.states.range(range);
        entries
            .next()
            .map_or_else(BTreeSet::new, |(_, entry)| entry.left_out.clone())
    }

    /// What a node's states must be of.
    pub fn expected(&self, id: &NodeId) -> Expected {
        let describe = |id: &NodeId| self.node(id).cloned();
        self.node(id)
            .map_or_else(Expected::default, |node| Expected::of(node, &describe))
    }

    /// Where a state lies.
    pub fn place(&self, state: &StateRef) -> Option<Place> {
        let entry = self.states.get(&(state.id.clone(), state.epoch))?;
        Some(Place {
            address: state.clone(),
            path: self.folder.join(&entry.file),
            form: Form::Published,
            recorded: Some(entry.digest()),
            expected: self.expected(&state.id),
            // The manifest's ids are hashes of its descriptions.
            fault: None,
            absent: None,
        })
    }

    /// The rows of a node, by epoch; none where it has none.
    pub(crate) fn metrics_of(&self, id: &NodeId) -> Option<Vec<MetricsRow>> {
        let range = (id.clone(), 0)..=(id.clone(), u32::MAX);
        let rows: Vec<_> = self.metrics.range(range).map(|(_, row)| *row).collect();
        (!rows.is_empty()).then_some(rows)
    }

    /// The test score that training recorded for a state.
    pub fn recorded(&self, state: &StateRef) -> Option<Evaluation> {
        let row = self.metrics.get(&(state.id.clone(), state.epoch))?;
        row.test
    }
}
