//! `done.json`: the marker of a node that was run to its end, and what its files must be.

use crate::{ExperimentError, NodeId, StateRef, Store};
use sculpt_store::digest::{Digest, Mismatch, read_sha256, write_sha256};
use sculpt_store::{atomic, paths, sealed};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What a finished node consists of and what it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// The node.
    pub id: NodeId,
    /// SHA-256 and length of its states and metrics, by file name.
    pub files: BTreeMap<String, Digest>,
    /// The states that it read.
    pub parents: Vec<ReadState>,
    /// Pictures that nobody can read, each with the reason: those that were left out when it was made, and when the states
    /// were that it rests on. None are left out unless that was asked for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left_out: BTreeSet<String>,
}

/// A state as a node read it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadState {
    /// Its node.
    pub id: NodeId,
    /// Epochs of it.
    pub epoch: u32,
    /// SHA-256 of its checkpoint, whatever form it was read in.
    pub sha256: String,
}

impl ReadState {
    /// The state's address.
    pub fn address(&self) -> StateRef {
        StateRef {
            id: self.id.clone(),
            epoch: self.epoch,
        }
    }
}

impl Done {
    /// The marker in a node's folder; none where the node is not finished, or was by an older version.
    ///
    /// # Errors
    /// A marker that is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>, ExperimentError> {
        let path = paths::done(folder);
        let text = match sculpt_store::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ExperimentError::Io { path, source }),
        };
        match sealed::open(&text) {
            Ok((done, true)) => Ok(Some(done)),
            Ok((_, false)) => Err(ExperimentError::BadFile {
                path,
                detail: "lacks its own SHA-256".to_owned(),
            }),
            Err(error) => Err(ExperimentError::BadFile {
                path,
                detail: error.to_string(),
            }),
        }
    }

    /// Marks what lies in `folder` as finished: the last file that is written.
    pub(crate) fn write(
        folder: &Path,
        id: &NodeId,
        parents: Vec<ReadState>,
        left_out: BTreeSet<String>,
    ) -> Result<Self, ExperimentError> {
        let mut files = BTreeMap::new();
        for path in files_of(folder)? {
            let name = paths::file_name(&path);
            files.insert(name.to_owned(), Digest::of_file(&path)?);
        }
        let done = Self {
            id: id.clone(),
            files,
            parents,
            left_out,
        };
        done.save(folder)?;
        Ok(done)
    }

    pub(crate) fn save(&self, folder: &Path) -> Result<(), ExperimentError> {
        write_sealed(&paths::done(folder), self)
    }

    /// What is recorded of a state.
    pub fn state(&self, epoch: u32) -> Option<&Digest> {
        let path = paths::checkpoint_at(Path::new(""), epoch);
        self.files.get(path.to_str()?)
    }

    /// The epochs of the recorded states, with their hashes.
    pub fn states(&self) -> impl Iterator<Item = (u32, &Digest)> {
        let epoch = |(name, digest)| Some((paths::checkpoint_epoch(name)?, digest));
        self.files
            .iter()
            .map(|(name, digest)| (name.as_str(), digest))
            .filter_map(epoch)
    }
}

impl Store {
    /// Pictures that nobody can read, and that a node and the states that it rests on were made without, each with the reason.
    ///
    /// # Errors
    /// A marker that is damaged.
    pub fn left_out(&self, id: &NodeId) -> Result<BTreeSet<String>, ExperimentError> {
        self.bring_node(id)?;
        if let Some(done) = Done::read(&self.node_folder(id))? {
            return Ok(done.left_out);
        }
        let suites = self.library.suites().iter();
        Ok(suites.flat_map(|suite| suite.left_out(id)).collect())
    }
}

/// States and metrics in a folder: what a marker records.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, ExperimentError> {
    let io = |source| ExperimentError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = paths::file_name(&path);
        if paths::checkpoint_epoch(name).is_some() || path == paths::metrics(folder) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Writes JSON that carries its own SHA-256.
pub(crate) fn write_sealed<T: Serialize>(path: &Path, value: &T) -> Result<(), ExperimentError> {
    Ok(atomic::write(path, seal(path, value)?.as_bytes())?)
}

/// What of it is written there.
pub(crate) fn seal<T: Serialize>(path: &Path, value: &T) -> Result<String, ExperimentError> {
    sealed::seal(value).map_err(|e| ExperimentError::BadFile {
        path: path.to_owned(),
        detail: e.to_string(),
    })
}

/// Writes `timing.json` and its hash.
pub(crate) fn write_timing(folder: &Path, text: &str) -> Result<(), ExperimentError> {
    atomic::write(&paths::timing(folder), text.as_bytes())?;
    let digest = Digest::of(text.as_bytes());
    Ok(write_sha256(&paths::timing_sha256(folder), &digest.sha256)?)
}

/// Checks a file against one that holds its SHA-256, where that is there: those of older versions have none.
///
/// # Errors
/// Another hash, or what the file system refuses.
pub fn check_against(path: &Path, sha256_file: &Path) -> Result<(), ExperimentError> {
    if !sha256_file.exists() {
        return Ok(());
    }
    let found = Digest::of_file(path)?.sha256;
    let Some(recorded) = read_sha256(sha256_file)? else {
        return Err(ExperimentError::BadFile {
            path: sha256_file.to_owned(),
            detail: "is no SHA-256".to_owned(),
        });
    };
    if found == recorded {
        return Ok(());
    }
    let mismatch = Mismatch::Sha256 { found, recorded };
    Err(ExperimentError::BadFile {
        path: path.to_owned(),
        detail: mismatch.to_string(),
    })
}
