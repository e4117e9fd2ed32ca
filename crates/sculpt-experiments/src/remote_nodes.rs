//! Nodes of a store that is in a remote place: pulled when they are read, pushed when they are finished.

use crate::done::Done;
use crate::node_file::NodeFile;
use crate::remote::{RemoteStore, epochs_of};
use crate::{ExperimentError, NodeId, StateRef, Store};
use sculpt_remote::{Index, Location, Pushed, RemoteError};
use sculpt_store::{Lock, LockError, atomic, paths};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A state has been brought by then by whichever process of this machine is at it.
const BROUGHT_BY_THEN: Duration = Duration::from_secs(600);

impl Store {
    /// The same store, where finished nodes are in a remote place and the folder is its cache.
    pub fn with_remote(mut self, remote: Option<Arc<RemoteStore>>) -> Self {
        self.remote = remote;
        self
    }

    /// Where it is, as users write it.
    pub fn word(&self) -> PathBuf {
        match &self.remote {
            Some(remote) => remote.location().to_string().into(),
            None => self.runs().to_owned(),
        }
    }

    /// Where its finished nodes are, if not in its folder.
    pub fn location(&self) -> Option<&Location> {
        self.remote.as_deref().map(RemoteStore::location)
    }

    /// The ids of all nodes, of the remote place too.
    ///
    /// # Errors
    /// What the file system or the remote place refuses.
    pub fn all_ids(&self) -> Result<BTreeSet<NodeId>, ExperimentError> {
        let mut ids: BTreeSet<NodeId> = self.ids()?.into_iter().collect();
        if let Some(remote) = &self.remote {
            if !remote.list()? {
                return Err(self.not_listed());
            }
            let known = remote.known();
            ids.extend(known.listed.iter().flat_map(|(_, listed)| listed.keys().cloned()));
        }
        Ok(ids)
    }

    /// That what is there cannot be told without names.
    pub(crate) fn not_listed(&self) -> ExperimentError {
        ExperimentError::NotListed {
            location: self.word().display().to_string(),
        }
    }

    /// The epochs whose states count as done: with a remote place, those that it has.
    pub(crate) fn counted(&self, id: &NodeId) -> BTreeSet<u32> {
        let here = self.epochs_here(id);
        let Some(remote) = &self.remote else { return here };
        let there = remote.epochs(id);
        if here.is_subset(&there) {
            return there;
        }
        // It may have been pushed since it was looked for.
        let index = remote.index(id).ok().flatten();
        index.map_or(there, |index| epochs_of(index.files.keys()))
    }

    /// Whether another machine has all of it by now. Under the node's lock; where it has a part, that is brought.
    pub(crate) fn is_done_elsewhere(
        &self,
        id: &NodeId,
        keep: &BTreeSet<u32>,
    ) -> Result<bool, ExperimentError> {
        let Some(remote) = &self.remote else {
            return Ok(false);
        };
        let Some(index) = remote.index(id)? else {
            return Ok(false);
        };
        let there = epochs_of(index.files.keys());
        if keep.is_subset(&there) {
            return Ok(true);
        }
        // What was finished with fewer epochs is made again beside that, and must come out the same.
        let wanted = self.node_file(id)?.environment;
        let have = self.epochs_here(id);
        if !there.is_subset(&have) {
            self.pull(remote, &index, |name| {
                paths::checkpoint_epoch(name).is_none_or(|epoch| !have.contains(&epoch))
            })?;
            let folder = self.node_folder(id);
            let mut file = NodeFile::read(&folder)?;
            file.environment.keep.extend(wanted.keep);
            file.write(&folder)?;
        }
        Ok(false)
    }

    /// Pulls those files of a finished node, its marker last. Under the node's lock.
    fn pull(
        &self,
        remote: &RemoteStore,
        index: &Index,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), ExperimentError> {
        let id: NodeId = index.folder.parse()?;
        let folder = self.node_folder(&id);
        let marker = paths::done(&folder);
        let marker = paths::file_name(&marker);
        let names: Vec<&String> = index
            .files
            .keys()
            .filter(|name| is_of_node(&folder, name) && wanted(name) && *name != marker)
            .collect();
        let bytes = names.iter().map(|name| index.files[*name].bytes).sum();
        remote.make_room(self.runs(), bytes)?;
        atomic::create_folder(&folder)?;
        for name in names {
            remote.folders.pull(index, name, &folder.join(name))?;
        }
        remote.folders.pull(index, marker, &paths::done(&folder))?;
        crate::live::remove(&folder)?;
        crate::progress::remove(&folder)
    }

