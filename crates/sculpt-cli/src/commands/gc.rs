//! `gc`: what of the store nothing that it knows of needs.

use super::ls::{Status, bytes, status};
use super::preset::DataWords;
use super::reproduce::by_names;
use crate::words::{BadUsage, Global};
use crate::{places, printing};
use anyhow::{Context, bail};
use clap::Args;
use sculpt_experiments::{AnySuite, ExperimentError, NodeId, Store};
use sculpt_store::{Lock, LockError, paths};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Suites keep their nodes, those of recipes that were run here among them. A store does not know recipes and presets as they were before they were
/// changed, nor recipes that train nothing: name those to be kept with --keep, and read the list before --delete.
#[derive(Args)]
pub(crate) struct Words {
    /// Keep what this recipe of your own needs (may be given several times)
    #[arg(long, value_name = "FILE.toml")]
    keep: Vec<PathBuf>,
    #[command(flatten)]
    data: DataWords,
    /// Delete what is listed
    #[arg(long)]
    delete: bool,
    /// Print one JSON object: store, suites, nodes, progress, strays, running, bytes, deleted
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Garbage {
    store: PathBuf,
    /// Suites whose artefacts' nodes are kept.
    suites: Vec<String>,
    #[serde(flatten)]
    found: Found,
    /// Of all nodes and positions listed.
    bytes: u64,
    deleted: bool,
}

#[derive(Default, Serialize)]
struct Found {
    /// Nodes that no suite needs.
    nodes: Vec<Item>,
    /// Saved positions of nodes that were run to their end since.
    progress: Vec<Item>,
    /// What killed processes were writing, and what `verify --repair` set aside.
    strays: Vec<Stray>,
    /// Nodes that a process is at work on: never garbage.
    running: Vec<NodeId>,
}

#[derive(Serialize)]
struct Stray {
    path: PathBuf,
    bytes: u64,
}

#[derive(Serialize)]
struct Item {
    id: NodeId,
    /// None where nothing describes the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    bytes: u64,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    if let Some(remote) = &global.remote {
        return Err(BadUsage(format!(
            "gc: {} is a remote store, in which nothing is deleted from here; its cache keeps within SCULPT_CACHE_GB by itself",
            remote.location()
        ))
        .into());
    }
    let store = Store::new(places::runs(global));
    // Nothing is deleted between the jobs of a recipe.
    let _own = words.delete.then(|| own(&store)).transpose()?;
    let suites = suites(&store)?;
    let mut needed = BTreeSet::new();
    for suite in &suites {
        let of = || format!("suite {:?}", suite.name());
        let suite = match suite {
            AnySuite::OfPreset(suite) => suite,
            AnySuite::OfRecipe(own) => {
                let recipe = own.recipe(&store, &paths::suite(store.runs(), &own.name))?;
                needed.extend(recipe.iter().map(|(id, _)| id.clone()));
                continue;
            }
        };
        // Not as bad usage: the words are a file's.
        let artefacts = by_names(&suite.artefacts).map_err(|e| anyhow::anyhow!("{}: {e}", of()))?;
        for artefact in artefacts {
            let recipe = artefact.needs(&suite.preset).with_context(of)?.recipe();
            needed.extend(recipe.iter().map(|(id, _)| id.clone()));
        }
    }
    for file in &words.keep {
        let recipe = store
            .read_user_recipe(file, &words.data.folder(global, 1)?)?
            .recipe;
        needed.extend(recipe.iter().map(|(id, _)| id.clone()));
    }
    let found = look(&store, &needed)?;
    let garbage = Garbage {
        store: store.runs().to_owned(),
        suites: suites.iter().map(|suite| suite.name().to_owned()).collect(),
        bytes: found
            .nodes
            .iter()
            .chain(&found.progress)
            .map(|item| item.bytes)
            .chain(found.strays.iter().map(|stray| stray.bytes))
            .sum(),
        found,
        deleted: words.delete,
    };
    if words.delete {
        // What a running command waits for is not known: it may be of another version, or of a user's recipe.
        if let Some(id) = garbage.found.running.first() {
            bail!(
                "node {} is running; nothing is deleted while something is trained in {}",
                id.short(),
                store.runs().display()
            );
        }
        delete(&store, &garbage)?;
    }
    if words.json {
        return printing::json(&garbage);
    }
    for item in &garbage.found.nodes {
        let kind = item.kind.unwrap_or("?");
        printing::line(&format!(
            "node     {}  {kind:<8} {:>12} bytes",
            item.id.short(),
            item.bytes
        ));
    }
    for item in &garbage.found.progress {
        let node = item.id.short();
        printing::line(&format!(
            "progress {node}  {:<8} {:>12} bytes",
            "of it", item.bytes
        ));
    }
    for stray in &garbage.found.strays {
        printing::line(&format!(
            "stray    {} {} bytes",
            stray.path.display(),
            stray.bytes
        ));
    }
    printing::note(&summary(&garbage));
    Ok(())
}

