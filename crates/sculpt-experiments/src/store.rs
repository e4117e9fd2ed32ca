use crate::metrics::{MetricsRow, read_metrics};
use crate::{Entry, Environment, ExperimentError, Node, NodeId, StateRef, Timing};
use sculpt_checkpoints::{Meta, State, read_checkpoint, read_meta};
use sculpt_layout::Layout;
use sculpt_models::ModelSpec;
use sculpt_store::{atomic, paths};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

/// The content-addressed folder of runs (design §2).
#[derive(Clone, Debug)]
pub struct Store {
    runs: PathBuf,
}

/// What `node.json` holds: the node, and beside it what is not its identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// The node's id, again.
    pub id: NodeId,
    /// The node.
    pub node: Node,
    /// How it is run.
    pub environment: NodeEnvironment,
}

/// How a node is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEnvironment {
    /// The machine; absent until the node has been run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Environment>,
    /// libtorch threads to run with.
    pub threads: u32,
    /// Epochs whose state is kept.
    pub keep: BTreeSet<u32>,
}

/// Keeps other processes off a node while it lives.
#[derive(Debug)]
pub struct NodeLock(#[expect(dead_code, reason = "dropping the file gives the lock back")] File);

impl Store {
    /// A store in `runs`, which need not exist yet.
    pub fn new(runs: impl Into<PathBuf>) -> Self {
        Self { runs: runs.into() }
    }

    /// Its folder.
    pub fn runs(&self) -> &Path {
        &self.runs
    }

    /// Folder of a node.
    pub fn node_folder(&self, id: &NodeId) -> PathBuf {
        paths::node_folder(&self.runs, id.as_str())
    }

    /// Where a state of a node is, or would be.
    pub fn checkpoint_path(&self, state: &StateRef, last_epoch: u32) -> PathBuf {
        let folder = self.node_folder(&state.id);
        if state.epoch == last_epoch {
            paths::checkpoint(&folder)
        } else {
            paths::checkpoint_at(&folder, state.epoch)
        }
    }

    /// Whether the node has been run to its end and every state asked for is there.
    pub fn is_done(&self, id: &NodeId, entry: &Entry) -> bool {
        let last = entry.node.last_epoch();
        let state = |&epoch: &u32| StateRef {
            id: id.clone(),
            epoch,
        };
        entry
            .keep
            .iter()
            .map(state)
            .all(|state| self.checkpoint_path(&state, last).is_file())
    }

    /// Writes `node.json`, uniting the epochs to keep with those that stand there.
    ///
    /// # Errors
    /// A `node.json` that is not this node's, or what the file system refuses.
    pub fn describe(&self, id: &NodeId, entry: &Entry) -> Result<(), ExperimentError> {
        let path = paths::node_json(&self.node_folder(id));
        let mut keep = entry.keep.clone();
        let (mut machine, mut threads) = (None, entry.threads);
        if path.is_file() {
            let old = self.node_file(id)?;
            // A node ends with the threads that it was begun with: others would give other bits.
            if paths::progress_state(&self.node_folder(id)).is_file() {
                threads = old.environment.threads;
            }
            if entry.keep.is_subset(&old.environment.keep) && old.environment.threads == threads {
                return Ok(());
            }
            keep.extend(old.environment.keep);
            machine = old.environment.machine;
        }
        let environment = NodeEnvironment {
            machine,
            threads,
            keep,
        };
        self.write_node_file(&NodeFile {
            id: id.clone(),
            node: entry.node.clone(),
            environment,
        })
    }

    pub(crate) fn write_node_file(&self, file: &NodeFile) -> Result<(), ExperimentError> {
        let path = paths::node_json(&self.node_folder(&file.id));
        let mut text = serde_json::to_string_pretty(file).map_err(|e| ExperimentError::BadFile {
            path: path.clone(),
            detail: e.to_string(),
        })?;
        text.push('\n');
        Ok(atomic::write(&path, text.as_bytes())?)
    }

    /// Reads `node.json` and checks that it hashes to its own id.
    ///
    /// # Errors
    /// No such node, unreadable JSON, or another node's description.
    pub fn node_file(&self, id: &NodeId) -> Result<NodeFile, ExperimentError> {
        let path = paths::node_json(&self.node_folder(id));
        let text = fs::read_to_string(&path).map_err(|source| ExperimentError::Io {
            path: path.clone(),
            source,
        })?;
        let file: NodeFile = serde_json::from_str(&text).map_err(|e| ExperimentError::BadFile {
            path: path.clone(),
            detail: e.to_string(),
        })?;
        let computed = file.node.id();
        if file.id != *id || computed != *id {
            let detail = format!("describes node {computed}, not the one whose folder it is in");
            return Err(ExperimentError::BadFile { path, detail });
        }
        Ok(file)
    }

    /// Reads a state of a node whose layout is known.
    ///
    /// # Errors
    /// No such file, or one that fails a check.
    pub fn read_state(
        &self,
        state: &StateRef,
        last_epoch: u32,
        layout: &Layout,
    ) -> Result<(State, Meta), ExperimentError> {
        Ok(read_checkpoint(&self.checkpoint_path(state, last_epoch), layout)?)
    }

    /// Reads a parent's state, finding its model in the checkpoint itself.
    ///
    /// # Errors
    /// No such checkpoint, a model that is none of ours, or a failed check.
    pub(crate) fn read_parent(
        &self,
        child: &NodeId,
        parent: &StateRef,
    ) -> Result<(State, Meta, ModelSpec), ExperimentError> {
        let last = if paths::node_json(&self.node_folder(&parent.id)).is_file() {
            self.node_file(&parent.id)?.node.last_epoch()
        } else {
            parent.epoch
        };
        let path = self.checkpoint_path(parent, last);
        if !path.is_file() {
            return Err(ExperimentError::ParentMissing {
                id: child.clone(),
                parent: parent.id.clone(),
                epoch: parent.epoch,
                store: self.runs.clone(),
            });
        }
        let model = model_of(&path, &read_meta(&path)?)?;
        let (state, meta) = read_checkpoint(&path, &model.layout())?;
        Ok((state, meta, model))
    }

    /// The metrics of a trained node.
    ///
    /// # Errors
    /// No such file, or one that is not ours.
    pub fn metrics(&self, id: &NodeId) -> Result<Vec<MetricsRow>, ExperimentError> {
        let rows = read_metrics(&paths::metrics(&self.node_folder(id)))?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// What training a node took; none where it has not been trained.
    ///
    /// # Errors
    /// A file that is not ours.
    pub fn timing(&self, id: &NodeId) -> Result<Option<Timing>, ExperimentError> {
        let path = paths::timing(&self.node_folder(id));
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ExperimentError::Io { path, source }),
        };
        let timing = serde_json::from_slice(&bytes).map_err(|e| ExperimentError::BadFile {
            path,
            detail: e.to_string(),
        })?;
        Ok(Some(timing))
    }

    /// Takes the node's lock, or says that another process has it.
    ///
    /// # Errors
    /// A lock held elsewhere, or what the file system refuses.
    pub fn lock(&self, id: &NodeId) -> Result<NodeLock, ExperimentError> {
        let folder = self.node_folder(id);
        let path = paths::lock(&folder);
        let io = |source| ExperimentError::Io {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&folder).map_err(io)?;
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(NodeLock(file)),
            Err(TryLockError::WouldBlock) => Err(ExperimentError::Locked {
                id: id.clone(),
                lock: path.clone(),
            }),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// The ids of all nodes in the store, sorted.
    ///
    /// # Errors
    /// What the file system refuses; a store that does not exist is empty.
    pub fn ids(&self) -> Result<Vec<NodeId>, ExperimentError> {
        let mut ids = Vec::new();
        for first_two in entries(&self.runs)? {
            if first_two.file_name().is_some_and(|n| n.len() == 2) && first_two.is_dir() {
                for folder in entries(&first_two)? {
                    let name = folder.file_name().and_then(|n| n.to_str()).unwrap_or_default();
                    if let Ok(id) = name.parse() {
                        ids.push(id);
                    }
                }
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// The one node whose id begins with `prefix`.
    ///
    /// # Errors
    /// None, or more than one.
    pub fn find(&self, prefix: &str) -> Result<NodeId, ExperimentError> {
        let mut matching: Vec<NodeId> = self
            .ids()?
            .into_iter()
            .filter(|id| id.as_str().starts_with(prefix))
            .collect();
        match (matching.pop(), matching.len()) {
            (Some(id), 0) => Ok(id),
            (last, n) => Err(ExperimentError::Prefix {
                prefix: prefix.to_owned(),
                n: n + usize::from(last.is_some()),
                store: self.runs.clone(),
            }),
        }
    }
}

/// The model that a checkpoint's metadata describes.
///
/// # Errors
/// A description that is none of ours.
pub fn model_of(path: &Path, meta: &Meta) -> Result<ModelSpec, ExperimentError> {
    serde_json::from_value(meta.model.clone()).map_err(|e| ExperimentError::BadFile {
        path: path.to_owned(),
        detail: format!("model: {e}"),
    })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ExperimentError> {
    let io = |source| ExperimentError::Io {
        path: folder.to_owned(),
        source,
    };
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|e| e.map(|e| e.path()).map_err(io)).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(io(error)),
    }
}
