//! The content-addressed folder of runs.

use crate::Evaluation;
use crate::chain::Expected;
use crate::done::{Done, check_against};
use crate::library::Library;
use crate::live::read_live;
use crate::metrics::{MetricsRow, read_metrics};
use crate::read::{Form, Loaded, MADE_AGAIN, Place};
use crate::remote::RemoteStore;
use crate::{Entry, Environment, ExperimentError, Node, NodeId, StateRef, Timing};
use sculpt_checkpoints::{Meta, State};
use sculpt_layout::Layout;
use sculpt_store::digest::Digest;
use sculpt_store::paths;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A folder of runs (design §2), and the published suites that states are taken from where it has none.
#[derive(Clone, Debug)]
pub struct Store {
    runs: PathBuf,
    pub(crate) library: Arc<Library>,
    /// Descriptions that were read: an id's never changes.
    nodes: Arc<Mutex<HashMap<NodeId, Node>>>,
    /// Where finished nodes are; the folder is its cache then.
    pub(crate) remote: Option<Arc<RemoteStore>>,
}

impl Store {
    /// A store in `runs`, which need not exist yet, alone.
    pub fn new(runs: impl Into<PathBuf>) -> Self {
        Self {
            runs: runs.into(),
            library: Arc::default(),
            nodes: Arc::default(),
            remote: None,
        }
    }

    /// The same store, where states of the suites published in and fetched into `data` count as its own.
    pub fn with_published(self, data: &Path) -> Self {
        Self {
            library: Arc::new(Library::of(data)),
            ..self
        }
    }

    /// The same store, where states of one published suite count as its own.
    pub fn with_suite(self, folder: &Path) -> Self {
        Self {
            library: Arc::new(Library::of_suite(folder)),
            ..self
        }
    }

    /// Its folder.
    pub fn runs(&self) -> &Path {
        &self.runs
    }

    /// Folder of a node.
    pub fn node_folder(&self, id: &NodeId) -> PathBuf {
        paths::node_folder(&self.runs, id.as_str())
    }

    /// Published suites that cannot be read, and so give no states.
    pub fn unreadable_suites(&self) -> &[ExperimentError] {
        self.library.unreadable()
    }

    /// Whether every state asked for is there, in the store or in a published suite. What is not on a remote store yet is not.
    pub fn is_done(&self, id: &NodeId, entry: &Entry) -> bool {
        let here = self.counted(id);
        let there = |&epoch: &u32| {
            let state = StateRef {
                id: id.clone(),
                epoch,
            };
            here.contains(&epoch) || self.library.suite_of(&state).is_some()
        };
        entry.keep.iter().all(there)
    }

    /// Whether the state can be read, in the store or in a published suite.
    pub fn has(&self, state: &StateRef) -> bool {
        self.is_own(state) || self.library.suite_of(state).is_some()
    }

    /// Whether the state is the store's, wherever that is.
    fn is_own(&self, state: &StateRef) -> bool {
        match &self.remote {
            Some(_) => self.counted(&state.id).contains(&state.epoch),
            None => self.file(state).is_some(),
        }
    }

    /// Whether the node was once run to its end here, whatever of it is left.
    pub fn has_end(&self, id: &NodeId) -> bool {
        let folder = self.node_folder(id);
        paths::done(&folder).exists() || paths::older_checkpoint(&folder).exists()
    }

    /// The marker of a node, which must be its own: a folder that was moved is another node's.
    fn done(&self, id: &NodeId) -> Result<Option<Done>, ExperimentError> {
        let folder = self.node_folder(id);
        match Done::read(&folder)? {
            Some(done) if done.id != *id => Err(ExperimentError::BadFile {
                path: paths::done(&folder),
                detail: format!("is of node {}; {MADE_AGAIN}", done.id),
            }),
            done => Ok(done),
        }
    }

    /// The epochs whose states a finished node has.
    pub fn epochs(&self, id: &NodeId) -> BTreeSet<u32> {
        let mut there = self.epochs_here(id);
        there.extend(self.remote.iter().flat_map(|remote| remote.epochs(id)));
        there
    }

