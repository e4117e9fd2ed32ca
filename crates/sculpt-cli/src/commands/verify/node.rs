//! Run folders.

use super::{Findings, PlaceKind, file, records};
use crate::places;
use sculpt_checkpoints::{Meta, read_meta};
use sculpt_experiments::{
    Done, Expected, ExperimentError, Failure, Node, NodeFile, PostMortem, StateRef, Store,
};
use sculpt_models::ModelSpec;
use sculpt_store::digest::Digest;
use sculpt_store::paths;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Everything in a node's folder, and what it has in common with its parents where they are at hand.
pub(super) fn verify(folder: &Path, findings: &mut Findings) {
    let n_before = findings.violations.len();
    everything(folder, findings);
    if findings.violations[n_before..]
        .iter()
        .any(|violation| !findings.removable.contains(Path::new(&violation.file)))
    {
        findings.damaged.insert(folder.to_owned(), runs_of(folder));
    }
}

fn everything(folder: &Path, findings: &mut Findings) {
    let store = store_of(folder);
    other_files(folder, findings);
    let done = marker(folder, findings);
    let Some(file) = description(folder, findings) else {
        // States can still be checked against themselves.
        for path in states(folder, None, findings).into_values() {
            file::tensors(&path, None, findings);
        }
        return;
    };
    let id = file.node.id();
    let last = file.node.last_epoch();
    let describe = |id: &_| store.node(id);
    let context = Context {
        expected: Expected::of(&file.node, &describe),
        due_mask: due_mask(&store, &file.node),
        file: &file,
    };
    let states = states(folder, Some(last), findings);
    for (&epoch, path) in &states {
        if epoch > last || (epoch == 0 && last > 0) {
            findings.say(path, PlaceKind::ExtraFile, format!("the node has {last} epochs"));
        }
        if let Some((meta, model)) = file::tensors(path, None, findings) {
            context.check(path, epoch, &meta, &model, findings);
        }
    }
    let is_done = done.is_some() || paths::older_checkpoint(folder).is_file();
    let missing = |epoch: &&u32| match &done {
        Some(done) => done.state(**epoch).is_none(),
        None => is_done && !states.contains_key(epoch),
    };
    for &epoch in file.environment.keep.iter().filter(missing) {
        let path = paths::checkpoint_at(folder, epoch);
        let detail =
            format!("the node keeps epoch {epoch} and its state is not there; `sculpt node` makes it");
        match &done {
            // It was asked for after the node was finished: a wish, and nothing that is damaged.
            Some(_) => findings.notes.push(format!("{}: {detail}", path.display())),
            None => findings.say(&path, PlaceKind::MissingFile, detail),
        }
    }
    if let Some(done) = &done {
        chain(folder, done, &file, &store, findings);
    }
    if let Node::Train(_) = &file.node {
        if is_done || paths::metrics(folder).exists() {
            records::metrics(folder, &file, findings);
        }
        records::timing(folder, findings);
    }
    if let Err(error) = PostMortem::read(folder) {
        findings.say_error(&paths::post_mortem(folder), PlaceKind::Checksum, &error);
    }
    if let Err(error) = Failure::read(folder) {
        findings.say_error(&paths::failure(folder), PlaceKind::Checksum, &error);
    }
    if paths::progress_state(folder).exists() {
        records::progress(
            &paths::progress_state(folder),
            context.expected.model.as_ref(),
            findings,
        );
    }
    records::live_epochs(folder, findings);
    if id != file.id {
        findings.say(
            &paths::node_json(folder),
            PlaceKind::NodeId,
            format!("says id {}, its description hashes to {id}", file.id),
        );
    }
}