    /// Brings description, metrics, timing and marker of a node that is finished elsewhere and not here.
    pub(crate) fn bring_node(&self, id: &NodeId) -> Result<(), ExperimentError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let folder = self.node_folder(id);
        if paths::done(&folder).exists() {
            return Ok(());
        }
        let Some(index) = remote.known_index(id)? else {
            return Ok(());
        };
        let lock = paths::lock(&folder);
        let _lock = match Lock::exclusive(&lock) {
            // Whoever runs it here, which may be the caller, has its description; the rest comes when that ends.
            Err(LockError::Held { .. }) if paths::node_json(&folder).exists() => return Ok(()),
            Err(LockError::Held { .. }) => Lock::exclusive_within(&lock, BROUGHT_BY_THEN)?,
            lock => lock?,
        };
        if paths::done(&folder).exists() {
            return Ok(());
        }
        self.pull(remote, &index, |name| paths::checkpoint_epoch(name).is_none())
    }

    /// Forgets what a remote place lacked when it was asked: for a process that stays while others work.
    pub fn look_anew(&self) {
        if let Some(remote) = &self.remote {
            remote.forget_absent();
        }
    }

    /// Brings a state that is elsewhere and not here.
    pub(crate) fn bring_state(&self, state: &StateRef) -> Result<(), ExperimentError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let folder = self.node_folder(&state.id);
        let is_here = || self.epochs_here(&state.id).contains(&state.epoch);
        if !is_here() {
            if !remote.epochs_or_why(&state.id)?.contains(&state.epoch) {
                return Ok(());
            }
            let Some(index) = remote.known_index(&state.id)? else {
                return Ok(());
            };
            let _lock = Lock::exclusive_within(&paths::lock(&folder), BROUGHT_BY_THEN)?;
            if !is_here() {
                let is_head = paths::done(&folder).exists();
                self.pull(remote, &index, |name| match paths::checkpoint_epoch(name) {
                    Some(epoch) => epoch == state.epoch,
                    None => !is_head,
                })?;
            }
        }
        // What was used last goes last; a store that cannot be written to forgets nothing either.
        let _ = File::open(paths::done(&folder)).and_then(|file| file.set_modified(SystemTime::now()));
        Ok(())
    }

    /// Brings a node that is finished here to the remote place, if there is one. Under the node's lock.
    pub(crate) fn push(&self, id: &NodeId) -> Result<(), ExperimentError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let folder = self.node_folder(id);
        let Some(mut done) = Done::read(&folder)? else {
            return Ok(());
        };
        loop {
            match remote
                .folders
                .push(id.as_str(), &folder, &files_of(&folder, &done), &states_of(&done))
            {
                Ok(Pushed::Lacks(index)) => {
                    // Another machine kept other epochs: the marker that both can do with lists all of them.
                    let lacks = |name: &&String| is_of_node(&folder, name) && !folder.join(name).is_file();
                    let lacking: Vec<_> = index.files.keys().filter(lacks).collect();
                    if lacking.is_empty() {
                        let detail = "it lists files that no node has".to_owned();
                        let object = format!("the index of {id} in {}", remote.location());
                        return Err(RemoteError::BadList { object, detail }.into());
                    }
                    for name in lacking {
                        remote.folders.pull(&index, name, &folder.join(name))?;
                    }
                    done = Done::write(&folder, id, done.parents, done.left_out)?;
                }
                Ok(Pushed::Finished | Pushed::WasThere) => break,
                Err(source @ RemoteError::OtherResult { .. }) => {
                    let path = self.set_aside(id, &folder)?;
                    let source = Box::new(source);
                    return Err(ExperimentError::OtherMachine { path, source });
                }
                Err(source) => {
                    let (id, path, source) = (id.clone(), folder, Box::new(source));
                    return Err(ExperimentError::NotPushed { id, path, source });
                }
            }
        }
        remote.index(id)?;
        // Of what was made here nobody counted the bytes.
        remote.known().bytes = None;
        remote.make_room(self.runs(), 0)
    }

    /// Why a state is not here, and what helps where the remote store itself is damaged.
    pub(crate) fn not_brought(&self, id: &NodeId, error: &ExperimentError) -> String {
        match (&self.remote, error) {
            (Some(remote), ExperimentError::Remote(source)) if source.is_damage() => format!(
                "{error}; {} is damaged: remove that object and {} there, and the node counts as not done and is made again",
                remote.location(),
                remote.folders.index_name(id.as_str())
            ),
            _ => error.to_string(),
        }
    }

    /// Moves a node out of the way, to where `verify --repair` moves damaged ones.
    fn set_aside(&self, id: &NodeId, folder: &Path) -> Result<PathBuf, ExperimentError> {
        let damaged = paths::damaged_folder(self.runs());
        atomic::create_folder(&damaged)?;
        let mut place = damaged.join(id.as_str());
        for n in 2.. {
            if !place.exists() {
                break;
            }
            place = damaged.join(format!("{id}-{n}"));
        }
        atomic::rename(folder, &place)?;
        Ok(place)
    }
}

/// The names of a finished node's files, of all that are there.
fn files_of(folder: &Path, done: &Done) -> BTreeSet<String> {
    let further = [
        paths::node_json(folder),
        paths::timing(folder),
        paths::timing_sha256(folder),
        paths::done(folder),
    ];
    let further = further.iter().filter(|path| path.is_file());
    let further = further.map(|path| paths::file_name(path).to_owned());
    done.files.keys().cloned().chain(further).collect()
}

/// What two machines must have made the same. Metrics also say which epochs were asked for.
fn states_of(done: &Done) -> BTreeSet<String> {
    let states = done
        .files
        .keys()
        .filter(|name| paths::checkpoint_epoch(name).is_some());
    states.cloned().collect()
}

/// Whether a file of this name is one that a finished node has: nothing else of an index comes into its folder.
fn is_of_node(folder: &Path, name: &str) -> bool {
    let path = folder.join(name);
    paths::checkpoint_epoch(name).is_some()
        || [
            paths::node_json(folder),
            paths::done(folder),
            paths::metrics(folder),
            paths::timing(folder),
            paths::timing_sha256(folder),
        ]
        .contains(&path)
}
