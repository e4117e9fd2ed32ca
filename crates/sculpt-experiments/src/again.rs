//! Finished nodes that are made again: under the same children, or with all that follows.

use crate::done::{Done, ReadState, write_timing};
use crate::{ExperimentError, NodeId, Recipe, StateRef, Store};
use sculpt_store::atomic::rename;
use sculpt_store::digest::Digest;
use sculpt_store::{folders, paths};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

impl Store {
    /// Takes over what was made again beside a finished node, if every state that it had came out the same; else the
    /// old states stay. Under the node's lock.
    pub(crate) fn take_over(&self, id: &NodeId) -> Result<(), ExperimentError> {
        let own = self.node_folder(id);
        let side = paths::again_folder(&own);
        let Some(made) = Done::read(&side)? else {
            return Ok(());
        };
        for (epoch, old) in self.old_states(id, &own)? {
            if made.state(epoch).is_none_or(|new| *new != old) {
                folders::remove(&side)?;
                return Err(ExperimentError::OtherBits {
                    id: id.clone(),
                    epoch,
                });
            }
        }
        for name in made.files.keys() {
            // What was taken over before a stop is not there any more.
            if side.join(name).exists() {
                rename(&side.join(name), &own.join(name))?;
            }
        }
        keep_timing(&side, &own)?;
        made.save(&own)?;
        remove_file(&paths::older_checkpoint(&own))?;
        Ok(folders::remove(&side)?)
    }

    /// What is known of the states that children may have read: as recorded, else as they lie there.
    fn old_states(&self, id: &NodeId, own: &Path) -> Result<BTreeMap<u32, Digest>, ExperimentError> {
        if let Ok(Some(done)) = Done::read(own) {
            return Ok(done
                .states()
                .map(|(epoch, digest)| (epoch, digest.clone()))
                .collect());
        }
        let last = self.node_file(id)?.node.last_epoch();
        let older = paths::older_checkpoint(own);
        let mut states = BTreeMap::new();
        for path in crate::store::entries(own)? {
            let name = paths::file_name(&path);
            let epoch = if path == older {
                Some(last)
            } else {
                paths::checkpoint_epoch(name)
            };
            if let Some(epoch) = epoch {
                states.insert(epoch, Digest::of_file(&path)?);
            }
        }
        Ok(states)
    }