fn summary(garbage: &Garbage) -> String {
    let (store, n) = (garbage.store.display(), garbage.found.nodes.len());
    let suites = match garbage.suites.as_slice() {
        [] => "there is no suite".to_owned(),
        suites => format!("its suites are {}", suites.join(", ")),
    };
    let (progress, megabytes) = (garbage.found.progress.len(), garbage.bytes as f64 / 1e6);
    let strays = garbage.found.strays.len();
    let found = format!(
        "{store}: {n} nodes that no suite needs ({suites}), {progress} stale positions, {strays} strays, \
         {megabytes:.1} MB"
    );
    match (garbage.deleted, n + progress + strays) {
        (true, _) => format!("{found}: deleted"),
        (false, 0) => found,
        (false, _) => format!(
            "{found}; nodes of recipes that were run before recipes were suites, or that were changed since, are among them unless --keep names the recipes; --delete deletes \
             what is listed"
        ),
    }
}

/// Every suite of the store. One that cannot be read stops all: what it needs is not known.
fn suites(store: &Store) -> anyhow::Result<Vec<AnySuite>> {
    let folder = paths::suites_folder(store.runs());
    let mut suites = Vec::new();
    for path in entries(&folder)? {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if path.extension().is_some_and(|e| e == "json") && paths::is_plain_name(name) {
            suites.extend(AnySuite::in_store(store, name)?);
        }
    }
    suites.sort_by(|a, b| a.name().cmp(b.name()));
    for aside in set_aside(store)? {
        let name = paths::file_name(&aside)
            .split(".json-")
            .next()
            .unwrap_or_default();
        if suites.iter().all(|suite| suite.name() != name) {
            bail!(
                "what suite {name:?} needs is not known: its description was damaged and is now {}; run its `reproduce` again, \
                 or delete that file where nobody wants the suite",
                aside.display()
            );
        }
    }
    Ok(suites)
}

/// Descriptions of suites that `verify --repair` set aside.
fn set_aside(store: &Store) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = entries(&paths::damaged_folder(store.runs()))?;
    found.retain(|path| paths::file_name(path).contains(".json-"));
    Ok(found)
}

/// What lies in a folder, sorted; nothing where there is no folder.
fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let said = || folder.display().to_string();
    let entries = fs::read_dir(folder).with_context(said)?;
    let paths: Result<Vec<_>, _> = entries
        .map(|entry| Ok::<_, std::io::Error>(entry?.path()))
        .collect();
    let mut paths = paths.with_context(said)?;
    paths.sort();
    Ok(paths)
}

/// Nodes that are not needed, stale positions of those that are, and what runs.
fn look(store: &Store, needed: &BTreeSet<NodeId>) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for id in store.ids()? {
        let folder = store.node_folder(&id);
        // What has no description is what an earlier `gc --delete` was stopped at.
        let file = if paths::node_json(&folder).exists() {
            match store.node_file(&id) {
                Ok(file) => Some(file),
                Err(error) => {
                    printing::warning(&format!("{error}; left alone, `sculpt verify` says more"));
                    continue;
                }
            }
        } else {
            None
        };
        let status = file.as_ref().map(|file| {
            let keep = file.environment.keep.iter().copied();
            status(store, &id, file.node.last_epoch(), keep)
        });
        let kind = file.map(|file| file.node.kind());
        let position = paths::progress_folder(&folder);
        found.strays.extend(strays(&folder));
        // While a node runs it is not done.
        if status != Some(Status::Done) && is_locked(store, &id)? {
            found.running.push(id);
        } else if !needed.contains(&id) {
            let bytes = bytes(&folder);
            found.nodes.push(Item { id, kind, bytes });
        } else if status == Some(Status::Done) && position.exists() {
            let bytes = bytes(&position);
            found.progress.push(Item { id, kind, bytes });
        }
    }
    found.strays.extend(unused_networks(store, needed)?);
    let measures = subfolders(&paths::measures_folder(store.runs()));
    let others = [
        paths::suites_folder(store.runs()),
        paths::networks_folder(store.runs()),
        paths::recipes_folder(store.runs()),
    ];
    for folder in measures.iter().chain(&others) {
        found.strays.extend(strays(folder));
    }
    for path in subfolders(&paths::damaged_folder(store.runs())) {
        let bytes = bytes(&path);
        found.strays.push(Stray { path, bytes });
    }
    Ok(found)
}