/// The marker, and every file that it records.
fn marker(folder: &Path, findings: &mut Findings) -> Option<Done> {
    let path = paths::done(folder);
    let done = match Done::read(folder) {
        Ok(done) => done?,
        Err(error) => {
            findings.say_error(&path, PlaceKind::Checksum, &error);
            return None;
        }
    };
    findings.checked += 1;
    if done.id.as_str() != name_of(folder) {
        findings.say(&path, PlaceKind::NodeId, format!("is of node {}", done.id));
    }
    for (name, recorded) in &done.files {
        findings.check(&folder.join(name), recorded);
    }
    for path in findings.entries(folder) {
        let name = paths::file_name(&path);
        let is_result = paths::checkpoint_epoch(name).is_some() || path == paths::metrics(folder);
        if is_result && !done.files.contains_key(name) {
            findings.say(
                &path,
                PlaceKind::ExtraFile,
                "the node's marker does not record it",
            );
        }
    }
    Some(done)
}

/// The states that the node read are those that its description names, and are there now as they were read.
fn chain(folder: &Path, done: &Done, file: &NodeFile, store: &Store, findings: &mut Findings) {
    let path = paths::done(folder);
    let read: BTreeSet<StateRef> = done.parents.iter().map(|parent| parent.address()).collect();
    let due: BTreeSet<StateRef> = file.node.parents().into_iter().cloned().collect();
    if read != due {
        findings.say(&path, PlaceKind::Chain, "records other parents than the node has");
    }
    for parent in done
        .parents
        .iter()
        .filter(|parent| store.place(&parent.address()).is_none())
    {
        let (id, epoch) = (parent.id.short(), parent.epoch);
        let state = paths::checkpoint_at(&store.node_folder(&parent.id), epoch);
        match Digest::of_file(&state) {
            Err(_) => findings.notes.push(format!(
                "{}: the node read epoch {epoch} of {id}, which is neither in the store nor in a suite",
                path.display()
            )),
            Ok(digest) if digest.sha256 != parent.sha256 => {
                let detail = format!(
                    "its node {} read this state with SHA-256 {}",
                    file.id.short(),
                    parent.sha256
                );
                findings.say(&state, PlaceKind::Chain, detail);
            }
            Ok(_) => {}
        }
    }
    match store.changed_parents(&file.id) {
        Ok(changed) => {
            for parent in changed {
                let detail = format!(
                    "the node read epoch {} of {} with SHA-256 {}, and that state is another one now; \
                     `sculpt node --again` makes the node anew",
                    parent.epoch, parent.id, parent.sha256
                );
                findings.say(&path, PlaceKind::Chain, detail);
            }
        }
        // Whoever looks at the parent's own folder says it.
        Err(ExperimentError::DamagedState { .. } | ExperimentError::BadFile { .. }) => {}
        Err(error) => findings.say_error(&path, PlaceKind::Unreadable, &error),
    }
}

/// Locks that are empty, strays, and nothing that no name of ours is for.
fn other_files(folder: &Path, findings: &mut Findings) {
    findings.lock(&paths::lock(folder));
    let known: BTreeSet<PathBuf> = [
        paths::node_json(folder),
        paths::done(folder),
        paths::older_checkpoint(folder),
        paths::metrics(folder),
        paths::timing(folder),
        paths::timing_sha256(folder),
        paths::lock(folder),
        paths::progress_folder(folder),
        paths::damaged_progress(folder),
        paths::post_mortem(folder),
        paths::failure(folder),
        paths::again_folder(folder),
    ]
    .into();
    for path in findings.entries(folder) {
        let name = paths::file_name(&path);
        let folders = [
            paths::progress_folder(folder),
            paths::damaged_progress(folder),
            paths::again_folder(folder),
        ];
        if paths::is_temporary(name) {
            findings.stray(&path);
        } else if folders.contains(&path) != path.is_dir() {
            let due = if path.is_dir() {
                "a folder where a file"
            } else {
                "no folder where one"
            };
            findings.say(&path, PlaceKind::ExtraFile, format!("is {due} belongs"));
        } else if !known.contains(&path) && paths::checkpoint_epoch(name).is_none() {
            findings.say(&path, PlaceKind::ExtraFile, "no file of a node has this name");
        }
    }
    let progress = paths::progress_folder(folder);
    if progress.is_dir() {
        for path in findings.entries(&progress) {
            let name = paths::file_name(&path);
            if paths::is_temporary(name) {
                findings.stray(&path);
            } else if ![paths::progress_state(folder), paths::live_epochs(folder)].contains(&path) {
                findings.say(
                    &path,
                    PlaceKind::ExtraFile,
                    "no file of a saved position has this name",
                );
            }
        }
    }
}