    /// The finished nodes here that were made from one of these, and what was made from those; parents first. The
    /// nodes themselves are not among them.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn followers(&self, of: &BTreeSet<NodeId>) -> Result<Vec<NodeId>, ExperimentError> {
        let mut children: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for id in self.ids()? {
            for parent in self.node(&id).iter().flat_map(|node| node.parents()) {
                children.entry(parent.id.clone()).or_default().push(id.clone());
            }
        }
        let mut found = BTreeSet::new();
        let mut open: Vec<NodeId> = of.iter().cloned().collect();
        while let Some(id) = open.pop() {
            let new = children.get(&id).into_iter().flatten();
            open.extend(new.filter(|child| found.insert((*child).clone())).cloned());
        }
        found.retain(|id| self.has_end(id) && !of.contains(id));
        // A node comes after every parent of its that is among them.
        let mut order: Vec<NodeId> = Vec::new();
        while order.len() < found.len() {
            let ready = |id: &&NodeId| {
                let parents = self.node(id).map_or_else(Vec::new, |node| {
                    node.parents()
                        .into_iter()
                        .map(|parent| parent.id.clone())
                        .collect()
                });
                !order.contains(id) && parents.iter().all(|p| order.contains(p) || !found.contains(p))
            };
            match found.iter().find(ready) {
                Some(id) => order.push(id.clone()),
                None => break,
            }
        }
        Ok(order)
    }

    /// Takes back that these nodes are finished, followers first, each under its lock: their states and records go, their
    /// descriptions stay.
    ///
    /// # Errors
    /// A node that is being run, or what the file system refuses.
    pub fn forget(&self, ids: &[NodeId]) -> Result<(), ExperimentError> {
        if let (Some(remote), false) = (&self.remote, ids.is_empty()) {
            let location = remote.location().to_string();
            return Err(ExperimentError::RemoteStays { location });
        }
        for id in ids.iter().rev() {
            let _lock = self.lock(id)?;
            let folder = self.node_folder(id);
            let states = crate::store::entries(&folder)?.into_iter().filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| paths::checkpoint_epoch(name).is_some())
            });
            // Without its marker it is not finished, wherever this is stopped.
            let records = [
                paths::done(&folder),
                paths::older_checkpoint(&folder),
                paths::metrics(&folder),
                paths::timing(&folder),
                paths::timing_sha256(&folder),
            ];
            for path in records.into_iter().chain(states) {
                remove_file(&path)?;
            }
            crate::progress::remove(&folder)?;
            folders::remove(&paths::again_folder(&folder))?;
        }
        Ok(())
    }

    /// The states that a finished node read, and that are not the ones that are there now.
    ///
    /// # Errors
    /// A damaged marker, or a state that cannot be read.
    pub fn changed_parents(&self, id: &NodeId) -> Result<Vec<ReadState>, ExperimentError> {
        let Some(done) = Done::read(&self.node_folder(id))? else {
            return Ok(Vec::new());
        };
        let mut changed = Vec::new();
        for read in done.parents {
            let state = read.address();
            let here = self.recorded_sha256(&state)?;
            let differs = |found: &String| *found != read.sha256;
            // A state of a published suite may be the one that was read, whatever was made here since.
            if here.as_ref().is_some_and(differs) && !self.is_published_as(&state, &read.sha256) {
                changed.push(read);
            }
        }
        Ok(changed)
    }

    /// Refuses states in `folder`, which are to be those of this node, that its finished children read with other bits:
    /// the node was finished once and lost, damaged or set aside.
    pub(crate) fn check_readers(&self, id: &NodeId, folder: &Path) -> Result<(), ExperimentError> {
        for (child, read) in self.readers(|parent| parent == id)? {
            let path = paths::checkpoint_at(folder, read.epoch);
            if !path.exists() {
                continue;
            }
            let found = Digest::of_file(&path)?.sha256;
            if found != read.sha256 && !self.is_published_as(&read.address(), &read.sha256) {
                return Err(ExperimentError::ReadOtherwise {
                    id: id.clone(),
                    child,
                    epoch: read.epoch,
                    read: read.sha256,
                    found,
                });
            }
        }
        Ok(())
    }

    /// What finished nodes here read of nodes that `of` says yes to, with who read it. Damaged markers say nothing.
    fn readers(&self, of: impl Fn(&NodeId) -> bool) -> Result<Vec<(NodeId, ReadState)>, ExperimentError> {
        let mut found = Vec::new();
        for child in self.ids()? {
            let done = Done::read(&self.node_folder(&child)).ok().flatten();
            let reads = done.into_iter().flat_map(|done| done.parents);
            found.extend(
                reads
                    .filter(|read| of(&read.id))
                    .map(|read| (child.clone(), read)),
            );
        }
        Ok(found)
    }

    /// SHA-256 of a state's checkpoint as recorded here, else as it lies here.
    fn recorded_sha256(&self, state: &StateRef) -> Result<Option<String>, ExperimentError> {
        let Some(place) = self.place_here(state) else {
            return Ok(None);
        };
        match place.recorded {
            Some(recorded) => Ok(Some(recorded.sha256)),
            None => place.sha256().map(Some),
        }
    }
}

impl Recipe {
    /// The nodes that lack a state which is asked of them now, and were run to their end in `store`, or were once: finished
    /// children read them.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn to_be_made_again(&self, store: &Store) -> Result<BTreeSet<NodeId>, ExperimentError> {
        let lacking: BTreeSet<_> = self
            .iter()
            .filter(|(id, entry)| !store.is_done(id, entry))
            .map(|(id, _)| id.clone())
            .collect();
        let readers = store.readers(|parent| lacking.contains(parent))?;
        let read: BTreeSet<_> = readers.into_iter().map(|(_, read)| read.id).collect();
        let finished_once = |id: &NodeId| store.has_end(id) || read.contains(id);
        Ok(lacking.into_iter().filter(finished_once).collect())
    }
}

/// What the node took when it was made first stays; only where that is lost, it is what it took again.
fn keep_timing(side: &Path, own: &Path) -> Result<(), ExperimentError> {
    let (new, old) = (paths::timing(side), paths::timing(own));
    let kept = if old.exists() { &old } else { &new };
    if !kept.exists() {
        return Ok(());
    }
    let text = sculpt_store::read_text(kept).map_err(|source| ExperimentError::Io {
        path: kept.clone(),
        source,
    })?;
    if old.exists() && paths::timing_sha256(own).exists() {
        return Ok(());
    }
    write_timing(own, &text)
}

/// Removes a file that need not be there.
fn remove_file(path: &Path) -> Result<(), ExperimentError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(ExperimentError::Io {
            path: path.to_owned(),
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}
