//! A store whose finished nodes are somewhere else: a local folder is its cache, in which nodes are trained and states are read.
//!
//! What the remote place has counts as done, and nothing else does: a node that is finished here and could not be pushed is pushed by
//! the next run of it. A state is pulled when it is read, every byte of it checked.

use crate::done::Done;
use crate::node_file::NodeFile;
use crate::{ExperimentError, NodeId, StateRef, Store};
use sculpt_remote::{Index, Location, Pushed, RemoteError, RemoteFolders, Room, make_room};
use sculpt_store::digest::Digest;
use sculpt_store::{Lock, atomic, paths};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// So long it is believed that a node is not there.
const FRESH: Duration = Duration::from_secs(10);

/// After so many questions for single nodes all are listed at once.
const SINGLE: usize = 16;

/// A state has been brought by then by whichever process of this machine is at it.
const BROUGHT_BY_THEN: Duration = Duration::from_secs(600);

/// Descriptions of suites and files of recipes have no more bytes each.
const MOST_FILE_BYTES: u64 = 1 << 28;

/// Where the finished nodes of a store are.
#[derive(Debug)]
pub struct RemoteStore {
    folders: RemoteFolders,
    room: Room,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// What finished nodes consist of.
    indices: HashMap<NodeId, Index>,
    /// Of nodes that were not there, when.
    absent: HashMap<NodeId, Instant>,
    /// All finished nodes with the epochs that they have, and when that was.
    listed: Option<(Instant, BTreeMap<NodeId, BTreeSet<u32>>)>,
    /// Questions for single nodes.
    n_asked: usize,
    /// Bytes in the cache, once they were counted.
    bytes: Option<u64>,
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

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a finished node consists of, as of now.
    fn index(&self, id: &NodeId) -> Result<Option<Index>, RemoteError> {
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
    fn known_index(&self, id: &NodeId) -> Result<Option<Index>, RemoteError> {
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
        let index = self.index(id).ok().flatten();
        index.map_or_else(BTreeSet::new, |index| epochs_of(index.files.keys()))
    }

    /// Lists all finished nodes; false where the place cannot be listed.
    fn list(&self) -> Result<bool, RemoteError> {
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
    fn make_room(&self, runs: &Path, bytes: u64) -> Result<(), ExperimentError> {
        let mut known = self.known();
        let here = match known.bytes {
            Some(here) if here.saturating_add(bytes) <= self.room.most_bytes => here,
            _ => {
                let pushed: BTreeSet<String> = known.indices.keys().map(ToString::to_string).collect();
                drop(known);
                // Only what can be brought again goes.
                let may_go = |name: &str| {
                    pushed.contains(name)
                        || name
                            .parse()
                            .is_ok_and(|id| self.index(&id).is_ok_and(|index| index.is_some()))
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

fn epochs_of<'a>(names: impl Iterator<Item = &'a String>) -> BTreeSet<u32> {
    names.filter_map(|name| paths::checkpoint_epoch(name)).collect()
}

impl Store {
    /// The same store, where finished nodes are in a remote place and the folder is its cache.
    pub fn with_remote(self, remote: Option<Arc<RemoteStore>>) -> Self {
        Self { remote, ..self }
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
        if let Some(remote) = &self.remote
            && remote.list()?
        {
            let known = remote.known();
            ids.extend(known.listed.iter().flat_map(|(_, listed)| listed.keys().cloned()));
        }
        Ok(ids)
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
        let _lock = Lock::exclusive_within(&paths::lock(&folder), BROUGHT_BY_THEN)?;
        if paths::done(&folder).exists() {
            return Ok(());
        }
        self.pull(remote, &index, |name| paths::checkpoint_epoch(name).is_none())
    }

    /// Brings a state that is elsewhere and not here.
    pub(crate) fn bring_state(&self, state: &StateRef) -> Result<(), ExperimentError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let folder = self.node_folder(&state.id);
        let is_here = || self.epochs_here(&state.id).contains(&state.epoch);
        if !is_here() {
            if !remote.epochs(&state.id).contains(&state.epoch) {
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
        let Some(done) = Done::read(&folder)? else {
            return Ok(());
        };
        let results: BTreeSet<String> = done.files.keys().cloned().collect();
        let mut files = results.clone();
        for path in [
            paths::node_json(&folder),
            paths::timing(&folder),
            paths::timing_sha256(&folder),
            paths::done(&folder),
        ] {
            if path.is_file() {
                files.insert(paths::file_name(&path).to_owned());
            }
        }
        match remote.folders.push(id.as_str(), &folder, &files, &results) {
            Ok(Pushed::Finished | Pushed::WasThere) => {
                remote.index(id)?;
                // Of what was made here nobody counted the bytes.
                remote.known().bytes = None;
                remote.make_room(self.runs(), 0)
            }
            Err(source @ RemoteError::OtherResult { .. }) => {
                let aside = self.set_aside(id, &folder)?;
                Err(ExperimentError::OtherMachine { path: aside, source })
            }
            Err(source) => Err(ExperimentError::NotPushed {
                id: id.clone(),
                path: folder,
                source,
            }),
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

    /// Brings a file of the store that is no node's, if there is one in the remote place. One whose hash is known is brought once.
    pub(crate) fn bring_file(&self, path: &Path, sha256: Option<&str>) -> Result<(), ExperimentError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        if sha256.is_some() && path.exists() {
            return Ok(());
        }
        let place = remote.folders.remote();
        let file = self.relative(path);
        if let Some(sha256) = sha256 {
            let Some(found) = place.look(&file)? else {
                return Ok(());
            };
            let digest = Digest {
                sha256: sha256.to_owned(),
                bytes: found.bytes,
            };
            place.fetch_checked(&file, path, &digest)?;
            return Ok(());
        }
        if let Some(content) = place.read(&file, MOST_FILE_BYTES)?
            && fs::read(path).ok().as_ref() != Some(&content)
        {
            atomic::write(path, &content)?;
        }
        Ok(())
    }

    /// Writes a file of the store that is no node's to the remote place, if there is one and has another.
    pub(crate) fn keep_file(&self, path: &Path) -> Result<(), ExperimentError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let place = remote.folders.remote();
        let file = self.relative(path);
        let digest = Digest::of_file(path)?;
        let found = place.look(&file)?;
        let same = found.is_some_and(|found| {
            found.bytes == digest.bytes && found.sha256.is_none_or(|sha256| sha256 == digest.sha256)
        });
        if !same {
            place.write_file(&file, path, &digest)?;
        }
        Ok(())
    }

    /// Brings the descriptions of all suites of the remote place.
    ///
    /// # Errors
    /// What the file system or the remote place refuses.
    pub fn bring_suites(&self) -> Result<(), ExperimentError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let folder = paths::suites_folder(self.runs());
        let under = format!("{}/", self.relative(&folder));
        for (file, _) in remote.folders.remote().list(&under)?.unwrap_or_default() {
            let name = file.strip_prefix(&under).unwrap_or_default();
            if paths::suite_of(name).is_some() {
                self.bring_file(&folder.join(name), None)?;
            }
        }
        Ok(())
    }

    /// A path of the store's folder, with `/`.
    fn relative(&self, path: &Path) -> String {
        let inner = path.strip_prefix(self.runs()).unwrap_or(path);
        let parts: Vec<_> = inner.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }
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