/// `node.json` against its own seal and id and the folder's name.
pub(super) fn description(folder: &Path, findings: &mut Findings) -> Option<NodeFile> {
    let path = paths::node_json(folder);
    if !path.exists() {
        findings.say(&path, PlaceKind::MissingFile, "the run folder has no description");
        return None;
    }
    findings.checked += 1;
    let file = match NodeFile::read(folder) {
        Ok(file) => file,
        Err(error) => {
            let kind = match &error {
                ExperimentError::Io { .. } => PlaceKind::Unreadable,
                _ => PlaceKind::Description,
            };
            findings.say_error(&path, kind, &error);
            return None;
        }
    };
    let (computed, name) = (file.node.id(), name_of(folder));
    if name != computed.as_str() {
        findings.say(
            &path,
            PlaceKind::NodeId,
            format!("describes node {computed} in folder {name:?}"),
        );
    }
    let last = file.node.last_epoch();
    if let Some(epoch) = file.environment.keep.iter().find(|&&epoch| epoch > last) {
        findings.say(
            &path,
            PlaceKind::Description,
            format!("keeps epoch {epoch}, the node has {last}"),
        );
    }
    Some(file)
}

/// What descriptions say of a node's states.
struct Context<'a> {
    file: &'a NodeFile,
    expected: Expected,
    /// What the mask must be, where nothing is pruned.
    due_mask: Option<String>,
}

impl Context<'_> {
    fn check(&self, path: &Path, epoch: u32, meta: &Meta, model: &ModelSpec, findings: &mut Findings) {
        let id = self.file.node.id();
        if meta.node_id.as_deref() != Some(id.as_str()) {
            let stated = meta.node_id.as_deref().unwrap_or("none");
            findings.say(
                path,
                PlaceKind::NodeId,
                format!("is of node {stated}, in the folder of {id}"),
            );
        }
        for difference in self.expected.differences(meta, model, epoch) {
            findings.say(path, PlaceKind::Chain, difference);
        }
        if let Some(due) = self.due_mask.as_deref().filter(|due| *due != meta.mask_sha256()) {
            let detail = format!(
                "has mask {}, not the {due} that its node says or its parent has",
                meta.mask_sha256()
            );
            findings.say(path, PlaceKind::Chain, detail);
        }
    }
}

/// The mask that a node must have: of whom it trains, or joins the mask of; the one that it loads.
fn due_mask(store: &Store, node: &Node) -> Option<String> {
    let parent: &StateRef = match node {
        Node::Init(_) | Node::Prune(_) | Node::LoadWeights(_) => return None,
        Node::LoadMask(load) => return Some(load.sha256.clone()),
        Node::Train(train) => &train.from,
        Node::Combine(combine) => &combine.mask_from,
    };
    let meta = read_meta(&store.place(parent)?.path).ok()?;
    Some(meta.mask_sha256().to_owned())
}

/// The store that a run folder seems to lie in.
fn store_of(folder: &Path) -> Store {
    Store::new(runs_of(folder)).with_published(&places::data())
}

fn runs_of(folder: &Path) -> PathBuf {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let runs = folder.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    runs.to_owned()
}

fn name_of(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The states in a folder, by epoch; the older form's last one under the epoch that its node has, or the largest number.
fn states(folder: &Path, last: Option<u32>, findings: &mut Findings) -> BTreeMap<u32, PathBuf> {
    let mut states = BTreeMap::new();
    let older = paths::older_checkpoint(folder);
    if older.is_file() {
        states.insert(last.unwrap_or(u32::MAX), older);
    }
    for path in findings.entries(folder) {
        let name = paths::file_name(&path);
        if let Some(epoch) = paths::checkpoint_epoch(name) {
            states.entry(epoch).or_insert(path);
        }
    }
    states
}
