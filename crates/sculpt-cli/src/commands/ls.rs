//! `sculpt ls`: the nodes of the store or of a published suite, one a line.

use crate::commands::{address, suites};
use crate::words::Global;
use crate::{places, printing};
use anyhow::bail;
use clap::Args;
use sculpt_experiments::{AnySuite, MetricsRow, NodeId, PublishedSuite, StateRef, Store};
use sculpt_store::paths;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

#[derive(Args)]
pub(crate) struct Words {
    /// A published or fetched suite, whose nodes are listed in the place of the store's
    #[arg(value_name = "SUITE")]
    suite: Option<String>,
    /// Print one JSON object: store, suite, nodes
    #[arg(long)]
    json: bool,
}

/// How far a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Run to its end, every state asked for kept.
    Done,
    /// Begun, or run with some of its states missing.
    Unfinished,
    /// Only described.
    Described,
}

#[derive(Serialize)]
struct Row {
    id: NodeId,
    /// What recipes call it, each with its suite: `suite: name[…]`.
    names: Vec<String>,
    kind: &'static str,
    status: Status,
    /// None where a description above is missing.
    model: Option<String>,
    density: Option<f64>,
    /// Epochs of the node itself.
    epochs: u32,
    /// Of those, how many an unfinished one has behind it.
    epochs_done: Option<u32>,
    /// After which epochs there is a state.
    states: Vec<u32>,
    bytes: u64,
}

#[derive(Serialize)]
struct Report {
    store: String,
    /// The one that the nodes are of, if not of the store.
    suite: Option<String>,
    nodes: Vec<Row>,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let store = places::store(global);
    store.bring_suites()?;
    let nodes = match &words.suite {
        Some(name) => of_suite(name, &store, global)?,
        None => of_store(&store)?,
    };
    if words.json {
        return printing::json(&Report {
            store: store.runs().display().to_string(),
            suite: words.suite.clone(),
            nodes,
        });
    }
    if nodes.is_empty() && words.suite.is_none() {
        printing::note(&format!(
            "{} holds no nodes; `sculpt reproduce` makes some, `sculpt ls SUITE` lists those of a published suite",
            store.runs().display()
        ));
    }
    for row in nodes {
        print(&row);
    }
    Ok(())
}

/// Those that are in the store itself.
fn of_store(store: &Store) -> anyhow::Result<Vec<Row>> {
    let named = Named::of(store);
    let mut nodes = Vec::new();
    for id in store.all_ids()? {
        store.node(&id);
        let file = match store.node_file(&id) {
            Ok(file) => file,
            Err(error) => {
                printing::warning(&format!("{error}; `sculpt verify` says more"));
                continue;
            }
        };
        let expected = store.expected(&id);
        let keep = file.environment.keep.iter().copied();
        let status = status(store, &id, file.node.last_epoch(), keep);
        let is_begun = status == Status::Unfinished && !store.has_end(&id);
        nodes.push(Row {
            names: named.names(&id),
            kind: file.node.kind(),
            status,
            epochs_done: is_begun.then(|| live_metrics(store, &id).len() as u32),
            states: store.epochs(&id).into_iter().collect(),
            model: expected.model.map(|model| model.to_string()),
            density: expected.density,
            epochs: file.node.last_epoch(),
            bytes: bytes(&store.node_folder(&id)),
            id,
        });
    }
    Ok(nodes)
}

/// Those that a published suite has states of.
fn of_suite(name: &str, store: &Store, global: &Global) -> anyhow::Result<Vec<Row>> {
    let (_, Some(folder)) = suites::find_any(Some(name), global)? else {
        bail!("suite {name:?} is not published or fetched here; `sculpt ls` lists the nodes of the store");
    };
    let suite = PublishedSuite::open(&folder)?;
    let named = Named::of(store);
    let ids: BTreeSet<&NodeId> = suite.ids().collect();
    let row = |id: &NodeId| {
        let node = suite.node(id)?;
        let states: Vec<u32> = suite.epochs(id).collect();
        let state = StateRef {
            id: id.clone(),
            epoch: *states.last()?,
        };
        let expected = address::described_or_read(suite.expected(id), suite.place(&state), state.epoch);
        Some(Row {
            names: named.names(id),
            kind: node.kind(),
            // Suites may be published of nodes that are still trained.
            status: if states.contains(&node.last_epoch()) {
                Status::Done
            } else {
                Status::Unfinished
            },
            model: expected.model.map(|model| model.to_string()),
            density: expected.density,
            epochs: node.last_epoch(),
            epochs_done: None,
            states,
            bytes: suite.bytes(id),
            id: id.clone(),
        })
    };
    Ok(ids.into_iter().filter_map(row).collect())
}