    /// The epochs whose states a finished node has in the folder.
    pub(crate) fn epochs_here(&self, id: &NodeId) -> BTreeSet<u32> {
        let folder = self.node_folder(id);
        match self.done(id) {
            Ok(Some(done)) => {
                let whole = |(epoch, digest): (u32, &Digest)| {
                    let found = fs::metadata(paths::checkpoint_at(&folder, epoch)).ok()?;
                    (found.len() == digest.bytes).then_some(epoch)
                };
                done.states().filter_map(whole).collect()
            }
            Ok(None) if paths::older_checkpoint(&folder).is_file() => {
                let mut epochs: BTreeSet<u32> = entries(&folder)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|path| paths::checkpoint_epoch(path.file_name()?.to_str()?))
                    .collect();
                epochs.extend(self.node_file(id).ok().map(|file| file.node.last_epoch()));
                epochs
            }
            Ok(None) | Err(_) => BTreeSet::new(),
        }
    }

    /// Where a state lies: in the store, else in a published suite.
    pub fn place(&self, state: &StateRef) -> Option<Place> {
        match self.place_here(state) {
            Some(place) if place.absent.is_some() => self.library.place(state).or(Some(place)),
            Some(place) => Some(place),
            None => self.library.place(state),
        }
    }

    /// Where a state lies in the store itself.
    pub(crate) fn place_here(&self, state: &StateRef) -> Option<Place> {
        if let Err(error) = self.bring_state(state) {
            return Some(Place::absent(
                state,
                self.runs.clone(),
                self.not_brought(&state.id, &error),
            ));
        }
        let (path, recorded) = self.file(state)?;
        Some(Place {
            absent: None,
            address: state.clone(),
            path,
            form: Form::Checkpoint,
            recorded,
            expected: self.expected(&state.id),
            fault: self.description_fault(&state.id),
        })
    }

    /// What is wrong with the description of a node that was run here.
    fn description_fault(&self, id: &NodeId) -> Option<String> {
        // One that was read was checked.
        if self
            .nodes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(id)
        {
            return None;
        }
        self.node_file(id).err().map(|error| error.to_string())
    }

    /// Whether a published suite's form of the state is of a checkpoint with this hash.
    pub(crate) fn is_published_as(&self, state: &StateRef, sha256: &str) -> bool {
        let loaded = self.library.place(state).and_then(|place| place.load().ok());
        loaded.is_some_and(|loaded| loaded.sha256() == sha256)
    }

    /// What descriptions say of a node's states.
    pub fn expected(&self, id: &NodeId) -> Expected {
        let describe = |id: &NodeId| self.node(id);
        self.node(id)
            .map_or_else(Expected::default, |node| Expected::of(&node, &describe))
    }

    /// The state's file in the store and what is recorded of it.
    fn file(&self, state: &StateRef) -> Option<(PathBuf, Option<Digest>)> {
        let folder = self.node_folder(&state.id);
        // Of ten thousand nodes most are not begun: one look each, on a shared folder.
        if !folder.is_dir() {
            return None;
        }
        let path = paths::checkpoint_at(&folder, state.epoch);
        if let Some(done) = self.done(&state.id).ok()? {
            let recorded = done.state(state.epoch)?;
            return path.is_file().then(|| (path, Some(recorded.clone())));
        }
        let older = paths::older_checkpoint(&folder);
        if !older.is_file() {
            return None;
        }
        let is_last = self
            .node_file(&state.id)
            .is_ok_and(|file| file.node.last_epoch() == state.epoch);
        let path = if is_last { older } else { path };
        path.is_file().then_some((path, None))
    }

    /// Reads a state, all that is known of it checked.
    ///
    /// # Errors
    /// No such state, or a damaged file.
    pub fn load(&self, state: &StateRef) -> Result<Loaded, ExperimentError> {
        self.place_or_missing(state)?.load()
    }

    /// Reads a state of a node whose layout is known.
    ///
    /// # Errors
    /// No such state, or one that fails a check.
    pub fn read_state(&self, state: &StateRef, layout: &Layout) -> Result<(State, Meta), ExperimentError> {
        let loaded = self.place_or_missing(state)?.load_as(layout)?;
        Ok((loaded.state, loaded.meta))
    }

    pub(crate) fn place_or_missing(&self, state: &StateRef) -> Result<Place, ExperimentError> {
        self.place(state).ok_or_else(|| ExperimentError::NoState {
            id: state.id.clone(),
            epoch: state.epoch,
            store: self.runs.clone(),
        })
    }

    /// The description of a node, of the store or of a published suite.
    pub fn node(&self, id: &NodeId) -> Option<Node> {
        let known = || self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = known().get(id) {
            return Some(node.clone());
        }
        // What cannot be brought is not known.
        let _ = self.bring_node(id);
        let here = paths::node_json(&self.node_folder(id)).is_file();
        let read = here.then(|| self.node_file(id).ok()).flatten();
        let node = read.map(|file| file.node).or_else(|| self.library.node(id))?;
        known().insert(id.clone(), node.clone());
        Some(node)
    }

    /// The metrics of a trained node, of the store or of a published suite.
    ///
    /// # Errors
    /// No such file, one that is not ours, or not the one that the node's marker records.
    pub fn metrics(&self, id: &NodeId) -> Result<Vec<MetricsRow>, ExperimentError> {
        self.bring_node(id)?;
        let folder = self.node_folder(id);
        let path = paths::metrics(&folder);
        if !path.is_file()
            && let Some(rows) = self
                .library
                .suites()
                .iter()
                .find_map(|suite| suite.metrics_of(id))
        {
            return Ok(rows);
        }
        let recorded = self.done(id)?.and_then(|done| {
            let name = path.file_name()?.to_str()?;
            done.files.get(name).cloned()
        });
        if let Some(recorded) = recorded {
            recorded.check(&path).map_err(|e| ExperimentError::BadFile {
                path: path.clone(),
                detail: format!("{e}; {MADE_AGAIN}"),
            })?;
        }
        let rows = read_metrics(&path)?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// The metrics of a node so far: all of a finished one, else the epochs that are behind it, if any.
    ///
    /// # Errors
    /// As [`Store::metrics`], or of [`read_live`].
    pub fn live_metrics(&self, id: &NodeId) -> Result<Vec<MetricsRow>, ExperimentError> {
        let folder = self.node_folder(id);
        let live = read_live(&folder)?;
        let mut suites = self.library.suites().iter();
        if !live.is_empty() && !self.has_end(id) {
            Ok(live)
        } else if paths::metrics(&folder).is_file() || suites.any(|suite| suite.metrics_of(id).is_some()) {
            self.metrics(id)
        } else {
            Ok(Vec::new())
        }
    }

    /// The test score that training recorded for a state.
    ///
    /// # Errors
    /// Metrics that cannot be read.
    pub fn recorded(&self, state: &StateRef) -> Result<Option<Evaluation>, ExperimentError> {
        if !self.is_own(state)
            && let Some(suite) = self.library.suite_of(state)
        {
            return Ok(suite.recorded(state));
        }
        let rows = self.metrics(&state.id)?;
        let row = rows.iter().find(|row| row.training.epoch == state.epoch);
        Ok(row.and_then(|row| row.test))
    }

    /// The machine that made a state, where it is known.
    ///
    /// # Errors
    /// A description that cannot be read.
    pub fn machine(&self, state: &StateRef) -> Result<Option<Environment>, ExperimentError> {
        if !self.is_own(state)
            && let Some(suite) = self.library.suite_of(state)
        {
            return Ok(suite.environment.clone());
        }
        self.bring_node(&state.id)?;
        Ok(self.node_file(&state.id)?.environment.machine)
    }

    /// What training a node took; none where that is not known.
    ///
    /// # Errors
    /// A file that is not ours, or not the recorded one.
    pub fn timing(&self, id: &NodeId) -> Result<Option<Timing>, ExperimentError> {
        self.bring_node(id)?;
        let folder = self.node_folder(id);
        let path = paths::timing(&folder);
        let bytes = match sculpt_store::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let known = self
                    .library
                    .suites()
                    .iter()
                    .find_map(|suite| suite.timings.get(id));
                return Ok(known.cloned());
            }
            Err(source) => return Err(ExperimentError::Io { path, source }),
        };
        check_against(&path, &paths::timing_sha256(&folder))?;
        let timing = serde_json::from_slice(&bytes).map_err(|e| ExperimentError::BadFile {
            path,
            detail: e.to_string(),
        })?;
        Ok(Some(timing))
    }

    /// The ids of all nodes in the store, sorted.
    ///
    /// # Errors
    /// What the file system refuses; a store that does not exist is empty.
    pub fn ids(&self) -> Result<Vec<NodeId>, ExperimentError> {
        let mut ids = Vec::new();
        for first_two in entries(&self.runs)? {
            if paths::file_name(&first_two).len() == 2 && first_two.is_dir() {
                for folder in entries(&first_two)? {
                    let name = paths::file_name(&folder);
                    if let Ok(id) = name.parse() {
                        ids.push(id);
                    }
                }
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// The one node of the store or of a published suite whose id begins with `prefix`.
    ///
    /// # Errors
    /// A prefix that no node has, or that several have.
    pub fn find(&self, prefix: &str) -> Result<NodeId, ExperimentError> {
        // A whole id needs no look at a folder of thousands.
        if let Ok(id) = prefix.parse::<NodeId>() {
            self.bring_node(&id)?;
            if paths::node_json(&self.node_folder(&id)).exists() {
                return Ok(id);
            }
        }
        let mut matching: BTreeSet<NodeId> = self.all_ids()?;
        matching.extend(
            self.library
                .suites()
                .iter()
                .flat_map(|suite| suite.ids().cloned()),
        );
        matching.retain(|id| id.as_str().starts_with(prefix));
        match (matching.pop_first(), matching.len()) {
            (Some(id), 0) => Ok(id),
            (first, n) => Err(ExperimentError::Prefix {
                prefix: prefix.to_owned(),
                n: n + usize::from(first.is_some()),
                store: self.runs.clone(),
            }),
        }
    }

    /// The suite that a node's state is published in, where the store itself has none.
    pub fn suite_of(&self, id: &NodeId) -> Option<&crate::PublishedSuite> {
        let here = paths::node_json(&self.node_folder(id)).exists();
        let suites = self.library.suites().iter();
        let mut suites = suites.filter(|suite| suite.node(id).is_some());
        if here { None } else { suites.next() }
    }
}

pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, ExperimentError> {
    let io = |source| ExperimentError::Io {
        path: folder.to_owned(),
        source,
    };
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|e| e.map(|e| e.path()).map_err(io)).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(io(error)),
    }
}