/// Exported networks that no node is of which stays, nor one that cannot be read.
fn unused_networks(store: &Store, needed: &BTreeSet<NodeId>) -> anyhow::Result<Vec<Stray>> {
    let files = store.networks()?;
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let mut used = BTreeSet::new();
    for id in store.ids()? {
        match store.node(&id) {
            Some(_) if needed.contains(&id) => {
                let Some(model) = store.expected(&id).model else {
                    // What it is of is not known.
                    return Ok(Vec::new());
                };
                used.extend(model.network_sha256().map(str::to_owned));
            }
            Some(_) => {}
            None if paths::node_json(&store.node_folder(&id)).exists() => return Ok(Vec::new()),
            None => {}
        }
    }
    let used = |path: &Path| {
        let kept = |sha256: &String| *path == paths::network(store.runs(), sha256);
        used.iter().any(kept)
    };
    let unused = files.into_iter().filter(|path| !used(path));
    Ok(unused
        .map(|path| Stray {
            bytes: path.metadata().map_or(0, |found| found.len()),
            path,
        })
        .collect())
}

/// Files of a folder that a killed process was writing.
fn strays(folder: &Path) -> Vec<Stray> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_stray = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(paths::is_temporary);
    entries
        .filter(is_stray)
        .map(|entry| Stray {
            path: entry.path(),
            bytes: entry.metadata().map_or(0, |found| found.len()),
        })
        .collect()
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// The store for us alone.
fn own(store: &Store) -> anyhow::Result<Option<Lock>> {
    if !store.runs().exists() {
        return Ok(None);
    }
    match store.own() {
        Err(ExperimentError::Lock(LockError::Held { .. })) => bail!(
            "a recipe, a node or another `gc` is at work in {}; nothing is deleted meanwhile",
            store.runs().display()
        ),
        lock => Ok(Some(lock?)),
    }
}

/// Whether a process is at work on the node. A node without a lock file was never run.
fn is_locked(store: &Store, id: &NodeId) -> anyhow::Result<bool> {
    Ok(store.holding(id)?.is_some())
}

/// Deletes what was listed, each node under its lock; a node that began to run since ends this.
fn delete(store: &Store, garbage: &Garbage) -> anyhow::Result<()> {
    for item in &garbage.found.nodes {
        let _lock = store.lock(&item.id)?;
        let folder = store.node_folder(&item.id);
        // Without its description it is no node any more, wherever this is stopped.
        let description = paths::node_json(&folder);
        if description.exists() {
            remove(&description, fs::remove_file(&description))?;
        }
        remove(&folder, fs::remove_dir_all(&folder))?;
    }
    for item in &garbage.found.progress {
        let _lock = store.lock(&item.id)?;
        let folder = paths::progress_folder(&store.node_folder(&item.id));
        remove(&folder, fs::remove_dir_all(&folder))?;
    }
    for Stray { path, .. } in &garbage.found.strays {
        if path.is_dir() {
            remove(path, fs::remove_dir_all(path))?;
        } else if path.exists() {
            // Those of a node that was deleted went with it.
            remove(path, fs::remove_file(path))?;
        }
    }
    Ok(())
}

fn remove(path: &Path, removed: std::io::Result<()>) -> anyhow::Result<()> {
    match removed {
        Ok(()) => Ok(()),
        Err(error) => bail!("{} cannot be deleted: {error}", path.display()),
    }
}