fn print(row: &Row) {
    let status = match row.status {
        Status::Done => "done",
        Status::Unfinished => "unfinished",
        Status::Described => "described",
    };
    let density = row
        .density
        .map_or("?".to_owned(), |d| format!("{:.2} %", 100.0 * d));
    let epochs = match (row.epochs, row.epochs_done) {
        (0, _) => String::new(),
        (all, Some(done)) => format!("{done}/{all} epochs"),
        (all, None) => format!("{all} epochs"),
    };
    let line = format!(
        "{} {:8} {status:10} {:10} {density:>8} {epochs:>10} {:>10} bytes  {}",
        row.id.short(),
        row.kind,
        row.model.as_deref().unwrap_or("?"),
        row.bytes,
        row.names.join(", ")
    );
    printing::line(line.trim_end());
}

/// What recipes call the nodes of a store.
pub(crate) struct Named(HashMap<NodeId, Vec<String>>);

impl Named {
    /// By the suites of recipes in the store, and of those that are published or fetched. One that cannot be read names nothing:
    /// `verify` tells of it.
    pub(crate) fn of(store: &Store) -> Self {
        let mut names: HashMap<NodeId, Vec<String>> = HashMap::new();
        let data = places::data();
        let published = [paths::published_folder(&data), paths::fetched_folder(&data)];
        let folders = published
            .iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        let mut suites: Vec<_> = folders
            .filter_map(|folder| AnySuite::in_folder(&folder.path()).ok().flatten())
            .collect();
        let files = fs::read_dir(paths::suites_folder(store.runs()))
            .into_iter()
            .flatten()
            .flatten();
        let mut files: Vec<_> = files.map(|file| file.file_name()).collect();
        files.sort();
        for file in files {
            let name = file.to_string_lossy();
            suites.extend(
                paths::suite_of(&name).and_then(|name| AnySuite::in_store(store, name).ok().flatten()),
            );
        }
        for suite in suites {
            let AnySuite::OfRecipe(suite) = suite else {
                continue;
            };
            for named in suite.states() {
                let title = format!("{}: {}", suite.name, named.title());
                let names = names.entry(named.state.id.clone()).or_default();
                if !names.contains(&title) {
                    names.push(title);
                }
            }
        }
        Self(names)
    }

    /// Of a node.
    pub(crate) fn names(&self, id: &NodeId) -> Vec<String> {
        self.0.get(id).cloned().unwrap_or_default()
    }
}

/// How far a node is that keeps these epochs.
pub(crate) fn status(store: &Store, id: &NodeId, last: u32, keep: impl Iterator<Item = u32>) -> Status {
    let here = store.epochs(id);
    if keep.chain([last]).all(|epoch| here.contains(&epoch)) {
        Status::Done
    } else if store.has_end(id) || is_begun(&store.node_folder(id)) {
        Status::Unfinished
    } else {
        Status::Described
    }
}

/// Whether a node has a position to go on from, or is in its first minute.
fn is_begun(folder: &Path) -> bool {
    paths::progress_state(folder).is_file() || paths::live_epochs(folder).is_file()
}

/// The epochs that an unfinished node has behind it. Where they cannot be read the command goes on without: nothing rests on them.
pub(super) fn live_metrics(store: &Store, id: &NodeId) -> Vec<MetricsRow> {
    store.live_metrics(id).unwrap_or_else(|error| {
        printing::warning(&error.to_string());
        Vec::new()
    })
}

/// Size of a folder's files; what cannot be read counts nothing.
pub(super) fn bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
