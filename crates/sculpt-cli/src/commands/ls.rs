//! `sculpt ls`: the nodes of the store, one a line.

use crate::words::Global;
use crate::{places, printing};
use clap::Args;
use sculpt_experiments::{NodeId, Store};
use sculpt_store::paths;
use serde::Serialize;
use std::fs;
use std::path::Path;

#[derive(Args)]
pub(crate) struct Words {
    /// Print one JSON object: store, nodes
    #[arg(long)]
    json: bool,
}

/// How far a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Run to its end, every state asked for kept.
    Done,
    /// Run, with a saved position or some of its states missing.
    Unfinished,
    /// Only described.
    Described,
}

#[derive(Serialize)]
struct Row {
    id: NodeId,
    kind: &'static str,
    status: Status,
    /// None where a description above is missing.
    model: Option<String>,
    density: Option<f64>,
    /// Epochs of the node itself.
    epochs: u32,
    bytes: u64,
}

#[derive(Serialize)]
struct Report {
    store: String,
    nodes: Vec<Row>,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let store = places::store(global);
    let mut nodes = Vec::new();
    for id in store.ids()? {
        let file = match store.node_file(&id) {
            Ok(file) => file,
            Err(error) => {
                printing::warning(&format!("{error}; `sculpt verify` says more"));
                continue;
            }
        };
        let expected = store.expected(&id);
        nodes.push(Row {
            kind: file.node.kind(),
            status: status(
                &store,
                &id,
                file.node.last_epoch(),
                file.environment.keep.iter().copied(),
            ),
            model: expected.model.map(|model| model.to_string()),
            density: expected.density,
            epochs: file.node.last_epoch(),
            bytes: bytes(&store.node_folder(&id)),
            id,
        });
    }
    if words.json {
        return printing::json(&Report {
            store: store.runs().display().to_string(),
            nodes,
        });
    }
    if nodes.is_empty() {
        printing::note(&format!(
            "{} holds no nodes; `sculpt reproduce` makes some",
            store.runs().display()
        ));
    }
    for row in nodes {
        let status = match row.status {
            Status::Done => "done",
            Status::Unfinished => "unfinished",
            Status::Described => "described",
        };
        let density = row
            .density
            .map_or("?".to_owned(), |d| format!("{:.2} %", 100.0 * d));
        let epochs = if row.epochs > 0 {
            format!("{} epochs", row.epochs)
        } else {
            String::new()
        };
        printing::line(&format!(
            "{} {:8} {status:10} {:10} {density:>8} {epochs:>10} {:>10} bytes",
            row.id.short(),
            row.kind,
            row.model.as_deref().unwrap_or("?"),
            row.bytes
        ));
    }
    Ok(())
}

/// How far a node is that keeps these epochs.
pub(crate) fn status(store: &Store, id: &NodeId, last: u32, keep: impl Iterator<Item = u32>) -> Status {
    let here = store.epochs(id);
    if keep.chain([last]).all(|epoch| here.contains(&epoch)) {
        Status::Done
    } else if store.has_end(id) || paths::progress_state(&store.node_folder(id)).is_file() {
        Status::Unfinished
    } else {
        Status::Described
    }
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
