//! A store whose finished nodes are somewhere else: a local folder is its cache, in which nodes are trained and states are read.
//!
//! What the remote place has counts as done, and nothing else does: a node that is finished here and could not be pushed is pushed by
//! the next run of it. A state is pulled when it is read, every byte of it checked.

use crate::{ExperimentError, NodeId};
use sculpt_remote::{Index, Location, RemoteError, RemoteFolders, Room, make_room};
use sculpt_store::paths;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So long it is believed that a node is not there.
const FRESH: Duration = Duration::from_secs(10);

/// After so many questions for single nodes all are listed at once.
const SINGLE: usize = 16;

/// Where the finished nodes of a store are.
#[derive(Debug)]
pub struct RemoteStore {
    pub(crate) folders: RemoteFolders,
    room: Room,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
pub(crate) struct Known {
    /// What finished nodes consist of.
    indices: HashMap<NodeId, Index>,
    /// Of nodes that were not there, when.
    absent: HashMap<NodeId, Instant>,
    /// Nodes that could not be asked for.
    failed: BTreeSet<NodeId>,
    /// All finished nodes with the epochs that they have, and when that was.
    pub(crate) listed: Option<(Instant, BTreeMap<NodeId, BTreeSet<u32>>)>,
    /// Questions for single nodes.
    n_asked: usize,
    /// Bytes in the cache, once they were counted.
    pub(crate) bytes: Option<u64>,
}

impl RemoteStore {
    /// The store in a place; its local folder is kept within `room`.
    pub fn new(folders: RemoteFolders, room: Room) -> Self {
        Self {
            folders,
            room,
            known: Mutex::default(),
        }
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        self.folders.location()
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was not there: it may have come since.
    pub(crate) fn forget_absent(&self) {
        let mut known = self.known();
        known.listed = None;
        known.absent.clear();
        known.n_asked = 0;
    }

    /// What a finished node consists of, as of now.
    pub(crate) fn index(&self, id: &NodeId) -> Result<Option<Index>, RemoteError> {
        let found = self.folders.index(id.as_str())?;
        let mut known = self.known();
        match &found {
            Some(index) => {
                known.absent.remove(id);
                known.indices.insert(id.clone(), index.clone());
            }
            None => {
                known.absent.insert(id.clone(), Instant::now());
            }
        }
        Ok(found)
    }

    /// What a finished node consists of, as was learnt once.
    pub(crate) fn known_index(&self, id: &NodeId) -> Result<Option<Index>, RemoteError> {
        let known = self.known().indices.get(id).cloned();
        match known {
            Some(index) => Ok(Some(index)),
            None if self.epochs(id).is_empty() => Ok(None),
            None => self.index(id),
        }
    }

    /// The epochs whose states a node has there; none where the place cannot be asked, which whoever trains or reads the node is
    /// told.
    pub(crate) fn epochs(&self, id: &NodeId) -> BTreeSet<u32> {
        let mut known = self.known();
        if let Some(index) = known.indices.get(id) {
            return epochs_of(index.files.keys());
        }
        let is_fresh = |then: &Instant| then.elapsed() < FRESH;
        if let Some((then, listed)) = &known.listed {
            if let Some(epochs) = listed.get(id) {
                return epochs.clone();
            }
            if is_fresh(then) {
                return BTreeSet::new();
            }
        }
        if known.absent.get(id).is_some_and(is_fresh) {
            return BTreeSet::new();
        }
        known.n_asked += 1;
        let lists = known.n_asked > SINGLE;
        drop(known);
        if lists && self.list().unwrap_or_default() {
            let known = self.known();
            let listed = known.listed.as_ref().and_then(|(_, listed)| listed.get(id));
            return listed.cloned().unwrap_or_default();
        }
        match self.index(id) {
            Ok(index) => index.map_or_else(BTreeSet::new, |index| epochs_of(index.files.keys())),
            Err(_) => {
                self.known().failed.insert(id.clone());
                BTreeSet::new()
            }
        }
    }

    /// As [`RemoteStore::epochs`], for whoever has to be told that the place cannot be asked.
    pub(crate) fn epochs_or_why(&self, id: &NodeId) -> Result<BTreeSet<u32>, RemoteError> {
        let epochs = self.epochs(id);
        if epochs.is_empty() && self.known().failed.remove(id) {
            self.index(id)?;
            return Ok(self.epochs(id));
        }
        Ok(epochs)
    }

    /// Lists all finished nodes; false where the place cannot be listed.
    pub(crate) fn list(&self) -> Result<bool, RemoteError> {
        let Some(finished) = self.folders.finished()? else {
            return Ok(false);
        };
        let listed = finished
            .into_iter()
            .filter_map(|(folder, files)| Some((folder.parse().ok()?, epochs_of(files.iter()))));
        let mut known = self.known();
        known.listed = Some((Instant::now(), listed.collect()));
        known.n_asked = 0;
        Ok(true)
    }

    /// Makes room in the cache before something comes.
    pub(crate) fn make_room(&self, runs: &Path, bytes: u64) -> Result<(), ExperimentError> {
        let mut known = self.known();
        let here = match known.bytes {
            Some(here) if here.saturating_add(bytes) <= self.room.most_bytes => here,
            _ => {
                drop(known);
                // Only what can be brought again goes: not what was trained since, and not sent.
                let may_go = |folder: &Path| {
                    let id = paths::file_name(folder).parse();
                    id.is_ok_and(|id| {
                        let is_there = |index: &Index| is_all_of(folder, index);
                        let is_known = self.known().indices.get(&id).is_some_and(is_there);
                        is_known
                            || self
                                .index(&id)
                                .is_ok_and(|index| index.as_ref().is_some_and(is_there))
                    })
                };
                let here = make_room(runs, bytes, self.room, &|folder| paths::done(folder), &may_go)?;
                known = self.known();
                here
            }
        };
        known.bytes = Some(here.saturating_add(bytes));
        Ok(())
    }
}

/// Whether all states in a folder are listed, and nothing in it is unfinished.
fn is_all_of(folder: &Path, index: &Index) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    let is_listed = |entry: io::Result<fs::DirEntry>| {
        let Ok(name) = entry.map(|entry| entry.file_name()) else {
            return false;
        };
        let name = name.to_string_lossy();
        paths::checkpoint_epoch(&name).is_none() || index.files.contains_key(&*name)
    };
    !paths::again_folder(folder).exists()
        && !paths::progress_state(folder).exists()
        && entries.into_iter().all(is_listed)
}

pub(crate) fn epochs_of<'a>(names: impl Iterator<Item = &'a String>) -> BTreeSet<u32> {
    names.filter_map(|name| paths::checkpoint_epoch(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_store::digest::Digest;

    /// What was trained since, or is being trained, is nowhere else.
    #[test]
    fn only_what_can_be_brought_again_may_go() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| fs::write(folder.path().join(name), "").unwrap();
        let digest = Digest {
            sha256: String::new(),
            bytes: 0,
        };
        let index = Index {
            folder: String::new(),
            files: BTreeMap::from([("checkpoint-2.safetensors".to_owned(), digest)]),
        };
        let may_go = || is_all_of(folder.path(), &index);
        file("checkpoint-2.safetensors");
        file("node.json");
        assert!(may_go());
        file("checkpoint-1.safetensors");
        assert!(!may_go());
        fs::remove_file(folder.path().join("checkpoint-1.safetensors")).unwrap();
        fs::create_dir(paths::again_folder(folder.path())).unwrap();
        assert!(!may_go());
        assert!(!is_all_of(&folder.path().join("none"), &index));
    }
}
